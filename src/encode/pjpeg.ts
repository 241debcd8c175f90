/** Progressive JPEG, by libvips. */
import type { Format } from './format.js';
import { jpeg } from './jpeg.js';

/** `pjpeg`: as {@link jpeg}, in several scans by the script of the base's encoder. */
export const pjpeg: Format = {
  ...jpeg,
  names: ['pjpeg'],
  coding: ({ quality, fullChroma, maxBytes }) => ({
    saver: 'jpegsave',
    options: { Q: quality, interlace: true, 'subsample-mode': fullChroma ? 'off' : 'on' },
    maxBytes,
    palette: null,
  }),
};
