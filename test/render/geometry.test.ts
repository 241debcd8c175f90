/** Geometry seen in the pixels of replies: through the library, decoded by sharp, which is not ours. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../src/engine.js';
import { PyramidionError } from '../../src/errors.js';
import type { BuildOptions } from '../../src/ingest/types.js';
import type { Kernel } from '../../src/native/contract.js';
import type { PartialRequest, Picture } from '../../src/picture/picture.js';
import type { ImageRequest } from '../../src/region/request.js';
import { type PixelsTiff, pixelsTiff, sampleAt } from '../pyramid/pixels-tiff.js';
import { makePixels, type SourceKind, writeSource } from '../readers/sources.js';
import { requests } from '../region/support.js';

const KERNELS: readonly Kernel[] = ['bilin', 'bicub', 'sharp2', 'bisharp'];

let engine: Engine;
let folder: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-geometry-'));
  engine = await Engine.start({ limits: { maxPix: [0, 0] } });
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

/** 8-bit RGBA. */
interface Shown {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

async function decode(image: Sharp | Uint8Array): Promise<Shown> {
  const opened = image instanceof Uint8Array ? sharp(image) : image;
  const { data, info } = await opened.toColourspace('srgb').ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

async function view(picture: Picture, request: PartialRequest | string): Promise<Shown> {
  const { bytes, width, height } = await picture.render(request);
  const shown = await decode(bytes);
  expect([shown.width, shown.height]).toEqual([width, height]);
  return shown;
}

function pixelAt({ width, data }: Shown, x: number, y: number): number[] {
  return [...data.subarray((y * width + x) * 4, (y * width + x) * 4 + 4)];
}

function expectSame(a: Shown, b: Shown, what = ''): void {
  expect([a.width, a.height], what).toEqual([b.width, b.height]);
  expect(Buffer.compare(a.data, b.data), what).toBe(0);
}

/** Works on an image that is opened for it. */
async function withPicture<Result>(
  source: Uint8Array | string,
  work: (picture: Picture) => Promise<Result>,
): Promise<Result> {
  const picture = await engine.open(source);
  try {
    return await work(picture);
  } finally {
    await picture.close();
  }
}

/** A lossless file of the picture by code, and a pyramid made of it. */
async function build(kind: SourceKind, options: BuildOptions, orientation = 1) {
  count += 1;
  const source = join(folder, `${count}.source`);
  await writeSource(source, makePixels(kind), orientation);
  const report = await engine.build(source, join(folder, `${count}.tif`), options);
  return { source, path: report.path };
}

const rgb = (width: number, height: number): SourceKind => ({ width, height, space: 'rgb', bits: 8, alpha: false });

describe('§5.3: the worked values', () => {
  const MAGENTA = [255, 0, 255, 255];
  const pictures: Picture[] = [];

  beforeAll(async () => {
    const codings: BuildOptions[] = [
      { compression: 'deflate', tileSize: 64 },
      { compression: 'jpeg', tileSize: 256 },
    ];
    for (const options of codings) pictures.push(await engine.open((await build(rgb(1000, 600), options)).path));
  });
  afterAll(() => Promise.all(pictures.map((picture) => picture.close())));

  /** The rectangle around all that is not background. */
  function placeOf(shown: Shown): string {
    const { width, height } = shown;
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const i = (y * width + x) * 4;
        if (shown.data[i] === 255 && shown.data[i + 1] === 0 && shown.data[i + 2] === 255) continue;
        [left, top, right, bottom] = [
          Math.min(left, x),
          Math.min(top, y),
          Math.max(right, x + 1),
          Math.max(bottom, y + 1),
        ];
      }
    return `${right - left}×${bottom - top}+${left}+${top}`;
  }

  test.each([
    ['', '300×180', '300×180+0+0'],
    ['wid=200', '200×120', '200×120+0+0'],
    ['wid=200&hei=200', '200×200', '200×120+0+40'],
    ['wid=200&hei=200&align=0,-1', '200×200', '200×120+0+0'],
    ['wid=200&hei=200&fit=constrain', '200×120', '200×120+0+0'],
    ['wid=200&hei=200&fit=crop', '200×200', '200×200+0+0'],
    ['wid=200&hei=200&fit=wrap', '333×200', '333×200+0+0'],
    ['wid=200&hei=200&fit=stretch', '200×200', '200×200+0+0'],
    ['scl=4', '250×150', '250×150+0+0'],
    ['scl=4&wid=100&hei=100', '100×100', '100×100+0+0'],
    ['wid=2000', '1000×600', '1000×600+0+0'],
    ['wid=2000&fit=fit,1', '2000×1200', '2000×1200+0+0'],
    ['wid=2000&hei=2000', '2000×2000', '1000×600+500+700'],
    ['rgn=100,100,400,400&wid=200', '200×200', '200×200+0+0'],
    ['wid=1000&rect=0,0,256,256', '256×256', '256×256+0+0'],
    ['wid=1000&rect=0,0,256,256,0.5', '256×256', '256×256+0+0'],
  ])('%s', async (query, size, place) => {
    for (const picture of pictures) {
      const shown = await view(picture, `${query}&fmt=png&bgc=255,0,255`);
      expect(`${shown.width}×${shown.height}`).toBe(size);
      expect(placeOf(shown)).toBe(place);
      if (place.startsWith(size)) continue;
      const [x, y] = [shown.width - 1, shown.height - 1];
      expect([pixelAt(shown, 0, y), pixelAt(shown, x, y)]).toEqual([MAGENTA, MAGENTA]);
    }
  });

  test('windows show what the table says: 67 columns cut by fit=crop, the centre cut by scl', async () => {
    for (const picture of pictures) {
      const [crop, wrap] = await Promise.all([
        view(picture, 'wid=200&hei=200&fit=crop&fmt=png'),
        view(picture, 'wid=200&hei=200&fit=wrap&fmt=png'),
      ]);
      const part = { left: 67, top: 0, width: 200, height: 200 };
      const raw = { width: wrap.width, height: wrap.height, channels: 4 as const };
      expectSame(crop, await decode(sharp(wrap.data, { raw }).extract(part)));
      const [cut, whole] = await Promise.all([
        view(picture, 'scl=4&wid=100&hei=100&fmt=png'),
        view(picture, 'scl=4&fmt=png'),
      ]);
      const centre = { left: 75, top: 25, width: 100, height: 100 };
      expectSame(
        cut,
        await decode(sharp(whole.data, { raw: { width: 250, height: 150, channels: 4 } }).extract(centre)),
      );
    }
  });
});

/** Foreign pyramids in memory, of every kind of samples and layout. */
const tiffs: fc.Arbitrary<PixelsTiff> = fc
  .record({
    width: fc.integer({ min: 1, max: 180 }),
    height: fc.integer({ min: 1, max: 180 }),
    kind: fc.constantFrom('rgb', 'rgb', 'gray', 'cmyk', 'rgb-alpha', 'gray-alpha', 'rgb-premultiplied'),
    bits: fc.constantFrom<8 | 16>(8, 8, 16),
    tile: fc.constantFrom(16, 32, 48, 64),
    levels: fc.integer({ min: 1, max: 4 }),
    deflate: fc.boolean(),
    littleEndian: fc.boolean(),
    bigTiff: fc.boolean(),
    separate: fc.constantFrom(false, false, true),
    missing: fc.constantFrom(0, 0, 3, 5),
  })
  .map(({ kind, levels, missing, ...like }) => {
    const [space] = kind.split('-');
    const colours = { rgb: 3, gray: 1, cmyk: 4 }[space as 'rgb' | 'gray' | 'cmyk'];
    const extra = kind.includes('-') ? [{ tag: 338, type: 3, values: [kind.endsWith('premultiplied') ? 1 : 2] }] : [];
    return {
      ...like,
      samples: colours + extra.length,
      photometric: { rgb: 2, gray: 1, cmyk: 5 }[space as 'rgb' | 'gray' | 'cmyk'],
      levels: Math.min(levels, 1 + Math.floor(Math.log2(Math.max(like.width, like.height)))),
      extra,
      missing: (level: number, tile: number) => missing > 0 && (tile + level) % missing === 1,
    };
  });

/** What views differ in beyond what `requests` has. */
const extras = fc.record({
  linearLight: fc.boolean(),
  format: fc.constantFrom('png', 'png', 'png-alpha'),
  bgColor: fc.constantFrom(0, 0, 0.4, 1),
  scale: fc.constantFrom(1, 1, 1, 0.5, 0.37, 1.75),
});

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 3 });

