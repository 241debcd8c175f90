/**
 * How good a rendition is and how long it takes: every kernel at several ratios through an uncompressed pyramid of 12 MP,
 * and sharp's lanczos3 and cubic from the full-size source, uncompressed too, as it cannot choose a level by itself. Each
 * rendition is timed whole, as a JPEG of quality 80, turn about: milliseconds on the wall, and of processor time. Decibels
 * are before that encoding, against the same kernel in 64-bit floats from level 0, in the middle of the picture.
 * `node bench/kernels.mjs [rounds]`, after `npm ci`.
 */
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import sharp from 'sharp';
import { Engine, VERSION } from '../dist/index.js';
import { source } from './sources.mjs';

const WIDTH = 4000;
const HEIGHT = 3000;
const RATIOS = [0.1, 0.37, 0.5, 0.73, 1, 1.6];
/** Edge of the square in the middle that decibels are of, in pixels of the reply. */
const EDGE = 200;
const QUALITY = 80;
const ROUNDS = Number(process.argv[2] ?? 5);

/** @typedef {'sharp2' | 'bicub' | 'bilin' | 'bisharp'} Kernel */

/** @type {(x: number) => number} */
const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
/** @type {(a: number) => (x: number) => number} */
const cubic = (a) => (x) => {
  const d = Math.abs(x);
  if (d < 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a : 0;
};
/** @type {Readonly<Record<Kernel, { radius: number, value: (x: number) => number }>>} */
const KERNELS = {
  sharp2: { radius: 3, value: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
  bicub: { radius: 2, value: cubic(-0.5) },
  bilin: { radius: 1, value: (x) => Math.max(0, 1 - Math.abs(x)) },
  bisharp: { radius: 2, value: cubic(-1) },
};
/** sharp's kernels, and which of ours is the same by its definition. */
const THEIRS = /** @type {const} */ ([
  ['lanczos3', 'sharp2'],
  ['cubic', 'bicub'],
]);

const strip = await source('tiff', WIDTH, HEIGHT);
const pyramid = strip.replace(/\.tif$/, '-none-pyramid.tif');
const engine = await Engine.start({ limits: { maxPix: [0, 0], maxRenderRgnPixels: 64, maxMessageSize: 128 } });
if (!existsSync(pyramid)) await engine.build(strip, pyramid, { compression: 'none' });
const picture = await engine.open(pyramid);
const full = await sharp(strip).raw().toBuffer();
sharp.cache(false);

console.log(
  `${cpus().length} × ${cpus()[0]?.model}; Node ${process.version}, pyramidion ${VERSION}, sharp ${sharp.versions.sharp} (libvips ${sharp.versions.vips}); ${WIDTH} × ${HEIGHT}, medians of ${ROUNDS}`,
);
const head = RATIOS.map((ratio) => `${ratio}`);
console.log(
  `\n| dB / ms / CPU ms | from | ${head.join(' | ')} |\n| --- | --- | ${head.map(() => '---').join(' | ')} |`,
);
/** @type {Map<string, string[]>} */
const rows = new Map();
for (const ratio of RATIOS) {
  const [width, height] = [Math.round(WIDTH * ratio), Math.round(HEIGHT * ratio)];
  const edge = Math.min(EDGE, height);
  const window = { left: (width - edge) >> 1, top: (height - edge) >> 1, width: edge, height: edge };
  const contenders = [
    ...Object.keys(KERNELS).map((name) => ours(/** @type {Kernel} */ (name), width, height)),
    ...THEIRS.map(([name, kernel]) => theirs(name, kernel, width, height)),
  ];
  /** @type {number[][]} */
  const times = contenders.map(() => []);
  /** @type {number[][]} */
  const processor = contenders.map(() => []);
  for (let round = 0; round <= ROUNDS; round++)
    for (const [i, { make }] of contenders.entries()) {
      const start = performance.now();
      const before = process.cpuUsage();
      await make(null);
      const { user, system } = process.cpuUsage(before);
      if (round === 0) continue;
      times[i]?.push(performance.now() - start);
      processor[i]?.push((user + system) / 1000);
    }
  for (const [i, { name, from, kernel, make }] of contenders.entries()) {
    const decibels = psnr(await make(window), reference(kernel, width, height, window));
    const shown = decibels > 200 ? 'exact' : decibels.toFixed(1);
    const row = rows.get(name) ?? [from];
    row.push(`${shown} / ${median(times[i] ?? []).toFixed(0)} / ${median(processor[i] ?? []).toFixed(0)}`);
    rows.set(name, row);
  }
}
for (const [name, cells] of rows) console.log(`| ${name} | ${cells.join(' | ')} |`);
await picture.close();
await engine.close();

/** @typedef {{ left: number, top: number, width: number, height: number }} Window */
/** @typedef {{ name: string, from: string, kernel: Kernel, make: (window: Window | null) => Promise<Uint8Array> }} Contender */

/**
 * Ours: all of the reply as JPEG, or the samples of a window of it.
 * @param {Kernel} kernel @param {number} width @param {number} height @returns {Contender}
 */
function ours(kernel, width, height) {
  const query = `wid=${width}&hei=${height}&fit=stretch,1&resMode=${kernel}`;
  return {
    name: kernel.toUpperCase(),
    from: 'level',
    kernel,
    make: async (window) => {
      if (window === null) return (await picture.render(`${query}&qlt=${QUALITY}`)).bytes;
      const { left, top } = window;
      const { bytes } = await picture.render(`${query}&fmt=tif&rect=${left},${top},${window.width},${window.height}`);
      return sharp(bytes).raw().toBuffer();
    },
  };
}

/**
 * sharp's, from the full-size source. What is not measured is cut away afterwards.
 * @param {'lanczos3' | 'cubic'} name @param {Kernel} kernel @param {number} width @param {number} height
 * @returns {Contender}
 */
function theirs(name, kernel, width, height) {
  return {
    name: `sharp ${name}`,
    from: 'source',
    kernel,
    make: async (window) => {
      const image = sharp(strip).resize(width, height, { kernel: name, fit: 'fill' });
      if (window === null) return image.jpeg({ quality: QUALITY, optimiseCoding: false }).toBuffer();
      return image.extract(window).raw().toBuffer();
    },
  };
}

/**
 * A window of the whole picture in `width` × `height` pixels.
 * @param {Kernel} name @param {number} width @param {number} height @param {Window} window
 */
function reference(name, width, height, window) {
  const columns = taps(name, WIDTH, width, window.left, window.width);
  const rows = taps(name, HEIGHT, height, window.top, window.height);
  const first = Math.min(...rows.flatMap(({ at }) => at));
  const last = Math.max(...rows.flatMap(({ at }) => at));
  const line = window.width * 3;
  const wide = new Float64Array((last - first + 1) * line);
  for (let y = first; y <= last; y++)
    columns.forEach(({ at, weight }, x) => {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < at.length; k++)
          sum += Number(weight[k]) * Number(full[(y * WIDTH + Number(at[k])) * 3 + c]);
        wide[(y - first) * line + x * 3 + c] = sum;
      }
    });
  const out = new Float64Array(window.height * line);
  rows.forEach(({ at, weight }, y) => {
    for (let k = 0; k < at.length; k++)
      for (let i = 0; i < line; i++)
        out[y * line + i] =
          Number(out[y * line + i]) + Number(weight[k]) * Number(wide[(Number(at[k]) - first) * line + i]);
  });
  return out;
}

