/** Some stored tiles of a level as a small TIFF of their own, which decodes to what the whole file decodes to there. */
import { PyramidionError } from '../errors.js';
import { roundUp, type Size } from '../geometry.js';
import { undecodable } from '../ingest/tiff-facts.js';
import type { LevelPixels, NativeRect } from '../native/contract.js';
import { abortedBy } from '../source/abort.js';
import type { Source } from '../source/types.js';
import { readValue, type TiffFile } from './directory.js';
import { PHOTOMETRIC } from './pixel-type.js';
import { type LevelStructure, TAG } from './structure.js';
import type { TileIndex } from './tile-index.js';

/** How much one call may read, and what stops it. */
export interface LevelPixelsOptions {
  /** Most bytes of stored tiles, and of what lies between them, that are read and held. Default 512 MiB. */
  readonly maxBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A descriptor of the file, lent until the pixels are used: what is left to be read is told (`reads`), and not read. */
  readonly descriptor?: number | undefined;
}

/** Everything of a level's small TIFFs that does not depend on the tiles chosen. Made once, copied into each. */
export interface LevelTemplate {
  /** The TIFF up to its tile tables; a multiple of 4 bytes. */
  readonly head: Uint8Array;
  readonly littleEndian: boolean;
  /** Where in `head` each directory says what is filled in for each call. */
  readonly directories: readonly DirectorySlots[];
  readonly jpeg: LevelPixels['jpeg'];
}

/** Places in a template, bytes from its start. */
interface DirectorySlots {
  readonly width: number;
  readonly height: number;
  /** Of a table: its count; its offset, or its one value, follows. */
  readonly offsets: number;
  readonly lengths: number;
}

const DEFAULT_MAX_BYTES = 512 << 20;

/** Bytes between two tiles that are read along rather than asked for anew. */
const LARGEST_GAP = 16 << 10;

/** Reads of one call that may be under way at once: Node has four threads for all of them. */
const MOST_READS = 4;

/** Tiles of one call, there or missing: what is kept of each takes memory and time, however few bytes it has. */
const MOST_TILES = 1 << 20;

/** Offsets of classic TIFF end here. */
const LARGEST_TIFF = 0xffffffff;

/** Fields that decoding depends on, with the longest value that is copied, bytes. */
const COPIED: readonly (readonly [number, number])[] = [
  [TAG.bitsPerSample, 8192],
  [TAG.compression, 64],
  [TAG.photometric, 64],
  [TAG.fillOrder, 64],
  [TAG.samplesPerPixel, 64],
  [TAG.planar, 64],
  [TAG.t4Options, 64],
  [TAG.t6Options, 64],
  [TAG.predictor, 64],
  [TAG.colorMap, 6 << 16],
  [TAG.inkSet, 64],
  [TAG.extraSamples, 8192],
  [TAG.sampleFormat, 8192],
  [TAG.jpegTables, 1 << 18],
  [TAG.coefficients, 64],
  [TAG.subsampling, 64],
  [TAG.positioning, 64],
  [TAG.referenceBlackWhite, 1024],
];

/** Those that an image of one plane takes over as they are; of the others it has values of its own. */
const COPIED_TO_PLANES: ReadonlySet<number> = new Set([
  TAG.compression,
  TAG.fillOrder,
  TAG.t4Options,
  TAG.t6Options,
  TAG.predictor,
  TAG.jpegTables,
]);

const COMPRESSION_JPEG = 7;

/** A field to be written: its value, or what is filled in for each call. */
interface OwnField {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly value: Uint8Array | 'width' | 'height' | 'offsets' | 'lengths';
}

/**
 * Makes the template of a level. Errors: `UNSUPPORTED_IMAGE` for a coding without a decoder, and for tiles in separate
 * planes whose samples are not colours themselves (YCbCr, Lab); `CORRUPT_IMAGE` for a field that is too long or lies beyond the end of the file; those of
 * reading.
 */
