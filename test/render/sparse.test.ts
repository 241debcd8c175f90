/** Tiles that a file has not: they are background, in every coding, and the others are what they are beside them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../src/engine.js';
import type { BuildOptions } from '../../src/ingest/types.js';
import type { Picture, PictureLevel } from '../../src/picture/picture.js';
import { readStructure } from '../../src/pyramid/structure.js';
import { openBytes } from '../../src/source/bytes.js';
import { type PixelsTiff, pixelsTiff } from '../pyramid/pixels-tiff.js';
import { makePixels, type SourceKind, writeSource } from '../readers/sources.js';

const TILE = 64;
const SIZE = { width: 300, height: 200 };
const RGB: SourceKind = { ...SIZE, space: 'rgb', bits: 8, alpha: false };

let engine: Engine;
let folder = '';
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-sparse-'));
  engine = await Engine.start();
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

/** Two tiles one above the other and the last one, or the second strip; of the second level, every tile. */
const isMissing = (level: number, tile: number): boolean => level === 1 || (level === 0 && [1, 6, 19].includes(tile));

/** Number of the tile that pixel `i` of a level lies in. */
function tileOf(i: number, { width, tileWidth, tileHeight, columns }: PictureLevel): number {
  return Math.floor(Math.floor(i / width) / tileHeight) * columns + Math.floor((i % width) / tileWidth);
}

/** The file with tiles taken out: their offsets and lengths are 0. */
async function withHoles(bytes: Uint8Array): Promise<Uint8Array> {
  const punched = Buffer.from(bytes);
  const { levels } = await readStructure(openBytes(bytes));
  for (const { index, columns, rows, tiles, tables, image } of levels) {
    for (const tag of [tables.offsets, tables.lengths]) {
      const field = image.raw.fields.get(tag);
      if (field === undefined) throw new Error(`level ${index} has no field ${tag}`);
      const size = field.length / field.count;
      for (let tile = 0; tile < tiles; tile++) {
        const start = field.valueOffset + tile * size;
        // Of separate planes, one after the other.
        if (isMissing(index, tile % (columns * rows))) punched.fill(0, start, start + size);
      }
    }
  }
  return punched;
}

async function built(kind: Partial<SourceKind>, options: BuildOptions): Promise<Uint8Array> {
  const path = join(folder, `${++count}.tif`);
  await writeSource(`${path}.source`, makePixels({ ...RGB, ...kind }));
  await engine.build(`${path}.source`, path, { tileSize: TILE, bits: 'source', ...options });
  return readFile(path);
}

const coded = (like: Partial<PixelsTiff>): Uint8Array =>
  pixelsTiff({ ...SIZE, samples: 3, photometric: 2, levels: 3, tile: TILE, ...like });

const CASES: readonly [string, () => Uint8Array | Promise<Uint8Array>][] = [
  ['JPEG', () => built({}, { compression: 'jpeg' })],
  ['JPEG, gray', () => built({ space: 'gray' }, { compression: 'jpeg' })],
  ['JPEG, CMYK', () => built({ space: 'cmyk' }, { compression: 'jpeg' })],
  ['WebP', () => built({}, { compression: 'webp' })],
  ['WebP with alpha', () => built({ alpha: true }, { compression: 'webp' })],
  ['deflate', () => built({}, { compression: 'deflate' })],
  ['deflate, with alpha', () => built({ alpha: true }, { compression: 'deflate' })],
  ['deflate, gray of 16 bits', () => built({ space: 'gray', bits: 16 }, { compression: 'deflate' })],
  ['LZW, CMYK', () => built({ space: 'cmyk' }, { compression: 'lzw' })],
  ['BigTIFF', () => built({}, { compression: 'none', bigTiff: true })],
  ['levels as SubIFDs', () => built({}, { compression: 'deflate', layout: 'subifds' })],
  ['big-endian', () => coded({ littleEndian: false })],
  ['white is zero', () => coded({ samples: 1, photometric: 0 })],
  ['separate planes', () => coded({ separate: true, deflate: true })],
  ['strips', () => coded({ rowsPerStrip: TILE, deflate: true })],
];

