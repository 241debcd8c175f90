import { crc32, deflateSync } from 'node:zlib';

/** @param {string} type @param {Uint8Array} data */
function chunk(type, data) {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

/**
 * A pixel of the picture to try things with: rings that grow finer from the middle to the edges, over a gradient of
 * colour.
 *
 * @param {number} x
 * @param {number} y
 * @param {number} width of the picture in pixels
 * @param {number} height
 * @returns {[red: number, green: number, blue: number]} 0…255, not rounded
 */
export function ringColour(x, y, width, height) {
  const [dx, dy] = [x - width / 2, y - height / 2];
  const ring = 0.5 + 0.5 * Math.cos(((dx * dx + dy * dy) * Math.PI) / (2 * Math.max(width, height)));
  return [ring * 255, (x / width) * 255, (y / height) * 255];
}

/**
 * The picture of {@link ringColour}, in no need of a file.
 *
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {Buffer} an 8-bit RGB PNG
 */
export function samplePng(width, height) {
  const stride = 1 + width * 3;
  const rows = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows.set(ringColour(x, y, width, height), y * stride + 1 + x * 3);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', new Uint8Array()),
  ]);
}