export async function makeTemplate(file: TiffFile, level: LevelStructure): Promise<LevelTemplate> {
  const { stored, tiled, image } = level;
  const unknown = undecodable(stored);
  if (unknown !== null) {
    const message = `level ${level.index} holds ${unknown}, which is not supported`;
    throw new PyramidionError('UNSUPPORTED_IMAGE', message, { value: level.compression });
  }
  const copied: OwnField[] = [];
  for (const [tag, limit] of COPIED) {
    const value = await readValue(file, image.raw, tag, limit);
    const field = image.raw.fields.get(tag);
    if (value !== null && field !== undefined) copied.push(narrowed(file, { tag, ...field, value }));
  }
  const planes = planesOf(level);
  const tiling: OwnField[] = [
    { tag: TAG.width, type: 4, count: 1, value: 'width' },
    { tag: TAG.height, type: 4, count: 1, value: 'height' },
    { tag: tiled ? TAG.tileOffsets : TAG.stripOffsets, type: 4, count: 0, value: 'offsets' },
    { tag: tiled ? TAG.tileByteCounts : TAG.stripByteCounts, type: 4, count: 0, value: 'lengths' },
    ...(tiled
      ? [long(file, TAG.tileWidth, level.tileWidth), long(file, TAG.tileHeight, level.tileHeight)]
      : [long(file, TAG.rowsPerStrip, level.tileHeight)]),
  ];
  if (planes > 1) return write(file, planeFields(file, stored, planes, copied, tiling), null);
  const colour = jpegColour(level);
  // One sample is contiguous whatever the file says, and libvips reads no tiles that are not.
  const own = tiled ? copied.filter(({ tag }) => tag !== TAG.planar) : copied;
  return write(file, [[...own, ...tiling]], colour);
}

/** Directories a level becomes: one for each sample where libvips cannot read the samples' planes together. */
function planesOf({ stored, tiled, index }: LevelStructure): number {
  if (!stored.separate || !tiled) return 1;
  const { whiteIsZero, blackIsZero, rgb, separated } = PHOTOMETRIC;
  if ([whiteIsZero, blackIsZero, rgb, separated].some((known) => known === stored.photometric))
    return stored.samplesPerPixel;
  throw new PyramidionError(
    'UNSUPPORTED_IMAGE',
    `level ${index} has tiles in separate planes, of samples that are neither gray nor RGB nor CMYK`,
    { value: stored.photometric },
  );
}

function planeFields(
  file: TiffFile,
  { photometric }: LevelStructure['stored'],
  planes: number,
  copied: readonly OwnField[],
  tiling: readonly OwnField[],
): OwnField[][] {
  const one = (tag: number, plane: number): OwnField[] => {
    const field = copied.find((candidate) => candidate.tag === tag);
    if (field === undefined || !(field.value instanceof Uint8Array)) return [];
    const size = field.value.length / field.count;
    const at = Math.min(plane, field.count - 1) * size;
    return [{ ...field, count: 1, value: field.value.slice(at, at + size) }];
  };
  return Array.from({ length: planes }, (_, plane) => [
    ...copied.filter(({ tag }) => COPIED_TO_PLANES.has(tag)),
    ...one(TAG.bitsPerSample, plane),
    ...one(TAG.sampleFormat, plane),
    // Only the gray of white-is-zero is turned round, not its alpha.
    short(file, TAG.photometric, photometric === 0 && plane === 0 ? PHOTOMETRIC.whiteIsZero : PHOTOMETRIC.blackIsZero),
    short(file, TAG.samplesPerPixel, 1),
    ...tiling,
  ]);
}

