/** The pictures of the sample library: what each looks like and how it is built. Pure: the same bytes wherever they are drawn. */
import { ringColour } from '../sample-png.mjs';
import { juliaBands } from './julia.mjs';
import { moonscape } from './moon.mjs';
import { rowBytes } from './tiff.mjs';

/**
 * @typedef {import('./tiff.mjs').Samples} Samples
 * @typedef {{ row: number, bytes: Uint8Array }} Run rows of a picture, from `row` on
 */

/**
 * A picture. It is drawn in parts that have nothing to do with each other, by whoever is free.
 *
 * @typedef {object} SamplePicture
 * @property {string} name
 * @property {string} tells what it is there to show
 * @property {Samples} samples
 * @property {number} parts
 * @property {(part: number) => Run[]} draw
 * @property {import('../../src/ingest/types.js').BuildOptions} options
 */

const JULIA = { width: 12288, height: 8192 };
const JULIA_ROWS = 32;
const MOON = { width: 2700, height: 1800 };

/** @type {readonly SamplePicture[]} */
export const pictures = [
  {
    name: 'Julia',
    tells: '100 megapixels of a Julia set, with detail down to the pixel',
    samples: { ...JULIA, space: 'rgb', bits: 8, alpha: false },
    parts: JULIA.height / 2 / JULIA_ROWS,
    draw: (part) => {
      const { upper, lower, lowerTop } = juliaBands(JULIA, part * JULIA_ROWS, JULIA_ROWS);
      return [
        { row: part * JULIA_ROWS, bytes: upper },
        { row: lowerTop, bytes: lower },
      ];
    },
    options: { compression: 'jpeg', quality: 88, dpi: 300 },
  },
  {
    name: 'Test-Chart',
    tells: 'rings that grow finer towards the edges: every fault of a reduction shows',
    samples: { width: 4000, height: 3000, space: 'rgb', bits: 8, alpha: false },
    parts: 1,
    draw: () =>
      whole({ width: 4000, height: 3000, space: 'rgb', bits: 8, alpha: false }, (x, y) => ringColour(x, y, 4000, 3000)),
    options: { compression: 'jpeg', quality: 95, dpi: 300 },
  },
  {
    name: 'Moon',
    tells: 'gray with 16 bits a sample',
    samples: { ...MOON, space: 'gray', bits: 16, alpha: false },
    parts: 1,
    draw: () => [{ row: 0, bytes: new Uint8Array(moonscape(MOON).buffer) }],
    options: { compression: 'deflate', bits: 'source', dpi: 300 },
  },
  {
    name: 'Rosette',
    tells: 'transparency',
    samples: { width: 1800, height: 1800, space: 'rgb', bits: 8, alpha: true },
    parts: 1,
    draw: () => whole({ width: 1800, height: 1800, space: 'rgb', bits: 8, alpha: true }, petals),
    options: { compression: 'deflate', dpi: 300 },
  },
  {
    name: 'Press-Sheet',
    tells: 'inks: cyan, magenta, yellow and black',
    samples: { width: 2400, height: 1800, space: 'cmyk', bits: 8, alpha: false },
    parts: 1,
    draw: () => whole({ width: 2400, height: 1800, space: 'cmyk', bits: 8, alpha: false }, inks),
    options: { compression: 'jpeg', quality: 92, dpi: 300 },
  },
];

/**
 * A picture of 8-bit samples that is drawn pixel by pixel.
 *
 * @param {Samples} samples
 * @param {(x: number, y: number) => readonly number[]} colour
 * @returns {Run[]}
 */
function whole(samples, colour) {
  const { width, height } = samples;
  const bytes = new Uint8Array(rowBytes(samples) * height);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) for (const sample of colour(x, y)) bytes[at++] = Math.round(sample);
  }
  return [{ row: 0, bytes }];
}

/** How much of a pixel lies inside an edge that is `distance` pixels away: edges without stairs. @param {number} distance */
function inside(distance) {
  return Math.min(1, Math.max(0, distance + 0.5));
}

/** Ellipses of glass around a middle: the way each points, and its colour. */
const PETALS = Array.from({ length: 12 }, (_, petal) => {
  const turn = (petal / 12) * 2 * Math.PI;
  const light = (/** @type {number} */ shift) => 255 * (0.55 + 0.45 * Math.cos(turn + shift));
  return { x: Math.cos(turn), y: Math.sin(turn), red: light(0), green: light(-2.1), blue: light(2.1) };
});

/** They are laid over each other. @param {number} x @param {number} y */
function petals(x, y) {
  let [red, green, blue, alpha] = [0, 0, 0, 0];
  for (const petal of PETALS) {
    const along = ((x - 900) * petal.x + (y - 900) * petal.y - 440) / 400;
    const across = ((y - 900) * petal.x - (x - 900) * petal.y) / 170;
    const square = along * along + across * across;
    if (square > 1.01) continue;
    const cover = inside((1 - Math.sqrt(square)) * 170) * (0.35 + 0.4 * square);
    red = petal.red * cover + red * (1 - cover);
    green = petal.green * cover + green * (1 - cover);
    blue = petal.blue * cover + blue * (1 - cover);
    alpha = cover + alpha * (1 - cover);
  }
  const part = alpha === 0 ? 0 : 1 / alpha;
  return [red * part, green * part, blue * part, alpha * 255];
}

/** Centres of the discs of ink: cyan, magenta, yellow. */
const DISCS = /** @type {const} */ ([
  [960, 540],
  [1440, 540],
  [1200, 900],
]);

/** Discs that overprint each other, steps of each ink below, and a cross for the register in each corner. @param {number} x @param {number} y */
function inks(x, y) {
  const ink = [0, 0, 0, 0];
  for (const [i, [left, top]] of DISCS.entries()) ink[i] = 255 * inside(390 - Math.hypot(x - left, y - top));
  if (y >= 1340 && y < 1700 && x >= 240 && x < 2160) {
    const row = Math.floor((y - 1340) / 90);
    const step = Math.floor((x - 240) / 96);
    if ((y - 1340) % 90 < 80) ink[row] = (255 * (step + 1)) / 20;
  }
  const dx = Math.min(Math.abs(x - 120), Math.abs(x - 2280));
  const dy = Math.min(Math.abs(y - 120), Math.abs(y - 1680));
  const cross = Math.max(dx, dy) < 70 && Math.min(dx, dy) < 1.5;
  const ring = Math.abs(Math.hypot(dx, dy) - 36) < 1.5;
  return cross || ring ? [255, 255, 255, 255] : ink;
}
