import { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { type ErrorCode, PyramidionError, toPyramidionError } from '../errors.js';
import {
  type BuildJob,
  type BuildResult,
  type Capabilities,
  CONTROL,
  type NativeInput,
  type ProbeJob,
  type ProbeResult,
  type RenderResult,
  STOP,
  type VerifyJob,
} from '../native/contract.js';
import { abortedError, type BudgetSnapshot, closedError, MemoryBudget } from './budget.js';
import { lostError, rebuilt, type TaskName, type Tasks, type WorkerAnswer, type WorkerRequest } from './messages.js';
import { type Monitor, processMonitor, type WatchedJob } from './monitor.js';
import { type RenderOptions, RenderPool, type RenderSnapshot, type ViewJob } from './renders.js';

/** How a pool is started. */
export interface PoolOptions {
  /** Jobs (builds and verifications) that may run at once. */
  readonly workers: number;
  /** Processors to share among them. */
  readonly threads: number;
  /** Views that may be made at once, beside the jobs. */
  readonly renders: number;
  /** Nice value of the threads that make views; Linux only. Default 0. */
  readonly niceness?: number | undefined;
  /** Most views that may wait for a place; any number by default. */
  readonly maxQueue?: number | undefined;
  /** Bytes that the running builds may have reserved together: see `budgetLimit`. */
  readonly budgetBytes: number;
  /** The worker's file. Default: `worker.js` beside this one. */
  readonly filename?: string | undefined;
  /** Who watches memory. Default: the process's one monitor. */
  readonly monitor?: Monitor | undefined;
}

/** How far a build is: the shape of `BuildProgress`. */
export interface JobProgress {
  /** The level whose rows were last finished; 0 is the full one. */
  readonly level: number;
  /** Share of the source read, 0…1. */
  readonly fraction: number;
  /** Bytes written so far. */
  readonly bytes: number;
}

/** What a build is told when its turn has come. */
export interface JobStart {
  /** Threads it may use. */
  readonly threads: number;
  /** Seconds it waited. */
  readonly waitSeconds: number;
}

/** How one build is run. */
export interface RunOptions {
  /**
   * Bytes the build takes at its peak. When the source is in memory that is not shared, its length is part of it: the
   * pool makes a copy (see {@link shareBytes}).
   */
  readonly need: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called at most ten times a second when something has changed, and once at the end of a build that succeeds. If it
   * throws, it is not called again, a `warning` event tells, and the build goes on.
   */
  readonly onProgress?: ((progress: JobProgress) => void) | undefined;
  /** Called once, when the build leaves the queue. If it throws, a `warning` event tells. */
  readonly onStart?: ((start: JobStart) => void) | undefined;
  /**
   * The reservation is held until this has settled, too: for what the caller still does with the file, and for the
   * source it still holds in memory.
   */
  readonly until?: Promise<unknown> | undefined;
}

/** How one verification is run. */
export interface VerifyOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes it takes at its peak. Left out, it takes a slot but no memory of the budget. */
  readonly need?: number | undefined;
}

/** What a finished build yields. */
export interface BuildOutcome {
  readonly result: BuildResult;
  /** Seconds from the call until the build left the queue, and from there to its end. */
  readonly waitSeconds: number;
  readonly buildSeconds: number;
}

/** Events of a {@link Pool}. `id` counts the builds of a pool from 1. */
export interface PoolEvents {
  /** A build was given to the pool, and waits for its turn or has it already. */
  queued: [event: { readonly id: number; readonly need: number }];
  /** A build left the queue. */
  started: [event: { readonly id: number; readonly need: number } & JobStart];
  /**
   * A build's native call has returned and its reservation is about to be released (unless `until` holds it), or it
   * never left the queue. `code` is what its promise is rejected with, null when it succeeded.
   */
  finished: [event: { readonly id: number; readonly code: ErrorCode | null }];
  /** A callback or listener threw; nothing else came of it. Without a listener, Node's own warning is issued. */
  warning: [error: Error];
}

/** How long a stopped job may take to return by itself before its promise is rejected without it, in milliseconds. */
const GRACE_MS = 100;
/** Workers that have nothing to do end after this time, down to one. */
const IDLE_MS = 10_000;
const WORKER_FILE = fileURLToPath(new URL('./worker.js', import.meta.url));

