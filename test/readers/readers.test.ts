/** Files of every kind the engine writes, as other readers see them: each level, its size and its pixels. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromFile, GeoTIFF } from 'geotiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import { levelSizes, orientedSize, type Size } from '../../src/geometry.js';
import type { BuildReport } from '../../src/ingest/types.js';
import { type PyramidInfo, readPyramid } from '../../src/pyramid/pyramid.js';
import { formatTable } from '../corpus/table.js';
import { compare, psnr } from './compare.js';
import { kinds } from './kinds.js';
import type { Samples } from './picture.js';
import { decodeWithSharp, makePixels, type Pixels, premultiply, samplesOf, writeSource } from './sources.js';
import { itWith, run } from './tools.js';
import { decodeWithVips } from './vips.js';

/** Kinds and levels each reader agreed on. */
const agreed = new Map<string, { kinds: number; levels: number; pixels: number }>();
let engine: Engine;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-readers-'));
  engine = await Engine.start();
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
  const rows = [...agreed].map(([reader, count]) => [reader, ...Object.values(count).map(String)]);
  console.log(formatTable([['reader', 'files', 'levels', 'levels with pixels compared'], ...rows]));
});

function count(reader: string, levels: number, pixels: number): void {
  const before = agreed.get(reader) ?? { kinds: 0, levels: 0, pixels: 0 };
  agreed.set(reader, { kinds: before.kinds + 1, levels: before.levels + levels, pixels: before.pixels + pixels });
}

const sizeOf = ({ width, height }: Size): Size => ({ width, height });

