/**
 * Tiles that go out as they are stored: what djpeg, sharp and a browser decode is what `region` yields there, and the
 * entropy-coded bytes are the file's. CMYK, which decoders take as inverted, is coded again and must be right in them.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { srgbProfile } from '../../src/colour/generated.js';
import { Engine } from '../../src/engine.js';
import type { BuildOptions } from '../../src/ingest/types.js';
import type { Picture, TileAddress } from '../../src/picture/picture.js';
import { openPyramid } from '../../src/pyramid/open.js';
import { openFile } from '../../src/source/file.js';
import { corpus, hasCorpus } from '../corpus/place.js';
import { type Shown, showInChromium } from '../readers/browser.js';
import { compare, psnr } from '../readers/compare.js';
import { decodeStored, makePixels, type SourceKind, writeSource } from '../readers/sources.js';
import { itWith, pipe } from '../readers/tools.js';

const TILE = 64;
const RGB: SourceKind = { width: 301, height: 217, space: 'rgb', bits: 8, alpha: false };

/** What a file's tiles must be by its directory: TIFF's photometric interpretation. */
const PHOTOMETRIC = { gray: 1, rgb: 2, cmyk: 5, ycbcr: 6 } as const;

/** A file of JPEG tiles. */
interface Case {
  readonly name: string;
  readonly photometric: keyof typeof PHOTOMETRIC;
  readonly make: () => Promise<string>;
}

/** A tile as it went out, and what the level has there. */
interface Sent {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly width: number;
  readonly height: number;
  /** The part of it that the level covers. */
  readonly region: { readonly width: number; readonly height: number; readonly data: Uint8Array };
  readonly channels: number;
  /** The stored bytes. */
  readonly stored: Uint8Array;
}

let engine: Engine;
let folder = '';
const pictures = new Map<string, { readonly path: string; readonly picture: Picture }>();

const path = (name: string): string => join(folder, `${name.replace(/\W+/g, '-')}.tif`);

async function built(name: string, kind: Partial<SourceKind>, options: BuildOptions): Promise<string> {
  await writeSource(`${path(name)}.source`, makePixels({ ...RGB, ...kind }));
  const profile = kind.space === undefined ? { viewProfile: srgbProfile(), imageProfile: srgbProfile() } : {};
  await engine.build(`${path(name)}.source`, path(name), {
    tileSize: TILE,
    compression: 'jpeg',
    ...profile,
    ...options,
  });
  return path(name);
}

/** sharp stores RGB itself, without a conversion, from quality 90. */
async function ofRgb(name: string): Promise<string> {
  const { width, height, data } = makePixels(RGB);
  await sharp(data, { raw: { width, height, channels: 3 } })
    .tiff({ compression: 'jpeg', quality: 90, tile: true, tileWidth: TILE, tileHeight: TILE, pyramid: true })
    .toFile(path(name));
  return path(name);
}

const own: readonly Case[] = [
  { name: 'gray', photometric: 'gray', make: () => built('gray', { space: 'gray' }, {}) },
  { name: 'YCbCr 4:2:0', photometric: 'ycbcr', make: () => built('420', {}, { chroma: '4:2:0' }) },
  { name: 'YCbCr 4:4:4', photometric: 'ycbcr', make: () => built('444', {}, { chroma: '4:4:4' }) },
  { name: 'RGB', photometric: 'rgb', make: () => ofRgb('rgb') },
];

const foreign: readonly Case[] = (
  [
    ['pyramid/caillebotte.tif', 'ycbcr'],
    ['pyramid/cog_rgb.tif', 'ycbcr'],
    ['pyramid/samvera_128.tif', 'ycbcr'],
    ['pyramid/CMU-1-Small-Region.svs', 'rgb'],
    ['tiff/gen-tiffcp-tiled-jpeg-ycbcr-128.tif', 'ycbcr'],
    ['tiff/quad-tile.jpg.tiff', 'ycbcr'],
    ['orientation/test_orient1.tif', 'gray'],
  ] as const
).map(([name, photometric]) => ({ name, photometric, make: async () => join(corpus, name) }));

