import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { type BuildContext, type Builder, buildPyramid } from '../../src/ingest/build.js';
import { TAG } from '../../src/ingest/metadata.js';
import { resolveBuildOptions } from '../../src/ingest/options.js';
import { TiffReader } from '../../src/ingest/tiff-fields.js';
import type { BuildOptions, SourceInput } from '../../src/ingest/types.js';
import type { BuildJob, ProbeResult } from '../../src/native/contract.js';
import { writeTiff } from '../pyramid/tiff.js';

/** All that is looked at of a source here is its magic: the pool is not a real one. */
const CONTENT = Buffer.from([0xff, 0xd8, 0xff, ...Array.from({ length: 3000 }, (_, i) => i & 255)]);
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

const HEADER: ProbeResult = {
  width: 640,
  height: 480,
  bands: 3,
  sampleType: 'uchar',
  interpretation: 'srgb',
  bitsPerSample: 8,
  hasAlpha: false,
  palette: false,
  orientation: 1,
  pages: 1,
  dpiX: 300,
  dpiY: 300,
  interlaced: false,
  chromaSubsampling: '4:2:0',
};

let folder = '';
let source = '';
let target = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-build-'));
  source = join(folder, 'photo.jpg');
  target = join(folder, 'photo.tif');
  await writeFile(source, CONTENT);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A pool that writes a TIFF with the job's ASCII tags, and does what a test wants in between. */
function pool(
  during: (job: Omit<BuildJob, 'threads' | 'control'>, signal: AbortSignal | undefined) => unknown = () => {},
  header: Partial<ProbeResult> = {},
): Builder {
  return {
    probe: async () => ({ ...HEADER, ...header }),
    build: async (job, { signal, onStart, onProgress }) => {
      onStart?.({ threads: 1, waitSeconds: 0.5 });
      const fields = job.tags
        .filter(({ type }) => type === 2)
        .map(({ tag, type, value }) => ({ tag, type, values: value }));
      const bytes = writeTiff([{ fields }], { bigTiff: job.bigTiff });
      await writeFile(job.output, bytes, { flag: 'wx' });
      await during(job, signal);
      onProgress?.({ level: 0, fraction: 1, bytes: bytes.length });
      return {
        result: { levels: [], bytes: bytes.length, autocrop: null, warnings: ['of the core'] },
        waitSeconds: 0.5,
        buildSeconds: 1,
      };
    },
  };
}

interface Extra {
  readonly pool?: Builder;
  readonly context?: Partial<BuildContext>;
}

const build = (
  input: SourceInput,
  to: string,
  options: BuildOptions = {},
  { pool: used = pool(), context = {} }: Extra = {},
) =>
  buildPyramid(input, to, resolveBuildOptions(options), {
    pool: used,
    estimate: 'peak',
    threads: 2,
    maxPixels: 4e9,
    signal: new AbortController().signal,
    onQueue: () => {},
    onStart: () => {},
    onProgress: () => {},
    ...context,
  });

const streamOf = (bytes: Uint8Array) => Readable.from([bytes]);
const files = async () => (await readdir(folder)).sort();

async function recordOf(path: string): Promise<{ source: { sha256: string; bytes: number } }> {
  const reader = await TiffReader.ofBytes(await readFile(path));
  const field = (await reader.page(0)).fields.get(TAG.record);
  return JSON.parse(
    field === undefined
      ? ''
      : Buffer.from(await reader.bytes(field))
          .toString('latin1')
          .slice(0, -1),
  );
}

describe.each<[string, () => SourceInput]>([
  ['a path', () => source],
  ['bytes', () => CONTENT],
  ['a stream', () => streamOf(CONTENT)],
])('a build from %s', (_, input) => {
  test('ends under its final name, with the hash of the source in it, and leaves nothing else', async () => {
    for (const bigTiff of [false, true]) {
      const report = await build(input(), target, { ifExists: 'replace', bigTiff });
      expect(report).toMatchObject({
        path: target,
        width: 640,
        height: 480,
        compression: 'jpeg',
        sha256: SHA256,
        bigTiff,
        waitSeconds: 0.5,
        buildSeconds: 1,
        warnings: ['of the core'],
      });
      expect(report.need).toBeGreaterThan(0);
      expect(await recordOf(target)).toMatchObject({ source: { sha256: SHA256, bytes: CONTENT.length } });
      expect(await files()).toEqual(['photo.jpg', 'photo.tif']);
    }
  });

  test('that fails leaves nothing, and keeps the code', async () => {
    const failing = pool(() => {
      throw new PyramidionError('CORRUPT_IMAGE', 'at row 7');
    });
    await expect(build(input(), target, {}, { pool: failing })).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
    expect(await files()).toEqual(['photo.jpg']);
  });

  test('that is aborted leaves nothing', async () => {
    const stop = new AbortController();
    const aborting = pool(() => stop.abort());
    const context = { signal: stop.signal };
    await expect(build(input(), target, {}, { pool: aborting, context })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await files()).toEqual(['photo.jpg']);
  });

  test('without room on the disk is refused before it begins', async () => {
    const huge = { width: 500_000, height: 500_000 };
    const never = pool(() => expect.fail('it began'), huge);
    const options: BuildOptions = { compression: 'none' };
    const refused = build(input(), target, options, { pool: never, context: { maxPixels: 1e12 } });
    await expect(refused).rejects.toMatchObject({
      code: 'DISK_FULL',
      value: expect.any(Number),
      limit: expect.any(Number),
    });
    expect(await files()).toEqual(['photo.jpg']);
  });
});

