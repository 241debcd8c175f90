/** What is counted of replies, and how it is told to Prometheus. */
import { AggregatorRegistry, collectDefaultMetrics, Registry } from 'prom-client';
import type { CacheUse } from '../cache/types.js';
import { type ErrorCode, isErrorCode } from '../errors.js';
import type { AlertName, AlertTotals } from './alerts.js';
import { type Durations, DurationTable } from './durations.js';
import { durationFamily, type MetricFamily, type MetricsSnapshot, serverFamilies } from './families.js';
import type { ServerStats } from './stats.js';
import type { AccessEntry } from './types.js';

/** Request types that are told apart in metrics; the rest is `other`, so that clients cannot make up any number of them. */
export const COUNTED_TYPES: readonly string[] = [
  ...['img', 'tmb', 'mask', 'props', 'imageprops', 'exists', 'userdata', 'catalogprops', 'ctx', 'xmp', 'loadcache'],
  ...['resolve', 'validate', 'message', 'saveToFile', 'map', 'targets', 'imageset', 'set', 'mbrSet', 'xlate'],
  ...['static', 'tile', 'info'],
];

const CACHE_USES: readonly CacheUse[] = ['REUSED', 'VALIDATED', 'CREATED', 'UPDATED', 'IGNORED', 'UNDEFINED'];
const OTHER = COUNTED_TYPES.length;
/** Statuses from 0 to this. */
const STATUSES = 600;
/** Codes that say that a request was too much. */
const REFUSALS: readonly ErrorCode[] = ['BUSY', 'LIMIT_EXCEEDED', 'TOO_MANY_PIXELS', 'BUDGET_NEVER_FITS'];

/** Where metrics get what they do not count. */
export interface MetricsOptions {
  /** How the server stands; asked for each exposition. */
  readonly stats?: (() => ServerStats) | undefined;
  /** Alerts that are active: see `Alerts.active`. Left out, there are no metrics of alerts. */
  readonly alerts?: (() => ReadonlySet<AlertName>) | undefined;
}

