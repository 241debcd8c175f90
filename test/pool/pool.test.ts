import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { CONTROL } from '../../src/native/contract.js';
import { MemoryBudget } from '../../src/pool/budget.js';
import { Monitor } from '../../src/pool/monitor.js';
import { type JobProgress, type JobStart, type Pool, type PoolOptions, shareBytes } from '../../src/pool/pool.js';
import { buildJob, codeOf, probeJob, sleep, startPool, verifyJob } from './fake.js';

const pools: Pool[] = [];
function start(options: Partial<PoolOptions> = {}): Pool {
  const pool = startPool(options);
  pools.push(pool);
  return pool;
}
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

/** Resolves when nothing runs or waits in the pool any more. */
async function idle(pool: Pool): Promise<void> {
  while (pool.snapshot().running + pool.snapshot().waiting > 0) await sleep(5);
}

describe('Pool under its budget', () => {
  it('runs ten builds of need N under 3 N, never more than three at a time, in order of arrival', async () => {
    const pool = start({ workers: 8, budgetBytes: 300 });
    const counters = new Int32Array(new SharedArrayBuffer(8));
    const order: number[] = [];
    let most = 0;
    pool.on('started', ({ id }) => {
      order.push(id);
      most = Math.max(most, pool.snapshot().reserved);
    });
    const builds = Array.from({ length: 10 }, () => pool.build(buildJob({ ms: 60 }, counters), { need: 100 }));
    const outcomes = await Promise.all(builds);
    expect(outcomes).toHaveLength(10);
    expect(counters[1]).toBe(3);
    expect(most).toBe(300);
    expect(order).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(pool.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
    expect(outcomes[9]?.waitSeconds).toBeGreaterThan(outcomes[0]?.waitSeconds ?? 0);
    expect(outcomes[0]?.buildSeconds).toBeGreaterThan(0.05);
  });

  it('never runs more builds than workers', async () => {
    const pool = start({ workers: 2, budgetBytes: 1000 });
    const counters = new Int32Array(new SharedArrayBuffer(8));
    await Promise.all(Array.from({ length: 6 }, () => pool.build(buildJob({ ms: 30 }, counters), { need: 1 })));
    expect(counters[1]).toBe(2);
  });

  it('refuses within 50 ms what can never fit', { retry: 3 }, async () => {
    const pool = start();
    const running = pool.build(buildJob({ ms: 200 }), { need: 300 });
    const waiting = pool.build(buildJob({ ms: 0 }), { need: 300 });
    await once(pool, 'started');
    const before = performance.now();
    await expect(pool.build(buildJob({ ms: 0 }), { need: 301 })).rejects.toMatchObject({
      code: 'BUDGET_NEVER_FITS',
      value: 301,
      limit: 300,
    });
    expect(performance.now() - before).toBeLessThan(50);
    await Promise.all([running, waiting]);
  });

  it('shares the processors among the jobs that run', async () => {
    const pool = start({ workers: 4, threads: 8, budgetBytes: 300 });
    const threads = async (need: number): Promise<string[]> =>
      Promise.all(
        Array.from({ length: 3 }, async () => {
          const { result } = await pool.build(buildJob({ ms: 30 }), { need });
          return result.warnings[0] ?? '';
        }),
      );
    expect(await threads(300)).toEqual(['8', '8', '8']); // one at a time
    expect(await threads(100)).toEqual(['2', '2', '2']);
    const lone = start({ workers: 4, threads: 1 });
    expect((await lone.build(buildJob({ ms: 0 }), { need: 1 })).result.warnings).toEqual(['1']);
  });
});

describe('Pool, aborted', () => {
  it('frees a build’s place in the queue', async () => {
    const pool = start({ budgetBytes: 100 });
    const abort = new AbortController();
    const running = pool.build(buildJob({ ms: 100 }), { need: 100 });
    const waiting = pool.build(buildJob({ ms: 0 }), { need: 100, signal: abort.signal });
    const last = pool.build(buildJob({ ms: 0 }), { need: 100 });
    expect(pool.snapshot().waiting).toBe(2);
    abort.abort();
    expect(await codeOf(waiting)).toBe('ABORTED');
    expect(pool.snapshot()).toMatchObject({ running: 1, waiting: 1 });
    await Promise.all([running, last]);
  });

  it('stops a running build within 200 ms and releases its reservation', { retry: 3 }, async () => {
    const pool = start();
    const abort = new AbortController();
    const build = pool.build(buildJob({ ms: 10_000 }), { need: 100, signal: abort.signal });
    await sleep(150);
    expect(pool.snapshot().reserved).toBe(100);
    const before = performance.now();
    abort.abort(new Error('enough'));
    await expect(build).rejects.toMatchObject({ code: 'ABORTED', cause: new Error('enough') });
    expect(performance.now() - before).toBeLessThan(200);
    await idle(pool);
    expect(pool.snapshot().reserved).toBe(0);
  });

  it('rejects within 200 ms though the native call goes on, and holds its reservation until it returns', {
    retry: 3,
  }, async () => {
    const pool = start({ budgetBytes: 100 });
    const abort = new AbortController();
    const deaf = pool.build(buildJob({ ms: 800, deaf: true }), { need: 100, signal: abort.signal });
    await sleep(100);
    const next = pool.build(buildJob({ ms: 0 }), { need: 100 });
    const before = performance.now();
    abort.abort();
    expect(await codeOf(deaf)).toBe('ABORTED');
    expect(performance.now() - before).toBeLessThan(200);
    expect(pool.snapshot()).toMatchObject({ reserved: 100, running: 1, waiting: 1 });
    await next;
    await idle(pool);
    expect(pool.snapshot().reserved).toBe(0);
  });

  it('does not start what is aborted before or in the same moment', async () => {
    const pool = start();
    expect(await codeOf(pool.build(buildJob({ ms: 0 }), { need: 1, signal: AbortSignal.abort() }))).toBe('ABORTED');
    const abort = new AbortController();
    const started: JobStart[] = [];
    const build = pool.build(buildJob({ ms: 0 }), { need: 1, signal: abort.signal, onStart: (s) => started.push(s) });
    abort.abort();
    expect(await codeOf(build)).toBe('ABORTED');
    expect(started).toEqual([]);
    expect(pool.snapshot().running).toBe(0);
    const fromCallback = new AbortController();
    const options = { need: 1, signal: fromCallback.signal, onStart: () => fromCallback.abort() };
    expect(await codeOf(pool.build(buildJob({ ms: 5000 }), options))).toBe('ABORTED');
  });

  it('lets many jobs share one signal', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    const pool = start();
    const abort = new AbortController();
    const builds = Array.from({ length: 30 }, () =>
      codeOf(pool.build(buildJob({ ms: 50 }), { need: 100, signal: abort.signal })),
    );
    await sleep(100);
    abort.abort();
    await Promise.all(builds);
    await sleep(10);
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });
});

