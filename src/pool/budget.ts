import { setMaxListeners } from 'node:events';
import { PyramidionError } from '../errors.js';

/** Smallest budget that can be asked for: 10 MB (10 × 1024² bytes). */
export const MIN_BUDGET_BYTES = 10 * 1024 ** 2;

/** A share of the budget. Whoever holds it gives it back with `release`; a second call does nothing. */
export interface Reservation {
  readonly bytes: number;
  release(): void;
}

/** What a {@link MemoryBudget} holds at one moment. */
export interface BudgetSnapshot {
  /** Bytes that may be reserved in all. */
  readonly limit: number;
  /** Bytes reserved now; never more than `limit`. */
  readonly reserved: number;
  /** Jobs that may run at once. */
  readonly slots: number;
  /** Reservations given and not yet released; never more than `slots`. */
  readonly running: number;
  /** Jobs in the queue. */
  readonly waiting: number;
}

interface Waiter {
  readonly bytes: number;
  readonly admit: (reservation: Reservation) => void;
  readonly refuse: (error: PyramidionError) => void;
}

/**
 * Memory as a currency: a job reserves the bytes it will take at its peak, and one of a fixed number of slots, before
 * it starts; it waits until both are there. Bookkeeping only: nothing is allocated or measured here.
 *
 * **Order.** First come, first served, with one exception. Let the *head* be the job that has waited longest, with need
 * `H`, under the limit `L`. A job behind it may pass when that cannot delay the head, however long anything runs:
 *
 * - The head starts as soon as the running jobs that are left, `S`, leave room: `ΣS + H ≤ L`. Which `S` that will be is
 *   unknown, because run times are. The worst is the one with the greatest sum, `M`; and it can be the one: if all the
 *   others end first, nothing larger leaves room before.
 * - So a job of size `s` may pass if and only if it fits now and `M + s + H ≤ L`. Then, whenever the others have come
 *   down to any `S` that lets the head start without the passer, `ΣS + s + H ≤ M + s + H ≤ L`: it starts with it, too.
 * - The next candidate is judged with the passer among the running jobs. The greatest sum is then `M + s`, so passers
 *   add up, and those admitted together are as harmless as one. Jobs that end only make sums smaller.
 * - Slots need no rule of their own: when a slot is free the head lacks bytes, so one of the jobs it waits for has to
 *   end before it starts, and leaves its slot.
 *
 * The weaker rule, that all passers and the head fit together (`Σs + H ≤ L`), would only promise the head its turn when
 * *all* earlier jobs have gone: with `L = 10`, jobs of 4 and 5 running and `H = 5`, a passer of 1 would be let in, and
 * when the 4 ends the head would have to wait for the 5 or the passer.
 *
 * Guaranteed, then: given the run times of the jobs that run when it becomes the head, a job starts exactly when it
 * would have started had nothing passed it. (Passers compete for processors, which may lengthen those run times; that
 * is outside the bookkeeping.) The promise is to the head alone; the jobs between are tried in their order, and each
 * becomes the head in its turn. As the head depends on nothing but jobs that already run, and those end, every job
 * starts: none starves.
 */
export class MemoryBudget {
  readonly limit: number;
  readonly slots: number;
  readonly #running = new Set<Reservation>();
  /** In order of arrival. */
  readonly #waiting = new Set<Waiter>();
  #reserved = 0;
  #closed = false;

  /** @param limitBytes bytes in all, @param slots jobs at once (no cap when left out) */
  constructor(limitBytes: number, slots: number = Number.POSITIVE_INFINITY) {
    this.limit = limitBytes;
    this.slots = slots;
  }

