/** Lossy tiles: how near they come to their source, and CMYK and YCbCr as readers turn them into RGB. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import type { Size } from '../../src/geometry.js';
import type { BuildOptions } from '../../src/ingest/types.js';
import { readPyramid } from '../../src/pyramid/pyramid.js';
import { corpus, hasCorpus } from '../corpus/place.js';
import { formatTable } from '../corpus/table.js';
import { compare, psnr } from './compare.js';
import type { Samples } from './picture.js';
import { decodeWithSharp, makePixels, type Pixels, type SourceKind, type Space, writeSource } from './sources.js';
import { itWith, run } from './tools.js';
import { decodeWithVips } from './vips.js';

let engine: Engine;
let folder: string;
const measured: string[][] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-colour-'));
  engine = await Engine.start();
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
  console.log(formatTable([['level 0 of quality 95', 'chroma', 'PSNR, dB', 'largest difference'], ...measured]));
});

const kindOf = (space: Space): SourceKind => ({ width: 601, height: 433, space, bits: 8, alpha: false });

/** Makes the picture in a colour space and its pyramid; yields the pixels and the path. */
async function buildPicture(
  name: string,
  space: Space,
  options: BuildOptions,
  size: Partial<Size> = {},
): Promise<{ pixels: Pixels; path: string }> {
  const pixels = makePixels({ ...kindOf(space), ...size });
  const source = join(folder, `${name}.source`);
  await writeSource(source, pixels);
  const { path } = await engine.build(source, join(folder, `${name}.tif`), options);
  return { pixels, path };
}

describe('JPEG of quality 95 keeps more than 40 dB', () => {
  async function expectClose(name: string, path: string, source: Pixels, chroma: string): Promise<void> {
    const { data } = await decodeWithSharp(path, source);
    const db = psnr(data, source.data);
    measured.push([name, chroma, db.toFixed(2), `${compare(data, source.data).largest}`]);
    expect(db).toBeGreaterThan(40);
  }
  const ways = [
    ['gray', '4:2:0'],
    ['rgb', '4:2:0'],
    ['rgb', '4:4:4'],
    ['cmyk', '4:2:0'],
  ] as const;

  it.each(ways)('the synthetic picture, %s, %s', async (space, chroma) => {
    const options = { compression: 'jpeg', quality: 95, chroma } as const;
    const { pixels, path } = await buildPicture(`${space}-${chroma.replaceAll(':', '')}`, space, options);
    await expectClose(`synthetic, ${space}`, path, pixels, space === 'rgb' ? chroma : '–');
  });

  const photographs = [
    ['jpeg/harvesters.jpeg', 'rgb', '4:2:0'],
    ['jpeg/harvesters.jpeg', 'rgb', '4:4:4'],
    ['jpeg/gen-cmyk-adobe-fogra39l.jpg', 'cmyk', '4:2:0'],
  ] as const;
  for (const [file, space, chroma] of photographs) {
    const name = `${file} of the corpus, ${chroma}`;
    if (!hasCorpus) {
      it.skipIf(!process.env.CI)(`${name} (skipped: there is no corpus at ${corpus})`, () => expect.fail('no corpus'));
      continue;
    }
    it(name, async () => {
      const options = { compression: 'jpeg', quality: 95, chroma, ifExists: 'replace' } as const;
      const { path } = await engine.build(join(corpus, file), join(folder, 'photograph.tif'), options);
      const source = await decodeWithSharp(join(corpus, file), kindOf(space));
      await expectClose(file, path, source, space === 'rgb' ? chroma : '–');
    });
  }
});

/** Pixels as RGB; CMYK as those turn it who have no profile. */
function asRgb({ space, data }: Pixels): Samples {
  if (space === 'rgb') return data;
  if (space === 'gray') return Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)] ?? 0);
  return Uint8Array.from({ length: (data.length / 4) * 3 }, (_, i) => {
    const at = Math.floor(i / 3) * 4;
    return Math.round(((255 - (data[at + (i % 3)] ?? 0)) * (255 - (data[at + 3] ?? 0))) / 255);
  });
}

/** The RGB of a file that is RGB with or without alpha, page by page. */
async function readRgb(path: string, page = 0): Promise<{ width: number; height: number; data: Samples }> {
  const { data, info } = await sharp(path, { page }).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  expect(info.channels).toBe(3);
  return { width: info.width, height: info.height, data };
}