/** How components of a level's JPEG tiles are read where no libvips is needed for them; null where it is. */
function jpegColour({ stored }: LevelStructure): NonNullable<LevelPixels['jpeg']>['colour'] | null {
  const { compression, bitsPerSample, samplesPerPixel, photometric, separate } = stored;
  if (compression !== COMPRESSION_JPEG || bitsPerSample !== 8 || separate) return null;
  if (photometric === PHOTOMETRIC.blackIsZero && samplesPerPixel === 1) return 'gray';
  if (photometric === PHOTOMETRIC.rgb && samplesPerPixel === 3) return 'rgb';
  if (photometric === PHOTOMETRIC.ycbcr && samplesPerPixel === 3) return 'ycbcr';
  return photometric === PHOTOMETRIC.separated && samplesPerPixel === 4 ? 'cmyk' : null;
}

/** 8-byte numbers, which classic TIFF has not, as 4-byte ones. */
function narrowed(file: TiffFile, field: OwnField & { readonly value: Uint8Array }): OwnField {
  const { tag, type, count, value } = field;
  if (type !== 16 && type !== 17 && type !== 18) return { tag, type, count, value };
  const low = new Uint8Array(4 * count);
  for (let i = 0; i < count; i++) low.set(value.subarray(8 * i + (file.littleEndian ? 0 : 4)).subarray(0, 4), 4 * i);
  return { tag, type: 4, count, value: low };
}

function short(file: TiffFile, tag: number, number: number): OwnField {
  const value = new Uint8Array(2);
  viewOf(value).setUint16(0, number, file.littleEndian);
  return { tag, type: 3, count: 1, value };
}

function long(file: TiffFile, tag: number, number: number): OwnField {
  const value = new Uint8Array(4);
  viewOf(value).setUint32(0, number, file.littleEndian);
  return { tag, type: 4, count: 1, value };
}

const HEADER_BYTES = 8;
const ENTRY_BYTES = 12;

/** Lays out a classic TIFF of a chain of directories, each with its long values behind it. */
function write(
  { littleEndian }: TiffFile,
  chain: readonly (readonly OwnField[])[],
  colour: NonNullable<LevelPixels['jpeg']>['colour'] | null,
): LevelTemplate {
  const longLength = ({ value }: OwnField) =>
    value instanceof Uint8Array && value.length > 4 ? even(value.length) : 0;
  const lengthOf = (fields: readonly OwnField[]) =>
    2 + fields.length * ENTRY_BYTES + 4 + fields.reduce((sum, field) => sum + longLength(field), 0);
  const total = HEADER_BYTES + chain.reduce((sum, fields) => sum + lengthOf(fields), 0);
  const head = new Uint8Array(Math.ceil(total / 4) * 4);
  const view = viewOf(head);
  head.fill(littleEndian ? 0x49 : 0x4d, 0, 2);
  view.setUint16(2, 42, littleEndian);
  view.setUint32(4, HEADER_BYTES, littleEndian);

  let tables = { tablesOffset: 0, tablesLength: 0 };
  let start = HEADER_BYTES;
  const directories = chain.map((unsorted, index) => {
    const fields = [...unsorted].sort((a, b) => a.tag - b.tag);
    const slots = { width: 0, height: 0, offsets: 0, lengths: 0 };
    let values = start + 2 + fields.length * ENTRY_BYTES + 4;
    view.setUint16(start, fields.length, littleEndian);
    fields.forEach(({ tag, type, count, value }, i) => {
      const at = start + 2 + i * ENTRY_BYTES;
      view.setUint16(at, tag, littleEndian);
      view.setUint16(at + 2, type, littleEndian);
      view.setUint32(at + 4, count, littleEndian);
      if (value === 'width' || value === 'height') slots[value] = at + 8;
      else if (value === 'offsets' || value === 'lengths') slots[value] = at + 4;
      else {
        const place = value.length > 4 ? values : at + 8;
        head.set(value, place);
        if (tag === TAG.jpegTables) tables = { tablesOffset: place, tablesLength: value.length };
        if (place !== values) return;
        view.setUint32(at + 8, place, littleEndian);
        values += even(value.length);
      }
    });
    start = values;
    const isLast = index === chain.length - 1;
    view.setUint32(
      values - fields.reduce((sum, field) => sum + longLength(field), 0) - 4,
      isLast ? 0 : start,
      littleEndian,
    );
    return slots;
  });
  return { head, littleEndian, directories, jpeg: colour === null ? null : { ...tables, colour } };
}

