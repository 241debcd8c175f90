/** Builds that are aborted: in the queue and in the run, whatever the decoder or encoder is at. */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import type { BuildOptions } from '../../src/ingest/types.js';
import { codeOf, expectWhole, median, settleTime } from './builds.js';
import { list, newFolder, whenClean, whenWriting } from './folders.js';
import { writeStripTiff } from './images.js';

const TRIES = 5;

let folder: string;
let outputs: string;
let engine: Engine;

beforeAll(async () => {
  folder = await newFolder();
  outputs = await newFolder();
  engine = await Engine.start({ workers: 2, threads: 2 });
  writeStripTiff(join(folder, 'large.tif'), { width: 12_000, height: 10_000 });
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
  await rm(outputs, { recursive: true });
});

/** A picture of one colour: quick to make, and as slow to decode as its format has it. */
function plain(width: number, height: number) {
  return sharp({ create: { width, height, channels: 3, background: '#336699' } });
}

async function expectNothingLeft(): Promise<void> {
  await whenClean(outputs, 1000);
  expect(await list(outputs)).toEqual([]);
  // A decoder that cannot be interrupted keeps its share until it returns.
  await expect
    .poll(() => engine.snapshot(), { timeout: 10_000 })
    .toMatchObject({ reserved: 0, running: 0, waiting: 0 });
}

describe('in the run', () => {
  const whenReading = (): Promise<unknown> => once(engine, 'jobprogress');
  const whenCreated = (): Promise<unknown> => whenWriting(outputs);
  const cases: [name: string, make: (path: string) => unknown, options: BuildOptions, ready: () => Promise<unknown>][] =
    [
      ['a strip TIFF of 120 megapixels', () => {}, { compression: 'deflate' }, whenReading],
      ['tiles that are slow to encode', () => {}, { compression: 'webp', effort: 6, tileSize: 2048 }, whenReading],
      [
        'a wide unsharp mask',
        () => {},
        { compression: 'none', unsharp: { amount: 1, radius: 250, threshold: 0 } },
        whenReading,
      ],
      ['a progressive JPEG', (path) => plain(9000, 8000).jpeg({ progressive: true }).toFile(path), {}, whenCreated],
      ['an interlaced PNG', (path) => plain(8000, 6000).png({ progressive: true }).toFile(path), {}, whenCreated],
      ['a WebP', (path) => plain(7000, 7000).webp({ lossless: true, effort: 0 }).toFile(path), {}, whenCreated],
      ['an AVIF', (path) => plain(6000, 5000).avif({ effort: 0 }).toFile(path), {}, whenCreated],
    ];

  it.each(cases)(
    '%s: rejected within 200 ms, and nothing is left',
    { retry: 1 },
    async (name, make, options, ready) => {
      const source = join(folder, make.length === 0 ? 'large.tif' : name);
      await make(source);
      const times: number[] = [];
      for (let i = 0; i < TRIES; i++) {
        const abort = new AbortController();
        const build = engine.build(source, `${outputs}/`, { ...options, signal: abort.signal });
        const code = codeOf(build);
        await Promise.race([ready(), code.then((early) => expect.fail(`it ended before it was aborted: ${early}`))]);
        const time = settleTime(build);
        abort.abort();
        times.push(await time);
        expect(await code).toBe('ABORTED');
        await expectNothingLeft();
      }
      expect(median(times)).toBeLessThan(200);
    },
  );

  it('a verification', { retry: 1 }, async () => {
    const times: number[] = [];
    for (let i = 0; i < TRIES; i++) {
      const abort = new AbortController();
      const verification = engine.verify(join(folder, 'large.tif'), { signal: abort.signal });
      const code = codeOf(verification);
      await expect.poll(() => engine.snapshot().running, { interval: 1 }).toBe(1);
      const time = settleTime(verification);
      abort.abort();
      times.push(await time);
      expect(await code).toBe('ABORTED');
    }
    expect(median(times)).toBeLessThan(200);
    await expectNothingLeft();
  });

  it('by closing the engine', async () => {
    const other = await Engine.start();
    const code = codeOf(other.build(join(folder, 'large.tif'), `${outputs}/`, { compression: 'webp', effort: 6 }));
    await once(other, 'jobprogress');
    await other.close();
    expect(await code).toBe('ENGINE_CLOSED');
    await expectNothingLeft();
  });
});

