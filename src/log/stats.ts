/** What the server log's statistics record says. */
import type { CacheSnapshot } from '../cache/types.js';
import type { BudgetSnapshot } from '../pool/budget.js';
import type { RenderSnapshot } from '../pool/renders.js';
import { type Durations, durationsSince, quantileMs } from './durations.js';

/** How the server stands, as far as whoever takes this knows. Counts are since the start. */
export interface ServerStats {
  /** Bytes of the process in physical memory. */
  readonly residentBytes?: number;
  /** Memory that builds have reserved, and those that wait for it. */
  readonly budget?: BudgetSnapshot;
  /** Views under way, and their queue. */
  readonly renders?: RenderSnapshot;
  readonly cache?: CacheSnapshot;
  readonly sources?: SourceStats;
  /** Requests under way. */
  readonly inFlight?: number;
  /** Requests refused by a limit or a full queue. */
  readonly rejections?: number;
  /** Lines of logs that were lost. */
  readonly lostLines?: number;
  /** How long each stage of making replies took; see `Metrics.stages`. */
  readonly stages?: ReadonlyMap<string, Durations>;
}

/** Image files. */
export interface SourceStats {
  /** Files that are open now. */
  readonly open?: number;
  /** Levels and tiles that were read, and bytes. */
  readonly levelReads?: number;
  readonly tileReads?: number;
  readonly bytesRead?: number;
}

/** Named values; null stands for what is not known. */
export type Facts = Readonly<Record<string, string | number | boolean | null>>;

/**
 * The record as named values. Reads, bytes, hits, renders, times and rejections are those since `earlier`, the stats of the
 * record before; the rest is as it stands. What the stats lack is null.
 */
export function statsFacts(stats: ServerStats, earlier: ServerStats = {}): Facts {
  const { budget, renders, cache, sources, stages } = stats;
  const facts: Record<string, number | null> = {
    residentBytes: stats.residentBytes ?? null,
    memoryUsedBytes: budget?.reserved ?? null,
    memoryLimitBytes: budget?.limit ?? null,
    openSources: sources?.open ?? null,
    levelReads: since(sources?.levelReads, earlier.sources?.levelReads),
    tileReads: since(sources?.tileReads, earlier.sources?.tileReads),
    bytesRead: since(sources?.bytesRead, earlier.sources?.bytesRead),
    cacheHitRatio: cache === undefined ? null : hitRatio(cache.uses, earlier.cache?.uses),
    inFlight: stats.inFlight ?? null,
    queueLength: renders?.waiting ?? null,
    activeWorkers: renders?.running ?? null,
    rejections: since(stats.rejections, earlier.rejections),
    lostLines: since(stats.lostLines, earlier.lostLines),
    renders: null,
  };
  for (const [stage, all] of stages ?? []) {
    const times = durationsSince(all, earlier.stages?.get(stage));
    if (stage === 'render') facts.renders = times.count;
    facts[`${stage}MeanMs`] = times.count === 0 ? null : rounded(times.sumMs / times.count);
    facts[`${stage}P95Ms`] = times.count === 0 ? null : rounded(quantileMs(times, 0.95));
  }
  return facts;
}

function since(value: number | undefined, earlier = 0): number | null {
  return value === undefined ? null : value - earlier;
}

/** Share of the requests that looked for an entry and found a good one; null when there were none. */
function hitRatio(uses: CacheSnapshot['uses'], earlier: CacheSnapshot['uses'] | undefined): number | null {
  const count = (use: keyof CacheSnapshot['uses']): number => uses[use] - (earlier?.[use] ?? 0);
  const hits = count('REUSED') + count('VALIDATED');
  const all = hits + count('CREATED') + count('UPDATED');
  return all === 0 ? null : rounded(hits / all);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
