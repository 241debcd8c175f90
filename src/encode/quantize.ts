/** `quantize` to the palette of PNG8 and GIF. */
import { PyramidionError } from '../errors.js';
import type { PaletteStep } from '../native/contract.js';
import type { QuantizeRequest } from '../region/request.js';

/** Entries of a palette. */
const MOST_COLOURS = 256;

/**
 * The palette a request asks for. With alpha one entry is the transparent
 * one, so there are at most 255 others, and no room for the Macintosh's palette.
 *
 * Throws INVALID_REQUEST with option `quantize` for `mac` with alpha, a number of colours out of range, more forced
 * colours than there are to be, and forced colours that are no whole samples of 0…255.
 */
export function palette(request: QuantizeRequest, alpha: boolean): PaletteStep {
  const { kind, diffuse, colours, forced } = request;
  const most = alpha ? MOST_COLOURS - 1 : MOST_COLOURS;
  if (kind === 'mac' && alpha) throw refused("'mac' has no room for a transparent colour", kind);
  const count = colours ?? most;
  if (!Number.isInteger(count) || count < 2 || count > most)
    throw refused(`colours must be a whole number from 2 to ${most}, got ${count}`, count, most);
  const listed = forced.length / 3;
  if (listed > count) throw refused(`${listed} colours are listed, more than the ${count} asked for`, listed, count);
  if (!Number.isInteger(listed) || !forced.every(isSample))
    throw refused('colours are listed as red, green and blue, 0 to 255 each', forced);
  return { kind, diffuse, colours: count, forced: Uint8Array.from(forced) };
}

function isSample(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 255;
}

function refused(message: string, value: unknown, limit?: number): PyramidionError {
  return new PyramidionError('INVALID_REQUEST', `quantize: ${message}`, { option: 'quantize', value, limit });
}
