/** Alerts: what is watched over a time, and when it is too much. */

/** Mean response time, share of errors, too little traffic, mean concurrency, and a request that does not end. */
export const ALERT_NAMES = ['RTime', 'Error', 'Traf', 'Conc', 'Lock'] as const;

/** One of {@link ALERT_NAMES}. */
export type AlertName = (typeof ALERT_NAMES)[number];

/** When alerts begin. */
export interface AlertLimits {
  /** Requests a second below which there is no `RTime` and no `Error`. Default 0. */
  readonly minTrafficForAlerts: number;
  /** Milliseconds; replies that are errors are left out of the mean. Default 200. */
  readonly maxAverageResponseTimeMs: number;
  /** 0…1, where 1 turns it off. Default 0.05. */
  readonly maxErrorRate: number;
  /** Requests a second; 0 turns it off. Default 0. */
  readonly minRequestRate: number;
  /** Mean of the requests under way. Default 20. */
  readonly maxOverlap: number;
  /** Milliseconds. Default 60 000. */
  readonly lockedThresholdMs: number;
}

/** The limits where nothing is said. */
export const DEFAULT_ALERT_LIMITS: AlertLimits = {
  minTrafficForAlerts: 0,
  maxAverageResponseTimeMs: 200,
  maxErrorRate: 0.05,
  minRequestRate: 0,
  maxOverlap: 20,
  lockedThresholdMs: 60_000,
};

/** Sums since the start, over all replies. */
export interface AlertTotals {
  readonly requests: number;
  /** Replies whose processing status is not 0. */
  readonly errors: number;
  /** Milliseconds of the replies that are no errors. */
  readonly wellMs: number;
  /** Of the requests under way, as each reply saw it. */
  readonly overlap: number;
}

/** An alert that began or ended, the value it was judged by (NaN when there were no requests) and its limit. */
export interface AlertEvent {
  readonly name: AlertName;
  readonly isActive: boolean;
  readonly value: number;
  readonly limit: number;
}

/** Judges the time between two evaluations. */
export class Alerts {
  readonly #limits: AlertLimits;
  readonly #now: () => number;
  readonly #active = new Set<AlertName>();
  #earlier: AlertTotals = { requests: 0, errors: 0, wellMs: 0, overlap: 0 };
  #earlierAt: number;

  /** `now` tells milliseconds, of whatever beginning. */
  constructor(limits: Partial<AlertLimits> = {}, now: () => number = () => performance.now()) {
    this.#limits = { ...DEFAULT_ALERT_LIMITS, ...limits };
    this.#now = now;
    this.#earlierAt = now();
  }

  /** Those that have begun and not ended. */
  get active(): ReadonlySet<AlertName> {
    return this.#active;
  }

  /**
   * Judges the time since the last call, and yields what began or ended with it. `oldestPendingMs`: how long the oldest
   * request under way has been; 0 when there is none.
   */
  evaluate(totals: AlertTotals, oldestPendingMs: number): readonly AlertEvent[] {
    const now = this.#now();
    const seconds = (now - this.#earlierAt) / 1000;
    if (seconds <= 0) return [];
    const requests = totals.requests - this.#earlier.requests;
    const errors = totals.errors - this.#earlier.errors;
    const meanMs = (totals.wellMs - this.#earlier.wellMs) / (requests - errors);
    const overlap = (totals.overlap - this.#earlier.overlap) / requests;
    this.#earlier = totals;
    this.#earlierAt = now;

    const rate = requests / seconds;
    const limits = this.#limits;
    const isBusy = rate >= limits.minTrafficForAlerts;
    // Without requests a mean is not a number, and no comparison with it holds.
    const judged: readonly [AlertName, value: number, limit: number, isActive: boolean][] = [
      ['RTime', meanMs, limits.maxAverageResponseTimeMs, isBusy && meanMs > limits.maxAverageResponseTimeMs],
      ['Error', errors / requests, limits.maxErrorRate, isBusy && errors / requests > limits.maxErrorRate],
      ['Traf', rate, limits.minRequestRate, rate < limits.minRequestRate],
      ['Conc', overlap, limits.maxOverlap, overlap > limits.maxOverlap],
      ['Lock', oldestPendingMs, limits.lockedThresholdMs, oldestPendingMs > limits.lockedThresholdMs],
    ];
    const events: AlertEvent[] = [];
    for (const [name, value, limit, isActive] of judged) {
      if (isActive === this.#active.has(name)) continue;
      if (isActive) this.#active.add(name);
      else this.#active.delete(name);
      events.push({ name, isActive, value, limit });
    }
    return events;
  }
}

/** What is evaluated, how often, and who is told. */
export interface AlertWatch {
  readonly alerts: Alerts;
  readonly intervalMs: number;
  readonly totals: () => AlertTotals;
  readonly oldestPendingMs: () => number;
  readonly onEvent: (event: AlertEvent) => void;
}

/** Evaluates alerts at every interval until what it yields is called. Keeps no process alive. */
export function watchAlerts({ alerts, intervalMs, totals, oldestPendingMs, onEvent }: AlertWatch): () => void {
  const timer = setInterval(() => {
    for (const event of alerts.evaluate(totals(), oldestPendingMs())) onEvent(event);
  }, intervalMs).unref();
  return () => clearInterval(timer);
}