const CMYK = 'CMYK';
const ofCmyk: Case = {
  name: CMYK,
  photometric: 'cmyk',
  make: () => built('cmyk', { space: 'cmyk' }, { quality: 95 }),
};

/** A file whose second level is exactly half the first. */
const even: Case = {
  name: 'even',
  photometric: 'ycbcr',
  make: () => built('even', { width: 256, height: 256 }, {}),
};

/** A whole tile that all files of our own have. */
const INNER: TileAddress = { level: 0, column: 1, row: 1 };

const cases = hasCorpus ? [...own, ...foreign] : own;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-pass-through-'));
  engine = await Engine.start();
  for (const { name, make } of [...cases, ofCmyk, even]) {
    const made = await make();
    pictures.set(name, { path: made, picture: await engine.open(made) });
  }
});
afterAll(async () => {
  for (const { picture } of pictures.values()) await picture.close();
  await engine.close();
  await rm(folder, { recursive: true });
});

function opened(name: string): { readonly path: string; readonly picture: Picture } {
  const found = pictures.get(name);
  if (found === undefined) throw new Error(`${name} is not open`);
  return found;
}

/** The first and the last tile of each level. */
function addresses({ info: { levels } }: Picture): TileAddress[] {
  return levels.flatMap(({ columns, rows }, level) => {
    const last = { level, column: columns - 1, row: rows - 1 };
    return columns * rows === 1 ? [last] : [{ level, column: 0, row: 0 }, last];
  });
}

/** Tiles with what the level has there. */
async function send(name: string, icc = false): Promise<Sent[]> {
  const { path, picture } = opened(name);
  const file = await readFile(path);
  return Promise.all(
    addresses(picture).map(async (address) => {
      const { level, column, row } = address;
      const shape = picture.info.levels[level];
      if (shape === undefined) throw new Error(`there is no level ${level}`);
      const [left, top] = [column * shape.tileWidth, row * shape.tileHeight];
      const width = Math.min(shape.tileWidth, shape.width - left);
      const height = Math.min(shape.tileHeight, shape.height - top);
      const tile = await picture.tile(address, { edge: 'padded', icc });
      expect(tile).toMatchObject({ tile: address, mediaType: 'image/jpeg' });
      const { data, channels } = await picture.region({ level, left, top, width, height });
      if (!(data instanceof Uint8Array)) throw new Error(`${name} has samples of 16 bits`);
      const { offsets, lengths } = await picture.tileIndex(level);
      const number = row * shape.columns + column;
      const at = offsets[number] ?? 0;
      return {
        what: `${name}, ${level}/${column}/${row}`,
        bytes: tile.bytes,
        mediaType: tile.mediaType,
        width: tile.width,
        height: tile.height,
        region: { width, height, data },
        channels,
        stored: file.subarray(at, at + (lengths[number] ?? 0)),
      };
    }),
  );
}

/** The upper left part of an image's samples. */
function part(data: Uint8Array, stride: number, { width, height }: Sent['region'], channels: number): Uint8Array {
  const cut = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const from = y * stride * channels;
    cut.set(data.subarray(from, from + width * channels), y * width * channels);
  }
  return cut;
}

/** Gray three times over, as a browser shows it. */
function spread({ data }: Sent['region'], channels: number): Uint8Array {
  return channels === 3 ? data : Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)] ?? 0);
}

/** From the first start of scan to the end: what is coded, and nothing that tells how. */
function scans(jpeg: Uint8Array): Uint8Array {
  for (let at = 2; at < jpeg.length; at += 2 + ((jpeg[at + 2] ?? 0) << 8) + (jpeg[at + 3] ?? 0)) {
    if (jpeg[at] !== 0xff) throw new Error(`there is no marker at ${at}`);
    if (jpeg[at + 1] === 0xda) return jpeg.subarray(at);
  }
  throw new Error('there is no scan');
}