  /**
   * Yields a reservation of `bytes` and of one slot when the job's turn has come; the caller releases it. It counts
   * from the moment it is granted, just before the promise's reaction runs: look at the signal once more there.
   *
   * Errors: `BUDGET_NEVER_FITS` at once when `bytes` pass the limit (`value` the need, `limit` the limit, in bytes);
   * `ABORTED` when the signal fires before the job's turn (its place in the queue is freed); `ENGINE_CLOSED` after
   * {@link close}; `INVALID_OPTION` for a need that is no whole number of bytes.
   */
  reserve(bytes: number, signal?: AbortSignal): Promise<Reservation> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw closedError();
      if (signal?.aborted) throw abortedError(signal);
      if (!Number.isSafeInteger(bytes) || bytes < 0) {
        throw new PyramidionError('INVALID_OPTION', `need must be a whole number of bytes; got ${String(bytes)}`, {
          option: 'need',
          value: bytes,
        });
      }
      if (bytes > this.limit) {
        throw new PyramidionError(
          'BUDGET_NEVER_FITS',
          `the job needs ${bytes} bytes; the memory budget is ${this.limit} bytes in all`,
          { value: bytes, limit: this.limit },
        );
      }
      const onAbort = (): void => waiter.refuse(abortedError(signal));
      const waiter: Waiter = {
        bytes,
        admit: (reservation) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(reservation);
        },
        refuse: (error) => {
          signal?.removeEventListener('abort', onAbort);
          this.#waiting.delete(waiter);
          reject(error);
          this.#admitAll();
        },
      };
      if (signal !== undefined) {
        // One signal for a whole batch is no leak, whatever its number of listeners.
        setMaxListeners(0, signal);
        signal.addEventListener('abort', onAbort);
      }
      this.#waiting.add(waiter);
      this.#admitAll();
    });
  }

  /** Refuses everything that waits, and whatever comes after, with `ENGINE_CLOSED`. What runs keeps its reservation. */
  close(): void {
    this.#closed = true;
    for (const waiter of [...this.#waiting]) waiter.refuse(closedError());
  }

  snapshot(): BudgetSnapshot {
    return {
      limit: this.limit,
      reserved: this.#reserved,
      slots: this.slots,
      running: this.#running.size,
      waiting: this.#waiting.size,
    };
  }

  /** Starts whatever the order allows. Reactions to a granted promise run later, so nothing re-enters the loops. */
  #admitAll(): void {
    if (this.#closed) return;
    for (const waiter of this.#waiting) {
      if (waiter.bytes > this.limit - this.#reserved || this.#running.size >= this.slots) break;
      this.#admit(waiter);
    }
    const [head] = this.#waiting;
    if (head === undefined || this.#running.size >= this.slots) return;
    let room = this.#roomBeside(head);
    for (const waiter of this.#waiting) {
      if (room <= 0 || this.#running.size >= this.slots) return;
      if (waiter === head || waiter.bytes > room) continue;
      this.#admit(waiter);
      room -= waiter.bytes;
    }
  }

  #admit(waiter: Waiter): void {
    const reservation: Reservation = {
      bytes: waiter.bytes,
      release: () => {
        if (!this.#running.delete(reservation)) return;
        this.#reserved -= reservation.bytes;
        this.#admitAll();
      },
    };
    this.#waiting.delete(waiter);
    this.#running.add(reservation);
    this.#reserved += reservation.bytes;
    waiter.admit(reservation);
  }

  /** Bytes that passers may take now without ever delaying the head: see the class comment. */
  #roomBeside(head: Waiter): number {
    const beside = this.limit - head.bytes;
    const sizes = [...this.#running].map(({ bytes }) => bytes);
    return Math.min(this.limit - this.#reserved, beside - greatestSum(sizes, beside));
  }
}

/** Partial sums that are looked at before giving up; ten jobs of different sizes have 1024. */
const MAX_SUMS = 4096;

/**
 * The greatest sum of some of `sizes` that is at most `cap`, or `cap` itself when there are too many sums to try: a
 * bound from above, which lets nothing pass.
 */
function greatestSum(sizes: readonly number[], cap: number): number {
  const sums = new Set([0]);
  for (const size of sizes) {
    for (const sum of [...sums]) if (sum + size <= cap) sums.add(sum + size);
    if (sums.size > MAX_SUMS) return cap;
  }
  return Math.max(...sums);
}

/** The error of a job whose signal fired: the signal's reason where that is an error of ours, else with it as the cause. */
export function abortedError(signal: AbortSignal | undefined): PyramidionError {
  if (signal?.reason instanceof PyramidionError) return signal.reason;
  return new PyramidionError('ABORTED', 'the job was aborted', { cause: signal?.reason });
}

/** The error of a job that the engine no longer takes or runs. */
export function closedError(): PyramidionError {
  return new PyramidionError('ENGINE_CLOSED', 'the engine is closed or closing');
}

const UNITS = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 } as const;

/** How an amount of bytes is written as text: see {@link parseBytes}. Says both cases, as it is part of a JSON Schema. */
export const BYTES = /^\s*(\d+(?:\.\d+)?)\s*(?:([KMGTkmgt])(?:[Ii]?[Bb])?|[Bb])?\s*$/;

/**
 * Reads an amount of memory: a whole number of bytes, or text such as `3G`, `512MB`, `1.5 GiB`, `1073741824`. K, M, G
 * and T are powers of 1024 in every spelling and case. Yields whole bytes, rounded down.
 *
 * Errors: `INVALID_OPTION` naming `option`, the value and what is allowed, for anything else and for less than
 * {@link MIN_BUDGET_BYTES}.
 */
export function parseBytes(value: unknown, option = 'maxMemory'): number {
  const bytes = typeof value === 'string' ? bytesOf(value) : value;
  if (typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= MIN_BUDGET_BYTES) return bytes;
  throw new PyramidionError(
    'INVALID_OPTION',
    `${option} must be a whole number of bytes or a number with K, M, G or T (powers of 1024), at least 10M; ` +
      `got ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`,
    { option, value, limit: MIN_BUDGET_BYTES },
  );
}

/** The bytes that text like `3G` or `512 MB` stands for, rounded down; NaN when it is no amount of bytes. */
export function bytesOf(text: string): number {
  const match = BYTES.exec(text);
  if (match === null) return Number.NaN;
  const unit = (match[2] ?? '').toUpperCase() as keyof typeof UNITS;
  return Math.floor(Number(match[1]) * UNITS[unit]);
}
