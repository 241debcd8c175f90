/** WebP, by libvips. */
import type { Format } from './format.js';

/**
 * Efforts of 0…6. An 800 × 600 photograph at quality 80: 11 ms and 57 kB at 0, 20 ms and 48 kB at 2, 44 ms and 46 kB at
 * 4. Without loss: 59 ms and 606 kB at 0, 206 ms and 589 kB at 2.
 */
const EFFORT = { lossy: 2, lossless: 0 } as const;

/** `webp`, `webp-alpha`, also `web-alpha`: RGB, lossy unless asked otherwise. Alpha loses nothing. */
export const webp: Format = {
  names: ['webp', 'web'],
  mediaType: 'image/webp',
  extension: 'webp',
  spaces: ['rgb'],
  alpha: true,
  bits: [8],
  compressions: ['none', 'lossy', 'lossless'],
  carries: { icc: false, xmp: false, dpi: false },
  maxSide: 16_383,
  coding: ({ compression, quality }) => ({
    saver: 'webpsave',
    options:
      compression === 'lossless'
        ? { lossless: true, exact: true, effort: EFFORT.lossless }
        : { Q: quality, effort: EFFORT.lossy },
    maxBytes: 0,
    palette: null,
  }),
};