/**
 * Runs native calls in worker threads: builds under the memory budget, probes beside them, verifications between.
 *
 * - A build or verification waits first-come for its reservation and a slot (see {@link MemoryBudget}). Probes have
 *   threads of their own, one for every four workers, and so have views (see {@link RenderPool}); neither ever waits behind a build. There
 *   are as many threads as calls can run at once, so nothing waits inside piscina but for a thread to start.
 * - The reservation is held until the native call has returned, whatever has become of the promise by then (and until
 *   `until` has settled, where that is given).
 * - Every call rejects with a `PyramidionError`: the code the native call failed with; `ABORTED` when its signal fires;
 *   `ENGINE_CLOSED` once {@link Pool.close} was called; `WORKER_DIED` when its thread ended under it (piscina starts
 *   another); `BUDGET_OVERRUN` when it was stopped for its memory (`value` the bytes taken, `limit` the bytes allowed:
 *   see {@link Monitor}); and what {@link MemoryBudget.reserve} rejects with.
 * - A stopped job is told so through its control block, and returns at its next look there. If it has not within
 *   100 ms, because it is inside a decoder that cannot be interrupted, the promise is rejected without it; it keeps its
 *   thread, slot and reservation until it returns. A build that succeeds in spite of the stop has its output removed.
 */
export class Pool extends EventEmitter<PoolEvents> {
  readonly #budget: MemoryBudget;
  readonly #probes: MemoryBudget;
  readonly #renders: RenderPool;
  readonly #threads: number;
  readonly #monitor: Monitor;
  readonly #piscina: Piscina<WorkerRequest, WorkerAnswer>;
  /** Native calls that have not returned. */
  readonly #running = new Map<RunningJob, Promise<unknown>>();
  /** Requests that piscina has. */
  readonly #requests = new Set<{ readonly begun: Int32Array; readonly lost: AbortController }>();
  #builds = 0;
  #closing: Promise<void> | null = null;

