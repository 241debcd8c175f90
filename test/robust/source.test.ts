/** Sources that change while they are read, break off, or are handed over as bytes and streams. */
import { execFileSync } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { appendFile, copyFile, open, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import { Engine } from '../../src/engine.js';
import { codeOf, errorOf, expectWhole } from './builds.js';
import { list, newFolder, whenWriting } from './folders.js';
import { writeStripTiff } from './images.js';

/** Noise takes deflate a second or two: there is time for anything to happen to the source. */
const slow = { compression: 'deflate', effort: 9 } as const;
const SIZE = { width: 4000, height: 3000 };

let folder: string;
let outputs: string;
let source: string;
let engine: Engine;

beforeAll(async () => {
  folder = await newFolder();
  engine = await Engine.start();
  const raw = randomFillSync(Buffer.alloc(SIZE.width * SIZE.height * 3));
  const noise = sharp(raw, { raw: { ...SIZE, channels: 3 } });
  writeStripTiff(join(folder, 'noise.tif'), { ...SIZE, noise: true });
  await noise.clone().png({ compressionLevel: 1 }).toFile(join(folder, 'noise.png'));
  await noise.clone().jpeg().toFile(join(folder, 'noise.jpg'));
  const plain = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#336699' } }).png();
  await plain(3000, 2000).toFile(join(folder, 'plain.png'));
  await plain(4000, 2500).toFile(join(folder, 'larger.png'));
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  outputs = await newFolder();
  source = join(outputs, 'source');
});
afterEach(async () => {
  await expect
    .poll(() => engine.snapshot(), { timeout: 10_000 })
    .toMatchObject({ reserved: 0, running: 0, waiting: 0 });
  // The process has come to no harm.
  const { path } = await engine.build(samplePng(300, 200), `${outputs}/`);
  await expectWhole(engine, path);
  await rm(outputs, { recursive: true });
});

describe.each(['noise.tif', 'noise.png', 'noise.jpg'])('%s', (name) => {
  beforeEach(() => copyFile(join(folder, name), source));

  async function expectChanged(change: () => Promise<unknown>): Promise<void> {
    const error = errorOf(engine.build(source, join(outputs, 'a.tif'), slow));
    await once(engine, 'jobprogress');
    await change();
    expect(await error).toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(await list(outputs)).toEqual(['source']);
  }

  it('cut to nothing by another process while it is read', () =>
    expectChanged(async () => execFileSync('truncate', ['--size=0', source])));

  it('cut in the middle while it is read', () =>
    expectChanged(async () => truncate(source, Math.floor((await stat(source)).size / 2))));

  it('replaced by another image while it is read', () =>
    expectChanged(async () => {
      await writeFile(join(outputs, 'other'), samplePng(64, 64));
      await rename(join(outputs, 'other'), source);
    }));

  it('written over in place while it is read', () =>
    expectChanged(async () => {
      const file = await open(source, 'r+');
      const { size } = await file.stat();
      const half = Math.floor(size / 2);
      await file.write(randomFillSync(Buffer.alloc(half)), 0, half, size - half);
      await file.close();
    }));

  it('made longer while it is read', () => expectChanged(() => appendFile(source, 'more')));
});

describe('changed while the build waits', () => {
  /** What a build comes to whose source is changed between its place in the queue and its start. */
  async function outcomeOf(change: () => Promise<unknown>): Promise<string | null> {
    await copyFile(join(folder, 'plain.png'), source);
    const abort = new AbortController();
    const others = Array.from({ length: engine.snapshot().slots }, () =>
      codeOf(engine.build(join(folder, 'noise.tif'), join(outputs, 'other.tif'), { ...slow, signal: abort.signal })),
    );
    while (engine.snapshot().running < others.length) await once(engine, 'jobstart');
    const outcome = codeOf(engine.build(source, join(outputs, 'a.tif')));
    while (engine.snapshot().waiting < 1) await once(engine, 'jobqueue');
    await change();
    abort.abort();
    expect(await Promise.all(others)).toEqual(others.map(() => 'ABORTED'));
    const code = await outcome;
    expect((await list(outputs)).filter((name) => name !== 'source')).toEqual([]);
    return code;
  }

  it('cut', async () => expect(await outcomeOf(() => truncate(source, 1000))).toBe('SOURCE_CHANGED'));
  it('cut to nothing', async () => expect(await outcomeOf(() => truncate(source, 0))).toBe('SOURCE_CHANGED'));
  it('removed', async () => expect(await outcomeOf(() => rm(source))).toBe('SOURCE_NOT_FOUND'));
  it('replaced by a smaller image', async () =>
    expect(await outcomeOf(() => writeFile(source, samplePng(64, 64)))).toBe('SOURCE_CHANGED'));
  it('replaced by a larger image', async () =>
    expect(await outcomeOf(() => copyFile(join(folder, 'larger.png'), source))).toBe('SOURCE_CHANGED'));
  it('replaced by an image of another format', async () =>
    expect(await outcomeOf(() => copyFile(join(folder, 'noise.jpg'), source))).toBe('SOURCE_CHANGED'));
  it('replaced by no image', async () =>
    expect(await outcomeOf(() => writeFile(source, 'no image'.repeat(10_000)))).toBe('SOURCE_CHANGED'));
});

it('removed while it is read, it is read to its end', async () => {
  await copyFile(join(folder, 'noise.tif'), source);
  const build = engine.build(source, join(outputs, 'a.tif'), { compression: 'none' });
  await once(engine, 'jobprogress');
  await rm(source);
  const { path, sha256 } = await build;
  expect(sha256).toBe(
    createHash('sha256')
      .update(await readFile(join(folder, 'noise.tif')))
      .digest('hex'),
  );
  await expectWhole(engine, path);
});

describe('bytes', () => {
  it('are built as they are, also from the middle of a larger buffer', async () => {
    const png = samplePng(300, 200);
    const sha256 = createHash('sha256').update(png).digest('hex');
    const large = Buffer.alloc(png.length + 2000, 0xff);
    png.copy(large, 1000);
    const shared = new Uint8Array(new SharedArrayBuffer(png.length));
    shared.set(png);
    for (const bytes of [png, large.subarray(1000, 1000 + png.length), Uint8Array.from(png), shared]) {
      const report = await engine.build(bytes, `${outputs}/`);
      expect(report.sha256).toBe(sha256);
      await expectWhole(engine, report.path);
    }
    expect(await list(outputs)).toEqual(['bytes-1.tif', 'bytes-2.tif', 'bytes-3.tif', 'bytes.tif']);
  });

  it('that are none, or no image, or half of one, are refused', async () => {
    const codes = [];
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(1000), samplePng(300, 200).subarray(0, 1000)])
      codes.push(await codeOf(engine.build(bytes, `${outputs}/`)));
    expect(codes).toEqual(['CORRUPT_IMAGE', 'UNSUPPORTED_FORMAT', 'CORRUPT_IMAGE']);
    expect(await list(outputs)).toEqual([]);
  });
});