describe.each([
  { name: 'CMYK, JPEG', space: 'cmyk', options: { compression: 'jpeg' }, least: 40 },
  { name: 'CMYK, deflate', space: 'cmyk', options: { compression: 'deflate' }, least: 48 },
  { name: 'YCbCr 4:2:0, JPEG', space: 'rgb', options: { compression: 'jpeg' }, least: 35 },
  { name: 'YCbCr 4:4:4, JPEG', space: 'rgb', options: { compression: 'jpeg', chroma: '4:4:4' }, least: 40 },
  { name: 'RGB, deflate', space: 'rgb', options: { compression: 'deflate' }, least: 99 },
] as const)('$name: not inverted, not shifted', ({ name, space, options, least }) => {
  let pixels: Pixels;
  let path: string;
  /** Every level as RGB. */
  let levels: { width: number; height: number; data: Samples }[];
  beforeAll(async () => {
    ({ pixels, path } = await buildPicture(name.replace(/\W+/g, '-'), space, options));
    const info = await readPyramid(path);
    const decoded = await Promise.all(
      info.levels.map(({ directory }) => decodeWithSharp(path, kindOf(space), directory)),
    );
    expect(decoded).toHaveLength(3);
    levels = decoded.map((level) => ({ ...level, data: asRgb(level) }));
  });

  it('sharp reads the source', async () => {
    const { data } = await decodeWithSharp(path, kindOf(space));
    expect(psnr(data, pixels.data)).toBeGreaterThan(40);
  });

  itWith('vips', 'vips reads the source', async () => {
    const { data } = await decodeWithVips(path, {}, 8);
    expect(psnr(data, pixels.data)).toBeGreaterThan(40);
  });

  itWith('tiff2rgba', "libtiff's RGBA interface sees every level as it is", async () => {
    const rgba = join(folder, 'rgba.tif');
    await run('tiff2rgba', path, rgba);
    for (const [page, { width, height, data }] of levels.entries()) {
      const seen = await readRgb(rgba, page);
      expect([seen.width, seen.height]).toEqual([width, height]);
      expect(psnr(seen.data, data), `level ${page}`).toBeGreaterThan(least);
    }
  });
});

describe('OpenSlide sees every level as it is', () => {
  // Sides that halve without a rest: else it resamples. Levels lower than a tile are left out: unless they are YCbCr in JPEG,
  // OpenSlide 3.4 shows them shifted upwards, those of files from vips tiffsave too.
  const size = { width: 768, height: 512 };
  const shown = 3;
  const ways = [
    { name: 'CMYK, JPEG', space: 'cmyk', options: { compression: 'jpeg' }, least: 40 },
    { name: 'CMYK, LZW', space: 'cmyk', options: { compression: 'lzw' }, least: 48 },
    { name: 'YCbCr 4:2:0, JPEG', space: 'rgb', options: { compression: 'jpeg' }, least: 40 },
    { name: 'RGB, deflate', space: 'rgb', options: { compression: 'deflate' }, least: 99 },
    { name: 'RGB, WebP', space: 'rgb', options: { compression: 'webp' }, least: 99 },
    { name: 'gray, JPEG', space: 'gray', options: { compression: 'jpeg' }, least: 50 },
  ] as const;
  for (const { name, space, options, least } of ways) {
    itWith('openslide-write-png', name, async () => {
      const { path } = await buildPicture(
        `slide-${name.replace(/\W+/g, '-')}`,
        space,
        { ...options, tileSize: 128 },
        size,
      );
      const png = `${path}.png`;
      for (let level = 0; level < shown; level++) {
        const stored = await decodeWithSharp(path, kindOf(space), { page: level });
        const { width, height } = stored;
        await run('openslide-write-png', path, '0', '0', `${level}`, `${width}`, `${height}`, png);
        const seen = await readRgb(png);
        expect([seen.width, seen.height]).toEqual([width, height]);
        expect(psnr(seen.data, asRgb(stored)), `level ${level}`).toBeGreaterThan(least);
        await rm(png);
      }
    });
  }
});

it('a pyramid can be built from a pyramid, to the same pixels', async () => {
  const { path } = await buildPicture('first', 'rgb', { compression: 'deflate' });
  const { path: again } = await engine.build(path, join(folder, 'again.tif'), {
    compression: 'deflate',
    layout: 'subifds',
  });
  const [a, b] = await Promise.all([path, again].map((file) => decodeWithSharp(file, kindOf('rgb'))));
  expect(compare((a as Pixels).data, (b as Pixels).data).largest).toBe(0);
});