/** Larger views are left out: they take long and show no more. */
const MOST_PIXELS = 90_000;

/** The largest difference between a view and its pieces; null where there is no view to be had. */
async function seam(
  picture: Picture,
  request: ImageRequest,
  scale: number,
  across: readonly number[],
  down: readonly number[],
): Promise<number | null> {
  const at = (x: number, y: number, width: number, height: number): ImageRequest => ({
    ...request,
    view: { ...request.view, rect: { x, y, width, height, scale } },
  });
  const size = await picture.plan(at(0, 0, 1, 1)).then(
    ({ region }) => region.view,
    (error: unknown) => {
      const isNothing = error instanceof PyramidionError && ['crop', 'extend'].includes(error.option ?? '');
      if (isNothing) return null;
      throw error;
    },
  );
  if (size === null || size.width * size.height > MOST_PIXELS) return null;
  // A little of what is around the view, too.
  const [left, top, right, bottom] = [-3, -2, size.width + 2, size.height + 3];
  const [width, height] = [right - left, bottom - top];
  const edges = (length: number, shares: readonly number[]): number[] =>
    [...new Set([0, length, ...shares.map((share) => Math.floor(share * length))])].sort((a, b) => a - b);
  const columns = edges(width, across);
  const rows = edges(height, down);
  const whole = await view(picture, at(left, top, width, height));
  let largest = 0;
  for (const [i, y] of rows.slice(0, -1).entries())
    for (const [j, x] of columns.slice(0, -1).entries()) {
      const [w, h] = [(columns[j + 1] ?? 0) - x, (rows[i + 1] ?? 0) - y];
      const piece = await view(picture, at(left + x, top + y, w, h));
      for (let row = 0; row < h; row++) {
        const from = ((y + row) * width + x) * 4;
        const part = whole.data.subarray(from, from + w * 4);
        const own = piece.data.subarray(row * w * 4, (row + 1) * w * 4);
        if (Buffer.compare(part, own) === 0) continue;
        for (let k = 0; k < own.length; k++) largest = Math.max(largest, Math.abs((part[k] ?? 0) - (own[k] ?? 0)));
      }
    }
  return largest;
}

