import type { PixelType } from '../native/contract.js';
import type { StoredPixels } from './structure.js';

/**
 * What native code brings stored pixels to as it decodes them, by the rules by which a TIFF is built from: fewer than
 * three samples are gray, CMYK is separated pixels of four samples, all else (palette, YCbCr, Lab, LogLuv, three samples
 * of black and white) is RGB; more than 8 bits a sample become 16. There is alpha when ExtraSamples says so of the first
 * sample after the colours; associated alpha is divided out. Pure.
 */
export function pixelTypeOf(stored: StoredPixels): PixelType {
  const { photometric, samplesPerPixel, bitsPerSample, extraSamples } = stored;
  const isPalette = photometric === PHOTOMETRIC.palette;
  const space = isPalette
    ? 'rgb'
    : photometric === PHOTOMETRIC.separated && samplesPerPixel >= 4
      ? 'cmyk'
      : samplesPerPixel < 3 && !THREE_FROM_ANY.has(photometric)
        ? 'gray'
        : 'rgb';
  const colours = isPalette ? 1 : { gray: 1, rgb: 3, cmyk: 4 }[space];
  // ExtraSamples tells of the last samples of a pixel.
  const extra = samplesPerPixel > colours ? extraSamples[extraSamples.length - (samplesPerPixel - colours)] : undefined;
  return { space, bits: bitsPerSample > 8 ? 16 : 8, alpha: extra === 1 || extra === 2 ? 'straight' : 'none' };
}

/** Photometric interpretations (TIFF 6.0 and its supplements). */
export const PHOTOMETRIC = {
  whiteIsZero: 0,
  blackIsZero: 1,
  rgb: 2,
  palette: 3,
  separated: 5,
  ycbcr: 6,
  logLuv: 32845,
} as const;

/** LogLuv decodes into three samples whatever the directory says of their number. */
const THREE_FROM_ANY: ReadonlySet<number> = new Set([PHOTOMETRIC.logLuv]);
