/**
 * TIFF directories: found and bounded here, their values decoded by geotiff.js (which is used in this file only).
 *
 * geotiff.js trusts what it reads: it refuses a whole directory for one field of an unknown type, allocates whatever
 * a count asks for, follows loops, and reads deferred arrays of big-endian files with the wrong byte order. So the
 * entry table is read first, every field is checked against its limit and the length of the file, and geotiff.js is
 * then handed a copy of the directory that holds the wanted fields and no others.
 */
import { GeoTIFF } from 'geotiff';
import { PyramidionError } from '../errors.js';
import type { Source } from '../source/types.js';

/** Bytes by range: the part of a source that reading structure needs. */
export type ByteRange = Pick<Source, 'size' | 'read'>;

/** A TIFF whose header has been read. */
export interface TiffFile {
  readonly bytes: ByteRange;
  readonly littleEndian: boolean;
  readonly bigTiff: boolean;
  /** Offset of the first directory. */
  readonly first: number;
}

/** A field as the entry table has it; its value has not been read. */
export interface RawField {
  readonly type: number;
  readonly count: number;
  /** Length of the value in bytes. */
  readonly length: number;
  /** Offset of the value in the file: in the entry itself when it is short enough. */
  readonly valueOffset: number;
  /** The entry's own bytes. */
  readonly entry: Uint8Array;
}

/** An entry table: fields of unknown type and repeated tags are left out, as libtiff does. */
export interface RawDirectory {
  readonly offset: number;
  readonly fields: ReadonlyMap<number, RawField>;
  /** Offset of the next directory of the chain, 0 at its end. */
  readonly next: number;
}

/** Decoded values by tag. */
export type FieldValues = ReadonlyMap<number, unknown>;

/** Largest number of entries of a directory that is read; real files have a few dozen. */
export const MAX_FIELDS = 4096;

const TYPE_SIZES: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  5: 8,
  6: 1,
  7: 1,
  8: 2,
  9: 4,
  10: 8,
  11: 4,
  12: 8,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
};

/** Exactly `length` bytes from `offset`, which the caller knows to lie inside. Errors: `SOURCE_CHANGED`. */
export async function readExactly(bytes: ByteRange, offset: number, length: number): Promise<Uint8Array> {
  const found = await bytes.read(offset, length);
  if (found.length === length) return found;
  throw new PyramidionError('SOURCE_CHANGED', `the source became shorter than the ${bytes.size} bytes it had`);
}

const corrupt = (message: string, detail?: string, cause?: unknown) =>
  new PyramidionError('CORRUPT_IMAGE', message, { detail, cause });

/** Reads the header. Errors: `UNSUPPORTED_FORMAT` for anything that is not a TIFF or BigTIFF. */
export async function openTiff(bytes: ByteRange): Promise<TiffFile> {
  const notTiff = () => new PyramidionError('UNSUPPORTED_FORMAT', 'the file is not a TIFF');
  if (bytes.size < 8) throw notTiff();
  const header = viewOf(await readExactly(bytes, 0, Math.min(16, bytes.size)));
  const order = header.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) throw notTiff();
  const littleEndian = order === 0x4949;
  const magic = header.getUint16(2, littleEndian);
  if (magic === 42) return { bytes, littleEndian, bigTiff: false, first: header.getUint32(4, littleEndian) };
  if (magic !== 43 || header.byteLength < 16) throw notTiff();
  if (header.getUint16(4, littleEndian) !== 8) throw corrupt('the BigTIFF header has no 8-byte offsets');
  return { bytes, littleEndian, bigTiff: true, first: Number(header.getBigUint64(8, littleEndian)) };
}

/**
 * Reads the entry table at `offset`. Errors: `CORRUPT_IMAGE` when it does not fit in the file, or holds more than
 * {@link MAX_FIELDS} entries. A table whose link to the next directory is cut off ends the chain.
 */
export async function readRawDirectory(file: TiffFile, offset: number): Promise<RawDirectory> {
  const { bytes, littleEndian, bigTiff } = file;
  const countSize = bigTiff ? 8 : 2;
  const entrySize = bigTiff ? 20 : 12;
  const linkSize = bigTiff ? 8 : 4;
  const word = (view: DataView, at: number) =>
    bigTiff ? Number(view.getBigUint64(at, littleEndian)) : view.getUint32(at, littleEndian);

  if (!(offset > 0) || offset + countSize > bytes.size)
    throw corrupt(`a directory lies beyond the end of the file`, `offset ${offset}`);
  const head = viewOf(await readExactly(bytes, offset, countSize));
  const count = bigTiff ? Number(head.getBigUint64(0, littleEndian)) : head.getUint16(0, littleEndian);
  if (count === 0) throw corrupt('a directory has no fields', `offset ${offset}`);
  if (count > MAX_FIELDS)
    throw corrupt(`a directory has ${count} fields; at most ${MAX_FIELDS} are read`, `offset ${offset}`);
  const end = offset + countSize + count * entrySize;
  if (end > bytes.size) throw corrupt('a directory is cut short', `offset ${offset}`);

  const table = await readExactly(bytes, offset + countSize, Math.min(end + linkSize, bytes.size) - offset - countSize);
  const view = viewOf(table);
  const fields = new Map<number, RawField>();
  for (let i = 0; i < count; i++) {
    const at = i * entrySize;
    const tag = view.getUint16(at, littleEndian);
    const type = view.getUint16(at + 2, littleEndian);
    const size = TYPE_SIZES[type];
    if (size === undefined || fields.has(tag)) continue;
    const values = word(view, at + 4);
    const length = values * size;
    const inline = length <= linkSize;
    const slot = at + entrySize - linkSize;
    fields.set(tag, {
      type,
      count: values,
      length,
      valueOffset: inline ? offset + countSize + slot : word(view, slot),
      entry: table.subarray(at, at + entrySize),
    });
  }
  const next = end + linkSize <= bytes.size ? word(view, count * entrySize) : 0;
  return { offset, fields, next };
}

