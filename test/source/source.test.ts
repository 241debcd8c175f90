import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSource, pathOfSource } from '../../src/source/index.js';
import type { Spool } from '../../src/source/stream.js';
import type { Source, SourceInput } from '../../src/source/types.js';

/** A JPEG by its first bytes, with every following byte telling its place. */
const CONTENT = Buffer.concat([
  Buffer.from([0xff, 0xd8, 0xff]),
  Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251)),
]);
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

let folder = '';
let file = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-source-'));
  file = join(folder, 'picture.jpg');
  await writeFile(file, CONTENT);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const spoolPath = () => join(folder, '.spool');
const open = (input: SourceInput, spool: Partial<Spool> = {}): Promise<Source> =>
  openSource(input, async () => ({ path: spoolPath(), maxBytes: 1e6, ...spool }));

/** A stream that gives the bytes in pieces of `size`. */
const streamOf = (bytes: Uint8Array, size = 700): Readable =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
    })(),
    { objectMode: false },
  );

/** A view into the middle of a larger buffer. */
function viewOf(bytes: Uint8Array): Uint8Array {
  const room = new Uint8Array(bytes.length + 200).fill(9);
  room.set(bytes, 100);
  return room.subarray(100, 100 + bytes.length);
}

describe.each<[string, () => SourceInput]>([
  ['a path', () => file],
  ['a file: URL', () => pathToFileURL(file)],
  ['bytes', () => viewOf(CONTENT)],
  ['a stream', () => streamOf(CONTENT)],
  ['a stream of small pieces', () => streamOf(CONTENT, 7)],
])('%s', (kind, input) => {
  test('gives any range, and less only at the end', async () => {
    const source = await open(input());
    expect(source.size).toBe(CONTENT.length);
    for (const [offset, length] of [
      [0, 3],
      [4000, 500],
      [4990, 100],
      [CONTENT.length, 10],
      [CONTENT.length + 50, 10],
      [0, 1e9],
    ] as const) {
      expect(Buffer.from(await source.read(offset, length))).toEqual(CONTENT.subarray(offset, offset + length));
    }
    await source.close();
  });

  test('fills any target, on shared memory too, or says that it ends before', async () => {
    const source = await open(input());
    for (const [offset, length] of [
      [0, 3],
      [4000, 1003],
      [17, 0],
      [0, CONTENT.length],
    ] as const) {
      const target = new Uint8Array(new SharedArrayBuffer(length + 20)).subarray(10, 10 + length);
      await source.readInto(target, offset);
      expect(Buffer.from(target)).toEqual(CONTENT.subarray(offset, offset + length));
      expect(new Uint8Array(target.buffer, 10 + length)).toEqual(new Uint8Array(10));
    }
    await expect(source.readInto(new Uint8Array(10), CONTENT.length - 9)).rejects.toMatchObject({
      code: 'SOURCE_CHANGED',
    });
    await source.close();
  });

  test('has a version of its own', async () => {
    const [one, two] = [await open(input()), await open(viewOf(CONTENT))];
    expect(one.version).toMatch(/^(\d+-\d+-\d+-\d+|sha256-[0-9a-f]{64}|bytes-[0-9a-f-]{36})$/);
    expect(one.version).not.toBe(two.version);
    await one.verifyInPlace();
    await Promise.all([one.close(), two.close()]);
  });

  test('hashes all of its bytes', async () => {
    const source = await open(input());
    expect(await source.sha256()).toBe(SHA256);
    await source.verifyUnchanged();
    await source.close();
  });

  test('is handed to native code whole', async () => {
    const source = await open(input());
    const native = await source.nativeInput();
    expect(await source.nativeInput()).toBe(native);
    if ('path' in native) {
      expect(native.size).toBe(CONTENT.length);
      expect(existsSync(native.path)).toBe(true);
    } else {
      expect(native.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
      expect(native.bytes.buffer.byteLength).toBe(CONTENT.length);
      expect(Buffer.from(native.bytes)).toEqual(CONTENT);
    }
    await source.close();
  });

  test('can be closed twice, and leaves no file', async () => {
    const source = await open(input());
    await source.close();
    await source.close();
    expect(existsSync(spoolPath())).toBe(false);
    expect(existsSync(file)).toBe(true);
  });

  test('says when it was modified, if it is a file', async () => {
    await utimes(file, new Date('2020-01-02T03:04:05Z'), new Date('2020-01-02T03:04:05Z'));
    const source = await open(input());
    expect(source.modified?.toISOString() ?? null).toBe(
      kind.includes('path') || kind.includes('URL') ? '2020-01-02T03:04:05.000Z' : null,
    );
    await source.close();
  });
});

describe('a file', () => {
  test('that is not there is SOURCE_NOT_FOUND', async () => {
    await expect(open(join(folder, 'none.jpg'))).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    await expect(open(join(file, 'below.jpg'))).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
  });

  test('that is a folder or a device is SOURCE_UNREADABLE', async () => {
    await expect(open(folder)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' });
    await expect(open('/dev/null')).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' });
  });

  test.skipIf(process.getuid?.() === 0)('that may not be read is SOURCE_UNREADABLE', async () => {
    await chmod(file, 0);
    await expect(open(file)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' });
  });

  test('is followed through a link', async () => {
    const link = join(folder, 'link.jpg');
    await symlink(file, link);
    const source = await open(link);
    expect(source.size).toBe(CONTENT.length);
    await source.close();
  });

  test('that is cut short while it is read is SOURCE_CHANGED', async () => {
    const source = await open(file);
    await truncate(file, 100);
    await expect(source.read(0, 500)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await expect(source.sha256()).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await expect(source.verifyUnchanged()).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await source.close();
  });

  test('that grows, is rewritten or replaced is told', async () => {
    const changes: (() => Promise<unknown>)[] = [
      () => appendFile(file, 'more'),
      () => writeFile(file, CONTENT).then(() => utimes(file, new Date(), new Date(Date.now() + 5000))),
      async () => {
        await writeFile(join(folder, 'other'), CONTENT);
        await rename(join(folder, 'other'), file);
      },
    ];
    for (const change of changes) {
      const source = await open(file);
      await change();
      await expect(source.verifyUnchanged()).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
      await source.close();
    }
  });

  test('has the same version until it is changed', async () => {
    const versions: string[] = [];
    const note = async () => {
      const source = await open(file);
      versions.push(source.version);
      await source.close();
    };
    await note();
    await note();
    await utimes(file, new Date(), new Date(Date.now() + 5000));
    await note();
    await appendFile(file, 'more');
    await note();
    await writeFile(join(folder, 'other'), CONTENT);
    await rename(join(folder, 'other'), file);
    await note();
    expect(versions[1]).toBe(versions[0]);
    expect(new Set(versions).size).toBe(4);
  });

  test('that is replaced has not changed in place, one that is written to has', async () => {
    const source = await open(file);
    await writeFile(join(folder, 'other'), CONTENT);
    await rename(join(folder, 'other'), file);
    await source.verifyInPlace();
    await source.close();
    const rewritten = await open(file);
    await appendFile(file, 'more');
    await expect(rewritten.verifyInPlace()).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await rewritten.close();
  });

  test('is closed when the reads in flight are done, and read no more', async () => {
    const source = await open(file);
    const targets = Array.from({ length: 50 }, () => new Uint8Array(CONTENT.length));
    const reads = targets.map((target) => source.readInto(target, 0));
    let isClosed = false;
    const closing = source.close().then(() => {
      isClosed = true;
    });
    const late = source.readInto(new Uint8Array(1), 0);
    await expect(late).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' });
    await expect(source.read(0, 1)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' });
    await Promise.all(reads).then(() => expect(isClosed).toBe(false));
    for (const target of targets) expect(Buffer.from(target)).toEqual(CONTENT);
    await closing;
  });

  test('that is removed after it was read is no change', async () => {
    const source = await open(file);
    await rm(file);
    await source.verifyUnchanged();
    await source.close();
  });

  test('stops hashing when it is told to', async () => {
    const source = await open(file);
    await expect(source.sha256(AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' });
    await source.close();
  });
});

describe('a stream', () => {
  test('of another format is refused at its first bytes, and stopped', { retry: 3 }, async () => {
    let given = 0;
    const endless = new Readable({
      read() {
        given += 1;
        this.push(Buffer.alloc(1000, 'x'));
      },
    });
    await expect(open(endless, { maxBytes: 1e12 })).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
    expect(endless.destroyed).toBe(true);
    expect(given).toBeLessThan(200);
    expect(existsSync(spoolPath())).toBe(false);
  });

  test('that is shorter than the magic bytes is still looked at', async () => {
    await expect(open(streamOf(Buffer.from('hello')))).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
    await expect(open(streamOf(new Uint8Array(0)))).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
  });

  test('that is longer than there is room for is DISK_FULL', async () => {
    await expect(open(streamOf(CONTENT), { maxBytes: 2000 })).rejects.toMatchObject({ code: 'DISK_FULL', limit: 2000 });
    expect(existsSync(spoolPath())).toBe(false);
  });

  test('that fails is SOURCE_UNREADABLE with its error as the cause', async () => {
    const cause = new Error('connection lost');
    const failing = Readable.from(
      (function* () {
        yield CONTENT.subarray(0, 1000);
        throw cause;
      })(),
    );
    await expect(open(failing)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', cause });
    expect(existsSync(spoolPath())).toBe(false);
  });

  test('that stands still is stopped by the signal', async () => {
    const stop = new AbortController();
    const silent = new Readable({ read() {} });
    silent.push(CONTENT);
    const opening = open(silent, { signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await expect(opening).rejects.toMatchObject({ code: 'ABORTED' });
    expect(silent.destroyed).toBe(true);
    expect(existsSync(spoolPath())).toBe(false);
  });

  test('that was read before, or gives no bytes, is SOURCE_UNREADABLE', async () => {
    const used = streamOf(CONTENT);
    for await (const _ of used);
    await expect(open(used)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' });
    await expect(open(Readable.from([1, 2, 3]))).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' });
  });

  test('does not overwrite what is at the spool path', async () => {
    await writeFile(spoolPath(), 'mine');
    await expect(open(streamOf(CONTENT))).rejects.toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
    expect(existsSync(spoolPath())).toBe(true);
  });

  test('into a folder that is not there is OUTPUT_NOT_WRITABLE', async () => {
    const path = join(folder, 'none', 'spool');
    await expect(open(streamOf(CONTENT), { path })).rejects.toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
  });
});

describe('what is no source', () => {
  test.each<[unknown]>([[''], ['a\0b'], [42], [null], [{}], [new URL('ftp://example.org/a.jpg')]])(
    'is INVALID_OPTION: %s',
    async (input) => {
      await expect(open(input as SourceInput)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'source' });
    },
  );

  test('has no path', async () => {
    await mkdir(join(folder, 'sub'));
    expect(pathOfSource(CONTENT)).toBe(null);
    expect(pathOfSource(pathToFileURL(file))).toBe(file);
    expect(pathOfSource(file)).toBe(file);
  });
});
