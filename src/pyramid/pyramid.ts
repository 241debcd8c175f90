/** The structure of a pyramid TIFF: read from its directories and tile tables, never from its pixels. */
import { PyramidionError } from '../errors.js';
import { ceilDiv } from '../geometry.js';
import { TAG as METADATA_TAG } from '../ingest/metadata.js';
import { parseProfile } from '../ingest/profile.js';
import { openFile } from '../source/file.js';
import {
  type ByteRange,
  type FieldValues,
  openTiff,
  type RawDirectory,
  readFields,
  readRawDirectory,
  type TiffFile,
} from './directory.js';
import { chooseFull, chooseLevels, type ImageDirectory, type PyramidLayout } from './levels.js';
import { compressionName, photometricName, subsamplingName } from './names.js';

/** One level, largest first. */
export interface PyramidLevel {
  /** 0 is the full image. */
  readonly index: number;
  readonly width: number;
  readonly height: number;
  /** Whether it is stored in tiles; else in strips, given as tiles as wide as the level. */
  readonly tiled: boolean;
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly columns: number;
  readonly rows: number;
  /** Stored tiles: `columns × rows`, times the samples of a pixel when they are in separate planes. */
  readonly tiles: number;
  /** Tiles that are not there (sparse files have length 0 for them). */
  readonly missing: number;
  /** Compressed bytes of its tiles. */
  readonly bytes: number;
  readonly compression: string;
  /** Width of the full image over this level's. */
  readonly downsample: number;
  readonly directory: DirectoryPlace;
}

/** Where a directory is. */
export interface DirectoryPlace {
  /** Its place in the main chain, or that of the directory it hangs below. */
  readonly page: number;
  /** Its place in that directory's SubIFDs field; null for a directory of the main chain. */
  readonly subIfd: number | null;
  /** Links followed from that SubIFD: 0 except in files that chain their SubIFDs. */
  readonly chain: number;
  /** Offset in the file, bytes. */
  readonly offset: number;
}

/** What is known of a pyramid without decoding it. */
export interface PyramidInfo {
  readonly width: number;
  readonly height: number;
  readonly byteOrder: 'little' | 'big';
  readonly bigTiff: boolean;
  /** Levels as further directories of the main chain, as SubIFDs of the full image, or one level only. */
  readonly layout: PyramidLayout;
  readonly levels: readonly PyramidLevel[];
  /** Directories of the main chain; those past {@link MAX_DIRECTORIES} are not looked at. */
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

/** Directories of the main chain (and SubIFDs of the full image) that are looked at. */
export const MAX_DIRECTORIES = 200;
/** Tiles a level may have: at 256 pixels a side, 275 gigapixels. */
export const MAX_TILES = 1 << 22;
/** Largest side of a tile, in pixels. */
export const MAX_TILE_SIZE = 1 << 16;

const TAG = {
  newSubfileType: 254,
  subfileType: 255,
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  stripOffsets: 273,
  orientation: 274,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  xResolution: 282,
  yResolution: 283,
  planar: 284,
  resolutionUnit: 296,
  software: 305,
  dateTime: 306,
  predictor: 317,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  subIfds: 330,
  extraSamples: 338,
  sampleFormat: 339,
  subsampling: 530,
  xmp: 700,
  iptc: 33723,
  photoshop: 34377,
  exif: 34665,
  profile: 34675,
} as const;

/** Fields that choose and describe levels, with the longest value read, bytes. */
const IMAGE_FIELDS: ReadonlyMap<number, number> = new Map([
  ...[
    TAG.newSubfileType,
    TAG.subfileType,
    TAG.width,
    TAG.height,
    TAG.compression,
    TAG.photometric,
    TAG.orientation,
    TAG.samplesPerPixel,
    TAG.rowsPerStrip,
    TAG.planar,
    TAG.resolutionUnit,
    TAG.predictor,
    TAG.tileWidth,
    TAG.tileHeight,
    TAG.subsampling,
  ].map((tag) => [tag, 64] as const),
  ...[TAG.bitsPerSample, TAG.extraSamples, TAG.sampleFormat, TAG.subIfds].map((tag) => [tag, 8192] as const),
]);

/** Fields that only describe: one that is too long or lies beyond the end of the file reads as absent. */
const DESCRIPTIVE_FIELDS: ReadonlyMap<number, number> = new Map([
  [TAG.xResolution, 64],
  [TAG.yResolution, 64],
  [TAG.software, 4096],
  [TAG.dateTime, 64],
  [TAG.profile, 32 << 20],
  [METADATA_TAG.record, 1 << 20],
]);

/** A directory of an image with what its fields say. */
interface ImageFields extends ImageDirectory {
  readonly place: DirectoryPlace;
  readonly raw: RawDirectory;
  readonly fields: FieldValues;
}

/**
 * Reads the structure of a pyramid: the file at a path, or an open source, which stays open. Every offset and length is checked against the file, so a level that
 * is reported can be read; whether its tiles decode is for `verify` to say.
 *
 * Errors: `UNSUPPORTED_FORMAT` for what is no TIFF; `NOT_A_PYRAMID` for a TIFF of one image in strips, or of no image;
 * `CORRUPT_IMAGE` for damage; `UNSUPPORTED_IMAGE` for tiles beyond {@link MAX_TILE_SIZE} or {@link MAX_TILES};
 * `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE` and `SOURCE_CHANGED` from reading.
 */
export async function readPyramid(input: string | ByteRange): Promise<PyramidInfo> {
  if (typeof input !== 'string') return readStructure(input);
  const source = await openFile(input);
  try {
    return await readStructure(source);
  } finally {
    await source.close();
  }
}

async function readStructure(bytes: ByteRange): Promise<PyramidInfo> {
  const file = await openTiff(bytes);
  const chain = await walk(file, file.first, (page, offset) => ({ page, subIfd: null, chain: 0, offset }));
  const full = chooseFull(chain);
  if (full === undefined) throw new PyramidionError('NOT_A_PYRAMID', 'the TIFF holds masks and no image');

  const { layout, levels } = chooseLevels(full, chain, await readSubIfds(file, full));
  if (levels.length === 1 && !full.tiled) {
    throw new PyramidionError('NOT_A_PYRAMID', 'the TIFF holds one image in strips: no tiles and no smaller versions');
  }
  const described = await readDescription(file, full.raw);
  const result: PyramidLevel[] = [];
  for (const level of levels) result.push(await readLevel(file, full, level, result.length));

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
    levels: result,
    directories: chain.length,
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
    bytes: bytes.size,
  };
}

