/** What becomes of the pixels, the colours and the metadata: read back by sharp, which is another reader than our own. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { srgbProfile } from '../../src/colour/generated.js';
import { type BuildOptions, Engine } from '../../src/index.js';
import { readExifFields } from '../../src/ingest/exif.js';
import { TiffReader } from '../../src/ingest/tiff-fields.js';

const WIDTH = 397;
const HEIGHT = 301;

let engine: Engine;
let folder = '';
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-pixels-'));
  engine = await Engine.start();
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

/** Shading in all channels, with a step at every 16 pixels: alpha is never the same as a colour. */
function picture(channels: 3 | 4 = 3): Sharp {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * channels);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      for (let c = 0; c < channels; c++) {
        pixels[(y * WIDTH + x) * channels + c] = (x * (c + 1) + y * (3 - c) + (x >> 4) * 7 + c * 40) & 255;
      }
    }
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels } });
}

async function build(source: Buffer, options: BuildOptions = {}) {
  count += 1;
  const report = await engine.build(source, join(folder, `${count}.tif`), options);
  return { report, level: (page: number) => sharp(report.path, { page }) };
}

async function rawOf(image: Sharp, depth: 'uchar' | 'ushort' = 'uchar') {
  const { data, info } = await image.raw({ depth }).toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels };
}

/** Largest difference of two images of the same shape. */
async function difference(a: Sharp, b: Sharp): Promise<number> {
  const [one, two] = await Promise.all([rawOf(a), rawOf(b)]);
  expect({ ...one, data: null }).toEqual({ ...two, data: null });
  return one.data.reduce((most, value, index) => Math.max(most, Math.abs(value - (two.data[index] ?? 0))), 0);
}

