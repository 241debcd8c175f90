/** Craters on rough ground in low light, in 16 bits. Pure: the same bytes wherever it runs. */

/** @param {number} seed @returns {() => number} numbers from 0 to 1, always the same ones: mulberry32 */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Radius of the first crater, in pixels; each that follows is smaller. */
const LARGEST = 330;
const CRATERS = 3000;

/**
 * @param {{ width: number, height: number }} size in pixels
 * @returns {Uint16Array} brightness, row by row, little-endian wherever it is made
 */
export function moonscape({ width, height }) {
  const random = randomNumbers(1969);
  const ground = new Float32Array(width * height);
  for (let period = 512, weight = 60; period >= 2; period /= 2, weight *= 0.52)
    addNoise(ground, width, height, period, weight, random);
  for (let i = 0; i < CRATERS; i++) {
    dig(ground, width, height, random() * width, random() * height, LARGEST / (1 + i) ** 0.6);
  }
  const samples = new DataView(new ArrayBuffer(width * height * 2));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const here = ground[at] ?? 0;
      const across = (x + 1 < width ? (ground[at + 1] ?? 0) : here) - here;
      const down = (y + 1 < height ? (ground[at + width] ?? 0) : here) - here;
      // Light from the upper left, on a surface of slopes `across` and `down`.
      const light = (0.42 + 0.62 * across + 0.3 * down) / Math.sqrt(1 + across * across + down * down);
      samples.setUint16(at * 2, 65535 * Math.min(1, Math.max(0, light)) ** 0.8, true);
    }
  }
  return new Uint16Array(samples.buffer);
}

/**
 * Adds smooth noise with one value every `period` pixels.
 *
 * @param {Float32Array} ground
 * @param {number} width
 * @param {number} height
 * @param {number} period
 * @param {number} weight
 * @param {() => number} random
 */
function addNoise(ground, width, height, period, weight, random) {
  const columns = Math.ceil(width / period) + 1;
  const lattice = Float32Array.from({ length: columns * (Math.ceil(height / period) + 1) }, () => random() - 0.5);
  const smooth = (/** @type {number} */ t) => t * t * (3 - 2 * t);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / period) * columns;
    const v = smooth((y % period) / period);
    for (let x = 0; x < width; x++) {
      const at = row + Math.floor(x / period);
      const u = smooth((x % period) / period);
      const above = (lattice[at] ?? 0) * (1 - u) + (lattice[at + 1] ?? 0) * u;
      const below = (lattice[at + columns] ?? 0) * (1 - u) + (lattice[at + columns + 1] ?? 0) * u;
      ground[y * width + x] = (ground[y * width + x] ?? 0) + weight * (above * (1 - v) + below * v);
    }
  }
}

/**
 * Digs a bowl with a rim that runs out around it.
 *
 * @param {Float32Array} ground
 * @param {number} width
 * @param {number} height
 * @param {number} left its middle
 * @param {number} top
 * @param {number} radius of the rim
 */
function dig(ground, width, height, left, top, radius) {
  const reach = radius * 1.8;
  const depth = radius * 0.36;
  for (let y = Math.max(0, Math.ceil(top - reach)); y < Math.min(height, top + reach); y++) {
    for (let x = Math.max(0, Math.ceil(left - reach)); x < Math.min(width, left + reach); x++) {
      const distance = Math.hypot(x - left, y - top) / radius;
      if (distance > 1.8) continue;
      const bowl =
        distance < 1 ? Math.max(-0.72, 1.35 * (distance * distance - 1) + 0.3) : 0.3 * ((1.8 - distance) / 0.8) ** 2;
      ground[y * width + x] = (ground[y * width + x] ?? 0) + depth * bowl;
    }
  }
}