  private constructor(options: PoolOptions) {
    super();
    const probes = Math.ceil(options.workers / 4);
    this.#budget = new MemoryBudget(options.budgetBytes, options.workers);
    this.#probes = new MemoryBudget(0, probes);
    this.#renders = new RenderPool(
      options.renders,
      options.filename ?? WORKER_FILE,
      options.maxQueue,
      options.niceness,
    );
    this.#threads = options.threads;
    this.#monitor = options.monitor ?? processMonitor;
    this.#piscina = new Piscina({
      filename: options.filename ?? WORKER_FILE,
      minThreads: 1,
      maxThreads: options.workers + probes,
      concurrentTasksPerWorker: 1,
      idleTimeout: IDLE_MS,
      recordTiming: false,
    });
    // A thread that ended without a request, mostly because it could not start: what waits for one would wait forever.
    this.#piscina.on('error', (error: unknown) => {
      for (const { begun, lost } of this.#requests) if (Atomics.load(begun, 0) === 0) lost.abort(error);
    });
  }

  /** Starts a pool with one worker thread; more are started when they are needed. Whoever starts it closes it. */
  static start(options: PoolOptions): Pool {
    return new Pool(options);
  }

  /** What the native base can do. Errors: `NATIVE_MISSING`, `NATIVE_TOO_OLD`, and those of every call. */
  capabilities(): Promise<Capabilities> {
    return this.#besideBuilds('capabilities', () => null, undefined);
  }

  /** Reads the header of one image. The blocks of the result belong to the caller. Waits for other probes only. */
  probe(job: ProbeJob, signal?: AbortSignal): Promise<ProbeResult> {
    return this.#besideBuilds('probe', () => ({ ...job, input: shareInput(job.input) }), signal);
  }

  /** A place for one view, to be given back by the function: see `RenderPool.enter`. */
  enter(signal?: AbortSignal): Promise<() => void> {
    return this.#renders.enter(signal);
  }

  /** Throws `BUSY` when {@link enter} would refuse a view now. */
  checkPlace(): void {
    this.#renders.checkPlace();
  }

  /** Views under way. */
  renderSnapshot(): RenderSnapshot {
    return this.#renders.snapshot();
  }

  /**
   * Makes one view as soon as a thread for views is free. Bytes of the job are borrowed until `onReturn`; the caller owns
   * those of the result.
   */
  render(job: ViewJob, options?: RenderOptions): Promise<RenderResult> {
    return this.#renders.render(job, options);
  }

  /** Decodes every pixel of one image and keeps none. It takes a slot, in turn with the builds. */
  async verify(job: Omit<VerifyJob, 'control'>, options: VerifyOptions = {}): Promise<void> {
    const running = new RunningJob(options.need ?? null);
    const reservation = await this.#budget.reserve(options.need ?? 0, options.signal);
    const makeJob = (): VerifyJob => ({ ...job, input: shareInput(job.input), control: running.control });
    await this.#run('verify', makeJob, { running, reservation, watched: true, signal: options.signal });
  }

  /**
   * Builds one pyramid as soon as `need` bytes and a slot are free. The build may use an equal share of the
   * processors among the jobs that run when it starts: those that wait could not run beside it.
   */
  async build(job: Omit<BuildJob, 'threads' | 'control'>, options: RunOptions): Promise<BuildOutcome> {
    this.#builds += 1;
    const id = this.#builds;
    const { need, signal } = options;
    const queuedAt = performance.now();
    this.#tell('queued', { id, need });
    const onReturn = (code: ErrorCode | null): void => this.#tell('finished', { id, code });
    const reservation = await this.#budget.reserve(need, signal).catch((error: PyramidionError) => {
      onReturn(error.code);
      throw error;
    });
    const startedAt = performance.now();
    const waitSeconds = (startedAt - queuedAt) / 1000;
    const running = new RunningJob(need, this.#guarded(options.onProgress));
    const makeJob = (): BuildJob => {
      const threads = Math.max(1, Math.floor(this.#threads / this.#budget.snapshot().running));
      this.#guarded(options.onStart)?.({ threads, waitSeconds });
      this.#tell('started', { id, need, threads, waitSeconds });
      return { ...job, input: shareInput(job.input), threads, control: running.control };
    };
    const turn: Turn = { running, reservation, watched: true, signal, onReturn, until: options.until };
    const result = await this.#run('build', makeJob, turn);
    const buildSeconds = (performance.now() - startedAt) / 1000;
    running.report({ level: result.levels.length - 1, fraction: 1, bytes: result.bytes });
    return { result, waitSeconds, buildSeconds };
  }

  /** The budget and its queue, builds and verifications together. */
  snapshot(): BudgetSnapshot {
    return this.#budget.snapshot();
  }

  /**
   * Ends the pool: what waits and what comes later is refused with `ENGINE_CLOSED`; what runs is stopped and rejected
   * with the same. Resolves when every native call has returned and every thread has ended: no timer, handle or thread
   * is left. A second call yields the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#budget.close();
    this.#probes.close();
    const renders = this.#renders.close();
    for (const running of this.#running.keys()) running.stop(closedError(), STOP.aborted, GRACE_MS);
    await Promise.allSettled(this.#running.values());
    await this.#piscina.destroy();
    await renders;
  }

  async #besideBuilds<Name extends TaskName>(
    task: Name,
    makeJob: () => Tasks[Name]['job'],
    signal: AbortSignal | undefined,
  ): Promise<Tasks[Name]['value']> {
    const reservation = await this.#probes.reserve(0, signal);
    return this.#run(task, makeJob, { running: new RunningJob(null), reservation, watched: false, signal });
  }

  /** Runs a call whose turn has come, and releases its reservation when the native call has returned. */
  async #run<Name extends TaskName>(
    task: Name,
    makeJob: () => Tasks[Name]['job'],
    { running, reservation, watched, signal, onReturn, until }: Turn,
  ): Promise<Tasks[Name]['value']> {
    const onAbort = (): void => running.stop(abortedError(signal), STOP.aborted, GRACE_MS);
    const start = (): Promise<Tasks[Name]['value']> => {
      // Both may have happened since the reservation was granted.
      if (this.#closing !== null) throw closedError();
      if (signal?.aborted) throw abortedError(signal);
      if (watched) this.#monitor.add(running);
      return this.#request(task, makeJob());
    };
    const end = (code: ErrorCode | null): void => {
      signal?.removeEventListener('abort', onAbort);
      this.#monitor.remove(running);
      this.#running.delete(running);
      onReturn?.(running.error?.code ?? code);
      const release = (): void => reservation.release();
      if (until === undefined) release();
      else void until.then(release, release);
    };
    // In a reaction, when the job is among the running ones: the caller's `onStart` may abort it or close the pool.
    const native = Promise.resolve()
      .then(start)
      .then(
        (value) => {
          end(null);
          return value;
        },
        (thrown: unknown) => {
          const error = toPyramidionError(thrown);
          end(error.code);
          throw error;
        },
      );
    this.#running.set(running, native);
    signal?.addEventListener('abort', onAbort);
    return running.settle(native);
  }

  /** Has a worker make one native call. Settles when the call has returned or its thread has ended. */
  async #request<Name extends TaskName>(task: Name, job: Tasks[Name]['job']): Promise<Tasks[Name]['value']> {
    const request = { begun: new Int32Array(new SharedArrayBuffer(4)), lost: new AbortController() };
    this.#requests.add(request);
    try {
      const answer = await this.#piscina.run({ task, job, begun: request.begun }, { signal: request.lost.signal });
      if ('error' in answer) throw rebuilt(answer.error);
      return answer.value;
    } catch (thrown) {
      throw thrown instanceof PyramidionError ? thrown : lostError(thrown);
    } finally {
      this.#requests.delete(request);
      // Takes the request from piscina's queue, if it is still there; of a request that has ended this does nothing.
      request.lost.abort('ended');
    }
  }

  /** The callback, made harmless: what it throws becomes a warning, and it is not called again. */
  #guarded<Argument>(callback: ((argument: Argument) => void) | undefined): ((argument: Argument) => void) | undefined {
    let live = callback;
    if (live === undefined) return undefined;
    return (argument) => {
      try {
        live?.(argument);
      } catch (thrown) {
        live = undefined;
        this.#warn(thrown);
      }
    };
  }

  #tell<Name extends 'queued' | 'started' | 'finished'>(name: Name, event: PoolEvents[Name][0]): void {
    try {
      (this as EventEmitter).emit(name, event);
    } catch (thrown) {
      this.#warn(thrown);
    }
  }

  #warn(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    try {
      if (!this.emit('warning', error)) process.emitWarning(error);
    } catch (second) {
      process.emitWarning(second instanceof Error ? second : String(second));
    }
  }
}

