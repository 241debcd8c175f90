import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CacheUse } from '../../src/cache/types.js';
import { BOUNDS_MS, DurationTable, durationsSince, quantileMs } from '../../src/log/durations.js';
import { COUNTED_TYPES, EXPOSITION_TYPE, expositionOf, Metrics, mergeSnapshots } from '../../src/log/metrics.js';
import type { ServerStats } from '../../src/log/stats.js';
import type { AccessEntry } from '../../src/log/types.js';
import { REQUEST_TYPES } from '../../src/protocol/image-serving/commands.js';
import { EMPTY } from './entry.js';

const STATS: ServerStats = {
  budget: { limit: 500, reserved: 100, slots: 2, running: 1, waiting: 3 },
  renders: { running: 3, waiting: 4, slots: 5, refused: 6 },
  cache: {
    uses: { REUSED: 1, VALIDATED: 2, CREATED: 3, UPDATED: 4, IGNORED: 5, UNDEFINED: 6 },
    joined: 7,
    memory: { entries: 8, bytes: 9 },
    disk: { entries: 10, bytes: 11 },
    evicted: 12,
    damaged: 13,
    skipped: 14,
    inFlight: 15,
  },
  sources: { open: 16, levelReads: 17, tileReads: 18, bytesRead: 19 },
  inFlight: 20,
  lostLines: 21,
};

/** An exposition as Prometheus reads it: types by metric, and values by `name{label="value",…}` as they are written. */
function parse(text: string) {
  const types = new Map<string, string>();
  const values = new Map<string, number>();
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    const type = /^# TYPE ([a-z][a-z0-9_]*) (counter|gauge|histogram|summary)$/.exec(line);
    if (type !== null) {
      expect(types.has(type[1] ?? '')).toBe(false);
      types.set(type[1] ?? '', type[2] ?? '');
      continue;
    }
    const sample = /^([a-z][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})? (\S+)$/.exec(line);
    expect(sample, line).not.toBe(null);
    const [, name = '', labels = '', value] = sample ?? [];
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    expect(types.has(family), line).toBe(true);
    expect(values.has(name + labels), line).toBe(false);
    values.set(name + labels, value === 'Nan' ? Number.NaN : Number(value));
  }
  return { types, values };
}

const reply = (more: Partial<AccessEntry>): AccessEntry => ({
  ...EMPTY,
  requestType: 'img',
  cacheUse: 'REUSED',
  ...more,
});