describe('in the queue', () => {
  it('those that wait are rejected at once, and those that run go on', { retry: 3 }, async () => {
    await using other = await Engine.start();
    const running = new Set<number>();
    other.on('jobstart', ({ job }) => running.add(job - 1));
    const aborts = Array.from({ length: 6 }, () => new AbortController());
    const codes = aborts.map(({ signal }) =>
      codeOf(other.build(join(folder, 'large.tif'), `${outputs}/`, { compression: 'webp', effort: 6, signal })),
    );
    while (other.snapshot().running < 2 || other.snapshot().waiting < 4) await once(other, 'jobqueue');
    const waiting = [...aborts.keys()].filter((i) => !running.has(i));
    const before = performance.now();
    for (const i of waiting) aborts[i]?.abort();
    expect(await Promise.all(waiting.map((i) => codes[i]))).toEqual(Array(4).fill('ABORTED'));
    expect(performance.now() - before).toBeLessThan(200);
    expect(other.snapshot()).toMatchObject({ running: 2, waiting: 0 });
    for (const abort of aborts) abort.abort();
    expect(await Promise.all(codes)).toEqual(Array(6).fill('ABORTED'));
    expect(running.size).toBe(2);
    await expectNothingLeft();
  });

  it('before it is called for, nothing is looked at', async () => {
    const build = engine.build(join(folder, 'not-there.png'), `${outputs}/`, { signal: AbortSignal.abort() });
    expect(await codeOf(build)).toBe('ABORTED');
  });
});

describe('a stream', () => {
  /** Gives the first bytes of an image, and then nothing more. */
  const stalled: [name: string, make: (head: Buffer) => Readable][] = [
    [
      'that gives nothing more',
      (head) => {
        const stream = new Readable({ read() {} });
        stream.push(head);
        return stream;
      },
    ],
    [
      'of a generator that never yields again',
      (head) =>
        Readable.from(
          (async function* () {
            yield head;
            await new Promise(() => {});
          })(),
        ),
    ],
    [
      'that does not end when it is destroyed',
      (head) => {
        const stream = new Readable({ read() {}, destroy() {} });
        stream.push(head);
        return stream;
      },
    ],
  ];

  it.each(stalled)('%s: the build is rejected within 200 ms', { retry: 3 }, async (_, make) => {
    const head = (await plain(300, 200).png().toBuffer()).subarray(0, 200);
    for (const stop of ['abort', 'close'] as const) {
      const other = await Engine.start();
      const abort = new AbortController();
      const build = other.build(make(head), `${outputs}/`, { signal: abort.signal });
      const code = codeOf(build);
      await whenWriting(outputs);
      const time = settleTime(build);
      if (stop === 'abort') abort.abort();
      else await other.close();
      expect(await time).toBeLessThan(200);
      expect(await code).toBe(stop === 'abort' ? 'ABORTED' : 'ENGINE_CLOSED');
      await other.close();
      await expectNothingLeft();
    }
  });
});

it('one signal may stop any number of builds, and any number of engines be open, without a warning', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  const engines = await Promise.all(Array.from({ length: 15 }, () => Engine.start()));
  const abort = new AbortController();
  const codes = engines.flatMap((each) =>
    Array.from({ length: 4 }, () =>
      codeOf(each.build(join(folder, 'large.tif'), `${outputs}/`, { compression: 'webp', signal: abort.signal })),
    ),
  );
  await expect.poll(() => engine.snapshot()).toMatchObject({ running: 2, waiting: codes.length - 2 });
  abort.abort();
  expect(await Promise.all(codes)).toEqual(codes.map(() => 'ABORTED'));
  await Promise.all(engines.map((each) => each.close()));
  await new Promise(setImmediate);
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
  await expectNothingLeft();
});

it('at any moment there is a whole file or none', async () => {
  const source = join(folder, 'small.jpg');
  await plain(900, 700).jpeg().toFile(source);
  const seen = { built: 0, aborted: 0 };
  for (let delay = 0; delay < 60; delay++) {
    // Time is what is tried here: from before the probe to after the commit.
    const signal = AbortSignal.timeout(delay);
    const code = await codeOf(engine.build(source, `${outputs}/`, { signal, tileSize: 64, compression: 'deflate' }));
    if (code === null) {
      expect(await list(outputs)).toEqual(['small.tif']);
      await expectWhole(engine, join(outputs, 'small.tif'));
      await rm(join(outputs, 'small.tif'));
      seen.built++;
    } else {
      expect(code).toBe('ABORTED');
      await whenClean(outputs, 1000);
      expect(await list(outputs)).toEqual([]);
      seen.aborted++;
    }
  }
  expect(seen.aborted).toBeGreaterThan(0);
});
