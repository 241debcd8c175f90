import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryBudget, parseBytes, type Reservation } from '../../src/pool/budget.js';
import { codeOf } from './fake.js';

/** Lets every promise reaction run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Reserves and notes the order of the grants. */
function queue(budget: MemoryBudget): {
  ask(name: string, bytes: number, signal?: AbortSignal): Promise<Reservation>;
  readonly granted: string[];
  readonly held: Map<string, Reservation>;
} {
  const granted: string[] = [];
  const held = new Map<string, Reservation>();
  return {
    granted,
    held,
    async ask(name, bytes, signal) {
      const reservation = await budget.reserve(bytes, signal);
      granted.push(name);
      held.set(name, reservation);
      return reservation;
    },
  };
}

describe('MemoryBudget', () => {
  it('counts what is reserved and gives it back once', async () => {
    const budget = new MemoryBudget(100, 4);
    const one = await budget.reserve(60);
    const two = await budget.reserve(40);
    expect(budget.snapshot()).toEqual({ limit: 100, reserved: 100, slots: 4, running: 2, waiting: 0 });
    one.release();
    one.release();
    expect(budget.snapshot()).toEqual({ limit: 100, reserved: 40, slots: 4, running: 1, waiting: 0 });
    two.release();
    expect(budget.snapshot()).toMatchObject({ reserved: 0, running: 0 });
  });

  it('refuses at once what can never fit, naming need and limit', async () => {
    const budget = new MemoryBudget(100);
    await budget.reserve(100);
    void budget.reserve(50);
    await expect(budget.reserve(101)).rejects.toMatchObject({
      code: 'BUDGET_NEVER_FITS',
      message: expect.stringMatching(/101.*100/),
      value: 101,
      limit: 100,
    });
  });

  it.each([Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY])('refuses the need %s', async (bytes) => {
    await expect(new MemoryBudget(100).reserve(bytes)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'need',
    });
  });

  it('serves in order of arrival', async () => {
    const budget = new MemoryBudget(100);
    const { ask, granted, held } = queue(budget);
    for (const name of ['a', 'b', 'c', 'd', 'e']) void ask(name, 60);
    for (let i = 0; i < 5; i++) {
      await settled();
      held.get(granted[i] ?? '')?.release();
    }
    expect(granted).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('holds a job back for want of a slot', async () => {
    const budget = new MemoryBudget(100, 1);
    const { ask, granted, held } = queue(budget);
    void ask('a', 1);
    void ask('b', 1);
    await settled();
    expect(granted).toEqual(['a']);
    held.get('a')?.release();
    await settled();
    expect(granted).toEqual(['a', 'b']);
  });

  it('lets a small job pass where the head cannot lose by it', async () => {
    // The head can start only when the 90 have gone; then 50 + 10 fit.
    const { ask, granted } = queue(new MemoryBudget(100));
    void ask('running', 90);
    void ask('head', 50);
    void ask('small', 10);
    await settled();
    expect(granted).toEqual(['running', 'small']);
  });

  it('lets no small job pass that fits now and at the end but not in between', async () => {
    // When the 4 ends first, 5 + 5 fill the budget: a passer of 1 would make the head wait for the other 5.
    const { ask, granted, held } = queue(new MemoryBudget(10));
    void ask('four', 4);
    void ask('five', 5);
    void ask('head', 5);
    void ask('small', 1);
    await settled();
    expect(granted).toEqual(['four', 'five']);
    held.get('four')?.release();
    await settled();
    expect(granted).toEqual(['four', 'five', 'head']);
  });

  it('never starves a large job under a stream of small ones', async () => {
    const budget = new MemoryBudget(100);
    const { ask, granted, held } = queue(budget);
    for (let i = 0; i < 4; i++) void ask(`first${i}`, 25);
    void ask('large', 100);
    for (let i = 0; i < 50; i++) void ask(`later${i}`, 5);
    await settled();
    for (let i = 0; i < 4; i++) held.get(`first${i}`)?.release();
    await settled();
    expect(granted.slice(4)).toEqual(['large']);
  });

  it('counts earlier passers against later ones', async () => {
    const { ask, granted, held } = queue(new MemoryBudget(100));
    void ask('a', 60);
    void ask('b', 35);
    void ask('head', 90);
    void ask('five', 5);
    void ask('ten', 10); // beside the five it would be in the head's way when a has gone
    await settled();
    held.get('b')?.release();
    await settled();
    expect(granted).toEqual(['a', 'b', 'five']);
    held.get('a')?.release();
    await settled();
    expect(granted).toEqual(['a', 'b', 'five', 'head']);
  });

  it('gives a passer a free slot: the job the head waits for leaves one', async () => {
    const { ask, granted } = queue(new MemoryBudget(100, 3));
    void ask('a', 60);
    void ask('b', 10);
    void ask('head', 60); // starts when a has gone: beside b, and so in slots 2 of 3
    void ask('c', 10);
    void ask('d', 10);
    await settled();
    expect(granted).toEqual(['a', 'b', 'c']);
  });

  it('frees the place of a job that is aborted in the queue', async () => {
    const budget = new MemoryBudget(100);
    const { ask, granted } = queue(budget);
    const abort = new AbortController();
    void ask('running', 60);
    const aborted = ask('aborted', 70, abort.signal);
    void ask('next', 40); // beside the 70 there is no room for it
    await settled();
    expect(granted).toEqual(['running']);
    abort.abort(new Error('why'));
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: new Error('why') });
    await settled();
    expect(granted).toEqual(['running', 'next']);
    expect(budget.snapshot()).toMatchObject({ reserved: 100, waiting: 0 });
  });

  it('does not queue a job that is aborted already', async () => {
    expect(await codeOf(new MemoryBudget(100).reserve(1, AbortSignal.abort()))).toBe('ABORTED');
  });

  it('refuses what waits and what comes after it is closed', async () => {
    const budget = new MemoryBudget(100);
    const running = await budget.reserve(100);
    const waiting = [budget.reserve(1), budget.reserve(100)];
    budget.close();
    expect(await Promise.all(waiting.map(codeOf))).toEqual(['ENGINE_CLOSED', 'ENGINE_CLOSED']);
    expect(await codeOf(budget.reserve(1))).toBe('ENGINE_CLOSED');
    running.release();
    expect(budget.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
  });
});

