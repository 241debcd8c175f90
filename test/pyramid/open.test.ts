import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../src/engine.js';
import { PyramidionError } from '../../src/errors.js';
import type { LevelPixels } from '../../src/native/contract.js';
import { type Level, openPyramid, type Pyramid } from '../../src/pyramid/open.js';
import { storedTile } from '../../src/pyramid/stored-tile.js';
import { openBytes } from '../../src/source/bytes.js';
import { openFile } from '../../src/source/file.js';
import { corpus, hasCorpus } from '../corpus/place.js';
import { kinds } from '../readers/kinds.js';
import { makePixels, writeSource } from '../readers/sources.js';
import { counted, type PixelsTiff, pixelsTiff, sampleAt } from './pixels-tiff.js';
import { image, writeTiff } from './tiff.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-open-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function codeOf(result: Promise<unknown>): Promise<string> {
  const error = await result.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PyramidionError);
  return (error as PyramidionError).code;
}

/** The samples sharp decodes, without a change of colour. */
async function rawOf(image: Sharp, { space, bits }: Pyramid['pixels']) {
  const own = space === 'cmyk' ? image.pipelineColourspace('cmyk').toColourspace('cmyk') : image;
  const kept = bits === 16 && space !== 'cmyk' ? own.toColourspace(space === 'gray' ? 'grey16' : 'rgb16') : own;
  const { data, info } = await kept
    .raw({ depth: bits === 16 ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels };
}

const decode = (pixels: LevelPixels, like: Pyramid['pixels'], page = 0) =>
  rawOf(
    sharp(Buffer.from(pixels.tiff), { page, limitInputPixels: false }).extract({
      left: 0,
      top: 0,
      width: pixels.width,
      height: pixels.height,
    }),
    like,
  );

/** Spans of tiles worth a look: corners, everything, a few in the middle. */
function spansOf({ columns, rows }: Level) {
  const spans = [
    { left: 0, top: 0, width: 1, height: 1 },
    { left: columns - 1, top: rows - 1, width: 1, height: 1 },
    { left: 0, top: 0, width: columns, height: rows },
    { left: columns >> 1, top: rows >> 1, width: columns - (columns >> 1), height: rows - (rows >> 1) },
    { left: columns >> 1, top: 0, width: 1, height: rows },
  ];
  return spans.filter((span, i) => i === spans.findIndex((other) => JSON.stringify(other) === JSON.stringify(span)));
}

describe('levelPixels decodes to what the file decodes to', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.start();
  });
  afterAll(() => engine.close());

  const wanted = kinds.filter(({ source }) => source.orientation === 1);
  test.each(wanted.map((kind, i) => [kind.name, kind, i] as const))('%s', async (_, kind, number) => {
    const path = join(folder, `${number}.tif`);
    const source = join(folder, `${number}.source`);
    await writeSource(source, makePixels(kind.source));
    await engine.build(source, path, kind.options);
    const pyramid = await openPyramid(await openFile(path));
    expect(pyramid.pixels).toMatchObject({ alpha: kind.alpha === 'none' ? 'none' : 'straight' });
    for (const level of pyramid.levels) {
      const { page, subIfd } = level.directory;
      const whole = subIfd === null ? { page } : { page, tiff: { subifd: subIfd } };
      for (const span of spansOf(level)) {
        const pixels = await pyramid.levelPixels(level.index, span);
        const region = {
          left: span.left * level.tileWidth,
          top: span.top * level.tileHeight,
          width: pixels.width,
          height: pixels.height,
        };
        const original = await rawOf(sharp(path, whole).extract(region), pyramid.pixels);
        const own = await decode(pixels, pyramid.pixels);
        expect(own.data.equals(original.data), JSON.stringify([level.index, span])).toBe(true);
        expect({ ...own, data: 0 }).toEqual({ ...original, data: 0 });
        expect(pixels.tiles.length).toBe(2 * span.width * span.height);
        expect(pixels.jpeg === null).toBe(kind.compression !== 'jpeg');
        expect(pixels.tiff.buffer).toBeInstanceOf(SharedArrayBuffer);
        if (pixels.jpeg !== null) {
          const { tablesOffset, tablesLength } = pixels.jpeg;
          expect(Buffer.from(pixels.tiff.subarray(tablesOffset, tablesOffset + 2)).toString('hex')).toBe('ffd8');
          expect(pixels.tiff.subarray(tablesOffset, tablesOffset + tablesLength)).toEqual(
            Uint8Array.from((await pyramid.tables(level.index)) ?? []),
          );
          for (let i = 0; i < pixels.tiles.length; i += 2) {
            const offset = pixels.tiles[i] ?? 0;
            expect([...pixels.tiff.subarray(offset, offset + 2)]).toEqual([0xff, 0xd8]);
          }
        }
      }
    }
    await pyramid.close();
  });
});

