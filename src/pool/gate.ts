/** Places for work, and a bounded queue in front of them. */
import { PyramidionError } from '../errors.js';
import { abortedError, closedError } from './budget.js';

/** How many may be inside, and how many may wait. */
export interface GateOptions {
  readonly places: number;
  readonly maxQueue: number;
}

interface Visitor {
  readonly admit: () => void;
  readonly refuse: (error: PyramidionError) => void;
}

/**
 * Lets so many in at once, first-come; the others wait, and whoever finds the queue full is refused at once. What is done
 * before a place is had costs the waiting nothing: tiles are read inside.
 */
export class Gate {
  readonly #places: number;
  readonly #maxQueue: number;
  readonly #queue = new Set<Visitor>();
  #inside = 0;
  #refused = 0;
  #isClosed = false;

  constructor({ places, maxQueue }: GateOptions) {
    this.#places = places;
    this.#maxQueue = maxQueue;
  }

  /**
   * Waits for a place; the function it yields gives it back, and does so once. Rejects with `BUSY` when the queue is full,
   * `ABORTED`, and `ENGINE_CLOSED` when the gate is closed.
   */
  enter(signal?: AbortSignal): Promise<() => void> {
    if (this.#isClosed) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(abortedError(signal));
    if (this.#inside < this.#places) return Promise.resolve(this.#admit());
    return new Promise((resolve, reject) => {
      this.check();
      const onAbort = (): void => visitor.refuse(abortedError(signal));
      const leaveQueue = (): void => {
        this.#queue.delete(visitor);
        signal?.removeEventListener('abort', onAbort);
      };
      const visitor: Visitor = {
        admit: () => {
          leaveQueue();
          resolve(this.#admit());
        },
        refuse: (error) => {
          leaveQueue();
          reject(error);
        },
      };
      this.#queue.add(visitor);
      signal?.addEventListener('abort', onAbort);
    });
  }

  /** Throws `BUSY` when {@link enter} would refuse whoever comes now. */
  check(): void {
    if (this.#inside < this.#places || this.#queue.size < this.#maxQueue) return;
    this.#refused += 1;
    throw new PyramidionError('BUSY', `${this.#queue.size} requests wait already; the limit is ${this.#maxQueue}`, {
      option: 'maxQueue',
      value: this.#queue.size,
      limit: this.#maxQueue,
    });
  }

  /** Those inside, those waiting, and how many were refused since the start. */
  snapshot(): { readonly inside: number; readonly waiting: number; readonly refused: number } {
    return { inside: this.#inside, waiting: this.#queue.size, refused: this.#refused };
  }

  /** Refuses whoever waits or comes. Those inside go on. */
  close(): void {
    this.#isClosed = true;
    for (const visitor of [...this.#queue]) visitor.refuse(closedError());
  }

  #admit(): () => void {
    this.#inside += 1;
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      this.#inside -= 1;
      for (const next of this.#queue) {
        if (this.#inside >= this.#places) break;
        next.admit();
      }
    };
  }
}
