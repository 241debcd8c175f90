import { describe, expect, test } from 'vitest';
import type { CacheAnswer, CachedReply, CacheRequest } from '../../src/cache/types.js';
import { gate, keyOf, never, replyOf, requestOf, worlds } from './sample.js';

const world = worlds();
const MINUTES = 60_000;

/** Text of the reply, and what the cache did for it. */
async function told(answer: Promise<CacheAnswer>): Promise<string> {
  const { reply, use } = await answer;
  return `${use} ${Buffer.from(reply.body)}`;
}

/** A way to make replies that counts, and says which one it made. */
function counter(more: Partial<CachedReply> = {}): { make: CacheRequest['make']; made: () => number } {
  let made = 0;
  return {
    make: async () => {
      made += 1;
      return replyOf(String(made), more);
    },
    made: () => made,
  };
}

/** Both tiers, one or the other: what holds in all of them. */
const TIERS = [
  ['memory and disk', {}],
  ['memory only', { roots: [] }],
  ['disk only', { memoryBytes: 0 }],
] as const;

describe.each(TIERS)('in %s', (_, options) => {
  test('a reply is made once and kept as it is', async () => {
    const cache = await world().open(options);
    const reply = replyOf('text');
    expect(await cache.get(requestOf('a', { make: async () => reply }))).toMatchObject({ use: 'CREATED', reply });
    const again = await cache.get(requestOf('a', { make: never }));
    expect(again.use).toBe('REUSED');
    expect({ ...again.reply, body: Buffer.from(again.reply.body) }).toEqual(reply);
    expect(await told(cache.get(requestOf('b')))).toBe('CREATED fresh');
  });

  test('200 who ask at once have it made once', async () => {
    const cache = await world().open(options);
    const { make, made } = counter();
    const all = await Promise.all(Array.from({ length: 200 }, () => told(cache.get(requestOf('a', { make })))));
    expect(new Set(all)).toEqual(new Set(['CREATED 1']));
    expect(made()).toBe(1);
    expect(cache.snapshot()).toMatchObject({ joined: 199, inFlight: 0, uses: { CREATED: 200 } });
  });

  test('after five minutes the sources are looked at once, and again five minutes later', async () => {
    const shared = world();
    const cache = await shared.open(options);
    await cache.get(requestOf('a'));
    shared.now += 5 * MINUTES - 1;
    expect(await told(cache.get(requestOf('a', { make: never })))).toBe('REUSED fresh');
    expect(shared.looks).toBe(0);
    shared.now += 1;
    const all = Array.from({ length: 10 }, () => told(cache.get(requestOf('a', { make: never }))));
    expect(new Set(await Promise.all(all))).toEqual(new Set(['VALIDATED fresh']));
    expect(shared.looks).toBe(1);
    shared.now += 5 * MINUTES - 1;
    expect((await cache.get(requestOf('a', { make: never }))).use).toBe('REUSED');
    shared.now += 1;
    expect((await cache.get(requestOf('a', { make: never }))).use).toBe('VALIDATED');
    expect(shared.looks).toBe(2);
  });

  test.each([
    ['changed', '2'],
    ['is gone', null],
  ])('a source that %s has the reply made anew', async (_, version) => {
    const shared = world();
    const cache = await shared.open(options);
    const sources = ['/images/a.tif', '/images/b.tif'].map((id) => ({ id, version: '1' }));
    const { make } = counter({ sources });
    await cache.get(requestOf('a', { make }));
    shared.versions.set('/images/b.tif', version);
    shared.now += 5 * MINUTES;
    expect(await told(cache.get(requestOf('a', { make })))).toBe('UPDATED 2');
    await cache.flush();
    expect(await told(cache.get(requestOf('a', { make: never })))).toBe('REUSED 2');
  });

  test('a source whose version cannot be told has the reply made anew', async () => {
    const shared = world();
    const cache = await shared.open({ ...options, versionOf: () => Promise.reject(new Error('no answer')) });
    const { make } = counter();
    await cache.get(requestOf('a', { make }));
    shared.now += 5 * MINUTES;
    expect(await told(cache.get(requestOf('a', { make })))).toBe('UPDATED 2');
  });

  test('a reply that cannot be made anew is dropped, and the error goes out', async () => {
    const shared = world();
    const cache = await shared.open(options);
    await cache.get(requestOf('a'));
    await cache.flush();
    shared.versions.set('/images/a.tif', null);
    shared.now += 5 * MINUTES;
    const gone = () => cache.get(requestOf('a', { make: () => Promise.reject(new Error('gone')) }));
    await expect(gone()).rejects.toThrow('gone');
    await cache.flush();
    shared.versions.delete('/images/a.tif');
    await expect(gone()).rejects.toThrow('gone');
    expect(cache.snapshot()).toMatchObject({ memory: { entries: 0 }, disk: { entries: 0 }, uses: { UNDEFINED: 2 } });
    expect((await cache.get(requestOf('a'))).use).toBe('CREATED');
  });

  test('what fails is not kept', async () => {
    const cache = await world().open(options);
    const fail = () => cache.get(requestOf('a', { make: () => Promise.reject(new Error('no')) }));
    await expect(fail()).rejects.toThrow('no');
    await cache.flush();
    expect(cache.snapshot()).toMatchObject({ memory: { entries: 0 }, disk: { entries: 0 }, inFlight: 0 });
    expect(await told(cache.get(requestOf('a')))).toBe('CREATED fresh');
  });

  test('under the catalog policy a reply is fresh until something newer is named; then its sources are looked at', async () => {
    const shared = world();
    const cache = await shared.open(options);
    const { make } = counter();
    const ask = (newestMs: number) => cache.get(requestOf('a', { make, policy: { kind: 'catalog', newestMs } }));
    await ask(0);
    const createdAt = shared.now;
    shared.now += 1000 * MINUTES;
    expect(await ask(createdAt)).toMatchObject({ use: 'REUSED', freshUntil: Number.POSITIVE_INFINITY });
    expect(shared.looks).toBe(0);
    expect(await told(ask(createdAt + 1))).toBe('VALIDATED 1');
    expect(await told(ask(shared.now))).toBe('REUSED 1');
    shared.now += 1;
    shared.versions.set('/images/a.tif', '2');
    expect(await told(ask(shared.now))).toBe('UPDATED 2');
  });

  test('a reply made before what is newest counts as old, though it was stored later', async () => {
    const cache = await world().open(options);
    const { make } = counter({ createdAt: 5000 });
    const ask = (newestMs: number) => cache.get(requestOf('a', { make, policy: { kind: 'catalog', newestMs } }));
    await ask(0);
    expect((await ask(5000)).use).toBe('REUSED');
    expect((await ask(5001)).use).toBe('VALIDATED');
  });

  test('validate looks at the sources now, update makes the reply now, off neither reads nor writes', async () => {
    const shared = world();
    const cache = await shared.open(options);
    const { make } = counter();
    const ask = (control: CacheRequest['control']) => told(cache.get(requestOf('a', { make, control })));
    expect(await ask('off')).toBe('IGNORED 1');
    expect(await ask('validate')).toBe('CREATED 2');
    expect(await ask('off')).toBe('IGNORED 3');
    expect(await ask('validate')).toBe('VALIDATED 2');
    expect(await ask('update')).toBe('UPDATED 4');
    await cache.flush();
    expect(await ask('on')).toBe('REUSED 4');
    shared.versions.set('/images/a.tif', '2');
    expect(await ask('on')).toBe('REUSED 4');
    expect(await ask('validate')).toBe('UPDATED 5');
    expect(await ask('on')).toBe('REUSED 5');
    const { uses } = cache.snapshot();
    expect(uses).toEqual({ REUSED: 3, VALIDATED: 1, CREATED: 1, UPDATED: 2, IGNORED: 2, UNDEFINED: 0 });
  });

  test('an update that fails leaves no entry', async () => {
    const cache = await world().open(options);
    await cache.get(requestOf('a'));
    const update = requestOf('a', { control: 'update', make: () => Promise.reject(new Error('no')) });
    await expect(cache.get(update)).rejects.toThrow('no');
    expect(await told(cache.get(requestOf('a')))).toBe('CREATED fresh');
  });

  test('purging drops one object, or all', async () => {
    const cache = await world().open(options);
    const put = (name: string, subject: string) =>
      cache.get(requestOf(name, { make: async () => replyOf(name, { subject }) }));
    await Promise.all([put('1', 'a'), put('2', 'b'), put('3', 'a'), put('4', 'ab')]);
    await cache.flush();
    expect(await cache.purge({ subject: 'a' })).toBe(2);
    const uses = await Promise.all(['1', '2', '3', '4'].map((name) => told(cache.get(requestOf(name)))));
    expect(uses).toEqual(['CREATED fresh', 'REUSED 2', 'CREATED fresh', 'REUSED 4']);
    await cache.flush();
    expect(await cache.purge('all')).toBe(4);
    expect(cache.snapshot()).toMatchObject({ memory: { entries: 0, bytes: 0 }, disk: { entries: 0, bytes: 0 } });
    expect(await cache.purge('all')).toBe(0);
  });

  test('what is being made while its object is purged is given out, and not kept', async () => {
    const cache = await world().open(options);
    const making = gate<CachedReply>();
    const begun = gate<void>();
    const old = cache.get(
      requestOf('a', {
        make: () => {
          begun.open();
          return making.promise;
        },
      }),
    );
    await begun.promise;
    await cache.purge({ subject: 'a' });
    const after = cache.get(requestOf('a', { make: async () => replyOf('new') }));
    making.open(replyOf('old'));
    expect(await told(old)).toBe('CREATED old');
    expect(await told(after)).toBe('CREATED new');
    expect(await told(cache.get(requestOf('a', { make: never })))).toBe('REUSED new');
  });
});