describe('levelPixels of files that others write', () => {
  const rgb = { width: 150, height: 100, samples: 3, photometric: 2, levels: 2 };
  const cases: [string, PixelsTiff][] = [
    ['big-endian', { ...rgb, littleEndian: false }],
    ['big-endian, 16 bits', { ...rgb, littleEndian: false, bits: 16 }],
    ['16 bits', { ...rgb, bits: 16 }],
    ['BigTIFF, big-endian', { ...rgb, littleEndian: false, bigTiff: true, deflate: true }],
    ['strips', { ...rgb, rowsPerStrip: 16 }],
    ['strips, deflate, big-endian', { ...rgb, rowsPerStrip: 30, deflate: true, littleEndian: false }],
    ['strips of separate planes', { ...rgb, rowsPerStrip: 16, separate: true, deflate: true }],
    ['gray', { ...rgb, samples: 1, photometric: 1, deflate: true }],
    ['tiles with gaps', { ...rgb, gap: 1000, deflate: true }],
    ['tiles far apart', { ...rgb, gap: 20_000 }],
    [
      'tiles much larger than what the edge leaves of them',
      { ...rgb, width: 600, height: 530, tile: 512, deflate: true },
    ],
    ['tiles last one first', { ...rgb, backwards: true, deflate: true }],
  ];
  test.each(cases)('%s', async (_, like) => {
    const pyramid = await openPyramid(openBytes(pixelsTiff(like)));
    for (const level of pyramid.levels) {
      for (const span of spansOf(level)) {
        const pixels = await pyramid.levelPixels(level.index, span);
        const { data, width, height, channels } = await decode(pixels, pyramid.pixels);
        expect({ width, height }).toEqual({ width: pixels.width, height: pixels.height });
        const samples = like.bits === 16 ? new Uint16Array(Uint8Array.from(data).buffer) : data;
        let wrong = 0;
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            for (let s = 0; s < like.samples; s++) {
              const at = [level.index, x + span.left * level.tileWidth, y + span.top * level.tileHeight, s] as const;
              if (samples[(y * width + x) * channels + s] !== sampleAt(...at, like.bits)) wrong++;
            }
          }
        }
        expect(wrong, JSON.stringify([level.index, span])).toBe(0);
      }
    }
  });

  test.each([
    ['RGB', 2, 3, []],
    ['CMYK', 5, 4, []],
    ['gray and alpha', 1, 2, [{ tag: 338, type: 3, values: [2] }]],
  ] as const)('tiles of separate planes become a directory each: %s', async (_, photometric, samples, extra) => {
    const like = { width: 150, height: 100, samples, photometric, separate: true, deflate: true, extra };
    const pyramid = await openPyramid(openBytes(pixelsTiff(like)));
    const pixels = await pyramid.levelPixels(0, { left: 1, top: 0, width: 2, height: 2 });
    expect(pixels).toMatchObject({ planes: samples, width: 86, height: 100, jpeg: null });
    expect(pixels.tiles.length).toBe(8);
    for (let s = 0; s < samples; s++) {
      const { data, channels } = await decode(pixels, { space: 'gray', bits: 8, alpha: 'none' }, s);
      for (let i = 0; i < 86 * 100; i++) {
        if (data[i * channels] !== sampleAt(0, (i % 86) + 64, Math.floor(i / 86), s)) expect.fail(`${s} ${i}`);
      }
    }
  });

  test.each([
    [50000, 'Zstandard'],
    [34925, 'LZMA'],
    [6, 'old-style JPEG'],
  ])('a coding without a decoder is unsupported, not damaged: %d', async (compression, name) => {
    const like = { width: 100, height: 100, samples: 3, photometric: 2, compression };
    const pyramid = await openPyramid(openBytes(pixelsTiff(like)));
    await expect(pyramid.levelPixels(0, { left: 0, top: 0, width: 1, height: 1 })).rejects.toMatchObject({
      code: 'UNSUPPORTED_IMAGE',
      message: `level 0 holds ${name}, which is not supported`,
    });
  });

  test('where all tiles are missing no tables of JPEG are told', async () => {
    const like = { width: 100, height: 100, samples: 3, photometric: 6, compression: 7, missing: () => true };
    const extra = [{ tag: 347, type: 7, values: Uint8Array.of(0xff, 0xd8, 0xff, 0xd9, 0, 0) }];
    const pyramid = await openPyramid(openBytes(pixelsTiff({ ...like, extra })));
    const pixels = await pyramid.levelPixels(0, { left: 0, top: 0, width: 2, height: 2 });
    expect(pixels).toMatchObject({ jpeg: null, width: 100, height: 100 });
    expect(pixels.tiff.length).toBe(0);
  });

  test('YCbCr tiles of separate planes are unsupported', async () => {
    const like = { width: 100, height: 100, samples: 3, photometric: 6, separate: true };
    const pyramid = await openPyramid(openBytes(pixelsTiff(like)));
    expect(await codeOf(pyramid.levelPixels(0, { left: 0, top: 0, width: 1, height: 1 }))).toBe('UNSUPPORTED_IMAGE');
  });

  test.each([
    ['tiles', {}, [1, 4]],
    ['strips', { rowsPerStrip: 16 }, [0, 2, 6]],
    ['strips of separate planes', { rowsPerStrip: 16, separate: true }, [0, 9]],
  ] as const)('missing ones are told, and the rest decodes: %s', async (_, changes, missing) => {
    const isMissing = (tile: number) => (missing as readonly number[]).includes(tile);
    const like = {
      ...rgb,

      deflate: true,
      ...changes,
      missing: (level: number, tile: number) => level === 0 && isMissing(tile),
    };
    const pyramid = await openPyramid(openBytes(pixelsTiff(like)));
    const { columns, rows, tileHeight } = pyramid.levels[0] as Level;
    const pixels = await pyramid.levelPixels(0, { left: 0, top: 0, width: columns, height: rows });
    const places = columns * rows;
    const told = [...Array(places).keys()].filter((i) => pixels.tiles[2 * i + 1] === 0);
    expect(told).toEqual([...new Set(missing.map((tile) => tile % places))]);
    const { data } = await decode(pixels, pyramid.pixels);
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [Math.floor(i / 3) % 150, Math.floor(i / 450)];
      const place = Math.floor(y / tileHeight) * columns + (columns === 1 ? 0 : Math.floor(x / 64));
      if (!told.includes(place) && data[i] !== sampleAt(0, x, y, i % 3)) expect.fail(`${x} ${y}`);
    }
    const none = await pyramid.levelPixels(0, {
      left: missing[0] % columns,
      top: Math.floor(missing[0] / columns),
      width: 1,
      height: 1,
    });
    expect([...none.tiles]).toEqual([0, 0]);
    if (!('separate' in changes)) expect(none.tiff.length).toBe(0);
  });

  test('a missing strip beside the last one has another to stand in for it', async () => {
    const like = {
      ...rgb,
      deflate: true,
      rowsPerStrip: 16,
      missing: (level: number, tile: number) => level === 0 && tile === 5,
    };
    const pyramid = await openPyramid(openBytes(pixelsTiff(like)));
    const pixels = await pyramid.levelPixels(0, { left: 0, top: 5, width: 1, height: 2 });
    expect(pixels).toMatchObject({ width: 150, height: 20 });
    const { data } = await decode(pixels, pyramid.pixels);
    expect(data[16 * 450]).toBe(sampleAt(0, 0, 96, 0));
  });
});

