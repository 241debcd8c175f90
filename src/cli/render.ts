/** `pyramidion render`. */
import { extname, resolve } from 'node:path';
import { toPyramidionError } from '../errors.js';
import { writeWhole } from '../ingest/commit.js';
import type { EngineOptions } from '../ingest/types.js';
import type { RenderLimits } from '../picture/limits.js';
import type { ViewPlan } from '../pipeline.js';
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
}

/** Formats by the ending of the output's name, for a query without `fmt`. */
const FORMATS: Readonly<Record<string, string>> = {
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.png': 'png-alpha',
  '.gif': 'gif',
  '.tif': 'tif',
  '.tiff': 'tif',
  '.webp': 'webp-alpha',
  '.avif': 'avif-alpha',
};

/**
 * Writes one view of an image, or with `--explain` shows what would be done. The modifiers are an Image Serving query;
 * without `fmt` the output's name decides the format. Yields the exit code. A file of that name is replaced; nothing
 * partial is ever seen there.
 */
export async function runRender(
  path: string,
  output: string | undefined,
  modifiers: string,
  flags: RenderFlags,
  options: EngineOptions,
  context: CliContext,
): Promise<number> {
  if (output === undefined && !flags.explain) throw new UsageError('render needs the name of a file to write to');
  const query = withFormat(modifiers.replace(/^\?/, ''), output);
  try {
    await withEngine(context, { ...options, limits: limitsOf(flags) }, async (engine) => {
      const picture = await engine.open(path, { page: flags.page ?? 0, signal: context.signal });
      try {
        if (flags.explain) {
          context.stdout.write(`${JSON.stringify(shown(await picture.plan(query)), null, 2)}\n`);
          return;
        }
        const { bytes, ...rendition } = await picture.render(query, { signal: context.signal });
        const target = resolve(output ?? '');
        await writeWhole(target, bytes);
        const report = { path, output: target, ...rendition, bytes: bytes.length };
        if (flags.json) context.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
        else
          context.stdout.write(
            `${printable(output ?? '')}: ${rendition.width} × ${rendition.height}, ${rendition.mediaType}, ${formatBytes(bytes.length)}\n`,
          );
      } finally {
        await picture.close();
      }
    });
    return 0;
  } catch (thrown) {
    if (flags.json)
      context.stdout.write(`${JSON.stringify({ path, error: errorReport(toPyramidionError(thrown)) }, null, 2)}\n`);
    reportFailure(context.stderr, path, thrown);
    return 1;
  }
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

function withFormat(query: string, output: string | undefined): string {
  const format = output === undefined ? undefined : FORMATS[extname(output).toLowerCase()];
  // In front, where what the query says counts for more.
  return format === undefined ? query : `fmt=${format}${query === '' ? '' : `&${query}`}`;
}

/** A plan with its blocks of bytes told by their lengths. */
function shown(plan: ViewPlan): unknown {
  return JSON.parse(
    JSON.stringify(plan, (_, value: unknown) => (value instanceof Uint8Array ? `${value.length} bytes` : value)),
  );
}