describe('MemoryBudget under random jobs', () => {
  const LIMIT = 12;
  const job = fc.record({
    arrival: fc.integer({ min: 0, max: 40 }),
    need: fc.integer({ min: 1, max: LIMIT }),
    duration: fc.integer({ min: 1, max: 20 }),
    /** Aborted so long after its arrival, if it still waits then. */
    patience: fc.option(fc.integer({ min: 1, max: 30 }), { freq: 4 }),
  });
  type Job = { arrival: number; need: number; duration: number; patience: number | null };
  const sum = (runs: readonly Job[]): number => runs.reduce((bytes, { need }) => bytes + need, 0);
  const subsets = <Item>(items: readonly Item[]): Item[][] =>
    items.reduce<Item[][]>((sets, item) => sets.concat(sets.map((set) => [...set, item])), [[]]);
  type Run = Job & { start: number | null; gone: number | null; abort: AbortController };

  /** Plays the jobs by a clock of its own and yields when each started, and what ran when each became the head. */
  async function play(jobs: readonly Job[], slots: number): Promise<{ runs: Run[]; heads: Map<Run, Head> }> {
    const budget = new MemoryBudget(LIMIT, slots);
    const runs = [...jobs]
      .sort((a, b) => a.arrival - b.arrival)
      .map((each): Run => ({ ...each, start: null, gone: null, abort: new AbortController() }));
    const heads = new Map<Run, Head>();
    const held = new Map<Run, Reservation>();
    let now = 0;
    const step = async (act: () => void): Promise<void> => {
      act();
      await settled();
      const { reserved, running } = budget.snapshot();
      expect(reserved).toBe(sum([...held.keys()]));
      expect(reserved).toBeLessThanOrEqual(LIMIT);
      expect(running).toBeLessThanOrEqual(slots);
      const head = runs.find((run) => run.arrival <= now && run.start === null && run.gone === null && asked.has(run));
      if (head === undefined) return;
      if (!heads.has(head)) heads.set(head, { since: now, running: [...held.keys()] });
      // By trying every way the head could come to start: who waits though he fits would have been in its way in one.
      const earlier = (heads.get(head)?.running ?? []).filter((run) => held.has(run));
      const passing = sum([...held.keys()].filter((run) => !earlier.includes(run)));
      for (const run of runs) {
        const waits = asked.has(run) && run.start === null && run.gone === null && run !== head;
        if (!waits || running === slots || reserved + run.need > LIMIT) continue;
        const inTheWay = subsets(earlier).some((left) => {
          const used = sum(left) + head.need;
          return used <= LIMIT && used + passing + run.need > LIMIT;
        });
        expect(inTheWay).toBe(true);
      }
    };
    const asked = new Set<Run>();
    for (; runs.some((run) => run.gone === null); now++) {
      expect(now).toBeLessThan(5000); // else something starves
      for (const run of [...held.keys()]) {
        if (run.start !== null && run.start + run.duration === now) {
          await step(() => {
            run.gone = now;
            held.get(run)?.release();
            held.delete(run);
          });
        }
      }
      for (const run of runs) {
        if (run.arrival === now) {
          await step(() => {
            asked.add(run);
            budget.reserve(run.need, run.abort.signal).then(
              (reservation) => {
                run.start = now;
                held.set(run, reservation);
              },
              () => {
                run.gone = now;
              },
            );
          });
        }
        if (run.patience !== null && run.start === null && run.gone === null && run.arrival + run.patience === now) {
          await step(() => run.abort.abort());
        }
      }
    }
    return { runs, heads };
  }
  type Head = { since: number; running: Run[] };

  const jobs = fc.array(job, { minLength: 1, maxLength: 25 });
  const slots = fc.integer({ min: 1, max: 5 });

  it('never passes limit or slots, starts everything, never delays the head, and holds nothing else back', async () => {
    await fc.assert(
      fc.asyncProperty(jobs, slots, async (these, slotCount) => {
        const { runs, heads } = await play(these, slotCount);
        for (const run of runs) expect(run.start !== null || run.abort.signal.aborted).toBe(true);
        for (const [head, { since, running }] of heads) {
          if (head.start === null) continue;
          // When the head would have started with nobody let past it: the times its predecessors end are known by now.
          const left = (time: number): Run[] => running.filter((run) => (run.gone ?? 0) > time);
          let time = since;
          while (sum(left(time)) + head.need > LIMIT || left(time).length + 1 > slotCount) {
            time += 1;
          }
          expect(head.start).toBe(time);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('does let jobs pass', async () => {
    const { runs } = await play(
      [
        { arrival: 0, need: 11, duration: 10, patience: null },
        { arrival: 1, need: 8, duration: 5, patience: null },
        { arrival: 2, need: 1, duration: 30, patience: null },
      ],
      5,
    );
    expect(runs.map(({ start }) => start)).toEqual([0, 10, 2]);
  });
});

describe('parseBytes', () => {
  it.each([
    [10 * 1024 ** 2, 10 * 1024 ** 2],
    ['3G', 3 * 1024 ** 3],
    ['3GB', 3 * 1024 ** 3],
    ['3 GiB', 3 * 1024 ** 3],
    ['512MB', 512 * 1024 ** 2],
    ['512mb', 512 * 1024 ** 2],
    ['20480k', 20 * 1024 ** 2],
    ['1.5g', 1.5 * 1024 ** 3],
    ['2T', 2 * 1024 ** 4],
    ['1073741824', 1024 ** 3],
    ['1073741824B', 1024 ** 3],
  ])('reads %s as %d', (value, bytes) => {
    expect(parseBytes(value)).toBe(bytes);
  });

  it.each([
    '',
    'G',
    '3X',
    '3 G B',
    '-3G',
    '3iB',
    '1e9',
    '9M',
    '0',
    '99999999T',
    1.5e7 + 0.5,
    -1,
    Number.NaN,
    null,
    undefined,
    true,
    {},
  ])('refuses %j', (value) => {
    expect(() => parseBytes(value, 'budget')).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        option: 'budget',
        value,
        message: expect.stringMatching(/budget.*10M.*got/),
      }),
    );
  });
});
