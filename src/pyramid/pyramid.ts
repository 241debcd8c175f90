/** The structure of a pyramid TIFF: read from its directories and tile tables, never from its pixels. */

import { parseProfile } from '../colour/parse.js';
import { PyramidionError } from '../errors.js';
import { TAG as METADATA_TAG } from '../ingest/metadata.js';
import { openFile } from '../source/file.js';
import {
  type ByteRange,
  type FieldValues,
  type RawDirectory,
  readFields,
  readRawDirectory,
  type TiffFile,
} from './directory.js';
import type { PyramidLayout } from './levels.js';
import { compressionName, photometricName, subsamplingName } from './names.js';
import { integer, type LevelShape, list, readStructure, type Structure, TAG } from './structure.js';
import { readTileIndex } from './tile-index.js';

export { type DirectoryPlace, MAX_DIRECTORIES, MAX_TILE_SIZE, MAX_TILES } from './structure.js';

/** One level, largest first. */
export interface PyramidLevel extends LevelShape {
  /** Tiles that are not there (sparse files have length 0 for them). */
  readonly missing: number;
  /** Compressed bytes of its tiles. */
  readonly bytes: number;
  /** Width of the full image over this level's. */
  readonly downsample: number;
}

/** What is known of a pyramid without decoding it. */
export interface PyramidInfo extends PyramidFacts {
  readonly levels: readonly PyramidLevel[];
}

/** What the directories of a pyramid say of the whole of it. */
export interface PyramidFacts {
  readonly width: number;
  readonly height: number;
  readonly byteOrder: 'little' | 'big';
  readonly bigTiff: boolean;
  /** Levels as further directories of the main chain, as SubIFDs of the full image, or one level only. */
  readonly layout: PyramidLayout;
  /** Directories of the main chain; those past `MAX_DIRECTORIES` are not looked at. */
  readonly directories: number;
  /** That of the full level: `jpeg`, `deflate`, `lzw`, `webp`, `none` … */
  readonly compression: string;
  /** `rgb`, `ycbcr`, `black-is-zero`, `cmyk` … */
  readonly photometric: string;
  readonly bitsPerSample: number;
  readonly sampleFormat: 'unsigned' | 'signed' | 'float' | 'other';
  readonly samplesPerPixel: number;
  /** Values of ExtraSamples: 0 unspecified, 1 associated alpha, 2 unassociated alpha. */
  readonly extraSamples: readonly number[];
  readonly alpha: 'none' | 'straight' | 'associated';
  /** Samples of a pixel together, or in planes of their own. */
  readonly planar: 'contiguous' | 'separate';
  readonly predictor: 'none' | 'horizontal' | 'float';
  /** `4:2:0` …; null where samples are not YCbCr. */
  readonly chromaSubsampling: string | null;
  /** EXIF/TIFF orientation 1…8; 1 when absent or illegal. */
  readonly orientation: number;
  /** The embedded ICC profile; its description is '' when it cannot be parsed. */
  readonly profile: { readonly description: string; readonly bytes: Uint8Array } | null;
  /** Lengths in bytes of the metadata blocks; 0 when absent. EXIF counts its directory and that directory's values. */
  readonly metadata: { readonly xmp: number; readonly iptc: number; readonly exif: number; readonly photoshop: number };
  /** Pixels per inch; null when the file does not say. */
  readonly dpi: { readonly x: number; readonly y: number } | null;
  /** `YYYY:MM:DD hh:mm:ss`, as stored. */
  readonly dateTime: string | null;
  readonly software: string | null;
  /** What a pyramid of ours was made from and how (our private field, parsed); null in other files. */
  readonly record: unknown;
  /** Length of the file. */
  readonly bytes: number;
}

/** Fields that only describe: one that is too long or lies beyond the end of the file reads as absent. */
const DESCRIPTIVE_FIELDS: ReadonlyMap<number, number> = new Map([
  [TAG.xResolution, 64],
  [TAG.yResolution, 64],
  [TAG.software, 4096],
  [TAG.dateTime, 64],
  [TAG.profile, 32 << 20],
  [METADATA_TAG.record, 1 << 20],
]);

/**
 * Reads the structure of a pyramid: the file at a path, or an open source, which stays open. Every offset and length is
 * checked against the file, so a level that is reported can be read; whether its tiles decode is for `verify` to say.
 *
 * Errors: those of {@link readStructure}, and `SOURCE_NOT_FOUND`.
 */
export async function readPyramid(input: string | ByteRange): Promise<PyramidInfo> {
  if (typeof input !== 'string') return readInfo(input);
  const source = await openFile(input);
  try {
    return await readInfo(source);
  } finally {
    await source.close();
  }
}

async function readInfo(bytes: ByteRange): Promise<PyramidInfo> {
  const structure = await readStructure(bytes);
  const facts = await readFacts(structure);
  const levels: PyramidLevel[] = [];
  for (const level of structure.levels) {
    const { image: _image, tables: _tables, stored: _stored, ...shape } = level;
    const { missing, bytes: stored } = await readTileIndex(structure.file, level);
    levels.push({ ...shape, missing, bytes: stored, downsample: facts.width / level.width });
  }
  return { ...facts, levels };
}