describe('the order of things', () => {
  test('plan, queue, start, progress; the hash is worked out beside the build', async () => {
    const seen: string[] = [];
    const used = pool(() => seen.push('building'));
    await build(
      source,
      target,
      {},
      {
        pool: used,
        context: {
          onQueue: (plan, path) => seen.push(`queue ${path === target} ${plan.need > 0}`),
          onStart: (wait) => seen.push(`start ${wait}`),
          onProgress: ({ fraction }) => seen.push(`progress ${fraction}`),
        },
      },
    );
    expect(seen).toEqual(['queue true true', 'start 0.5', 'building', 'progress 1']);
  });

  test('the target is looked at before the source', async () => {
    const none = join(folder, 'none.jpg');
    await expect(build(none, join(folder, 'no', 'a.tif'))).rejects.toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
    await writeFile(target, 'x');
    await expect(build(none, target, { ifExists: 'fail' })).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    await expect(build(none, target)).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
  });

  test('the date is that of the source file', async () => {
    await utimes(source, 0, Date.UTC(2021, 1, 3, 4, 5, 6) / 1000);
    let date = '';
    const looking = pool(({ tags }) => {
      date = Buffer.from(tags.find(({ tag }) => tag === 306)?.value ?? []).toString('latin1');
    });
    await build(source, target, {}, { pool: looking });
    expect(date).toBe('2021:02:03 04:05:06\0');
  });
});

describe('what changes under a build', () => {
  test('a source that is changed while it is read gives no pyramid', async () => {
    const changing = pool(() => appendFile(source, 'more'));
    await expect(build(source, target, {}, { pool: changing })).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(await files()).toEqual(['photo.jpg']);
  });

  test('a folder that goes is OUTPUT_NOT_WRITABLE', async () => {
    const going = pool(() => rm(folder, { recursive: true }));
    await expect(build(CONTENT, target, {}, { pool: going })).rejects.toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
  });

  test('a target that comes in between is not overwritten', async () => {
    const coming = pool(() => writeFile(target, 'theirs'));
    await expect(build(source, target, { ifExists: 'fail' }, { pool: coming })).rejects.toMatchObject({
      code: 'OUTPUT_EXISTS',
    });
    expect(await readFile(target, 'utf8')).toBe('theirs');
    const report = await build(source, target, {}, { pool: pool() });
    expect(report.path).toBe(join(folder, 'photo-1.tif'));
  });

  test('many builds to one target: all are whole', async () => {
    const reports = await Promise.all(Array.from({ length: 8 }, () => build(source, target)));
    expect(new Set(reports.map(({ path }) => path)).size).toBe(8);
    for (const { path } of reports) expect(await recordOf(path)).toMatchObject({ source: { sha256: SHA256 } });
    await Promise.all(Array.from({ length: 8 }, () => build(source, target, { ifExists: 'replace' })));
    expect(await recordOf(target)).toMatchObject({ source: { sha256: SHA256 } });
    expect(await files()).toHaveLength(9);
  });

  test('the source as its own target', async () => {
    await build(source, source, { ifExists: 'suffix' });
    expect(await files()).toEqual(['photo-1.jpg', 'photo.jpg']);
    expect(await readFile(source)).toEqual(CONTENT);
    await build(source, source, { ifExists: 'replace' });
    expect(await recordOf(source)).toMatchObject({ source: { sha256: SHA256 } });
  });
});

describe('a folder as target', () => {
  test.each<[string, () => SourceInput, string]>([
    ['a path', () => source, 'photo.tif'],
    ['bytes', () => CONTENT, 'bytes.tif'],
    ['a stream', () => streamOf(CONTENT), 'stream.tif'],
  ])('%s', async (_, input, name) => {
    expect((await build(input(), folder)).path).toBe(join(folder, name));
  });
});

describe('refusals', () => {
  test('too many pixels, and a page that is not there', async () => {
    const refused = build(source, target, {}, { context: { maxPixels: 640 * 480 - 1 } });
    await expect(refused).rejects.toMatchObject({ code: 'TOO_MANY_PIXELS', value: 640 * 480, limit: 640 * 480 - 1 });
    await expect(build(source, target, { page: 1 })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'page',
      value: 1,
    });
  });

  test('a profile that is not there, or none', async () => {
    const viewProfile = join(folder, 'none.icc');
    await expect(build(source, target, { viewProfile })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'viewProfile',
    });
    await expect(build(source, target, { viewProfile: source })).rejects.toMatchObject({
      code: 'PROFILE_INVALID',
      option: 'viewProfile',
    });
    await expect(build(source, target, { imageProfile: CONTENT })).rejects.toMatchObject({
      code: 'PROFILE_INVALID',
      option: 'imageProfile',
    });
    expect(await files()).toEqual(['photo.jpg']);
  });

  test('a file without room for the hash is a defect', async () => {
    const forgetful = pool((job) => writeFile(job.output, writeTiff([{ fields: [] }])));
    await expect(build(source, target, {}, { pool: forgetful })).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await files()).toEqual(['photo.jpg']);
  });
});