describe('rect pieces, put together, are the whole view', () => {
  const seen = { views: 0, same: 0, largest: 0 };
  afterAll(() => {
    console.log(
      `${seen.views} views cut into pieces: ${seen.same} are the same to the last bit, largest difference ${seen.largest} of 255`,
    );
  });

  const note = (largest: number | null): void => {
    if (largest === null) return;
    seen.views += 1;
    if (largest === 0) seen.same += 1;
    seen.largest = Math.max(seen.largest, largest);
    expect(largest).toBeLessThanOrEqual(1);
  };
  const withExtras = (
    request: ImageRequest,
    extra: typeof extras extends fc.Arbitrary<infer T> ? T : never,
    kernel: Kernel,
  ) => ({
    ...request,
    kernel,
    linearLight: extra.linearLight,
    bgc: { space: 'rgb' as const, samples: [0.2, 0.9, 0.4], alpha: 1, source: false },
    layer: {
      ...request.layer,
      bgColor: { space: 'rgb' as const, samples: [0.7, 0.1, 0.3], alpha: extra.bgColor, source: false },
    },
    output: { ...request.output, format: extra.format },
  });

  test.each(KERNELS)('%s: any pyramid, any view, any cut', async (kernel) => {
    await fc.assert(
      fc.asyncProperty(
        tiffs,
        fc.array(fc.tuple(requests, extras, cuts, cuts), { minLength: 3, maxLength: 3 }),
        (like, views) =>
          withPicture(pixelsTiff(like), async (picture) => {
            for (const [request, extra, across, down] of views)
              note(await seam(picture, withExtras(request, extra, kernel), extra.scale, across, down));
          }),
      ),
      { numRuns: 25 },
    );
  });

  test.each<[string, BuildOptions, SourceKind]>([
    ['JPEG 4:2:0', { compression: 'jpeg', chroma: '4:2:0', tileSize: 64 }, rgb(331, 250)],
    [
      'deflate, 16 bits and alpha',
      { bits: 16, compression: 'deflate', tileSize: 64 },
      { ...rgb(301, 207), bits: 16, alpha: true },
    ],
  ])('a pyramid of ours: %s', async (_, options, kind) => {
    const { path } = await build(kind, options);
    await withPicture(path, (picture) =>
      fc.assert(
        fc.asyncProperty(
          requests,
          extras,
          fc.constantFrom(...KERNELS),
          cuts,
          cuts,
          async (request, extra, kernel, across, down) =>
            note(await seam(picture, withExtras(request, extra, kernel), extra.scale, across, down)),
        ),
        { numRuns: 40 },
      ),
    );
  });
});