describe('lossless levels hold what sharp decodes from the source', () => {
  test.each<[string, () => Sharp]>([
    ['JPEG', () => picture().jpeg({ quality: 90 })],
    ['progressive JPEG', () => picture().jpeg({ progressive: true })],
    ['PNG', () => picture().png()],
    ['interlaced PNG', () => picture().png({ progressive: true })],
    ['PNG with alpha', () => picture(4).png()],
    ['PNG with a palette', () => picture().png({ palette: true })],
    ['gray PNG', () => picture().toColourspace('b-w').png()],
    ['TIFF in strips', () => picture().tiff({ compression: 'lzw' })],
    ['TIFF in tiles', () => picture().tiff({ compression: 'deflate', tile: true, tileWidth: 64, tileHeight: 64 })],
    ['CMYK TIFF', () => picture().toColourspace('cmyk').tiff({ compression: 'none' })],
    ['lossless WebP with alpha', () => picture(4).webp({ lossless: true, exact: true })],
    ['lossy WebP', () => picture().webp()],
    ['GIF', () => picture().gif()],
    ['AVIF', () => picture().avif({ quality: 90 })],
  ])('%s', async (_, encode) => {
    const source = await encode().toBuffer();
    for (const compression of ['deflate', 'lzw', 'none'] as const) {
      const { level } = await build(source, { compression });
      expect(await difference(level(0), sharp(source)), compression).toBe(0);
    }
  });

  test('16 bits, kept', async () => {
    const source = await picture().toColourspace('rgb16').linear(1.7, 31).png().toBuffer();
    const { level } = await build(source, { bits: 'source' });
    expect((await level(0).metadata()).depth).toBe('ushort');
    const [ours, theirs] = await Promise.all([rawOf(level(0), 'ushort'), rawOf(sharp(source), 'ushort')]);
    expect(ours.data.equals(theirs.data)).toBe(true);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('orientation %d, undone', async (orientation) => {
    const source = await picture().withMetadata({ orientation }).png().toBuffer();
    const { report, level } = await build(source, { compression: 'deflate' });
    const upright = sharp(source).autoOrient();
    expect(await difference(level(0), upright)).toBe(0);
    expect({ width: report.width, height: report.height }).toEqual(
      orientation > 4 ? { width: HEIGHT, height: WIDTH } : { width: WIDTH, height: HEIGHT },
    );
    const kept = await build(source, { compression: 'deflate', normaliseOrientation: false });
    expect((await kept.level(0).metadata()).orientation).toBe(orientation);
    expect(await difference(kept.level(0), sharp(source))).toBe(0);
  });
});

test('a JPEG level is close to its source', async () => {
  const source = await picture().blur(2).png().toBuffer();
  const { report, level } = await build(source, { compression: 'jpeg', chroma: '4:4:4' });
  expect(report.compression).toBe('jpeg');
  expect(await difference(level(0), sharp(source))).toBeLessThan(24);
});

describe('alpha', () => {
  test.each<[BuildOptions['alpha'], number | null]>([
    ['straight', 2],
    ['associated', 1],
    ['source', 2],
    ['remove', null],
  ])('%s', async (alpha, extraSamples) => {
    const source = await picture(4).png().toBuffer();
    const { report, level } = await build(source, {
      compression: 'deflate',
      ...(alpha === undefined ? {} : { alpha }),
    });
    const reader = await TiffReader.ofBytes(await readFile(report.path));
    expect((await reader.number(await reader.page(0), 338)) ?? null).toBe(extraSamples);
    if (alpha === 'remove') expect((await level(0).metadata()).channels).toBe(3);
    else expect(await difference(level(0).extractChannel(3), sharp(source).extractChannel(3))).toBe(0);
  });

  test('a premultiplied TIFF is told, and can be kept so', async () => {
    const first = await build(await picture(4).png().toBuffer(), {
      compression: 'deflate',
      alpha: 'associated',
      depth: 'one',
    });
    const source = await readFile(first.report.path);
    expect(await engine.probe(source)).toMatchObject({ alpha: 'associated' });
    const { report } = await build(source, { alpha: 'source' });
    const reader = await TiffReader.ofBytes(await readFile(report.path));
    expect(await reader.number(await reader.page(0), 338)).toBe(1);
  });
});

describe('colour', () => {
  test('the embedded profile is kept, on every level', async () => {
    const source = await picture().withIccProfile('p3').jpeg().toBuffer();
    const { report, level } = await build(source);
    const icc = (await sharp(source).metadata()).icc;
    for (let page = 0; page < report.levels.length; page++) expect((await level(page).metadata()).icc).toEqual(icc);
    expect((await (await build(source, { keep: { profile: false } })).level(0).metadata()).icc).toBeUndefined();
  });

  test('a view profile converts as sharp does', async () => {
    const source = await picture().withIccProfile('p3').png().toBuffer();
    const { report, level } = await build(source, { viewProfile: srgbProfile(), compression: 'deflate' });
    expect(report.warnings).toEqual([]);
    expect(await difference(level(0), sharp(source))).toBeLessThanOrEqual(2);
    expect((await level(0).metadata()).icc?.equals(srgbProfile())).toBe(true);
  });

  test('a profile can be given as a file', async () => {
    const path = join(folder, 'view.icc');
    await writeFile(path, srgbProfile());
    const { report, level } = await build(await picture().png().toBuffer(), { imageProfile: path });
    expect(report.warnings).toEqual([]);
    expect((await level(0).metadata()).icc?.equals(srgbProfile())).toBe(true);
  });

  test('a profile of other pixels is left aside, with a warning', async () => {
    const source = await picture().withIccProfile('p3').png().toBuffer();
    const gray = await sharp(source).toColourspace('b-w').png().toBuffer();
    const { level, report } = await build(gray, { imageProfile: null });
    const info = await engine.probe(gray);
    expect((await level(0).metadata()).icc === undefined).toBe(info.profile === null);
    expect(report.warnings).toEqual(info.warnings);
  });

  test('pixel types change as asked', async () => {
    const source = await picture().png().toBuffer();
    for (const [pixelType, channels, space] of [
      ['gray', 1, 'b-w'],
      ['cmyk', 4, 'cmyk'],
      ['rgb', 3, 'srgb'],
    ] as const) {
      const { level } = await build(source, { pixelType, compression: 'deflate' });
      expect(await level(0).metadata()).toMatchObject({ channels, space });
    }
  });
});

describe('metadata', () => {
  const exif = {
    IFD0: { ImageDescription: 'A picture', Artist: 'Someone', Copyright: 'CC0', Make: 'Maker' },
    IFD2: { ExposureTime: '1/250', LensModel: 'A lens', PixelXDimension: '9999' },
    IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' },
  };

  test('EXIF, XMP and resolution come through', async () => {
    const xmp =
      '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"/><?xpacket end="w"?>';
    const source = await picture().withExif(exif).withXmp(xmp).withMetadata({ density: 240 }).jpeg().toBuffer();
    const { report, level } = await build(source);
    const bytes = await readFile(report.path);
    const reader = await TiffReader.ofBytes(bytes);
    const page = await reader.page(0);
    const fields = await readExifFields(reader, page);
    const text = (list: typeof fields.exif, tag: number) =>
      Buffer.from(list.find((field) => field.tag === tag)?.value ?? [])
        .toString('latin1')
        .replace(/\0$/, '');
    expect([270, 315, 33432, 271].map((tag) => text(fields.descriptive, tag))).toEqual([
      'A picture',
      'Someone',
      'CC0',
      'Maker',
    ]);
    expect(text(fields.exif, 42036)).toBe('A lens');
    expect([...(fields.exif.find(({ tag }) => tag === 33434)?.value ?? [])]).toEqual([1, 0, 0, 0, 250, 0, 0, 0]);
    expect(Buffer.from(fields.exif.find(({ tag }) => tag === 40962)?.value ?? []).readUInt32LE()).toBe(WIDTH);
    expect(text(fields.gps, 1)).toBe('N');
    const metadata = await level(0).metadata();
    expect(metadata.xmp?.toString()).toBe(xmp);
    expect(metadata.density).toBe(240);

    // And from the pyramid, which is a TIFF source, once more.
    const again = await build(bytes, { dpi: 96 });
    const second = await TiffReader.ofBytes(await readFile(again.report.path));
    const copied = await readExifFields(second, await second.page(0));
    expect(copied).toEqual(fields);
    expect((await again.level(0).metadata()).density).toBe(96);
  });

  test('each kind can be left out', async () => {
    const source = await picture().withExif(exif).withXmp('<x/>').jpeg().toBuffer();
    const { report, level } = await build(source, { keep: { exif: false, xmp: false } });
    const reader = await TiffReader.ofBytes(await readFile(report.path));
    const { fields } = await reader.page(0);
    for (const tag of [270, 315, 33432, 34665, 34853, 700]) expect(fields.has(tag), `tag ${tag}`).toBe(false);
    expect((await level(0).metadata()).xmp).toBeUndefined();
  });

  test('a turned image says that it is upright, in XMP too', async () => {
    const xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>';
    const source = await picture().withXmp(xmp).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const { level } = await build(source);
    const metadata = await level(0).metadata();
    expect(metadata.xmp?.toString()).toBe(xmp.replace('"6"', '"1"'));
    expect(metadata.orientation).toBe(1);
  });
});