/** The samples of a binary PGM or PPM. */
function pnmSamples(pnm: Buffer, { width, height }: Sent, channels: number): Uint8Array {
  const head = `P${channels === 1 ? 5 : 6}\n${width} ${height}\n255\n`;
  expect(pnm.toString('latin1', 0, head.length)).toBe(head);
  return pnm.subarray(head.length);
}

if (!hasCorpus) {
  it.skipIf(!process.env.CI)(`tiles of other writers (skipped: there is no corpus at ${corpus})`, () => {
    expect.fail(`there is no corpus at ${corpus}: set PYRAMIDION_CORPUS`);
  });
}

describe.each(cases)('tiles of $name', ({ name, photometric }) => {
  test('hold what the case is about', async () => {
    const pyramid = await openPyramid(await openFile(opened(name).path));
    await pyramid.close();
    expect(pyramid.levels[0]?.stored.photometric).toBe(PHOTOMETRIC[photometric]);
    const { chromaSubsampling } = await sharp((await send(name))[0]?.bytes).metadata();
    if (/4:\d:\d/.test(name)) expect(name).toContain(chromaSubsampling);
  });

  test('are the same samples in sharp', async () => {
    for (const { what, bytes, width, height, region, channels } of await send(name)) {
      const like = { space: channels === 1 ? 'gray' : 'rgb', bits: 8, alpha: false } as const;
      const samples = await decodeStored(bytes, like, {}, { left: 0, top: 0, width, height });
      expect(compare(part(Uint8Array.from(samples), width, region, channels), region.data).largest, what).toBe(0);
    }
  });

  itWith('djpeg', 'are the same samples in djpeg', async () => {
    for (const sent of await send(name)) {
      const { what, bytes, width, region, channels } = sent;
      const samples = pnmSamples(await pipe('djpeg', bytes), sent, channels);
      expect(compare(part(samples, width, region, channels), region.data).largest, what).toBe(0);
    }
  });

  test.each([false, true])('have the very scans of the file; profile: %s', async (icc) => {
    const { profile, pixels } = opened(name).picture.info;
    for (const { what, bytes, stored } of await send(name, icc)) {
      expect(Buffer.compare(scans(bytes), scans(stored)), what).toBe(0);
      expect([...bytes.subarray(-2)]).toEqual([0xff, 0xd9]);
      const embedded = (await sharp(bytes).metadata()).icc;
      if (icc && profile !== null) expect(embedded, `${what}, ${pixels.space}`).toEqual(Buffer.from(profile.bytes));
      else expect(embedded).toBe(undefined);
    }
  });

  test('are the same when whole, cropped or padded; an edge that is cropped has its size', async () => {
    const { picture } = opened(name);
    for (const address of addresses(picture)) {
      const padded = await picture.tile(address, { edge: 'padded' });
      const cropped = await picture.tile(address);
      const shape = picture.info.levels[address.level];
      const width = Math.min(padded.width, (shape?.width ?? 0) - address.column * (shape?.tileWidth ?? 0));
      const height = Math.min(padded.height, (shape?.height ?? 0) - address.row * (shape?.tileHeight ?? 0));
      expect(cropped).toMatchObject({ width, height, mediaType: 'image/jpeg' });
      if (width === padded.width && height === padded.height) {
        expect(cropped).toEqual(padded);
        continue;
      }
      expect(cropped.tile).toBe(null);
      const { level, column, row } = address;
      const place = { left: column * (shape?.tileWidth ?? 0), top: row * (shape?.tileHeight ?? 0) };
      const { data, channels } = await picture.region({ level, ...place, width, height });
      const like = { space: channels === 1 ? 'gray' : 'rgb', bits: 8, alpha: false } as const;
      const samples = await decodeStored(cropped.bytes, like, {}, { left: 0, top: 0, width, height });
      expect(psnr(samples, data)).toBeGreaterThan(35);
    }
  });
});

