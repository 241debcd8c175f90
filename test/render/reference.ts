/** Resampling once more, in 64-bit floats, from the definitions of the kernels alone. */
import type { Kernel } from '../../src/native/contract.js';

/** Samples of an image, pixel by pixel, in any type of number. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly data: ArrayLike<number>;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Keys' cubic convolution (1981). */
function cubic(a: number): (x: number) => number {
  return (x) => {
    const d = Math.abs(x);
    if (d < 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
    if (d < 2) return a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a;
    return 0;
  };
}

const KERNELS: Readonly<Record<Kernel, { radius: number; value: (x: number) => number }>> = {
  bilin: { radius: 1, value: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicub: { radius: 2, value: cubic(-0.5) },
  sharp2: { radius: 3, value: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
  bisharp: { radius: 2, value: cubic(-1) },
};

/** What one output pixel of an axis is made of: source pixels and their weights. */
interface Taps {
  readonly at: readonly number[];
  readonly weight: readonly number[];
}

/** Weights of the source pixels for each output pixel of an axis. Output `i` is centred at `origin + (i + ½)·step`. */
function axis(count: number, length: number, origin: number, step: number, kernel: Kernel): Taps[] {
  const { radius, value } = KERNELS[kernel];
  const stretch = Math.max(1, step);
  return Array.from({ length: count }, (_, i) => {
    const centre = origin + (i + 0.5) * step;
    const at: number[] = [];
    const weight: number[] = [];
    for (let j = Math.floor(centre - radius * stretch - 1); j <= centre + radius * stretch + 1; j++) {
      const w = value((j + 0.5 - centre) / stretch);
      if (w === 0) continue;
      at.push(Math.min(Math.max(j, 0), length - 1));
      weight.push(w);
    }
    const sum = weight.reduce((total, w) => total + w, 0);
    return { at, weight: weight.map((w) => w / sum) };
  });
}

/** Where the output lies in the source, in pixels of it: the whole of it, corner to corner, unless said otherwise. */
export interface Place {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The part `place` of an image in another size. Values are neither rounded nor clipped; edges are repeated. */
export function resample(image: Plane, width: number, height: number, kernel: Kernel, place?: Place): Float64Array {
  const { left, top, ...part } = place ?? { left: 0, top: 0, width: image.width, height: image.height };
  const columns = axis(width, image.width, left, part.width / width, kernel);
  const rows = axis(height, image.height, top, part.height / height, kernel);
  const { samples, data } = image;
  const wide = new Float64Array(width * image.height * samples);
  for (let y = 0; y < image.height; y++) {
    const row = y * image.width * samples;
    columns.forEach(({ at, weight }, x) => {
      for (let c = 0; c < samples; c++) {
        let sum = 0;
        for (let k = 0; k < at.length; k++) sum += (weight[k] ?? 0) * (data[row + (at[k] ?? 0) * samples + c] ?? 0);
        wide[(y * width + x) * samples + c] = sum;
      }
    });
  }
  const out = new Float64Array(width * height * samples);
  const line = width * samples;
  rows.forEach(({ at, weight }, y) => {
    for (let k = 0; k < at.length; k++) {
      const from = (at[k] ?? 0) * line;
      const w = weight[k] ?? 0;
      for (let i = 0; i < line; i++) out[y * line + i] = (out[y * line + i] ?? 0) + w * (wide[from + i] ?? 0);
    }
  });
  return out;
}

/** Peak signal to noise, decibels, of samples whose full scale is `top`. Values are clipped to it first. */
export function psnr(a: ArrayLike<number>, b: ArrayLike<number>, top = 255): number {
  if (a.length !== b.length) throw new Error(`${a.length} samples beside ${b.length}`);
  const clip = (value: number | undefined): number => Math.min(Math.max(value ?? 0, 0), top);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (clip(a[i]) - clip(b[i])) ** 2;
  return 10 * Math.log10((top * top * a.length) / sum);
}