describe('turns and mirrors', () => {
  const sizes = fc.record({ width: fc.integer({ min: 1, max: 90 }), height: fc.integer({ min: 1, max: 90 }) });
  const source = ({ width, height }: { width: number; height: number }): Uint8Array =>
    pixelsTiff({ width, height, samples: 3, photometric: 2, tile: 16, levels: 1 });
  const again = async (bytes: Uint8Array, query: string): Promise<Uint8Array> =>
    withPicture(bytes, async (picture) => (await picture.render(`scl=1&fmt=png&${query}`)).bytes);

  test.each([
    ['four quarter turns', ['rotate=90', 'rotate=90', 'rotate=90', 'rotate=90']],
    ['a quarter turn there and back', ['rotate=90', 'rotate=-90']],
    ['two half turns', ['rotate=180', 'rotate=-180']],
    ['two mirrors, left to right', ['flip=lr', 'layer=0&flip=lr']],
    ['two mirrors, upside down', ['flip=ud', 'flip=ud']],
    ['both mirrors and a half turn', ['flip=lrud', 'rotate=180']],
  ])('%s change nothing, each a reply of its own', async (_, queries) => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.constantFrom(...KERNELS), async (size, kernel) => {
        const first = await again(source(size), 'rotate=0');
        let bytes = first;
        for (const query of queries) bytes = await again(bytes, `${query}&resMode=${kernel}`);
        expectSame(await decode(bytes), await decode(first));
      }),
      { numRuns: 10 },
    );
  });

  test('whole turns and pairs of mirrors in one request change nothing, at any size', async () => {
    const views = fc.record({
      wid: fc.integer({ min: 1, max: 70 }),
      kernel: fc.constantFrom(...KERNELS),
      turn: fc.constantFrom(
        'rotate=360',
        'rotate=-360',
        'rotate=720',
        'layer=0&flip=lr&layer=comp&flip=lr',
        'layer=0&flip=ud&layer=comp&flip=ud',
        'layer=0&flip=lrud&rotate=180',
      ),
    });
    await fc.assert(
      fc.asyncProperty(tiffs, views, (like, { wid, kernel, turn }) =>
        withPicture(pixelsTiff(like), async (picture) => {
          const query = `wid=${wid}&fmt=png-alpha&resMode=${kernel}`;
          expectSame(await view(picture, `${query}&${turn}`), await view(picture, query), turn);
        }),
      ),
      { numRuns: 60 },
    );
  });

  test('quarter turns and mirrors at scale 1 are those of sharp', async () => {
    const turns: readonly [string, (image: Sharp) => Sharp][] = [
      ['rotate=90', (image) => image.rotate(90)],
      ['rotate=180', (image) => image.rotate(180)],
      ['rotate=-90', (image) => image.rotate(270)],
      ['flip=lr', (image) => image.flop()],
      ['flip=ud', (image) => image.flip()],
      ['flip=lrud', (image) => image.rotate(180)],
    ];
    const { source: path, path: pyramid } = await build(rgb(131, 77), { compression: 'deflate', tileSize: 64 });
    await withPicture(pyramid, async (picture) => {
      for (const [query, turn] of turns)
        expectSame(await view(picture, `scl=1&fmt=png&${query}`), await decode(turn(sharp(path))), query);
      // Comp scope: the layer is rotated first.
      const turned = await sharp(path).rotate(90).png().toBuffer();
      const both = await view(picture, 'scl=1&fmt=png&rotate=90&flip=lr');
      expectSame(both, await decode(sharp(turned).flop()));
    });
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('EXIF orientation %d comes upright', async (orientation) => {
    const { data } = makePixels(rgb(97, 61));
    const tagged = await sharp(data, { raw: { width: 97, height: 61, channels: 3 } })
      .withMetadata({ orientation })
      .png()
      .toBuffer();
    const upright = await decode(sharp(tagged).autoOrient());
    const jpeg = await sharp(tagged)
      .withMetadata({ orientation })
      .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
      .toBuffer();
    const kept = { compression: 'deflate', normaliseOrientation: false, tileSize: 64 } as const;
    count += 1;
    const pyramid = await engine.build(tagged, join(folder, `${count}.tif`), kept);
    const at = { left: 11, top: 17, width: 37, height: 29 };
    for (const [source, expected] of [
      [tagged, upright],
      [pyramid.path, upright],
      [jpeg, await decode(sharp(jpeg).autoOrient())],
    ] as const)
      await withPicture(source, async (picture) => {
        expect(picture.info).toMatchObject({ orientation, width: upright.width, height: upright.height });
        expectSame(await view(picture, 'scl=1&fmt=png'), expected);
        const part = await view(picture, `scl=1&fmt=png&rect=${at.left},${at.top},${at.width},${at.height}`);
        const raw = { width: expected.width, height: expected.height, channels: 4 as const };
        expectSame(part, await decode(sharp(expected.data, { raw }).extract(at)));
      });
  });
});