/**
 * Decodes the fields of `directory` named in `limits` (tag → largest length of its value in bytes). Absent ones are
 * left out of the result. Numbers come as `number` or an array of them, ASCII as a string, RATIONAL as numerator and
 * denominator. Errors: `CORRUPT_IMAGE` when a wanted value is longer than its limit or lies beyond the end of the file.
 */
export async function readFields(
  file: TiffFile,
  directory: RawDirectory,
  limits: ReadonlyMap<number, number>,
): Promise<FieldValues> {
  const kept: [number, RawField][] = [];
  for (const [tag, limit] of limits) {
    const field = directory.fields.get(tag);
    if (field === undefined || field.count === 0) continue;
    checkField(file, tag, field, limit);
    kept.push([tag, field]);
  }
  if (kept.length === 0) return new Map();

  const source = new DirectorySource(file.bytes, directory.offset, tableOf(file, kept));
  const reader = new GeoTIFF(source, file.littleEndian, file.bigTiff, directory.offset);
  reader.parser.eager = true;
  try {
    const decoded = await reader.parser.parseFileDirectoryAt(directory.offset);
    return new Map(
      await Promise.all(kept.map(async ([tag]) => [tag, (await decoded.loadValue(tag)) as unknown] as const)),
    );
  } catch (error) {
    if (error instanceof PyramidionError) throw error;
    throw corrupt('a TIFF directory cannot be read', error instanceof Error ? error.message : undefined, error);
  }
}

/**
 * The bytes of a field's value, in the file's byte order; null when the field is absent or empty. They may be a view
 * into the entry table: do not change them. Errors: `CORRUPT_IMAGE` when it is longer than `limit` bytes or lies beyond
 * the end of the file.
 */
export async function readValue(
  file: TiffFile,
  directory: RawDirectory,
  tag: number,
  limit: number,
): Promise<Uint8Array | null> {
  const field = directory.fields.get(tag);
  if (field === undefined || field.count === 0) return null;
  checkField(file, tag, field, limit);
  const room = file.bigTiff ? 8 : 4;
  if (field.length <= room) return field.entry.subarray(-room).subarray(0, field.length);
  return readExactly(file.bytes, field.valueOffset, field.length);
}

/** Throws `CORRUPT_IMAGE` when a value is longer than `limit` bytes or lies beyond the end of the file. */
function checkField(file: TiffFile, tag: number, field: RawField, limit: number): void {
  if (field.length > limit) throw corrupt(`TIFF field ${tag} has ${field.length} bytes; at most ${limit} are read`);
  if (field.valueOffset + field.length > file.bytes.size)
    throw corrupt(`TIFF field ${tag} lies beyond the end of the file`);
}

/** A directory of the given entries and nothing after it, as it would stand in the file. */
function tableOf(file: TiffFile, kept: readonly (readonly [number, RawField])[]): Uint8Array<ArrayBuffer> {
  const countSize = file.bigTiff ? 8 : 2;
  const entrySize = file.bigTiff ? 20 : 12;
  const table = new Uint8Array(countSize + kept.length * entrySize + (file.bigTiff ? 8 : 4));
  const view = viewOf(table);
  if (file.bigTiff) view.setBigUint64(0, BigInt(kept.length), file.littleEndian);
  else view.setUint16(0, kept.length, file.littleEndian);
  kept.forEach(([, field], i) => {
    table.set(field.entry, countSize + i * entrySize);
  });
  return table;
}

/** What geotiff.js reads from: the filtered directory at its offset, the file's own bytes elsewhere. */
class DirectorySource {
  readonly fileSize: number;
  readonly #bytes: ByteRange;
  readonly #offset: number;
  readonly #table: Uint8Array<ArrayBuffer>;

  constructor(bytes: ByteRange, offset: number, table: Uint8Array<ArrayBuffer>) {
    this.fileSize = bytes.size;
    this.#bytes = bytes;
    this.#offset = offset;
    this.#table = table;
  }

  async fetch(slices: { offset: number; length: number }[]): Promise<ArrayBuffer[]> {
    const parts = await Promise.all(slices.map((slice) => this.fetchSlice(slice)));
    return parts.map((part) => part.data);
  }

  async fetchSlice(slice: {
    offset: number;
    length: number;
  }): Promise<{ offset: number; length: number; data: ArrayBuffer }> {
    const { offset, length } = slice;
    if (offset === this.#offset) return { offset, length, data: this.#table.buffer };
    if (offset < 0 || length < 0 || offset + length > this.#bytes.size)
      throw corrupt('a TIFF field lies beyond the end of the file');
    return { offset, length, data: new Uint8Array(await readExactly(this.#bytes, offset, length)).buffer };
  }

  async close(): Promise<void> {}
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
