/** Metrics as plain data: the form that prom-client adds up over processes and writes as text. */
import { ALERT_NAMES, type AlertName } from './alerts.js';
import { BOUNDS_MS, type Durations } from './durations.js';
import type { ServerStats } from './stats.js';

/** One metric with all its labels. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  /** What becomes of the values of several processes. */
  readonly aggregator: 'sum' | 'max' | 'min' | 'average' | 'first' | 'omit';
  readonly values: readonly MetricValue[];
}

/** One value. `metricName` is there where it is not the family's: `…_bucket`, `…_sum`, `…_count`. */
export interface MetricValue {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** All metrics of a process at a moment. */
export type MetricsSnapshot = readonly MetricFamily[];

type Labels = Readonly<Record<string, string>>;

/** A histogram in seconds of durations with their labels. Buckets hold what is in those before them, too. */
export function durationFamily(
  name: string,
  help: string,
  rows: readonly { readonly labels: Labels; readonly durations: Durations }[],
): MetricFamily {
  const values = rows.flatMap(({ labels, durations }): MetricValue[] => {
    let below = 0;
    return [
      ...durations.buckets.map((count, bucket) => {
        below += count;
        const bound = BOUNDS_MS[bucket];
        const le = bound === undefined ? '+Inf' : String(bound / 1000);
        return { labels: { ...labels, le }, value: below, metricName: `${name}_bucket` };
      }),
      { labels, value: durations.sumMs / 1000, metricName: `${name}_sum` },
      { labels, value: durations.count, metricName: `${name}_count` },
    ];
  });
  return { name, help, type: 'histogram', aggregator: 'sum', values };
}

/** The metrics of what the stats tell; what they lack is left out, and so are alerts when they are null. */
export function serverFamilies(stats: ServerStats, alerts: ReadonlySet<AlertName> | null): MetricFamily[] {
  const { budget, renders, cache, sources } = stats;
  // The disk tier is one for all processes, and each knows of it what it can.
  const shared = 'max';
  return [
    gauge('requests_in_flight', 'Requests under way.', [[{}, stats.inFlight]]),
    gauge('budget_limit_bytes', 'Memory that builds may reserve.', [[{}, budget?.limit]]),
    gauge('budget_reserved_bytes', 'Memory that builds have reserved.', [[{}, budget?.reserved]]),
    gauge('builds', 'Builds by state.', [
      [{ state: 'running' }, budget?.running],
      [{ state: 'waiting' }, budget?.waiting],
    ]),
    gauge('build_slots', 'Builds that may run at once.', [[{}, budget?.slots]]),
    gauge('renders', 'Views that are being made, or wait for a renderer.', [
      [{ state: 'running' }, renders?.running],
      [{ state: 'waiting' }, renders?.waiting],
    ]),
    gauge('render_slots', 'Views that may be made at once.', [[{}, renders?.slots]]),
    counter('renders_refused_total', 'Views that were refused because the queue was full.', [[{}, renders?.refused]]),
    counter(
      'cache_requests_total',
      'Requests by what became of them in the cache.',
      Object.entries(cache?.uses ?? {}).map(([use, count]) => [{ use }, count]),
    ),
    counter('cache_joined_total', 'Requests that waited for the reply to another one.', [[{}, cache?.joined]]),
    gauge('cache_in_flight', 'Replies that the cache has being made.', [[{}, cache?.inFlight]]),
    gauge('cache_memory_entries', 'Entries in memory.', [[{}, cache?.memory.entries]]),
    gauge('cache_memory_bytes', 'Bytes of the entries in memory.', [[{}, cache?.memory.bytes]]),
    gauge('cache_disk_entries', 'Entries on disk.', [[{}, cache?.disk.entries]], shared),
    gauge('cache_disk_bytes', 'Bytes of the entries on disk.', [[{}, cache?.disk.bytes]], shared),
    counter('cache_evicted_total', 'Entries that gave way to others.', [[{}, cache?.evicted]]),
    counter('cache_damaged_total', 'Entries that were found damaged.', [[{}, cache?.damaged]]),
    counter('cache_skipped_total', 'Replies that were not written to disk.', [[{}, cache?.skipped]]),
    gauge('sources_open', 'Image files that are open.', [[{}, sources?.open]]),
    counter('source_level_reads_total', 'Levels that were read.', [[{}, sources?.levelReads]]),
    counter('source_tile_reads_total', 'Stored tiles that were read.', [[{}, sources?.tileReads]]),
    counter('source_read_bytes_total', 'Bytes that were read of image files.', [[{}, sources?.bytesRead]]),
    counter('log_lines_lost_total', 'Lines of logs that were lost: the disk was too slow.', [[{}, stats.lostLines]]),
    gauge(
      'alert',
      '1 while an alert is active.',
      ALERT_NAMES.map((alert) => [{ alert }, alerts === null ? undefined : Number(alerts.has(alert))]),
      'max',
    ),
  ].filter(({ values }) => values.length > 0);
}

type Rows = readonly (readonly [labels: Labels, value: number | undefined])[];

function counter(name: string, help: string, rows: Rows): MetricFamily {
  return family('counter', name, help, rows, 'sum');
}

function gauge(name: string, help: string, rows: Rows, aggregator: 'sum' | 'max' = 'sum'): MetricFamily {
  return family('gauge', name, help, rows, aggregator);
}

function family(
  type: MetricFamily['type'],
  name: string,
  help: string,
  rows: Rows,
  aggregator: MetricFamily['aggregator'],
): MetricFamily {
  const values = rows.flatMap(([labels, value]) => (value === undefined ? [] : [{ labels, value }]));
  return { name: `pyramidion_${name}`, help, type, aggregator, values };
}
