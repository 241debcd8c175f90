/** PNG with a palette, by our own quantiser and writer. */
import type { Format } from './format.js';
import { palette } from './quantize.js';

/** `png8`, `png8-alpha`: RGB in at most 256 colours; alpha is all or nothing. */
export const png8: Format = {
  names: ['png8'],
  mediaType: 'image/png',
  extension: 'png',
  spaces: ['rgb'],
  alpha: true,
  bits: [8],
  compressions: ['none', 'zip', 'lossless'],
  carries: { icc: true, xmp: false, dpi: true },
  maxSide: 1_000_000,
  coding: ({ quantize, keepsAlpha }) => ({
    saver: 'png8',
    options: { compression: 3 },
    maxBytes: 0,
    palette: palette(quantize, keepsAlpha),
  }),
};