describe('what is read, and when', () => {
  const big = () =>
    counted(writeTiff([image(8192, 8192, { tileOffset: 4 }), image(4096, 4096, { tileOffset: 4 }), image(2048, 2048)]));

  test('opening reads directories and no tables; a table is read once', async () => {
    const source = big();
    const pyramid = await openPyramid(source);
    expect(source.reads.bytes).toBeLessThan(4096);
    const before = source.reads.bytes;
    await Promise.all([pyramid.tileIndex(1), pyramid.tileIndex(1), pyramid.tileIndex(1)]);
    await pyramid.tileIndex(1);
    expect(source.reads.bytes - before).toBe(2 * 4 * 64 * 64);
    await pyramid.close();
  });

  test('neighbouring tiles are read together, straight into shared memory', async () => {
    const source = counted(pixelsTiff({ width: 256, height: 256, samples: 3, photometric: 2 }));
    const pyramid = await openPyramid(source);
    await pyramid.levelPixels(0, { left: 0, top: 0, width: 1, height: 1 });
    source.reads.count = 0;
    await pyramid.levelPixels(0, { left: 1, top: 0, width: 3, height: 2 });
    expect(source.reads.count).toBe(1);
    await pyramid.levelPixels(0, { left: 0, top: 0, width: 1, height: 3 });
    // Three tiles of 12 KiB lie between two of them: too far to be read along.
    expect(source.reads.count).toBe(4);
  });

  test('a limit is told before anything is read', async () => {
    const source = counted(pixelsTiff({ width: 256, height: 256, samples: 3, photometric: 2 }));
    const pyramid = await openPyramid(source);
    const all = { left: 0, top: 0, width: 4, height: 4 };
    await pyramid.levelPixels(0, all, { maxBytes: 16 * 64 * 64 * 3 });
    const before = source.reads.bytes;
    await expect(pyramid.levelPixels(0, all, { maxBytes: 16 * 64 * 64 * 3 - 1 })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      value: 196_608,
      limit: 196_607,
    });
    expect(source.reads.bytes).toBe(before);
  });

  test('what is outside the level or the pyramid is refused', async () => {
    const pyramid = await openPyramid(openBytes(pixelsTiff({ width: 200, height: 100, samples: 1, photometric: 1 })));
    for (const span of [
      { left: 0, top: 0, width: 5, height: 1 },
      { left: -1, top: 0, width: 1, height: 1 },
      { left: 0, top: 0, width: 0, height: 1 },
      { left: 0.5, top: 0, width: 1, height: 1 },
      { left: 0, top: Number.NaN, width: 1, height: 1 },
    ]) {
      expect(await codeOf(pyramid.levelPixels(0, span))).toBe('INVALID_REQUEST');
    }
    expect(await codeOf(pyramid.levelPixels(1, { left: 0, top: 0, width: 1, height: 1 }))).toBe('INVALID_REQUEST');
    expect(await codeOf(pyramid.tileIndex(-1))).toBe('INVALID_REQUEST');
  });

  test('a signal stops it', async () => {
    const pyramid = await openPyramid(openBytes(pixelsTiff({ width: 200, height: 100, samples: 1, photometric: 1 })));
    const signal = AbortSignal.abort();
    expect(await codeOf(pyramid.levelPixels(0, { left: 0, top: 0, width: 1, height: 1 }, { signal }))).toBe('ABORTED');
    expect(await codeOf(pyramid.tileIndex(0, signal))).toBe('ABORTED');
    await pyramid.tileIndex(0);
  });

  test('a table that is damaged is told when it is needed, and again', async () => {
    const pyramid = await openPyramid(
      openBytes(writeTiff([image(640, 480, { tileOffset: 1 << 20 }), image(320, 240)])),
    );
    expect(await codeOf(pyramid.tileIndex(0))).toBe('CORRUPT_IMAGE');
    expect(await codeOf(pyramid.tileIndex(0))).toBe('CORRUPT_IMAGE');
    expect((await pyramid.tileIndex(1)).bytes).toBe(80);
  });
});