describe('a stream', () => {
  const png = samplePng(900, 700);
  /** A stream of the first half of an image, and then of what `then` does. */
  const half = (then: () => unknown): Readable =>
    Readable.from(
      (async function* () {
        yield png.subarray(0, png.length / 2);
        await then();
      })(),
    );

  it('is built like the file it comes from', async () => {
    const report = await engine.build(createReadStream(join(folder, 'noise.png')), `${outputs}/`);
    expect(report.sha256).toBe(
      createHash('sha256')
        .update(await readFile(join(folder, 'noise.png')))
        .digest('hex'),
    );
    expect(await expectWhole(engine, report.path)).toEqual(SIZE);
    expect(await list(outputs)).toEqual(['stream.tif']);
  });

  it.each<[name: string, make: () => Readable, code: string]>([
    ['fails', () => half(() => Promise.reject(new Error('the line is dead'))), 'SOURCE_UNREADABLE'],
    ['fails with nothing', () => half(() => Promise.reject(null)), 'SOURCE_UNREADABLE'],
    ['ends too early', () => half(() => {}), 'CORRUPT_IMAGE'],
    ['gives something else', () => Readable.from([png.subarray(0, 1000), { no: 'bytes' }]), 'SOURCE_UNREADABLE'],
    ['is of a file that is not there', () => createReadStream(join(folder, 'missing.png')), 'SOURCE_NOT_FOUND'],
    ['is of a folder', () => createReadStream(folder), 'SOURCE_UNREADABLE'],
    ['is empty', () => Readable.from([]), 'CORRUPT_IMAGE'],
    ['never ends and is no image', () => endless(Buffer.alloc(1000)), 'UNSUPPORTED_FORMAT'],
    ['was read already', () => createReadStream(folder).destroy(), 'SOURCE_UNREADABLE'],
  ])('that %s: nothing is left, and it is destroyed', async (_, make, code) => {
    const stream = make();
    expect(await codeOf(engine.build(stream, `${outputs}/`))).toBe(code);
    expect(stream.destroyed).toBe(true);
    expect(await list(outputs)).toEqual([]);
  });

  it('that is destroyed in the middle', async () => {
    const stream = new Readable({ read() {} });
    stream.push(png.subarray(0, png.length / 2));
    const code = codeOf(engine.build(stream, `${outputs}/`));
    await whenWriting(outputs);
    stream.destroy();
    expect(await code).toBe('SOURCE_UNREADABLE');
    expect(await list(outputs)).toEqual([]);
  });

  it('that fails before it is read, or never is, ends neither the process nor stays open', async () => {
    const early = [
      engine.build(createReadStream(join(folder, 'missing.png')), join(outputs, 'missing', 'a.tif')),
      engine.probe(createReadStream(join(folder, 'missing.png'))),
      engine.verify(createReadStream(join(folder, 'missing.png'))),
    ];
    expect(await Promise.all(early.map(codeOf))).toEqual([
      'OUTPUT_NOT_WRITABLE',
      'SOURCE_NOT_FOUND',
      'SOURCE_NOT_FOUND',
    ]);
    const unread = createReadStream(join(folder, 'noise.png'));
    expect(await codeOf(engine.build(unread, join(outputs, 'missing', 'a.tif')))).toBe('OUTPUT_NOT_WRITABLE');
    expect(unread.destroyed).toBe(true);
  });

  it('tells why it failed', async () => {
    const cause = new Error('the line is dead');
    const error = await errorOf(
      engine.build(
        half(() => Promise.reject(cause)),
        `${outputs}/`,
      ),
    );
    expect(error?.cause).toBe(cause);
  });

  function endless(chunk: Buffer): Readable {
    return new Readable({
      read() {
        this.push(chunk);
      },
    });
  }
});
