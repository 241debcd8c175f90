import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { MAX_DIRECTORIES, readPyramid } from '../../src/pyramid/pyramid.js';
import { type Directory, image, inMemory, type TiffOptions, writeTiff } from './tiff.js';

const read = (chain: readonly Directory[], options?: TiffOptions) => readPyramid(inMemory(writeTiff(chain, options)));

const sizes = (info: Awaited<ReturnType<typeof readPyramid>>) =>
  info.levels.map(({ width, height }) => `${width}x${height}`);

async function failure(chain: readonly Directory[], options?: TiffOptions): Promise<string> {
  return codeOf(read(chain, options));
}

async function codeOf(result: Promise<unknown>): Promise<string> {
  const error = await result.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PyramidionError);
  return (error as PyramidionError).code;
}

/** A picture with enough detail that no two tiles compress to nothing. */
function picture(width: number, height: number, channels: 3 | 4) {
  const pixels = Buffer.alloc(width * height * channels);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (i * 2654435761) >>> 24;
  return sharp(pixels, { raw: { width, height, channels } });
}

describe('pyramids written by libvips', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('levels as pages, JPEG, with profile and resolution', async () => {
    const path = join(folder, 'pages.tif');
    await picture(700, 500, 3)
      .withIccProfile('p3')
      .tiff({
        compression: 'jpeg',
        pyramid: true,
        tile: true,
        tileWidth: 128,
        tileHeight: 128,
        xres: 300 / 25.4,
        yres: 300 / 25.4,
      })
      .toFile(path);
    const info = await readPyramid(path);
    expect(info).toMatchObject({
      width: 700,
      height: 500,
      byteOrder: 'little',
      bigTiff: false,
      layout: 'pages',
      compression: 'jpeg',
      photometric: 'ycbcr',
      chromaSubsampling: '4:2:0',
      bitsPerSample: 8,
      samplesPerPixel: 3,
      sampleFormat: 'unsigned',
      alpha: 'none',
      planar: 'contiguous',
      orientation: 1,
    });
    expect(sizes(info)).toEqual(['700x500', '350x250', '175x125', '87x62']);
    expect(info.levels[1]).toMatchObject({
      index: 1,
      tiled: true,
      tileWidth: 128,
      tileHeight: 128,
      columns: 3,
      rows: 2,
      tiles: 6,
      missing: 0,
      downsample: 2,
    });
    expect(info.levels.map(({ directory }) => [directory.page, directory.subIfd])).toEqual([
      [0, null],
      [1, null],
      [2, null],
      [3, null],
    ]);
    expect(info.dpi?.x).toBeCloseTo(300, 1);
    expect(info.profile?.description).toMatch(/P3/i);
    expect(info.profile?.bytes.length).toBeGreaterThan(100);
    const stored = info.levels.reduce((sum, level) => sum + level.bytes, 0);
    expect(stored).toBeLessThan(info.bytes);
    expect(stored).toBeGreaterThan(info.bytes * 0.9);
  });

  test('levels as pages, deflate with alpha and predictor, BigTIFF', async () => {
    const path = join(folder, 'alpha.tif');
    await picture(300, 400, 4)
      .tiff({
        compression: 'deflate',
        predictor: 'horizontal',
        pyramid: true,
        tile: true,
        tileWidth: 64,
        tileHeight: 64,
        bigtiff: true,
      })
      .toFile(path);
    const info = await readPyramid(path);
    expect(info).toMatchObject({
      bigTiff: true,
      layout: 'pages',
      compression: 'deflate',
      photometric: 'rgb',
      samplesPerPixel: 4,
      alpha: 'straight',
      predictor: 'horizontal',
      chromaSubsampling: null,
    });
    expect(sizes(info)).toEqual(['300x400', '150x200', '75x100', '37x50']);
  });

  test('a file cut short is corrupt', async () => {
    const whole = await picture(300, 200, 3)
      .tiff({ compression: 'lzw', pyramid: true, tile: true, tileWidth: 64, tileHeight: 64 })
      .toBuffer();
    const path = join(folder, 'cut.tif');
    await writeFile(path, whole.subarray(0, Math.floor(whole.length * 0.7)));
    expect(await codeOf(readPyramid(path))).toBe('CORRUPT_IMAGE');
  });

  test('a TIFF in strips is no pyramid, a PNG no TIFF, and nothing is not found', async () => {
    expect(await codeOf(readPyramid(inMemory(await picture(64, 64, 3).tiff().toBuffer())))).toBe('NOT_A_PYRAMID');
    expect(await codeOf(readPyramid(inMemory(await picture(64, 64, 3).png().toBuffer())))).toBe('UNSUPPORTED_FORMAT');
    expect(await codeOf(readPyramid(inMemory(new Uint8Array(0))))).toBe('UNSUPPORTED_FORMAT');
    expect(await codeOf(readPyramid(join(folder, 'absent.tif')))).toBe('SOURCE_NOT_FOUND');
  });
});

