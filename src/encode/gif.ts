/** GIF, by our own quantiser and writer: libvips' would choose the colours itself. */
import type { Format } from './format.js';
import { palette } from './quantize.js';

/** `gif`, `gif-alpha`: gray and RGB in at most 256 colours; alpha is a key colour. */
export const gif: Format = {
  names: ['gif'],
  mediaType: 'image/gif',
  extension: 'gif',
  spaces: ['rgb', 'gray'],
  alpha: true,
  bits: [8],
  compressions: ['none', 'lzw', 'lossless'],
  carries: { icc: false, xmp: false, dpi: false },
  maxSide: 65_535,
  coding: ({ quantize, keepsAlpha }) => ({
    saver: 'gif',
    options: {},
    maxBytes: 0,
    palette: palette(quantize, keepsAlpha),
  }),
};