describe('what a pyramid says', () => {
  const type = async (samples: number, photometric: number, kinds: number[] = [], bits: 8 | 16 = 8) => {
    const extra = kinds.length === 0 ? [] : [{ tag: 338, type: 3, values: kinds }];
    const pyramid = await openPyramid(
      openBytes(pixelsTiff({ width: 70, height: 70, samples, photometric, bits, extra })),
    );
    const { space, bits: depth, alpha } = pyramid.pixels;
    return `${space} ${depth} ${alpha}`;
  };

  test('the pixel type', async () => {
    expect(await type(1, 1)).toBe('gray 8 none');
    expect(await type(1, 0, [], 16)).toBe('gray 16 none');
    expect(await type(2, 1, [1])).toBe('gray 8 straight');
    expect(await type(2, 1, [0])).toBe('gray 8 none');
    expect(await type(2, 1)).toBe('gray 8 none');
    expect(await type(5, 1, [0, 0, 0, 0])).toBe('rgb 8 none');
    expect(await type(3, 2)).toBe('rgb 8 none');
    expect(await type(4, 2, [2], 16)).toBe('rgb 16 straight');
    expect(await type(5, 2, [0, 2])).toBe('rgb 8 none');
    expect(await type(1, 3)).toBe('rgb 8 none');
    expect(await type(3, 6)).toBe('rgb 8 none');
    expect(await type(3, 8)).toBe('rgb 8 none');
    expect(await type(4, 5)).toBe('cmyk 8 none');
    expect(await type(5, 5, [2])).toBe('cmyk 8 straight');
    expect(await type(1, 32845, [], 16)).toBe('rgb 16 none');
  });

  test('orientation, facts and version', async () => {
    const bytes = pixelsTiff({
      width: 70,
      height: 70,
      samples: 3,
      photometric: 2,
      extra: [{ tag: 274, type: 3, values: [6] }],
    });
    const [one, two] = [await openPyramid(openBytes(bytes)), await openPyramid(openBytes(bytes))];
    expect(one).toMatchObject({ orientation: 6, info: { width: 70, photometric: 'rgb', orientation: 6 } });
    expect(one.version).not.toBe(two.version);
    const path = join(folder, 'version.tif');
    await writeFile(path, bytes);
    const [a, b] = [await openPyramid(await openFile(path)), await openPyramid(await openFile(path))];
    expect(a.version).toBe(b.version);
    await Promise.all([a.close(), b.close()]);
  });
});

