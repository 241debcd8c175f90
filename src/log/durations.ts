/** Histograms of durations, in plain arrays: what is observed with each reply must cost next to nothing. */

/** Upper bounds of the buckets in milliseconds, each included; what is longer is in one more bucket. */
export const BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
];

/** Durations of one kind, since the start or between two moments. */
export interface Durations {
  readonly count: number;
  readonly sumMs: number;
  /** How many fell in each bucket; one more than {@link BOUNDS_MS} has. */
  readonly buckets: readonly number[];
}

/** Counts durations of several kinds, which have numbers from 0. */
export class DurationTable {
  readonly #width = BOUNDS_MS.length + 1;
  readonly #counts: Float64Array;
  readonly #sums: Float64Array;

  constructor(kinds: number) {
    this.#counts = new Float64Array(kinds * this.#width);
    this.#sums = new Float64Array(kinds);
  }

  /** Adds a duration of one kind. */
  observe(kind: number, ms: number): void {
    let bucket = 0;
    // Most replies are in the first few.
    while (bucket < BOUNDS_MS.length && ms > (BOUNDS_MS[bucket] as number)) bucket++;
    const at = kind * this.#width + bucket;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sums[kind] = (this.#sums[kind] as number) + ms;
  }

  /** What was observed of one kind since the start. */
  read(kind: number): Durations {
    const buckets = [...this.#counts.subarray(kind * this.#width, (kind + 1) * this.#width)];
    return { count: buckets.reduce((sum, n) => sum + n, 0), sumMs: this.#sums[kind] ?? 0, buckets };
  }
}

/** What was observed between two readings of one kind; `earlier` is left out for the start. */
export function durationsSince(later: Durations, earlier: Durations | undefined): Durations {
  if (earlier === undefined) return later;
  return {
    count: later.count - earlier.count,
    sumMs: later.sumMs - earlier.sumMs,
    buckets: later.buckets.map((n, bucket) => n - (earlier.buckets[bucket] ?? 0)),
  };
}

/**
 * The duration that a share of them (0…1) does not exceed, in milliseconds, taken as evenly spread in its bucket; the
 * largest bound when it is in the last bucket, NaN when there are none.
 */
export function quantileMs({ count, buckets }: Durations, share: number): number {
  if (count === 0) return Number.NaN;
  const rank = share * count;
  let below = 0;
  for (const [bucket, bound] of BOUNDS_MS.entries()) {
    const inside = buckets[bucket] ?? 0;
    if (inside > 0 && below + inside >= rank) {
      const lower = bucket === 0 ? 0 : (BOUNDS_MS[bucket - 1] ?? 0);
      // Never beyond the bound, as rounding would have it.
      return Math.min(bound, lower + ((bound - lower) * (rank - below)) / inside);
    }
    below += inside;
  }
  return BOUNDS_MS.at(-1) ?? Number.NaN;
}