/** Reads what describes the whole of a pyramid; its profile is copied. Errors: `CORRUPT_IMAGE` and those of reading. */
export async function readFacts({ file, layout, directories, levels }: Structure): Promise<PyramidFacts> {
  const full = levels[0].image;
  const described = await readDescription(file, full.raw);
  const number = (tag: number, fallback: number) => integer(full.fields, tag, fallback);
  const extraSamples = list(full.fields, TAG.extraSamples);
  const photometric = photometricName(number(TAG.photometric, -1));
  const [horizontal = 2, vertical = 2] = list(full.fields, TAG.subsampling);
  return {
    width: full.width,
    height: full.height,
    byteOrder: file.littleEndian ? 'little' : 'big',
    bigTiff: file.bigTiff,
    layout,
    directories,
    compression: compressionName(number(TAG.compression, 1)),
    photometric,
    bitsPerSample: full.bitsPerSample,
    sampleFormat: sampleFormat(list(full.fields, TAG.sampleFormat)[0] ?? 1),
    samplesPerPixel: full.samplesPerPixel,
    extraSamples,
    alpha: extraSamples.includes(1) ? 'associated' : extraSamples.includes(2) ? 'straight' : 'none',
    planar: number(TAG.planar, 1) === 2 ? 'separate' : 'contiguous',
    predictor: number(TAG.predictor, 1) === 2 ? 'horizontal' : number(TAG.predictor, 1) === 3 ? 'float' : 'none',
    chromaSubsampling: photometric === 'ycbcr' ? subsamplingName(horizontal, vertical) : null,
    orientation: orientation(number(TAG.orientation, 1)),
    profile: profile(described.get(TAG.profile)),
    metadata: {
      xmp: full.raw.fields.get(TAG.xmp)?.length ?? 0,
      iptc: full.raw.fields.get(TAG.iptc)?.length ?? 0,
      exif: await exifLength(file, full.raw),
      photoshop: full.raw.fields.get(TAG.photoshop)?.length ?? 0,
    },
    dpi: resolution(described, number(TAG.resolutionUnit, 2)),
    dateTime: text(described.get(TAG.dateTime)),
    software: text(described.get(TAG.software)),
    record: json(text(described.get(METADATA_TAG.record))),
    bytes: file.bytes.size,
  };
}

async function readDescription(file: TiffFile, raw: RawDirectory): Promise<FieldValues> {
  const usable = [...DESCRIPTIVE_FIELDS].filter(([tag, limit]) => {
    const field = raw.fields.get(tag);
    return field !== undefined && field.length <= limit && field.valueOffset + field.length <= file.bytes.size;
  });
  return readFields(file, raw, new Map(usable));
}

/** Length of the EXIF directory with its values; 0 when there is none that can be read. */
async function exifLength(file: TiffFile, raw: RawDirectory): Promise<number> {
  const pointer = integer(await readFields(file, raw, new Map([[TAG.exif, 8]])), TAG.exif, 0);
  if (pointer === 0) return 0;
  try {
    const { fields } = await readRawDirectory(file, pointer);
    const outside = [...fields.values()].filter((field) => field.length > (file.bigTiff ? 8 : 4));
    const table = file.bigTiff ? 16 + fields.size * 20 : 6 + fields.size * 12;
    return outside.reduce((sum, field) => sum + field.length, table);
  } catch (error) {
    if (error instanceof PyramidionError && error.code === 'CORRUPT_IMAGE') return 0;
    throw error;
  }
}

function text(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const trimmed = value.split('\0', 1).join('').trim();
  return trimmed === '' ? null : trimmed;
}

function profile(value: unknown): PyramidInfo['profile'] {
  if (!(value instanceof Uint8Array)) return null;
  try {
    return { description: parseProfile(value).description, bytes: value };
  } catch (error) {
    if (error instanceof PyramidionError) return { description: '', bytes: value };
    throw error;
  }
}

/** A private field of the same number may be another program's: what is no JSON reads as absent. */
function json(value: string | null): unknown {
  try {
    return value === null ? null : JSON.parse(value);
  } catch {
    return null;
  }
}

function orientation(value: number): number {
  return value >= 1 && value <= 8 ? value : 1;
}

function sampleFormat(value: number): PyramidInfo['sampleFormat'] {
  if (value === 1 || value === 4) return 'unsigned';
  return value === 2 ? 'signed' : value === 3 ? 'float' : 'other';
}

function resolution(fields: FieldValues, unit: number): PyramidInfo['dpi'] {
  const perInch = (tag: number) => {
    const value = fields.get(tag);
    if (!(value instanceof Uint32Array) || !value[1]) return 0;
    return Math.round(((value[0] ?? 0) / value[1]) * (unit === 3 ? 2.54 : 1) * 1000) / 1000;
  };
  const x = perInch(TAG.xResolution);
  const y = perInch(TAG.yResolution);
  return (unit === 2 || unit === 3) && x > 0 && y > 0 ? { x, y } : null;
}