describe.each([
  { bigTiff: false, littleEndian: true },
  { bigTiff: false, littleEndian: false },
  { bigTiff: true, littleEndian: true },
  { bigTiff: true, littleEndian: false },
])('layouts, $bigTiff / $littleEndian', (options) => {
  test('pages with masks between them, smallest first in the chain', async () => {
    const info = await read(
      [
        image(640, 480),
        image(640, 480, { subfileType: 4, samples: 1 }),
        image(160, 120, { subfileType: 1 }),
        image(320, 240, { subfileType: 1 }),
        image(320, 240, { subfileType: 5, samples: 1 }),
      ],
      options,
    );
    expect(info.layout).toBe('pages');
    expect(sizes(info)).toEqual(['640x480', '320x240', '160x120']);
    expect(info.levels.map(({ directory }) => directory.page)).toEqual([0, 3, 2]);
    expect(info.directories).toBe(5);
    // Larger than one look-ahead of geotiff.js, whose deferred arrays are wrong in big-endian files.
    expect(info.levels[0]).toMatchObject({ tiles: 80, bytes: 320, missing: 0 });
    expect(info.byteOrder).toBe(options.littleEndian ? 'little' : 'big');
  });

  test('SubIFDs, and SubIFDs in a chain', async () => {
    const listed = await read([image(640, 480, { subIfds: [[image(320, 240)], [image(160, 120)]] })], options);
    expect(listed.layout).toBe('subifds');
    expect(listed.levels.map(({ directory: { page, subIfd, chain } }) => [page, subIfd, chain])).toEqual([
      [0, null, 0],
      [0, 0, 0],
      [0, 1, 0],
    ]);
    const chained = await read([image(640, 480, { subIfds: [[image(320, 240), image(160, 120)]] })], options);
    expect(chained.levels.map(({ directory: { page, subIfd, chain } }) => [page, subIfd, chain])).toEqual([
      [0, null, 0],
      [0, 0, 0],
      [0, 0, 1],
    ]);
  });

  test('levels that shrink by 3, with odd sizes', async () => {
    const info = await read([image(1001, 500), image(334, 167), image(112, 56)], options);
    expect(sizes(info)).toEqual(['1001x500', '334x167', '112x56']);
    expect(info.levels[1]?.downsample).toBeCloseTo(2.997, 3);
  });

  test('descriptive fields', async () => {
    const info = await read(
      [
        image(64, 64, {
          samples: 4,
          extra: [
            { tag: 274, type: 3, values: [9] },
            { tag: 282, type: 5, values: [3937, 100] },
            { tag: 283, type: 5, values: [3937, 100] },
            { tag: 296, type: 3, values: [3] },
            { tag: 305, type: 2, values: 'a writer 1.0' },
            { tag: 306, type: 2, values: '2024:02:03 04:05:06' },
            { tag: 338, type: 3, values: [1] },
            { tag: 700, type: 1, values: new Uint8Array(90) },
            { tag: 33723, type: 7, values: new Uint8Array(33) },
            { tag: 34377, type: 7, values: new Uint8Array(55) },
            { tag: 34675, type: 7, values: Uint8Array.from({ length: 130 }, (_, i) => i) },
          ],
        }),
      ],
      options,
    );
    expect(info).toMatchObject({
      layout: 'single',
      alpha: 'associated',
      extraSamples: [1],
      orientation: 1,
      software: 'a writer 1.0',
      dateTime: '2024:02:03 04:05:06',
      metadata: { xmp: 90, iptc: 33, photoshop: 55, exif: 0 },
    });
    expect(info.dpi?.x).toBeCloseTo(100, 2);
    expect(Array.from(info.profile?.bytes ?? [])).toEqual(Array.from({ length: 130 }, (_, i) => i));
  });

  test('a chain that leads back into itself is corrupt, wherever it enters', async () => {
    const pages = [image(640, 480), image(320, 240), image(160, 120)];
    for (const loopTo of [0, 1, 2]) expect(await failure(pages, { ...options, loopTo })).toBe('CORRUPT_IMAGE');
  });
});

describe('what is odd but readable', () => {
  test('planes of their own multiply the tiles', async () => {
    const values = new Array<number>(30).fill(4);
    const info = await read([
      image(128, 64, {
        extra: [
          { tag: 284, type: 3, values: [2] },
          { tag: 324, type: 4, values },
          { tag: 325, type: 4, values },
        ],
      }),
    ]);
    expect(info.planar).toBe('separate');
    expect(info.levels[0]).toMatchObject({ columns: 2, rows: 1, tiles: 6 });
  });

  test('missing tiles are counted', async () => {
    const info = await read([image(128, 64, { tileOffset: 0, tileLength: 0 }), image(64, 32)]);
    expect(info.levels.map(({ missing }) => missing)).toEqual([2, 0]);
  });

  test('tiles listed in the tags of strips', async () => {
    const whole = image(128, 64);
    const fields = whole.fields.map((field) =>
      field.tag === 324 ? { ...field, tag: 273 } : field.tag === 325 ? { ...field, tag: 279 } : field,
    );
    expect((await read([{ fields }])).levels[0]).toMatchObject({ tiled: true, tiles: 2, bytes: 8 });
  });

  test('fields of unknown types, and descriptions that lie outside the file, read as absent', async () => {
    const info = await read([
      image(64, 64, {
        extra: [
          { tag: 65000, type: 99, values: [1] },
          { tag: 305, type: 2, values: 'cut off', count: 1_000_000 },
          { tag: 34675, type: 7, values: new Uint8Array(16), count: 0x7fffffff },
        ],
      }),
    ]);
    expect(info).toMatchObject({ software: null, profile: null });
  });

  test('a long chain is looked at as far as the limit', async () => {
    const tiny = image(3, 5, { tile: null, samples: 1 });
    const info = await read([image(64, 64), ...new Array<Directory>(MAX_DIRECTORIES + 50).fill(tiny)]);
    expect(info).toMatchObject({ directories: MAX_DIRECTORIES, layout: 'single' });
  });
});

