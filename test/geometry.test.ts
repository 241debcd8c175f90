import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ceilDiv,
  coverSpan,
  dyadic,
  keepInside,
  levelSizes,
  meetSpans,
  orientedSize,
  rectOf,
  roundHalfUp,
  roundLength,
  roundSpan,
  roundUp,
  tileCount,
  tileSpan,
  touchSpan,
  wholeNear,
} from '../src/geometry.js';

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

describe('rounding', () => {
  test('is half up, below zero too, and forgives arithmetic', () => {
    expect([2.5, 2.49, -2.5, -2.51, -66.67, -0.5, 0.1 * 15].map(roundHalfUp)).toEqual([3, 2, -2, -3, -67, 0, 2]);
    expect([0, 0.4, 1.5].map(roundLength)).toEqual([1, 1, 2]);
  });

  test('of spans', () => {
    expect(roundSpan(0.5, 3.2)).toEqual({ start: 1, end: 3 });
    expect(roundSpan(3.2, 3.3)).toEqual({ start: 3, end: 4 });
    expect(coverSpan(0.9999999, 3.0000001)).toEqual({ start: 1, end: 3 });
    expect(coverSpan(0.9, 3.1)).toEqual({ start: 0, end: 4 });
    expect(touchSpan(0.9999999, 3.0000001)).toEqual({ start: 0, end: 4 });
    expect([wholeNear(2.9999999), wholeNear(2.9)]).toEqual([3, undefined]);
  });

  test('to 2⁻³⁰ makes shifts by whole pixels exact', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -2, max: 2, noNaN: true }),
        fc.double({ min: -1e5, max: 1e5, noNaN: true }),
        fc.integer({ min: -1e5, max: 1e5 }),
        fc.integer({ min: 0, max: 1e4 }),
        (a, c, shift, x) => {
          const [slope, offset] = [dyadic(a), dyadic(c)];
          expect(slope * (x + 0.5) + (slope * shift + offset)).toBe(slope * (x + shift + 0.5) + offset);
        },
      ),
    );
  });
});

test('spans meet, are kept inside, and touch tiles', () => {
  expect(meetSpans({ start: 0, end: 5 }, { start: 3, end: 9 })).toEqual({ start: 3, end: 5 });
  expect(meetSpans({ start: 0, end: 2 }, { start: 3, end: 9 })).toEqual({ start: 3, end: 3 });
  expect(keepInside({ start: -5, end: 3 }, { start: 0, end: 9 })).toEqual({ start: 0, end: 3 });
  expect(keepInside({ start: 12, end: 15 }, { start: 0, end: 9 })).toEqual({ start: 8, end: 9 });
  expect(keepInside({ start: -9, end: -5 }, { start: 0, end: 9 })).toEqual({ start: 0, end: 1 });
  expect(tileSpan({ start: 15, end: 33 }, 16)).toEqual({ start: 0, end: 3 });
  expect(rectOf({ start: 1, end: 3 }, { start: 2, end: 7 })).toEqual({ left: 1, top: 2, width: 2, height: 5 });
});
