import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { planRegion, type RegionPlan, relativeTo, storedTileOf } from '../../src/region/plan.js';
import type { ImageRequest, LayerRequest, ViewRequest } from '../../src/region/request.js';
import { direct, execute, imageOf, images, NO_LIMITS, type Place, requestOf, requests, tilesOf } from './support.js';

/** A plan, or null where the request leaves nothing of the layer. */
function planOrNull(image: ReturnType<typeof imageOf>, request: ImageRequest): RegionPlan | null {
  try {
    return planRegion(image, request, NO_LIMITS);
  } catch (error) {
    if (error instanceof PyramidionError && error.option === 'extend') return null;
    if (error instanceof PyramidionError && error.option === 'crop') return null;
    throw error;
  }
}

const same = (a: Place, b: Place): boolean => a?.x === b?.x && a?.y === b?.y;

describe('§5.3', () => {
  const image = imageOf(1000, 600, 64);
  const view = (changes: Partial<ViewRequest>) => planRegion(image, requestOf({ view: changes }));

  test.each<[string, Partial<ViewRequest>, string, string]>([
    ['nothing', {}, '300×180', '300×180+0+0'],
    ['wid=200', { wid: 200 }, '200×120', '200×120+0+0'],
    ['wid=200&hei=200', { wid: 200, hei: 200 }, '200×200', '200×120+0+40'],
    ['align=0,-1', { wid: 200, hei: 200, align: { x: 0, y: -1 } }, '200×200', '200×120+0+0'],
    ['constrain', { wid: 200, hei: 200, fit: { mode: 'constrain', upscale: false } }, '200×120', '200×120+0+0'],
    ['crop', { wid: 200, hei: 200, fit: { mode: 'crop', upscale: false } }, '200×200', '200×200+0+0'],
    ['wrap', { wid: 200, hei: 200, fit: { mode: 'wrap', upscale: false } }, '333×200', '333×200+0+0'],
    ['stretch', { wid: 200, hei: 200, fit: { mode: 'stretch', upscale: false } }, '200×200', '200×200+0+0'],
    ['scl=4', { scl: 4 }, '250×150', '250×150+0+0'],
    ['scl=4&wid=100&hei=100', { scl: 4, wid: 100, hei: 100 }, '100×100', '100×100+0+0'],
    ['wid=2000', { wid: 2000 }, '1000×600', '1000×600+0+0'],
    ['fit=fit,1', { wid: 2000, fit: { mode: 'fit', upscale: true } }, '2000×1200', '2000×1200+0+0'],
    ['wid=2000&hei=2000', { wid: 2000, hei: 2000 }, '2000×2000', '1000×600+500+700'],
    ['rgn', { rgn: { x: 100, y: 100, width: 400, height: 400 }, wid: 200 }, '200×200', '200×200+0+0'],
    ['rect', { wid: 1000, rect: { x: 0, y: 0, width: 256, height: 256, scale: 1 } }, '256×256', '256×256+0+0'],
    ['rect,0.5', { wid: 1000, rect: { x: 0, y: 0, width: 256, height: 256, scale: 0.5 } }, '256×256', '256×256+0+0'],
  ])('%s', (_, changes, reply, picture) => {
    const { size, crop, frame } = view(changes);
    expect(`${size.width}×${size.height}`).toBe(reply);
    expect(`${crop.width}×${crop.height}+${frame.left}+${frame.top}`).toBe(picture);
  });

  test('fit=crop cuts 67 columns at the left, and scales by a third', () => {
    const plan = view({ wid: 200, hei: 200, fit: { mode: 'crop', upscale: false } });
    expect(plan.x.first).toBe(0);
    expect(plan.x.origin / plan.x.step).toBeCloseTo(67, 9);
    expect((plan.x.step * 2 ** plan.level).toFixed(2)).toBe('3.00');
  });

  test('stretch scales each side by itself', () => {
    const plan = view({ wid: 200, hei: 200, fit: { mode: 'stretch', upscale: false } });
    expect(plan.x.step * 2 ** plan.level).toBeCloseTo(5);
    expect(plan.y.step * 2 ** plan.level).toBeCloseTo(3);
  });

  test('scl cuts from the centre', () => {
    const plan = view({ scl: 4, wid: 100, hei: 100 });
    expect([plan.level, plan.x.origin + plan.x.first, plan.y.origin + plan.y.first]).toEqual([2, 75, 25]);
  });

  test("rect's scale makes another view", () => {
    const { view: size } = view({ wid: 1000, rect: { x: 0, y: 0, width: 256, height: 256, scale: 0.5 } });
    expect(size).toEqual({ width: 500, height: 300 });
  });

  test('what lies around the region of interest is shown where the view has room', () => {
    const plan = view({ rgn: { x: 100, y: 0, width: 100, height: 600 }, wid: 300, hei: 600 });
    expect(plan.frame).toMatchObject({ left: 0, canvas: { left: 0, top: 0, width: 300, height: 600 } });
    expect(plan.x.origin + plan.x.first).toBe(0);
  });

  test('a region beside the image shows nothing', () => {
    const plan = view({ rgn: { x: 2000, y: 0, width: 100, height: 100 }, wid: 50 });
    expect(plan).toMatchObject({ empty: true, size: { width: 50, height: 50 }, decodedPixels: 0 });
    expect(plan.frame.canvas.width).toBe(0);
    // As the native contract has it: `high` is above `low`, also where nothing is made.
    const none = { origin: 0, step: 1, first: 0, count: 0, low: 0, high: 1 };
    expect(relativeTo(plan, 0, 0)).toEqual({ x: none, y: none });
  });

  test.each<[string, Partial<ViewRequest>]>([
    ['fit', { fit: { mode: 'crop', upscale: false } }],
    ['rgn', { rgn: { x: 0, y: 0, width: 0, height: 5 } }],
    ['rect', { rect: { x: 0, y: 0, width: 5, height: -1, scale: 1 } }],
  ])('%s that makes no sense is refused', (option, changes) => {
    expect(() => view(changes)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST', option }));
  });
});

describe('§5.1', () => {
  const image = imageOf(1000, 600, 64);
  const composite = (layer: Partial<LayerRequest>) => {
    const { width, height } = planRegion(image, requestOf({ layer, view: { wid: 100 } })).composite;
    return [width, height];
  };
  const parts = { unit: 'parts' } as const;
  const pixels = { unit: 'pixels' } as const;

  test.each<[string, Partial<LayerRequest>, [number, number]]>([
    ['the whole', {}, [1000, 600]],
    ['crop', { crop: { ...pixels, x: 10, y: 20, width: 300, height: 200 } }, [300, 200]],
    ['crop to the edge', { crop: { ...pixels, x: 10, y: 20, width: 0, height: 0 } }, [990, 580]],
    ['crop beyond the edge', { crop: { ...pixels, x: -10, y: 20, width: 2000, height: 20 } }, [2000, 20]],
    ['cropN', { crop: { ...parts, x: 0.1, y: 0.25, width: 0.5, height: 0.0001 } }, [500, 1]],
    ['size', { scale: { by: 'size', width: 500, height: 500 } }, [500, 300]],
    ['size, one side', { scale: { by: 'size', width: 0, height: 1200 } }, [2000, 1200]],
    ['size 0,0', { scale: { by: 'size', width: 0, height: 0 } }, [1000, 600]],
    ['scale', { scale: { by: 'scale', factor: 0.3333 } }, [333, 200]],
    ['res', { scale: { by: 'res', dpi: 36 } }, [500, 300]],
    ['rotate 90', { rotate: 90 }, [600, 1000]],
    ['rotate −180', { rotate: -180 }, [1000, 600]],
    // 1000·cos 30° + 600·sin 30° = 1166.03; 1000·sin 30° + 600·cos 30° = 1019.6
    ['rotate 30', { rotate: 30 }, [1168, 1020]],
    ['extend', { extend: { ...pixels, left: 10, top: 20, right: -30, bottom: 40 } }, [980, 660]],
    ['extendN', { extend: { ...parts, left: 0.1, top: 0, right: 0, bottom: -0.5 } }, [1100, 300]],
    ['extendN after rotate', { rotate: 90, extend: { ...parts, left: 0.1, top: 0, right: 0, bottom: 0 } }, [660, 1000]],
  ])('%s', (_, layer, size) => {
    expect(composite(layer)).toEqual(size);
  });

  test('what leaves nothing is refused', () => {
    const extend = { ...pixels, left: -500, top: 0, right: -500, bottom: 0 };
    expect(() => composite({ extend })).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST', option: 'extend' }));
    const crop = { ...pixels, x: 1000, y: 0, width: 0, height: 0 };
    expect(() => composite({ crop })).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST', option: 'crop' }));
    const negative = { ...pixels, x: 0, y: 0, width: -5, height: 0 };
    expect(() => composite({ crop: negative })).toThrow(expect.objectContaining({ option: 'crop' }));
  });

  test('pixels that were cropped away are not sampled', () => {
    const crop = { ...pixels, x: 101, y: 50, width: 201, height: 100 };
    const plan = planRegion(image, requestOf({ layer: { crop }, view: { wid: 100 } }));
    expect([plan.level, plan.x.low, plan.x.high]).toEqual([1, 50, 151]);
    expect(planRegion(image, requestOf({ view: { rgn: crop, wid: 100 } })).x).toMatchObject({ low: 0, high: 500 });
  });
});

describe('positions', () => {
  test('are those of the request', () => {
    fc.assert(
      fc.property(images, requests, (image, request) => {
        const plan = planOrNull(image, request);
        if (plan === null) return;
        const expected = direct(image, request);
        expect([plan.size.width, plan.size.height]).toEqual(expected.size);
        const level = image.levels[plan.level];
        // Levels of odd sides cover a little more than the image; pixels taken one to one are off by that much.
        const slack = plan.x.step === 1 && plan.y.step === 1 ? (level?.downsampleX ?? 1) : 0;
        const isAslant = request.layer.rotate % 90 !== 0;
        const precision = (isAslant ? 1e-4 : 1e-6) + slack;
        const wrong = execute(plan, image).findIndex((place, index) => {
          const wanted = expected.places[index];
          if (place === undefined || wanted === undefined) return !isAslant && place !== wanted;
          return !(Math.abs(place.x - wanted.x) <= precision && Math.abs(place.y - wanted.y) <= precision);
        });
        expect(wrong, JSON.stringify(request)).toBe(-1);
      }),
      { numRuns: 1500 },
    );
  });

  test('of an image that lies aslant: every pixel inside it shows it', () => {
    fc.assert(
      fc.property(images, requests, fc.integer({ min: 1, max: 359 }), (image, request, degrees) => {
        const aslant = { ...request, layer: { ...request.layer, rotate: degrees + 0.3 } };
        const plan = planOrNull(image, aslant);
        if (plan === null) return;
        const places = execute(plan, image);
        direct(image, aslant).places.forEach((wanted, index) => {
          if (wanted === undefined) return;
          const margin = 1e-3;
          const isInner =
            wanted.x > margin &&
            wanted.y > margin &&
            wanted.x < image.width - margin &&
            wanted.y < image.height - margin;
          if (isInner && aslant.layer.crop === null) expect(places[index]).toBeDefined();
        });
      }),
      { numRuns: 500 },
    );
  });

  test('of a piece are those of the whole, to the last bit', () => {
    const pieces = fc.record({
      x: fc.integer({ min: -10, max: 60 }),
      y: fc.integer({ min: -10, max: 60 }),
      width: fc.integer({ min: 1, max: 40 }),
      height: fc.integer({ min: 1, max: 40 }),
      scale: fc.constantFrom(1, 1, 0.5, 1.75),
    });
    fc.assert(
      fc.property(images, requests, pieces, (image, request, rect) => {
        const all = { x: -10, y: -10, width: 180, height: 180, scale: rect.scale };
        const whole = planOrNull(image, { ...request, view: { ...request.view, rect: all } });
        const piece = planOrNull(image, { ...request, view: { ...request.view, rect } });
        if (whole === null || piece === null) return;
        expect(piece.view).toEqual(whole.view);
        const wholePlaces = execute(whole, image);
        const wrong = execute(piece, image).findIndex((place, index) => {
          const column = rect.x + (index % rect.width) + 10;
          const row = rect.y + Math.floor(index / rect.width) + 10;
          return !same(place, wholePlaces[row * all.width + column]);
        });
        expect(wrong, JSON.stringify(request)).toBe(-1);
        if (piece.empty) return;
        expect(piece.level).toBe(whole.level);
        for (const axis of ['x', 'y'] as const) {
          const { origin, step, low, high } = piece[axis];
          expect({ origin, step, low, high }).toEqual({
            origin: whole[axis].origin,
            step: whole[axis].step,
            low: whole[axis].low,
            high: whole[axis].high,
          });
        }
        expect(piece.frame.canvas.width).toBeLessThanOrEqual(piece.size.width);
      }),
      { numRuns: 700 },
    );
  });

  test('lie between low and high, which are the crop in whole pixels of the level', () => {
    const within = fc.record({
      x: fc.double({ min: 0, max: 0.9, noNaN: true }),
      y: fc.double({ min: 0, max: 0.9, noNaN: true }),
      width: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      height: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
    });
    fc.assert(
      fc.property(images, requests, within, (image, request, parts) => {
        const crop = { unit: 'parts', ...parts } as const;
        const plan = planOrNull(image, { ...request, layer: { ...request.layer, crop, extend: null, rotate: 90 } });
        const level = plan && image.levels[plan.level];
        if (plan === null || plan.empty || !level) return;
        const upright = image.orientation >= 5;
        const [across, down] = upright ? [parts.height, parts.width] : [parts.width, parts.height];
        const [fromX, fromY] = upright ? [parts.y, parts.x] : [parts.x, parts.y];
        const length = (from: number, share: number, side: number): number =>
          Math.min(side, Math.round(from * side) + Math.max(1, Math.round(share * side))) - Math.round(from * side);
        const { x, y } = plan;
        const d = level.downsampleX;
        expect(Math.abs((x.high - x.low) * d - length(fromX, across, image.width))).toBeLessThan(2 * d);
        expect(Math.abs((y.high - y.low) * d - length(fromY, down, image.height))).toBeLessThan(2 * d);
        const slack = x.step === 1 && y.step === 1 ? 1 : 1e-6;
        const isBetween = (value: number, low: number, high: number): boolean =>
          value / d >= low - slack && value / d <= high + slack;
        const isFilled = request.view.rgn === null;
        const places = execute(plan, image).filter((place) => place !== undefined);
        if (isFilled) {
          expect(places.every((place) => isBetween(place.x, x.low, x.high) && isBetween(place.y, y.low, y.high))).toBe(
            true,
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  test('of a rotation: two pixels around each are there, as far as the image goes', () => {
    fc.assert(
      fc.property(images, requests, fc.integer({ min: 1, max: 40 }), (image, request, side) => {
        const layer = { ...request.layer, rotate: 31.7 };
        const rect = { x: 11, y: 13, width: side, height: side, scale: 1 };
        const all = { x: -300, y: -300, width: 900, height: 900, scale: 1 };
        const at = (window: typeof rect) =>
          planOrNull(image, { ...request, layer, view: { ...request.view, rgn: null, rect: window } });
        const [piece, whole] = [at(rect), at(all)];
        if (piece === null || whole === null || piece.rotate === null) return;
        const { a, b, c, d, e, f, width, height } = piece.rotate;
        for (let v = 0.5; v < height; v++) {
          for (let u = 0.5; u < width; u++) {
            const [x, y] = [a * u + b * v + c, d * u + e * v + f];
            if (x < 0 || y < 0 || x > piece.x.count || y > piece.y.count) continue;
            const isThere = (at: number, axis: 'x' | 'y'): boolean =>
              (at >= 2 || piece[axis].first === whole[axis].first) &&
              (at <= piece[axis].count - 2 ||
                piece[axis].first + piece[axis].count === whole[axis].first + whole[axis].count);
            if (!isThere(x, 'x') || !isThere(y, 'y')) throw new Error(`${u}, ${v} has too little around it`);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('sharpening has the pixels it looks at, as far as there are any', () => {
    const image = imageOf(400, 300, 64);
    const sharpen = { simple: true, usm: { amount: 1, radius: 2, threshold: 0, monochrome: false }, usmR: null };
    const rect = { x: 100, y: 0, width: 50, height: 50, scale: 1 };
    const plan = planRegion(image, requestOf({ sharpen, view: { wid: 200, rect } }));
    expect(plan.sharpen.map(({ kind }) => kind)).toEqual(['simple', 'unsharp']);
    expect(plan.crop).toEqual({ left: 8, top: 0, width: 50, height: 50 });
    expect([plan.x.first, plan.x.count, plan.y.first, plan.y.count]).toEqual([92, 66, 0, 58]);
    const nothing = { simple: false, usm: { amount: 0, radius: 2, threshold: 0, monochrome: false }, usmR: null };
    expect(planRegion(image, requestOf({ sharpen: nothing, view: { wid: 200 } })).sharpen).toEqual([]);
  });

  test('turned by four quarters are what they were', () => {
    fc.assert(
      fc.property(images, requests, (image, request) => {
        const at = (rotate: number) => planOrNull(image, { ...request, layer: { ...request.layer, rotate } });
        expect(at(360)).toEqual(at(0));
        expect(at(-270)).toEqual(at(90));
        expect(at(540)).toEqual(at(180));
      }),
      { numRuns: 100 },
    );
  });

  test('turned by a quarter are those of the picture, turned', () => {
    fc.assert(
      fc.property(images, (image) => {
        const at = (rotate: number) => planRegion(image, requestOf({ layer: { rotate }, view: { scl: 2 } }), NO_LIMITS);
        const [upright, turned] = [at(0), at(90)];
        const places = execute(upright, image);
        execute(turned, image).forEach((place, index) => {
          const x = index % turned.size.width;
          const y = Math.floor(index / turned.size.width);
          const wanted = places[(upright.size.height - 1 - x) * upright.size.width + y];
          expect(place?.x).toBeCloseTo(wanted?.x ?? Number.NaN, 9);
          expect(place?.y).toBeCloseTo(wanted?.y ?? Number.NaN, 9);
        });
      }),
    );
  });

  test('an orientation is shown as EXIF says', () => {
    const turns = [1, 2, 3, 4, 5, 6, 7, 8].map(
      (orientation) => planRegion(imageOf(40, 30, 16, orientation), requestOf({ view: { scl: 1 } })).turn,
    );
    expect(turns).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const turned = planRegion(imageOf(40, 30, 16, 6), requestOf({ layer: { rotate: 270 } }));
    expect([turned.turn, turned.size]).toEqual([1, { width: 40, height: 30 }]);
  });
});

describe('levels', () => {
  test('the smallest that is large enough, and the full one where none is', () => {
    fc.assert(
      fc.property(images, requests, (image, request) => {
        const plan = planOrNull(image, request);
        if (plan === null || plan.empty) return;
        const level = image.levels[plan.level];
        const isOneToOne = plan.x.step === 1 && plan.y.step === 1;
        const steps = [plan.x.step, plan.y.step];
        if (!isOneToOne && plan.level > 0) for (const step of steps) expect(step).toBeGreaterThanOrEqual(1 - 2e-9);
        const further = image.levels[plan.level + 1];
        if (isOneToOne || further === undefined || level === undefined) return;
        expect(Math.min(...steps) * (level.downsampleX / further.downsampleX)).toBeLessThan(1);
      }),
      { numRuns: 1000 },
    );
  });

  test('a level of its own size is shown pixel for pixel, odd sides or not', () => {
    fc.assert(
      fc.property(images, fc.nat(), (image, pick) => {
        const index = pick % image.levels.length;
        const level = image.levels[index];
        if (level === undefined) return;
        const [wid, hei] = image.orientation >= 5 ? [level.height, level.width] : [level.width, level.height];
        const fit = { mode: 'stretch', upscale: true } as const;
        const plan = planRegion(image, requestOf({ view: { wid, hei, fit } }));
        expect([plan.level, plan.x.step, plan.y.step, plan.x.origin, plan.y.origin]).toEqual([index, 1, 1, 0, 0]);
        expect(plan.window).toEqual({ left: 0, top: 0, width: level.width, height: level.height });
      }),
    );
  });

  test('a region that is a whole number of level pixels is too, also at the far edge', () => {
    const image = imageOf(1165, 859, 256);
    const view = { rgn: { x: 1024, y: 0, width: 141, height: 256 }, wid: 71, hei: 128 };
    const plan = planRegion(image, requestOf({ view: { ...view, fit: { mode: 'stretch', upscale: true } } }));
    expect([plan.level, plan.x.step, plan.y.step]).toEqual([1, 1, 1]);
    expect(plan.window).toEqual({ left: 512, top: 0, width: 71, height: 128 });
  });

  test('a region at scale 1 is of the full level, also the last pixel of odd sides', () => {
    const image = imageOf(211, 143, 16);
    const corner = { x: 210, y: 142, width: 1, height: 1 };
    const inset = { x: 209, y: 141, width: 2, height: 2 };
    for (const rgn of [corner, inset, { ...corner, x: 0 }]) {
      const plan = planRegion(image, requestOf({ view: { rgn, scl: 1 } }));
      expect([plan.level, plan.x.step, plan.y.step]).toEqual([0, 1, 1]);
      expect(plan.window).toEqual({ left: rgn.x, top: rgn.y, width: rgn.width, height: rgn.height });
    }
  });

  test('the window lies in the level and its tiles, and holds every pixel the kernel weighs', () => {
    const reach = { bilin: 1, bicub: 2, sharp2: 3, bisharp: 2 };
    fc.assert(
      fc.property(images, requests, (image, request) => {
        const plan = planOrNull(image, request);
        const level = plan && image.levels[plan.level];
        if (plan === null || plan.empty || !level) return;
        const { window, tiles } = plan;
        expect(window.left).toBeGreaterThanOrEqual(tiles.left * level.tileWidth);
        expect(window.top).toBeGreaterThanOrEqual(tiles.top * level.tileHeight);
        expect(window.left + window.width).toBeLessThanOrEqual((tiles.left + tiles.width) * level.tileWidth);
        expect(window.top + window.height).toBeLessThanOrEqual((tiles.top + tiles.height) * level.tileHeight);
        expect(window.left + window.width).toBeLessThanOrEqual(level.width);
        expect(window.top + window.height).toBeLessThanOrEqual(level.height);
        expect(plan.decodedPixels).toBe(tiles.width * tiles.height * level.tileWidth * level.tileHeight);
        const spans = [
          [plan.x, window.left, window.left + window.width],
          [plan.y, window.top, window.top + window.height],
        ] as const;
        for (const [axis, start, end] of spans) {
          expect(axis.low).toBeGreaterThanOrEqual(0);
          expect(axis.high).toBeGreaterThan(axis.low);
          const radius = reach[plan.kernel] * Math.max(1, axis.step);
          const isOneToOne = axis.step === 1 && Number.isInteger(axis.origin);
          for (const i of [axis.first, axis.first + axis.count - 1]) {
            const centre = axis.origin + (i + 0.5) * axis.step;
            for (let j = Math.floor(centre - radius) - 1; j <= centre + radius + 1; j++) {
              const distance = Math.abs(j + 0.5 - centre);
              if (distance >= radius || (isOneToOne && distance > 0.25)) continue;
              const tap = Math.min(Math.max(j, axis.low), axis.high - 1);
              expect(tap >= start && tap < end, `tap ${tap} of ${start}…${end}`).toBe(true);
            }
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('axes relative to the tiles name the same pixels', () => {
    fc.assert(
      fc.property(images, requests, (image, request) => {
        const plan = planOrNull(image, request);
        const level = plan && image.levels[plan.level];
        if (plan === null || plan.empty || !level) return;
        const left = plan.tiles.left * level.tileWidth;
        const top = plan.tiles.top * level.tileHeight;
        const { x, y } = relativeTo(plan, left, top);
        expect(x.origin + left).toBeCloseTo(plan.x.origin, 9);
        expect(y.origin + top).toBeCloseTo(plan.y.origin, 9);
        expect([x.step, x.first, x.count]).toEqual([plan.x.step, plan.x.first, plan.x.count]);
        expect([x.low + left, x.high + left]).toEqual([plan.window.left, plan.window.left + plan.window.width]);
        expect([y.low + top, y.high + top]).toEqual([plan.window.top, plan.window.top + plan.window.height]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('stored tiles', () => {
  test('the tiles of every level cover it once, and each inner one is passed through', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 200 }), (width, height) => {
        const image = imageOf(width, height, 16);
        image.levels.forEach((level, index) => {
          const [columns, rows] = tilesOf(level);
          const covered = new Uint8Array(level.width * level.height);
          for (let row = 0; row < rows; row++) {
            for (let column = 0; column < columns; column++) {
              const rect = {
                x: column * 16,
                y: row * 16,
                width: Math.min(16, level.width - column * 16),
                height: Math.min(16, level.height - row * 16),
                scale: 1,
              };
              const fit = { mode: 'stretch', upscale: true } as const;
              const plan = planRegion(image, requestOf({ view: { wid: level.width, hei: level.height, fit, rect } }));
              expect(plan.level).toBe(index);
              expect(plan.tiles).toEqual({ left: column, top: row, width: 1, height: 1 });
              for (let y = plan.window.top; y < plan.window.top + plan.window.height; y++) {
                for (let x = plan.window.left; x < plan.window.left + plan.window.width; x++) {
                  const at = y * level.width + x;
                  covered[at] = (covered[at] ?? 0) + 1;
                }
              }
              const isInner = rect.width === 16 && rect.height === 16;
              expect(storedTileOf(plan, image)).toEqual(isInner ? { level: index, column, row } : null);
            }
          }
          expect(covered.every((count) => count === 1)).toBe(true);
        });
      }),
      { numRuns: 40 },
    );
  });

  test('however it is asked for', () => {
    const image = imageOf(1165, 859, 256);
    const tile = { level: 1, column: 1, row: 0 };
    const rect = { x: 256, y: 0, width: 256, height: 256, scale: 1 };
    const asked = (view: Partial<ViewRequest>, rest: Partial<ImageRequest> = {}, layer: Partial<LayerRequest> = {}) =>
      storedTileOf(planRegion(image, requestOf({ ...rest, view, layer })), image);
    expect(asked({ wid: 583, rect })).toEqual(tile);
    expect(asked({ wid: 1165, rect: { ...rect, scale: 0.5 } })).toEqual(tile);
    expect(asked({ rgn: { x: 512, y: 0, width: 512, height: 512 }, wid: 256 })).toEqual(tile);
    expect(asked({ rgn: { x: 512, y: 0, width: 512, height: 512 }, scl: 2 })).toEqual(tile);
    expect(asked({ scl: 2 }, {}, { crop: { unit: 'pixels', x: 512, y: 0, width: 512, height: 512 } })).toEqual(tile);
    expect(asked({ wid: 583, rect: { ...rect, x: 257 } })).toBeNull();
    expect(asked({ wid: 583, rect: { ...rect, width: 255 } })).toBeNull();
    expect(asked({ wid: 582, rect })).toBeNull();
    expect(asked({ wid: 583, rect }, { flip: 'lr' })).toBeNull();
    expect(asked({ wid: 583, rect }, { sharpen: { simple: true, usm: null, usmR: null } })).toBeNull();
    expect(asked({ wid: 583, rect: { ...rect, width: 257 } })).toBeNull();
  });
});

describe('numbers of any size', () => {
  const number = fc.oneof(fc.constantFrom(1, 2, 7, 1000, 2 ** 31), fc.integer({ min: 1, max: 2 ** 31 }));
  const factor = fc.oneof(
    fc.constantFrom(1e-300, 1e-9, 0.5, 1, 3, 1e9),
    fc.double({ min: 1e-12, max: 1e12, noNaN: true }),
  );
  const signed = fc.tuple(number, fc.constantFrom(-1, 0, 1)).map(([value, sign]) => value * sign);
  const rectangle = fc.record({ x: signed, y: signed, width: number, height: number });
  const extremes = fc.record({
    view: fc.record({
      rgn: fc.option(rectangle),
      wid: fc.option(number),
      hei: fc.option(number),
      scl: fc.option(factor),
      rect: fc.record({
        x: signed,
        y: signed,
        width: fc.constantFrom(1, 90),
        height: fc.constantFrom(1, 90),
        scale: factor,
      }),
    }),
    layer: fc.record({
      crop: fc.option(rectangle.map((rect) => ({ unit: 'pixels' as const, ...rect }))),
      scale: fc.option(factor.map((value) => ({ by: 'scale' as const, factor: value }))),
      rotate: fc.oneof(signed, fc.double({ min: -1e6, max: 1e6, noNaN: true })),
      anchor: fc.option(fc.record({ unit: fc.constant('pixels' as const), x: signed, y: signed })),
    }),
  });

  test('make a plan inside the level, or an error of ours', () => {
    fc.assert(
      fc.property(images, extremes, (image, changes) => {
        let plan: RegionPlan;
        try {
          plan = planRegion(image, requestOf(changes));
        } catch (error) {
          expect(error).toBeInstanceOf(PyramidionError);
          expect((error as PyramidionError).code).not.toBe('INTERNAL');
          return;
        }
        if (plan.empty) return;
        const level = image.levels[plan.level];
        const { window, x, y, crop, frame, size } = plan;
        const numbers = [...Object.values(x), ...Object.values(y), ...Object.values(window), ...Object.values(crop)];
        expect(numbers.every(Number.isFinite), JSON.stringify(plan)).toBe(true);
        expect(window.left >= 0 && window.top >= 0 && window.width > 0 && window.height > 0).toBe(true);
        expect(window.left + window.width).toBeLessThanOrEqual(level?.width ?? 0);
        expect(window.top + window.height).toBeLessThanOrEqual(level?.height ?? 0);
        expect(frame.left >= 0 && frame.left + crop.width <= size.width).toBe(true);
        expect(frame.top >= 0 && frame.top + crop.height <= size.height).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('thumbnails', () => {
  const image = imageOf(1000, 600, 64);
  const thumbnail = { type: 'fit', horizontal: 'centre', vertical: 'centre', res: 36, defaultPix: [100, 100] } as const;

  test('lie within the rectangle, cover it, or show the image at a resolution', () => {
    const fit = planRegion(image, requestOf({ thumbnail }));
    expect([fit.size, fit.crop.height, fit.frame.top]).toEqual([{ width: 100, height: 100 }, 60, 20]);
    const crop = planRegion(image, requestOf({ thumbnail: { ...thumbnail, type: 'crop', horizontal: 'left' } }));
    expect([crop.size, crop.crop, crop.x.origin]).toEqual([fit.size, { left: 0, top: 0, width: 100, height: 100 }, 0]);
    expect(crop.x.step * 2 ** crop.level).toBeCloseTo(6, 1);
    const texture = planRegion(image, requestOf({ thumbnail: { ...thumbnail, type: 'texture' } }));
    expect(texture.x.step * 2 ** texture.level).toBe(2);
    expect(texture.crop).toEqual({ left: 0, top: 0, width: 100, height: 100 });
  });

  test('take their size from wid and hei, from the attribute, or from the proportions', () => {
    const sizeOf = (view: Partial<ViewRequest>, defaultPix: readonly [number, number]) =>
      Object.values(planRegion(image, requestOf({ view, thumbnail: { ...thumbnail, defaultPix } })).size);
    expect(sizeOf({}, [80, 50])).toEqual([80, 50]);
    expect(sizeOf({ wid: 30 }, [80, 50])).toEqual([30, 50]);
    expect(sizeOf({ wid: 50 }, [0, 0])).toEqual([50, 30]);
    expect(sizeOf({}, [0, 60])).toEqual([100, 60]);
  });

  test('enlarge', () => {
    const plan = planRegion(imageOf(10, 6), requestOf({ thumbnail }));
    expect([plan.crop.width, plan.crop.height]).toEqual([100, 60]);
  });

  test('align to the bottom, and cut what the layer of a given size cuts', () => {
    const bottom = planRegion(image, requestOf({ thumbnail: { ...thumbnail, vertical: 'bottom' } }));
    expect(bottom.frame.top).toBe(40);
    const layer = { scale: { by: 'size', width: 50, height: 50 } } as const;
    const sized = planRegion(image, requestOf({ thumbnail: { ...thumbnail, type: 'crop' }, layer }));
    expect([sized.composite, sized.size]).toEqual([
      { width: 50, height: 50 },
      { width: 100, height: 100 },
    ]);
  });

  test('go with no fit', () => {
    const fit = { mode: 'fit', upscale: false } as const;
    expect(() => planRegion(image, requestOf({ thumbnail, view: { wid: 10, fit } }))).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', option: 'fit' }),
    );
  });
});

describe('limits', () => {
  const image = imageOf(5000, 4000, 256);
  const refused = (setting: string) => expect.objectContaining({ code: 'LIMIT_EXCEEDED', option: setting });

  test('maxPix: equal is fine, and a rect is what counts', () => {
    const limits = { maxPix: [2000, 2000], maxRenderRgnPixels: 16, maxDecodedPixels: 128 } as const;
    expect(planRegion(image, requestOf({ view: { wid: 2000 } }), limits).size.width).toBe(2000);
    expect(() => planRegion(image, requestOf({ view: { wid: 2001 } }), limits)).toThrow(refused('maxPix'));
    const rect = { x: 0, y: 0, width: 256, height: 256, scale: 1 };
    expect(planRegion(image, requestOf({ view: { wid: 5000, rect } }), limits).size.width).toBe(256);
    expect(() => planRegion(image, requestOf({ view: { hei: 2001 } }), limits)).toThrow(
      expect.objectContaining({ value: [2501, 2001], limit: [2000, 2000] }),
    );
  });

  test('dpr multiplies the size, and is brought down to maxPix', () => {
    const sizeOf = (view: Partial<ViewRequest>) => planRegion(image, requestOf({ view })).size;
    expect(sizeOf({ wid: 400, dpr: 2 })).toEqual({ width: 800, height: 640 });
    expect(sizeOf({ dpr: 1.5 })).toEqual({ width: 450, height: 360 });
    expect(sizeOf({ scl: 10, dpr: 2 })).toEqual({ width: 1000, height: 800 });
    expect(sizeOf({ wid: 1500, hei: 1000, dpr: 2 })).toEqual({ width: 2000, height: 1333 });
  });

  test('pixels of the reply, of what is rotated, and of what is decoded', () => {
    const free = { maxPix: [0, 0], maxRenderRgnPixels: 1, maxDecodedPixels: 128 } as const;
    expect(() => planRegion(image, requestOf({ view: { wid: 2000 } }), free)).toThrow(refused('maxRenderRgnPixels'));
    const aslant = requestOf({ layer: { rotate: 45 }, view: { wid: 1000 } });
    expect(planRegion(image, aslant, free).size.width).toBe(1000);
    const few = { ...free, maxDecodedPixels: 1 };
    expect(() => planRegion(image, requestOf({ view: { wid: 1000 } }), few)).toThrow(refused('maxDecodedPixels'));
    const noPyramid = { ...image, levels: image.levels.slice(0, 1) };
    expect(() => planRegion(noPyramid, requestOf({}), { ...free, maxDecodedPixels: 16 })).toThrow(
      expect.objectContaining({ limit: 16e6 }),
    );
  });
});
