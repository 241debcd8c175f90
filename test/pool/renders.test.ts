import { afterEach, describe, expect, it } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import type { RenderResult } from '../../src/native/contract.js';
import type { RenderPool } from '../../src/pool/renders.js';
import { codeOf, type Script, sleep, startRenders, viewJob } from './fake.js';

const pools: RenderPool[] = [];
function start(workers = 1, filename?: string): RenderPool {
  const pool = startRenders(workers, filename);
  pools.push(pool);
  return pool;
}
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  expect(returned.every((view) => view.count === 1)).toBe(true);
  returned.length = 0;
});

/** How often each view's bytes were given back: once, when all is done. */
const returned: { count: number }[] = [];

interface View {
  readonly done: Promise<RenderResult>;
  readonly back: { count: number };
  readonly abort: (reason?: unknown) => void;
}

function view(pool: RenderPool, script: Script, counters?: Int32Array): View {
  const back = { count: 0 };
  returned.push(back);
  const stop = new AbortController();
  const done = pool.render(viewJob(script, counters), {
    signal: stop.signal,
    onReturn: () => {
      back.count += 1;
    },
  });
  done.catch(() => {});
  return { done, back, abort: (reason) => stop.abort(reason) };
}

function newCounters(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(256));
}

async function whenTaken(counters: Int32Array, count: number): Promise<void> {
  while ((counters[2] ?? 0) < count) await sleep(2);
}

/** Resolves when nothing runs or waits. */
async function idle(pool: RenderPool): Promise<void> {
  while (pool.snapshot().running + pool.snapshot().waiting > 0) await sleep(2);
}

