import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ceilDiv, levelSizes, orientedSize, roundUp, tileCount } from '../src/geometry.js';

const side = fc.integer({ min: 1, max: 2_000_000 });
const tile = fc.integer({ min: 4, max: 256 }).map((n) => 16 * n);

describe('levelSizes', () => {
  test('halves, rounding up, until one tile holds the level', () => {
    expect(levelSizes({ width: 1165, height: 859 }, 256, 'onetile')).toEqual([
      { width: 1165, height: 859 },
      { width: 583, height: 430 },
      { width: 292, height: 215 },
      { width: 146, height: 108 },
    ]);
  });

  test('goes down to one pixel, or nowhere', () => {
    const full = { width: 5, height: 3 };
    expect(levelSizes(full, 256, 'onepixel').map(({ width, height }) => [width, height])).toEqual([
      [5, 3],
      [3, 2],
      [2, 1],
      [1, 1],
    ]);
    expect(levelSizes(full, 256, 'one')).toEqual([full]);
    expect(levelSizes(full, 256, 'onetile')).toEqual([full]);
  });

  test('each level is half of the one above, and the last is the first that fits', () => {
    fc.assert(
      fc.property(side, side, tile, (width, height, tileSize) => {
        const sizes = levelSizes({ width, height }, tileSize, 'onetile');
        sizes.forEach((size, index) => {
          const above = sizes[index - 1];
          if (above) expect(size).toEqual({ width: ceilDiv(above.width, 2), height: ceilDiv(above.height, 2) });
          const fits = Math.max(size.width, size.height) <= tileSize;
          expect(fits).toBe(index === sizes.length - 1);
        });
      }),
    );
  });
});

test('orientations 5 to 8 swap the sides', () => {
  for (let orientation = 1; orientation <= 8; orientation++) {
    const turned = orientedSize({ width: 3, height: 2 }, orientation);
    expect(turned).toEqual(orientation >= 5 ? { width: 2, height: 3 } : { width: 3, height: 2 });
  }
});

test('tiles cover the level, and no row or column of them is outside', () => {
  fc.assert(
    fc.property(side, side, tile, (width, height, tileSize) => {
      const columns = ceilDiv(width, tileSize);
      const rows = ceilDiv(height, tileSize);
      expect(tileCount({ width, height }, tileSize)).toBe(columns * rows);
      expect(columns * tileSize).toBeGreaterThanOrEqual(width);
      expect((columns - 1) * tileSize).toBeLessThan(width);
      expect(roundUp(width, tileSize)).toBe(columns * tileSize);
    }),
  );
});