for (const [index, kind] of kinds.entries()) {
  describe(kind.name, () => {
    const { source: wanted, alpha, compression, lossless } = kind;
    const bits = kind.options.bits === 8 || compression === 'jpeg' || compression === 'webp' ? 8 : wanted.bits;
    const like = { ...wanted, bits };
    let path: string;
    let source: string;
    let report: BuildReport;
    let info: PyramidInfo;
    let expected: Size[];
    /** Pixels of the source (in the depth of the result) and of every level, as sharp decodes them. */
    let upright: Pixels;
    let levels: Pixels[];

    beforeAll(async () => {
      source = join(folder, `${index}.source`);
      path = join(folder, `${index}.tif`);
      await writeSource(source, makePixels(wanted), wanted.orientation);
      report = await engine.build(source, path, kind.options);
      info = await readPyramid(path);
      const { tileSize } = kind;
      const size = orientedSize(sizeOf(wanted), wanted.orientation);
      expected = levelSizes(size, tileSize, kind.options.depth ?? 'onetile');
      upright = await decodeWithSharp(source, like);
      levels = await Promise.all(info.levels.map(({ directory }) => decodeWithSharp(path, like, directory)));
    });
    afterAll(async () => {
      await rm(source, { force: true });
      await rm(path, { force: true });
    });

    /** Compares what a reader decoded with what sharp did. `loss`: most steps apart, and least PSNR, where tiles are lossy. */
    function expectSame(decoded: Samples, level: number, loss: { steps: number; db: number }): void {
      const { data } = levels[level] as Pixels;
      if (lossless) expect(compare(decoded, data).largest, `level ${level}`).toBe(0);
      else {
        expect(compare(decoded, data).largest, `level ${level}`).toBeLessThanOrEqual(loss.steps);
        expect(psnr(decoded, data), `level ${level}`).toBeGreaterThan(loss.db);
      }
    }

    // Side by side: most of the time goes into starting other programs.
    describe.concurrent('seen by', () => {
      it('ourselves', () => {
        expect(report.levels.map(sizeOf)).toEqual(expected);
        expect(info.levels.map(sizeOf)).toEqual(expected);
        expect(report).toMatchObject({ compression, bigTiff: kind.bigTiff, ...expected[0] });
        expect(info).toMatchObject({
          compression,
          bigTiff: kind.bigTiff,
          alpha,
          orientation: 1,
          bitsPerSample: bits,
          samplesPerPixel: samplesOf(wanted),
          bytes: report.bytes,
          ...(expected.length > 1 ? { layout: kind.layout } : {}),
        });
        for (const { tileWidth, tileHeight, missing } of info.levels) {
          expect({ tileWidth, tileHeight, missing }).toEqual({
            tileWidth: kind.tileSize,
            tileHeight: kind.tileSize,
            missing: 0,
          });
        }
      });

      it('sharp, the full level as the source', () => {
        expect(levels.map(sizeOf)).toEqual(expected);
        const [full] = levels as [Pixels];
        if (!lossless) expect(psnr(full.data, upright.data)).toBeGreaterThan(40);
        else if (alpha !== 'associated') {
          expect(compare(full.data, upright.data).largest).toBe(0);
        } else if (wanted.space !== 'cmyk' || bits === 8) {
          // libvips takes the alpha of 16-bit CMYK for one of 8 bits when it divides by it.
          expect(compare(premultiply(full), premultiply(upright)).largest).toBeLessThanOrEqual(1);
        }
        count('sharp', levels.length, levels.length);
      });

      it('geotiff.js', async () => {
        const tiff = await fromFile(path);
        try {
          expect(await tiff.getImageCount()).toBe(kind.layout === 'pages' ? expected.length : 1);
          let compared = 0;
          for (const [level, { directory }] of info.levels.entries()) {
            const image = await (directory.subIfd === null
              ? tiff.getImage(directory.page)
              : new GeoTIFF(tiff.source, tiff.littleEndian, tiff.bigTiff, directory.offset).getImage(0));
            expect({ width: image.getWidth(), height: image.getHeight() }).toEqual(expected[level]);
            expect([image.getTileWidth(), image.getTileHeight()]).toEqual([kind.tileSize, kind.tileSize]);
            expect([image.getSamplesPerPixel(), image.getBitsPerSample()]).toEqual([samplesOf(wanted), bits]);
            // Its decoder of WebP is the browser's.
            if (compression === 'webp') continue;
            const isYcc = compression === 'jpeg' && wanted.space === 'rgb';
            const decoded = await (isYcc
              ? image.readRGB({ interleave: true })
              : image.readRasters({ interleave: true }));
            // It doubles the chroma without smoothing.
            if (alpha !== 'associated') expectSame(decoded as unknown as Samples, level, { steps: 60, db: 35 });
            else if (level === 0)
              expect(compare(decoded as unknown as Samples, premultiply(upright)).largest).toBeLessThanOrEqual(
                bits / 8 - 1,
              );
            else continue;
            compared++;
          }
          count('geotiff.js', expected.length, compared);
        } finally {
          await tiff.close();
        }
      });

      itWith('vips', 'vips', async () => {
        await Promise.all(
          info.levels.map(async (level) => {
            const { width, height, bands, data } = await decodeWithVips(path, level.directory, bits);
            expect({ width, height }).toEqual(expected[level.index]);
            expect(bands).toBe(samplesOf(wanted));
            expectSame(data, level.index, { steps: 3, db: 55 });
          }),
        );
        count('vips', expected.length, expected.length);
      });

      itWith('tiffinfo', 'tiffinfo', async () => {
        // It cannot decode JPEG tiles of 4:2:0: that is tested with tiff2rgba.
        const isYcc = compression === 'jpeg' && wanted.space === 'rgb';
        const whole = await run('tiffinfo', ...(isYcc ? [] : ['-D']), path);
        // Older versions say nothing of SubIFDs unless asked for each.
        const subIfds = info.levels.flatMap(({ directory }) => (directory.subIfd === null ? [] : [directory.offset]));
        const chain = whole.split('--- SubIFD', 1).join();
        const texts = [
          chain,
          ...(await Promise.all(subIfds.map((offset) => run('tiffinfo', '-o', `${offset}`, path)))),
        ].join('\n');
        const pairs = (pattern: RegExp): number[][] =>
          [...texts.matchAll(pattern)].map((found) => found.slice(1).map(Number));
        expect(pairs(/Image Width: (\d+) Image Length: (\d+)/g)).toEqual(
          expected.map(({ width, height }) => [width, height]),
        );
        expect(pairs(/Tile Width: (\d+) Tile Length: (\d+)/g)).toEqual(
          expected.map(() => [kind.tileSize, kind.tileSize]),
        );
        count('tiffinfo', expected.length, 0);
      });

      itWith('openslide-show-properties', 'OpenSlide', async () => {
        const text = await run('openslide-show-properties', path);
        const property = (name: string): string =>
          new RegExp(`^openslide\\.${name}: '(.*)'$`, 'm').exec(text)?.[1] ?? '';
        expect(property('vendor')).toBe('generic-tiff');
        // It knows no SubIFDs: of such a file it has the full level.
        const seen = kind.layout === 'pages' ? expected : expected.slice(0, 1);
        expect(Number(property('level-count'))).toBe(seen.length);
        for (const [level, size] of seen.entries()) {
          const of = (name: string): number => Number(property(`level\\[${level}\\]\\.${name}`));
          expect({ width: of('width'), height: of('height') }).toEqual(size);
          expect([of('tile-width'), of('tile-height')]).toEqual([kind.tileSize, kind.tileSize]);
        }
        count('OpenSlide', seen.length, 0);
      });
    });
  });
}
