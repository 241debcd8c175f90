import cluster from 'node:cluster';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { localBus } from '../../src/cache/bus.js';
import type { ResponseCache } from '../../src/cache/cache.js';
import { noDisk } from '../../src/cache/keeper.js';
import { PrimaryKeeper } from '../../src/cache/primary.js';
import type { CacheBus, CachedReply, CacheOptions } from '../../src/cache/types.js';
import { start } from '../robust/processes.js';
import { entryPath, gate, keyOf, never, onDisk, replyOf, requestOf, total, type World, worlds } from './sample.js';

const world = worlds();

/** A primary and two members on one folder. */
async function cached(shared: World, options: Partial<CacheOptions> = {}) {
  const { primary, members } = localBus(2);
  const [first, second] = members;
  if (first === undefined || second === undefined) throw new Error('there are two members');
  const keeper = await shared.open({ ...options, bus: primary });
  await lookedThrough(keeper);
  return {
    keeper,
    a: await shared.open({ ...options, bus: first }),
    b: await shared.open({ ...options, bus: second }),
  };
}

/** Waits until messages that are under way have arrived: each takes one turn of the loop. */
async function arrived(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

/** Waits until a primary has looked through its folders: until then it lets members write nothing. */
async function lookedThrough(keeper: ResponseCache): Promise<void> {
  await keeper.purge({ subject: 'none' });
  // Members do not keep what they make before they have heard of the purge.
  await arrived();
}

const text = (reply: CachedReply): string => Buffer.from(reply.body).toString();

async function put(cache: ResponseCache, name: string, body: string, control: 'on' | 'update' = 'on'): Promise<string> {
  const { reply, use } = await cache.get(requestOf(name, { control, make: async () => replyOf(body) }));
  return `${use} ${text(reply)}`;
}

describe('caches of several processes', () => {
  test('share what is on disk', async () => {
    const { keeper, a, b } = await cached(world());
    expect(await put(a, 'x', 'one')).toBe('CREATED one');
    await a.flush();
    expect(await put(b, 'x', 'two')).toBe('REUSED one');
    expect(await put(keeper, 'x', 'two')).toBe('REUSED one');
    await put(keeper, 'y', 'three');
    await keeper.flush();
    await arrived();
    expect(await put(b, 'y', 'four')).toBe('REUSED three');
    for (const cache of [keeper, a, b]) expect(cache.snapshot().disk).toEqual({ entries: 2, bytes: 8 });
  });

  test('hear of each update: no memory keeps the old reply', async () => {
    const { keeper, a, b } = await cached(world());
    const all = [keeper, a, b];
    await put(a, 'x', 'old');
    await a.flush();
    for (const cache of all) await put(cache, 'x', 'none');
    for (const [index, cache] of all.entries()) {
      await put(cache, 'x', `new ${index}`, 'update');
      await cache.flush();
      await arrived();
      const others = all.filter((other) => other !== cache);
      expect(others.map((other) => other.peek(keyOf('x')))).toEqual([null, null]);
      expect(cache.peek(keyOf('x'))).not.toBe(null);
      for (const other of others) expect(await put(other, 'x', 'none')).toBe(`REUSED new ${index}`);
    }
  });

  test('hear of an entry that was dropped', async () => {
    const { keeper, a, b } = await cached(world());
    await put(a, 'x', 'old');
    await a.flush();
    await put(b, 'x', 'none');
    const fail = requestOf('x', { control: 'update', make: () => Promise.reject(new Error('no')) });
    await expect(a.get(fail)).rejects.toThrow('no');
    await a.flush();
    await arrived();
    // Its turn comes after the removal.
    await lookedThrough(keeper);
    expect(b.peek(keyOf('x'))).toBe(null);
    expect(await put(b, 'x', 'new')).toBe('CREATED new');
  });

  test('do not keep what was being made when another replaced it', async () => {
    const { a, b } = await cached(world());
    const [begun, making] = [gate<void>(), gate<CachedReply>()];
    const slow = a.get(
      requestOf('x', {
        make: () => {
          begun.open();
          return making.promise;
        },
      }),
    );
    await begun.promise;
    await put(b, 'x', 'new', 'update');
    await b.flush();
    await arrived();
    making.open(replyOf('old'));
    expect(text((await slow).reply)).toBe('old');
    await a.flush();
    expect(await put(a, 'x', 'none')).toBe('REUSED new');
    expect(await put(b, 'x', 'none')).toBe('REUSED new');
  });

  test('keep the newer one of two that were made at the same time, whichever is written last', async () => {
    const shared = world();
    const { a, b } = await cached(shared);
    const [begun, making] = [gate<void>(), gate<CachedReply>()];
    const slow = a.get(
      requestOf('x', {
        make: () => {
          begun.open();
          return making.promise;
        },
      }),
    );
    await begun.promise;
    shared.now += 1;
    await put(b, 'x', 'new', 'update');
    // Both are written now: neither has heard of the other.
    making.open(replyOf('old'));
    await Promise.all([slow, b.flush()]);
    await Promise.all([a.flush(), arrived()]);
    await arrived();
    expect(await put(a, 'x', 'none')).toBe('REUSED new');
    expect(await put(b, 'x', 'none')).toBe('REUSED new');
  });

  test('purge together, whoever is asked to', async () => {
    const { keeper, a, b } = await cached(world());
    const all = [keeper, a, b];
    for (const cache of all) {
      await put(a, 'x', 'one');
      await a.flush();
      for (const other of all) await put(other, 'x', 'none');
      expect(await cache.purge({ subject: 'other' })).toBe(0);
      expect(await cache.purge({ subject: 'a' })).toBe(1);
      await arrived();
      expect(all.map((other) => other.peek(keyOf('x')))).toEqual([null, null, null]);
      await expect(cache.get(requestOf('x', { make: never }))).rejects.toThrow('made again');
    }
  });

  test('keep the bounds together; what one reads from its memory is not the next to go', async () => {
    const shared = world();
    const { keeper, a, b } = await cached(shared, { maxEntries: 3 });
    for (const name of ['x', 'y', 'z']) {
      await put(a, name, name);
      await a.flush();
    }
    await put(b, 'x', 'none');
    await b.flush();
    await put(a, 'v', 'v');
    await a.flush();
    expect([...onDisk([shared.root()]).keys()].sort()).toEqual(['v', 'x', 'z'].map(keyOf).sort());
    const many = Array.from({ length: 60 }, (_, index) => put(index % 2 ? a : b, `n${index}`, 'body'));
    await Promise.all(many);
    await Promise.all([a.flush(), b.flush()]);
    expect(onDisk([shared.root()]).size).toBe(3);
    expect(keeper.snapshot()).toMatchObject({ disk: { entries: 3 }, evicted: 61 });
    expect(readdirSync(shared.root()).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('without a folder hear of updates, and do not disturb each other otherwise', async () => {
    const { a, b } = await cached(world(), { roots: [] });
    await put(a, 'x', 'of a');
    await put(b, 'x', 'of b');
    await Promise.all([a.flush(), b.flush(), arrived()]);
    expect(await put(a, 'x', 'none')).toBe('REUSED of a');
    await put(b, 'x', 'new', 'update');
    await b.flush();
    await arrived();
    expect(await put(a, 'x', 'made')).toBe('CREATED made');
    expect(await a.purge('all')).toBe(1);
    expect(b.peek(keyOf('x'))).toBe(null);
  });

  test('have nothing written while the primary looks through the folders, and do not wait for it', async () => {
    const shared = world();
    const { primary, members } = localBus(1);
    const [member] = members;
    if (member === undefined) throw new Error('there is a member');
    const endless = { ...noDisk, isReady: false, admit: () => new Promise<boolean>(() => {}) };
    new PrimaryKeeper(endless, primary, { onChange: () => {}, onPurge: () => {} });
    const cache = await shared.open({ bus: member });
    await put(cache, 'x', 'one');
    await cache.flush();
    expect(cache.snapshot().skipped).toBe(1);
    expect(readdirSync(shared.root())).toEqual([]);
    expect(shared.warnings).toEqual([]);
  });

  test('leave the index by the primary', async () => {
    const shared = world();
    const { keeper, a, b } = await cached(shared);
    await put(a, 'x', 'one');
    await Promise.all([a.close(), b.close()]);
    await keeper.close();
    const next = await shared.open();
    expect(next.snapshot().disk).toEqual({ entries: 1, bytes: 3 });
  });
});

describe('a member whose primary does not answer', () => {
  const deaf: CacheBus = { role: 'member', send: () => {}, onMessage: () => {} };

  test('serves from memory, writes nothing, and says so', async () => {
    const shared = world();
    const cache = await shared.open({ bus: deaf }, { answerMs: 1 });
    for (const name of ['x', 'y', 'z']) expect(await put(cache, name, 'one')).toBe('CREATED one');
    await cache.flush();
    expect(await put(cache, 'x', 'none')).toBe('REUSED one');
    expect(onDisk([shared.root()]).size).toBe(0);
    expect(readdirSync(shared.root())).toEqual([]);
    expect(shared.warnings).toEqual(['the primary does not answer: the cache is not written to']);
    expect(cache.snapshot().skipped).toBe(3);
    expect(await cache.purge('all')).toBe(3);
  });

  test('removes what it replaces, and an entry that is damaged', async () => {
    const shared = world();
    const first = await shared.open();
    await put(first, 'x', 'old');
    await first.close();
    const cache = await shared.open({ bus: deaf, memoryBytes: 0 }, { answerMs: 1 });
    expect(await put(cache, 'x', 'none')).toBe('REUSED old');
    await put(cache, 'x', 'new', 'update');
    await cache.flush();
    expect(existsSync(entryPath([shared.root()], keyOf('x')))).toBe(false);
  });

  test('waits for one answer only, and writes again when it has heard of it', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const shared = world();
      const { primary, members } = localBus(1);
      const [member] = members;
      if (member === undefined) throw new Error('there is a member');
      let isCut = true;
      const asked = gate<void>();
      const send = (message: unknown): void => {
        if (!isCut) member.send(message);
        else if ((message as { kind: string }).kind === 'admit') asked.open();
      };
      const cache = await shared.open({ bus: { ...member, send } });
      const keeper = await shared.open({ bus: primary });
      await lookedThrough(keeper);
      await put(cache, 'x', 'one');
      await asked.promise;
      vi.advanceTimersByTime(2000);
      await cache.flush();
      await put(cache, 'y', 'two');
      await cache.flush();
      isCut = false;
      // It asks whether somebody is there, and does not wait for that.
      await put(cache, 'z', 'three');
      await cache.flush();
      expect([cache.snapshot().skipped, onDisk([shared.root()]).size]).toEqual([3, 0]);
      await arrived();
      await put(cache, 'v', 'four');
      await cache.flush();
      expect(onDisk([shared.root()])).toEqual(new Map([[keyOf('v'), 4]]));
    } finally {
      vi.useRealTimers();
    }
  });
});

test('a real cluster: two workers keep the bounds, and see one another’s replies and updates', async () => {
  expect(cluster.isPrimary).toBe(true);
  const shared = world();
  const script = fileURLToPath(new URL('cluster.mjs', import.meta.url));
  const library = new URL('../../dist/cache/', import.meta.url).href;
  const { ended } = start(process.execPath, [script, library, shared.root()]);
  const { code, stdout, stderr } = await ended;
  expect([code, stderr]).toEqual([0, '']);
  const said: unknown[] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(said).toEqual([
    // Both make half of the replies, update the other's, and read all.
    { worker: 1, wrong: 0 },
    { worker: 2, wrong: 0 },
    { entries: 30, bytes: expect.any(Number), evicted: expect.any(Number) },
  ]);
  const found = onDisk([shared.root()]);
  expect(found.size).toBe(30);
  expect(said[2]).toMatchObject({ bytes: total(found) });
  expect(existsSync(`${shared.root()}/index`)).toBe(true);
});
