import { describe, expect, test } from 'vitest';
import { type Flight, Flights } from '../../src/cache/flights.js';
import { gate } from './sample.js';

const ABORTED = { code: 'ABORTED' };

/** Lets everything run that does not wait for a gate. */
async function idle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe('a computation', () => {
  test('is made once for all who ask while it is under way, and forgotten when it ends', async () => {
    const flights = new Flights<number>();
    const result = gate<number>();
    let made = 0;
    const ask = () =>
      flights.join(
        'a',
        0,
        async () => {
          made += 1;
          return result.promise;
        },
        undefined,
      );
    const asked = Array.from({ length: 200 }, ask);
    expect(asked.filter(({ joined }) => joined)).toHaveLength(199);
    expect(flights.size).toBe(1);
    result.open(7);
    expect(new Set(await Promise.all(asked.map(({ value }) => value)))).toEqual(new Set([7]));
    expect([made, flights.size]).toEqual([1, 0]);
    expect(ask().joined).toBe(false);
    expect(flights.join('b', 0, async () => 1, undefined).joined).toBe(false);
  });

  test('that fails fails for all, and is not remembered', async () => {
    const flights = new Flights<number>();
    const fail = () => flights.join('a', 0, async () => Promise.reject(new Error('no')), undefined).value;
    const all = [fail(), fail()];
    await Promise.all(all.map((one) => expect(one).rejects.toThrow('no')));
    expect(await flights.join('a', 0, async () => 1, undefined).value).toBe(1);
  });

  test('goes on for the others when one leaves, who is told at once', async () => {
    const flights = new Flights<number>();
    const result = gate<number>();
    const leaving = new AbortController();
    let inner: AbortSignal | undefined;
    const compute = (flight: Flight) => {
      inner = flight.signal;
      return result.promise;
    };
    const left = flights.join('a', 0, compute, leaving.signal).value;
    const stayed = flights.join('a', 0, compute, new AbortController().signal).value;
    await idle();
    leaving.abort();
    await expect(left).rejects.toMatchObject(ABORTED);
    expect(inner?.aborted).toBe(false);
    result.open(1);
    expect(await stayed).toBe(1);
  });

  test('is aborted when the last has left, is not joined then, and settles before its successor starts', async () => {
    const flights = new Flights<number>();
    const first = gate<number>();
    const signals: AbortSignal[] = [];
    const [one, two] = [new AbortController(), new AbortController()];
    const compute = (flight: Flight) => {
      signals.push(flight.signal);
      return first.promise;
    };
    const lost = [one, two].map(({ signal }) => flights.join('a', 0, compute, signal).value);
    await idle();
    one.abort();
    expect(signals[0]?.aborted).toBe(false);
    two.abort();
    await Promise.all(lost.map((value) => expect(value).rejects.toMatchObject(ABORTED)));
    expect(signals[0]?.aborted).toBe(true);
    let started = false;
    const next = flights.join(
      'a',
      0,
      async () => {
        started = true;
        return 2;
      },
      undefined,
    );
    await idle();
    expect([next.joined, started]).toEqual([false, false]);
    first.fail(new Error('stopped'));
    expect(await next.value).toBe(2);
  });

  test('whose callers all leave before its start is not begun', async () => {
    const flights = new Flights<number>();
    const first = gate<number>();
    const running = flights.join('a', 0, () => first.promise, undefined).value;
    const leaving = new AbortController();
    let started = false;
    const lost = flights.join(
      'a',
      1,
      async () => {
        started = true;
        return 2;
      },
      leaving.signal,
    ).value;
    leaving.abort();
    await expect(lost).rejects.toMatchObject(ABORTED);
    first.open(1);
    expect(await running).toBe(1);
    await idle();
    expect([started, flights.size]).toEqual([false, 0]);
  });

  test('of a higher rank follows the one under way, and is what everyone joins from then on', async () => {
    const flights = new Flights<string>();
    const [low, high] = [gate<string>(), gate<string>()];
    const order: string[] = [];
    const ask = (rank: number, result: Promise<string>) =>
      flights.join(
        'a',
        rank,
        async () => {
          order.push(`rank ${rank}`);
          return result;
        },
        undefined,
      );
    const first = ask(0, low.promise);
    const second = ask(2, high.promise);
    const third = ask(0, Promise.resolve('never'));
    const fourth = ask(2, Promise.resolve('never'));
    await idle();
    expect(order).toEqual(['rank 0']);
    low.open('old');
    await idle();
    expect(order).toEqual(['rank 0', 'rank 2']);
    high.open('new');
    expect(await Promise.all([first, second, third, fourth].map(({ value }) => value))).toEqual([
      'old',
      'new',
      'new',
      'new',
    ]);
  });

  test('that is outdated knows it and is not joined; its successor is not outdated', async () => {
    const flights = new Flights<boolean>();
    const first = gate<void>();
    const compute = async (flight: Flight) => {
      await first.promise;
      return flight.isOutdated;
    };
    const before = flights.join('a', 0, compute, undefined);
    const other = flights.join('b', 0, compute, undefined);
    const waiting = flights.join('a', 1, compute, undefined);
    await idle();
    flights.outdate('a');
    const after = flights.join('a', 1, compute, undefined);
    first.open();
    const all = [before, other, waiting, after];
    expect(await Promise.all(all.map(({ value }) => value))).toEqual([true, false, false, false]);
    expect(after.joined).toBe(true);

    const second = gate<void>();
    const late = async (flight: Flight) => {
      await second.promise;
      return flight.isOutdated;
    };
    const old = flights.join('c', 0, late, undefined);
    flights.outdate();
    const fresh = flights.join('c', 0, late, undefined);
    second.open();
    expect([fresh.joined, await old.value, await fresh.value]).toEqual([false, true, false]);
  });
});
