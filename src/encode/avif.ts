/** AVIF, by libvips (libheif and AOM). */
import type { Format } from './format.js';

/**
 * Efforts of 0…9. An 800 × 600 photograph at quality 60 on one core: 34 ms and 47 kB at 0, 94 ms and 44 kB (and 0.2 dB
 * more) at 1, 155 ms and 44 kB at 2, 1.8 s and 45 kB (0.9 dB more) at 4. Without loss: 100 ms and 786 kB at 0, 330 ms
 * and 743 kB at 2.
 *
 * The encoder takes a whole picture and cannot be interrupted: a view that is stopped holds its thread until it is done.
 * At effort 0 that is below 0.2 s up to a million pixels, and 0.7 s for 2000 × 2000 of noise; at 1, three times as long.
 */
const EFFORT = { lossy: 0, lossless: 0 } as const;

/** `avif`, `avif-alpha`: RGB, lossy with chroma 4:2:0 unless asked otherwise. */
export const avif: Format = {
  names: ['avif'],
  mediaType: 'image/avif',
  extension: 'avif',
  spaces: ['rgb'],
  alpha: true,
  bits: [8],
  compressions: ['none', 'lossy', 'lossless'],
  carries: { icc: false, xmp: false, dpi: false },
  maxSide: 16_384,
  coding: ({ compression, quality }) => ({
    saver: 'heifsave',
    options: {
      compression: 'av1',
      bitdepth: 8,
      ...(compression === 'lossless'
        ? { lossless: true, effort: EFFORT.lossless }
        : { Q: quality, 'subsample-mode': 'on', effort: EFFORT.lossy }),
    },
    maxBytes: 0,
    palette: null,
  }),
};