test('damaged bytes end in a coded error or in pixels', async () => {
  const originals = [
    pixelsTiff({ width: 150, height: 100, samples: 3, photometric: 2, levels: 2 }),
    pixelsTiff({ width: 150, height: 100, samples: 3, photometric: 2, separate: true, bigTiff: true }),
    pixelsTiff({
      width: 150,
      height: 100,
      samples: 3,
      photometric: 2,
      rowsPerStrip: 16,
      levels: 2,
      littleEndian: false,
    }),
  ];
  const heads = [600, 600, 600];
  await fc.assert(
    fc.asyncProperty(
      fc.nat(originals.length - 1),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      async (which, changes) => {
        const bytes = (originals[which] ?? new Uint8Array()).slice();
        for (const [at, value] of changes) bytes[at % (heads[which] ?? 1)] = value;
        try {
          const pyramid = await openPyramid(openBytes(bytes));
          for (const { index, columns, rows } of pyramid.levels) {
            const span = { left: 0, top: 0, width: Math.min(columns, 100), height: Math.min(rows, 100) };
            const pixels = await pyramid.levelPixels(index, span, { maxBytes: 1 << 22 });
            expect(pixels.tiff.length).toBeLessThan(5 << 20);
            await storedTile(pyramid, index, 0, 0);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(PyramidionError);
          expect((error as PyramidionError).code).not.toBe('INTERNAL');
        }
      },
    ),
    { numRuns: 1500 },
  );
}, 60_000);

describe.skipIf(!hasCorpus)('the corpus', () => {
  const files = hasCorpus
    ? ['pyramid', 'tiff'].flatMap((name) => readdirSync(join(corpus, name)).map((file) => join(corpus, name, file)))
    : [];
  test.each(files)('%s', async (path) => {
    const outcome = await (async () => {
      const source = await openFile(path);
      try {
        const pyramid = await openPyramid(source);
        for (const { index, columns, rows } of pyramid.levels) {
          for (const [left, top] of [
            [0, 0],
            [columns - 1, rows - 1],
          ] as const) {
            const pixels = await pyramid.levelPixels(index, { left, top, width: 1, height: 1 });
            await storedTile(pyramid, index, left, top, { icc: true });
            if (pixels.tiff.length === 0) continue;
            const { width = 0, height = 0 } = await sharp(Buffer.from(pixels.tiff))
              .metadata()
              .catch((error: Error) => {
                expect(error.message).toMatch(/not a whole number of bytes|tile size out of range|unsupported/);
                return pixels;
              });
            expect(width).toBe(pixels.width);
            expect(height).toBeGreaterThanOrEqual(pixels.height);
          }
        }
        return 'pixels';
      } finally {
        await source.close();
      }
    })().catch((error: unknown) => {
      if (error instanceof PyramidionError) return error.code;
      throw error;
    });
    expect(outcome).toBeOneOf(['pixels', 'NOT_A_PYRAMID', 'CORRUPT_IMAGE', 'UNSUPPORTED_IMAGE', 'UNSUPPORTED_FORMAT']);
  });
});