describe('exposition', () => {
  test('is what was observed', async () => {
    const metrics = new Metrics();
    metrics.observe(reply({ totalMs: 0.25, sentBytes: 100, overlap: 1 }));
    metrics.observe(reply({ totalMs: 0.26, sentBytes: 50, overlap: 3 }));
    metrics.observe(reply({ totalMs: 40_000, cacheUse: 'CREATED' }));
    const exception = 'BUSY: the queue is full';
    metrics.observe(reply({ requestType: 'odd"\n', status: 503, processingStatus: 4, totalMs: 5, exception }));
    metrics.observe(reply({ requestType: 'odder', status: 999, processingStatus: 2, exception: 'NONSENSE: x' }));
    metrics.observeStage('render', 30);
    const text = await metrics.exposition();
    const { types, values } = parse(text);

    expect(types.get('pyramidion_request_duration_seconds')).toBe('histogram');
    const reused = 'pyramidion_request_duration_seconds';
    const bucket = (le: string) => values.get(`${reused}_bucket{type="img",cache="REUSED",le="${le}"}`);
    expect(['0.0001', '0.00025', '0.0005', '30', '+Inf'].map(bucket)).toEqual([0, 1, 2, 2, 2]);
    expect(values.get(`${reused}_sum{type="img",cache="REUSED"}`)).toBeCloseTo(0.00051, 10);
    expect(values.get(`${reused}_count{type="img",cache="REUSED"}`)).toBe(2);
    expect(values.get(`${reused}_bucket{type="img",cache="CREATED",le="30"}`)).toBe(0);
    expect(values.get(`${reused}_bucket{type="img",cache="CREATED",le="+Inf"}`)).toBe(1);
    expect(values.get(`${reused}_count{type="other",cache="REUSED"}`)).toBe(2);
    // Only what there was.
    expect(text).not.toContain('cache="VALIDATED"');

    expect(values.get('pyramidion_replies_total{status="200"}')).toBe(3);
    expect(values.get('pyramidion_replies_total{status="503"}')).toBe(1);
    expect(values.get('pyramidion_errors_total{code="BUSY"}')).toBe(1);
    expect(text).not.toContain('NONSENSE');
    expect(values.get('pyramidion_sent_bytes_total')).toBe(150);
    expect(values.get('pyramidion_request_overlap_sum')).toBe(7);
    expect(values.get('pyramidion_request_overlap_count')).toBe(5);
    expect(values.get('pyramidion_stage_duration_seconds_sum{stage="render"}')).toBe(0.03);
    // Of the process and its event loop.
    expect(types.get('process_resident_memory_bytes')).toBe('gauge');
    expect(values.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
    expect(EXPOSITION_TYPE).toBe('text/plain; version=0.0.4; charset=utf-8');

    expect(metrics.rejections()).toBe(1);
    const { wellMs, ...rest } = metrics.totals();
    expect(rest).toEqual({ requests: 5, errors: 2, overlap: 7 });
    expect(wellMs).toBeCloseTo(40_000.51, 6);
  });

  test('has how the server stands, and alerts', async () => {
    const metrics = new Metrics({ stats: () => STATS, alerts: () => new Set(['Conc']) });
    const { types, values } = parse(await metrics.exposition());
    const shown = [...values].filter(([name]) => /^pyramidion_(?!request_|replies|errors|sent|stage)/.test(name));
    expect(Object.fromEntries(shown)).toEqual({
      pyramidion_requests_in_flight: 20,
      pyramidion_budget_limit_bytes: 500,
      pyramidion_budget_reserved_bytes: 100,
      'pyramidion_builds{state="running"}': 1,
      'pyramidion_builds{state="waiting"}': 3,
      pyramidion_build_slots: 2,
      'pyramidion_renders{state="running"}': 3,
      'pyramidion_renders{state="waiting"}': 4,
      pyramidion_render_slots: 5,
      pyramidion_renders_refused_total: 6,
      'pyramidion_cache_requests_total{use="REUSED"}': 1,
      'pyramidion_cache_requests_total{use="VALIDATED"}': 2,
      'pyramidion_cache_requests_total{use="CREATED"}': 3,
      'pyramidion_cache_requests_total{use="UPDATED"}': 4,
      'pyramidion_cache_requests_total{use="IGNORED"}': 5,
      'pyramidion_cache_requests_total{use="UNDEFINED"}': 6,
      pyramidion_cache_joined_total: 7,
      pyramidion_cache_memory_entries: 8,
      pyramidion_cache_memory_bytes: 9,
      pyramidion_cache_disk_entries: 10,
      pyramidion_cache_disk_bytes: 11,
      pyramidion_cache_evicted_total: 12,
      pyramidion_cache_damaged_total: 13,
      pyramidion_cache_skipped_total: 14,
      pyramidion_cache_in_flight: 15,
      pyramidion_sources_open: 16,
      pyramidion_source_level_reads_total: 17,
      pyramidion_source_tile_reads_total: 18,
      pyramidion_source_read_bytes_total: 19,
      pyramidion_log_lines_lost_total: 21,
      'pyramidion_alert{alert="RTime"}': 0,
      'pyramidion_alert{alert="Error"}': 0,
      'pyramidion_alert{alert="Traf"}': 0,
      'pyramidion_alert{alert="Conc"}': 1,
      'pyramidion_alert{alert="Lock"}': 0,
    });
    for (const [name, type] of types) {
      if (name.startsWith('pyramidion_')) expect(type === 'counter', name).toBe(name.endsWith('_total'));
    }
  });

  test('leaves out what nobody knows', async () => {
    const { types } = parse(await new Metrics().exposition());
    expect(types.has('pyramidion_alert')).toBe(false);
    expect(types.has('pyramidion_cache_requests_total')).toBe(false);
  });

  test('tells apart every type of request that there is', () => {
    expect(COUNTED_TYPES).toEqual(expect.arrayContaining([...REQUEST_TYPES]));
    expect(new Set(COUNTED_TYPES).size).toBe(COUNTED_TYPES.length);
  });
});

test('metrics of several processes, sent as JSON, are those of one that did it all', async () => {
  const uses: CacheUse[] = ['REUSED', 'CREATED', 'UNDEFINED'];
  const replies = Array.from({ length: 60 }, (_, n) =>
    reply({
      requestType: ['img', 'tmb', 'odd'][n % 3] ?? '',
      cacheUse: uses[n % 2] ?? 'IGNORED',
      // In powers of two, so that sums do not depend on their order.
      totalMs: 2 ** ((n % 20) - 4),
      status: n % 7 === 0 ? 403 : 200,
      sentBytes: n,
      overlap: n % 5,
      ...(n % 7 === 0 ? { processingStatus: 2, exception: 'INVALID_REQUEST: x' } : {}),
    }),
  );
  const whole = new Metrics({ stats: () => STATS, alerts: () => new Set(['Lock']) });
  const parts = [
    new Metrics({ stats: () => STATS, alerts: () => new Set() }),
    new Metrics({ stats: () => STATS, alerts: () => new Set(['Lock']) }),
    new Metrics(),
  ];
  for (const [n, entry] of replies.entries()) {
    whole.observe(entry);
    parts[n % 3]?.observe(entry);
    if (n % 10 === 0) for (const one of [whole, parts[n % 3]]) one?.observeStage('render', 4);
  }
  const snapshots = await Promise.all(parts.map((part) => part.snapshot()));
  const sent = JSON.parse(JSON.stringify(snapshots)) as typeof snapshots;
  const merged = await mergeSnapshots(sent);
  const [one, all] = [parse(await whole.exposition()), parse(await expositionOf(merged))];

  // Two of three told how they stand.
  const doubled = /^pyramidion_(requests_in_flight|budget|build|renders|render_slots|cache_(?!disk)|source|log)/;
  const own = [...one.values].filter(([name]) => name.startsWith('pyramidion_'));
  expect(own.length).toBeGreaterThan(150);
  for (const [name, value] of own) {
    const expected = doubled.test(name) ? 2 * value : value;
    if (name.includes('_sum')) expect(all.values.get(name), name).toBeCloseTo(expected, 9);
    else expect(all.values.get(name), name).toBe(expected);
  }
  expect([...all.values].filter(([name]) => name.startsWith('pyramidion_'))).toHaveLength(own.length);
  expect([...all.types.keys()].sort()).toEqual([...one.types.keys()].sort());
  // The same process was asked three times.
  const rss = 'process_resident_memory_bytes';
  expect((all.values.get(rss) ?? 0) / (one.values.get(rss) ?? 0)).toBeGreaterThan(2);
  expect(await expositionOf(await mergeSnapshots([merged]))).toBe(await expositionOf(merged));
});

describe('durations', () => {
  test('every duration is in the bucket of its bound, and counted once', () => {
    const durations = fc.array(fc.oneof(fc.constantFrom(...BOUNDS_MS), fc.double({ min: 0, max: 1e5, noNaN: true })));
    fc.assert(
      fc.property(durations, durations, (before, after) => {
        const table = new DurationTable(3);
        for (const ms of before) table.observe(1, ms);
        const earlier = table.read(1);
        for (const ms of after) table.observe(1, ms);
        const { count, sumMs, buckets } = durationsSince(table.read(1), earlier);
        expect(count).toBe(after.length);
        expect(sumMs).toBeCloseTo(
          after.reduce((sum, ms) => sum + ms, 0),
          5,
        );
        let below = 0;
        for (const [n, bound] of [...BOUNDS_MS, Number.POSITIVE_INFINITY].entries()) {
          below += buckets[n] ?? 0;
          expect(below).toBe(after.filter((ms) => ms <= bound).length);
        }
        expect([table.read(0).count, table.read(2).count]).toEqual([0, 0]);
      }),
    );
  });

  test('a quantile is in the bucket of the duration that it stands for', () => {
    const some = fc.array(fc.double({ min: 0, max: 30_000, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(some, fc.double({ min: 0.01, max: 1, noNaN: true }), (durations, share) => {
        const table = new DurationTable(1);
        for (const ms of durations) table.observe(0, ms);
        const exact = durations.toSorted((a, b) => a - b)[Math.ceil(share * durations.length) - 1] ?? Number.NaN;
        const bound = BOUNDS_MS.findIndex((ms) => exact <= ms);
        const estimate = quantileMs(table.read(0), share);
        expect(estimate).toBeLessThanOrEqual(BOUNDS_MS[bound] ?? Number.NaN);
        expect(estimate).toBeGreaterThanOrEqual(BOUNDS_MS[bound - 1] ?? 0);
      }),
    );
    const table = new DurationTable(1);
    expect(quantileMs(table.read(0), 0.5)).toBeNaN();
    table.observe(0, 1e6);
    expect(quantileMs(table.read(0), 0.5)).toBe(30_000);
  });
});
