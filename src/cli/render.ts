/** `pyramidion render`. */
import { type BigIntStats, promises as files } from 'node:fs';
import { extname, resolve } from 'node:path';
import { PyramidionError, toPyramidionError } from '../errors.js';
import { checkTarget, writeWhole } from '../ingest/commit.js';
import type { RenderLimits } from '../picture/limits.js';
import type { PictureInfo } from '../picture/picture.js';
import type { ViewPlan } from '../pipeline.js';
import { type Modifiers, parseModifiers } from '../protocol/image-serving/modifiers.js';
import {
  type CliContext,
  errorReport,
  formatBytes,
  printable,
  reportFailure,
  UsageError,
  withEngine,
} from './context.js';

/** Flags of `render`. */
export interface RenderFlags {
  readonly explain?: true;
  readonly json?: true;
  readonly page?: number;
  readonly maxMpix?: number;
  readonly profileFolder?: readonly string[];
}

/** Formats by the ending of the output's name, for a query without `fmt`; and whether there is a variant with alpha. */
const FORMATS: Readonly<Record<string, { readonly name: string; readonly alpha: boolean }>> = {
  '.jpg': { name: 'jpeg', alpha: false },
  '.jpeg': { name: 'jpeg', alpha: false },
  '.png': { name: 'png', alpha: true },
  '.gif': { name: 'gif', alpha: true },
  '.tif': { name: 'tif', alpha: true },
  '.tiff': { name: 'tif', alpha: true },
  '.webp': { name: 'webp', alpha: true },
  '.avif': { name: 'avif', alpha: true },
};

/** Codes that say that the command line, not the image or the machine, is at fault. */
const USAGE_CODES = new Set(['INVALID_OPTION', 'INVALID_REQUEST', 'FORMAT_UNSUPPORTED']);

/** An output that is standard output. */
const STDOUT = '-';

/**
 * Writes one view of an image, or with `--explain` shows what would be done. The modifiers are an Image Serving query;
 * without `fmt` the output's name decides the format. Yields the exit code. A file of that name is replaced, unless it is
 * the image itself; nothing partial is ever seen there.
 */
export async function runRender(
  path: string,
  named: string | undefined,
  modifiers: string,
  flags: RenderFlags,
  context: CliContext,
): Promise<number> {
  // Where the output was left out, the query stands in its place.
  const isQuery = modifiers === '' && named?.includes('=') === true && !(endingOf(named) in FORMATS);
  const output = isQuery ? undefined : named;
  if (output === undefined && !flags.explain) throw new UsageError('render needs the name of a file to write to');
  if (output === STDOUT && !flags.explain) checkStdout(flags, context);
  try {
    const query = (isQuery ? named : modifiers).replace(/^\?/, '');
    const asked = parseModifiers(query);
    const warnings = warningsOf(asked, output);
    for (const warning of warnings)
      context.stderr.write(`pyramidion: ${printable(path)}: warning: ${printable(warning)}\n`);
    // What cannot be written is better known before the work than after it.
    if (!flags.explain && output !== undefined && output !== STDOUT) await checkOutput(path, output);
    await withEngine(
      context,
      { renders: 1, limits: limitsOf(flags), colour: { profileFolders: flags.profileFolder ?? [] } },
      async (engine) => {
        const picture = await engine.open(path, { page: flags.page ?? 0, signal: context.signal });
        try {
          const full = withFormat(query, asked, output, picture.info);
          if (flags.explain) {
            context.stdout.write(`${JSON.stringify(shown(await picture.plan(full)), null, 2)}\n`);
            return;
          }
          const { bytes, ...rendition } = await picture.render(full, { signal: context.signal });
          if (output === undefined || output === STDOUT) {
            context.stdout.write(bytes);
            return;
          }
          const target = resolve(output);
          await writeWhole(target, bytes);
          const { width, height, mediaType } = rendition;
          context.stdout.write(
            flags.json
              ? `${JSON.stringify({ path, output: target, ...rendition, bytes: bytes.length, warnings }, null, 2)}\n`
              : `${printable(output)}: ${width} × ${height}, ${mediaType}, ${formatBytes(bytes.length)}\n`,
          );
        } finally {
          await picture.close();
        }
      },
    );
    return 0;
  } catch (thrown) {
    const error = toPyramidionError(thrown);
    if (flags.json && output !== STDOUT)
      context.stdout.write(`${JSON.stringify({ path, error: errorReport(error) }, null, 2)}\n`);
    reportFailure(context.stderr, path, error);
    if (error.option !== undefined && error.option in limitsOf(flags))
      context.stderr.write('pyramidion: --max-mpix allows more\n');
    return USAGE_CODES.has(error.code) ? 2 : 1;
  }
}

