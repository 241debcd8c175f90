/** How far two images are apart. */
import type { Samples } from './picture.js';

/** In steps of a sample. */
export interface Difference {
  readonly largest: number;
  readonly mean: number;
  readonly meanSquare: number;
}

/** Compares sample by sample; throws when there are not as many. */
export function compare(a: Samples, b: Samples): Difference {
  if (a.length !== b.length) throw new Error(`${a.length} samples against ${b.length}`);
  if (a.BYTES_PER_ELEMENT === b.BYTES_PER_ELEMENT && bytesOf(a).equals(bytesOf(b))) {
    return { largest: 0, mean: 0, meanSquare: 0 };
  }
  let largest = 0;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] ?? 0) - (b[i] ?? 0));
    if (difference > largest) largest = difference;
    sum += difference;
    squares += difference * difference;
  }
  return { largest, mean: sum / a.length, meanSquare: squares / a.length };
}

/** Peak signal-to-noise ratio of 8-bit samples, dB; Infinity when they are the same. */
export function psnr(a: Samples, b: Samples): number {
  return 10 * Math.log10(255 ** 2 / compare(a, b).meanSquare);
}

function bytesOf({ buffer, byteOffset, byteLength }: Samples): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
