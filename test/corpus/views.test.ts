/**
 * Every image of the shared corpus through `engine.open`: what its manifest says loads gives its tiles, its regions and
 * its renditions, everything else ends in a coded error. Two tables tell what became of each file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import { type ErrorCode, PyramidionError } from '../../src/errors.js';
import { orientedSize, type Rect } from '../../src/geometry.js';
import type { Picture, PictureLevel, RegionPixels } from '../../src/picture/picture.js';
import { openPyramid } from '../../src/pyramid/open.js';
import { openFile } from '../../src/source/file.js';
import { compare } from '../readers/compare.js';
import { pseudoRandom } from '../readers/picture.js';
import { decodeStored, type Place } from '../readers/sources.js';
import { countOutcomes, type Expectation, type Row, readManifest } from './manifest.js';
import { corpus, hasCorpus } from './place.js';
import { formatTable } from './table.js';

/** What a file itself can be at fault for. */
const CODES_OF_FILES: readonly ErrorCode[] = ['UNSUPPORTED_FORMAT', 'UNSUPPORTED_IMAGE', 'CORRUPT_IMAGE'];

/** Files that libvips refuses and views do not, and why. */
const READ_NEVERTHELESS: Readonly<Record<string, string>> = {
  'tiff/gen-tiffcp-tiled-planar-zip-64.tif': 'tiles in separate planes',
  'tiff/tiff_tiled_planar_raw.tif': 'tiles in separate planes',
  'pyramid/usda_naip_512_jpeg_z5.tif': 'missing tiles',
};

/** Levels of no more tiles are read whole, of others the first, the last and some. */
const MOST_TILES = 12;
const SOME_TILES = 4;

/** Largest rectangle that is compared with sharp, and how far down: sharp decodes all that lies above it. */
const REGION = 384;
const MOST_ROWS_ABOVE = 256;

/** The default of `maxNonDsfSize`, in pixels. */
const MOST_PLAIN_PIXELS = 4e6;

/** Where the directories of a file's levels are, and how its tiles are coded. */
interface Inside {
  readonly codec: string;
  readonly places: readonly (Place | null)[];
}

/** What became of a file of the folders `pyramid` and `tiff`. */
interface Outcome {
  readonly row: Row;
  readonly picture: Picture | null;
  readonly codec: string;
  readonly result: string;
  readonly compared: string;
}

async function insideOf(path: string, kind: Picture['info']['kind']): Promise<Inside> {
  if (kind === 'image') return { codec: '', places: [{ page: 0 }] };
  const pyramid = await openPyramid(await openFile(path));
  await pyramid.close();
  return {
    codec: pyramid.info.compression,
    places: pyramid.levels.map(({ directory: { page, subIfd, chain } }) => (chain === 0 ? { page, subIfd } : null)),
  };
}

/** Some tiles of a level: columns and rows. */
function someTiles({ columns, rows }: PictureLevel, random: () => number): { column: number; row: number }[] {
  const count = columns * rows;
  const numbers =
    count <= MOST_TILES
      ? [...Array(count).keys()]
      : [0, count - 1, ...Array.from({ length: SOME_TILES }, () => Math.floor(random() * count))];
  return numbers.map((number) => ({ column: number % columns, row: Math.floor(number / columns) }));
}

function someRect({ width, height }: PictureLevel, random: () => number): Rect {
  const size = { width: Math.min(REGION, width), height: Math.min(REGION, height) };
  const place = (spare: number): number => Math.floor(random() * (spare + 1));
  return { left: place(width - size.width), top: place(Math.min(MOST_ROWS_ABOVE, height - size.height)), ...size };
}

