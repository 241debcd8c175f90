import { describe, expect, test } from 'vitest';
import { type TileIndex, TileIndexes } from '../../src/pyramid/tile-index.js';

/** An index of `tiles` tiles: 12 bytes each. */
const indexOf = (tiles: number): TileIndex => ({
  offsets: new Float64Array(tiles),
  lengths: new Uint32Array(tiles),
  missing: tiles,
  bytes: 0,
});

describe('the indexes in memory', () => {
  test('are read once and kept within their bound, the least recently used given up first', async () => {
    const indexes = new TileIndexes(100 * 12);
    const read: string[] = [];
    const levels = { a: {}, b: {}, c: {} };
    const get = (name: keyof typeof levels, tiles = 40) =>
      indexes.get(levels[name], async () => {
        read.push(name);
        return indexOf(tiles);
      });
    await Promise.all([get('a'), get('a'), get('b')]);
    await get('a');
    expect(read).toEqual(['a', 'b']);
    expect(indexes.bytes).toBe(80 * 12);
    await get('c');
    expect(indexes.bytes).toBe(80 * 12);
    await get('a');
    await get('b');
    expect(read).toEqual(['a', 'b', 'c', 'b']);
    indexes.drop(levels.b);
    indexes.drop(levels.b);
    expect(indexes.bytes).toBe(40 * 12);
  });

  test('one that is larger than the bound is kept alone', async () => {
    const indexes = new TileIndexes(100);
    const [small, large] = [{}, {}];
    await indexes.get(small, async () => indexOf(5));
    await indexes.get(large, async () => indexOf(1000));
    expect(indexes.bytes).toBe(12_000);
    await indexes.get(small, async () => indexOf(5));
    expect(indexes.bytes).toBe(60);
  });

  test('a failure is forgotten, and one that is dropped while it is read is not kept', async () => {
    const indexes = new TileIndexes(1000);
    const level = {};
    await expect(indexes.get(level, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const reading = indexes.get(level, async () => indexOf(5));
    indexes.drop(level);
    expect((await reading).missing).toBe(5);
    expect(indexes.bytes).toBe(0);
  });
});
