/**
 * Source images made by code, kept in a folder between runs (`PYRAMIDION_BENCH`, default one in the system's temporary
 * folder). The picture is fractal noise of photograph-like spectrum with edges in it; larger ones are the same 4096²
 * tile, mirrored, so that no compressor finds a repeat within its window.
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';

const folder = process.env.PYRAMIDION_BENCH ?? join(tmpdir(), 'pyramidion-bench');
const EDGE = 4096;
/** @type {Promise<Buffer> | undefined} */
let tile;

/** @typedef {'jpeg' | 'progressive' | 'png' | 'interlaced' | 'tiff' | 'webp'} Kind */

/** @type {Readonly<Record<Kind, { extension: string, encode: (image: import('sharp').Sharp) => import('sharp').Sharp }>>} */
const KINDS = {
  jpeg: { extension: 'jpg', encode: (image) => image.jpeg({ quality: 92 }) },
  progressive: { extension: 'jpg', encode: (image) => image.jpeg({ quality: 92, progressive: true }) },
  png: { extension: 'png', encode: (image) => image.png({ compressionLevel: 3 }) },
  interlaced: { extension: 'png', encode: (image) => image.png({ compressionLevel: 1, progressive: true }) },
  tiff: { extension: 'tif', encode: (image) => image.tiff({ compression: 'none' }) },
  webp: { extension: 'webp', encode: (image) => image.webp({ quality: 40, effort: 1 }) },
};

/**
 * The path of an RGB 8-bit source of this size, made when it is not there yet.
 * @param {Kind} kind @param {number} width @param {number} height
 */
export async function source(kind, width, height) {
  mkdirSync(folder, { recursive: true });
  const { extension, encode } = KINDS[kind];
  const path = join(folder, `${kind}-${width}x${height}.${extension}`);
  if (!existsSync(path)) {
    const raw = await mirrored(width, height);
    await encode(sharp(raw, { raw: { width, height, channels: 3 }, limitInputPixels: false })).toFile(`${path}.part`);
    renameSync(`${path}.part`, path);
  }
  return path;
}

/**
 * An uncompressed RGB strip TIFF of any size below 4 GiB, written row by row.
 * @param {number} width @param {number} height
 */
export async function giantStripTiff(width, height) {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `giant-${width}x${height}.tif`);
  if (existsSync(path)) return path;
  const pixels = await picture();
  const rowsPerStrip = 16;
  const strips = Math.ceil(height / rowsPerStrip);
  const row = width * 3;
  const file = openSync(`${path}.part`, 'w');
  const band = Buffer.alloc(row * rowsPerStrip);
  let at = 8;
  const offsets = [];
  const lengths = [];
  for (let strip = 0; strip < strips; strip++) {
    const rows = Math.min(rowsPerStrip, height - strip * rowsPerStrip);
    for (let y = 0; y < rows; y++) mirrorRow(pixels, strip * rowsPerStrip + y, width, band, y * row);
    writeSync(file, band, 0, rows * row, at);
    offsets.push(at);
    lengths.push(rows * row);
    at += rows * row;
  }
  const tables = Buffer.alloc(6 + 8 * strips);
  for (let c = 0; c < 3; c++) tables.writeUInt16LE(8, 2 * c);
  for (const [i, offset] of offsets.entries()) tables.writeUInt32LE(offset, 6 + 4 * i);
  for (const [i, length] of lengths.entries()) tables.writeUInt32LE(length, 6 + 4 * strips + 4 * i);
  writeSync(file, tables, 0, tables.length, at);
  /** @type {readonly (readonly [tag: number, type: number, count: number, value: number])[]} */
  const tags = [
    [256, 4, 1, width],
    [257, 4, 1, height],
    [258, 3, 3, at],
    [259, 3, 1, 1],
    [262, 3, 1, 2],
    [273, 4, strips, at + 6],
    [277, 3, 1, 3],
    [278, 4, 1, rowsPerStrip],
    [279, 4, strips, at + 6 + 4 * strips],
    [284, 3, 1, 1],
  ];
  const directory = Buffer.alloc(2 + 12 * tags.length + 4);
  directory.writeUInt16LE(tags.length, 0);
  tags.forEach(([tag, type, count, value], i) => {
    directory.writeUInt16LE(tag, 2 + 12 * i);
    directory.writeUInt16LE(type, 4 + 12 * i);
    directory.writeUInt32LE(count, 6 + 12 * i);
    directory.writeUInt32LE(value, 10 + 12 * i);
  });
  const head = Buffer.alloc(8);
  head.write('II*\0', 'latin1');
  head.writeUInt32LE(at + tables.length, 4);
  writeSync(file, directory, 0, directory.length, at + tables.length);
  writeSync(file, head, 0, 8, 0);
  closeSync(file);
  renameSync(`${path}.part`, path);
  return path;
}

/** The picture all sources are cut from, made once. */
function picture() {
  tile ??= fractal();
  return tile;
}

/** @param {number} width @param {number} height */
async function mirrored(width, height) {
  const pixels = await picture();
  const raw = Buffer.allocUnsafe(width * height * 3);
  for (let y = 0; y < height; y++) mirrorRow(pixels, y, width, raw, y * width * 3);
  return raw;
}

/** @param {Buffer} pixels @param {number} y @param {number} width @param {Buffer} out @param {number} at */
function mirrorRow(pixels, y, width, out, at) {
  const fold = Math.floor(y / EDGE) % 2 ? EDGE - 1 - (y % EDGE) : y % EDGE;
  for (let x = 0; x < width; x += EDGE) {
    const count = Math.min(EDGE, width - x);
    pixels.copy(out, at + x * 3, fold * EDGE * 3, (fold * EDGE + count) * 3);
  }
}

/** Octaves of noise, each half as fine and weaker than the one before, and a few discs with sharp edges. */
async function fractal() {
  const sum = new Float32Array(EDGE * EDGE * 3);
  let seed = 1;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed >>> 24;
  };
  for (let octave = 0; octave <= 10; octave++) {
    const edge = 4 << octave;
    if (edge > EDGE) break;
    const noise = Buffer.alloc(edge * edge * 3);
    for (let i = 0; i < noise.length; i++) noise[i] = random();
    const wide = await sharp(noise, { raw: { width: edge, height: edge, channels: 3 } })
      .resize(EDGE, EDGE, { kernel: 'cubic', fit: 'fill' })
      .raw()
      .toBuffer();
    const weight = 0.55 * 0.6 ** octave;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + weight * ((wide[i] ?? 0) - 128);
  }
  const out = Buffer.alloc(sum.length);
  for (let y = 0; y < EDGE; y++)
    for (let x = 0; x < EDGE; x++) {
      const inside = ((x % 512) - 256) ** 2 + ((y % 512) - 256) ** 2 < 150 ** 2;
      for (let c = 0; c < 3; c++) {
        const i = (y * EDGE + x) * 3 + c;
        out[i] = Math.max(0, Math.min(255, 128 + (sum[i] ?? 0) + (inside ? 30 - 20 * c : 0)));
      }
    }
  return out;
}
