/** `pyramidion validate`. */
import { readFile } from 'node:fs/promises';
import { parseProfile } from '../colour/parse.js';
import { PyramidionError, toPyramidionError } from '../errors.js';
import type { EngineOptions, ImageInfo } from '../ingest/types.js';
import { type PyramidInfo, readPyramid } from '../pyramid/pyramid.js';
import {
  type CliContext,
  type CliEngine,
  type ErrorReport,
  errorReport,
  exitCode,
  printable,
  reportFailure,
  UsageError,
  withEngine,
} from './context.js';
import { isOtherImage } from './info.js';
import { ProgressBar, progressMode } from './progress.js';

/** Flags of `validate`. */
export interface ValidateFlags {
  readonly type: 'any' | 'jpeg' | 'ptif';
  readonly readPixels?: true;
  readonly reject16Bit?: true;
  readonly validateColorProfile?: true;
  readonly stopOnError?: true;
  readonly fileList?: string;
  readonly silent?: true;
  readonly verbose?: true;
  readonly json?: true;
  readonly progress?: true;
}

/** What `--json` shows of one file. */
type ValidateResult =
  | {
      readonly path: string;
      readonly status: 'valid';
      readonly format: string;
      readonly width: number;
      readonly height: number;
      readonly levels: number;
    }
  | { readonly path: string; readonly status: 'invalid'; readonly error: ErrorReport }
  | { readonly path: string; readonly status: 'skipped' };

/**
 * Checks files one after the other: their headers and, of pyramids, the structure down to the place of each tile; with
 * `--read-pixels` every pixel of every level. Goes on after a bad file unless told otherwise. Yields the exit code.
 */
export async function runValidate(
  paths: readonly string[],
  flags: ValidateFlags,
  options: EngineOptions,
  context: CliContext,
): Promise<number> {
  if ((paths.length === 0) === (flags.fileList === undefined))
    throw new UsageError('validate takes files, or a list of them with --file-list');
  const files = flags.fileList === undefined ? paths : await readFileList(flags.fileList);
  const results: ValidateResult[] = files.map((path) => ({ path, status: 'skipped' }));
  const bar = new ProgressBar(
    context.stderr,
    progressMode(context.stderr, { quiet: flags.silent === true, progress: flags.progress === true }),
    files.length,
  );
  await withEngine(context, options, async (engine) => {
    for (const [i, path] of files.entries()) {
      if (context.signal.aborted) return;
      bar.update(path);
      try {
        const { image, pyramid } = await check(path, flags, engine, context.signal);
        const levels = pyramid?.levels.length ?? 1;
        results[i] = {
          path,
          status: 'valid',
          format: pyramid === null ? image.format : 'pyramid',
          width: image.width,
          height: image.height,
          levels,
        };
        bar.finish(path, image.bytes);
        bar.clear();
        if (!flags.json && !flags.silent)
          context.stdout.write(`${printable(path)}: ok${flags.verbose ? `, ${details(image, pyramid)}` : ''}\n`);
      } catch (thrown) {
        bar.finish(path);
        bar.clear();
        const error = flags.silent
          ? errorReport(toPyramidionError(thrown))
          : reportFailure(context.stderr, path, thrown);
        results[i] = { path, status: 'invalid', error };
        if (flags.stopOnError) return;
      }
    }
  });
  bar.clear();
  const failures = results.flatMap((result) => (result.status === 'invalid' ? [result.error] : []));
  const valid = results.filter(({ status }) => status === 'valid').length;
  const skipped = files.length - valid - failures.length;
  if (flags.json)
    context.stdout.write(`${JSON.stringify({ results, valid, invalid: failures.length, skipped }, null, 2)}\n`);
  return exitCode(valid, failures);
}

interface Checked {
  readonly image: ImageInfo;
  /** Null when the file is no pyramid. */
  readonly pyramid: PyramidInfo | null;
}

async function check(path: string, flags: ValidateFlags, engine: CliEngine, signal: AbortSignal): Promise<Checked> {
  const pyramid = await readPyramid(path).catch((error: unknown) => {
    if (isOtherImage(error) && flags.type !== 'ptif') return null;
    throw error;
  });
  const image = await engine.probe(path, { signal });
  if (flags.type === 'jpeg' && image.format !== 'jpeg') {
    throw new PyramidionError('UNSUPPORTED_FORMAT', `the file is no JPEG but ${image.format}`, {
      value: image.format,
      limit: 'jpeg',
    });
  }
  if (flags.reject16Bit && image.bitDepth > 8) {
    throw new PyramidionError(
      'UNSUPPORTED_IMAGE',
      `the image has ${image.bitDepth} bits per component; at most 8 are allowed`,
      { value: image.bitDepth, limit: 8 },
    );
  }
  if (flags.validateColorProfile) checkProfile(image, pyramid);
  if (flags.readPixels) await readPixels(path, pyramid, engine, signal);
  return { image, pyramid };
}

/** Files named in a list, one to a line; empty lines are left out. */
async function readFileList(path: string): Promise<string[]> {
  try {
    const text = await readFile(path, 'utf8');
    return text.split(/\r?\n/).filter((line) => line.trim() !== '');
  } catch (cause) {
    throw new UsageError(`--file-list: ${path} cannot be read`, { cause });
  }
}

/** Every level of a pyramid, or the first page of another image. */
async function readPixels(
  path: string,
  pyramid: PyramidInfo | null,
  engine: CliEngine,
  signal: AbortSignal,
): Promise<void> {
  if (pyramid === null) {
    await engine.verify(path, { signal });
    return;
  }
  for (const { index, directory } of pyramid.levels) {
    if (directory.chain > 0) {
      throw new PyramidionError(
        'UNSUPPORTED_IMAGE',
        `level ${index} hangs on a chain of SubIFDs, where it cannot be decoded`,
      );
    }
    await engine.verify(path, {
      page: directory.page,
      signal,
      ...(directory.subIfd === null ? {} : { subIfd: directory.subIfd }),
    });
  }
}

/** A profile that cannot be used is no reason for the engine to refuse an image: it warns and goes without. */
function checkProfile(image: ImageInfo, pyramid: PyramidInfo | null): void {
  if (pyramid?.profile) parseProfile(pyramid.profile.bytes);
  const warning = image.warnings.find((text) => text.startsWith('the embedded profile'));
  if (warning === undefined) return;
  throw new PyramidionError(warning.includes(' describes ') ? 'PROFILE_MISMATCH' : 'PROFILE_INVALID', warning);
}

function details({ format, width, height, bands, bitDepth }: ImageInfo, pyramid: PyramidInfo | null): string {
  const kind = pyramid === null ? format : `pyramid of ${pyramid.levels.length}`;
  return `${kind}, ${width}x${height}, ${bands} x ${bitDepth} bits`;
}