describe('RenderPool', () => {
  it('takes views first-come, one at a time each thread', async () => {
    const pool = start(1);
    const counters = newCounters();
    const views = Array.from({ length: 8 }, (_, id) => view(pool, { ms: 5, id }, counters));
    await Promise.all(views.map(({ done }) => done));
    expect([...counters.subarray(0, 11)]).toEqual([0, 1, 8, 0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('works in all its threads, and in no more', async () => {
    const pool = start(2);
    const counters = newCounters();
    const views = Array.from({ length: 12 }, (_, id) => view(pool, { ms: 20, id }, counters));
    const results = await Promise.all(views.map(({ done }) => done));
    expect(counters[1]).toBe(2);
    expect(new Set(results.map(({ width }) => width)).size).toBe(2); // the thread's number
  });

  it('hands a thread one view beside the one it works on: the others are dropped without it', async () => {
    const pool = start(2);
    const counters = newCounters();
    const views = Array.from({ length: 10 }, (_, id) => view(pool, { ms: 60, id }, counters));
    await whenTaken(counters, 2);
    expect(pool.snapshot()).toEqual({ running: 2, waiting: 8, slots: 2, refused: 0 });
    for (const { abort } of views.slice(2)) abort();
    // Six were in the queue still, and are done with at once; two are with their threads.
    await sleep(0);
    expect(views.map(({ back }) => back.count)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    expect(pool.snapshot()).toEqual({ running: 2, waiting: 2, slots: 2, refused: 0 });
    const codes = await Promise.all(views.map(({ done }) => codeOf(done)));
    expect(codes).toEqual(['resolved', 'resolved', ...Array<string>(8).fill('ABORTED')]);
    await idle(pool);
    expect(pool.snapshot()).toEqual({ running: 0, waiting: 0, slots: 2, refused: 0 });
  });

  it('has no threads before the first view', async () => {
    const pool = start(3);
    expect(pool.snapshot()).toEqual({ running: 0, waiting: 0, slots: 3, refused: 0 });
    await pool.close();
    expect(await codeOf(view(pool, { ms: 0 }).done)).toBe('ENGINE_CLOSED');
  });
});

describe('a view that is aborted', () => {
  it('is refused when it was so before', async () => {
    const pool = start();
    const counters = newCounters();
    let returns = 0;
    const early = pool.render(viewJob({ ms: 0, id: 1 }, counters), {
      signal: AbortSignal.abort(),
      onReturn: () => {
        returns += 1;
      },
    });
    expect(await codeOf(early)).toBe('ABORTED');
    expect(returns).toBe(1);
    expect(counters[2]).toBe(0);
  });

  it('in the run: stops by its control block and frees the thread', async () => {
    const pool = start();
    const counters = newCounters();
    const long = view(pool, { ms: 60_000, id: 1 }, counters);
    const next = view(pool, { ms: 0, id: 2 }, counters);
    await whenTaken(counters, 1);
    long.abort();
    expect(await codeOf(long.done)).toBe('ABORTED');
    expect(long.back.count).toBe(1);
    expect(await codeOf(next.done)).toBe('resolved');
  });

  it('rejects with the error that stopped it', async () => {
    const pool = start();
    const counters = newCounters();
    const late = view(pool, { ms: 60_000, id: 1 }, counters);
    await whenTaken(counters, 1);
    const reason = new PyramidionError('DEADLINE_EXCEEDED', 'too late');
    late.abort(reason);
    await expect(late.done).rejects.toBe(reason);
  });

  it('and cannot stop: is rejected after the grace, its bytes come back when it returns', async () => {
    const pool = start();
    const counters = newCounters();
    const deaf = view(pool, { ms: 400, deaf: true, id: 1 }, counters);
    const next = view(pool, { ms: 0, id: 2 }, counters);
    await whenTaken(counters, 1);
    deaf.abort();
    expect(await codeOf(deaf.done)).toBe('ABORTED');
    expect(deaf.back.count).toBe(0);
    expect(pool.snapshot()).toMatchObject({ running: 1, waiting: 1 });
    await next.done;
    expect(deaf.back.count).toBe(1);
  });

  it('after it was done changes nothing', async () => {
    const pool = start();
    const done = view(pool, { ms: 0 });
    await done.done;
    done.abort();
    await sleep(5);
    expect(done.back.count).toBe(1);
    expect(await codeOf(done.done)).toBe('resolved');
  });
});

describe('RenderPool, closed', () => {
  it('refuses what waits, stops what runs, and resolves when all have returned', async () => {
    const pool = start(2);
    const counters = newCounters();
    const views = Array.from({ length: 8 }, (_, id) => view(pool, { ms: 60_000, id }, counters));
    await whenTaken(counters, 2);
    const closing = pool.close();
    expect(pool.close()).toBe(closing);
    await closing;
    const codes = await Promise.all(views.map(({ done }) => codeOf(done)));
    expect(codes).toEqual(Array(8).fill('ENGINE_CLOSED'));
    expect(views.map(({ back }) => back.count)).toEqual(Array(8).fill(1));
    expect(counters[2]).toBeLessThanOrEqual(4); // the queue's four never came to a thread
    expect(pool.snapshot()).toEqual({ running: 0, waiting: 0, slots: 2, refused: 0 });
  });

  it('waits for one that cannot stop', async () => {
    const pool = start();
    const counters = newCounters();
    const deaf = view(pool, { ms: 300, deaf: true, id: 1 }, counters);
    await whenTaken(counters, 1);
    const closing = pool.close();
    expect(await codeOf(deaf.done)).toBe('ENGINE_CLOSED');
    expect(deaf.back.count).toBe(0);
    await closing;
    expect(deaf.back.count).toBe(1);
  });

  it('names the first reason of a stop', async () => {
    const pool = start();
    const counters = newCounters();
    const stopped = view(pool, { ms: 100, deaf: true, id: 1 }, counters);
    await whenTaken(counters, 1);
    stopped.abort();
    await pool.close();
    expect(await codeOf(stopped.done)).toBe('ABORTED');
  });
});

describe('RenderPool, when things fail', () => {
  it('rebuilds the native code’s error', async () => {
    const pool = start();
    const fail = { code: 'CORRUPT_IMAGE', message: 'cut short', detail: 'libjpeg says' } as const;
    const failed = view(pool, { ms: 0, fail });
    await expect(failed.done).rejects.toBeInstanceOf(PyramidionError);
    await expect(failed.done).rejects.toMatchObject(fail);
    expect(await codeOf(view(pool, { ms: 0 }).done)).toBe('resolved');
  });

  it('takes a code it does not know for a defect', async () => {
    const fail = { code: 'NO_SUCH_CODE' as never, message: 'what' };
    expect(await codeOf(view(start(), { ms: 0, fail }).done)).toBe('INTERNAL');
  });

  it.each([{ exit: true }, { crash: true }])('outlives a thread that dies: %j', async (how) => {
    const pool = start();
    for (let i = 0; i < 3; i++) {
      const dead = view(pool, { ms: 5, ...how });
      await expect(dead.done).rejects.toMatchObject({
        code: 'WORKER_DIED',
        detail: expect.stringMatching(/code: 3|out of memory, say/),
      });
      expect(dead.back.count).toBe(1);
      expect(await codeOf(view(pool, { ms: 0 }).done)).toBe('resolved');
    }
  });

  it('loses no more than the dead thread’s own two views', async () => {
    const pool = start(2);
    const views = Array.from({ length: 12 }, (_, i) => view(pool, i === 2 ? { ms: 20, exit: true } : { ms: 20 }));
    const codes = await Promise.all(views.map(({ done }) => codeOf(done)));
    const lost = codes.filter((code) => code === 'WORKER_DIED').length;
    expect(codes[2]).toBe('WORKER_DIED');
    expect(lost).toBeLessThanOrEqual(2);
    expect(codes.filter((code) => code === 'resolved')).toHaveLength(12 - lost);
  });

  it('a view that is stopped as its thread dies is told of the stop', async () => {
    const pool = start();
    const counters = newCounters();
    const both = view(pool, { ms: 60, deaf: true, exit: true, id: 1 }, counters);
    await whenTaken(counters, 1);
    both.abort();
    expect(await codeOf(both.done)).toBe('ABORTED');
    await idle(pool);
    expect(both.back.count).toBe(1);
  });

  it('rejects rather than waits when no thread can start', async () => {
    const pool = start(2, '/nowhere/worker.js');
    const views = Array.from({ length: 7 }, () => view(pool, { ms: 0 }));
    const codes = await Promise.all(views.map(({ done }) => codeOf(done)));
    expect(codes).toEqual(Array(7).fill('WORKER_DIED'));
    expect(pool.snapshot()).toMatchObject({ running: 0, waiting: 0 });
  });

  it('rejects a job that cannot be handed over', async () => {
    const pool = start();
    let returns = 0;
    const options = {
      onReturn: () => {
        returns += 1;
      },
    };
    const job = { ...viewJob({ ms: 0 }), sharpen: [() => {}] as unknown as [] };
    expect(await codeOf(pool.render(job, options))).toBe('INTERNAL');
    expect(returns).toBe(1);
    expect(await codeOf(view(pool, { ms: 0 }).done)).toBe('resolved');
  });
});