describe("a region of level 0, and a view at scale 1, are sharp's extract of the source", () => {
  const rects = ({ width, height }: { width: number; height: number }) =>
    fc
      .record({
        left: fc.integer({ min: 0, max: width - 1 }),
        top: fc.integer({ min: 0, max: height - 1 }),
        width: fc.integer({ min: 1, max: width }),
        height: fc.integer({ min: 1, max: height }),
      })
      .map((rect) => ({
        ...rect,
        width: Math.min(rect.width, width - rect.left),
        height: Math.min(rect.height, height - rect.top),
      }));

  test.each<[string, SourceKind, BuildOptions, 'source' | 'pyramid']>([
    ['deflate', rgb(203, 151), { compression: 'deflate', tileSize: 64 }, 'source'],
    ['none', rgb(150, 201), { compression: 'none', tileSize: 80 }, 'source'],
    ['lzw, SubIFDs', rgb(99, 201), { compression: 'lzw', layout: 'subifds', tileSize: 64 }, 'source'],
    ['gray', { ...rgb(201, 99), space: 'gray' }, { compression: 'deflate', tileSize: 64 }, 'source'],
    ['alpha', { ...rgb(120, 130), alpha: true }, { compression: 'deflate', tileSize: 64 }, 'source'],
    // What a lossy pyramid holds is what its tiles decode to, by libjpeg.
    ['JPEG 4:2:0', rgb(211, 143), { compression: 'jpeg', chroma: '4:2:0', tileSize: 64 }, 'pyramid'],
    ['JPEG 4:4:4', rgb(211, 143), { compression: 'jpeg', chroma: '4:4:4', tileSize: 64 }, 'pyramid'],
    ['JPEG gray', { ...rgb(211, 143), space: 'gray' }, { compression: 'jpeg', tileSize: 64 }, 'pyramid'],
  ])('%s', async (_, kind, options, truth) => {
    const { source, path } = await build(kind, options);
    const reference = truth === 'source' ? source : path;
    for (const file of truth === 'source' ? [path, source] : [path])
      await withPicture(file, (picture) =>
        fc.assert(
          fc.asyncProperty(rects(kind), fc.constantFrom(...KERNELS), async (at, kernel) => {
            const expected = await decode(sharp(reference).extract(at));
            const { left, top, width, height } = at;
            const region = await picture.region({ level: 0, ...at });
            const raw = { width, height, channels: region.channels as 1 | 3 | 4 };
            expectSame(await decode(sharp(region.data, { raw })), expected, 'region');
            const format = `fmt=png${kind.alpha ? '-alpha' : ''}&resMode=${kernel}`;
            const views = [
              `scl=1&rect=${left},${top},${width},${height}&${format}`,
              `rgn=${left},${top},${width},${height}&scl=1&${format}`,
              `crop=${left},${top},${width},${height}&scl=1&${format}`,
            ];
            for (const query of views) expectSame(await view(picture, query), expected, query);
          }),
          { numRuns: 8 },
        ),
      );
  });

  test('16 bits: regions keep them, views round them', async () => {
    const kind = { ...rgb(140, 120), bits: 16 as const };
    const { data } = makePixels(kind);
    const { path } = await build(kind, { compression: 'deflate', bits: 'source', tileSize: 64 });
    await withPicture(path, async (picture) => {
      const region = await picture.region({ level: 0, left: 0, top: 0, width: 140, height: 120 });
      expect(region.pixels.bits).toBe(16);
      expect(Buffer.compare(Buffer.from(region.data.buffer), Buffer.from(data.buffer))).toBe(0);
      const shown = await view(picture, 'scl=1&fmt=png');
      const wrong = shown.data.findIndex((value, i) => {
        if (i % 4 === 3) return value !== 255;
        const stored = data[Math.floor(i / 4) * 3 + (i % 4)] ?? 0;
        return value !== Math.floor(stored / 257 + 0.5);
      });
      expect(wrong).toBe(-1);
    });
  });

  test('every level of a foreign pyramid, of every layout', async () => {
    await fc.assert(
      fc.asyncProperty(tiffs, (like) =>
        withPicture(pixelsTiff(like), async (picture) => {
          const { bits = 8, samples, extra = [], tile = 64 } = like;
          // Premultiplied samples are divided, which is another test's matter.
          if (extra.some(({ values }) => values[0] === 1)) return;
          for (const [level, { width, height, columns }] of picture.info.levels.entries()) {
            const at = { left: Math.floor(width / 3), top: Math.floor(height / 4) };
            const size = { width: width - at.left, height: height - at.top };
            const region = await picture.region({ level, ...at, ...size });
            const wrong = region.data.findIndex((value, i) => {
              const pixel = Math.floor(i / region.channels);
              const x = at.left + (pixel % size.width);
              const y = at.top + Math.floor(pixel / size.width);
              const number = Math.floor(y / tile) * columns + Math.floor(x / tile);
              const planes = like.separate ? samples : 1;
              const tiles = columns * Math.ceil(height / tile);
              const isMissing = Array.from({ length: planes }, (_, p) => like.missing?.(level, p * tiles + number));
              if (isMissing.includes(true)) return false;
              const s = i % region.channels;
              return s < samples && value !== sampleAt(level, x, y, s, bits);
            });
            expect(wrong).toBe(-1);
          }
        }),
      ),
      { numRuns: 60 },
    );
  });
});

