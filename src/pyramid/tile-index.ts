/** Where the tiles of a level are: its tile tables, read when they are needed and kept within a bound. */
import { PyramidionError } from '../errors.js';
import { abortedBy } from '../source/abort.js';
import { type RawField, readExactly, type TiffFile } from './directory.js';
import type { LevelStructure } from './structure.js';

/** Places of a level's tiles in the file, row by row; plane after plane when samples are in separate planes. */
export interface TileIndex {
  /** Bytes from the start of the file. */
  readonly offsets: Float64Array;
  /** Bytes; 0 for a tile that the file does not have. */
  readonly lengths: Uint32Array;
  /** Tiles that are not there. */
  readonly missing: number;
  /** Compressed bytes of all tiles. */
  readonly bytes: number;
}

/** Bytes of a table that are read and taken apart in one turn of the event loop. */
const CHUNK_BYTES = 1 << 19;

/** Types of whole numbers that tables are stored in: BYTE, SHORT, LONG, IFD, LONG8, IFD8; bytes of each. */
const NUMBER_SIZES: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8 };

/**
 * Reads the tile tables of a level: 8 to 16 bytes a tile. Errors: `CORRUPT_IMAGE` when they hold no numbers, lie beyond
 * the end of the file or say so of a tile; `UNSUPPORTED_IMAGE` for a tile of 4 GiB; `ABORTED`, and those of reading.
 */
export async function readTileIndex(file: TiffFile, level: LevelStructure, signal?: AbortSignal): Promise<TileIndex> {
  const { index, tiles } = level;
  const offsets = new Float64Array(tiles);
  const wide = new Float64Array(tiles);
  await readNumbers(file, level, level.tables.offsets, offsets, signal);
  await readNumbers(file, level, level.tables.lengths, wide, signal);
  const lengths = new Uint32Array(tiles);
  let missing = 0;
  let bytes = 0;
  for (let i = 0; i < tiles; i++) {
    const offset = offsets[i] ?? 0;
    const length = wide[i] ?? 0;
    if (length === 0 || offset === 0) {
      missing++;
      continue;
    }
    if (offset + length > file.bytes.size) throw corrupt(`tile ${i} of level ${index} lies beyond the end of the file`);
    if (length > 0xffffffff) {
      throw new PyramidionError('UNSUPPORTED_IMAGE', `tile ${i} of level ${index} has ${length} bytes`, {
        value: length,
        limit: 0xffffffff,
      });
    }
    lengths[i] = length;
    bytes += length;
  }
  return { offsets, lengths, missing, bytes };
}

/** Fills `numbers` from a table; what it holds beyond is left out: some writers leave room for more tiles than there are. */
async function readNumbers(
  file: TiffFile,
  level: LevelStructure,
  tag: number,
  numbers: Float64Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const field = level.image.raw.fields.get(tag);
  const size = field && NUMBER_SIZES[field.type];
  if (field === undefined || size === undefined || field.count < numbers.length)
    throw corrupt(`the tile tables of level ${level.index} hold no numbers`);
  checkTable(file, tag, field, numbers.length);
  for (let done = 0; done < numbers.length; ) {
    if (signal?.aborted) throw abortedBy(signal);
    const count = Math.min(numbers.length - done, CHUNK_BYTES / size);
    const bytes = await readExactly(file.bytes, field.valueOffset + done * size, count * size);
    decode(bytes, size, file.littleEndian, numbers.subarray(done, done + count));
    done += count;
  }
}

function checkTable(file: TiffFile, tag: number, field: RawField, tiles: number): void {
  const longest = (tiles + 1024) * 8;
  if (field.length > longest) throw corrupt(`TIFF field ${tag} has ${field.length} bytes; at most ${longest} are read`);
  if (field.valueOffset + field.length > file.bytes.size)
    throw corrupt(`TIFF field ${tag} lies beyond the end of the file`);
}

function decode(bytes: Uint8Array, size: number, littleEndian: boolean, numbers: Float64Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < numbers.length; i++) {
    if (size === 4) numbers[i] = view.getUint32(4 * i, littleEndian);
    else if (size === 2) numbers[i] = view.getUint16(2 * i, littleEndian);
    else if (size === 1) numbers[i] = view.getUint8(i);
    else {
      const high = view.getUint32(8 * i + (littleEndian ? 4 : 0), littleEndian);
      const low = view.getUint32(8 * i + (littleEndian ? 0 : 4), littleEndian);
      numbers[i] = high * 2 ** 32 + low;
    }
  }
}

function corrupt(message: string): PyramidionError {
  return new PyramidionError('CORRUPT_IMAGE', message);
}

interface Slot {
  readonly index: Promise<TileIndex>;
  /** 0 while it is read. */
  bytes: number;
}

/** Tile indexes in memory, the least recently used given up first. One tile takes 12 bytes. */
export class TileIndexes {
  readonly #maxBytes: number;
  readonly #slots = new Map<object, Slot>();
  #bytes = 0;

  /** @param maxBytes of all of them together; the one used last is kept even when it is larger. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The index of `level`: read once, however many ask for it at a time. A failed reading is forgotten. */
  get(level: object, read: () => Promise<TileIndex>): Promise<TileIndex> {
    const found = this.#slots.get(level);
    if (found !== undefined) {
      this.#slots.delete(level);
      this.#slots.set(level, found);
      return found.index;
    }
    const slot: Slot = { index: read(), bytes: 0 };
    this.#slots.set(level, slot);
    slot.index.then(
      ({ offsets, lengths }) => this.#keep(level, slot, offsets.byteLength + lengths.byteLength),
      () => {
        if (this.#slots.get(level) === slot) this.#slots.delete(level);
      },
    );
    return slot.index;
  }

  /** Forgets the index of `level`. */
  drop(level: object): void {
    this.#bytes -= this.#slots.get(level)?.bytes ?? 0;
    this.#slots.delete(level);
  }

  #keep(level: object, slot: Slot, bytes: number): void {
    if (this.#slots.get(level) !== slot) return;
    slot.bytes = bytes;
    this.#bytes += bytes;
    this.#slots.delete(level);
    this.#slots.set(level, slot);
    for (const [other, { bytes: held }] of this.#slots) {
      if (this.#bytes <= this.#maxBytes) return;
      if (other !== level && held > 0) this.drop(other);
    }
  }
}
