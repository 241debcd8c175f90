/** Baseline JPEG, by our own encoder. */
import type { Format } from './format.js';

/** `jpeg`, `jpg`: gray, RGB, CMYK (Adobe's, inverted). Chroma is 4:2:0 unless asked otherwise. */
export const jpeg: Format = {
  names: ['jpeg', 'jpg'],
  mediaType: 'image/jpeg',
  extension: 'jpg',
  spaces: ['gray', 'rgb', 'cmyk'],
  alpha: false,
  bits: [8],
  compressions: ['none', 'jpeg', 'lossy'],
  carries: { icc: true, xmp: true, dpi: true },
  maxSide: 65_500,
  coding: ({ quality, fullChroma, maxBytes }) => ({
    saver: 'jpeg',
    // Huffman codes of its own take a second pass: spent only where every byte counts.
    options: { quality, subsample: !fullChroma, optimise: maxBytes > 0 },
    maxBytes,
    palette: null,
  }),
};
