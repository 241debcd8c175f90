import { describe, expect, it } from 'vitest';
import { Turns } from '../../src/server/turns.js';

/** Begins all of these at the same time, and yields the names of those that had begun after each turn. */
async function turnsOf(
  turns: Turns,
  asked: readonly (readonly [name: string, isUrgent: boolean])[],
): Promise<string[][]> {
  const begun: string[] = [];
  for (const [name, isUrgent] of asked) {
    const turn = turns.next(isUrgent);
    if (turn === undefined) begun.push(name);
    else void turn.then(() => begun.push(name));
  }
  const seen = [[...begun]];
  while (begun.length < asked.length) {
    const before = begun.length;
    await new Promise(setImmediate);
    seen.push(begun.slice(before));
  }
  return seen;
}

describe('Turns', () => {
  it('lets those begin at once that find nobody waiting', async () => {
    const turns = new Turns();
    expect(await turnsOf(turns, [['a', false]])).toEqual([['a']]);
    await new Promise(setImmediate);
    expect(await turnsOf(turns, [['b', true]])).toEqual([['b']]);
  });

  it('begins two a turn, the urgent ones first, each kind in its order', async () => {
    const asked = ['a', 'b', 'c', 'd', 'e', 'F', 'G', 'H'].map((name) => [name, name < 'a'] as const);
    expect(await turnsOf(new Turns(), asked)).toEqual([
      ['a', 'b'],
      ['F', 'G'],
      ['H', 'c'],
      ['d', 'e'],
    ]);
  });

  it('does not keep a process alive that has nothing to begin', async () => {
    const turns = new Turns();
    turns.next(false);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(process.getActiveResourcesInfo().filter((name) => name === 'Immediate')).toEqual([]);
  });
});