describe('Pool.probe and Pool.verify', () => {
  it('probe beside builds that fill every slot', async () => {
    const pool = start({ workers: 2 });
    const builds = [1, 2].map(() => pool.build(buildJob({ ms: 1500 }), { need: 10 }));
    let built = false;
    void Promise.race(builds).then(() => {
      built = true;
    });
    await Promise.all(Array.from({ length: 5 }, () => pool.probe(probeJob({ ms: 5 }))));
    expect(built).toBe(false);
    await Promise.all(builds);
  });

  it('give up a probe that is aborted, waiting or running', async () => {
    const pool = start();
    const abort = new AbortController();
    const probes = [1, 2].map(() => codeOf(pool.probe(probeJob({ ms: 600, deaf: true }), abort.signal)));
    await sleep(50);
    abort.abort();
    expect(await Promise.all(probes)).toEqual(['ABORTED', 'ABORTED']);
  });

  it('verify takes a slot and can be aborted', async () => {
    const pool = start({ workers: 1 });
    const abort = new AbortController();
    const first = pool.verify(verifyJob({ ms: 10_000 }), { signal: abort.signal });
    const second = pool.verify(verifyJob({ ms: 0 }), { need: 20 });
    expect(pool.snapshot()).toMatchObject({ running: 1, reserved: 0, waiting: 1 });
    abort.abort();
    expect(await codeOf(first)).toBe('ABORTED');
    await second;
  });

  it('hand shared bytes over as they are and others as a copy', async () => {
    const pool = start();
    const send = async (bytes: Uint8Array): Promise<Uint8Array> => {
      const answer: unknown = await pool.probe({ input: { bytes }, format: 'png', page: 0 });
      return (answer as { job: { input: { bytes: Uint8Array } } }).job.input.bytes;
    };
    const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 3);
    const [sharedBack, copyBack] = [await send(shared), await send(Buffer.from([7, 8, 9]))];
    shared.set([4, 5, 6]);
    expect([...sharedBack]).toEqual([4, 5, 6]);
    expect([...copyBack]).toEqual([7, 8, 9]);
    expect(shareBytes(shared)).toBe(shared);
  });
});

