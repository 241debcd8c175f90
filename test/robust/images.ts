/** Pictures that are made by code: huge ones that take no room on the disk, noise, and headers with nothing behind them. */
import { randomFillSync } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

export interface StripTiff {
  readonly width: number;
  readonly height: number;
  readonly rowsPerStrip?: number;
  /** Random samples instead of zeros, which are a hole in the file. */
  readonly noise?: boolean;
}

const BANDS = 3;
const FIELD_BYTES = 12;

/** Writes an uncompressed 8-bit RGB TIFF in strips; without noise it is black and takes a few blocks of the disk. Yields its length. */
export function writeStripTiff(path: string, { width, height, rowsPerStrip = 16, noise = false }: StripTiff): number {
  const strips = Math.ceil(height / rowsPerStrip);
  const rowBytes = width * BANDS;
  const fields: [tag: number, type: number, count: number, value: number][] = [];
  const fieldsEnd = 8 + 2 + 10 * FIELD_BYTES + 4;
  const offsets = fieldsEnd + 2 * BANDS;
  const counts = offsets + 4 * strips;
  const data = counts + 4 * strips;
  fields.push([256, 4, 1, width], [257, 4, 1, height], [258, 3, BANDS, fieldsEnd], [259, 3, 1, 1], [262, 3, 1, 2]);
  fields.push([273, 4, strips, strips > 1 ? offsets : data], [277, 3, 1, BANDS], [278, 4, 1, rowsPerStrip]);
  fields.push([279, 4, strips, strips > 1 ? counts : rowBytes * height], [284, 3, 1, 1]);

  const head = Buffer.alloc(data);
  head.write('II*\0', 'latin1');
  head.writeUInt32LE(8, 4);
  head.writeUInt16LE(fields.length, 8);
  for (const [i, [tag, type, count, value]] of fields.entries()) {
    const at = 10 + i * FIELD_BYTES;
    head.writeUInt16LE(tag, at);
    head.writeUInt16LE(type, at + 2);
    head.writeUInt32LE(count, at + 4);
    head.writeUInt32LE(value, at + 8);
  }
  for (let i = 0; i < BANDS; i++) head.writeUInt16LE(8, fieldsEnd + 2 * i);
  for (let i = 0; i < strips; i++) {
    const rows = Math.min(rowsPerStrip, height - i * rowsPerStrip);
    head.writeUInt32LE(data + i * rowsPerStrip * rowBytes, offsets + 4 * i);
    head.writeUInt32LE(rows * rowBytes, counts + 4 * i);
  }
  const size = data + height * rowBytes;
  const file = openSync(path, 'w');
  try {
    writeSync(file, head);
    if (noise) writeSync(file, randomFillSync(Buffer.alloc(height * rowBytes)));
    ftruncateSync(file, size);
  } finally {
    closeSync(file);
  }
  return size;
}

/** An RGB PNG of a given size by its header; its one chunk of pixels is no deflate stream. */
export function hollowPng(width: number, height: number, interlaced = false): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, interlaced ? 1 : 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', Buffer.from('no pixels')), chunk('IEND')]);
}

function chunk(type: string, data = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}