/** The images along a chain of directories, at most {@link MAX_DIRECTORIES}; a chain that meets itself is corrupt. */
async function walk(
  file: TiffFile,
  first: number,
  place: (index: number, offset: number) => DirectoryPlace,
): Promise<ImageFields[]> {
  const images: ImageFields[] = [];
  const seen = new Set<number>();
  let offset = first;
  while (offset !== 0 && images.length < MAX_DIRECTORIES) {
    if (seen.has(offset)) throw corrupt('the chain of directories leads back into itself', `offset ${offset}`);
    seen.add(offset);
    const raw = await readRawDirectory(file, offset);
    images.push(await readImage(file, raw, place(images.length, offset)));
    offset = raw.next;
  }
  if (images.length === 0) throw corrupt('the TIFF has no directory');
  return images;
}

async function readSubIfds(file: TiffFile, full: ImageFields): Promise<ImageFields[]> {
  const images: ImageFields[] = [];
  for (const [subIfd, offset] of list(full.fields, TAG.subIfds).entries()) {
    if (images.length >= MAX_DIRECTORIES) break;
    if (offset === 0) continue;
    images.push(...(await walk(file, offset, (chain, at) => ({ page: full.place.page, subIfd, chain, offset: at }))));
  }
  return images;
}

async function readImage(file: TiffFile, raw: RawDirectory, place: DirectoryPlace): Promise<ImageFields> {
  const fields = await readFields(file, raw, IMAGE_FIELDS);
  const width = integer(fields, TAG.width, 0);
  const height = integer(fields, TAG.height, 0);
  if (width < 1 || height < 1)
    throw corrupt(`a directory describes an image of ${width} × ${height} pixels`, `offset ${place.offset}`);
  const samplesPerPixel = integer(fields, TAG.samplesPerPixel, 1);
  if (samplesPerPixel < 1) throw corrupt('an image has no samples', `offset ${place.offset}`);
  const kind = integer(fields, TAG.newSubfileType, 0);
  return {
    width,
    height,
    reduced: (kind & 1) !== 0 || integer(fields, TAG.subfileType, 1) === 2,
    mask: (kind & 4) !== 0 || integer(fields, TAG.photometric, -1) === 4,
    tiled: fields.has(TAG.tileWidth),
    samplesPerPixel,
    bitsPerSample: list(fields, TAG.bitsPerSample)[0] ?? 1,
    place,
    raw,
    fields,
  };
}

