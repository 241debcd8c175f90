/** Metadata of a source, as exiftool and sharp read it back from its pyramid. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Metadata } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import { annotatedJpeg, CAPTION, CITY, TITLE, XMP } from './annotated.js';
import { itWith, run } from './tools.js';

let engine: Engine;
let folder: string;
let jpeg: Buffer;
let source: Metadata;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-metadata-'));
  engine = await Engine.start();
  jpeg = await annotatedJpeg();
  source = await sharp(jpeg).metadata();
  await writeFile(join(folder, 'source.jpg'), jpeg);
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

/** What exiftool says of a file, by group and name; numbers unformatted. */
async function readWithExiftool(path: string): Promise<Record<string, unknown>> {
  const text = await run('exiftool', '-json', '-G1', '-n', path);
  // In a BigTIFF it names the EXIF directory by the field that points there.
  const [found] = JSON.parse(text.replaceAll('"ExifOffset:', '"ExifIFD:')) as [Record<string, unknown>];
  return found;
}

const files = [
  { layout: 'pages', bigTiff: false, compression: 'jpeg' },
  { layout: 'subifds', bigTiff: true, compression: 'deflate' },
  { layout: 'pages', bigTiff: true, compression: 'webp' },
  { layout: 'subifds', bigTiff: false, compression: 'lzw' },
] as const;

describe.each(files)('$compression, $layout, BigTIFF $bigTiff', (options) => {
  let path: string;
  beforeAll(async () => {
    path = join(folder, `${options.compression}.tif`);
    await engine.build(join(folder, 'source.jpg'), path, options);
  });

  itWith('exiftool', 'exiftool', async () => {
    const [was, is] = await Promise.all([join(folder, 'source.jpg'), path].map(readWithExiftool));
    expect(is).toMatchObject({
      'IFD0:ImageWidth': 433,
      'IFD0:ImageHeight': 601,
      'IFD0:Orientation': 1,
      'IFD0:XResolution': 300,
      'IFD0:YResolution': 300,
      'IFD0:ResolutionUnit': 2,
      'IFD0:Artist': 'Ada L.',
      'IFD0:Copyright': 'CC0',
      'IFD0:Make': 'Pyramidion',
      'IFD0:Model': 'Test 1',
      'IFD0:Software': expect.stringMatching(/^Pyramidion \d/),
      'IFD0:ModifyDate': expect.stringMatching(/^\d{4}:\d\d:\d\d \d\d:\d\d:\d\d$/),
      'ExifIFD:ExposureTime': 1 / 250,
      'ExifIFD:FNumber': 2.8,
      'ExifIFD:DateTimeOriginal': '2024:05:17 10:20:30',
      'ExifIFD:ExifImageWidth': 433,
      'ExifIFD:ExifImageHeight': 601,
      'XMP-dc:Title': TITLE,
      'XMP-tiff:Orientation': 1,
      'IPTC:CodedCharacterSet': '\x1b%G',
      'IPTC:City': CITY,
      'IPTC:Caption-Abstract': CAPTION,
    });
    // Every field of these, as exiftool reads them from the source.
    for (const group of [...(options.bigTiff ? [] : ['GPS:']), 'ICC-header:', 'ICC_Profile:', 'IPTC:']) {
      const of = (all: Record<string, unknown> | undefined): unknown =>
        Object.fromEntries(Object.entries(all ?? {}).filter(([name]) => name.startsWith(group)));
      expect(Object.keys(of(was) as object), group).not.toEqual([]);
      expect(of(is), group).toEqual(of(was));
    }
    // In a BigTIFF it takes GPS fields 1 and 2 for those that have these numbers in EXIF.
    if (options.bigTiff) {
      expect(is).toMatchObject({ 'GPSInfo:InteropIndex': 'N', 'GPSInfo:InteropVersion': '51 12 30.42' });
    }
  });

  it('sharp', async () => {
    const found = await sharp(path).metadata();
    expect(found).toMatchObject({ width: 433, height: 601, density: 300, orientation: 1, hasProfile: true });
    expect(found.icc?.equals(source.icc ?? Buffer.alloc(0))).toBe(true);
    expect(found.xmp?.toString()).toBe(XMP.replace('Orientation="6"', 'Orientation="1"'));
    expect(found.iptc?.toString('latin1')).toContain(CAPTION);
    // libvips reads no EXIF in TIFF.
  });

  it('sharp: every level has the profile', async () => {
    const { pages = 1, subifds = 0 } = await sharp(path).metadata();
    expect(pages + subifds).toBe(3);
    for (let level = 0; level < pages + subifds; level++) {
      const input = level < pages ? { page: level } : { tiff: { subifd: level - pages } };
      const { icc } = await sharp(path, input).metadata();
      expect(icc?.equals(source.icc ?? Buffer.alloc(0)), `level ${level}`).toBe(true);
    }
  });
});

it('what is not to be kept is not there', async () => {
  const path = join(folder, 'bare.tif');
  await engine.build(jpeg, path, { keep: { profile: false, xmp: false, exif: false, iptc: false }, dpi: 72 });
  const { icc, xmp, iptc, density } = await sharp(path).metadata();
  expect({ icc, xmp, iptc, density }).toEqual({ density: 72 });
  expect((await readFile(path)).includes('Ada L.')).toBe(false);
});
