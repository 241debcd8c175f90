/** `pyramidion ingest`. */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { type Command, Option } from 'commander';
import { PyramidionError } from '../errors.js';
import { resolveEngineOptions } from '../ingest/options.js';
import type { BuildReport } from '../ingest/types.js';
import { type Ingested, ingestOne } from '../library/ingest.js';
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
import { planBuild } from './inputs.js';
import { addEngineOptions, addOutputOptions, engineOptions, nameOf, type RawFlags } from './options.js';
import { ProgressBar, progressMode } from './progress.js';

/** Flags of `ingest` that are the command's own. */
export interface IngestFlags {
  readonly library: string;
  readonly prefix?: string;
  readonly force?: true;
  readonly continueOnError?: true;
  readonly json?: true;
  readonly progress?: true;
  readonly quiet?: true;
}

/** What `--json` shows of one file. `unchanged`: the library had it already; `skipped`: an earlier one failed. */
type IngestResult = { readonly source: string; readonly asset: string } & (
  | ({ readonly status: 'ingested' } & BuildReport)
  | { readonly status: 'unchanged'; readonly path: string; readonly sha256: string }
  | { readonly status: 'failed'; readonly error: ErrorReport }
  | { readonly status: 'skipped' }
);

/** One file to ingest, and the path it is asked for by. */
interface IngestItem {
  readonly source: string;
  readonly asset: string;
}

/** Adds the arguments and options of `ingest` to a command. */
export function addIngestOptions(command: Command): Command {
  command
    .usage('<file | directory>... --library <root> [options]')
    .description('Put images into a library: the pyramid of each as a rendition, with a record beside it.')
    .argument('<paths...>', 'images, and folders of which everything is taken but hidden files')
    .addOption(
      new Option('--library <root>', 'the folder of the library; it is made when it is missing')
        .argParser(nameOf)
        .makeOptionMandatory(),
    )
    .addOption(new Option('--prefix <path>', 'where to put them below it, such as content/dam').argParser(nameOf))
    .option('--force', 'also images that have not changed since they were ingested')
    .option('--continue-on-error', 'go on after a failure');
  return addOutputOptions(addEngineOptions(command));
}

/**
 * Ingests files, and folders with all below them: a file under its name, one in a folder under its path below that. As
 * many are under way as the engine has workers; after a failure no further one starts unless `--continue-on-error` was
 * given. Yields the exit code.
 */
export async function runIngest(
  paths: readonly string[],
  flags: IngestFlags & RawFlags,
  context: CliContext,
): Promise<number> {
  const items = await planIngest(paths, flags);
  const root = resolve(flags.library);
  await mkdir(root, { recursive: true }).catch((cause: unknown) => {
    throw new PyramidionError('OUTPUT_NOT_WRITABLE', `the folder ${flags.library} cannot be made`, { cause });
  });
  const results = await withEngine(context, engineOptions(flags), (engine) =>
    ingestAll(items, root, flags, context, engine),
  );
  const failures = results.flatMap((result) => (result.status === 'failed' ? [result.error] : []));
  const count = (status: IngestResult['status']): number => results.filter((one) => one.status === status).length;
  const [ingested, unchanged, skipped] = [count('ingested'), count('unchanged'), count('skipped')];
  const failed = failures.length;
  if (flags.json)
    context.stdout.write(`${JSON.stringify({ results, ingested, unchanged, failed, skipped }, null, 2)}\n`);
  else if (results.length > 1 && !flags.quiet) {
    const rest = skipped > 0 ? `, ${skipped} not started` : '';
    context.stdout.write(`${ingested} ingested, ${unchanged} unchanged, ${failed} failed${rest}\n`);
  }
  return exitCode(ingested + unchanged, failures);
}

/** The files, in order, with the paths of their assets. */
async function planIngest(
  paths: readonly string[],
  { library, prefix = '' }: Pick<IngestFlags, 'library' | 'prefix'>,
): Promise<IngestItem[]> {
  // Planned as a build into the library, whose targets stand in the folders that the assets are to stand in.
  const { items } = await planBuild(paths, `${library}/`, { recursive: true, skipHidden: true });
  const above = prefix.split('/').filter((element) => element !== '');
  const sources = new Map<string, string>();
  for (const { source, target } of items) {
    const below = relative(`${library}/`, join(dirname(target), basename(source)));
    const asset = [...above, ...below.split(sep)].join('/');
    const twin = sources.get(asset);
    if (twin !== undefined) throw new UsageError(`${twin} and ${source} would both be ${asset}`);
    sources.set(asset, source);
  }
  return [...sources].map(([asset, source]) => ({ source, asset }));
}

async function ingestAll(
  items: readonly IngestItem[],
  root: string,
  flags: IngestFlags & RawFlags,
  context: CliContext,
  engine: CliEngine,
): Promise<IngestResult[]> {
  const { signal } = context;
  const bar = new ProgressBar(context.stderr, progressMode(context.stderr, flags), items.length);
  const results: IngestResult[] = items.map((item) => ({ ...item, status: 'skipped' }));
  const queue = items.entries();
  let isStopped = false;
  const work = async () => {
    for (const [i, item] of queue) {
      if (isStopped || signal.aborted) return;
      const { source, asset } = item;
      bar.update(source);
      try {
        const ingested = await ingestOne(engine, source, root, asset, {
          isForced: flags.force === true,
          signal,
          onProgress: (progress) => bar.update(source, progress),
        });
        const { report, path, sha256 } = ingested;
        results[i] = {
          ...item,
          ...(report ? { status: 'ingested', ...report } : { status: 'unchanged', path, sha256 }),
        };
        bar.finish(source, report?.bytes);
        bar.clear();
        if (!flags.json && !flags.quiet) context.stdout.write(`${summary(item, ingested)}\n`);
        for (const warning of report?.warnings ?? [])
          context.stderr.write(`pyramidion: ${printable(source)}: warning: ${printable(warning)}\n`);
      } catch (thrown) {
        bar.finish(source);
        bar.clear();
        results[i] = { ...item, status: 'failed', error: reportFailure(context.stderr, source, thrown) };
        if (!flags.continueOnError) isStopped = true;
      }
    }
  };
  const atOnce = resolveEngineOptions(engineOptions(flags)).workers;
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  bar.clear();
  return results;
}

function summary({ source, asset }: IngestItem, { report }: Ingested): string {
  const facts =
    report === null
      ? 'unchanged'
      : [`${report.width}x${report.height}`, formatBytes(report.bytes), `${report.buildSeconds.toFixed(2)} s`].join(
          '  ',
        );
  return `${printable(source)} -> ${printable(asset)}  ${facts}`;
}