describe('Pool, when things fail', () => {
  it('rebuilds the native code’s error', async () => {
    const pool = start();
    const fail = { code: 'CORRUPT_IMAGE', message: 'cut short', detail: 'libjpeg says' } as const;
    await expect(pool.build(buildJob({ ms: 0, fail }), { need: 1 })).rejects.toMatchObject({
      name: 'PyramidionError',
      ...fail,
    });
    expect(pool.snapshot().running).toBe(0);
  });

  it.each([{ exit: true }, { crash: true }])('outlives a worker that dies: %j', async (how) => {
    const pool = start({ workers: 1 });
    for (let i = 0; i < 3; i++) {
      await expect(pool.build(buildJob({ ms: 20, ...how }), { need: 300 })).rejects.toMatchObject({
        code: 'WORKER_DIED',
        detail: expect.stringMatching(/code: 3|out of memory, say/),
      });
      await pool.build(buildJob({ ms: 0 }), { need: 300 });
    }
  });

  it('lets other builds live when one worker dies', async () => {
    const pool = start({ workers: 3 });
    const codes = await Promise.all(
      [{}, { exit: true }, {}, {}, { crash: true }, {}].map((how) =>
        codeOf(pool.build(buildJob({ ms: 100, ...how }), { need: 10 })),
      ),
    );
    expect(codes).toEqual(['resolved', 'WORKER_DIED', 'resolved', 'resolved', 'WORKER_DIED', 'resolved']);
  });

  it('rejects rather than waits when no worker can start', async () => {
    const pool = start({ filename: '/nowhere/worker.js' });
    const builds = Array.from({ length: 3 }, () => codeOf(pool.build(buildJob({ ms: 0 }), { need: 1 })));
    expect(await Promise.all(builds)).toEqual(['WORKER_DIED', 'WORKER_DIED', 'WORKER_DIED']);
    expect(await codeOf(pool.probe(probeJob({ ms: 0 })))).toBe('WORKER_DIED');
    expect(pool.snapshot()).toMatchObject({ running: 0, reserved: 0 });
  });

  it('rejects a job that cannot be handed over', async () => {
    const pool = start();
    const job = { ...buildJob({ ms: 0 }), tags: [() => {}] as unknown as [] };
    expect(await codeOf(pool.build(job, { need: 1 }))).toBe('INTERNAL');
    await pool.build(buildJob({ ms: 0 }), { need: 300 });
  });

  it('stops the build that outgrows its reservation by more than a tenth', async () => {
    const pool = start({ workers: 3 });
    const [honest, bad] = await Promise.allSettled([
      pool.build(buildJob({ ms: 900, held: 109 }), { need: 100 }),
      pool.build(buildJob({ ms: 4000, held: 1000 }), { need: 100 }),
    ]);
    expect(honest.status).toBe('fulfilled');
    expect(bad).toMatchObject({ reason: { code: 'BUDGET_OVERRUN', limit: 110 } });
    expect(pool.snapshot().reserved).toBe(0);
  });

  it('stops a build for the growth of the process', async () => {
    let resident = 0;
    const monitor = new Monitor(() => ({ resident, javascript: 0 }));
    const pool = start({ monitor });
    const build = pool.build(buildJob({ ms: 10_000 }), {
      need: 100,
      onStart: () => setTimeout(() => (resident = 1e9), 50),
    });
    await expect(build).rejects.toMatchObject({ code: 'BUDGET_OVERRUN', value: 1e9 });
  });
});

