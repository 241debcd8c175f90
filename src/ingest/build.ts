/** One build from source to final name, in a straight line: probe → plan → check the disk → build → commit. */
import { open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Profile, parseProfile } from '../colour/parse.js';
import { invalidOption, PyramidionError, toPyramidionError } from '../errors.js';
import type { BuildJob } from '../native/contract.js';
import type { BuildOutcome, JobProgress, RunOptions } from '../pool/pool.js';
import { type HttpOptions, nameOfUrl } from '../source/http.js';
import { openSource, pathOfSource } from '../source/index.js';
import type { Spool } from '../source/stream.js';
import type { Source, SourceInput } from '../source/types.js';
import { SOFTWARE } from '../version.js';
import { asOutputError, checkSpace, checkTarget, commit, freeSpace, resolveTarget } from './commit.js';
import { HASH_PLACEHOLDER, TAG } from './metadata.js';
import type { ResolvedOptions } from './options.js';
import { type Plan, planBuild } from './plan.js';
import { type Probed, type Prober, probeSource } from './probe.js';
import { sweepStale, type Temporary, temporaryBeside } from './temporary.js';
import { TiffReader } from './tiff-fields.js';
import type { BuildReport, EstimateRule } from './types.js';

/** The part of the pool a build needs. */
export interface Builder extends Prober {
  build(job: Omit<BuildJob, 'threads' | 'control'>, options: RunOptions): Promise<BuildOutcome>;
}

/** What a build takes from the engine it runs in. */
export interface BuildContext {
  readonly pool: Builder;
  readonly estimate: EstimateRule;
  readonly threads: number;
  readonly maxPixels: number;
  /** How sources behind URLs are read. */
  readonly http?: HttpOptions | undefined;
  /** Stops the build; the caller's own signal is part of it. */
  readonly signal: AbortSignal;
  /** Called when the plan is made, just before the build queues. */
  readonly onQueue: (plan: Plan, target: string) => void;
  readonly onStart: (waitSeconds: number) => void;
  readonly onProgress: (progress: JobProgress) => void;
  /** Settles when the caller has been told how the build ended: it holds its share of the budget until then. */
  readonly until?: Promise<unknown> | undefined;
}

/** Part of the free disk a stream may be spooled into: the pyramid wants room too. */
const SPOOL_SHARE = 0.5;

/**
 * Builds the pyramid of `input` at `target`. Nothing but a whole, synced file ever has the final name; on any failure nothing is
 * left behind. Rejects with the codes of every step.
 */
export async function buildPyramid(
  input: SourceInput,
  target: string,
  options: ResolvedOptions,
  context: BuildContext,
): Promise<BuildReport> {
  const { pool, signal, maxPixels } = context;
  // A stream's own folder has to be known before there is a name: bytes and streams have fixed ones.
  const output = await resolveTarget(target, pathOfSource(input) ?? nameOf(input));
  await checkTarget(output, options.ifExists);
  await sweepStale(dirname(output));
  const source = await openSpooled(input, output, signal, context.http);
  const temporary = temporaryBeside(output);
  try {
    const probed = await probeSource(source, pool, { page: options.page, maxPixels, signal });
    const plan = await planWith(probed, options, source, context);
    await checkSpace(output, plan.typicalBytes);
    context.onQueue(plan, output);
    const { sha256, outcome } = await run(source, plan, temporary, context);
    await writeHash(temporary.path, sha256).catch((error: unknown) => {
      throw asOutputError(error, output);
    });
    await source.verifyUnchanged();
    checkAborted(signal);
    const path = await commit(temporary.path, output, options.ifExists);
    return makeReport(path, sha256, plan, outcome);
  } catch (error) {
    // What looks damaged may only have been read while it was written: that is what the caller has to know.
    const { code } = toPyramidionError(error);
    if (code === 'CORRUPT_IMAGE' || code === 'UNSUPPORTED_IMAGE') await source.verifyUnchanged();
    throw error;
  } finally {
    await temporary.release();
    await source.close();
  }
}

/** What the pyramid of a source without a path is called after. */
function nameOf(input: SourceInput): string {
  if (input instanceof URL) return nameOfUrl(input);
  return input instanceof Uint8Array ? 'bytes' : 'stream';
}

