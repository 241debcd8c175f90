/** Every format a view can be had in, opened by other decoders: sharp's, Debian's libvips, djpeg, libtiff and exiftool. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Metadata } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { srgbProfile } from '../../src/colour/generated.js';
import { Engine } from '../../src/engine.js';
import type { BuildOptions } from '../../src/ingest/types.js';
import type { PartialRequest, Picture } from '../../src/picture/picture.js';
import { XMP } from '../readers/annotated.js';
import { compare } from '../readers/compare.js';
import {
  decodeWithSharp,
  makePixels,
  type Pixels,
  premultiply,
  type Space,
  samplesOf,
  writeSource,
} from '../readers/sources.js';
import { itWith, run } from '../readers/tools.js';
import { decodeFileWithVips } from '../readers/vips.js';
import { psnr } from './reference.js';

const SIZE = { width: 301, height: 217 };
/** What views say, which are upright. */
const UPRIGHT = XMP.replace('tiff:Orientation="6"', 'tiff:Orientation="1"');
/** Pixels an inch of the sources. */
const DENSITY = 240;

type SourceName = 'rgb' | 'gray' | 'cmyk' | 'rgba' | 'deep' | 'deepAlpha' | 'deepGray';

const KINDS: Readonly<Record<SourceName, { readonly space: Space; readonly bits: 8 | 16; readonly alpha: boolean }>> = {
  rgb: { space: 'rgb', bits: 8, alpha: false },
  gray: { space: 'gray', bits: 8, alpha: false },
  cmyk: { space: 'cmyk', bits: 8, alpha: false },
  rgba: { space: 'rgb', bits: 8, alpha: true },
  deep: { space: 'rgb', bits: 16, alpha: false },
  deepAlpha: { space: 'rgb', bits: 16, alpha: true },
  deepGray: { space: 'gray', bits: 16, alpha: false },
};
const NAMES = Object.keys(KINDS) as SourceName[];