describe('Pool’s progress and events', () => {
  it('reports progress at most ten times a second, and once at the end', async () => {
    const pool = start();
    const seen: JobProgress[] = [];
    const times: number[] = [];
    const onProgress = (progress: JobProgress): void => {
      seen.push(progress);
      times.push(performance.now());
    };
    const { buildSeconds } = await pool.build(buildJob({ ms: 1000 }), { need: 1, onProgress });
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(seen.length).toBeLessThanOrEqual(buildSeconds * 10 + 2);
    expect(seen.at(-1)).toEqual({ level: 1, fraction: 1, bytes: 20_000 });
    for (let i = 1; i < seen.length; i++) {
      expect(seen[i]?.bytes).toBeGreaterThanOrEqual(seen[i - 1]?.bytes ?? 0);
      if (i < seen.length - 1) expect((times[i] ?? 0) - (times[i - 1] ?? 0)).toBeGreaterThan(50);
    }
  });

  it('reports nothing more once a build is aborted', async () => {
    const pool = start();
    const abort = new AbortController();
    let reports = 0;
    const onProgress = (): void => {
      reports += 1;
    };
    const options = { need: 1, signal: abort.signal, onProgress };
    const build = codeOf(pool.build(buildJob({ ms: 600, deaf: true }), options));
    await sleep(250);
    abort.abort();
    const before = reports;
    expect(await build).toBe('ABORTED');
    await idle(pool);
    expect(reports).toBe(before);
  });

  it('turns what a callback or listener throws into warnings', async () => {
    const pool = start();
    const warnings: string[] = [];
    pool.on('warning', ({ message }) => warnings.push(message));
    pool.on('finished', () => {
      throw new Error('from a listener');
    });
    const fail = (where: string) => (): never => {
      throw new Error(where);
    };
    await pool.build(buildJob({ ms: 400 }), { need: 1, onStart: fail('onStart'), onProgress: fail('onProgress') });
    expect(warnings).toEqual(['onStart', 'onProgress', 'from a listener']);
  });

  it('tells of each build', async () => {
    const pool = start({ workers: 1 });
    const events: string[] = [];
    pool.on('queued', ({ id, need }) => events.push(`queued ${id} ${need}`));
    pool.on('started', ({ id, threads }) => events.push(`started ${id} ${threads}`));
    pool.on('finished', ({ id, code }) => events.push(`finished ${id} ${code}`));
    const fail = { code: 'DISK_FULL', message: 'full' } as const;
    await Promise.allSettled([
      pool.build(buildJob({ ms: 0 }), { need: 10 }),
      pool.build(buildJob({ ms: 0, fail }), { need: 20 }),
    ]);
    expect(events).toEqual([
      'queued 1 10',
      'queued 2 20',
      'started 1 2',
      'finished 1 null',
      'started 2 2',
      'finished 2 DISK_FULL',
    ]);
  });
});

describe('Pool.close', () => {
  it('refuses what waits, stops what runs, and leaves no thread, handle or timer', async () => {
    const before = process.getActiveResourcesInfo();
    /** What is there now and was not before. */
    const added = (): string[] => {
      const known = [...before];
      return process.getActiveResourcesInfo().filter((name) => {
        const at = known.indexOf(name);
        if (at >= 0) known.splice(at, 1);
        return at < 0;
      });
    };
    const pool = startPool({ workers: 2 });
    const builds = [1, 2, 3, 4].map(() => codeOf(pool.build(buildJob({ ms: 10_000 }), { need: 10 })));
    const probes = [1, 2].map(() => codeOf(pool.probe(probeJob({ ms: 300 }))));
    await sleep(200);
    expect(added()).not.toEqual([]);
    const closed = pool.close();
    expect(pool.close()).toBe(closed);
    expect(await codeOf(pool.build(buildJob({ ms: 0 }), { need: 1 }))).toBe('ENGINE_CLOSED');
    expect(await codeOf(pool.probe(probeJob({ ms: 0 })))).toBe('ENGINE_CLOSED');
    await closed;
    expect(await Promise.all(builds)).toEqual(Array.from({ length: 4 }, () => 'ENGINE_CLOSED'));
    expect(await Promise.all(probes)).toContain('ENGINE_CLOSED');
    expect(pool.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
    await sleep(50);
    expect(added()).toEqual([]);
  });

  it('rejects at once but waits for a native call that cannot be interrupted', async () => {
    const pool = start();
    const build = codeOf(pool.build(buildJob({ ms: 700, deaf: true }), { need: 10 }));
    await sleep(100);
    let open = true;
    const closed = pool.close().then(() => {
      open = false;
    });
    expect(await build).toBe('ENGINE_CLOSED');
    expect(open).toBe(true);
    expect(pool.snapshot().running).toBe(1);
    await closed;
    expect(pool.snapshot().running).toBe(0);
  });

  it('closes a pool that has done nothing, and one from a callback', async () => {
    await startPool().close();
    const pool = startPool();
    const onStart = (): void => void pool.close();
    expect(await codeOf(pool.build(buildJob({ ms: 5000 }), { need: 1, onStart }))).toBe('ENGINE_CLOSED');
    await pool.close();
  });
});

describe('the control block', () => {
  it('has the slots the fake worker knows', () => {
    expect(CONTROL).toEqual({
      stop: 0,
      level: 1,
      rowsDone: 2,
      rowsTotal: 3,
      bytesWritten: 4,
      bytesHeld: 5,
      tracked: 6,
      begun: 7,
      length: 8,
    });
    expect(new MemoryBudget(1).snapshot().limit).toBe(1);
  });
});