test('a reply that shows nothing of the image is background', async () => {
  const like = { width: 30, height: 20, samples: 3, photometric: 2, tile: 16 };
  await withPicture(pixelsTiff(like), async (picture) => {
    for (const query of ['rgn=40,0,10,10', 'crop=-20,0,10,10', 'rect=30,0,10,10', 'rgn=0,-10,10,10&rotate=12']) {
      const shown = await view(picture, `scl=1&fmt=png&bgc=9,99,199&${query}`);
      expect([shown.width, shown.height], query).toEqual([10, 10]);
      for (let i = 0; i < 100; i++)
        expect(pixelAt(shown, i % 10, Math.floor(i / 10)), query).toEqual([9, 99, 199, 255]);
    }
    const { bytes } = await picture.render('rgn=40,0,10,10&scl=1&fmt=jpeg&bgc=0,0,0');
    expect(pixelAt(await decode(bytes), 5, 5)).toEqual([0, 0, 0, 255]);
  });
});

describe('colours around and under the picture', () => {
  const colour = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255));
  const image = { width: 30, height: 20, samples: 3, photometric: 2, tile: 16 };
  const margins = fc.record({
    left: fc.integer({ min: 0, max: 9 }),
    top: fc.integer({ min: 0, max: 9 }),
    right: fc.integer({ min: 0, max: 9 }),
    bottom: fc.integer({ min: 0, max: 9 }),
  });

  test('are exactly those that were asked for', async () => {
    await withPicture(pixelsTiff(image), (picture) =>
      fc.assert(
        fc.asyncProperty(
          colour,
          fc.tuple(colour, fc.nat(255)),
          margins,
          fc.constantFrom(-1, 0, 1),
          fc.boolean(),
          async (bgc, [under, alpha], { left, top, right, bottom }, align, keepsAlpha) => {
            const [width, height] = [60, 50];
            const query = [
              `wid=${width}&hei=${height}&align=${align},${-align}`,
              `extend=${left},${top},${right},${bottom}`,
              `bgc=${bgc.join()}&bgColor=${[...under, alpha].join()}`,
              `fmt=png${keepsAlpha ? '-alpha' : ''}`,
            ].join('&');
            const shown = await view(picture, query);
            const canvas = { width: image.width + left + right, height: image.height + top + bottom };
            const x0 = Math.floor(((width - canvas.width) * (align + 1)) / 2 + 0.5);
            const y0 = Math.floor(((height - canvas.height) * (1 - align)) / 2 + 0.5);
            const opacity = alpha / 255;
            for (let y = 0; y < height; y++)
              for (let x = 0; x < width; x++) {
                const [u, v] = [x - x0, y - y0];
                const inCanvas = u >= 0 && v >= 0 && u < canvas.width && v < canvas.height;
                const [i, j] = [u - left, v - top];
                const inImage = i >= 0 && j >= 0 && i < image.width && j < image.height;
                const [r = 0, g = 0, b = 0, a = 0] = pixelAt(shown, x, y);
                const got = [r, g, b, a];
                const where = `${query} at ${x}, ${y}`;
                if (inImage) {
                  const stored = [0, 1, 2].map((s) => sampleAt(0, i, j, s));
                  if (got.join() !== [...stored, 255].join()) expect(got, where).toEqual([...stored, 255]);
                } else if (keepsAlpha) {
                  if (a !== (inCanvas ? alpha : 0)) expect(a, where).toBe(inCanvas ? alpha : 0);
                  if (a > 0 && got.slice(0, 3).join() !== under.join()) expect(got, where).toEqual([...under, a]);
                } else {
                  const exact = bgc.map((below, c) =>
                    inCanvas ? below * (1 - opacity) + (under[c] ?? 0) * opacity : below,
                  );
                  const off = exact.map((value, c) => Math.abs(value - (got[c] ?? 0)));
                  if (a !== 255 || Math.max(...off) > 0.5001) expect(got, where).toEqual([...exact, 255]);
                }
              }
          },
        ),
        { numRuns: 40 },
      ),
    );
  });

  test.each([
    ['bgc=0x80', [128, 128, 128]],
    ['bgc=100g', [255, 255, 255]],
    ['bgc=336699', [51, 102, 153]],
    ['bgc=0,100,100,0k', [255, 0, 0]],
    ['bgc=0,0,0,40k', [153, 153, 153]],
    ['', [255, 255, 255]],
  ])('however they are written: %s', async (query, expected) => {
    await withPicture(pixelsTiff(image), async (picture) => {
      const shown = await view(picture, `wid=40&hei=40&fmt=png&${query}`);
      expect(pixelAt(shown, 0, 0)).toEqual([...expected, 255]);
      expect(pixelAt(shown, 39, 39)).toEqual([...expected, 255]);
    });
  });

  test('under transparency of the image, and around one that is rotated', async () => {
    const like = { ...image, samples: 4, extra: [{ tag: 338, type: 3, values: [2] }] };
    await withPicture(pixelsTiff(like), async (picture) => {
      const shown = await view(picture, 'scl=1&fmt=png&bgc=10,200,30');
      const wrong = Array.from({ length: 600 }, (_, at) => at).find((at) => {
        const [x, y] = [at % 30, Math.floor(at / 30)];
        const alpha = sampleAt(0, x, y, 3) / 255;
        const exact = [10, 200, 30].map((below, c) => below + alpha * (sampleAt(0, x, y, c) - below));
        return exact.some((value, c) => Math.abs(value - (pixelAt(shown, x, y)[c] ?? 0)) > 0.5001);
      });
      expect(wrong).toBeUndefined();
    });
    await withPicture(pixelsTiff(image), async (picture) => {
      const shown = await view(picture, 'rotate=45&scl=1&fmt=png&bgc=10,200,30');
      expect([shown.width, shown.height]).toEqual([36, 36]);
      const corners = [pixelAt(shown, 0, 0), pixelAt(shown, 35, 0), pixelAt(shown, 0, 35), pixelAt(shown, 35, 35)];
      for (const corner of corners) expect(corner).toEqual([10, 200, 30, 255]);
      const under = await view(picture, 'rotate=45&scl=1&fmt=png&bgc=10,200,30&bgColor=1,2,3');
      expect(pixelAt(under, 0, 0)).toEqual([1, 2, 3, 255]);
    });
  });
});

