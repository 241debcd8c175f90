/** Tiles that the viewer asks for: they cover every level once, and where the image stores such tiles they are those. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import { Engine } from '../../src/engine.js';
import { levelQuery, tileCount, tileQuery } from '../../src/viewer/assets/tiles.js';
import { tiledImage, type ViewerImage } from '../../src/viewer/facts.js';

let engine: Engine;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-tiles-'));
  engine = await Engine.start();
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

/** An image of levels that are halved and rounded by `round`, as other programs do it in their ways. */
function info(width: number, height: number, round: (side: number) => number, tile = 256): ViewerImage['info'] {
  const levels = [{ width, height }];
  for (let scale = 2; ; scale *= 2) {
    const last = levels.at(-1) ?? { width, height };
    if (last.width <= tile && last.height <= tile) break;
    levels.push({ width: Math.max(1, round(width / scale)), height: Math.max(1, round(height / scale)) });
  }
  return {
    kind: 'pyramid',
    width,
    height,
    orientation: 1,
    levels: levels.map((level, index) => ({
      ...level,
      tileWidth: tile,
      tileHeight: tile,
      columns: Math.ceil(level.width / tile),
      rows: Math.ceil(level.height / tile),
      downsample: { x: 2 ** index, y: 2 ** index },
    })),
    pixels: { space: 'rgb', bits: 8, alpha: 'none' },
    profile: null,
    dpi: null,
  };
}

const rectOf = (query: string): number[] => (/rect=([\d,]+)$/.exec(query)?.[1] ?? '').split(',').map(Number);

describe('levels', () => {
  test('are the stored ones, however they were rounded; the last fits a tile', () => {
    const side = fc.integer({ min: 1, max: 5000 });
    fc.assert(
      fc.property(side, side, fc.constantFrom(Math.floor, Math.ceil, Math.round), (width, height, round) => {
        const image = info(width, height, round);
        const { levels, tileSize } = tiledImage(image);
        expect(levels).toEqual(image.levels.map(({ width, height }) => ({ width, height })));
        expect(Math.max(levels.at(-1)?.width ?? 0, levels.at(-1)?.height ?? 0)).toBeLessThanOrEqual(tileSize);
      }),
    );
  });

  test('are made where none are stored, or tiles are of no use', () => {
    const whole = info(2000, 1001, Math.ceil);
    const plain = { ...whole, kind: 'image', levels: whole.levels.slice(0, 1) } as const;
    const sizes = [
      { width: 2000, height: 1001 },
      { width: 1000, height: 501 },
      { width: 500, height: 251 },
      { width: 250, height: 126 },
    ];
    expect(tiledImage(plain)).toEqual({ width: 2000, height: 1001, tileSize: 256, levels: sizes });
    const strips = whole.levels.map((level) => ({ ...level, tileWidth: level.width, tileHeight: 16 }));
    expect(tiledImage({ ...whole, levels: strips })).toEqual({
      width: 2000,
      height: 1001,
      tileSize: 256,
      levels: sizes,
    });
    expect(tiledImage(info(2000, 1001, Math.ceil, 512)).tileSize).toBe(512);
  });

  test('are upright where the image is stored on its side', () => {
    const lying = info(1001, 700, Math.floor);
    const upright = tiledImage({ ...lying, width: 700, height: 1001, orientation: 6 });
    expect(upright.levels).toEqual([
      { width: 700, height: 1001 },
      { width: 350, height: 500 },
      { width: 175, height: 250 },
    ]);
  });

  test('are asked for by their scale, and by their size where that rounds to another', () => {
    const image = tiledImage(info(5001, 3333, Math.ceil));
    expect([0, 1, 2].map((level) => levelQuery(image, level))).toEqual([
      'scl=1',
      'scl=2',
      'wid=1251&hei=834&fit=stretch',
    ]);
  });
});

describe('tiles', () => {
  test('cover a level once, and none is empty', () => {
    const side = fc.integer({ min: 1, max: 3000 });
    fc.assert(
      fc.property(side, side, (width, height) => {
        const image = tiledImage(info(width, height, Math.floor));
        for (const [level, size] of image.levels.entries()) {
          const { columns, rows } = tileCount(image, level);
          const across = Array.from({ length: columns }, (_, column) => rectOf(tileQuery(image, level, column, 0)));
          const down = Array.from({ length: rows }, (_, row) => rectOf(tileQuery(image, level, 0, row)));
          expect(across.every(([, , w = 0, h = 0]) => w > 0 && h > 0)).toBe(true);
          expect(across.reduce((sum, [, , w = 0]) => sum + w, 0)).toBe(size.width);
          expect(down.reduce((sum, [, , , h = 0]) => sum + h, 0)).toBe(size.height);
          expect(across.map(([x]) => x)).toEqual(across.map((_, column) => column * image.tileSize));
        }
      }),
    );
  });

  test.each([
    [1024, 512],
    [1001, 667],
    [1025, 767],
  ])('of a JPEG pyramid of %d × %d are its stored tiles, on every level', async (width, height) => {
    const path = join(folder, `${width}.tif`);
    await engine.build(samplePng(width, height), path, { compression: 'jpeg', tileSize: 64 });
    await engine.use(path, async (picture) => {
      const image = tiledImage(picture.info);
      expect(image.levels.length).toBe(picture.info.levels.length);
      for (const [level, size] of picture.info.levels.entries()) {
        const { columns, rows } = tileCount(image, level);
        expect({ columns, rows }).toEqual({ columns: size.columns, rows: size.rows });
        for (let row = 0; row < rows; row++) {
          for (let column = 0; column < columns; column++) {
            const query = tileQuery(image, level, column, row);
            const [, , w = 0, h = 0] = rectOf(query);
            const isWhole = w === 64 && h === 64;
            const { tile, region } = await picture.plan(query);
            expect(tile, query).toEqual(isWhole ? { level, column, row } : null);
            // Those at the edges are cut out of the level: nothing is scaled.
            expect([region.level, region.x.step, region.y.step, region.size], query).toEqual([
              level,
              1,
              1,
              { width: w, height: h },
            ]);
          }
        }
      }
    });
  });
});
