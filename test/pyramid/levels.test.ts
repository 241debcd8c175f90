import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseFull, chooseLevels, downsamples, type ImageDirectory, isReduction } from '../../src/pyramid/levels.js';

const directory = (width: number, height: number, rest: Partial<ImageDirectory> = {}): ImageDirectory => ({
  width,
  height,
  reduced: false,
  mask: false,
  tiled: true,
  samplesPerPixel: 3,
  bitsPerSample: 8,
  ...rest,
});

const sizes = (levels: readonly ImageDirectory[]) => levels.map(({ width, height }) => `${width}x${height}`);

describe('isReduction', () => {
  test('takes every level of a pyramid, whichever way and by whatever ratio its writer rounds', () => {
    const rounding = fc.constantFrom(Math.floor, Math.ceil, Math.round);
    const side = fc.integer({ min: 1, max: 200_000 });
    const ratio = fc.double({ min: 1.2, max: 16, noNaN: true });
    fc.assert(
      fc.property(side, side, ratio, rounding, (width, height, step, round) => {
        for (let scale = step; Math.max(width, height) / scale >= 1; scale *= step) {
          const level = { width: Math.max(1, round(width / scale)), height: Math.max(1, round(height / scale)) };
          if (level.width === width && level.height === height) continue;
          expect(isReduction({ width, height }, level)).toBe(true);
        }
      }),
    );
  });

  test('takes levels halved one from the other, rounded up or down each time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 200_000 }),
        fc.integer({ min: 2, max: 200_000 }),
        fc.boolean(),
        (width, height, up) => {
          const half = (value: number) => (up ? Math.ceil(value / 2) : Math.max(1, Math.floor(value / 2)));
          for (
            let level = { width: half(width), height: half(height) };
            ;
            level = { width: half(level.width), height: half(level.height) }
          ) {
            expect(isReduction({ width, height }, level)).toBe(true);
            if (level.width === 1 && level.height === 1) break;
          }
        },
      ),
    );
  });

  test('refuses other proportions, larger images and the image itself', () => {
    expect(isReduction({ width: 2220, height: 2967 }, { width: 387, height: 463 })).toBe(false);
    expect(isReduction({ width: 2220, height: 2967 }, { width: 1280, height: 431 })).toBe(false);
    expect(isReduction({ width: 640, height: 480 }, { width: 1280, height: 960 })).toBe(false);
    expect(isReduction({ width: 640, height: 480 }, { width: 640, height: 480 })).toBe(false);
  });
});

describe('chooseFull', () => {
  test('is the first page that is neither reduced nor a mask', () => {
    const pages = [directory(100, 75, { reduced: true }), directory(800, 600), directory(900, 900)];
    expect(chooseFull(pages)).toBe(pages[1]);
  });

  test('falls back on the largest where every page says that it is reduced', () => {
    const pages = [directory(100, 75, { reduced: true }), directory(800, 600, { reduced: true })];
    expect(chooseFull(pages)).toBe(pages[1]);
  });

  test('is none among masks', () => {
    expect(chooseFull([directory(800, 600, { mask: true })])).toBeUndefined();
  });
});

describe('chooseLevels', () => {
  const full = directory(1000, 800);

  test('sorts pages by size and leaves masks, other pictures and other pixel types out', () => {
    const pages = [
      full,
      directory(1000, 800, { mask: true }),
      directory(250, 200),
      directory(500, 400, { reduced: true }),
      directory(500, 400, { mask: true, reduced: true }),
      directory(300, 500),
      directory(125, 100, { samplesPerPixel: 1 }),
      directory(125, 100, { bitsPerSample: 16 }),
    ];
    const { layout, levels } = chooseLevels(full, pages, []);
    expect(layout).toBe('pages');
    expect(sizes(levels)).toEqual(['1000x800', '500x400', '250x200']);
  });

  test('prefers SubIFDs to pages', () => {
    const { layout, levels } = chooseLevels(
      full,
      [full, directory(500, 400)],
      [directory(333, 267), directory(111, 89)],
    );
    expect(layout).toBe('subifds');
    expect(sizes(levels)).toEqual(['1000x800', '333x267', '111x89']);
  });

  test('takes one of several images of one size: channels and focal planes are no levels', () => {
    const pages = [full, directory(1000, 800), directory(500, 400), directory(500, 400)];
    expect(sizes(chooseLevels(full, pages, []).levels)).toEqual(['1000x800', '500x400']);
  });

  test('takes no thumbnail in strips below a tiled image', () => {
    expect(chooseLevels(full, [full, directory(500, 400, { tiled: false, reduced: true })], []).layout).toBe('single');
  });

  test('takes pages in strips below an image in strips only when they say that they are reduced', () => {
    const strips = directory(1000, 800, { tiled: false });
    const page = directory(500, 400, { tiled: false });
    expect(chooseLevels(strips, [strips, page], []).layout).toBe('single');
    expect(chooseLevels(strips, [strips, { ...page, reduced: true }], []).layout).toBe('pages');
    expect(chooseLevels(strips, [strips, directory(500, 400)], []).layout).toBe('pages');
  });

  test('takes no page of nearly the same size', () => {
    expect(chooseLevels(full, [full, directory(999, 799), directory(998, 798)], []).layout).toBe('single');
  });
});

describe('downsamples', () => {
  const of = (...sides: [number, number][]) => downsamples(sides.map(([width, height]) => ({ width, height })));
  const same = (scale: number) => ({ x: scale, y: scale });

  test('are powers of two where each level is half the one above, whichever way it is rounded', () => {
    const side = fc.integer({ min: 1, max: 200_000 });
    fc.assert(
      fc.property(side, side, fc.boolean(), (width, height, up) => {
        const levels = [{ width, height }];
        for (let { width: w, height: h } = { width, height }; w > 1 || h > 1; ) {
          w = up ? Math.ceil(w / 2) : Math.max(1, Math.floor(w / 2));
          h = up ? Math.ceil(h / 2) : Math.max(1, Math.floor(h / 2));
          levels.push({ width: w, height: h });
        }
        expect(downsamples(levels)).toEqual(levels.map((_, k) => same(2 ** k)));
      }),
      {
        examples: [
          [1, 3, false],
          [2, 6, false],
          [1, 5, true],
        ],
      },
    );
  });

  test('skip levels', () => {
    expect(of([1001, 803], [251, 201], [63, 51])).toEqual([same(1), same(4), same(16)]);
    expect(of([1001, 803], [250, 200], [62, 50])).toEqual([same(1), same(4), same(16)]);
  });

  test('are ratios where levels shrink by other steps, per axis', () => {
    expect(of([1001, 500], [334, 167], [112, 56])).toEqual([
      same(1),
      { x: 1001 / 334, y: 500 / 167 },
      { x: 1001 / 112, y: 500 / 56 },
    ]);
    expect(of([1000, 999], [500, 498])).toEqual([same(1), { x: 2, y: 999 / 498 }]);
  });
});