let engine: Engine;
let folder: string;
const profiles: Partial<Record<Space, Uint8Array>> = {};
const pictures = new Map<SourceName, Picture>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-formats-'));
  engine = await Engine.start();
  profiles.rgb = srgbProfile();
  profiles.gray = grayProfile();
  profiles.cmyk = await cmykProfile();
  for (const name of NAMES) pictures.set(name, await makePyramid(name));
});
afterAll(async () => {
  await Promise.all([...pictures.values()].map((picture) => picture.close()));
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

/** A profile that comes with sharp. */
async function cmykProfile(): Promise<Uint8Array> {
  const image = sharp({ create: { width: 8, height: 8, channels: 3, background: '#888' } });
  const bytes = await image.toColourspace('cmyk').withIccProfile('cmyk').tiff().toBuffer();
  return (await sharp(bytes).metadata()).icc ?? expect.fail('sharp has no profile of CMYK');
}

/** Gray with the curve and white of sRGB: parts of that profile, under a table of their own. */
function grayProfile(): Uint8Array {
  const rgb = Buffer.from(srgbProfile());
  const names = { desc: 'desc', cprt: 'cprt', wtpt: 'wtpt', rTRC: 'kTRC' };
  const table: Buffer[] = [];
  for (let at = 132; at < 132 + 12 * rgb.readUInt32BE(128); at += 12) {
    const name = names[rgb.toString('latin1', at, at + 4) as keyof typeof names] as string | undefined;
    if (name !== undefined) table.push(Buffer.concat([Buffer.from(name), rgb.subarray(at + 4, at + 12)]));
  }
  const gray = Buffer.from(rgb);
  gray.write('GRAY', 16, 'latin1');
  gray.writeUInt32BE(table.length, 128);
  gray.set(Buffer.concat(table), 132);
  return gray;
}

/** A lossless pyramid with a profile, and all but the CMYK one with XMP. */
async function makePyramid(name: SourceName): Promise<Picture> {
  const kind = KINDS[name];
  const pixels = makePixels({ ...SIZE, ...kind });
  let source: Buffer | string = join(folder, `${name}.source.tif`);
  if (kind.space === 'cmyk') {
    await writeSource(source, pixels);
  } else {
    const spaces = { rgb: ['srgb', 'rgb16'], gray: ['b-w', 'grey16'] }[kind.space];
    source = await sharp(pixels.data, { raw: { ...SIZE, channels: samplesOf(pixels) as 1 | 2 | 3 | 4 } })
      .toColourspace(spaces[kind.bits === 8 ? 0 : 1] ?? '')
      .withXmp(XMP)
      .png({ compressionLevel: 1 })
      .toBuffer();
  }
  const { path } = await engine.build(source, join(folder, `${name}.tif`), {
    compression: 'deflate',
    bits: 'source',
    tileSize: 128,
    dpi: DENSITY,
    imageProfile: profiles[kind.space] ?? null,
  });
  return engine.open(path);
}

function pictureOf(name: SourceName): Picture {
  return pictures.get(name) ?? expect.fail(`no picture ${name}`);
}

let count = 0;

/** Renders into a file, for the decoders that are commands. */
async function renderFile(name: SourceName, request: PartialRequest | string) {
  const rendition = await pictureOf(name).render(request);
  count += 1;
  const path = join(folder, `${count}.${rendition.mediaType.replace('image/', '')}`);
  await writeFile(path, rendition.bytes);
  return { rendition, path };
}

/** What a reply is to be. */
interface Expected {
  readonly mediaType: string;
  readonly space: Space;
  readonly alpha?: boolean;
  readonly bits?: 8 | 16;
  /** Least likeness to the PNG of the same view, dB. Infinity: every sample is the same. */
  readonly like: number;
  /** Alpha is all or nothing. */
  readonly keyed?: boolean;
  /** As sharp has it of a JPEG. */
  readonly chroma?: string;
  /** Further fields of sharp's metadata. */
  readonly metadata?: Partial<Record<keyof Metadata, unknown>>;
}

const WEBP = { mediaType: 'image/webp', space: 'rgb' } as const;
const AVIF = { mediaType: 'image/avif', space: 'rgb' } as const;
const JPEG = { mediaType: 'image/jpeg', space: 'rgb', chroma: '4:2:0' } as const;
const TIFF = { mediaType: 'image/tiff', space: 'rgb', like: Number.POSITIVE_INFINITY } as const;
const PNG = { mediaType: 'image/png', space: 'rgb', like: Number.POSITIVE_INFINITY } as const;
const PALETTE = { mediaType: 'image/png', space: 'rgb', metadata: { isPalette: true } } as const;
const GIF = { mediaType: 'image/gif', space: 'rgb' } as const;

const VIEWS: readonly (readonly [string, SourceName, string, Expected])[] = [
  ['JPEG', 'rgb', 'fmt=jpeg', { ...JPEG, like: 38, metadata: { isProgressive: false } }],
  ['JPEG 4:2:0', 'rgb', 'fmt=jpeg&qlt=95', { ...JPEG, like: 42 }],
  ['JPEG 4:4:4', 'rgb', 'fmt=jpeg&qlt=95,1', { ...JPEG, like: 43, chroma: '4:4:4' }],
  ['JPEG, gray', 'gray', 'fmt=jpeg,gray&qlt=95', { ...JPEG, space: 'gray', like: 44, chroma: '4:4:4' }],
  ['JPEG, gray of RGB', 'rgb', 'fmt=jpeg,gray&qlt=95', { ...JPEG, space: 'gray', like: 44, chroma: '4:4:4' }],
  ['JPEG of gray', 'gray', 'fmt=jpeg&qlt=95', { ...JPEG, like: 44 }],
  ['JPEG, CMYK', 'cmyk', 'fmt=jpeg,cmyk&qlt=95,1', { ...JPEG, space: 'cmyk', like: 42, chroma: '4:4:4:4' }],
  ['JPEG, CMYK of RGB', 'rgb', 'fmt=jpeg,cmyk&qlt=95,1', { ...JPEG, space: 'cmyk', like: 38, chroma: '4:4:4:4' }],
  ['JPEG of CMYK', 'cmyk', 'fmt=jpeg&qlt=95,1', { ...JPEG, like: 42, chroma: '4:4:4' }],
  ['JPEG of RGB with alpha', 'rgba', 'fmt=jpeg&qlt=95,1&bgc=255,0,0', { ...JPEG, like: 38, chroma: '4:4:4' }],
  ['JPEG of 16 bits', 'deep', 'fmt=jpeg&qlt=95', { ...JPEG, like: 42 }],
  ['progressive JPEG', 'rgb', 'fmt=pjpeg&qlt=95&pscan=4', { ...JPEG, like: 42, metadata: { isProgressive: true } }],
  ['progressive JPEG 4:4:4', 'rgb', 'fmt=pjpeg&qlt=95,1', { ...JPEG, like: 43, chroma: '4:4:4' }],
  ['progressive JPEG, gray', 'gray', 'fmt=pjpeg,gray&qlt=95', { ...JPEG, space: 'gray', like: 44, chroma: '4:4:4' }],
  [
    'progressive JPEG, CMYK',
    'cmyk',
    'fmt=pjpeg,cmyk&qlt=95,1',
    { ...JPEG, space: 'cmyk', like: 42, chroma: '4:4:4:4' },
  ],
  ['PNG', 'rgb', 'fmt=png', { ...PNG, metadata: { isPalette: false } }],
  ['PNG of CMYK', 'cmyk', 'fmt=png', PNG],
  ['PNG of gray', 'gray', 'fmt=png', PNG],
  ['PNG, gray', 'gray', 'fmt=png,gray', { ...PNG, space: 'gray' }],
  ['PNG with alpha', 'rgba', 'fmt=png-alpha', { ...PNG, alpha: true }],
  ['PNG with alpha of an opaque picture', 'rgb', 'fmt=png-alpha', { ...PNG, alpha: true }],
  ['PNG with alpha, gray', 'rgba', 'fmt=png-alpha,gray', { ...PNG, space: 'gray', alpha: true }],
  ['PNG8', 'rgb', 'fmt=png8', { ...PALETTE, like: 34 }],
  ['PNG8, undiffused', 'rgb', 'fmt=png8&quantize=adaptive,off', { ...PALETTE, like: 36 }],
  ['PNG8, 16 colours', 'rgb', 'fmt=png8&quantize=adaptive,diffuse,16', { ...PALETTE, like: 24 }],
  ['PNG8, web colours', 'rgb', 'fmt=png8&quantize=web,off', { ...PALETTE, like: 20 }],
  ['PNG8 with alpha', 'rgba', 'fmt=png8-alpha', { ...PALETTE, alpha: true, keyed: true, like: 30 }],
  ['GIF', 'rgb', 'fmt=gif', { ...GIF, like: 34 }],
  ['GIF, Macintosh colours', 'rgb', 'fmt=gif&quantize=mac,off', { ...GIF, like: 20 }],
  ['GIF, gray', 'gray', 'fmt=gif,gray', { ...GIF, like: 50 }],
  ['GIF with alpha', 'rgba', 'fmt=gif-alpha', { ...GIF, alpha: true, keyed: true, like: 30 }],
  ['TIFF', 'rgb', 'fmt=tif', { ...TIFF }],
  ['TIFF, LZW', 'rgb', 'fmt=tif,rgb,lzw', { ...TIFF }],
  ['TIFF, ZIP', 'rgb', 'fmt=tif,rgb,zip', { ...TIFF }],
  ['TIFF, JPEG', 'rgb', 'fmt=tif,rgb,jpeg&qlt=85', { ...TIFF, like: 38 }],
  ['TIFF, JPEG 4:4:4', 'rgb', 'fmt=tif,rgb,jpeg&qlt=85,1', { ...TIFF, like: 38 }],
  ['TIFF, gray', 'gray', 'fmt=tif,gray,lzw', { ...TIFF, space: 'gray' }],
  ['TIFF, gray JPEG', 'gray', 'fmt=tif,gray,jpeg&qlt=95', { ...TIFF, space: 'gray', like: 44 }],
  ['TIFF, CMYK', 'cmyk', 'fmt=tif,cmyk,zip', { ...TIFF, space: 'cmyk' }],
  ['TIFF, CMYK JPEG', 'cmyk', 'fmt=tif,cmyk,jpeg&qlt=95', { ...TIFF, space: 'cmyk', like: 42 }],
  ['TIFF with alpha', 'rgba', 'fmt=tif-alpha', { ...TIFF, alpha: true }],
  ['TIFF with alpha, LZW', 'rgba', 'fmt=tif-alpha,rgb,lzw', { ...TIFF, alpha: true }],
  ['TIFF with alpha, ZIP, CMYK', 'rgba', 'fmt=tif-alpha,cmyk,zip', { ...TIFF, space: 'cmyk', alpha: true }],
  ['WebP', 'rgb', 'fmt=webp', { ...WEBP, like: 36 }],
  ['WebP, lossy', 'rgb', 'fmt=webp,rgb,lossy&qlt=95', { ...WEBP, like: 40 }],
  ['WebP, lossless', 'rgb', 'fmt=webp,rgb,lossless', { ...WEBP, like: Number.POSITIVE_INFINITY }],
  ['WebP of gray', 'gray', 'fmt=webp,rgb,lossless', { ...WEBP, like: Number.POSITIVE_INFINITY }],
  ['WebP with alpha', 'rgba', 'fmt=webp-alpha&qlt=95', { ...WEBP, alpha: true, like: 40 }],
  [
    'WebP with alpha, lossless',
    'rgba',
    'fmt=webp-alpha,rgb,lossless',
    { ...WEBP, alpha: true, like: Number.POSITIVE_INFINITY },
  ],
  ['AVIF', 'rgb', 'fmt=avif', { ...AVIF, like: 40 }],
  ['AVIF, lossless', 'rgb', 'fmt=avif,rgb,lossless', { ...AVIF, like: Number.POSITIVE_INFINITY }],
  ['AVIF with alpha', 'rgba', 'fmt=avif-alpha&qlt=90', { ...AVIF, alpha: true, like: 38 }],
  [
    'AVIF with alpha, lossless',
    'rgba',
    'fmt=avif-alpha,rgb,lossless',
    { ...AVIF, alpha: true, like: Number.POSITIVE_INFINITY },
  ],
];

/** A view that is scaled, and one that is not. */
const PLACES = ['wid=160', 'scl=1&rect=20,30,140,101'];

/** The PNG of the same view, and for CMYK, which that has not, the plain TIFF. */
const references = new Map<string, Promise<Pixels>>();

function referenceOf(name: SourceName, query: string, expected: Expected): Promise<Pixels> {
  const { space, alpha = false, keyed = false } = expected;
  const format = space === 'cmyk' ? `tif${alpha ? '-alpha' : ''},cmyk` : `png${alpha ? '-alpha' : ''},${space}`;
  const same = query.replace(/^fmt=[^&]*/, `fmt=${format}`);
  const key = `${name} ${same}`;
  const made =
    references.get(key) ??
    renderFile(name, same).then(({ rendition: { width, height }, path }) =>
      decodeWithSharp(path, { width, height, space, bits: 8, alpha }),
    );
  references.set(key, made);
  return keyed ? made.then(allOrNothing) : made;
}

/** The pixels as a key colour has them: opaque from half on. */
function allOrNothing(pixels: Pixels): Pixels {
  const samples = samplesOf(pixels);
  const data = pixels.data.map((value, i) => (i % samples < samples - 1 ? value : value >= 128 ? 255 : 0));
  return { ...pixels, data };
}

function likeness(a: Pixels, b: Pixels): number {
  return psnr(premultiply(a), premultiply(b), 2 ** a.bits - 1);
}

describe.each(VIEWS)('%s', (_, source, query, expected) => {
  const { mediaType, space, alpha = false, bits = 8, like, chroma, metadata = {} } = expected;
  const kind = { space, alpha, bits };

  it('sharp', async () => {
    for (const place of PLACES) {
      const { rendition, path } = await renderFile(source, `${query}&${place}`);
      const { width, height } = rendition;
      expect(rendition).toMatchObject({ mediaType, tile: null, quality: null });
      expect([width, height]).toEqual(place === PLACES[0] ? [160, 115] : [140, 101]);
      expect(await sharp(path).metadata()).toMatchObject({
        format: mediaType === 'image/avif' ? 'heif' : mediaType.replace('image/', ''),
        width,
        height,
        depth: 'uchar',
        hasAlpha: alpha,
        channels: samplesOf(kind),
        space: { gray: 'b-w', rgb: 'srgb', cmyk: 'cmyk' }[space],
        ...(chroma === undefined ? {} : { chromaSubsampling: chroma }),
        ...metadata,
      });
      const [ours, reference] = await Promise.all([
        decodeWithSharp(path, { width, height, ...kind }),
        referenceOf(source, `${query}&${place}`, expected),
      ]);
      if (like === Number.POSITIVE_INFINITY) expect(compare(ours.data, reference.data).largest).toBe(0);
      else expect(likeness(ours, reference)).toBeGreaterThan(like);
    }
  });

  itWith('vips', 'libvips of Debian', async () => {
    const [place = ''] = PLACES;
    const { rendition, path } = await renderFile(source, `${query}&${place}`);
    const { bands, data, ...size } = await decodeFileWithVips(path, bits);
    expect({ ...size, bands }).toEqual({ width: rendition.width, height: rendition.height, bands: samplesOf(kind) });
    const reference = await referenceOf(source, `${query}&${place}`, expected);
    if (like === Number.POSITIVE_INFINITY) expect(compare(data, reference.data).largest).toBe(0);
    else expect(likeness({ ...size, ...kind, data }, reference)).toBeGreaterThan(like);
  });
});

describe('JPEG, as djpeg has it', () => {
  for (const [name, source, query, expected] of VIEWS.filter(([, , , { mediaType }]) => mediaType === 'image/jpeg')) {
    if (expected.space === 'cmyk') continue;
    itWith('djpeg', name, async () => {
      const [place = ''] = PLACES;
      const { rendition, path } = await renderFile(source, `${query}&${place}`);
      await run('djpeg', '-pnm', '-outfile', `${path}.pnm`, path);
      const { width, height } = rendition;
      const decoded = await readPnm(`${path}.pnm`);
      expect(decoded).toMatchObject({ width, height, space: expected.space });
      const reference = await referenceOf(source, `${query}&${place}`, expected);
      expect(likeness(decoded, reference)).toBeGreaterThan(expected.like);
    });
  }
});

/** A gray or RGB PNM of 8 bits, as djpeg writes it. */
async function readPnm(path: string): Promise<Pixels> {
  const bytes = await readFile(path);
  const head = /^P([56])\n(\d+) (\d+)\n255\n/.exec(bytes.toString('latin1', 0, 40)) ?? expect.fail('no PNM');
  const space = head[1] === '5' ? 'gray' : 'rgb';
  const data = Uint8Array.from(bytes.subarray(head[0].length));
  return { width: Number(head[2]), height: Number(head[3]), space, bits: 8, alpha: false, data };
}

describe('TIFF, as libtiff has it', () => {
  const fields: readonly (readonly [SourceName, string, Readonly<Record<string, string>>])[] = [
    ['rgb', 'tif', { 'Compression Scheme': 'None', 'Photometric Interpretation': 'RGB color' }],
    ['rgb', 'tif,rgb,lzw', { 'Compression Scheme': 'LZW', Predictor: 'horizontal differencing 2 (0x2)' }],
    ['rgb', 'tif,rgb,zip', { 'Compression Scheme': 'AdobeDeflate', Predictor: 'horizontal differencing 2 (0x2)' }],
    ['rgb', 'tif,rgb,jpeg', { 'Compression Scheme': 'JPEG', 'Photometric Interpretation': 'YCbCr' }],
    ['rgb', 'tif,rgb,jpeg&qlt=80,1', { 'Compression Scheme': 'JPEG', 'Photometric Interpretation': 'RGB color' }],
    ['rgb', 'tif,rgb,jpeg&qlt=95,1', { 'Compression Scheme': 'JPEG', 'Photometric Interpretation': 'RGB color' }],
    ['gray', 'tif,gray,zip', { 'Photometric Interpretation': 'min-is-black', 'Samples/Pixel': '1' }],
    ['cmyk', 'tif,cmyk,zip', { 'Photometric Interpretation': 'separated', 'Samples/Pixel': '4' }],
    ['rgba', 'tif-alpha', { 'Extra Samples': '1<unassoc-alpha>', 'Samples/Pixel': '4' }],
    ['rgba', 'tif-alpha,gray,lzw', { 'Extra Samples': '1<unassoc-alpha>', 'Samples/Pixel': '2' }],
  ];
  for (const [source, words, expected] of fields) {
    itWith('tiffinfo', words, async () => {
      const { path } = await renderFile(source, `fmt=${words}&wid=160&printRes=300`);
      const told = new Map<string, string>();
      for (const line of (await run('tiffinfo', path)).split('\n')) {
        const [name = '', value = ''] = line.trim().split(/: (.*)/s);
        told.set(name, value);
        // This one shares a line with the other side.
        const sides = /^Image Width: (\d+) Image Length: (\d+)/.exec(line.trim());
        if (sides !== null) told.set('size', `${sides[1]} × ${sides[2]}`);
      }
      expect(Object.fromEntries(told)).toMatchObject({
        size: '160 × 115',
        Resolution: '300, 300 pixels/inch',
        'Bits/Sample': '8',
        'Planar Configuration': 'single image plane',
        ...expected,
      });
    });
  }
});

describe('as exiftool has it', () => {
  const fields: readonly (readonly [SourceName, string, Readonly<Record<string, unknown>>])[] = [
    ['rgb', 'jpeg', { EncodingProcess: 0, BitsPerSample: 8, ColorComponents: 3, YCbCrSubSampling: '2 2' }],
    ['rgb', 'jpeg&qlt=90,1', { EncodingProcess: 0, ColorComponents: 3, YCbCrSubSampling: '1 1' }],
    ['rgb', 'pjpeg', { EncodingProcess: 2, ColorComponents: 3, YCbCrSubSampling: '2 2' }],
    ['gray', 'jpeg,gray', { EncodingProcess: 0, ColorComponents: 1 }],
    ['cmyk', 'jpeg,cmyk', { EncodingProcess: 0, ColorComponents: 4, DCTEncodeVersion: 100, ColorTransform: 0 }],
    ['cmyk', 'pjpeg,cmyk', { EncodingProcess: 2, ColorComponents: 4, DCTEncodeVersion: 100 }],
    ['rgb', 'png', { BitDepth: 8, ColorType: 2, PixelsPerUnitX: 9449 }],
    ['gray', 'png,gray', { BitDepth: 8, ColorType: 0 }],
    ['rgba', 'png-alpha', { BitDepth: 8, ColorType: 6 }],
    ['rgba', 'png-alpha,gray', { BitDepth: 8, ColorType: 4 }],
    ['rgb', 'png8', { BitDepth: 8, ColorType: 3, PixelsPerUnitX: 9449 }],
    ['rgb', 'gif', { GIFVersion: '89a', HasColorMap: 1, ColorResolutionDepth: 8 }],
    ['rgb', 'webp', { FileType: 'WEBP', VP8Version: 0 }],
    ['rgb', 'webp,rgb,lossless', { FileType: 'WEBP' }],
    ['rgba', 'webp-alpha', { FileType: 'Extended WEBP', WebP_Flags: 16 }],
    ['rgb', 'avif', { FileType: 'AVIF', ChromaFormat: 3, ImagePixelDepth: '8 8 8' }],
    ['rgb', 'avif,rgb,lossless', { FileType: 'AVIF', ChromaFormat: 0 }],
  ];
  for (const [source, words, expected] of fields) {
    itWith('exiftool', words, async () => {
      const { path } = await renderFile(source, `fmt=${words}&wid=160`);
      const [told] = JSON.parse(await run('exiftool', '-json', '-n', path)) as [Record<string, unknown>];
      expect(told).toMatchObject({ ImageWidth: 160, ImageHeight: 115, ...expected });
    });
  }
});

it('WebP is coded as asked', async () => {
  const chunkOf = async (query: string): Promise<string> => {
    const { bytes } = await pictureOf('rgba').render(`${query}&wid=60`);
    return Buffer.from(bytes).toString('latin1', 12, 16);
  };
  expect(await chunkOf('fmt=webp')).toBe('VP8 ');
  expect(await chunkOf('fmt=webp,rgb,lossless')).toBe('VP8L');
  expect(await chunkOf('fmt=webp-alpha')).toBe('VP8X');
  expect(await chunkOf('fmt=webp-alpha,rgb,lossless')).toBe('VP8L');
});

describe('16 bits', () => {
  const ALPHA = { format: 'png-alpha', space: 'rgb', alpha: true } as const;
  it.each([
    ['deep', { format: 'png', space: 'rgb', alpha: false }],
    ['deepAlpha', ALPHA],
    ['deepGray', { format: 'png', space: 'gray', alpha: false }],
    ['deep', { format: 'tif', space: 'rgb', alpha: false }],
    ['deep', { format: 'tif', compression: 'lzw', space: 'rgb', alpha: false }],
    ['deepAlpha', { ...ALPHA, format: 'tif-alpha', compression: 'zip' }],
    ['deepGray', { format: 'tif', compression: 'zip', space: 'gray', alpha: false }],
    ['rgb', { format: 'png', space: 'rgb', alpha: false }],
  ] as const)('%s as %j', async (source, { space, alpha, ...words }) => {
    const output = { ...words, pixelType: space, bits: 16 } as const;
    const { path, rendition } = await renderFile(source, { view: { scl: 1 }, output });
    expect(rendition).toMatchObject(SIZE);
    const { bytes } = await pictureOf(source).render({ view: { wid: 60 }, output: { ...output, iccEmbed: true } });
    const metadata = await sharp(bytes).metadata();
    expect(metadata).toMatchObject({ depth: 'ushort', density: DENSITY, hasAlpha: alpha });
    expect(metadata.icc?.equals(profiles[space] ?? new Uint8Array())).toBe(true);
    const { data } = await decodeWithSharp(path, { ...SIZE, space, bits: 16, alpha });
    const stored = await pictureOf(source).region({ level: 0, left: 0, top: 0, ...SIZE });
    const deep = stored.data instanceof Uint16Array ? stored.data : Uint16Array.from(stored.data, (v) => v * 257);
    expect(compare(data, deep).largest).toBe(0);
  });

  itWith('vips', 'for libvips of Debian too', async () => {
    for (const format of ['png-alpha', 'tif-alpha']) {
      const { path } = await renderFile('deepAlpha', { view: { scl: 1 }, output: { format, bits: 16 } });
      const { data } = await decodeFileWithVips(path, 16);
      const stored = await pictureOf('deepAlpha').region({ level: 0, left: 0, top: 0, ...SIZE });
      expect(compare(data, stored.data).largest, format).toBe(0);
    }
  });

  it('become 8 where 8 are asked for, rounded', async () => {
    const { path } = await renderFile('deep', 'fmt=png&scl=1');
    const { data } = await decodeWithSharp(path, { ...SIZE, space: 'rgb', bits: 8, alpha: false });
    const stored = await pictureOf('deep').region({ level: 0, left: 0, top: 0, ...SIZE });
    const rounded = Uint8Array.from(stored.data, (value) => Math.round(value / 257));
    expect(compare(data, rounded).largest).toBe(0);
  });
});

it('a view one to one is what is stored', async () => {
  for (const [source, format] of [
    ['rgb', 'png'],
    ['rgba', 'png-alpha'],
    ['gray', 'png,gray'],
    ['cmyk', 'tif,cmyk'],
  ] as const) {
    const { path } = await renderFile(source, `fmt=${format}&scl=1`);
    const { data } = await decodeWithSharp(path, { ...SIZE, ...KINDS[source] });
    const stored = await pictureOf(source).region({ level: 0, left: 0, top: 0, ...SIZE });
    expect(compare(data, stored.data).largest, source).toBe(0);
  }
});

describe('beside the pixels', () => {
  /** Which replies take what along. */
  const carriers: readonly (readonly [string, { icc: boolean; xmp: boolean; dpi: boolean }])[] = [
    ...['jpeg', 'pjpeg', 'tif', 'tif-alpha', 'tif,rgb,jpeg'].map(
      (format) => [format, { icc: true, xmp: true, dpi: true }] as const,
    ),
    ...['png', 'png-alpha', 'png8', 'png8-alpha'].map(
      (format) => [format, { icc: true, xmp: false, dpi: true }] as const,
    ),
    ...['gif', 'gif-alpha', 'webp', 'webp-alpha', 'avif', 'avif-alpha'].map(
      (format) => [format, { icc: false, xmp: false, dpi: false }] as const,
    ),
  ];

  it.each(carriers)('%s: %j', async (format, { icc, xmp, dpi }) => {
    const of = async (query: string) =>
      sharp((await pictureOf('rgb').render(`fmt=${format}&wid=60&${query}`)).bytes).metadata();
    const all = await of('iccEmbed=1&xmpEmbed=1&printRes=300');
    expect(all.icc?.equals(srgbProfile())).toBe(icc ? true : undefined);
    expect(all.xmp?.toString()).toBe(xmp ? UPRIGHT : undefined);
    const plain = await of('');
    expect([plain.icc, plain.xmp]).toEqual([undefined, undefined]);
    expect([all.density, plain.density]).toEqual(dpi ? [300, DENSITY] : [undefined, undefined]);
  });

  itWith('exiftool', 'for exiftool too', async () => {
    for (const format of ['jpeg', 'pjpeg', 'tif']) {
      const { path } = await renderFile('rgb', `fmt=${format}&wid=60&iccEmbed=1&xmpEmbed=1&printRes=150.4`);
      const [told] = JSON.parse(await run('exiftool', '-json', '-n', path)) as [Record<string, unknown>];
      const dpi = format === 'tif' ? expect.closeTo(150.4, 3) : 150;
      expect(told, format).toMatchObject({
        Title: 'Rings & discs — señal',
        ProfileDescription: 'sRGB IEC61966-2.1',
        XResolution: dpi,
        YResolution: dpi,
        ResolutionUnit: format === 'tif' ? 2 : 1,
      });
    }
  });

  it('a profile goes along with the pixels it describes, and with no others', async () => {
    const iccOf = async (source: SourceName, query: string) =>
      (await sharp((await pictureOf(source).render(`${query}&wid=60&iccEmbed=1`)).bytes).metadata()).icc;
    const same = async (source: SourceName, query: string, space: Space) =>
      expect((await iccOf(source, query))?.equals(profiles[space] ?? new Uint8Array()), `${source} ${query}`).toBe(
        true,
      );
    await same('gray', 'fmt=jpeg,gray', 'gray');
    await same('gray', 'fmt=png-alpha,gray', 'gray');
    await same('cmyk', 'fmt=jpeg,cmyk', 'cmyk');
    await same('cmyk', 'fmt=tif-alpha,cmyk', 'cmyk');
    await same('rgba', 'fmt=png-alpha', 'rgb');
    // These are converted to sRGB, as replies in RGB are unless the catalog says otherwise.
    await same('gray', 'fmt=jpeg', 'rgb');
    await same('gray', 'fmt=png8', 'rgb');
    await same('cmyk', 'fmt=png', 'rgb');
    for (const [source, query] of [
      ['cmyk', 'fmt=jpeg,gray'],
      ['rgb', 'fmt=jpeg,gray'],
      ['rgb', 'fmt=tif,cmyk'],
    ] as const)
      expect((await iccOf(source, query)) === undefined, `${source} ${query}`).toBe(true);
  });

  it('a tile that is encoded anew goes by the same rule', async () => {
    const at = { level: 0, column: 0, row: 0 };
    for (const [source, icc] of [
      ['rgb', true],
      ['gray', true],
      ['cmyk', undefined],
    ] as const) {
      const { bytes, mediaType } = await pictureOf(source).tile(at, { icc: true });
      const metadata = await sharp(bytes).metadata();
      expect(mediaType).toBe('image/png');
      expect(metadata.icc?.equals(profiles[KINDS[source].space] ?? new Uint8Array()), source).toBe(icc);
      expect((await sharp((await pictureOf(source).tile(at)).bytes).metadata()).icc).toBeUndefined();
    }
  });
});

describe('palettes', () => {
  const colours = async (query: string): Promise<Set<string>> => {
    const { bytes } = await pictureOf('rgba').render(`${query}&wid=160`);
    const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    const seen = new Set<string>();
    for (let i = 0; i < data.length; i += info.channels) seen.add(data.toString('hex', i, i + info.channels));
    return seen;
  };

  it.each(['gif', 'png8'])('%s has as many colours as asked, and those it must', async (format) => {
    expect((await colours(`fmt=${format}`)).size).toBeGreaterThan(200);
    expect((await colours(`fmt=${format}&quantize=adaptive,diffuse,16`)).size).toBeLessThanOrEqual(16);
    const two = await colours(`fmt=${format}&quantize=adaptive,diffuse,2,102030,d0e0f0`);
    expect([...two].sort()).toEqual(['102030', 'd0e0f0']);
    const web = await colours(`fmt=${format}&quantize=web,diffuse`);
    for (const colour of web) expect(colour).toMatch(/^(00|33|66|99|cc|ff){3}$/);
    expect(web.size).toBeGreaterThan(10);
  });

  it.each(['gif-alpha', 'png8-alpha'])('%s: one more for what is transparent', async (format) => {
    const all = await colours(`fmt=${format}`);
    expect(all.size).toBeLessThanOrEqual(256);
    expect(all.size).toBeGreaterThan(200);
    expect(new Set([...all].map((colour) => colour.slice(6)))).toEqual(new Set(['00', 'ff']));
    const few = await colours(`fmt=${format}&quantize=adaptive,off,8`);
    expect([...few].filter((colour) => colour.endsWith('ff')).length).toBeLessThanOrEqual(8);
  });
});

describe('what does not go together', () => {
  it.each<[string | PartialRequest, string, string]>([
    ['fmt=jpeg-alpha', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=bmp', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=heic', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=jpeg2000-alpha,rgb,lossy', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=pdf,cmyk,zip', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=webp,gray', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=avif,cmyk', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=png,cmyk', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=png8,gray', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=gif,cmyk', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=tif-alpha,rgb,jpeg', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=jpeg,rgb,lossless', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=webp,rgb,lzw', 'FORMAT_UNSUPPORTED', 'fmt'],
    ['fmt=tif,rgb,deflate', 'INVALID_REQUEST', 'fmt'],
    ['fmt=jpeg,lab', 'INVALID_REQUEST', 'fmt'],
    ['fmt=', 'INVALID_REQUEST', 'fmt'],
    ['qlt=0', 'INVALID_REQUEST', 'qlt'],
    ['qlt=101', 'INVALID_REQUEST', 'qlt'],
    ['jpegSize=-1', 'INVALID_REQUEST', 'jpegsize'],
    ['pscan=6', 'INVALID_REQUEST', 'pscan'],
    ['printRes=0', 'INVALID_REQUEST', 'printres'],
    ['printRes=70000', 'INVALID_REQUEST', 'printRes'],
    ['fmt=gif-alpha&quantize=mac', 'INVALID_REQUEST', 'quantize'],
    ['fmt=png8-alpha&quantize=adaptive,off,256', 'INVALID_REQUEST', 'quantize'],
    [{ output: { format: 'jpeg', bits: 16 } }, 'FORMAT_UNSUPPORTED', 'fmt'],
    [{ output: { format: 'tif', compression: 'jpeg', bits: 16 } }, 'FORMAT_UNSUPPORTED', 'fmt'],
    [{ output: { format: 'png', pixelType: 'cmyk' } }, 'FORMAT_UNSUPPORTED', 'fmt'],
    [{ output: { quality: 0 } }, 'INVALID_REQUEST', 'output.quality'],
  ])('%j', async (request, code, option) => {
    await expect(pictureOf('rgb').render(request)).rejects.toMatchObject({ code, option });
    await expect(pictureOf('rgb').plan(request)).rejects.toMatchObject({ code, option });
  });
});

describe('sizes', () => {
  it.each(['jpeg', 'pjpeg'])('%s: jpegSize is met at the best quality that does', async (format) => {
    const picture = pictureOf('rgb');
    const free = await picture.render(`fmt=${format}&scl=1&qlt=90`);
    expect(free.quality).toBeNull();
    let last = 91;
    for (const share of [0.8, 0.5, 0.25]) {
      const limit = free.bytes.length * share;
      const { bytes, quality, mediaType } = await picture.render(
        `fmt=${format}&scl=1&qlt=90&jpegSize=${(limit / 1024).toFixed(4)}`,
      );
      expect(mediaType).toBe('image/jpeg');
      expect(bytes.length).toBeLessThanOrEqual(limit + 1);
      expect(bytes.length).toBeGreaterThan(0.85 * limit);
      expect(quality).toBeLessThan(last);
      expect(await sharp(bytes).metadata()).toMatchObject({ ...SIZE, format: 'jpeg' });
      last = quality ?? 0;
    }
    const ample = await picture.render(`fmt=${format}&scl=1&qlt=90&jpegSize=1000`);
    expect(ample.quality).toBe(90);
  });

  it('jpegSize that no quality meets is said', async () => {
    for (const format of ['jpeg', 'pjpeg', 'jpeg,gray', 'jpeg,cmyk']) {
      const made = pictureOf('rgb').render(`fmt=${format}&scl=1&jpegSize=0.2`);
      await expect(made, format).rejects.toMatchObject({ code: 'SIZE_UNREACHABLE' });
      await expect(made, format).rejects.toThrow(/has \d+ bytes, more than the 204 asked for/);
    }
  });

  it('a reply above maxMessageSize is refused', async () => {
    const { bytes } = await pictureOf('rgb').render('fmt=png&wid=160');
    const just = bytes.length / 2 ** 20;
    const of = (maxMessageSize: number) => pictureOf('rgb').render('fmt=png&wid=160', { limits: { maxMessageSize } });
    expect((await of(just)).bytes.length).toBe(bytes.length);
    await expect(of(just - 1e-6)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      option: 'maxMessageSize',
      value: bytes.length,
      limit: expect.closeTo(bytes.length - 1, -1),
    });
  });

  it('a side the format cannot hold is refused before work', async () => {
    const limits = { maxPix: [0, 0] } as const;
    const plan = (query: string) => pictureOf('rgb').plan(query, { limits });
    for (const [format, limit] of [
      ['webp', 16_383],
      ['avif', 16_384],
      ['gif', 65_535],
      ['jpeg', 65_500],
    ] as const) {
      await expect(plan(`fmt=${format}&wid=4&hei=${limit + 1}`)).rejects.toMatchObject({
        code: 'FORMAT_UNSUPPORTED',
        option: 'fmt',
        value: limit + 1,
        limit,
      });
      expect((await plan(`fmt=${format}&wid=4&hei=${limit}`)).region.size).toEqual({ width: 4, height: limit });
    }
    const { bytes } = await pictureOf('rgb').render('fmt=jpeg&wid=65500&hei=2', { limits });
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 65_500, height: 2 });
  });
});

