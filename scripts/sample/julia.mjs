/** A Julia set: a picture with detail at every scale, made a band at a time. Pure: the same bytes wherever it runs. */

/** z² + c. Its picture looks the same when it is turned by half a turn, so half of it is all that is computed. */
const C = { x: -0.7269, y: 0.1889 };

/** What the picture's width spans. */
const SPAN = 3.1;

/** Steps after which a point counts as part of the set. */
const MOST_STEPS = 1000;

/** Square of the distance from which on points are gone for good; large, so that steps blend into each other. */
const GONE = 1e4;

/** Colours by the number of steps: where in a round of them, and red, green, blue there. */
const STOPS = /** @type {const} */ ([
  [0, 4, 8, 28],
  [0.16, 24, 70, 160],
  [0.38, 225, 240, 250],
  [0.52, 250, 190, 60],
  [0.68, 140, 50, 20],
  [0.84, 20, 10, 40],
  [1, 4, 8, 28],
]);

/** Rows of the palette for one step. */
const SHADES = 128;

const palette = makePalette();

/** @returns {Uint8Array} red, green, blue for each part of a step */
function makePalette() {
  const colours = new Uint8Array(3 * SHADES * (MOST_STEPS + 2));
  for (let i = 0; i < colours.length / 3; i++) {
    const at = (0.42 * Math.log2(i / SHADES + 1)) % 1;
    const next = STOPS.findIndex(([place]) => place > at);
    const [from, ...low] = STOPS[next - 1] ?? STOPS[0];
    const [to, ...high] = STOPS[next] ?? STOPS[0];
    const part = (at - from) / (to - from);
    const share = part * part * (3 - 2 * part);
    for (let channel = 0; channel < 3; channel++) {
      const [start = 0, end = 0] = [low[channel], high[channel]];
      colours[i * 3 + channel] = Math.round(start + (end - start) * share);
    }
  }
  return colours;
}

/**
 * How long points of a row take to leave, in steps and parts of them; 0 for those that never do.
 *
 * @param {Float32Array} steps where they go
 * @param {number} left the first point, and
 * @param {number} y the row, in the plane
 * @param {number} pixel distance of two points
 */
function leaveTimes(steps, left, y, pixel) {
  for (let i = 0; i < steps.length; i++) {
    let [zx, zy] = [left + i * pixel, y];
    let xx = zx * zx;
    let yy = zy * zy;
    let step = 0;
    while (xx + yy < GONE && step < MOST_STEPS) {
      zy = 2 * zx * zy + C.y;
      zx = xx - yy + C.x;
      xx = zx * zx;
      yy = zy * zy;
      step++;
    }
    // A part of a step is told by how far the last one went.
    steps[i] = step === MOST_STEPS ? 0 : Math.max(0, step + 1 - Math.log2(Math.log(xx + yy) / 2));
  }
}

/**
 * One band of the upper half and the band of the lower half that it is the mirror of.
 *
 * @param {{ width: number, height: number }} size of the whole picture in pixels; the height is even
 * @param {number} top first row of the upper band
 * @param {number} rows both have
 * @returns {{ upper: Uint8Array, lower: Uint8Array, lowerTop: number }} 8-bit RGB, rows from the top; the first row of the lower band
 */
export function juliaBands({ width, height }, top, rows) {
  const pixel = SPAN / width;
  const stride = width + 2;
  // One pixel more on each side: the slope at the edges is seen there.
  const field = new Float32Array(stride * (rows + 2));
  for (let row = 0; row < rows + 2; row++) {
    const line = field.subarray(row * stride, (row + 1) * stride);
    leaveTimes(line, (-0.5 - width / 2) * pixel, (top + row - 0.5 - height / 2) * pixel, pixel);
  }
  const upper = new Uint8Array(width * rows * 3);
  const lower = new Uint8Array(width * rows * 3);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) {
      const at = (row + 1) * stride + column + 1;
      const pixelAt = row * width + column;
      paint(upper, pixelAt, field, at, at + 1, at + stride);
      paint(lower, width * rows - 1 - pixelAt, field, at, at - 1, at - stride);
    }
  }
  return { upper, lower, lowerTop: height - top - rows };
}

/**
 * @param {Uint8Array} samples
 * @param {number} pixelAt which pixel of them
 * @param {Float32Array} field
 * @param {number} at the point itself, and those to its
 * @param {number} right
 * @param {number} below
 */
function paint(samples, pixelAt, field, at, right, below) {
  const steps = field[at] ?? 0;
  const across = (field[right] ?? 0) - steps;
  const down = (field[below] ?? 0) - steps;
  // Light from the upper left on the slopes of the field.
  const light = 0.86 + (0.2 * (across + down)) / Math.sqrt(2 * (across * across + down * down) + 1e-4);
  const colour = Math.floor(steps * SHADES) * 3;
  for (let channel = 0; channel < 3; channel++)
    samples[pixelAt * 3 + channel] = Math.min(255, (palette[colour + channel] ?? 0) * light);
}
