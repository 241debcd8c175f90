/** TIFF in strips, by libvips. */
import { PyramidionError } from '../errors.js';
import type { Format } from './format.js';

/** From this quality on libvips keeps chroma at full resolution. */
const FULL_CHROMA_QUALITY = 90;

/**
 * `tif`, `tif-alpha`, also `tiff`: gray, RGB, CMYK; alpha is not premultiplied. Uncompressed unless asked otherwise.
 * JPEG inside: full chroma below quality 90 is had by storing RGB as it is, not as YCbCr; from 90 on it is always full.
 */
export const tif: Format = {
  names: ['tif', 'tiff'],
  mediaType: 'image/tiff',
  extension: 'tif',
  spaces: ['gray', 'rgb', 'cmyk'],
  alpha: true,
  bits: [8, 16],
  compressions: ['none', 'lzw', 'zip', 'jpeg'],
  carries: { icc: true, xmp: true, dpi: true },
  maxSide: 1_000_000,
  coding({ compression, quality, fullChroma, output, keepsAlpha }) {
    const options = { resunit: 'inch' };
    const coding = { saver: 'tiffsave', maxBytes: 0, palette: null };
    switch (compression) {
      case 'jpeg': {
        if (keepsAlpha)
          throw new PyramidionError('FORMAT_UNSUPPORTED', "'tif-alpha' has no compression 'jpeg'", {
            option: 'fmt',
            value: compression,
          });
        if (output.bits === 16)
          throw new PyramidionError('FORMAT_UNSUPPORTED', "'tif' with compression 'jpeg' has 8 bits per sample", {
            option: 'fmt',
            value: output.bits,
            limit: 8,
          });
        const rgbjpeg = fullChroma && output.space === 'rgb' && quality < FULL_CHROMA_QUALITY;
        return { ...coding, options: { ...options, compression: 'jpeg', Q: quality, rgbjpeg } };
      }
      case 'lzw':
        return { ...coding, options: { ...options, compression: 'lzw', predictor: 'horizontal' } };
      case 'zip':
        return { ...coding, options: { ...options, compression: 'deflate', predictor: 'horizontal' } };
      default:
        return { ...coding, options: { ...options, compression: 'none' } };
    }
  },
};