async function readLevel(file: TiffFile, full: ImageFields, image: ImageFields, index: number): Promise<PyramidLevel> {
  const { width, height, tiled, fields } = image;
  const tileWidth = tiled ? integer(fields, TAG.tileWidth, 0) : width;
  const tileHeight = tiled
    ? integer(fields, TAG.tileHeight, 0)
    : Math.min(height, integer(fields, TAG.rowsPerStrip, height));
  if (tileWidth < 1 || tileHeight < 1) throw corrupt(`level ${index} has tiles of ${tileWidth} × ${tileHeight} pixels`);
  if (tiled && (tileWidth > MAX_TILE_SIZE || tileHeight > MAX_TILE_SIZE)) {
    throw new PyramidionError(
      'UNSUPPORTED_IMAGE',
      `level ${index} has tiles of ${tileWidth} × ${tileHeight} pixels; at most ${MAX_TILE_SIZE} a side are read`,
    );
  }
  const columns = ceilDiv(width, tileWidth);
  const rows = ceilDiv(height, tileHeight);
  const tiles = columns * rows * (integer(fields, TAG.planar, 1) === 2 ? image.samplesPerPixel : 1);
  const [offsetsTag, lengthsTag] = tableTags(image);
  const stored = Math.min(...[offsetsTag, lengthsTag].map((tag) => image.raw.fields.get(tag)?.count ?? 0));
  if (stored < tiles) throw corrupt(`level ${index} has ${tiles} tiles, but its tables hold ${stored}`);
  if (tiles > MAX_TILES) {
    throw new PyramidionError('UNSUPPORTED_IMAGE', `level ${index} has ${tiles} tiles; at most ${MAX_TILES} are read`);
  }
  return {
    index,
    width,
    height,
    tiled,
    tileWidth,
    tileHeight,
    columns,
    rows,
    tiles,
    ...(await sumTiles(file, image.raw, index, tiles, offsetsTag, lengthsTag)),
    compression: compressionName(integer(fields, TAG.compression, 1)),
    downsample: full.width / width,
    directory: image.place,
  };
}

/** The tags of a directory's tile tables. Tiles listed in the strips' tags, as early writers did, are accepted. */
function tableTags({ tiled, raw }: ImageFields): readonly [number, number] {
  return [
    tiled && raw.fields.has(TAG.tileOffsets) ? TAG.tileOffsets : TAG.stripOffsets,
    tiled && raw.fields.has(TAG.tileByteCounts) ? TAG.tileByteCounts : TAG.stripByteCounts,
  ];
}

/** Checks every tile's place against the file and adds up the lengths. */
async function sumTiles(
  file: TiffFile,
  raw: RawDirectory,
  index: number,
  tiles: number,
  offsetsTag: number,
  lengthsTag: number,
): Promise<{ missing: number; bytes: number }> {
  // Some writers leave room for more tiles than there are.
  const longest = (tiles + 1024) * 8;
  const tables = await readFields(
    file,
    raw,
    new Map([
      [offsetsTag, longest],
      [lengthsTag, longest],
    ]),
  );
  const offsets = list(tables, offsetsTag);
  const lengths = list(tables, lengthsTag);
  if (offsets.length < tiles || lengths.length < tiles)
    throw corrupt(`the tile tables of level ${index} hold no numbers`);
  let missing = 0;
  let bytes = 0;
  for (let i = 0; i < tiles; i++) {
    const offset = offsets[i] ?? 0;
    const length = lengths[i] ?? 0;
    if (length === 0 || offset === 0) missing++;
    else if (offset + length > file.bytes.size)
      throw corrupt(`tile ${i} of level ${index} lies beyond the end of the file`);
    else bytes += length;
  }
  return { missing, bytes };
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

function corrupt(message: string, detail?: string): PyramidionError {
  return new PyramidionError('CORRUPT_IMAGE', message, { detail });
}

/** A field's numbers; empty when it is absent or holds none. */
function list(fields: FieldValues, tag: number): ArrayLike<number> & readonly number[] {
  const value = fields.get(tag);
  if (typeof value === 'number') return [value];
  if (Array.isArray(value)) return value as number[];
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Array.from(value as unknown as ArrayLike<number>);
  return [];
}

/** The first number of a field; `fallback` when it is absent. A value that is no whole number is corrupt. */
function integer(fields: FieldValues, tag: number, fallback: number): number {
  if (!fields.has(tag)) return fallback;
  const value = list(fields, tag)[0];
  if (value === undefined || !Number.isSafeInteger(value) || value < 0)
    throw corrupt(`TIFF field ${tag} holds no whole number`);
  return value;
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