function checkStdout({ json }: RenderFlags, { stdout }: CliContext): void {
  if (json) throw new UsageError('the picture and the --json document cannot both go to standard output');
  if (stdout.isTTY) throw new UsageError('standard output is a terminal, which shows no picture: name a file');
}

/** Refuses an output that cannot be written, or that is the image itself: `OUTPUT_NOT_WRITABLE`. */
async function checkOutput(path: string, output: string): Promise<void> {
  const target = resolve(output);
  await checkTarget(target, 'replace');
  const look = (name: string): Promise<BigIntStats | null> => files.stat(name, { bigint: true }).catch(() => null);
  const [source, existing] = await Promise.all([look(path), look(target)]);
  if (source === null || source.ino !== existing?.ino || source.dev !== existing.dev) return;
  throw new PyramidionError('OUTPUT_NOT_WRITABLE', `${output} is the image itself: a view would replace it`, {
    value: output,
  });
}

/** What of a query has no effect here. */
function warningsOf({ ignored, req, given }: Modifiers, output: string | undefined): string[] {
  const ending = output === undefined || output === STDOUT ? '' : endingOf(output);
  return [
    ...ignored.map((name) => `there is no command '${name}': it is ignored`),
    ...(req.type === 'img' || req.type === 'tmb' ? [] : [`req=${req.type} is for servers: an image is made`]),
    ...(given.has('fmt') || ending === '' || ending in FORMATS
      ? []
      : [`the ending ${ending} is that of no format (${Object.keys(FORMATS).join(', ')}): written as jpeg`]),
  ];
}

function endingOf(output: string): string {
  return extname(output).toLowerCase();
}

/** An operator at a command line is no client of a server: replies are bounded by their pixels only. */
function limitsOf({ maxMpix }: RenderFlags): Partial<RenderLimits> {
  const mpix = maxMpix ?? 100;
  return {
    maxPix: [0, 0],
    maxRenderRgnPixels: mpix,
    maxDecodedPixels: 8 * mpix,
    maxMessageSize: 8 * mpix,
    maxNonDsfSize: mpix,
    deadlineMs: 0,
  };
}

/**
 * The query with the format of the output's ending, unless it says one. Transparency is kept where the image has some and
 * the format can hold it, but not when the query says what to put under it.
 */
function withFormat(
  query: string,
  { given }: Modifiers,
  output: string | undefined,
  { pixels }: Pick<PictureInfo, 'pixels'>,
): string {
  const format = output === undefined ? undefined : FORMATS[endingOf(output)];
  if (format === undefined || given.has('fmt')) return query;
  const keepsAlpha = format.alpha && pixels.alpha !== 'none' && !given.has('bgc');
  return `fmt=${format.name}${keepsAlpha ? '-alpha' : ''}${query === '' ? '' : `&${query}`}`;
}

/** A plan with its blocks of bytes told by their lengths. */
function shown(plan: ViewPlan): unknown {
  return JSON.parse(
    JSON.stringify(plan, (_, value: unknown) => (value instanceof Uint8Array ? `${value.length} bytes` : value)),
  );
}