function even(length: number): number {
  return length + (length % 2);
}

/** One place of the file to be read: tiles that lie together. */
interface Run {
  readonly offset: number;
  length: number;
}

/**
 * Reads the stored tiles `tiles` (a rectangle in columns and rows of tiles of the level) into a TIFF of their own.
 *
 * Errors: `INVALID_REQUEST` when the rectangle is empty or not inside the level; `LIMIT_EXCEEDED`, before anything is
 * read, when its tiles are more than `maxBytes` or 2²⁰; `ABORTED`; those of {@link Source.readInto}.
 */
export async function readLevelPixels(
  source: Pick<Source, 'readInto'>,
  level: LevelStructure,
  template: LevelTemplate,
  index: TileIndex,
  tiles: NativeRect,
  { maxBytes = DEFAULT_MAX_BYTES, signal, descriptor }: LevelPixelsOptions,
): Promise<LevelPixels> {
  const { left, top, width: columns, height: rows } = tiles;
  checkSpan(level, tiles);
  const { head, littleEndian, directories } = template;
  const planes = directories.length;
  const samples = level.stored.separate ? level.stored.samplesPerPixel : 1;
  const places = columns * rows;

  // The numbers of the tiles in the level's tables, plane after plane.
  const count = places * samples;
  if (count > MOST_TILES) {
    throw new PyramidionError(
      'LIMIT_EXCEEDED',
      `${count} tiles of level ${level.index} were asked for; at most ${MOST_TILES} are read at a time`,
      { value: count, limit: MOST_TILES },
    );
  }
  let stored = new Uint32Array(count);
  for (let sample = 0, i = 0; sample < samples; sample++) {
    for (let row = top; row < top + rows; row++) {
      const first = (sample * level.rows + row) * level.columns + left;
      for (let column = 0; column < columns; column++) stored[i++] = first + column;
    }
  }
  const extra = level.tiled ? null : fullStripBeyond(level, index, stored);
  if (extra !== null) stored = Uint32Array.of(...stored, extra);
  const { order, positions, runs, total } = arrange(level, index, stored, maxBytes);
  const picture = {
    kind: 'level',
    width: Math.min(columns * level.tileWidth, level.width - left * level.tileWidth),
    height: Math.min(rows * level.tileHeight, level.height - top * level.tileHeight),
    tileWidth: level.tileWidth,
    tileHeight: level.tileHeight,
    planes,
    jpeg: template.jpeg,
  } as const;
  // With nothing to decode there are no tables to decode it with.
  if (order.length === 0) {
    const nothing = new Uint8Array(new SharedArrayBuffer(0));
    return { ...picture, jpeg: null, tiff: nothing, tiles: new Uint32Array(2 * places) };
  }

  // A lone offset or length stands in its entry, others in tables behind the head.
  const inPlane = count / planes;
  const data = head.length + (inPlane > 1 ? 8 * count : 0);
  if (data + total > LARGEST_TIFF) throw tooLarge(level, data + total, LARGEST_TIFF);
  const isLent = descriptor !== undefined;
  // What goes to another thread by value is in one buffer: each one more takes as long as a small read.
  const ranges = isLent ? runs.length : 0;
  const memory = isLent ? new ArrayBuffer(24 * ranges + 8 * places + data) : new SharedArrayBuffer(data + total);
  const placed = isLent ? new Uint32Array(memory, 24 * ranges, 2 * places) : new Uint32Array(2 * places);
  const tiff = isLent ? new Uint8Array(memory, 24 * ranges + 8 * places, data) : new Uint8Array(memory);
  tiff.set(head);
  const view = viewOf(tiff);

  for (let i = 0; i < count; i++) {
    const place = i % places;
    const length = index.lengths[stored[i] ?? 0] ?? 0;
    // Of several planes, one that is missing makes the tile missing.
    if (i < places || length === 0) {
      placed[2 * place] = length === 0 ? 0 : data + (positions[i] ?? 0);
      placed[2 * place + 1] = length;
    }
  }
  const declared = declaredSize(level, tiles, picture);
  const fillers = fillersOf(level, index, stored, places, samples, order);
  directories.forEach((slots, directory) => {
    view.setUint32(slots.width, declared.width, littleEndian);
    view.setUint32(slots.height, declared.height, littleEndian);
    view.setUint32(slots.offsets, inPlane, littleEndian);
    view.setUint32(slots.lengths, inPlane, littleEndian);
    let offsets = slots.offsets + 4;
    let lengths = slots.lengths + 4;
    if (inPlane > 1) {
      const tables = head.length + 8 * inPlane * directory;
      view.setUint32(offsets, tables, littleEndian);
      view.setUint32(lengths, tables + 4 * inPlane, littleEndian);
      offsets = tables;
      lengths = tables + 4 * inPlane;
    }
    for (let i = 0; i < inPlane; i++) {
      const own = directory * inPlane + i;
      const from = (index.lengths[stored[own] ?? 0] ?? 0) > 0 ? own : (fillers[Math.floor(own / places)] ?? own);
      view.setUint32(offsets + 4 * i, data + (positions[from] ?? 0), littleEndian);
      view.setUint32(lengths + 4 * i, index.lengths[stored[from] ?? 0] ?? 0, littleEndian);
    }
  });

  if (!isLent) {
    await readRuns(source, runs, tiff.subarray(data), signal);
    return { ...picture, tiff, tiles: placed };
  }
  const reads = new Float64Array(memory, 0, 3 * ranges);
  let position = data;
  runs.forEach(({ offset, length }, i) => {
    reads[3 * i] = position;
    reads[3 * i + 1] = length;
    reads[3 * i + 2] = offset;
    position += length;
  });
  return { ...picture, tiff, tiles: placed, reads: { fd: descriptor, bytes: data + total, runs: reads } };
}

