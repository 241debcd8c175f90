import { randomBytes } from 'node:crypto';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { readContent, type StoredForm } from '../../src/ingest/density.js';
import { readTiffFacts } from '../../src/ingest/tiff-facts.js';
import { TiffReader } from '../../src/ingest/tiff-fields.js';
import { isLosslessWebp } from '../../src/ingest/webp-frame.js';

const WIDTH = 512;
const HEIGHT = 384;

/** Smooth shading with the grain of a sensor: what a photograph is to a lossless coder. */
function photograph(): Sharp {
  const grain = randomBytes(WIDTH * HEIGHT * 3);
  const pixels = Buffer.alloc(grain.length);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      for (let c = 0; c < 3; c++) {
        const at = (y * WIDTH + x) * 3 + c;
        const shade = 120 + 60 * Math.sin((x + 20 * c) / 60) * Math.cos(y / 45);
        pixels[at] = shade + ((grain[at] ?? 0) % 9) - 4;
      }
    }
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

/** A chart: areas, lines, and lettering with soft edges. */
function chart(): Sharp {
  const bars = Array.from(
    { length: 12 },
    (_, i) =>
      `<rect x="${20 + 40 * i}" y="${300 - 20 * i}" width="30" height="${60 + 20 * i}" fill="hsl(${30 * i},60%,50%)"/>`,
  );
  const lines = Array.from(
    { length: 14 },
    (_, i) => `<text x="20" y="${20 + 18 * i}" font-size="14">Row ${i}: the quick brown fox jumps</text>`,
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}"><rect width="100%" height="100%" fill="#fff"/>${bars.join('')}${lines.join('')}</svg>`;
  return sharp(Buffer.from(svg)).removeAlpha();
}

async function contentOf(bytes: Uint8Array, rest: Partial<StoredForm> & Pick<StoredForm, 'format'>): Promise<string> {
  const read = async (offset: number, length: number) => bytes.slice(offset, offset + length);
  let tiff: StoredForm['tiff'] = null;
  if (rest.format === 'tiff') {
    const reader = await TiffReader.ofBytes(bytes);
    const page = await reader.page(0);
    tiff = { reader, page, facts: await readTiffFacts(reader, page, bytes.length) };
  }
  const losslessWebp = rest.format === 'webp' && (await isLosslessWebp(read));
  const rawBytes = WIDTH * HEIGHT * 3;
  return readContent(
    { rawBytes, fileBytes: bytes.length, palette: false, bitDepth: 8, losslessWebp, tiff, ...rest },
    read,
  );
}

describe.each<[string, () => Sharp]>([
  ['photograph', photograph],
  ['flat', chart],
])('a picture that is %s is told by its density', (expected, make) => {
  test.each<[string, StoredForm['format'], (image: Sharp) => Sharp]>([
    ['PNG', 'png', (image) => image.png()],
    ['fast PNG', 'png', (image) => image.png({ compressionLevel: 1 })],
    ['interlaced PNG', 'png', (image) => image.png({ progressive: true })],
    ['lossless WebP', 'webp', (image) => image.webp({ lossless: true })],
    [
      'TIFF, deflate with predictor',
      'tiff',
      (image) => image.tiff({ compression: 'deflate', predictor: 'horizontal' }),
    ],
    ['TIFF, LZW', 'tiff', (image) => image.tiff({ compression: 'lzw', predictor: 'none' })],
    ['TIFF, PackBits', 'tiff', (image) => image.tiff({ compression: 'packbits' })],
    ['TIFF, uncompressed strips', 'tiff', (image) => image.tiff({ compression: 'none' })],
    [
      'TIFF, uncompressed tiles',
      'tiff',
      (image) => image.tiff({ compression: 'none', tile: true, tileWidth: 64, tileHeight: 64 }),
    ],
  ])('as %s', async (_, format, encode) => {
    expect(await contentOf(await encode(make()).toBuffer(), { format })).toBe(expected);
  });
});

test('lossy formats are photographs, whatever they show', async () => {
  expect(await contentOf(await chart().webp({ quality: 80 }).toBuffer(), { format: 'webp' })).toBe('photograph');
  expect(await contentOf(await chart().jpeg().toBuffer(), { format: 'jpeg' })).toBe('photograph');
  expect(await contentOf(await chart().tiff({ compression: 'jpeg' }).toBuffer(), { format: 'tiff' })).toBe(
    'photograph',
  );
  expect(await contentOf(new Uint8Array(9), { format: 'heif' })).toBe('photograph');
});

test('palettes, few bits, GIF and fax codings are flat, whatever they show', async () => {
  const png = await photograph().png({ palette: true }).toBuffer();
  expect(await contentOf(png, { format: 'png', palette: true })).toBe('flat');
  expect(await contentOf(png, { format: 'png', bitDepth: 4 })).toBe('flat');
  expect(await contentOf(png, { format: 'gif' })).toBe('flat');
  const fax = await photograph()
    .threshold()
    .toColourspace('b-w')
    .tiff({ compression: 'ccittfax4', bitdepth: 1 })
    .toBuffer();
  expect(await contentOf(fax, { format: 'tiff', bitDepth: 1 })).toBe('flat');
});

test('a damaged index of an uncompressed TIFF decides nothing, and breaks nothing', async () => {
  const bytes = await chart().tiff({ compression: 'none', tile: true, tileWidth: 64, tileHeight: 64 }).toBuffer();
  const reader = await TiffReader.ofBytes(bytes);
  const offsets = (await reader.page(0)).fields.get(324);
  bytes.fill(0xff, offsets?.valueOffset, (offsets?.valueOffset ?? 0) + (offsets?.byteLength ?? 0));
  expect(await contentOf(bytes, { format: 'tiff' })).toBe('photograph');
});
