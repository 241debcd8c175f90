import { describe, expect, it } from 'vitest';
import { Gate } from '../../src/pool/gate.js';

/** What has become of a promise by the time all that is ready has run. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  const open = Symbol('open');
  await new Promise(setImmediate);
  return Promise.race([promise, Promise.resolve(open)]).then(
    (value) => (value === open ? 'waits' : 'in'),
    (error: { code?: string }) => String(error.code),
  );
}

describe('Gate', () => {
  it('lets in as many as there are places, and the next ones in their order', async () => {
    const gate = new Gate({ places: 2, maxQueue: 10 });
    const [first, second] = await Promise.all([gate.enter(), gate.enter()]);
    const third = gate.enter();
    const fourth = gate.enter();
    expect(await Promise.all([third, fourth].map(stateOf))).toEqual(['waits', 'waits']);
    expect(gate.snapshot()).toEqual({ inside: 2, waiting: 2, refused: 0 });
    second?.();
    expect(await Promise.all([third, fourth].map(stateOf))).toEqual(['in', 'waits']);
    first?.();
    expect(await stateOf(fourth)).toBe('in');
    expect(gate.snapshot()).toEqual({ inside: 2, waiting: 0, refused: 0 });
  });

  it('takes a place back once, however often it is given back', async () => {
    const gate = new Gate({ places: 1, maxQueue: 10 });
    const leave = await gate.enter();
    const second = gate.enter();
    const third = gate.enter();
    leave();
    leave();
    expect(await Promise.all([second, third].map(stateOf))).toEqual(['in', 'waits']);
  });

  it('refuses at once whoever finds the queue full, and says how long it is', async () => {
    const gate = new Gate({ places: 1, maxQueue: 1 });
    const leave = await gate.enter();
    const waiting = gate.enter();
    await expect(gate.enter()).rejects.toMatchObject({ code: 'BUSY', option: 'maxQueue', value: 1, limit: 1 });
    expect(gate.snapshot()).toEqual({ inside: 1, waiting: 1, refused: 1 });
    leave();
    (await waiting)();
    expect(gate.snapshot()).toEqual({ inside: 0, waiting: 0, refused: 1 });
  });

  it('says beforehand whom it would refuse', async () => {
    const gate = new Gate({ places: 1, maxQueue: 1 });
    expect(() => gate.check()).not.toThrow();
    const leave = await gate.enter();
    expect(() => gate.check()).not.toThrow();
    const waiting = gate.enter();
    expect(() => gate.check()).toThrow(expect.objectContaining({ code: 'BUSY', limit: 1 }));
    expect(gate.snapshot().refused).toBe(1);
    leave();
    await waiting;
    expect(() => gate.check()).not.toThrow();
  });

  it('has no queue when none may wait', async () => {
    const gate = new Gate({ places: 1, maxQueue: 0 });
    await gate.enter();
    await expect(gate.enter()).rejects.toMatchObject({ code: 'BUSY' });
  });

  it('forgets a visitor that leaves, and lets in the one behind', async () => {
    const gate = new Gate({ places: 1, maxQueue: 2 });
    const leave = await gate.enter();
    const stop = new AbortController();
    const second = gate.enter(stop.signal);
    const third = gate.enter();
    stop.abort();
    await expect(second).rejects.toMatchObject({ code: 'ABORTED' });
    expect(gate.snapshot().waiting).toBe(1);
    leave();
    expect(await stateOf(third)).toBe('in');
    await expect(gate.enter(AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('refuses whoever waits or comes when it is closed', async () => {
    const gate = new Gate({ places: 1, maxQueue: 2 });
    await gate.enter();
    const waiting = gate.enter();
    gate.close();
    await expect(waiting).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
    await expect(gate.enter()).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
  });
});
