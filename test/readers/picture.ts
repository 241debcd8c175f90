/** A picture made by code: what a photograph has (gradients, smooth texture, a few edges), and the same in every run. */

/** Samples of an image, pixel by pixel. */
export type Samples = Uint8Array | Uint16Array;

/** `count` numbers in 0…1, always the same. */
export function pseudoRandom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** Smooth noise in −1…1: random values on a lattice of `step` pixels, blended by a smooth curve. */
function smoothNoise(width: number, height: number, step: number, random: () => number): Float64Array {
  const columns = Math.ceil(width / step) + 2;
  const lattice = Float64Array.from({ length: columns * (Math.ceil(height / step) + 2) }, () => 2 * random() - 1);
  const blend = (t: number): number => t * t * (3 - 2 * t);
  const noise = new Float64Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / step);
    const down = blend(y / step - row);
    for (let x = 0; x < width; x++) {
      const column = Math.floor(x / step);
      const right = blend(x / step - column);
      const at = row * columns + column;
      const above = (lattice[at] ?? 0) * (1 - right) + (lattice[at + 1] ?? 0) * right;
      const below = (lattice[at + columns] ?? 0) * (1 - right) + (lattice[at + columns + 1] ?? 0) * right;
      noise[y * width + x] = above * (1 - down) + below * down;
    }
  }
  return noise;
}

/** Discs by centre, radius (in shares of the picture) and colour. */
const DISCS: readonly { x: number; y: number; radius: number; colour: readonly number[] }[] = [
  { x: 0.3, y: 0.35, radius: 0.18, colour: [0.78, 0.62, 0.5, 0.2] },
  { x: 0.72, y: 0.6, radius: 0.22, colour: [0.3, 0.42, 0.5, 0.45] },
  { x: 0.55, y: 0.2, radius: 0.08, colour: [0.92, 0.9, 0.84, 0.05] },
];

/**
 * The picture in `colours` components of 0…1, and with `alpha` one more that is 0 in a corner, 1 in the middle, and all
 * between.
 */
export function picture(width: number, height: number, colours: number, alpha: boolean): Float64Array {
  const random = pseudoRandom(20_240_517);
  const octaves = [96, 48, 24, 12, 6].map((step, i) => ({
    noise: smoothNoise(width, height, step, random),
    amplitude: 0.12 / 1.8 ** i,
  }));
  const tint = smoothNoise(width, height, 120, random);
  const samples = colours + (alpha ? 1 : 0);
  const pixels = new Float64Array(width * height * samples);
  const size = Math.min(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const texture = octaves.reduce((sum, { noise, amplitude }) => sum + (noise[at] ?? 0) * amplitude, 0);
      const light = 0.25 * (x / width - 0.5) - 0.2 * (y / height - 0.5) + texture;
      for (let c = 0; c < colours; c++) {
        let value = 0.48 + 0.06 * c + light + 0.05 * (c - 1) * (tint[at] ?? 0);
        for (const { x: cx, y: cy, radius, colour } of DISCS) {
          const distance = radius * size - Math.hypot(x - cx * width, y - cy * height);
          const cover = Math.min(1, Math.max(0, 0.5 + distance / 3));
          value += cover * ((colour[c] ?? 0.5) + 0.5 * light - value);
        }
        pixels[at * samples + c] = Math.min(1, Math.max(0, value));
      }
      if (alpha) {
        const opacity = 1.4 - 1.8 * Math.hypot(x / width - 0.6, y / height - 0.55) + 0.3 * texture;
        pixels[at * samples + colours] = Math.min(1, Math.max(0, opacity));
      }
    }
  }
  return pixels;
}

/** Values of 0…1 in steps of 8 or 16 bits. */
export function quantise(values: Float64Array, bits: 8 | 16): Samples {
  const top = 2 ** bits - 1;
  const samples = bits === 8 ? new Uint8Array(values.length) : new Uint16Array(values.length);
  for (let i = 0; i < samples.length; i++) samples[i] = Math.floor((values[i] ?? 0) * top + 0.5);
  return samples;
}