interface Turn {
  readonly running: RunningJob;
  readonly reservation: { release(): void };
  readonly watched: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onReturn?: (code: ErrorCode | null) => void;
  readonly until?: Promise<unknown> | undefined;
}

/** A job from its turn to the return of its native call. */
class RunningJob implements WatchedJob {
  readonly control = new BigInt64Array(new SharedArrayBuffer(CONTROL.length * BigInt64Array.BYTES_PER_ELEMENT));
  readonly need: number | null;
  /** Why it was told to stop; null when it was not. */
  error: PyramidionError | null = null;
  readonly #onProgress: ((progress: JobProgress) => void) | undefined;
  /** Rejects the job's promise. */
  #giveUp: (error: PyramidionError) => void = () => {};
  #grace: NodeJS.Timeout | undefined;
  #reported = '';

  constructor(need: number | null, onProgress?: (progress: JobProgress) => void) {
    this.need = need;
    this.#onProgress = onProgress;
  }

  get stopped(): boolean {
    return this.error !== null;
  }

  /**
   * Tells the native call to stop; the job's promise will be rejected with `error`, unless an earlier stop named
   * another. It is rejected when the call returns, or after `graceMs` at the latest.
   */
  stop(error: PyramidionError, code: number, graceMs?: number): void {
    if (this.error === null) {
      this.error = error;
      Atomics.store(this.control, CONTROL.stop, BigInt(code));
    }
    const reason = this.error;
    if (graceMs !== undefined) this.#grace ??= setTimeout(() => this.#giveUp(reason), graceMs).unref();
  }

  overrun(bytes: number, limit: number): void {
    const message = `the job was stopped: ${bytes} bytes were taken, ${limit} are allowed (it reserved ${this.need})`;
    this.stop(new PyramidionError('BUDGET_OVERRUN', message, { value: bytes, limit }), STOP.overBudget);
  }

  /** Yields what the native call yields, or the reason of a stop. */
  settle<Value>(native: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      native
        .then(
          (value) => (this.error === null ? resolve(value) : reject(this.error)),
          (thrown: unknown) => reject(this.error ?? thrown),
        )
        .finally(() => clearTimeout(this.#grace));
    });
  }

  tick(): void {
    if (this.stopped || this.#onProgress === undefined) return;
    const read = (slot: number): number => Number(Atomics.load(this.control, slot));
    const total = read(CONTROL.rowsTotal);
    this.report({
      level: read(CONTROL.level),
      fraction: total > 0 ? Math.min(1, read(CONTROL.rowsDone) / total) : 0,
      bytes: read(CONTROL.bytesWritten),
    });
  }

  /** Passes on progress that differs from what was passed on last. */
  report(progress: JobProgress): void {
    const text = `${progress.level} ${progress.fraction} ${progress.bytes}`;
    if (text === this.#reported) return;
    this.#reported = text;
    this.#onProgress?.(progress);
  }
}

/**
 * The same bytes where all threads can read them: as they are when they are on a `SharedArrayBuffer` already, else as
 * a copy. That is the one copy on their way to the native code: to post them as they are would copy them twice (and a
 * view's whole buffer with them). The pool copies when the job's turn comes, so jobs that wait hold no copy; whoever
 * hands the same bytes to several calls shares them once beforehand. Shared bytes are borrowed until the native call
 * has returned.
 */
export function shareBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes;
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength));
  shared.set(bytes);
  return shared;
}

function shareInput(input: NativeInput): NativeInput {
  return 'bytes' in input ? { bytes: shareBytes(input.bytes) } : input;
}
