/** Uncompressed TIFF: what a picture that is made row by row is written to, in any order. */

/** Rows of a strip. */
const STRIP = 16;

const SHORT = 3;
const LONG = 4;

/**
 * A picture's samples: `bits` each, 16-bit ones in little-endian order.
 *
 * @typedef {{ width: number, height: number, space: 'gray' | 'rgb' | 'cmyk', bits: 8 | 16, alpha: boolean }} Samples
 */

const SPACES = {
  gray: { channels: 1, photometric: 1 },
  rgb: { channels: 3, photometric: 2 },
  cmyk: { channels: 4, photometric: 5 },
};

/** @param {Samples} samples @returns {number} bytes of a row */
export function rowBytes({ width, space, bits, alpha }) {
  return width * (SPACES[space].channels + (alpha ? 1 : 0)) * (bits / 8);
}

/**
 * What stands before the samples, which follow it row by row from the top. Alpha is straight.
 *
 * @param {Samples} samples
 * @returns {Buffer}
 */
export function tiffHead(samples) {
  const { width, height, space, bits, alpha } = samples;
  const { photometric } = SPACES[space];
  const channels = SPACES[space].channels + (alpha ? 1 : 0);
  const strips = Math.ceil(height / STRIP);
  const stripBytes = STRIP * rowBytes(samples);
  const total = height * rowBytes(samples);
  /** @type {[tag: number, type: number, values: number[]][]} */
  const fields = [
    [256, LONG, [width]],
    [257, LONG, [height]],
    [258, SHORT, Array(channels).fill(bits)],
    [259, SHORT, [1]],
    [262, SHORT, [photometric]],
    [273, LONG, Array(strips).fill(0)],
    [277, SHORT, [channels]],
    [278, LONG, [STRIP]],
    [279, LONG, Array.from({ length: strips }, (_, i) => Math.min(stripBytes, total - i * stripBytes))],
    [284, SHORT, [1]],
    ...(alpha ? [/** @type {[number, number, number[]]} */ ([338, SHORT, [2]])] : []),
  ];
  const directory = 8;
  const sizeOf = (/** @type {[number, number, number[]]} */ [, type, values]) =>
    values.length * (type === SHORT ? 2 : 4);
  const start = directory + 2 + fields.length * 12 + 4;
  const length = fields
    .map(sizeOf)
    .filter((size) => size > 4)
    .reduce((sum, size) => sum + size, start);
  const offsets = fields.find(([tag]) => tag === 273)?.[2] ?? [];
  for (let i = 0; i < strips; i++) offsets[i] = length + i * stripBytes;

  const head = Buffer.alloc(length);
  head.write('II', 'latin1');
  head.writeUInt16LE(42, 2);
  head.writeUInt32LE(directory, 4);
  head.writeUInt16LE(fields.length, directory);
  let free = start;
  for (const [i, field] of fields.entries()) {
    const [tag, type, values] = field;
    const entry = directory + 2 + i * 12;
    head.writeUInt16LE(tag, entry);
    head.writeUInt16LE(type, entry + 2);
    head.writeUInt32LE(values.length, entry + 4);
    const isApart = sizeOf(field) > 4;
    if (isApart) head.writeUInt32LE(free, entry + 8);
    for (const [j, value] of values.entries()) {
      const at = (isApart ? free : entry + 8) + j * (type === SHORT ? 2 : 4);
      if (type === SHORT) head.writeUInt16LE(value, at);
      else head.writeUInt32LE(value, at);
    }
    if (isApart) free += sizeOf(field);
  }
  return head;
}