describe('missing tiles show the background', () => {
  const missing = (_: number, tile: number): boolean => tile === 1 || tile === 4;
  const like = { width: 90, height: 70, samples: 3, photometric: 2, tile: 32, levels: 2, missing };
  const isMissing = (x: number, y: number): boolean => missing(0, Math.floor(y / 32) * 3 + Math.floor(x / 32));

  test.each([
    ['uncompressed', {}],
    ['deflate', { deflate: true }],
    ['16 bits', { bits: 16 as const }],
    ['with alpha', { samples: 4, extra: [{ tag: 338, type: 3, values: [2] }] }],
    ['gray', { samples: 1, photometric: 1 }],
  ])('%s', async (_, changes) => {
    const made = { ...like, ...changes };
    await withPicture(pixelsTiff(made), async (picture) => {
      const colour = await view(picture, 'scl=1&fmt=png&bgc=9,99,199');
      const clear = await view(picture, 'scl=1&fmt=png-alpha&bgc=9,99,199');
      const under = await view(picture, 'scl=1&fmt=png-alpha&bgColor=50,60,70');
      const region = await picture.region({ level: 0, left: 0, top: 0, width: 90, height: 70 });
      const top = region.pixels.bits === 8 ? 255 : 65535;
      for (let y = 0; y < 70; y++)
        for (let x = 0; x < 90; x++) {
          const here = `${x}, ${y}`;
          if (isMissing(x, y)) {
            expect(pixelAt(colour, x, y), here).toEqual([9, 99, 199, 255]);
            expect(pixelAt(clear, x, y)[3], here).toBe(0);
            expect(pixelAt(under, x, y), here).toEqual([50, 60, 70, 255]);
            const from = (y * 90 + x) * region.channels;
            const samples = [...region.data.subarray(from, from + made.samples)];
            if (made.samples !== 4) expect(samples, here).toEqual(new Array<number>(made.samples).fill(top));
          } else if (made.samples === 3) {
            const bits = region.pixels.bits;
            const stored = [0, 1, 2].map((s) => Math.floor(sampleAt(0, x, y, s, bits) / (top / 255) + 0.5));
            expect(pixelAt(colour, x, y), here).toEqual([...stored, 255]);
            expect(pixelAt(clear, x, y), here).toEqual([...stored, 255]);
          }
        }
    });
  });

  test('in a reduced view too, with nothing of their own at their edges', async () => {
    // All that is there is of one colour: it must not be mixed with that of what is not.
    const even = { ...like, deflate: true };
    await withPicture(pixelsTiff(even), async (picture) => {
      for (const kernel of KERNELS) {
        const shown = await view(picture, `scl=1.4&fmt=png-alpha&resMode=${kernel}`);
        const middle = (column: number, row: number): number[] =>
          pixelAt(shown, Math.floor((column * 32 + 16) / 1.4), Math.floor((row * 32 + 16) / 1.4));
        expect(middle(1, 0)[3]).toBe(0);
        expect(middle(1, 1)[3]).toBe(0);
        expect(middle(0, 0)[3]).toBe(255);
        expect(middle(2, 1)[3]).toBe(255);
      }
    });
  });

  test('all of them: nothing but background, in a level and in a view', async () => {
    const none = { ...like, missing: () => true };
    await withPicture(pixelsTiff(none), async (picture) => {
      const shown = await view(picture, 'wid=40&fmt=png&bgc=9,99,199');
      for (let i = 0; i < shown.data.length; i += 4)
        expect([...shown.data.subarray(i, i + 4)]).toEqual([9, 99, 199, 255]);
    });
  });
});