/**
 * Size of the picture as its TIFF says. libvips refuses tiles that are larger than twice the picture's longer side,
 * rounded up to 256: where a level's edge would leave less, the padding of the tiles counts as picture, below it first.
 */
function declaredSize(level: LevelStructure, tiles: NativeRect, picture: Size): Size {
  if (!level.tiled) return picture;
  const edge = Math.max(level.tileWidth, level.tileHeight);
  const isTaken = ({ width, height }: Size) => roundUp(2 * Math.max(width, height), 256) >= edge;
  if (isTaken(picture)) return picture;
  const taller = { width: picture.width, height: tiles.height * level.tileHeight };
  return isTaken(taller) ? taller : { width: tiles.width * level.tileWidth, height: taller.height };
}

function checkSpan(level: LevelStructure, { left, top, width, height }: NativeRect): void {
  const isInside =
    [left, top, width, height].every(Number.isInteger) &&
    left >= 0 &&
    top >= 0 &&
    width > 0 &&
    height > 0 &&
    left + width <= level.columns &&
    top + height <= level.rows;
  if (isInside) return;
  throw new PyramidionError(
    'INVALID_REQUEST',
    `level ${level.index} has ${level.columns} × ${level.rows} tiles, not ${width} × ${height} from ${left}, ${top}`,
    { value: [left, top, width, height], limit: [level.columns, level.rows] },
  );
}

