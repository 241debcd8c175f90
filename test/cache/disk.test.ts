import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ResponseCache } from '../../src/cache/cache.js';
import type { CachedReply, CacheRequest } from '../../src/cache/types.js';
import { forgetSweeps, temporaryBeside } from '../../src/ingest/temporary.js';
import { entryPath, gate, keyOf, never, onDisk, replyOf, requestOf, total, type World, worlds } from './sample.js';

const world = worlds();
const FIVE_MINUTES = 300_000;

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index}`);

/** Asks for a reply of so many bytes. */
async function put(cache: ResponseCache, name: string, bytes = 100): Promise<string> {
  const answer = await cache.get(requestOf(name, { make: async () => replyOf(Buffer.alloc(bytes, name)) }));
  expect(Buffer.from(answer.reply.body).equals(Buffer.alloc(bytes, name))).toBe(true);
  return answer.use;
}

/** Which of these are kept; they are used in their order. */
async function kept(cache: ResponseCache, all: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of all) {
    await cache.get(requestOf(name, { make: never })).then(
      () => found.push(name),
      () => {},
    );
  }
  return found;
}

/** As if the process had been killed when nothing was being written: there is no index. */
async function reopened(shared: World, cache: ResponseCache, options: Parameters<World['open']>[0] = {}) {
  await cache.flush();
  return shared.open(options);
}

describe('an entry on disk', () => {
  test('outlives the process, after an orderly end and after any other', async () => {
    const shared = world();
    const reply = replyOf(randomBytes(3_000_000), { subject: 'ü/"ä' });
    const first = await shared.open({ maxBytes: 4e6 });
    await first.get(requestOf('a', { make: async () => reply }));
    await put(first, 'empty', 0);
    for (const cache of [await reopened(shared, first, { maxBytes: 4e6 }), null]) {
      if (cache === null) await first.close();
      const next = cache ?? (await shared.open({ maxBytes: 4e6 }));
      const answer = await next.get(requestOf('a', { make: never }));
      expect(answer.use).toBe('REUSED');
      expect(Buffer.from(answer.reply.body).equals(reply.body)).toBe(true);
      expect({ ...answer.reply, body: null }).toEqual({ ...reply, body: null });
      expect(await put(next, 'empty', 0)).toBe('REUSED');
      expect(await next.purge({ subject: 'none' })).toBe(0);
      expect(next.snapshot().disk).toEqual({ entries: 2, bytes: 3_000_000 });
    }
  });

  test('with a header longer than is read at first is read whole', async () => {
    const shared = world();
    const sources = names(2000).map((id) => ({ id: `/images/${id}.tif`, version: '1' }));
    const reply = replyOf(randomBytes(20_000), { sources });
    const cache = await shared.open({ memoryBytes: 0 });
    await cache.get(requestOf('a', { make: async () => reply }));
    await cache.flush();
    expect((await cache.get(requestOf('a', { make: never }))).reply).toEqual(reply);
  });

  test('counts as of when its sources were last looked at, in the next process, too', async () => {
    const shared = world();
    const first = await shared.open();
    await put(first, 'a');
    shared.now += FIVE_MINUTES;
    expect(await put(first, 'a')).toBe('VALIDATED');
    await first.flush();
    shared.now += FIVE_MINUTES - 1;
    const second = await reopened(shared, first);
    expect((await second.get(requestOf('a', { make: never }))).use).toBe('REUSED');
    shared.now += 1;
    const third = await reopened(shared, second);
    expect((await third.get(requestOf('a', { make: never }))).use).toBe('VALIDATED');
    expect(shared.looks).toBe(2);
  });

  test('is spread evenly over the roots', async () => {
    const shared = world();
    const roots = ['one', 'two', 'three'].map((name) => shared.root(name));
    const cache = await shared.open({ roots });
    await Promise.all(names(300).map((name) => put(cache, name, 1)));
    await cache.flush();
    for (const root of roots) expect(Math.abs(onDisk([root]).size - 100)).toBeLessThan(40);
    expect(onDisk(roots).size).toBe(300);
    expect(readdirSync(shared.root('one')).length).toBeGreaterThan(50);
  });
});

describe('a damaged entry', () => {
  const DAMAGES: Record<string, (bytes: Buffer) => Buffer> = {
    'cut short by a byte': (bytes) => bytes.subarray(0, -1),
    'cut in the header': (bytes) => bytes.subarray(0, 40),
    'cut in its first bytes': (bytes) => bytes.subarray(0, 10),
    empty: () => Buffer.alloc(0),
    'too long': (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]),
    'all zeros': (bytes) => Buffer.alloc(bytes.length),
    'of another version': (bytes) => flipped(bytes, 4),
    'of another length of header': (bytes) => flipped(bytes, 8),
    'of another length of body': (bytes) => flipped(bytes, 18),
    'with another checksum': (bytes) => flipped(bytes, 21),
    'with a changed header': (bytes) => flipped(bytes, 30),
    'with a changed body': (bytes) => flipped(bytes, bytes.length - 50),
    'with a changed last byte': (bytes) => flipped(bytes, bytes.length - 1),
  };

  function flipped(bytes: Buffer, at: number): Buffer {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    return changed;
  }

  test.each(Object.entries(DAMAGES))('%s is a miss that is counted and removed', async (_, damage) => {
    const shared = world();
    const cache = await shared.open({ memoryBytes: 0 });
    await put(cache, 'a', 20_000);
    await cache.flush();
    const path = entryPath([shared.root()], keyOf('a'));
    writeFileSync(path, damage(readFileSync(path)));
    await expect(cache.get(requestOf('a', { make: never }))).rejects.toThrow('made again');
    await cache.flush();
    expect(existsSync(path)).toBe(false);
    expect(cache.snapshot()).toMatchObject({ damaged: 1, disk: { entries: 0, bytes: 0 } });
    expect(await put(cache, 'a', 20_000)).toBe('CREATED');
    await cache.flush();
    expect(await put(cache, 'a', 20_000)).toBe('REUSED');
  });

  test('does not stay when what comes in its place cannot be written', async () => {
    const shared = world();
    const cache = await shared.open({ maxBytes: 1000, memoryBytes: 0 });
    await put(cache, 'a');
    await cache.flush();
    const path = entryPath([shared.root()], keyOf('a'));
    writeFileSync(path, 'damaged');
    // With others before it, its removal has not begun when the next one is to be written.
    await Promise.all([...names(9).map((name) => put(cache, name, 10)), put(cache, 'a', 1001)]);
    await cache.flush();
    expect(existsSync(path)).toBe(false);
    expect(cache.snapshot()).toMatchObject({ skipped: 1, damaged: 1, disk: { entries: 9 } });
  });

  test('with bytes of another key is one', async () => {
    const shared = world();
    const cache = await shared.open({ memoryBytes: 0 });
    await put(cache, 'a');
    await cache.flush();
    const path = entryPath([shared.root()], keyOf('b'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, readFileSync(entryPath([shared.root()], keyOf('a'))));
    await expect(cache.get(requestOf('b', { make: never }))).rejects.toThrow('made again');
    expect(cache.snapshot().damaged).toBe(1);
  });
});

describe('the bounds', () => {
  test('hold at all times, and the least recently used goes first', async () => {
    const shared = world();
    const cache = await shared.open({ maxBytes: 1000, maxEntries: 5, memoryBytes: 0 });
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      await put(cache, name, 100);
      await cache.flush();
    }
    expect(await put(cache, 'a', 100)).toBe('REUSED');
    await put(cache, 'f', 100);
    await cache.flush();
    expect(await kept(cache, ['a', 'b', 'c', 'd', 'e', 'f'])).toEqual(['a', 'c', 'd', 'e', 'f']);
    await put(cache, 'g', 750);
    await cache.flush();
    expect(await kept(cache, ['a', 'c', 'd', 'e', 'f', 'g'])).toEqual(['e', 'f', 'g']);
    expect(cache.snapshot()).toMatchObject({ disk: { entries: 3, bytes: 950 }, evicted: 4 });
    expect(total(onDisk([shared.root()]))).toBe(950);

    let most = { entries: 0, bytes: 0 };
    const make: CacheRequest['make'] = async () => {
      const found = onDisk([shared.root()]);
      most = { entries: Math.max(most.entries, found.size), bytes: Math.max(most.bytes, total(found)) };
      return replyOf(Buffer.alloc(137 + (most.bytes % 100)));
    };
    await Promise.all(names(200).map((name) => cache.get(requestOf(name, { make }))));
    await cache.flush();
    expect(most.entries).toBeLessThanOrEqual(5);
    expect(most.bytes).toBeLessThanOrEqual(1000);
    expect(cache.snapshot().disk.entries).toBe(onDisk([shared.root()]).size);
  });

  test('an entry read from memory counts as used on disk', async () => {
    const shared = world();
    const cache = await shared.open({ maxEntries: 3 });
    for (const name of ['a', 'b', 'c']) await put(cache, name);
    await cache.flush();
    expect(cache.peek(keyOf('a'))).not.toBe(null);
    await put(cache, 'd');
    // Waits for the writing as flush does, but does not have uses told.
    await cache.purge({ subject: 'none' });
    expect([...onDisk([shared.root()]).keys()].sort()).toEqual(['a', 'c', 'd'].map(keyOf).sort());
  });

  test('a larger entry in place of a smaller one makes room, too', async () => {
    const shared = world();
    const cache = await shared.open({ maxBytes: 1000 });
    await put(cache, 'a', 400);
    await put(cache, 'b', 400);
    await cache.get(requestOf('b', { control: 'update', make: async () => replyOf(Buffer.alloc(601)) }));
    await cache.flush();
    expect(onDisk([shared.root()])).toEqual(new Map([[keyOf('b'), 601]]));
    await cache.get(requestOf('b', { control: 'update', make: async () => replyOf(Buffer.alloc(1000)) }));
    await cache.flush();
    expect(cache.snapshot().disk).toEqual({ entries: 1, bytes: 1000 });
  });

  test('an entry larger than all of it is not written, and what it replaces does not stay', async () => {
    const shared = world();
    const cache = await shared.open({ maxBytes: 1000, memoryBytes: 0 });
    await put(cache, 'a', 400);
    await cache.get(requestOf('a', { control: 'update', make: async () => replyOf(Buffer.alloc(1001)) }));
    await cache.flush();
    expect(cache.snapshot()).toMatchObject({ skipped: 1, evicted: 0, disk: { entries: 0, bytes: 0 } });
    expect(onDisk([shared.root()]).size).toBe(0);
    expect(shared.warnings).toEqual([]);
  });

  test('narrower bounds are enforced at the next start, the order of use is kept', async () => {
    const shared = world();
    const first = await shared.open();
    for (const name of ['a', 'b', 'c', 'd']) await put(first, name);
    await first.flush();
    first.peek(keyOf('a'));
    await first.close();
    const second = await shared.open({ maxEntries: 2 });
    expect([...onDisk([shared.root()]).keys()].sort()).toEqual(['a', 'd'].map(keyOf).sort());
    const third = await reopened(shared, second, { maxBytes: 100 });
    await third.purge({ subject: 'none' });
    expect(third.snapshot().disk).toEqual({ entries: 1, bytes: 100 });
  });
});

describe('a start', () => {
  test('after an orderly end needs no look at the folders, and uses up the index', async () => {
    const shared = world();
    const first = await shared.open();
    await Promise.all(names(20).map((name) => put(first, name)));
    await first.close();
    expect(existsSync(join(shared.root(), 'index'))).toBe(true);
    const second = await shared.open();
    expect(existsSync(join(shared.root(), 'index'))).toBe(false);
    expect(second.snapshot().disk).toEqual({ entries: 20, bytes: 2000 });
    await second.close();
    expect(existsSync(join(shared.root(), 'index'))).toBe(true);
  });

  test('after a crash finds what is there, clears away the rest, and keeps the order of use', async () => {
    const shared = world();
    const root = shared.root();
    const first = await shared.open();
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      shared.now += 1000;
      await put(first, name);
    }
    await first.flush();
    const path = (name: string) => entryPath([root], keyOf(name));
    writeFileSync(path('c'), readFileSync(path('c')).subarray(0, -1));
    utimesSync(path('a'), 1e6, 1e6);
    const foreign = join(dirname(path('b')), 'notes.txt');
    const misplaced = join(dirname(path('b')), keyOf('f'));
    writeFileSync(foreign, 'mine');
    writeFileSync(misplaced, readFileSync(path('f')));
    const left = temporaryBeside(join(root, keyOf('x'))).path.replace(`-${process.pid}-`, '-4194999-');
    writeFileSync(left, 'half');
    forgetSweeps();
    const second = await shared.open({ maxEntries: 4 });
    // It can be read while the folders are looked through.
    expect((await second.get(requestOf('f', { make: never }))).use).toBe('REUSED');
    await second.purge({ subject: 'none' });
    expect([...onDisk([root]).keys()].filter((key) => key !== 'notes.txt').sort()).toEqual(
      ['a', 'd', 'e', 'f'].map(keyOf).sort(),
    );
    expect([foreign, misplaced, left].map((file) => existsSync(file))).toEqual([true, false, false]);
    expect(second.snapshot()).toMatchObject({ damaged: 1, evicted: 1, disk: { entries: 4, bytes: 400 } });
    rmSync(foreign);
  });

  test.each([
    ['cut', (text: string) => text.slice(0, -8)],
    ['without its last line', (text: string) => `${text.trimEnd().split('\n').slice(0, -1).join('\n')}\n`],
    ['without a line', (text: string) => text.split('\n').toSpliced(3, 1).join('\n')],
    ['changed', (text: string) => text.replace(',100,', ',900,')],
    ['of another form', (text: string) => text.replace('index 1', 'index 2')],
    ['empty', () => ''],
  ])('with an index that is %s looks at the folders', async (_, damage) => {
    const shared = world();
    const first = await shared.open();
    await Promise.all(names(5).map((name) => put(first, name)));
    await first.close();
    const index = join(shared.root(), 'index');
    writeFileSync(index, damage(readFileSync(index, 'utf8')));
    const second = await shared.open();
    expect(second.snapshot().disk.entries).toBe(0);
    await second.purge({ subject: 'none' });
    expect(second.snapshot().disk).toEqual({ entries: 5, bytes: 500 });
    expect(existsSync(index)).toBe(false);
  });

  test('with other roots finds those entries that still lie where they belong, and removes the others', async () => {
    const shared = world();
    const roots = [shared.root('one'), shared.root('two')];
    const first = await shared.open({ roots });
    await Promise.all(names(40).map((name) => put(first, name)));
    await first.close();
    const second = await shared.open({ roots: roots.toReversed() });
    await second.purge({ subject: 'none' });
    const { entries } = second.snapshot().disk;
    expect(entries).toBe(onDisk(roots).size);
    expect(entries).toBe(0);
    const third = await shared.open({ roots: [...roots, shared.root('three')] });
    await Promise.all(names(40).map((name) => put(third, name)));
    await third.close();
    const fourth = await shared.open({ roots });
    await fourth.purge({ subject: 'none' });
    expect(fourth.snapshot().disk.entries).toBe(onDisk(roots).size);
    expect(await kept(fourth, names(40))).toHaveLength(onDisk(roots).size);
  });

  test('that goes on while an entry is read and purged does not bring it back', async () => {
    const shared = world();
    const first = await shared.open();
    await Promise.all(names(100).map((name) => put(first, name)));
    const second = await reopened(shared, first);
    const purged = second.purge({ subject: 'a' });
    expect((await second.get(requestOf('n7', { make: never }))).use).toBe('REUSED');
    expect(await purged).toBe(100);
    expect(second.peek(keyOf('n7'))).toBe(null);
    await expect(second.get(requestOf('n7', { make: never }))).rejects.toThrow('made again');
  });

  test('and an end at once leave everything for the next one', async () => {
    const shared = world();
    const first = await shared.open();
    await Promise.all(names(100).map((name) => put(first, name)));
    const second = await reopened(shared, first);
    await put(second, 'new');
    await second.close();
    const third = await shared.open();
    await third.purge({ subject: 'none' });
    expect(onDisk([shared.root()]).size).toBeGreaterThanOrEqual(100);
    expect(third.snapshot().disk.entries).toBe(onDisk([shared.root()]).size);
  });
});

describe('the writing', () => {
  test('goes on behind the replies, which are found meanwhile though the memory has no room for them', async () => {
    const shared = world();
    const cache = await shared.open({ memoryBytes: 0 });
    await put(cache, 'a');
    expect(onDisk([shared.root()]).size).toBe(0);
    expect(await put(cache, 'a')).toBe('REUSED');
    await cache.flush();
    expect(onDisk([shared.root()]).size).toBe(1);
  });

  test('leaves out what is too much to wait, and counts it', async () => {
    const shared = world();
    const cache = await shared.open({ memoryBytes: 0 }, { backlogBytes: 1000 });
    // All are made in one moment, before anything can be written.
    const [ready, begun] = [gate<void>(), gate<void>()];
    let waiting = 0;
    const make: CacheRequest['make'] = async () => {
      waiting += 1;
      if (waiting === 9) begun.open();
      await ready.promise;
      return replyOf(Buffer.alloc(300));
    };
    const asked = names(9).map((name) => cache.get(requestOf(name, { make })));
    await begun.promise;
    ready.open();
    await Promise.all(asked);
    await cache.flush();
    const { skipped, disk } = cache.snapshot();
    expect([skipped, disk.entries]).toEqual([6, 3]);
    expect(await put(cache, 'more', 300)).toBe('CREATED');
    await cache.flush();
    expect(cache.snapshot().disk.entries).toBe(4);
    // An update that is left out takes the old entry with it.
    const update = requestOf('more', { control: 'update', make: async () => replyOf(Buffer.alloc(1001)) });
    await cache.get(update);
    await cache.flush();
    expect(cache.snapshot()).toMatchObject({ skipped: 7, disk: { entries: 3 } });
    await expect(cache.get(requestOf('more', { make: never }))).rejects.toThrow('made again');
  });

  test('keeps the last of several versions, and of an update that comes while the one before is written', async () => {
    const shared = world();
    const cache = await shared.open();
    for (let version = 1; version <= 20; version++) {
      await cache.get(requestOf('a', { control: 'update', make: async () => replyOf(`version ${version}`) }));
      if (version % 3 === 0) await new Promise(setImmediate);
    }
    const next = await reopened(shared, cache);
    const { reply } = await next.get(requestOf('a', { make: never }));
    expect(Buffer.from(reply.body).toString()).toBe('version 20');
    expect(onDisk([shared.root()]).size).toBe(1);
  });

  test('of an entry that is purged while it waits or is written comes to nothing', async () => {
    const shared = world();
    const cache = await shared.open();
    await Promise.all(names(50).map((name) => put(cache, name)));
    await cache.purge({ subject: 'a' });
    expect(onDisk([shared.root()]).size).toBe(0);
    expect(cache.snapshot().disk).toEqual({ entries: 0, bytes: 0 });
    expect(readdirSync(shared.root()).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('leaves no temporaries', async () => {
    const shared = world();
    const cache = await shared.open({ maxEntries: 3 });
    await Promise.all(names(20).map((name) => put(cache, name)));
    await cache.close();
    expect(readdirSync(shared.root()).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('trouble with the disk', () => {
  test('is a warning once a minute, and no error of a request', async () => {
    const shared = world();
    writeFileSync(shared.root(), 'a file where the folder should be');
    const cache = await shared.open();
    for (const name of names(10)) expect(await put(cache, name)).toBe('CREATED');
    await cache.flush();
    const once = [...shared.warnings];
    expect(once).toContain('an entry of the cache could not be written');
    expect(new Set(once).size).toBe(once.length);
    expect(await put(cache, 'n1')).toBe('REUSED');
    shared.now += 60_000;
    await put(cache, 'more');
    await cache.flush();
    expect(shared.warnings.length).toBeGreaterThan(once.length);
    await cache.purge('all');
    await cache.close();
  });

  test('a folder that was removed is made again', async () => {
    const shared = world();
    const cache = await shared.open();
    await put(cache, 'a');
    await cache.flush();
    rmSync(shared.root(), { recursive: true });
    await put(cache, 'b');
    await put(cache, 'c');
    await cache.flush();
    expect([...onDisk([shared.root()]).keys()].sort()).toEqual(['b', 'c'].map(keyOf).sort());
    await cache.close();
  });

  // The superuser may write everywhere.
  test.skipIf(process.getuid?.() === 0)('a folder that became read-only is still read from', async () => {
    const shared = world();
    const cache = await shared.open({ memoryBytes: 0 });
    await put(cache, 'a');
    await cache.flush();
    const folder = dirname(entryPath([shared.root()], keyOf('a')));
    chmodSync(shared.root(), 0o555);
    chmodSync(folder, 0o555);
    try {
      expect(await put(cache, 'a')).toBe('REUSED');
      await cache.get(requestOf('a', { control: 'update', make: async () => replyOf('new') }));
      await cache.flush();
      expect(shared.warnings).not.toEqual([]);
      // What was replaced is not served, though it is still there.
      await expect(cache.get(requestOf('a', { make: never }))).rejects.toThrow('made again');
    } finally {
      chmodSync(shared.root(), 0o755);
      chmodSync(folder, 0o755);
    }
  });
});

test('two servers on one folder by mistake serve no wrong reply', async () => {
  const shared = world();
  const bounds = { maxEntries: 10, memoryBytes: 0 };
  const servers = await Promise.all([shared.open(bounds), shared.open(bounds)]);
  for (let round = 0; round < 5; round++) {
    const all = names(30).flatMap((name) => servers.map((server) => put(server, name, 500)));
    for (const use of await Promise.all(all)) expect(['CREATED', 'REUSED']).toContain(use);
    await servers[round % 2]?.purge(round % 2 === 0 ? { subject: 'a' } : { subject: 'none' });
  }
  await Promise.all(servers.map((server) => server.close()));
  expect(servers.map((server) => server.snapshot().damaged)).toEqual([0, 0]);
  const next = await shared.open(bounds);
  expect(await put(next, 'n1', 500)).toMatch(/CREATED|REUSED/);
});

test('a file has the time at which its making began', async () => {
  const shared = world();
  const cache = await shared.open();
  const begun = gate<void>();
  const made = gate<CachedReply>();
  const asked = cache.get(
    requestOf('a', {
      make: () => {
        begun.open();
        return made.promise;
      },
    }),
  );
  const begunAt = shared.now;
  await begun.promise;
  shared.now += 5000;
  made.open(replyOf('text'));
  await asked;
  await cache.flush();
  // As of when the making began: what its sources were like later nobody knows.
  expect(Math.round(statSync(entryPath([shared.root()], keyOf('a'))).mtimeMs)).toBe(begunAt);
});