/** All that browsers are asked to show, in one start: the tiles of every case, then a tile and a view of CMYK. */
let inChromium: Promise<{ readonly tiles: readonly Sent[]; readonly shown: readonly Shown[] }> | null = null;
function inOneBrowser(): NonNullable<typeof inChromium> {
  inChromium ??= (async () => {
    const tiles = (await Promise.all(cases.map(({ name }) => send(name)))).flat();
    const { picture } = opened(CMYK);
    const view = await picture.render(`scl=1&rect=${TILE},${TILE},${TILE},${TILE}&qlt=95,1`);
    return { tiles, shown: await showInChromium([...tiles, await picture.tile(INNER), view]) };
  })();
  return inChromium;
}

describe('CMYK', () => {
  const region = { level: 0, left: TILE, top: TILE, width: TILE, height: TILE };
  let picture: Picture;
  beforeAll(() => {
    picture = opened(CMYK).picture;
  });

  /** Light of inks that are laid over each other, without profiles. */
  async function naive(): Promise<Uint8Array> {
    const { data } = await picture.region(region);
    return Uint8Array.from({ length: TILE * TILE * 3 }, (_, i) => {
      const at = Math.floor(i / 3) * 4;
      return Math.round(((255 - (data[at + (i % 3)] ?? 0)) * (255 - (data[at + 3] ?? 0))) / 255);
    });
  }

  const sent = () => picture.tile(INNER);

  test('is coded again as CMYK, which sharp reads as the amounts of ink they are', async () => {
    const tile = await sent();
    expect(tile).toMatchObject({ tile: null, mediaType: 'image/jpeg', width: TILE, height: TILE });
    expect(await sharp(tile.bytes).metadata()).toMatchObject({ space: 'cmyk', channels: 4 });
    const { data } = await picture.region(region);
    const like = { space: 'cmyk', bits: 8, alpha: false } as const;
    const samples = await decodeStored(tile.bytes, like, {}, { ...region, left: 0, top: 0 });
    expect(psnr(samples, data)).toBeGreaterThan(38);
  });

  itWith('djpeg', 'is right in djpeg', async () => {
    const pnm = await pipe('djpeg', (await sent()).bytes);
    expect(psnr(pnm.subarray(-TILE * TILE * 3), await naive())).toBeGreaterThan(38);
  });

  itWith('chromium', 'is right in a browser', async () => {
    const [tile, rendition] = (await inOneBrowser()).shown.slice(-2);
    const expected = await naive();
    expect(psnr(tile?.data ?? new Uint8Array(), expected)).toBeGreaterThan(38);
    expect(psnr(rendition?.data ?? new Uint8Array(), expected)).toBeGreaterThan(38);
  });

  test('is never passed through', async () => {
    for (const format of ['jpeg', 'jpeg,cmyk'])
      expect((await picture.render(`scl=1&rect=${TILE},${TILE},${TILE},${TILE}&fmt=${format}`)).tile).toBe(null);
  });
});

itWith('chromium', 'stored tiles are the same samples in a browser', async () => {
  const { tiles, shown } = await inOneBrowser();
  for (const [i, { what, width, height, region, channels }] of tiles.entries()) {
    expect(shown[i], what).toMatchObject({ width, height });
    const samples = part(shown[i]?.data ?? new Uint8Array(), width, region, 3);
    expect(compare(samples, spread(region, channels)).largest, what).toBe(0);
  }
});