/** Opens a source; a stream is spooled beside `target`, or into the system's folder when there is none. */
export async function openSpooled(
  input: SourceInput,
  target: string | null,
  signal: AbortSignal,
  http: HttpOptions = {},
): Promise<Source> {
  let spool: Temporary | null = null;
  try {
    const spoolBeside = async (): Promise<Spool> => {
      const beside = target ?? join(tmpdir(), 'probe');
      await sweepStale(dirname(beside));
      spool = temporaryBeside(beside);
      const free = await freeSpace(beside);
      const maxBytes = free === null ? Number.MAX_SAFE_INTEGER : Math.floor(free * SPOOL_SHARE);
      return { path: spool.path, maxBytes, signal };
    };
    const source = await openSource(input, spoolBeside, { ...http, signal });
    if (spool === null) return source;
    const { release }: Temporary = spool;
    return { ...source, close: () => source.close().finally(release) };
  } catch (error) {
    await (spool as Temporary | null)?.release();
    throw error;
  }
}

/** Makes the plan of a probed source. Profiles named by path are read here. */
export async function planWith(
  probed: Probed,
  options: ResolvedOptions,
  source: Pick<Source, 'modified'>,
  context: Pick<BuildContext, 'estimate' | 'threads'>,
): Promise<Plan> {
  return planBuild(probed, options, {
    imageProfile: await readProfile('imageProfile', options.imageProfile),
    viewProfile: await readProfile('viewProfile', options.viewProfile),
    estimate: context.estimate,
    threads: context.threads,
    software: SOFTWARE,
    modified: source.modified ?? new Date(),
  });
}

async function readProfile(option: string, given: Uint8Array | string | null): Promise<Profile | null> {
  if (given === null) return null;
  const bytes =
    typeof given === 'string'
      ? await readFile(given).catch((error: NodeJS.ErrnoException) => {
          throw invalidOption(option, given, `a file that can be read (${error.code})`);
        })
      : given;
  try {
    return parseProfile(Uint8Array.from(bytes));
  } catch (error) {
    if (!(error instanceof PyramidionError)) throw error;
    throw new PyramidionError(error.code, `${option}: ${error.message}`, { option, cause: error });
  }
}

/** Builds and hashes side by side: the hash costs no time of its own, and reads what the build has just brought into memory. */
async function run(
  source: Source,
  plan: Plan,
  temporary: Temporary,
  context: BuildContext,
): Promise<{ sha256: string; outcome: BuildOutcome }> {
  const stop = new AbortController();
  const cancel = (): void => stop.abort(context.signal.reason);
  context.signal.addEventListener('abort', cancel);
  let hash: Promise<string> | null = null;
  const startHash = (): Promise<string> => {
    hash ??= source.sha256(stop.signal);
    // A failure of the build comes first, and then nobody waits for this one.
    hash.catch(() => {});
    return hash;
  };
  try {
    const outcome = await context.pool.build(
      { ...plan.job, input: await source.nativeInput(), output: temporary.path },
      {
        need: plan.need,
        signal: context.signal,
        until: context.until,
        onProgress: context.onProgress,
        onStart: ({ waitSeconds }) => {
          void startHash();
          context.onStart(waitSeconds);
        },
      },
    );
    return { outcome, sha256: await startHash() };
  } finally {
    stop.abort();
    context.signal.removeEventListener('abort', cancel);
  }
}

/** Puts the source's hash where the file's private tag has room for it, and syncs it. */
async function writeHash(path: string, sha256: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    };
    const reader = await TiffReader.open(read, size);
    const field = (await reader.directory(reader.first)).fields.get(TAG.record);
    const text = field === undefined ? '' : Buffer.from(await reader.bytes(field)).toString('latin1');
    const at = text.indexOf(HASH_PLACEHOLDER);
    if (field === undefined || at < 0)
      throw new PyramidionError('INTERNAL', 'the file has no room for the hash of its source');
    await file.write(Buffer.from(sha256, 'latin1'), 0, sha256.length, field.valueOffset + at);
    await file.datasync();
  } finally {
    await file.close();
  }
}

function checkAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new PyramidionError('ABORTED', 'the job was aborted', { cause: signal.reason });
}

function makeReport(path: string, sha256: string, plan: Plan, outcome: BuildOutcome): BuildReport {
  const { result, waitSeconds, buildSeconds } = outcome;
  return {
    path,
    bytes: result.bytes,
    ...plan.size,
    levels: result.levels,
    compression: plan.job.coding.kind,
    bigTiff: plan.job.bigTiff,
    autocrop: result.autocrop,
    sha256,
    need: plan.need,
    waitSeconds,
    buildSeconds,
    warnings: [...plan.warnings, ...result.warnings],
  };
}
