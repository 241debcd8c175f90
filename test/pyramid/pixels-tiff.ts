/** Writes pyramids with pixels that are known beforehand, in the layouts our engine does not write. */
import { deflateSync } from 'node:zlib';
import { openBytes } from '../../src/source/bytes.js';
import type { Source } from '../../src/source/types.js';
import { type Field, writeTiff } from './tiff.js';

/** One pyramid. */
export interface PixelsTiff {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly photometric: number;
  readonly bits?: 8 | 16;
  readonly littleEndian?: boolean;
  readonly bigTiff?: boolean;
  /** Tile edge; or rows of a strip. */
  readonly tile?: number;
  readonly rowsPerStrip?: number;
  readonly separate?: boolean;
  readonly deflate?: boolean;
  /** Claim another coding (TIFF's number) than the tiles have. */
  readonly compression?: number;
  /** Levels, each half the one above, rounded up. */
  readonly levels?: number;
  readonly extra?: readonly Field[];
  /** Tiles that are left out, by level and number. */
  readonly missing?: (level: number, tile: number) => boolean;
  /** Bytes between one tile and the next. */
  readonly gap?: number;
  /** Write tiles last one first. */
  readonly backwards?: boolean;
}

/** The sample `s` of a pixel of a level, full range of its bits. */
export function sampleAt(level: number, x: number, y: number, s: number, bits: 8 | 16 = 8): number {
  return (x * 7 + y * 13 + s * 41 + level * 29 + (bits === 16 ? x * y * 257 : 0)) % (bits === 16 ? 65536 : 256);
}

/** The bytes of the file. */
export function pixelsTiff(like: PixelsTiff): Uint8Array {
  const { levels = 1, littleEndian = true, bigTiff = false } = like;
  const sizes = Array.from({ length: levels }, (_, k) => ({
    width: Math.ceil(like.width / 2 ** k),
    height: Math.ceil(like.height / 2 ** k),
  }));
  const tiles = sizes.map((size, level) => encodeTiles(like, level, size));
  const write = (start: number): { head: Uint8Array; data: Buffer[] } => {
    const data: Buffer[] = [];
    let at = start;
    const chain = sizes.map((size, level) => {
      const own = tiles[level] ?? [];
      const offsets = new Array<number>(own.length).fill(0);
      const lengths = new Array<number>(own.length).fill(0);
      const order = [...own.keys()];
      if (like.backwards) order.reverse();
      for (const i of order) {
        if (like.missing?.(level, i)) continue;
        const bytes = Buffer.concat([own[i] ?? Buffer.alloc(0), Buffer.alloc(like.gap ?? 0, 0xaa)]);
        offsets[i] = at;
        lengths[i] = bytes.length - (like.gap ?? 0);
        at += bytes.length;
        data.push(bytes);
      }
      return { fields: fieldsOf(like, level, size, offsets, lengths) };
    });
    return { head: writeTiff(chain, { littleEndian, bigTiff }), data };
  };
  const { head, data } = write(write(0).head.length);
  return Buffer.concat([head, ...data]);
}

function fieldsOf(
  { samples, photometric, bits = 8, tile = 64, rowsPerStrip, separate, deflate, compression, extra = [] }: PixelsTiff,
  level: number,
  { width, height }: { width: number; height: number },
  offsets: readonly number[],
  lengths: readonly number[],
): Field[] {
  const tables: Field[] =
    rowsPerStrip === undefined
      ? [
          { tag: 322, type: 3, values: [tile] },
          { tag: 323, type: 3, values: [tile] },
          { tag: 324, type: 4, values: offsets },
          { tag: 325, type: 4, values: lengths },
        ]
      : [
          { tag: 273, type: 4, values: offsets },
          { tag: 278, type: 3, values: [rowsPerStrip] },
          { tag: 279, type: 4, values: lengths },
        ];
  return [
    { tag: 254, type: 4, values: [level === 0 ? 0 : 1] },
    { tag: 256, type: 3, values: [width] },
    { tag: 257, type: 3, values: [height] },
    { tag: 258, type: 3, values: new Array<number>(samples).fill(bits) },
    { tag: 259, type: 3, values: [compression ?? (deflate ? 8 : 1)] },
    { tag: 262, type: 3, values: [photometric] },
    { tag: 277, type: 3, values: [samples] },
    { tag: 284, type: 3, values: [separate ? 2 : 1] },
    ...tables,
    ...extra,
  ];
}

function encodeTiles(like: PixelsTiff, level: number, { width, height }: { width: number; height: number }): Buffer[] {
  const { samples, bits = 8, tile = 64, rowsPerStrip, separate, deflate, littleEndian = true } = like;
  const tileWidth = rowsPerStrip === undefined ? tile : width;
  const tileHeight = rowsPerStrip ?? tile;
  const planes = separate ? Array.from({ length: samples }, (_, s) => [s]) : [[...Array(samples).keys()]];
  const encoded: Buffer[] = [];
  for (const plane of planes) {
    for (let top = 0; top < height; top += tileHeight) {
      for (let left = 0; left < width; left += tileWidth) {
        const rows = rowsPerStrip === undefined ? tileHeight : Math.min(tileHeight, height - top);
        const raw = Buffer.alloc((tileWidth * rows * plane.length * bits) / 8);
        let at = 0;
        for (let y = top; y < top + rows; y++) {
          for (let x = left; x < left + tileWidth; x++) {
            for (const s of plane) {
              const value = sampleAt(level, x, y, s, bits);
              if (bits === 8) raw[at++] = value;
              else at = littleEndian ? raw.writeUInt16LE(value, at) : raw.writeUInt16BE(value, at);
            }
          }
        }
        encoded.push(deflate ? deflateSync(raw) : raw);
      }
    }
  }
  return encoded;
}

/** A source of bytes that counts what is read through it. */
export function counted(bytes: Uint8Array): Source & { readonly reads: { count: number; bytes: number } } {
  const reads = { count: 0, bytes: 0 };
  const source = openBytes(bytes);
  return {
    ...source,
    reads,
    read: (offset, length) => {
      reads.count += 1;
      reads.bytes += length;
      return source.read(offset, length);
    },
    readInto: (target, offset) => {
      reads.count += 1;
      reads.bytes += target.byteLength;
      return source.readInto(target, offset);
    },
  };
}