/**
 * Counts replies and the stages of making them. One for each process; those of several are added up by
 * {@link mergeSnapshots}.
 */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #typeNumbers = new Map(COUNTED_TYPES.map((type, number) => [type, number]));
  readonly #useNumbers = new Map(CACHE_USES.map((use, number) => [use, number]));
  readonly #requests = new DurationTable((COUNTED_TYPES.length + 1) * CACHE_USES.length);
  readonly #statuses = new Float64Array(STATUSES);
  readonly #codes = new Map<ErrorCode, number>();
  readonly #stages = new Map<string, DurationTable>();
  #count = 0;
  #errors = 0;
  #wellMs = 0;
  #overlap = 0;
  #sentBytes = 0;

  constructor(options: MetricsOptions = {}) {
    this.#options = options;
    watchProcess();
  }

  /** Counts a reply. */
  observe(entry: AccessEntry): void {
    const type = this.#typeNumbers.get(entry.requestType) ?? OTHER;
    const use = this.#useNumbers.get(entry.cacheUse) ?? CACHE_USES.length - 1;
    this.#requests.observe(type * CACHE_USES.length + use, entry.totalMs);
    const { status } = entry;
    if (status < STATUSES) this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
    this.#count++;
    this.#overlap += entry.overlap;
    this.#sentBytes += entry.sentBytes;
    if (entry.processingStatus === 0) this.#wellMs += entry.totalMs;
    else this.#errors++;
    if (entry.exception !== '') this.#countCode(entry.exception);
  }

  /** Counts a stage of making a reply. Stages are few, and named by the program: `render` is the making of a view. */
  observeStage(stage: string, ms: number): void {
    let table = this.#stages.get(stage);
    if (table === undefined) {
      table = new DurationTable(1);
      this.#stages.set(stage, table);
    }
    table.observe(0, ms);
  }

  /** Times of the stages since the start, by name: for `ServerStats.stages`. */
  stages(): ReadonlyMap<string, Durations> {
    return new Map([...this.#stages].map(([stage, table]) => [stage, table.read(0)]));
  }

  /** Requests refused since the start, by limits or a full queue: for `ServerStats.rejections`. */
  rejections(): number {
    return REFUSALS.reduce((sum, code) => sum + (this.#codes.get(code) ?? 0), 0);
  }

  /** What alerts are judged by. */
  totals(): AlertTotals {
    return { requests: this.#count, errors: this.#errors, wellMs: this.#wellMs, overlap: this.#overlap };
  }

  /** All metrics as plain data, which can be sent between processes. */
  async snapshot(): Promise<MetricsSnapshot> {
    const { stats, alerts } = this.#options;
    // prom-client declares the types of metrics as an enum; they are words.
    const process = (await watchProcess().getMetricsAsJSON()) as unknown as MetricFamily[];
    return [...this.#families(), ...serverFamilies(stats?.() ?? {}, alerts?.() ?? null), ...process];
  }

  /** All metrics in Prometheus's text format, version 0.0.4: see {@link EXPOSITION_TYPE}. */
  async exposition(): Promise<string> {
    return expositionOf(await this.snapshot());
  }

  #countCode(exception: string): void {
    const code = /^[A-Z_]+/.exec(exception)?.[0];
    if (isErrorCode(code)) this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
  }

  #families(): MetricFamily[] {
    const requests = [...COUNTED_TYPES, 'other'].flatMap((type, number) =>
      CACHE_USES.map((use, useNumber) => ({
        labels: { type, cache: use },
        durations: this.#requests.read(number * CACHE_USES.length + useNumber),
      })),
    );
    const stages = [...this.stages()].map(([stage, durations]) => ({ labels: { stage }, durations }));
    const statuses = [...this.#statuses.entries()].filter(([, count]) => count > 0);
    return [
      durationFamily(
        'pyramidion_request_duration_seconds',
        'Time from the arrival of a request to the end of its reply.',
        requests.filter(({ durations }) => durations.count > 0),
      ),
      durationFamily('pyramidion_stage_duration_seconds', 'Time that a stage of making replies took.', stages),
      {
        name: 'pyramidion_replies_total',
        help: 'Replies by HTTP status.',
        type: 'counter',
        aggregator: 'sum',
        values: statuses.map(([status, value]) => ({ labels: { status: String(status) }, value })),
      },
      {
        name: 'pyramidion_errors_total',
        help: 'Replies to requests that failed, by error code.',
        type: 'counter',
        aggregator: 'sum',
        values: [...this.#codes].map(([code, value]) => ({ labels: { code }, value })),
      },
      {
        name: 'pyramidion_sent_bytes_total',
        help: 'Bytes of bodies that were sent.',
        type: 'counter',
        aggregator: 'sum',
        values: [{ labels: {}, value: this.#sentBytes }],
      },
      {
        name: 'pyramidion_request_overlap',
        help: 'Requests under way, as each reply saw it at its end.',
        type: 'summary',
        aggregator: 'sum',
        values: [
          { labels: {}, value: this.#overlap, metricName: 'pyramidion_request_overlap_sum' },
          { labels: {}, value: this.#count, metricName: 'pyramidion_request_overlap_count' },
        ],
      },
    ];
  }
}

let watched: Registry | null = null;

/** Metrics of the process itself. What watches it cannot be stopped, so it is started once, however many servers come and go. */
function watchProcess(): Registry {
  if (watched === null) {
    watched = new Registry();
    collectDefaultMetrics({ register: watched });
  }
  return watched;
}

/** The media type of an exposition. */
export const EXPOSITION_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** The metrics of several processes as those of one: sums, or what makes sense of each. At least one is needed. */
export async function mergeSnapshots(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  // As in `Metrics.snapshot`.
  return (await aggregated(snapshots).getMetricsAsJSON()) as unknown as MetricsSnapshot;
}

/** Metrics in Prometheus's text format. */
export function expositionOf(snapshot: MetricsSnapshot): Promise<string> {
  return aggregated([snapshot]).metrics();
}

function aggregated(snapshots: readonly MetricsSnapshot[]): Registry {
  return AggregatorRegistry.aggregate([...snapshots]);
}
