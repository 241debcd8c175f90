import { execFile } from 'node:child_process';
import { accessSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { srgbProfile } from '../../src/colour/generated.js';
import { Engine } from '../../src/engine.js';
import type { BuildOptions } from '../../src/ingest/types.js';
import { type Level, openPyramid, type Pyramid } from '../../src/pyramid/open.js';
import { storedTile } from '../../src/pyramid/stored-tile.js';
import { openBytes } from '../../src/source/bytes.js';
import { openFile } from '../../src/source/file.js';
import { makePixels, type SourceKind, writeSource } from '../readers/sources.js';
import { pixelsTiff } from './pixels-tiff.js';
import { type Directory, writeTiff } from './tiff.js';

const SIZE = { width: 301, height: 217 };

let folder = '';
let engine: Engine;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-stored-'));
  engine = await Engine.start();
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

async function build(kind: Partial<SourceKind>, options: BuildOptions): Promise<{ path: string; pyramid: Pyramid }> {
  const path = join(folder, `${++count}.tif`);
  await writeSource(`${path}.png`, makePixels({ ...SIZE, space: 'rgb', bits: 8, alpha: false, ...kind }));
  await engine.build(`${path}.png`, path, { tileSize: 64, ...options });
  return { path, pyramid: await openPyramid(await openFile(path)) };
}

async function wholeTiles(pyramid: Pyramid, level: Level): Promise<[number, number][]> {
  const { columns, rows } = level;
  await pyramid.tileIndex(level.index);
  return [0, columns - 1].flatMap((column) => [0, rows - 1].map((row): [number, number] => [column, row]));
}

/** What the file's own level has where a tile lies, as sharp decodes it. */
const regionOf = (path: string, level: Level, column: number, row: number) => ({
  image: sharp(path, { page: level.directory.page }),
  region: {
    left: column * level.tileWidth,
    top: row * level.tileHeight,
    width: Math.min(level.tileWidth, level.width - column * level.tileWidth),
    height: Math.min(level.tileHeight, level.height - row * level.tileHeight),
  },
});

const hasDjpeg = (() => {
  try {
    accessSync('/usr/bin/djpeg');
    return true;
  } catch {
    return false;
  }
})();

function djpeg(bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = execFile('djpeg', { encoding: 'buffer', maxBuffer: 1 << 26 }, (error, out, complaints) => {
      if (error !== null || complaints.length > 0) reject(error ?? new Error(complaints.toString()));
      else resolve(out);
    });
    child.stdin?.end(bytes);
  });
}

/** Marker codes up to the scan. */
function markers(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 2; at < bytes.length; ) {
    const marker = bytes[at + 1] ?? 0;
    found.push(marker);
    if (marker === 0xda) break;
    at += 2 + (bytes[at + 2] ?? 0) * 256 + (bytes[at + 3] ?? 0);
  }
  return found;
}

