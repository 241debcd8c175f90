/**
 * A small bounded reader of TIFF directories: TIFF 6.0 and BigTIFF, both byte orders. EXIF blocks are such streams too.
 * Values are read only when asked for, and never more of them than a stated limit.
 */
import { PyramidionError } from '../errors.js';
import type { RangeReader } from '../source/types.js';

/** Most fields a directory may have. */
const MAX_FIELDS = 4096;
/** Most directories walked in a chain. */
const MAX_DIRECTORIES = 65_536;
/** Most bytes one value may have, unless the caller allows more. */
const MAX_VALUE_BYTES = 1 << 20;
/** First read of a directory: holds about 84 classic fields. */
const DIRECTORY_READ = 1024;

/** Bytes of one element, by TIFF field type. 129 is UTF-8 of EXIF 3.0. */
const TYPE_BYTES: Readonly<Record<number, number>> = {
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
  129: 1,
};

/** Bytes of the largest unit that changes with the byte order: a rational is two of them. */
const SWAP_BYTES: Readonly<Record<number, number>> = {
  3: 2,
  4: 4,
  5: 4,
  8: 2,
  9: 4,
  10: 4,
  11: 4,
  12: 8,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
};

/** One field of a directory. */
export interface TiffField {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  /** Length of all its values. */
  readonly byteLength: number;
  /** Where the values are in the stream, inside the directory or elsewhere. */
  readonly valueOffset: number;
}

/** One directory. Of a tag that occurs twice the first counts; fields of unknown type are left out. */
export interface TiffDirectory {
  readonly offset: number;
  readonly fields: ReadonlyMap<number, TiffField>;
  /** Offset of the next directory of the chain; 0 ends it. */
  readonly next: number;
}

/** An opened TIFF stream. All methods reject with `CORRUPT_IMAGE` where the structure is broken or over a limit. */
export class TiffReader {
  readonly littleEndian: boolean;
  readonly big: boolean;
  /** Offset of the first directory. */
  readonly first: number;
  readonly #read: RangeReader;
  readonly #size: number;

  private constructor(read: RangeReader, size: number, littleEndian: boolean, big: boolean, first: number) {
    this.#read = read;
    this.#size = size;
    this.littleEndian = littleEndian;
    this.big = big;
    this.first = first;
  }

  /** Reads the header of a stream of `size` bytes. */
  static async open(read: RangeReader, size: number): Promise<TiffReader> {
    const head = view(await read(0, 16));
    const order = head.byteLength >= 8 ? head.getUint16(0) : 0;
    const littleEndian = order === 0x4949;
    const magic = order === 0x4949 || order === 0x4d4d ? head.getUint16(2, littleEndian) : 0;
    if (magic === 42) return new TiffReader(read, size, littleEndian, false, head.getUint32(4, littleEndian));
    if (magic === 43 && head.byteLength === 16 && head.getUint16(4, littleEndian) === 8) {
      return new TiffReader(read, size, littleEndian, true, safeNumber(head.getBigUint64(8, littleEndian)));
    }
    throw corrupt('not a TIFF header');
  }

  /** A reader of a stream in memory. */
  static async ofBytes(bytes: Uint8Array): Promise<TiffReader> {
    return TiffReader.open(async (offset, length) => bytes.subarray(offset, offset + length), bytes.byteLength);
  }