/** Every tile and some region of a level; throws as the engine does. Yields the region for comparing. */
async function readLevel(
  picture: Picture,
  level: number,
  random: () => number,
): Promise<{ readonly rect: Rect; readonly region: RegionPixels }> {
  const shape = picture.info.levels[level];
  if (shape === undefined) throw new Error(`there is no level ${level}`);
  const { width, height, tileWidth, tileHeight } = shape;
  for (const { column, row } of someTiles(shape, random)) {
    const tile = await picture.tile({ level, column, row });
    const size = {
      width: Math.min(tileWidth, width - column * tileWidth),
      height: Math.min(tileHeight, height - row * tileHeight),
    };
    expect({ width: tile.width, height: tile.height }).toEqual(size);
    const { data, info } = await sharp(tile.bytes).raw().toBuffer({ resolveWithObject: true });
    expect({ width: info.width, height: info.height }).toEqual(size);
    // A PNG, and a tile that comes as it is stored, hold the very samples.
    const isExact = (tile.mediaType === 'image/png' || tile.tile !== null) && picture.info.pixels.bits === 8;
    const region = { level, left: column * tileWidth, top: row * tileHeight, ...size };
    const samples = isExact ? await picture.region(region) : null;
    if (samples !== null && samples.pixels.space !== 'cmyk' && samples.channels === info.channels)
      expect(compare(samples.data, data).largest, `tile ${level}/${column}/${row}`).toBe(0);
  }
  const rect = someRect(shape, random);
  const region = await picture.region({ level, ...rect });
  expect({ width: region.width, height: region.height }).toEqual({ width: rect.width, height: rect.height });
  expect(region.data.length).toBe(rect.width * rect.height * region.channels);
  return { rect, region };
}

/** sharp's own words for why it cannot decode. */
function reasonOf(error: Error): string {
  const [line = ''] = error.message.trim().split('\n');
  return `sharp: ${line.replace(/(tiff2vips: )\d+: |, tile \d+/g, '$1')}`;
}

/** Compares a region with what sharp decodes there: `same`, or why there is nothing to compare it with. */
async function compareWithSharp(
  path: string,
  place: Place | null,
  { info: { pixels } }: Picture,
  { rect, region }: { readonly rect: Rect; readonly region: RegionPixels },
): Promise<string> {
  if (place === null) return 'sharp reaches no chained SubIFD';
  const { page = 0, subIfd = null } = place;
  const input = subIfd === null ? { page } : { page, tiff: { subifd: subIfd } };
  const found = await sharp(path, { ...input, limitInputPixels: false })
    .metadata()
    .catch(reasonOf);
  if (typeof found === 'string') return found;
  const isWide = pixels.bits === 16;
  const same = { gray: isWide ? 'grey16' : 'b-w', rgb: isWide ? 'rgb16' : 'srgb', cmyk: 'cmyk' }[pixels.space];
  if (found.space !== same || found.depth !== (isWide ? 'ushort' : 'uchar'))
    return `converted from ${found.space} ${found.depth}`;
  const expected = await decodeStored(path, { ...pixels, alpha: pixels.alpha !== 'none' }, place, rect).catch(reasonOf);
  if (typeof expected === 'string') return expected;
  expect(compare(region.data, expected).largest).toBe(0);
  return 'same';
}

/** The size of a rendition that fits a width: nothing is enlarged. */
function fitting({ width, height }: Picture['info'], wanted: number): { width: number; height: number } {
  const scale = Math.min(1, wanted / width);
  return { width: Math.round(width * scale), height: Math.max(1, Math.round(height * scale)) };
}

/** A rendition in a format, decoded by sharp and of the right size. */
async function renderAt(picture: Picture, wanted: number, format: 'jpeg' | 'png'): Promise<void> {
  const rendition = await picture.render(`wid=${wanted}&fmt=${format}`);
  const { data, info } = await sharp(rendition.bytes).raw().toBuffer({ resolveWithObject: true });
  const size = fitting(picture.info, wanted);
  expect({ width: info.width, height: info.height }).toEqual(size);
  expect({ width: rendition.width, height: rendition.height }).toEqual(size);
  expect(data.length).toBeGreaterThan(0);
  expect((await sharp(rendition.bytes).metadata()).format).toBe(format);
}