describe('JPEG tiles decode to what the level has there', () => {
  test.each<[string, Partial<SourceKind>, BuildOptions, number]>([
    ['gray', { space: 'gray' }, {}, 0xe0],
    ['4:2:0', {}, { chroma: '4:2:0' }, 0xe0],
    ['4:4:4', {}, { chroma: '4:4:4' }, 0xe0],
    ['in BigTIFF', {}, { bigTiff: true }, 0xe0],
  ])('%s', async (_, kind, options, app) => {
    const { path, pyramid } = await build(kind, { ...options, compression: 'jpeg' });
    for (const level of pyramid.levels) {
      for (const [column, row] of await wholeTiles(pyramid, level)) {
        const tile = await storedTile(pyramid, level.index, column, row);
        if (tile === null) throw new Error('there is no tile');
        expect(tile).toMatchObject({ mediaType: 'image/jpeg', width: 64, height: 64, browserSafe: true });
        expect(markers(tile.bytes)[0]).toBe(app);
        const { image, region } = regionOf(path, level, column, row);
        const expected = await image.extract(region).raw().toBuffer();
        const cut = { ...region, left: 0, top: 0 };
        const own = await sharp(tile.bytes).extract(cut).raw().toBuffer();
        expect(own.equals(expected)).toBe(true);
        if (!hasDjpeg) continue;
        const samples = 64 * 64 * (kind.space === 'gray' ? 1 : 3);
        const pnm = await djpeg(tile.bytes);
        expect(pnm.toString('latin1', 0, pnm.length - samples)).toBe(`P${kind.space === 'gray' ? 5 : 6}\n64 64\n255\n`);
        const there = await sharp(tile.bytes)
          .toColourspace(kind.space === 'gray' ? 'b-w' : 'srgb')
          .raw()
          .toBuffer();
        const apart = pnm.subarray(-samples).map((value, i) => Math.abs(value - (there[i] ?? 0)));
        expect(Math.max(...apart)).toBeLessThanOrEqual(3);
      }
    }
    await pyramid.close();
  });

  test('of RGB, as an Adobe marker says, and with the profile when asked', async () => {
    const path = join(folder, 'rgb.tif');
    const source = join(folder, 'rgb-source.tif');
    await writeSource(source.replace('tif', 'png'), makePixels({ ...SIZE, space: 'rgb', bits: 8, alpha: false }));
    // Components of RGB itself, which only other writers store: the stream sharp makes of 4:4:4 is relabelled below.
    const jpeg = await sharp(source.replace('tif', 'png'))
      .resize(64, 64, { fit: 'fill' })
      .jpeg({ chromaSubsampling: '4:4:4', quality: 90 })
      .toBuffer();
    await writeFile(path, oneTile(jpeg, 2));
    const pyramid = await openPyramid(await openFile(path));
    const tile = await storedTile(pyramid, 0, 0, 0);
    expect(markers(tile?.bytes ?? new Uint8Array())[0]).toBe(0xee);
    const own = await sharp(tile?.bytes).raw().toBuffer();
    expect(own.equals(await sharp(path).raw().toBuffer())).toBe(true);
    expect(own.equals(await sharp(jpeg).raw().toBuffer())).toBe(false);
    await pyramid.close();
  });

  test('of CMYK are handed over, and said to be for no browser', async () => {
    const { pyramid } = await build({ space: 'cmyk' }, { compression: 'jpeg' });
    const tile = await storedTile(pyramid, 0, 0, 0);
    expect(tile).toMatchObject({ browserSafe: false, width: 64 });
    expect(markers(tile?.bytes ?? new Uint8Array())).not.toContain(0xee);
    expect(await sharp(tile?.bytes).metadata()).toMatchObject({ space: 'cmyk', channels: 4 });
    await pyramid.close();
  });

  test('carry the profile when asked, in as many segments as it takes', async () => {
    const path = join(folder, 'profile.tif');
    await sharp({ create: { width: 200, height: 150, channels: 3, background: '#123456' } })
      .withIccProfile('p3')
      .tiff({ compression: 'jpeg', tile: true, tileWidth: 64, tileHeight: 64, pyramid: true })
      .toFile(path);
    const pyramid = await openPyramid(await openFile(path));
    const plain = await storedTile(pyramid, 0, 1, 1);
    const rich = await storedTile(pyramid, 0, 1, 1, { icc: true });
    expect((await sharp(plain?.bytes).metadata()).icc).toBeUndefined();
    expect((await sharp(rich?.bytes).metadata()).icc).toEqual(Buffer.from(pyramid.info.profile?.bytes ?? []));
    await pyramid.close();
  });
});

/** A pyramid of one tile of 64 × 64, whose stream is given whole. */
function oneTile(stream: Uint8Array, photometric: number, extra: Directory['fields'] = []): Uint8Array {
  const write = (offset: number) =>
    writeTiff([
      {
        fields: [
          { tag: 256, type: 3, values: [64] },
          { tag: 257, type: 3, values: [64] },
          { tag: 258, type: 3, values: [8, 8, 8] },
          { tag: 259, type: 3, values: [7] },
          { tag: 262, type: 3, values: [photometric] },
          { tag: 277, type: 3, values: [3] },
          { tag: 322, type: 3, values: [64] },
          { tag: 323, type: 3, values: [64] },
          { tag: 324, type: 4, values: [offset] },
          { tag: 325, type: 4, values: [stream.length] },
          { tag: 530, type: 3, values: [1, 1] },
          ...extra,
        ],
      },
    ]);
  return Buffer.concat([write(write(0).length), stream]);
}

