/** The samples themselves, for callers of the library: no protocol has a name for it. */
import type { PixelType } from '../native/contract.js';
import type { Encoding } from './format.js';

/** An encoding that yields the packed samples of `output`; those of 16 bits in the machine's byte order. */
export function rawEncoding(output: PixelType): Encoding {
  return {
    mediaType: 'application/octet-stream',
    extension: 'raw',
    output,
    keepsAlpha: output.alpha !== 'none',
    maxSide: 1_000_000,
    encode: { saver: 'raw', options: {}, maxBytes: 0, palette: null, icc: null, xmp: null, dpi: 0 },
  };
}