/** What `work` yields, or the code of the error it ends with. */
async function orCode<Value>(work: () => Promise<Value>): Promise<Value | ErrorCode> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof PyramidionError) return thrown.code;
    throw thrown;
  }
}

/** The whole picture, turned upright, has the samples that sharp turns upright. */
async function compareUpright(picture: Picture, path: string): Promise<void> {
  expect(picture.info.pixels).toMatchObject({ bits: 8, alpha: 'none' });
  const samples = (image: Sharp): Promise<Buffer> => image.toColourspace('srgb').raw().toBuffer();
  const view = await picture.render('scl=1&fmt=png');
  const expected = await samples(sharp(path, { ignoreIcc: true }).autoOrient());
  expect(compare(await samples(sharp(view.bytes)), expected).largest).toBe(0);
}

/** What a row of the manifest allows to become of a file. */
function checkExpectation({ file, expectation, lacksDecoder }: Row, code: ErrorCode | null): void {
  if (code !== null) {
    expect(CODES_OF_FILES).toContain(code);
    expect(expectation, code).not.toBe('loads');
    expect(READ_NEVERTHELESS[file], code).toBe(undefined);
    if (lacksDecoder && expectation === 'either') expect(code).toBe('UNSUPPORTED_IMAGE');
  } else if (expectation === 'must fail') {
    expect(Object.keys(READ_NEVERTHELESS)).toContain(file);
  }
}

