/** Which directories of a TIFF are the levels of its picture, and how each is stored: read without its tile tables. */
import { PyramidionError } from '../errors.js';
import { ceilDiv } from '../geometry.js';
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
import { compressionName } from './names.js';

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

/** One level's size and tiling, as far as its directory tells. */
export interface LevelShape {
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
  readonly compression: string;
  readonly directory: DirectoryPlace;
}

/** How a level's pixels are stored, in TIFF's own numbers. */
export interface StoredPixels {
  /** 1 none, 5 LZW, 7 JPEG, 8 and 32946 deflate, 50001 WebP … */
  readonly compression: number;
  /** 0 and 1 gray, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 Lab …; −1 when the file does not say. */
  readonly photometric: number;
  /** Of the first sample. */
  readonly bitsPerSample: number;
  readonly samplesPerPixel: number;
  /** Kinds of the samples beyond the colours: 0 unspecified, 1 associated alpha, 2 unassociated alpha. */
  readonly extraSamples: readonly number[];
  /** Whether each sample has a plane of its own. */
  readonly separate: boolean;
}

/** A level with the directory it was read from. */
export interface LevelStructure extends LevelShape {
  readonly stored: StoredPixels;
  readonly image: ImageFields;
  /** Tags of its tile tables. */
  readonly tables: { readonly offsets: number; readonly lengths: number };
}

/** The levels of a TIFF. */
export interface Structure {
  readonly file: TiffFile;
  readonly layout: PyramidLayout;
  /** Directories of the main chain; those past {@link MAX_DIRECTORIES} are not looked at. */
  readonly directories: number;
  /** The full image first; never empty. */
  readonly levels: readonly [LevelStructure, ...LevelStructure[]];
}

/** Directories of the main chain (and SubIFDs of the full image) that are looked at. */
export const MAX_DIRECTORIES = 200;
/** Tiles a level may have: at 256 pixels a side, 275 gigapixels. */
export const MAX_TILES = 1 << 22;
/** Largest side of a tile, in pixels. */
export const MAX_TILE_SIZE = 1 << 16;

/** Tag numbers that are read (TIFF 6.0 and its technical notes 1 and 2). */
export const TAG = {
  newSubfileType: 254,
  subfileType: 255,
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  stripOffsets: 273,
  orientation: 274,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  xResolution: 282,
  yResolution: 283,
  planar: 284,
  t4Options: 292,
  t6Options: 293,
  resolutionUnit: 296,
  software: 305,
  dateTime: 306,
  predictor: 317,
  colorMap: 320,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  subIfds: 330,
  inkSet: 332,
  extraSamples: 338,
  sampleFormat: 339,
  jpegTables: 347,
  coefficients: 529,
  subsampling: 530,
  positioning: 531,
  referenceBlackWhite: 532,
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

/** A directory of an image with what its fields say. */
export interface ImageFields extends ImageDirectory {
  readonly place: DirectoryPlace;
  readonly raw: RawDirectory;
  readonly fields: FieldValues;
}

/**
 * Finds the levels. Reads the directories of the main chain and of the full image's SubIFDs, and of no tile tables more
 * than their count.
 *
 * Errors: `UNSUPPORTED_FORMAT` for what is no TIFF; `NOT_A_PYRAMID` for a TIFF of one image in strips, or of no image;
 * `CORRUPT_IMAGE` for damage; `UNSUPPORTED_IMAGE` for tiles beyond {@link MAX_TILE_SIZE} or {@link MAX_TILES};
 * `SOURCE_UNREADABLE` and `SOURCE_CHANGED` from reading.
 */
export async function readStructure(bytes: ByteRange): Promise<Structure> {
  const file = await openTiff(bytes);
  const chain = await walk(file, file.first, (page, offset) => ({ page, subIfd: null, chain: 0, offset }));
  const full = chooseFull(chain);
  if (full === undefined) throw new PyramidionError('NOT_A_PYRAMID', 'the TIFF holds masks and no image');
  const { layout, levels } = chooseLevels(full, chain, await readSubIfds(file, full));
  if (levels.length === 1 && !full.tiled) {
    throw new PyramidionError('NOT_A_PYRAMID', 'the TIFF holds one image in strips: no tiles and no smaller versions');
  }
  const [first, ...reduced] = levels.map((level, index) => describeLevel(level, index));
  if (first === undefined) throw new PyramidionError('INTERNAL', 'a pyramid has no level');
  return { file, layout, directories: chain.length, levels: [first, ...reduced] };
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

function describeLevel(image: ImageFields, index: number): LevelStructure {
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
  const separate = image.samplesPerPixel > 1 && integer(fields, TAG.planar, 1) === 2;
  const tiles = columns * rows * (separate ? image.samplesPerPixel : 1);
  const tables = tableTags(image);
  const stored = Math.min(...Object.values(tables).map((tag) => image.raw.fields.get(tag)?.count ?? 0));
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
    compression: compressionName(integer(fields, TAG.compression, 1)),
    directory: image.place,
    image,
    tables,
    stored: {
      compression: integer(fields, TAG.compression, 1),
      photometric: integer(fields, TAG.photometric, -1),
      bitsPerSample: image.bitsPerSample,
      samplesPerPixel: image.samplesPerPixel,
      extraSamples: list(fields, TAG.extraSamples),
      separate,
    },
  };
}

/** The tags of a directory's tile tables. Tiles listed in the strips' tags, as early writers did, are accepted. */
function tableTags({ tiled, raw }: ImageFields): { offsets: number; lengths: number } {
  return {
    offsets: tiled && raw.fields.has(TAG.tileOffsets) ? TAG.tileOffsets : TAG.stripOffsets,
    lengths: tiled && raw.fields.has(TAG.tileByteCounts) ? TAG.tileByteCounts : TAG.stripByteCounts,
  };
}

function corrupt(message: string, detail?: string): PyramidionError {
  return new PyramidionError('CORRUPT_IMAGE', message, { detail });
}

/** A field's numbers; empty when it is absent or holds none. */
export function list(fields: FieldValues, tag: number): ArrayLike<number> & readonly number[] {
  const value = fields.get(tag);
  if (typeof value === 'number') return [value];
  if (Array.isArray(value)) return value as number[];
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Array.from(value as unknown as ArrayLike<number>);
  return [];
}

/** The first number of a field; `fallback` when it is absent. A value that is no whole number is corrupt. */
export function integer(fields: FieldValues, tag: number, fallback: number): number {
  if (!fields.has(tag)) return fallback;
  const value = list(fields, tag)[0];
  if (value === undefined || !Number.isSafeInteger(value) || value < 0)
    throw corrupt(`TIFF field ${tag} holds no whole number`);
  return value;
}
