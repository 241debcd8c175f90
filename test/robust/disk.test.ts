/** Disks that are full, before a build or in the middle of it. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import { errorOf, expectWhole } from './builds.js';
import { list, newFolder, whenWriting } from './folders.js';
import { writeStripTiff } from './images.js';
import { canMount, isRoot, mountTmpfs, unmount } from './mounts.js';
import { runCli, startCli } from './processes.js';

const MB = 1 << 20;

/** The code a file operation failed with; null when it did not. */
function codeOfFile(operation: Promise<unknown>): Promise<string | null> {
  return operation.then(
    () => null,
    ({ code }: NodeJS.ErrnoException) => code ?? '',
  );
}

let folder: string;
let noise: string;
let black: string;
beforeAll(async () => {
  folder = await newFolder();
  noise = join(folder, 'noise.tif');
  black = join(folder, 'black.tif');
  writeStripTiff(noise, { width: 3000, height: 2000, noise: true });
  writeStripTiff(black, { width: 3000, height: 2000 });
});
afterAll(() => rm(folder, { recursive: true }));

it.runIf(isRoot && process.env.CI)('root can mount a disk here', () => expect(canMount).toBe(true));

describe.runIf(canMount)('a small disk (needs root)', () => {
  let disk: string;
  let engine: Engine;
  beforeEach(async () => {
    disk = mountTmpfs('size=10m') ?? expect.fail('no disk');
    engine = await Engine.start();
  });
  afterEach(async () => {
    await engine.close();
    unmount(disk);
  });

  const freeBytes = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(disk);
    return bavail * bsize;
  };

  async function expectAsBefore(names: string[] = []): Promise<void> {
    expect(await list(disk)).toEqual(names);
    expect(engine.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
  }

  it('too small for the pyramid is found before the build queues', async () => {
    const queued: number[] = [];
    engine.on('jobqueue', ({ job }) => queued.push(job));
    const error = await errorOf(engine.build(black, `${disk}/`, { compression: 'none' }));
    expect(error).toMatchObject({ code: 'DISK_FULL', limit: 10 * MB });
    expect(error?.value).toBeGreaterThan(3000 * 2000 * 3);
    expect(error?.message).toContain(`${error?.value}`);
    expect(queued).toEqual([]);
    await expectAsBefore();
  });

  it.each([
    ['deflate', {}],
    ['lzw', {}],
    ['jpeg', { quality: 100, chroma: '4:4:4' }],
    ['webp', { lossless: true, effort: 0 }],
  ] as const)('that fills up while %s tiles are written', async (compression, options) => {
    const started: number[] = [];
    engine.on('jobstart', ({ job }) => started.push(job));
    const error = await errorOf(engine.build(noise, `${disk}/`, { compression, ...options }));
    expect(error).toMatchObject({ code: 'DISK_FULL' });
    expect(started).toEqual([1]);
    await expectAsBefore();
    expect(await freeBytes()).toBe(10 * MB);
    // What fits is built afterwards.
    const { path } = await engine.build(black, `${disk}/`, { compression, ...options });
    await expectWhole(engine, path);
  });

  it('that another file fills up in the meantime', async () => {
    // Whole on an empty disk: the build would succeed.
    writeStripTiff(join(folder, 'fits.tif'), { width: 1500, height: 1500, noise: true });
    const options = { compression: 'deflate', effort: 9, ifExists: 'replace' } as const;
    const { path, bytes } = await engine.build(join(folder, 'fits.tif'), join(disk, 'a.tif'), options);
    expect(bytes).toBeLessThan(10 * MB);
    await rm(path);
    const build = errorOf(engine.build(join(folder, 'fits.tif'), join(disk, 'a.tif'), options));
    await once(engine, 'jobstart');
    await writeFile(join(disk, 'other'), Buffer.alloc(4 * MB));
    expect(await build).toMatchObject({ code: 'DISK_FULL' });
    await expectAsBefore(['other']);
  });

  it('keeps the file that was to be replaced', async () => {
    const { path } = await engine.build(black, join(disk, 'a.tif'), { compression: 'deflate' });
    const error = await errorOf(engine.build(noise, path, { compression: 'deflate', ifExists: 'replace' }));
    expect(error).toMatchObject({ code: 'DISK_FULL' });
    await expectAsBefore(['a.tif']);
    await expectWhole(engine, path);
  });

  it('too small for a stream', async () => {
    const error = await errorOf(engine.build(createReadStream(noise), `${disk}/`));
    expect(error).toMatchObject({ code: 'DISK_FULL', limit: 5 * MB });
    await expectAsBefore();
  });

  it('that fills up while a stream is taken in', async () => {
    const bytes = await readFile(noise);
    const stream = Readable.from(
      (async function* () {
        yield bytes.subarray(0, MB);
        await whenWriting(disk);
        const filled = await codeOfFile(writeFile(join(disk, 'other'), Buffer.alloc(10 * MB)));
        expect(filled).toBe('ENOSPC');
        yield bytes.subarray(MB, 2 * MB);
      })(),
    );
    const build = errorOf(engine.build(stream, `${disk}/`));
    expect(await build).toMatchObject({ code: 'DISK_FULL' });
    await expectAsBefore(['other']);
  });

  it('without room for one more name', async () => {
    const few = mountTmpfs('size=50m,nr_inodes=2') ?? expect.fail('no disk');
    try {
      await writeFile(join(few, 'other'), '');
      expect(await errorOf(engine.build(black, `${few}/`))).toMatchObject({ code: 'DISK_FULL' });
      expect(await list(few)).toEqual(['other']);
    } finally {
      unmount(few);
    }
  });

  it('is named by the command line, which leaves nothing', async () => {
    const { code, stderr, stdout } = await runCli('build', '--json', noise, `${disk}/`, '--compression', 'deflate');
    expect(code).toBe(1);
    expect(stderr).toContain('noise.tif: DISK_FULL: ');
    expect(JSON.parse(stdout)).toMatchObject({ results: [{ status: 'failed', error: { code: 'DISK_FULL' } }] });
    await expectAsBefore();
  });
});

describe.runIf(process.platform === 'linux')('a limit on the length of files', () => {
  it('ends a build as a full disk does', async () => {
    const outputs = await newFolder();
    const words = ['build', noise, `${outputs}/`, '--compression', 'deflate'];
    const { code, signal, stderr } = await startCli(words, ['prlimit', `--fsize=${4 * MB}`]).ended;
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain('noise.tif: DISK_FULL: ');
    expect(await list(outputs)).toEqual([]);
    await rm(outputs, { recursive: true });
  });
});