describe('who waits', () => {
  test('and leaves is told at once; the last one stops the making', async () => {
    const cache = await world().open();
    const begun = gate<AbortSignal>();
    const [one, two] = [new AbortController(), new AbortController()];
    const make: CacheRequest['make'] = (signal) => {
      begun.open(signal);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    const asked = [one, two].map(({ signal }) => cache.get(requestOf('a', { make, signal })));
    const signal = await begun.promise;
    one.abort();
    await expect(asked[0]).rejects.toMatchObject({ code: 'ABORTED' });
    expect(signal.aborted).toBe(false);
    two.abort();
    await expect(asked[1]).rejects.toMatchObject({ code: 'ABORTED' });
    expect(signal.aborted).toBe(true);
    expect(await told(cache.get(requestOf('a')))).toBe('CREATED fresh');
  });

  test('with a signal that has fired has nothing made', async () => {
    const cache = await world().open();
    const { make, made } = counter();
    const request = requestOf('a', { make, signal: AbortSignal.abort() });
    await expect(cache.get(request)).rejects.toMatchObject({ code: 'ABORTED' });
    expect([made(), cache.snapshot().inFlight]).toEqual([0, 0]);
  });

  test('for an update joins updates only; who asks meanwhile has the new one', async () => {
    const cache = await world().open();
    const first = gate<CachedReply>();
    const { make, made } = counter();
    const on = cache.get(requestOf('a', { make: () => first.promise }));
    const updates = [0, 1].map(() => cache.get(requestOf('a', { make, control: 'update' })));
    const later = cache.get(requestOf('a', { make: never }));
    first.open(replyOf('old'));
    const all = [on, ...updates, later].map(told);
    expect(await Promise.all(all)).toEqual(['CREATED old', 'UPDATED 1', 'UPDATED 1', 'UPDATED 1']);
    expect(made()).toBe(1);
    expect(await told(cache.get(requestOf('a', { make: never })))).toBe('REUSED 1');
  });

  test('for nothing kept joins who also does, and nobody else', async () => {
    const cache = await world().open();
    const { make, made } = counter();
    const ask = (control: CacheRequest['control']) => told(cache.get(requestOf('a', { make, control })));
    const uses = await Promise.all([ask('off'), ask('off'), ask('on')]);
    expect(uses.map((use) => use.split(' ')[0])).toEqual(['IGNORED', 'IGNORED', 'CREATED']);
    expect(uses[0]).toBe(uses[1]);
    expect(made()).toBe(2);
  });

  test('with something newer in its catalog does not take what was begun before', async () => {
    const shared = world();
    const cache = await shared.open();
    const making = gate<CachedReply>();
    const begun = gate<void>();
    const slow: CacheRequest['make'] = () => {
      begun.open();
      return making.promise;
    };
    const ask = (make: CacheRequest['make'], newestMs: number) =>
      told(cache.get(requestOf('a', { make, policy: { kind: 'catalog', newestMs } })));
    const before = ask(slow, shared.now);
    await begun.promise;
    const same = ask(never, shared.now);
    shared.now += 1;
    shared.versions.set('/images/a.tif', '2');
    const after = ask(counter().make, shared.now);
    making.open(replyOf('old'));
    expect(await Promise.all([before, same, after])).toEqual(['CREATED old', 'CREATED old', 'UPDATED 1']);
  });
});

describe('a peek', () => {
  test('sees what is in memory and fresh, and nothing else', async () => {
    const shared = world();
    const cache = await shared.open();
    const key = keyOf('a');
    expect(cache.peek(key)).toBe(null);
    const { reply, freshUntil } = await cache.get(requestOf('a'));
    expect(freshUntil).toBe(shared.now + 5 * MINUTES);
    expect(cache.peek(key)).toMatchObject({ reply, freshUntil });
    expect(cache.peek(key)?.reply).toBe(reply);
    shared.now = freshUntil - 1;
    expect(cache.peek(key)).not.toBe(null);
    expect(cache.snapshot().uses.REUSED).toBe(3);
    shared.now = freshUntil;
    expect(cache.peek(key)).toBe(null);
    expect(await cache.get(requestOf('a', { make: never }))).toMatchObject({ use: 'VALIDATED' });
    expect(cache.peek(key)?.freshUntil).toBe(shared.now + 5 * MINUTES);
    await cache.purge('all');
    expect(cache.peek(key)).toBe(null);
    expect(cache.snapshot().uses.REUSED).toBe(4);
  });

  test('follows the policy it was last asked with', async () => {
    const shared = world();
    const cache = await shared.open();
    const key = keyOf('a');
    await cache.get(requestOf('a', { policy: { kind: 'catalog', newestMs: 0 } }));
    shared.now += 100 * MINUTES;
    expect(cache.peek(key)?.freshUntil).toBe(Number.POSITIVE_INFINITY);
    await cache.get(requestOf('a', { make: never }));
    expect(cache.peek(key)?.freshUntil).toBe(shared.now + 5 * MINUTES);
  });

  test('does not trust an entry from the future: the clock was put back', async () => {
    const shared = world();
    const cache = await shared.open();
    await cache.get(requestOf('a'));
    shared.now -= 1;
    expect(cache.peek(keyOf('a'))).toBe(null);
    expect((await cache.get(requestOf('a', { make: never }))).use).toBe('VALIDATED');
  });

  test('keeps an entry from being the next to go', async () => {
    const cache = await world().open({ roots: [], memoryBytes: 3 * 1124 });
    const put = (name: string) => cache.get(requestOf(name, { make: async () => replyOf(Buffer.alloc(100)) }));
    for (const name of ['a', 'b', 'c']) await put(name);
    cache.peek(keyOf('a'));
    await put('d');
    expect(['a', 'b', 'c', 'd'].map((name) => cache.peek(keyOf(name)) !== null)).toEqual([true, false, true, true]);
    expect(cache.snapshot().memory).toEqual({ entries: 3, bytes: 3 * 1124 });
  });
});

describe('the memory', () => {
  test('does not take an entry larger than a quarter of it, nor keep what that replaces', async () => {
    const cache = await world().open({ roots: [], memoryBytes: 40_000 });
    const put = (bytes: number) =>
      cache.get(requestOf('a', { control: 'update', make: async () => replyOf(Buffer.alloc(bytes)) }));
    await put(10_000);
    expect(cache.peek(keyOf('a'))?.reply.body).toHaveLength(10_000);
    await put(10_001);
    expect(cache.peek(keyOf('a'))).toBe(null);
    expect(cache.snapshot().memory).toEqual({ entries: 0, bytes: 0 });
  });

  test('takes empty bodies into account, too', async () => {
    const cache = await world().open({ roots: [], memoryBytes: 10 * 1024 });
    for (let i = 0; i < 100; i++) await cache.get(requestOf(`${i}`, { make: async () => replyOf('') }));
    expect(cache.snapshot().memory).toEqual({ entries: 10, bytes: 10 * 1024 });
  });
});

test('a cache that is switched off joins who asks at once, and keeps nothing', async () => {
  const shared = world();
  const cache = await shared.open({ enabled: false });
  const { make, made } = counter();
  const ask = () => told(cache.get(requestOf('a', { make })));
  expect(await Promise.all([ask(), ask()])).toEqual(['IGNORED 1', 'IGNORED 1']);
  expect(await ask()).toBe('IGNORED 2');
  expect([cache.peek(keyOf('a')), made(), await cache.purge('all')]).toEqual([null, 2, 0]);
  await cache.flush();
  expect(cache.snapshot()).toMatchObject({ memory: { entries: 0 }, disk: { entries: 0 }, joined: 1 });
});

test('a key that is no file name is refused', async () => {
  const cache = await world().open();
  for (const key of ['', '../../a', 'a/b', 'a\0b', 'a'.repeat(201)]) {
    await expect(cache.get({ ...requestOf('a'), key })).rejects.toMatchObject({ code: 'INTERNAL' });
  }
  expect((await cache.get({ ...requestOf('a'), key: 'Az09_-'.repeat(4) })).use).toBe('CREATED');
});

test('after closing nothing is made or kept', async () => {
  const cache = await world().open();
  const making = gate<CachedReply>();
  await cache.get(requestOf('a'));
  const last = cache.get(requestOf('b', { make: () => making.promise }));
  await cache.close();
  await cache.close();
  await expect(cache.get(requestOf('a'))).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
  expect(cache.peek(keyOf('a'))).toBe(null);
  making.open(replyOf('late'));
  expect(await told(last)).toBe('CREATED late');
  expect(cache.snapshot().memory.entries).toBe(0);
});

describe('what is as quick to make as to read', () => {
  test('is kept in memory and not on disk, and takes away what was there before', async () => {
    const cache = await world().open({});
    const { make } = counter({ isCheap: true });
    expect(await told(cache.get(requestOf('a', { make })))).toBe('CREATED 1');
    expect(await told(cache.get(requestOf('a', { make: never })))).toBe('REUSED 1');
    await cache.flush();
    expect(cache.snapshot()).toMatchObject({ memory: { entries: 1 }, disk: { entries: 0 } });

    await cache.get(requestOf('b'));
    await cache.flush();
    expect(cache.snapshot().disk.entries).toBe(1);
    expect(await told(cache.get(requestOf('b', { control: 'update', make })))).toBe('UPDATED 2');
    await cache.flush();
    expect(cache.snapshot()).toMatchObject({ memory: { entries: 2 }, disk: { entries: 0 } });
    expect(await told(cache.get(requestOf('b', { make: never })))).toBe('REUSED 2');
  });
});