describe('views of the shared corpus', () => {
  if (!hasCorpus) {
    it.skipIf(!process.env.CI)(`every image of the corpus (skipped: there is none at ${corpus})`, () => {
      expect.fail(`there is no corpus at ${corpus}: set PYRAMIDION_CORPUS`);
    });
    return;
  }
  const rows = readManifest(readFileSync(join(corpus, 'manifest.tsv'), 'utf8')).filter(
    ({ expectation }) => expectation !== 'profile',
  );
  const isTiff = ({ file }: Row): boolean => /^(pyramid|tiff)\//.test(file);
  const outcomes: Outcome[] = [];
  const counts: { folder: string; expectation: Expectation; outcome: string }[] = [];
  let engine: Engine;
  /** Takes larger images that are no pyramids. */
  let generous: Engine;

  beforeAll(async () => {
    engine = await Engine.start();
    generous = await Engine.start({ limits: { maxNonDsfSize: 10 } });
  });
  afterAll(async () => {
    await engine.close();
    await generous.close();
    console.log(tableOf(outcomes));
    console.log(countOutcomes(counts, 'shown'));
  });

  /** Opens a file; one that is no pyramid and too large is refused first. */
  async function open({ file }: Row): Promise<Picture> {
    const path = join(corpus, file);
    try {
      return await engine.open(path);
    } catch (thrown) {
      if (!(thrown instanceof PyramidionError) || thrown.code !== 'LIMIT_EXCEEDED') throw thrown;
      expect(thrown).toMatchObject({ option: 'maxNonDsfSize', limit: MOST_PLAIN_PIXELS });
      expect(thrown.value).toBeGreaterThan(MOST_PLAIN_PIXELS);
      return generous.open(path);
    }
  }

  describe('tiles, regions and renditions', () => {
    for (const row of rows.filter(isTiff)) {
      it(`${row.file}: ${row.expectation}`, async () => {
        const path = join(corpus, row.file);
        const opened = await orCode(() => open(row));
        if (typeof opened === 'string') {
          outcomes.push({ row, picture: null, codec: '', result: opened, compared: '' });
          return checkExpectation(row, opened);
        }
        const { info } = opened;
        if (row.size !== null) expect(info).toMatchObject(orientedSize(row.size, info.orientation));
        const { codec, places } = await insideOf(path, info.kind);
        const random = pseudoRandom(row.file.length);
        const compared = new Set<string>();
        const failures: { readonly code: ErrorCode; readonly what: string }[] = [];
        const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
          const code = await orCode(work);
          if (code !== undefined) failures.push({ code, what });
        };
        for (const level of info.levels.keys()) {
          await attempt(`level ${level}`, async () => {
            const read = await readLevel(opened, level, random);
            const result = await compareWithSharp(path, places[level] ?? null, opened, read);
            compared.add(result);
            // What the manifest says loads is what sharp loads.
            if (level === 0 && row.expectation === 'loads') expect(result).not.toMatch(/^sharp/);
          });
        }
        await attempt('300 px JPEG', () => renderAt(opened, 300, 'jpeg'));
        await attempt('300 px PNG', () => renderAt(opened, 300, 'png'));
        await opened.close();
        const [failure] = failures;
        const result =
          failure === undefined ? (READ_NEVERTHELESS[row.file] ?? 'shown') : `${failure.code} (${failure.what})`;
        outcomes.push({ row, picture: opened, codec, result, compared: [...compared].join('; ') });
        checkExpectation(row, failure?.code ?? null);
      });
    }
  });

  describe('renditions of plain images', () => {
    for (const row of rows.filter((row) => !isTiff(row))) {
      it(`${row.file}: ${row.expectation}`, async () => {
        const path = join(corpus, row.file);
        const code = await orCode(async () => {
          const picture = await engine.open(path);
          try {
            const { orientation = 1 } = await sharp(path, { limitInputPixels: false }).metadata();
            if (row.size !== null) expect(picture.info).toMatchObject(orientedSize(row.size, orientation));
            await renderAt(picture, 100, 'png');
            if (row.file.startsWith('orientation/')) await compareUpright(picture, path);
          } finally {
            await picture.close();
          }
        });
        const outcome = code ?? 'shown';
        counts.push({ folder: row.file.split('/', 1).join(), expectation: row.expectation, outcome });
        const isLarge = row.size !== null && row.size.width * row.size.height > MOST_PLAIN_PIXELS;
        if (isLarge && row.expectation !== 'must fail') expect(code).toBe('LIMIT_EXCEEDED');
        else checkExpectation(row, code ?? null);
      });
    }
  });

  it.each([
    ['tiff/gen-tiffcp-tiled-planar-zip-64.tif', 'png/hibiscus.regular.png'],
    ['tiff/tiff_tiled_planar_raw.tif', 'tiff/tiff_strip_planar_raw_with_overviews.tif'],
  ])('tiles in separate planes, %s, hold what %s holds', async (file, twin) => {
    const picture = await engine.open(join(corpus, file));
    const { width, height, pixels } = picture.info;
    const rect = { left: 0, top: 0, width, height };
    const { data } = await picture.region({ level: 0, ...rect });
    await picture.close();
    const expected = await decodeStored(join(corpus, twin), { ...pixels, alpha: false }, {}, rect);
    expect(compare(data, expected).largest).toBe(0);
  });

  it('leaves an engine that works', async () => {
    const picture = await engine.open(join(corpus, 'pyramid/cog_rgb.tif'));
    await renderAt(picture, 300, 'jpeg');
    await picture.close();
  });
});

/** One line a file. */
function tableOf(outcomes: readonly Outcome[]): string {
  return formatTable([
    ['file', 'manifest', 'kind', 'levels', 'codec', 'samples', 'result', 'level pixels against sharp'],
    ...outcomes.map(({ row, picture, codec, result, compared }) => {
      const { file, expectation } = row;
      if (picture === null) return [file, expectation, '', '', '', '', result, ''];
      const { kind, levels, pixels } = picture.info;
      const samples = `${pixels.space} ${pixels.bits}${pixels.alpha === 'none' ? '' : ' alpha'}`;
      return [file, expectation, kind, `${levels.length}`, codec, samples, result, compared];
    }),
  ]);
}
