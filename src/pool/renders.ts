import { Piscina } from 'piscina';
import { type PyramidionError, toPyramidionError } from '../errors.js';
import { CONTROL, type RenderJob, type RenderResult, STOP } from '../native/contract.js';
import { abortedError, closedError } from './budget.js';
import { Gate } from './gate.js';
import { BEGUN, lostError, rebuilt, type WorkerAnswer, type WorkerRequest } from './messages.js';

/** A render job but for what the pool adds. */
export type ViewJob = Omit<RenderJob, 'control'>;

/** How one view is made. */
export interface RenderOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, when native code is done with the job's bytes and descriptor, or will never have them. */
  readonly onReturn?: (() => void) | undefined;
}

/** Views under way, and those that wait for a renderer. */
export interface RenderSnapshot {
  readonly running: number;
  readonly waiting: number;
  readonly slots: number;
  /** Refused since the start because the queue was full. */
  readonly refused: number;
}

interface Request {
  readonly job: RenderJob;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  readonly resolve: (result: RenderResult) => void;
  readonly reject: (error: PyramidionError) => void;
  readonly onReturn: (() => void) | undefined;
  error: PyramidionError | null;
  grace: NodeJS.Timeout | undefined;
}

/**
 * Requests a thread has at once. It works on one; the other is there when that is done, so that no thread sleeps
 * between two: putting one to sleep and waking it costs as much as half a tile.
 */
const DEPTH = 2;
/** How long a stopped view may take to return by itself before its promise is rejected without it, in milliseconds. */
const GRACE_MS = 100;

/**
 * Makes views in threads of its own, which start with the first one. Views wait first-come for a place, of which there
 * are two for each thread, before they read what they are made of; nothing of theirs is counted in the memory budget, as
 * each is bounded by its limits.
 *
 * A call rejects as those of `Pool` do. A view that is stopped in the queue is done with at once; one that runs is told
 * through its control block, and its promise is rejected after 100 ms at the latest.
 */
export class RenderPool {
  readonly #workers: number;
  readonly #filename: string;
  readonly #gate: Gate;
  readonly #niceness: number;
  #piscina: Piscina<WorkerRequest, WorkerAnswer> | null = null;
  readonly #waiting = new Set<Request>();
  readonly #running = new Set<Request>();
  /** Control blocks that no thread knows any more: to make one takes longer than to clear one. */
  readonly #controls: BigInt64Array[] = [];
  #onIdle: () => void = () => {};
  #closing: Promise<void> | null = null;

  /**
   * @param workers threads
   * @param filename the worker's file
   * @param maxQueue most views that may wait for a place
   * @param niceness nice value of the threads; Linux only
   */
  constructor(workers: number, filename: string, maxQueue = Number.POSITIVE_INFINITY, niceness = 0) {
    this.#workers = workers;
    this.#niceness = niceness;
    this.#filename = filename;
    this.#gate = new Gate({ places: workers * DEPTH, maxQueue });
  }

  /** A place for one view, to be given back by the function: see {@link Gate.enter}, which has the errors. */
  enter(signal?: AbortSignal): Promise<() => void> {
    return this.#gate.enter(signal);
  }

  render(job: ViewJob, { signal, onReturn }: RenderOptions = {}): Promise<RenderResult> {
    return new Promise((resolve, reject) => {
      const control = this.#controls.pop()?.fill(0n) ?? newControl();
      const request: Request = {
        job: { ...job, control },
        signal,
        onAbort: () => this.#stop(request, abortedError(signal)),
        resolve,
        reject,
        onReturn,
        error: null,
        grace: undefined,
      };
      const refusal = this.#closing !== null ? closedError() : signal?.aborted ? abortedError(signal) : null;
      if (refusal !== null) return finish(request, refusal);
      signal?.addEventListener('abort', request.onAbort);
      this.#waiting.add(request);
      this.#next();
    });
  }

  /** Throws `BUSY` when {@link enter} would refuse a view now. */
  checkPlace(): void {
    this.#gate.check();
  }

  snapshot(): RenderSnapshot {
    const running = Math.min(this.#running.size, this.#workers);
    const { waiting, refused } = this.#gate.snapshot();
    const queued = this.#waiting.size + this.#running.size - running;
    return { running, waiting: waiting + queued, slots: this.#workers, refused };
  }

  /** Refuses what waits, stops what runs, and ends the threads when all native calls have returned. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#gate.close();
    for (const request of [...this.#waiting, ...this.#running]) this.#stop(request, closedError());
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#piscina?.destroy();
  }

  #next(): void {
    for (const request of this.#waiting) {
      if (this.#running.size >= this.#workers * DEPTH) return;
      this.#waiting.delete(request);
      this.#running.add(request);
      this.#start(request);
    }
  }

  #start(request: Request): void {
    this.#piscina ??= new Piscina({
      filename: this.#filename,
      minThreads: this.#workers,
      maxThreads: this.#workers,
      concurrentTasksPerWorker: DEPTH,
      workerData: { niceness: this.#niceness },
      recordTiming: false,
    }).on('error', (error: unknown) => this.#onLost(error));
    const { job } = request;
    this.#piscina.run({ task: 'render', job, begun: begunOf(job) }).then(
      (answer) =>
        'error' in answer
          ? this.#end(request, rebuilt(answer.error))
          : this.#end(request, null, answer.value as RenderResult),
      (thrown: unknown) => this.#end(request, lostError(thrown)),
    );
  }

  /**
   * A thread ended without a request, mostly because it could not start: what waits for one would wait forever. Another
   * thread may have it all the same: it is withdrawn, as what it borrows goes back now.
   */
  #onLost(error: unknown): void {
    for (const request of [...this.#running]) {
      const before = Atomics.compareExchange(begunOf(request.job), 0, BEGUN.waits, BEGUN.withdrawn);
      if (before === BEGUN.waits) this.#end(request, lostError(error));
    }
  }

  #end(request: Request, error: PyramidionError | null, result?: RenderResult): void {
    if (!this.#running.delete(request)) return;
    // A withdrawn job may lie in a thread's mailbox still, and must find there that it is.
    if (Atomics.load(begunOf(request.job), 0) !== BEGUN.withdrawn) this.#controls.push(request.job.control);
    finish(request, request.error ?? error, result);
    if (this.#running.size === 0) this.#onIdle();
    this.#next();
  }

  #stop(request: Request, error: PyramidionError): void {
    if (request.error !== null) return;
    request.error = error;
    if (this.#waiting.delete(request)) {
      finish(request, error);
      return;
    }
    Atomics.store(request.job.control, CONTROL.stop, BigInt(STOP.aborted));
    request.grace = setTimeout(() => request.reject(error), GRACE_MS).unref();
  }
}

function newControl(): BigInt64Array {
  return new BigInt64Array(new SharedArrayBuffer(CONTROL.length * BigInt64Array.BYTES_PER_ELEMENT));
}

/** Whether a worker has a job, as one of `BEGUN`. */
function begunOf({ control }: RenderJob): Int32Array {
  return new Int32Array(control.buffer, CONTROL.begun * BigInt64Array.BYTES_PER_ELEMENT, 1);
}

/** Settles a request that native code is done with. */
function finish(request: Request, error: PyramidionError | null, result?: RenderResult): void {
  request.signal?.removeEventListener('abort', request.onAbort);
  clearTimeout(request.grace);
  if (error !== null) request.reject(error);
  else if (result !== undefined) request.resolve(result);
  else request.reject(toPyramidionError(new Error('a worker answered without a result')));
  request.onReturn?.();
}