describe('a tile that is a reply as it is stored', () => {
  let open: Picture[] = [];
  afterAll(async () => {
    await Promise.all(open.map((picture) => picture.close()));
    open = [];
  });

  async function tiled(name: SourceName, options: BuildOptions): Promise<Picture> {
    const path = join(folder, `stored-${open.length}.tif`);
    await engine.build(join(folder, `${name}.tif`), path, { tileSize: 128, ...options });
    const picture = await engine.open(path);
    open.push(picture);
    return picture;
  }

  const PLACE = 'scl=1&rect=128,0,128,128';

  it('JPEG: only where nothing else is asked for', async () => {
    const picture = await tiled('rgb', { compression: 'jpeg' });
    const tile = { level: 0, column: 1, row: 0 };
    expect(await picture.render(PLACE)).toMatchObject({ tile, mediaType: 'image/jpeg', quality: null });
    expect((await picture.render(PLACE)).bytes).toEqual((await picture.tile(tile)).bytes);
    for (const query of [
      'qlt=80',
      'jpegSize=99',
      'fmt=pjpeg',
      'fmt=jpeg,gray',
      'fmt=jpeg,cmyk',
      'printRes=9',
      'fmt=png',
    ])
      expect((await picture.render(`${PLACE}&${query}`)).tile, query).toBeNull();
    const view = { scl: 1, rect: { x: 128, y: 0, width: 128, height: 128, scale: 1 } };
    expect((await picture.render({ view })).tile).toEqual(tile);
    expect((await picture.render({ view, output: { fullChroma: true } })).tile).toBeNull();
    const { bytes } = await picture.render({ view, output: { fullChroma: true } });
    expect((await sharp(bytes).metadata()).chromaSubsampling).toBe('4:4:4');
  });

  it('WebP: not where its transparency has to go, or its losses', async () => {
    const lossy = await tiled('rgb', { compression: 'webp' });
    expect((await lossy.render(`${PLACE}&fmt=webp`)).tile).not.toBeNull();
    expect((await lossy.render(`${PLACE}&fmt=webp,rgb,lossless`)).tile).toBeNull();
    const alpha = await tiled('rgba', { compression: 'webp', alpha: 'straight' });
    const { bytes, tile } = await alpha.render(`${PLACE}&fmt=webp&bgc=255,0,0`);
    expect(tile).toBeNull();
    expect((await sharp(bytes).metadata()).hasAlpha).toBe(false);
  });
});

it('a request that makes no sense is a coded error', async () => {
  const picture = pictureOf('rgb');
  const nonsense: readonly unknown[] = [
    { view: { wid: -5 } },
    { view: { wid: Number.NaN } },
    { kernel: 'x' },
    { layer: { crop: { unit: 'pixels' } } },
    { output: { quantize: { forced: 'red' } } },
    { sharpen: { usm: { radius: 1e9 } } },
    { bgc: { samples: null } },
    { nothing: 1 },
    null,
    [],
  ];
  for (const request of nonsense)
    await expect(picture.render(request as PartialRequest), JSON.stringify(request)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      option: expect.any(String),
    });
});
