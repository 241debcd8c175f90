/** `quantize` to the palette of PNG8 and GIF. */
import { PyramidionError } from '../errors.js';
import type { PaletteStep } from '../native/contract.js';
import type { QuantizeRequest } from './format.js';

/** Entries of a palette. */
const MOST_COLOURS = 256;

const ADAPTIVE: QuantizeRequest = { kind: 'adaptive', diffuse: true, colours: null, forced: [] };

/**
 * The palette a request asks for, `adaptive,diffuse,256` when it does not say. With alpha one entry is the transparent
 * one, so there are at most 255 others, and no room for the Macintosh's palette.
 *
 * Throws INVALID_REQUEST with option `quantize` for `mac` with alpha, a number of colours out of range, more forced
 * colours than there are to be, and forced colours that are not six hexadecimal digits.
 */
export function palette(request: QuantizeRequest | null, alpha: boolean): PaletteStep {
  const { kind, diffuse, colours, forced } = request ?? ADAPTIVE;
  const most = alpha ? MOST_COLOURS - 1 : MOST_COLOURS;
  if (kind === 'mac' && alpha) throw refused("'mac' has no room for a transparent colour", kind);
  const count = colours ?? most;
  if (!Number.isInteger(count) || count < 2 || count > most)
    throw refused(`colours must be a whole number from 2 to ${most}, got ${count}`, count, most);
  if (forced.length > count)
    throw refused(`${forced.length} colours are listed, more than the ${count} asked for`, forced.length, count);
  return { kind, diffuse, colours: count, forced: Uint8Array.from(forced.flatMap(components)) };
}

function components(colour: string): number[] {
  if (!/^[0-9a-f]{6}$/i.test(colour)) throw refused(`'${colour}' is not a colour of six hexadecimal digits`, colour);
  const number = Number.parseInt(colour, 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

function refused(message: string, value: unknown, limit?: number): PyramidionError {
  return new PyramidionError('INVALID_REQUEST', `quantize: ${message}`, { option: 'quantize', value, limit });
}