/** @param {Kernel} name @param {number} length @param {number} size @param {number} first @param {number} count */
function taps(name, length, size, first, count) {
  const { radius, value } = KERNELS[name];
  const step = length / size;
  const stretch = Math.max(1, step);
  return Array.from({ length: count }, (_, i) => {
    const centre = (first + i + 0.5) * step;
    /** @type {number[]} */
    const at = [];
    /** @type {number[]} */
    const weight = [];
    for (let j = Math.floor(centre - radius * stretch - 1); j <= centre + radius * stretch + 1; j++) {
      const w = value((j + 0.5 - centre) / stretch);
      if (Math.abs(w) < 1e-12) continue;
      at.push(Math.min(Math.max(j, 0), length - 1));
      weight.push(w);
    }
    const sum = weight.reduce((total, w) => total + w, 0);
    return { at, weight: weight.map((w) => w / sum) };
  });
}

/** @param {Uint8Array} pixels @param {Float64Array} exact */
function psnr(pixels, exact) {
  if (pixels.length !== exact.length) throw new Error(`${pixels.length} samples beside ${exact.length}`);
  let sum = 0;
  for (let i = 0; i < exact.length; i++) sum += (Number(pixels[i]) - Math.min(Math.max(Number(exact[i]), 0), 255)) ** 2;
  return 10 * Math.log10((255 ** 2 * exact.length) / sum);
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = [...values].sort((x, y) => x - y);
  return Number(sorted[sorted.length >> 1]);
}