describe('streams of other writers', () => {
  const jpeg = () =>
    sharp(Buffer.from(makePixels({ width: 64, height: 64, space: 'rgb', bits: 8, alpha: false }).data), {
      raw: { width: 64, height: 64, channels: 3 },
    })
      .jpeg({ chromaSubsampling: '4:4:4' })
      .toBuffer();
  const adobe = (transform: number) =>
    Buffer.from([0xff, 0xee, 0, 14, ...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, transform]);
  const tileOf = async (stream: Uint8Array, photometric: number, extra?: Directory['fields']) =>
    storedTile(await openPyramid(openBytes(oneTile(stream, photometric, extra))), 0, 0, 0);

  test('markers of the tile that contradict its TIFF are left out', async () => {
    const stream = await jpeg();
    const wrong = Buffer.concat([stream.subarray(0, 2), adobe(0), stream.subarray(2)]);
    const tile = await tileOf(wrong, 6);
    expect(markers(tile?.bytes ?? new Uint8Array()).filter((marker) => marker === 0xee)).toEqual([]);
    expect(await sharp(tile?.bytes).raw().toBuffer()).toEqual(await sharp(stream).raw().toBuffer());
  });

  test('tables that a tile has itself are not put before it; others are', async () => {
    const stream = await jpeg();
    const tables = Buffer.from([0xff, 0xd8, 0xff, 0xdb, 0, 67, 0, ...new Array<number>(64).fill(255), 0xff, 0xd9]);
    const field = (bytes: Uint8Array) => [{ tag: 347, type: 7, values: bytes }];
    const own = await tileOf(stream, 6, field(tables));
    expect(markers(own?.bytes ?? new Uint8Array()).filter((marker) => marker === 0xdb)).toHaveLength(
      markers(stream).filter((marker) => marker === 0xdb).length,
    );
    const third = Buffer.from(tables);
    third[6] = 3;
    const more = await tileOf(stream, 6, field(third));
    expect((more?.bytes.length ?? 0) - (own?.bytes.length ?? 0)).toBe(69);
    for (const tile of [own, more]) {
      expect(await sharp(tile?.bytes).raw().toBuffer()).toEqual(await sharp(stream).raw().toBuffer());
    }
  });

  test('YCbCr components that are called R, G and B get a marker that says what they are', async () => {
    const stream = await jpeg();
    const frame = stream.indexOf(Buffer.from([0xff, 0xc0]));
    const scan = stream.indexOf(Buffer.from([0xff, 0xda]));
    for (const [i, name] of [...'RGB'].entries()) {
      stream[frame + 10 + 3 * i] = name.charCodeAt(0);
      stream[scan + 5 + 2 * i] = name.charCodeAt(0);
    }
    const tile = await tileOf(stream, 6);
    expect(markers(tile?.bytes ?? new Uint8Array()).slice(0, 2)).toEqual([0xe0, 0xee]);
    expect(await sharp(tile?.bytes).raw().toBuffer()).toEqual(
      await sharp(await jpeg())
        .raw()
        .toBuffer(),
    );
  });

  test('what is no JPEG stream is corrupt', async () => {
    const stream = await jpeg();
    await expect(tileOf(stream.subarray(2), 6)).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
    await expect(tileOf(stream.subarray(0, 100), 6)).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
    await expect(tileOf(stream, 6, [{ tag: 347, type: 7, values: new Uint8Array(20) }])).rejects.toMatchObject({
      code: 'CORRUPT_IMAGE',
    });
  });

  test('lossless JPEG and colours that no JPEG file has are not handed over', async () => {
    const stream = await jpeg();
    for (const photometric of [0, 1, 8]) expect(await tileOf(stream, photometric)).toBe(null);
    const frame = stream.indexOf(Buffer.from([0xff, 0xc0]));
    stream[frame + 1] = 0xc3;
    expect(await tileOf(stream, 6)).toBe(null);
  });
});

describe('WebP tiles', () => {
  test.each<[string, Partial<SourceKind>, BuildOptions]>([
    ['lossy', {}, {}],
    ['lossless', {}, { lossless: true, effort: 1 }],
    ['lossy with alpha', { alpha: true }, {}],
    ['lossless with alpha', { alpha: true }, { lossless: true, effort: 1 }],
  ])('%s: as they are, and with the profile', async (_, kind, options) => {
    const { path, pyramid } = await build(kind, {
      ...options,
      compression: 'webp',
      viewProfile: srgbProfile(),
      imageProfile: srgbProfile(),
    });
    for (const level of pyramid.levels) {
      const tile = await storedTile(pyramid, level.index, 0, 0);
      const rich = await storedTile(pyramid, level.index, 0, 0, { icc: true });
      expect(tile).toMatchObject({ mediaType: 'image/webp', width: 64, height: 64, browserSafe: true });
      const { image, region } = regionOf(path, level, 0, 0);
      const expected = await image.extract(region).raw().toBuffer();
      for (const one of [tile, rich]) {
        const { data, info } = await sharp(one?.bytes)
          .extract({ ...region, left: 0, top: 0 })
          .raw()
          .toBuffer({ resolveWithObject: true });
        expect(info.channels).toBe(kind.alpha ? 4 : 3);
        expect(data.equals(expected)).toBe(true);
      }
      expect((await sharp(rich?.bytes).metadata()).icc).toEqual(Buffer.from(pyramid.info.profile?.bytes ?? []));
    }
    await pyramid.close();
  });
});

describe('what is handed over', () => {
  test('nothing of other codecs, of separate planes, or that is missing', async () => {
    for (const like of [{}, { deflate: true }, { separate: true }]) {
      const bytes = pixelsTiff({ width: 100, height: 100, samples: 3, photometric: 2, ...like });
      expect(await storedTile(await openPyramid(openBytes(bytes)), 0, 0, 0)).toBe(null);
    }
    const bytes = pixelsTiff({ width: 100, height: 100, samples: 3, photometric: 2, missing: (_, tile) => tile === 1 });
    expect(await storedTile(await openPyramid(openBytes(bytes)), 0, 1, 0)).toBe(null);
  });

  test('nothing that is not in the level, or larger than the limit', async () => {
    const { pyramid } = await build({}, { compression: 'jpeg' });
    for (const [level, column, row] of [
      [99, 0, 0],
      [0, 5, 0],
      [0, 0, -1],
      [0, 0.5, 0],
    ] as const) {
      await expect(storedTile(pyramid, level, column, row)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    }
    await expect(storedTile(pyramid, 0, 0, 0, { maxBytes: 10 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await pyramid.close();
  });
});