describe('what is refused', () => {
  const cases: [string, string, Directory][] = [
    ['a width of 0', 'CORRUPT_IMAGE', image(0, 64)],
    ['a width that is text', 'CORRUPT_IMAGE', image(64, 64, { extra: [{ tag: 256, type: 2, values: 'wide' }] })],
    ['tiles of no size', 'CORRUPT_IMAGE', image(64, 64, { extra: [{ tag: 322, type: 3, values: [0] }] })],
    [
      'tiles of 4 gigapixels a side',
      'UNSUPPORTED_IMAGE',
      image(64, 64, {
        extra: [
          { tag: 322, type: 4, values: [0xfffffff0] },
          { tag: 323, type: 4, values: [0xfffffff0] },
        ],
      }),
    ],
    [
      'a million tiles and one offset',
      'CORRUPT_IMAGE',
      image(64, 64, {
        extra: [
          { tag: 256, type: 4, values: [100_000] },
          { tag: 257, type: 4, values: [100_000] },
        ],
      }),
    ],
    [
      'tile tables that claim to be huge',
      'CORRUPT_IMAGE',
      image(64, 64, { extra: [{ tag: 324, type: 4, values: [8, 8, 8], count: 0x3fffffff }] }),
    ],
    ['tile tables of text', 'CORRUPT_IMAGE', image(64, 64, { extra: [{ tag: 324, type: 2, values: 'tiles' }] })],
    ['a tile beyond the end of the file', 'CORRUPT_IMAGE', image(64, 64, { tileOffset: 1 << 20 })],
    ['masks only', 'NOT_A_PYRAMID', image(64, 64, { subfileType: 4 })],
  ];
  test.each(cases)('%s: %s', async (_, code, directory) => {
    expect(await failure([directory])).toBe(code);
  });

  test('a directory of too many fields', async () => {
    const fields = Array.from({ length: 5000 }, (_, i) => ({ tag: 1000 + i, type: 3, values: [1] }));
    expect(await failure([{ fields }])).toBe('CORRUPT_IMAGE');
  });

  test('a source that became shorter', async () => {
    const bytes = writeTiff([image(64, 64)]);
    expect(
      await codeOf(
        readPyramid({ size: bytes.length, read: async (offset, length) => bytes.slice(offset, offset + length - 1) }),
      ),
    ).toBe('SOURCE_CHANGED');
  });
});

test('damaged bytes end in a coded error or in a structure, soon, and never read far', async () => {
  const originals = [
    writeTiff([image(640, 480), image(320, 240, { subfileType: 1 }), image(160, 120, { subfileType: 1 })]),
    writeTiff([image(640, 480, { subIfds: [[image(320, 240)], [image(160, 120)]] })], { littleEndian: false }),
    writeTiff([image(640, 480, { subIfds: [[image(320, 240), image(160, 120)]] })], { bigTiff: true }),
  ];
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const allowed = new Set(['CORRUPT_IMAGE', 'NOT_A_PYRAMID', 'UNSUPPORTED_FORMAT', 'UNSUPPORTED_IMAGE']);
  const ends = new Set<string>();
  for (let round = 0; round < 3000; round++) {
    const bytes = (originals[round % originals.length] ?? new Uint8Array()).slice();
    for (let i = 0; i <= random(4); i++) bytes[random(bytes.length)] = random(4) === 0 ? 255 : random(256);
    const source = inMemory(bytes.subarray(0, random(5) === 0 ? random(bytes.length) : bytes.length));
    try {
      const info = await readPyramid(source);
      expect(info.levels.length).toBeGreaterThan(0);
      ends.add('structure');
    } catch (error) {
      expect(error).toBeInstanceOf(PyramidionError);
      expect(allowed).toContain((error as PyramidionError).code);
      ends.add((error as PyramidionError).code);
    }
    expect(source.total()).toBeLessThan(MAX_DIRECTORIES * bytes.length);
  }
  expect([...ends].sort()).toEqual(expect.arrayContaining(['CORRUPT_IMAGE', 'structure']));
}, 30_000);
