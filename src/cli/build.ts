/** `pyramidion build`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PyramidionError } from '../errors.js';
import { resolveBuildOptions, resolveEngineOptions } from '../ingest/options.js';
import type { BuildOptions, BuildProgress, BuildReport } from '../ingest/types.js';
import type { NativeRect } from '../native/contract.js';
import {
  type CliContext,
  type CliEngine,
  type ErrorReport,
  exitCode,
  formatBytes,
  printable,
  reportFailure,
  UsageError,
  withEngine,
} from './context.js';
import { type BuildItem, type BuildPlan, planBuild } from './inputs.js';
import { Log } from './log.js';
import { type BuildFlags, buildOptions, engineOptions, type RawFlags } from './options.js';
import { ProgressBar, progressMode } from './progress.js';

/** What `--json` shows of one file. */
type BuildResult =
  | ({ readonly source: string; readonly status: 'built' } & BuildReport)
  | { readonly source: string; readonly status: 'failed'; readonly error: ErrorReport }
  | { readonly source: string; readonly status: 'skipped' };

/**
 * Builds every input of `paths` into the last of them. As many builds are under way as the engine has workers; after a
 * failure no further one starts unless `--continue-on-error` was given, but those under way are finished. Yields the
 * exit code.
 */
export async function runBuild(
  paths: readonly string[],
  flags: BuildFlags & RawFlags,
  context: CliContext,
): Promise<number> {
  const inputs = paths.slice(0, -1);
  const output = paths.at(-1);
  if (output === undefined || inputs.length === 0)
    throw new UsageError('build takes at least one input, then the output');
  const plan = await planBuild(inputs, output, flags);
  if (flags.autocrop?.infoFile && plan.items.length > 1) {
    throw new UsageError(
      '--autocrop writes one file, so there can be one input only; --json reports the rectangles of many',
    );
  }
  const options = buildOptions(flags);
  resolveBuildOptions(options);
  const log = new Log({
    path: flags.logFile ?? null,
    append: flags.logAppend,
    level: flags.logLevel,
    progressMs: flags.logProgressMsec,
  });
  const results = await withEngine(context, engineOptions(flags), (engine) =>
    buildAll(plan, options, flags, { context, engine, log }),
  );

  const failures = results.flatMap((result) => (result.status === 'failed' ? [result.error] : []));
  const built = results.filter(({ status }) => status === 'built').length;
  const skipped = results.length - built - failures.length;
  if (flags.json)
    context.stdout.write(`${JSON.stringify({ results, built, failed: failures.length, skipped }, null, 2)}\n`);
  else if (results.length > 1 && !flags.quiet) {
    context.stdout.write(`${built} built, ${failures.length} failed${skipped > 0 ? `, ${skipped} not started` : ''}\n`);
  }
  return exitCode(built, failures);
}

interface Tools {
  readonly context: CliContext;
  readonly engine: CliEngine;
  readonly log: Log;
}

async function buildAll(
  { items, intoFolder }: BuildPlan,
  options: BuildOptions,
  flags: BuildFlags & RawFlags,
  tools: Tools,
): Promise<BuildResult[]> {
  const { context, log } = tools;
  const bar = new ProgressBar(context.stderr, progressMode(context.stderr, flags), items.length);
  const results: BuildResult[] = items.map(({ source }) => ({ source, status: 'skipped' }));
  const queue = items.entries();
  let stopped = false;
  const work = async () => {
    for (const [i, item] of queue) {
      if (stopped || context.signal.aborted) return;
      const { source } = item;
      bar.update(source);
      try {
        const onProgress = (progress: BuildProgress) => {
          bar.update(source, progress);
          log.progress(source, progress);
        };
        if (intoFolder) await makeFolder(dirname(item.target));
        const report = await buildOne(item, { ...options, signal: context.signal, onProgress }, flags, tools.engine);
        results[i] = { source, status: 'built', ...report };
        bar.finish(source, report.bytes);
        bar.clear();
        if (!flags.json && !flags.quiet) context.stdout.write(`${summary(item, report)}\n`);
        for (const warning of report.warnings)
          context.stderr.write(`pyramidion: ${printable(source)}: warning: ${printable(warning)}\n`);
        log.line(
          `${source} -> ${report.path} ${report.width}x${report.height} ${report.compression} ${report.bytes} bytes`,
        );
      } catch (thrown) {
        bar.finish(source);
        bar.clear();
        const error = reportFailure(context.stderr, source, thrown);
        results[i] = { source, status: 'failed', error };
        log.line(`${source} failed: ${error.code}: ${error.message}`);
        if (!flags.continueOnError) stopped = true;
      }
    }
  };
  const atOnce = resolveEngineOptions(engineOptions(flags)).workers;
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  bar.clear();
  return results;
}

async function buildOne(
  { source, target }: BuildItem,
  options: BuildOptions,
  flags: BuildFlags,
  engine: CliEngine,
): Promise<BuildReport> {
  const decided = flags.preset === 'ic' ? await decideAsConverter(source, options, flags, engine) : options;
  const report = await engine.build(source, target, decided);
  const infoFile = flags.autocrop?.infoFile;
  if (infoFile) await writeInfoFile(infoFile, report);
  return report;
}

/** What the ic converter decides by the source: CMYK becomes RGB, and JPEG is not used where there is alpha. */
async function decideAsConverter(
  source: string,
  options: BuildOptions,
  flags: BuildFlags,
  engine: CliEngine,
): Promise<BuildOptions> {
  const { page = 0, signal } = options;
  const image = await engine.probe(source, { page, ...(signal === undefined ? {} : { signal }) });
  const isFree = options.pixelType === undefined && options.viewProfile === undefined && !flags.maintainPixelType;
  const typed: BuildOptions = image.colourSpace === 'cmyk' && isFree ? { ...options, pixelType: 'rgb' } : options;
  if (options.compression !== 'jpeg' || image.alpha === 'none' || options.alpha === 'remove') return typed;
  const { quality, chroma, ...rest } = typed;
  return { ...rest, compression: 'deflate' };
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new PyramidionError('OUTPUT_NOT_WRITABLE', `the folder ${path} cannot be made`, { cause });
  }
}

async function writeInfoFile(path: string, report: BuildReport): Promise<void> {
  try {
    await writeFile(path, autocropXml(report.width, report.height, report.autocrop));
  } catch (cause) {
    throw new PyramidionError('OUTPUT_NOT_WRITABLE', `${report.path} is built, but ${path} cannot be written`, {
      cause,
    });
  }
}

/** The rectangle inside the border of an image of the given size, as the converter's info file; without one when all is border. */
export function autocropXml(width: number, height: number, rect: NativeRect | null): string {
  const inner =
    rect === null ? '' : `<rect x="${rect.left}" y="${rect.top}" width="${rect.width}" height="${rect.height}"/>`;
  return `<autocrop width="${width}" height="${height}">${inner}</autocrop>\n`;
}

function summary({ source, target }: BuildItem, report: BuildReport): string {
  const { width, height, levels, autocrop } = report;
  // The name may have got a number; the folder is shown as it was given.
  const path = join(dirname(target), basename(report.path));
  const parts = [
    `${width}x${height}`,
    `${levels.length} ${levels.length === 1 ? 'level' : 'levels'}`,
    report.compression,
    formatBytes(report.bytes),
    `${report.buildSeconds.toFixed(2)} s`,
    ...(autocrop === null
      ? []
      : [`inside the border ${autocrop.width}x${autocrop.height}+${autocrop.left}+${autocrop.top}`]),
  ];
  return `${printable(source)} -> ${printable(path)}  ${parts.join('  ')}`;
}
