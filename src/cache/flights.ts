/** One computation for a key at a time, however many wait for it. */
import { PyramidionError } from '../errors.js';
import { abortedBy } from '../source/abort.js';

/** One computation under way, as the one who computes sees it. */
export interface Flight {
  /** Aborted when the last that waited has left. */
  readonly signal: AbortSignal;
  /** What it comes by is no longer the newest: somebody replaced or purged the entry meanwhile. */
  readonly isOutdated: boolean;
}

/** What joining came to. */
export interface Joined<Value> {
  /** The computation was under way before. */
  readonly joined: boolean;
  /** Rejects as the computation does, or with `ABORTED` at once when the caller's own signal fires. */
  readonly value: Promise<Value>;
}

interface Computation<Value> {
  readonly rank: number;
  readonly controller: AbortController;
  /** The one of the same key that has to settle before this one starts. */
  previous: Computation<Value> | null;
  waiting: number;
  isOutdated: boolean;
  value: Promise<Value>;
}

/**
 * Computations by key. A rank says how much a computation does: whoever asks is content with one under way of the same
 * rank or a higher one. For a higher rank a new one is begun, which starts when the one under way has settled; whoever
 * asks from then on joins the new one. One that is outdated, or that nobody waits for any more, is never joined.
 */
export class Flights<Value> {
  /** The newest of each key; older ones hang on it. */
  readonly #newest = new Map<string, Computation<Value>>();

  /** Keys that are computed now. */
  get size(): number {
    return this.#newest.size;
  }

  /** Waits for the computation of a key, which is begun with `compute` where none of this rank is under way. */
  join(
    key: string,
    rank: number,
    compute: (flight: Flight) => Promise<Value>,
    signal: AbortSignal | undefined,
  ): Joined<Value> {
    const newest = this.#newest.get(key) ?? null;
    if (newest !== null && newest.rank >= rank && !newest.isOutdated && !newest.controller.signal.aborted) {
      return { joined: true, value: wait(newest, signal) };
    }
    const controller = new AbortController();
    const computation: Computation<Value> = {
      rank,
      controller,
      previous: newest,
      waiting: 0,
      isOutdated: false,
      value: Promise.resolve(newest?.value).then(
        () => this.#compute(key, computation, compute),
        () => this.#compute(key, computation, compute),
      ),
    };
    this.#newest.set(key, computation);
    return { joined: false, value: wait(computation, signal) };
  }

  /** Marks what is being computed for a key, or for all keys, as outdated. What waits for its start is not concerned. */
  outdate(key?: string): void {
    const newest = key === undefined ? [...this.#newest.values()] : [this.#newest.get(key)];
    for (let computation of newest) {
      while (computation?.previous) computation = computation.previous;
      if (computation !== undefined) computation.isOutdated = true;
    }
  }

  async #compute(
    key: string,
    computation: Computation<Value>,
    compute: (flight: Flight) => Promise<Value>,
  ): Promise<Value> {
    computation.previous = null;
    try {
      const { signal } = computation.controller;
      if (signal.aborted) throw abortedBy(signal);
      return await compute({
        signal,
        get isOutdated() {
          return computation.isOutdated;
        },
      });
    } finally {
      if (this.#newest.get(key) === computation) this.#newest.delete(key);
    }
  }
}

function wait<Value>(computation: Computation<Value>, signal: AbortSignal | undefined): Promise<Value> {
  computation.waiting += 1;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      if (signal !== undefined) reject(abortedBy(signal));
      computation.waiting -= 1;
      if (computation.waiting === 0)
        computation.controller.abort(new PyramidionError('ABORTED', 'nobody waits for it any more'));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => signal?.removeEventListener('abort', onAbort);
    computation.value.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error: unknown) => {
        settled();
        reject(error);
      },
    );
  });
}
