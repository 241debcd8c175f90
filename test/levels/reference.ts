/** The four 2:1 filters once more, in 64-bit floats, from their definitions alone. */
import type { ReductionFilter } from '../../src/native/contract.js';

/** An image of samples in any type of number. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly data: ArrayLike<number>;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Lanczos' window of two lobes. */
function lanczos2(x: number): number {
  return Math.abs(x) < 2 ? sinc(x) * sinc(x / 2) : 0;
}

/** Keys' cubic convolution (1981), a = −1. */
function cubic(x: number): number {
  const a = -1;
  const d = Math.abs(x);
  if (d < 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  if (d < 2) return a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a;
  return 0;
}

/**
 * Weights of the source pixels that lie `offset` from source pixel 2i for output pixel i. The output pixel is centred
 * between source pixels 2i and 2i + 1; the kernels are stretched by 2.
 */
export function taps(filter: ReductionFilter): readonly { readonly offset: number; readonly weight: number }[] {
  if (filter === 'mean') return [0, 1].map((offset) => ({ offset, weight: 0.5 }));
  const kernel = filter === 'bicubic-sharp' ? cubic : lanczos2;
  const offsets = [-3, -2, -1, 0, 1, 2, 3, 4];
  const weights = offsets.map((offset) => kernel((offset - 0.5) / 2));
  const sum = weights.reduce((a, b) => a + b);
  return offsets.map((offset, i) => ({ offset, weight: (weights[i] ?? 0) / sum }));
}

/** The next level of an image: sides halved and rounded up, edges replicated. Not rounded, not clamped. */
export function reduce(image: Plane, filter: ReductionFilter): { width: number; height: number; data: Float64Array } {
  const kernel = taps(filter);
  const { samples } = image;
  const across = reduceAxis(image.data, image.width, image.height, samples, samples * image.width, samples, kernel);
  const width = Math.ceil(image.width / 2);
  const down = reduceAxis(across, image.height, width, samples * width, samples, samples, kernel);
  return { width, height: Math.ceil(image.height / 2), data: down };
}

/** Halves one axis of `length`, whose pixels are `step` apart, in each of `lines` that are `stride` apart. */
function reduceAxis(
  data: ArrayLike<number>,
  length: number,
  lines: number,
  step: number,
  stride: number,
  samples: number,
  kernel: ReturnType<typeof taps>,
): Float64Array {
  const half = Math.ceil(length / 2);
  const result = new Float64Array(half * lines * samples);
  // Rows stay as long as they are, or get half as long.
  const isDown = step > stride;
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < half; i++) {
      const to = isDown ? i * step + line * stride : (line * half + i) * samples;
      for (const { offset, weight } of kernel) {
        const from = Math.min(length - 1, Math.max(0, 2 * i + offset)) * step + line * stride;
        for (let s = 0; s < samples; s++) result[to + s] = (result[to + s] ?? 0) + weight * (data[from + s] ?? 0);
      }
    }
  }
  return result;
}

/**
 * Like {@link reduce}, with colours weighted by a straight alpha, the last sample. Where there is less than a millionth of
 * `opaque`, which no depth can store, there is no colour: 0.
 */
export function reduceStraight(image: Plane, filter: ReductionFilter, opaque: number): ReturnType<typeof reduce> {
  const { samples, data } = image;
  const last = samples - 1;
  const weighted = Float64Array.from(data, (value, i) =>
    i % samples === last ? value : value * (data[i - (i % samples) + last] ?? 0),
  );
  const reduced = reduce({ ...image, data: weighted }, filter);
  const unweighted = reduced.data.map((value, i) => {
    if (i % samples === last) return value;
    const alpha = reduced.data[i - (i % samples) + last] ?? 0;
    return alpha > opaque * 1e-6 ? value / alpha : 0;
  });
  return { ...reduced, data: unweighted };
}