/** What renditions are asked to have there: ff0080. */
const BACKGROUND = [255, 0, 128];

/** What stands for a pixel that is not there: no light is taken away, no ink put on. */
function background({ pixels: { space, bits, alpha } }: Picture['info']): number {
  return alpha !== 'none' || space === 'cmyk' ? 0 : 2 ** bits - 1;
}

describe.each(CASES)('%s', (_, make) => {
  let full: Picture;
  let sparse: Picture;
  beforeAll(async () => {
    const bytes = await make();
    full = await engine.open(bytes);
    sparse = await engine.open(await withHoles(bytes));
  });
  afterAll(async () => {
    await full.close();
    await sparse.close();
  });

  test('regions', async () => {
    for (const [level, shape] of sparse.info.levels.entries()) {
      const { width, height } = shape;
      const rect = { level, left: 0, top: 0, width, height };
      const [there, here] = [await full.region(rect), await sparse.region(rect)];
      expect(here).toMatchObject({ width, height, channels: there.channels });
      const blank = background(sparse.info);
      let wrong = 0;
      for (let i = 0; i < here.data.length; i++) {
        const isBlank = isMissing(level, tileOf(Math.floor(i / here.channels), shape));
        if (here.data[i] !== (isBlank ? blank : there.data[i])) wrong++;
      }
      expect(wrong, `level ${level}`).toBe(0);
    }
  });

  test('tiles', async () => {
    const { levels, pixels } = sparse.info;
    for (const [level, { columns, rows, tileWidth, tileHeight, width, height }] of levels.entries()) {
      for (let i = 0; i < columns * rows; i++) {
        const [column, row] = [i % columns, Math.floor(i / columns)];
        const tile = await sparse.tile({ level, column, row });
        const size = {
          width: Math.min(tileWidth, width - column * tileWidth),
          height: Math.min(tileHeight, height - row * tileHeight),
        };
        expect(tile).toMatchObject(size);
        if (!isMissing(level, i)) {
          expect(tile.bytes).toEqual((await full.tile({ level, column, row })).bytes);
          continue;
        }
        expect(tile.tile).toBe(null);
        const image = sharp(tile.bytes).toColourspace('srgb');
        const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
        expect({ width: info.width, height: info.height }).toEqual(size);
        // A pixel that is not there is transparent where there is alpha, else white.
        if (pixels.alpha === 'none') expect(data.every((value) => value === 255)).toBe(true);
        else expect(data.every((value, at) => at % info.channels !== info.channels - 1 || value === 0)).toBe(true);
      }
    }
  });

  test('renditions', async () => {
    const samples = async (picture: Picture): Promise<Buffer> => {
      const { bytes } = await picture.render('scl=1&fmt=png&bgc=ff0080');
      return sharp(bytes).toColourspace('srgb').removeAlpha().raw().toBuffer();
    };
    const [there, here] = [await samples(full), await samples(sparse)];
    const [shape] = sparse.info.levels;
    if (shape === undefined) throw new Error('there is no level');
    let wrong = 0;
    for (let i = 0; i < here.length; i++) {
      const isBlank = isMissing(0, tileOf(Math.floor(i / 3), shape));
      if (here[i] !== (isBlank ? BACKGROUND[i % 3] : there[i])) wrong++;
    }
    expect(wrong).toBe(0);
    // From the level that has no tile at all.
    expect((await sparse.plan('wid=150')).region.level).toBe(1);
    const half = await sparse.render('wid=150&fmt=png,rgb&bgc=ff0080');
    const { data, info } = await sharp(half.bytes).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 150, height: 100, channels: 3 });
    expect(data.every((value, i) => value === BACKGROUND[i % 3])).toBe(true);
    // A tile that is not there is not passed through.
    const rect = await sparse.render(`scl=1&rect=${TILE},0,${TILE},${TILE}`);
    expect(rect).toMatchObject({ tile: null, width: TILE, height: TILE });
  });
});
