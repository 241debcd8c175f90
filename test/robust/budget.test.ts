/** The memory budget over real builds: how many run at once, in which order, and what is refused or stopped. */
import { once } from 'node:events';
import { rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import type { EngineOptions } from '../../src/ingest/types.js';
import { codeOf, errorOf, expectWhole, median } from './builds.js';
import { isTemporary, list, newFolder, whenClean } from './folders.js';
import { hollowPng, writeStripTiff } from './images.js';

let folder: string;
let outputs: string;
let engine: Engine;

beforeAll(async () => {
  folder = await newFolder();
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(async () => {
  await engine.close();
  await rm(outputs, { recursive: true });
});

async function startEngine(options: EngineOptions): Promise<void> {
  engine = await Engine.start(options);
  outputs = await newFolder();
}

/** What the engine tells of its builds, in the order it is told. */
function follow(watched: Engine): { queued: number[]; started: number[]; most: { events: number; snapshot: number } } {
  const seen = { queued: [] as number[], started: [] as number[], most: { events: 0, snapshot: 0 } };
  const running = new Set<number>();
  const look = (): void => {
    const { running: slots, reserved, limit } = watched.snapshot();
    expect(reserved).toBeLessThanOrEqual(limit);
    seen.most.events = Math.max(seen.most.events, running.size);
    seen.most.snapshot = Math.max(seen.most.snapshot, slots);
  };
  watched.on('jobqueue', ({ job }) => {
    seen.queued.push(job);
    look();
  });
  watched.on('jobstart', ({ job }) => {
    seen.started.push(job);
    running.add(job);
    look();
  });
  watched.on('jobprogress', look);
  watched.on('jobend', ({ job }) => {
    running.delete(job);
    look();
  });
  return seen;
}

describe('ten builds under a budget for three', () => {
  let need: number;
  const pool = { workers: 10, threads: 2 };
  beforeAll(async () => {
    writeStripTiff(join(folder, 'medium.tif'), { width: 3000, height: 2000 });
    await using probing = await Engine.start(pool);
    ({ need } = await probing.probe(join(folder, 'medium.tif')));
  });

  it('never exceed three at a time, start first-come, and all finish', async () => {
    await startEngine({ ...pool, maxMemory: 3 * need });
    const seen = follow(engine);
    const builds = Array.from({ length: 10 }, (_, i) =>
      engine.build(join(folder, 'medium.tif'), join(outputs, `${i}.tif`)),
    );
    const reports = await Promise.all(builds);
    expect(engine.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
    expect(seen.most).toEqual({ events: 3, snapshot: 3 });
    expect(seen.queued).toHaveLength(10);
    expect(seen.started).toEqual(seen.queued);
    for (const report of reports) expect(report.need).toBe(need);
    expect(await list(outputs)).toEqual(reports.map(({ path }) => path.slice(outputs.length + 1)).sort());
    for (const { path } of reports) expect(await expectWhole(engine, path)).toEqual({ width: 3000, height: 2000 });
  });

  it('never exceed three at a time when some fail and some are aborted', async () => {
    await startEngine({ ...pool, maxMemory: 3 * need });
    const seen = follow(engine);
    const bytes = writeStripTiff(join(folder, 'cut.tif'), { width: 3000, height: 2000 });
    await truncate(join(folder, 'cut.tif'), bytes / 2);
    const aborts = Array.from({ length: 12 }, () => new AbortController());
    engine.on('jobstart', ({ job }) => {
      if (job % 3 === 0) aborts[job - 1]?.abort();
    });
    const codes = await Promise.all(
      aborts.map(({ signal }, i) =>
        codeOf(engine.build(join(folder, i % 3 === 1 ? 'cut.tif' : 'medium.tif'), `${outputs}/`, { signal })),
      ),
    );
    expect(codes).toEqual(Array.from({ length: 4 }, () => [null, 'CORRUPT_IMAGE', 'ABORTED']).flat());
    expect(seen.most).toEqual({ events: 3, snapshot: 3 });
    await expect.poll(() => engine.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
    expect(await list(outputs)).toEqual(['medium-1.tif', 'medium-2.tif', 'medium-3.tif', 'medium.tif']);
  });
});

describe('a build that can never fit', () => {
  it.each([
    ['by the decoded rule', 'decoded', false, 20_000 * 20_000 * 3 * 3],
    ['by its true need', 'peak', true, null],
  ] as const)('%s is refused in less than 50 ms, before any pixel', async (_, estimate, interlaced, need) => {
    await startEngine({ maxMemory: '1G', estimate });
    const source = join(folder, 'hollow.png');
    await writeFile(source, hollowPng(20_000, 20_000, interlaced));
    const started: number[] = [];
    engine.on('jobstart', ({ job }) => started.push(job));
    const times: number[] = [];
    for (let i = 0; i < 6; i++) {
      const before = performance.now();
      const error = await errorOf(engine.build(source, `${outputs}/`));
      if (i > 0) times.push(performance.now() - before);
      expect(error).toMatchObject({ code: 'BUDGET_NEVER_FITS', limit: engine.snapshot().limit });
      if (need !== null) expect(error).toMatchObject({ value: need });
      expect(error?.message).toContain(String(error?.value));
      expect(error?.message).toContain(String(error?.limit));
    }
    expect(median(times)).toBeLessThan(50);
    expect(started).toEqual([]);
    expect(await list(outputs)).toEqual([]);
    expect(engine.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
  });

  it('is refused at once while others run and wait', async () => {
    writeStripTiff(join(folder, 'large.tif'), { width: 12_000, height: 10_000 });
    await writeFile(join(folder, 'hollow.png'), hollowPng(20_000, 20_000, true));
    await startEngine({ maxMemory: '1G', workers: 1 });
    const abort = new AbortController();
    const slow = [0, 1].map(() =>
      codeOf(
        engine.build(join(folder, 'large.tif'), `${outputs}/`, {
          compression: 'webp',
          effort: 6,
          signal: abort.signal,
        }),
      ),
    );
    await once(engine, 'jobprogress');
    expect(engine.snapshot()).toMatchObject({ running: 1, waiting: 1 });
    expect(await codeOf(engine.build(join(folder, 'hollow.png'), `${outputs}/`))).toBe('BUDGET_NEVER_FITS');
    expect(engine.snapshot()).toMatchObject({ running: 1, waiting: 1 });
    abort.abort();
    expect(await Promise.all(slow)).toEqual(['ABORTED', 'ABORTED']);
  });
});

describe('a build that takes more than it said', () => {
  const MB = 1 << 20;

  it('is stopped for its own buffers, and leaves nothing behind', async () => {
    writeStripTiff(join(folder, 'large.tif'), { width: 12_000, height: 10_000 });
    await startEngine({ estimate: () => MB });
    const error = await errorOf(engine.build(join(folder, 'large.tif'), `${outputs}/`, { compression: 'deflate' }));
    expect(error).toMatchObject({ code: 'BUDGET_OVERRUN', limit: Math.floor(1.1 * MB) });
    expect(error?.value).toBeGreaterThan(1.1 * MB);
    expect(await list(outputs)).toEqual([]);
    await expect.poll(() => engine.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
  });

  it("is stopped for its decoder's memory, and the builds beside it go on", async () => {
    const source = join(folder, 'wide.webp');
    await sharp({ create: { width: 9000, height: 8000, channels: 3, background: '#336699' } })
      .webp({ lossless: true, effort: 0 })
      .toFile(source);
    writeStripTiff(join(folder, 'small.tif'), { width: 2000, height: 2000 });
    // Enough for its own buffers, and nothing for the 288 MB of the decoder.
    await startEngine({ estimate: ({ format, need }) => (format === 'webp' ? 60 * MB : need), workers: 4, threads: 2 });
    const greedy = errorOf(engine.build(source, `${outputs}/`));
    await once(engine, 'jobstart');
    const honest = codeOf(engine.build(join(folder, 'small.tif'), `${outputs}/`));
    expect(await greedy).toMatchObject({ code: 'BUDGET_OVERRUN' });
    expect(await honest).toBe(null);
    await whenClean(outputs, 1000);
    expect((await list(outputs)).filter((name) => !isTemporary(name))).toEqual(['small.tif']);
    await expect.poll(() => engine.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
  });
});