  /** The directory at `offset`. */
  async directory(offset: number): Promise<TiffDirectory> {
    const countBytes = this.big ? 8 : 2;
    const fieldBytes = this.big ? 20 : 12;
    const nextBytes = this.big ? 8 : 4;
    if (offset < 8 || offset + countBytes > this.#size) throw corrupt(`directory at ${offset} lies outside the file`);
    let data = view(await this.#read(offset, DIRECTORY_READ));
    if (data.byteLength < countBytes) throw corrupt(`directory at ${offset} is cut short`);
    const count = this.big ? safeNumber(data.getBigUint64(0, this.littleEndian)) : data.getUint16(0, this.littleEndian);
    if (count > MAX_FIELDS) throw corrupt(`directory at ${offset} has ${count} fields`);
    const length = countBytes + count * fieldBytes;
    if (data.byteLength < length + nextBytes) data = view(await this.#read(offset, length + nextBytes));
    if (data.byteLength < length) throw corrupt(`directory at ${offset} is cut short`);

    const fields = new Map<number, TiffField>();
    for (let at = countBytes; at < length; at += fieldBytes) {
      const field = this.#field(data, at, offset);
      if (field !== null && !fields.has(field.tag)) fields.set(field.tag, field);
    }
    return { offset, fields, next: data.byteLength < length + nextBytes ? 0 : this.#offsetAt(data, length) };
  }

  /** The directory of page `index` of the main chain. */
  async page(index: number): Promise<TiffDirectory> {
    const seen = new Set<number>();
    let offset = this.first;
    for (let page = 0; ; page++) {
      if (offset === 0) throw corrupt(`there is no page ${index}`);
      if (seen.has(offset) || seen.size >= MAX_DIRECTORIES) throw corrupt('the chain of directories runs in a circle');
      seen.add(offset);
      const directory = await this.directory(offset);
      if (page === index) return directory;
      offset = directory.next;
    }
  }

  /** The values of a field as they are stored. */
  async bytes(field: TiffField, maxBytes = MAX_VALUE_BYTES): Promise<Uint8Array> {
    if (field.byteLength > maxBytes) throw corrupt(`tag ${field.tag} has ${field.byteLength} bytes of values`);
    return this.#exactly(field.valueOffset, field.byteLength);
  }

  /** The values of a field with the least significant byte first, whatever the order of the file. */
  async littleEndianBytes(field: TiffField, maxBytes = MAX_VALUE_BYTES): Promise<Uint8Array> {
    const bytes = (await this.bytes(field, maxBytes)).slice();
    const unit = SWAP_BYTES[field.type];
    if (!this.littleEndian && unit !== undefined) {
      for (let at = 0; at < bytes.byteLength; at += unit) bytes.subarray(at, at + unit).reverse();
    }
    return bytes;
  }

  /** The values of a numeric field, rationals as quotients; the first `maxCount` of them when there are more. */
  async numbers(field: TiffField, maxCount = 65_536, from = 0): Promise<number[]> {
    const unit = TYPE_BYTES[field.type] ?? 1;
    const count = Math.max(0, Math.min(field.count - from, maxCount));
    const data = view(await this.#exactly(field.valueOffset + from * unit, count * unit));
    return Array.from({ length: count }, (_, index) => numberAt(data, index * unit, field.type, this.littleEndian));
  }

  /** The first value of a numeric field of `directory`, or undefined when it is absent or no number. */
  async number(directory: TiffDirectory, tag: number): Promise<number | undefined> {
    const field = directory.fields.get(tag);
    if (field === undefined || field.count === 0) return undefined;
    const [value] = await this.numbers(field, 1);
    return value === undefined || Number.isNaN(value) ? undefined : value;
  }

  #field(data: DataView, at: number, directoryOffset: number): TiffField | null {
    const tag = data.getUint16(at, this.littleEndian);
    const type = data.getUint16(at + 2, this.littleEndian);
    const unit = TYPE_BYTES[type];
    if (unit === undefined) return null;
    const count = this.big
      ? safeNumber(data.getBigUint64(at + 4, this.littleEndian))
      : data.getUint32(at + 4, this.littleEndian);
    const byteLength = count * unit;
    const valueAt = at + (this.big ? 12 : 8);
    const isInside = byteLength <= (this.big ? 8 : 4);
    return {
      tag,
      type,
      count,
      byteLength,
      valueOffset: isInside ? directoryOffset + valueAt : this.#offsetAt(data, valueAt),
    };
  }

  #offsetAt(data: DataView, at: number): number {
    return this.big ? safeNumber(data.getBigUint64(at, this.littleEndian)) : data.getUint32(at, this.littleEndian);
  }

  async #exactly(offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > this.#size) throw corrupt(`a value at ${offset} of ${length} bytes lies outside the file`);
    const bytes = await this.#read(offset, length);
    if (bytes.byteLength !== length) throw corrupt(`a value at ${offset} of ${length} bytes is cut short`);
    return bytes;
  }
}

function numberAt(data: DataView, at: number, type: number, littleEndian: boolean): number {
  switch (type) {
    case 1:
      return data.getUint8(at);
    case 3:
      return data.getUint16(at, littleEndian);
    case 4:
    case 13:
      return data.getUint32(at, littleEndian);
    case 5:
      return data.getUint32(at, littleEndian) / data.getUint32(at + 4, littleEndian);
    case 6:
      return data.getInt8(at);
    case 8:
      return data.getInt16(at, littleEndian);
    case 9:
      return data.getInt32(at, littleEndian);
    case 10:
      return data.getInt32(at, littleEndian) / data.getInt32(at + 4, littleEndian);
    case 11:
      return data.getFloat32(at, littleEndian);
    case 12:
      return data.getFloat64(at, littleEndian);
    case 16:
    case 18:
      return Number(data.getBigUint64(at, littleEndian));
    case 17:
      return Number(data.getBigInt64(at, littleEndian));
    default:
      return Number.NaN;
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** An offset or count, kept below 2⁵³: what is larger lies outside any file. */
function safeNumber(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}

function corrupt(what: string): PyramidionError {
  return new PyramidionError('CORRUPT_IMAGE', `damaged TIFF structure: ${what}`);
}