/** Where each tile comes to lie (`positions`, in the data), the reads that bring them there, and the present ones by offset. */
function arrange(
  level: LevelStructure,
  index: TileIndex,
  stored: Uint32Array,
  maxBytes: number,
): { order: readonly number[]; positions: Float64Array; runs: readonly Run[]; total: number } {
  const { offsets, lengths } = index;
  const offsetOf = (i: number) => offsets[stored[i] ?? 0] ?? 0;
  const order: number[] = [];
  let isSorted = true;
  for (let i = 0, last = 0; i < stored.length; i++) {
    if ((lengths[stored[i] ?? 0] ?? 0) === 0) continue;
    const offset = offsetOf(i);
    isSorted &&= offset >= last;
    last = offset;
    order.push(i);
  }
  if (!isSorted) order.sort((a, b) => offsetOf(a) - offsetOf(b));

  const positions = new Float64Array(stored.length);
  const runs: Run[] = [];
  let run: Run | undefined;
  let base = 0;
  let total = 0;
  for (const i of order) {
    const offset = offsetOf(i);
    const length = lengths[stored[i] ?? 0] ?? 0;
    if (run === undefined || offset - (run.offset + run.length) > LARGEST_GAP) {
      run = { offset, length };
      runs.push(run);
      base = total;
      total += length;
    } else {
      const longer = Math.max(run.length, offset + length - run.offset);
      total += longer - run.length;
      run.length = longer;
    }
    positions[i] = base + offset - run.offset;
  }
  if (total > maxBytes) throw tooLarge(level, total, maxBytes);
  return { order, positions, runs, total };
}

function tooLarge(level: LevelStructure, value: number, limit: number): PyramidionError {
  return new PyramidionError(
    'LIMIT_EXCEEDED',
    `the tiles asked for of level ${level.index} have ${value} bytes; at most ${limit} are read at a time`,
    { option: 'maxBytes', value, limit },
  );
}

/**
 * For each plane, the tile that stands in for those that are missing: it is decoded and not shown. It has to be of full
 * size: the last strip of a level may be lower than the others.
 */
function fillersOf(
  level: LevelStructure,
  index: TileIndex,
  stored: Uint32Array,
  places: number,
  samples: number,
  order: readonly number[],
): (number | undefined)[] {
  if (order.length === stored.length) return [];
  const isFull = (i: number) => level.tiled || isFullStrip(level, stored[i] ?? 0);
  const any = order.find(isFull) ?? order[0];
  return Array.from({ length: samples }, (_, sample) => {
    for (let i = sample * places; i < (sample + 1) * places; i++) {
      if ((index.lengths[stored[i] ?? 0] ?? 0) > 0 && isFull(i)) return i;
    }
    return any;
  });
}

/** Whether a strip is no last one, which may be lower than the others. */
function isFullStrip(level: LevelStructure, strip: number): boolean {
  return (strip + 1) % level.rows !== 0;
}

/** A full strip from elsewhere in the level, when one is needed to stand in for missing ones and `stored` has none; or null. */
function fullStripBeyond(level: LevelStructure, { lengths }: TileIndex, stored: Uint32Array): number | null {
  const isThere = (strip: number) => (lengths[strip] ?? 0) > 0;
  const full = stored.filter((strip) => isFullStrip(level, strip));
  if (full.every(isThere) || full.some(isThere) || !stored.some(isThere)) return null;
  const found = lengths.findIndex((length, strip) => length > 0 && isFullStrip(level, strip));
  return found < 0 ? null : found;
}

async function readRuns(
  source: Pick<Source, 'readInto'>,
  runs: readonly Run[],
  data: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  let next = 0;
  let at = 0;
  const readNext = async (): Promise<void> => {
    for (let run = runs[next++]; run !== undefined; run = runs[next++]) {
      if (signal?.aborted) throw abortedBy(signal);
      const target = data.subarray(at, at + run.length);
      at += run.length;
      await source.readInto(target, run.offset, signal);
    }
  };
  if (runs.length === 1) return readNext();
  await Promise.all(Array.from({ length: Math.min(MOST_READS, runs.length) }, readNext));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