describe('a view that is a stored tile', () => {
  const rect = `rect=${TILE},${TILE},${TILE},${TILE}`;

  test.each([
    ['YCbCr 4:2:0', `scl=1&${rect}`],
    ['YCbCr 4:2:0', `scl=1&${rect}&fmt=jpeg`],
    ['YCbCr 4:2:0', `scl=1&${rect}&fmt=jpeg,rgb`],
    ['YCbCr 4:2:0', `scl=1&${rect}&resMode=bicub&bgc=ff0000`],
    ['YCbCr 4:4:4', `scl=1&${rect}`],
    ['RGB', `scl=1&${rect}`],
    ['gray', `scl=1&${rect}`],
    ['gray', `scl=1&${rect}&fmt=jpeg,gray`],
  ])('%s?%s is passed through', async (name, query) => {
    const { picture } = opened(name);
    expect((await picture.plan(query)).tile).toEqual(INNER);
    expect(await picture.render(query)).toEqual(await picture.tile(INNER));
  });

  test('of a level below too', async () => {
    const { picture } = opened('even');
    const rendition = await picture.render(`scl=2&${rect}`);
    expect(rendition).toEqual(await picture.tile({ ...INNER, level: 1 }));
    expect(rendition.tile).toEqual({ ...INNER, level: 1 });
  });

  test('with the profile where it is asked for', async () => {
    const { picture } = opened('YCbCr 4:2:0');
    const rendition = await picture.render(`scl=1&${rect}&iccEmbed=1`);
    expect(rendition).toEqual(await picture.tile(INNER, { icc: true }));
    expect((await sharp(rendition.bytes).metadata()).icc).toEqual(Buffer.from(srgbProfile()));
  });

  test.each([
    'qlt=90',
    'jpegSize=100',
    'fmt=png',
    'fmt=pjpeg',
    'fmt=webp',
    'fmt=jpeg,gray',
    'fmt=jpeg,cmyk',
    'op_sharpen=1',
    'op_usm=1,1,0,0',
    'printRes=150',
    'xmpEmbed=1',
    'flip=lr',
    'rotate=90',
    'extend=1,0,0,0',
    'crop=1,0,200,200',
  ])('not with %s', async (command) => {
    const rendition = await opened('YCbCr 4:2:0').picture.render(`scl=1&${rect}&${command}`);
    expect(rendition).toMatchObject({ tile: null, width: TILE, height: TILE });
  });

  test.each([
    `scl=1&rect=${TILE + 1},${TILE},${TILE},${TILE}`,
    `scl=1&rect=${TILE},${TILE},${TILE - 1},${TILE}`,
    `scl=1&rect=${TILE},${TILE},${2 * TILE},${TILE}`,
    `scl=1&rect=${4 * TILE},${3 * TILE},${TILE},${TILE}`,
    `scl=1.5&${rect}`,
  ])('not off the grid: %s', async (query) => {
    expect((await opened('YCbCr 4:2:0').picture.render(query)).tile).toBe(null);
  });

  describe('WebP', () => {
    const open = async (alpha: boolean): Promise<Picture> =>
      engine.open(await built(`webp ${alpha}`, { alpha }, { compression: 'webp' }));

    test('is passed through, but not where it must lose nothing', async () => {
      const picture = await open(false);
      const rendition = await picture.render(`scl=1&${rect}&fmt=webp`);
      expect(rendition).toEqual(await picture.tile(INNER));
      const lossless = await picture.render(`scl=1&${rect}&fmt=webp,,lossless`);
      expect(lossless.tile).toBe(null);
      const { data } = await picture.region({ level: 0, left: TILE, top: TILE, width: TILE, height: TILE });
      expect(compare(await sharp(lossless.bytes).raw().toBuffer(), data).largest).toBe(0);
      await picture.close();
    });

    test('with alpha has the background put under it', async () => {
      const picture = await open(true);
      const rendition = await picture.render(`scl=1&rect=0,0,${TILE},${TILE}&fmt=webp&bgc=ff0000`);
      expect(rendition.tile).toBe(null);
      expect((await sharp(rendition.bytes).metadata()).hasAlpha).toBe(false);
      await picture.close();
    });
  });
});
