/** Formats of replies: from what a request says to the encode step of a render job. Pure. */
import { PyramidionError } from '../errors.js';
import type { Size } from '../geometry.js';
import type { PixelType } from '../native/contract.js';
import type { OutputRequest } from '../region/request.js';
import { avif } from './avif.js';
import type { Compression, EncodeDefaults, Encoding, Format, PictureFacts, Settings, Space } from './format.js';
import { gif } from './gif.js';
import { jpeg } from './jpeg.js';
import { pjpeg } from './pjpeg.js';
import { png } from './png.js';
import { png8 } from './png8.js';
import { tif } from './tif.js';
import { UNAVAILABLE } from './unavailable.js';
import { webp } from './webp.js';

export { resolveFill } from './colour.js';
export * from './format.js';
export { rawEncoding } from './raw.js';

/** Every format there is. A new one is a file beside this one and a place in this list. */
export const FORMATS: readonly Format[] = [jpeg, pjpeg, png, png8, gif, tif, webp, avif];

const ALPHA_SUFFIX = '-alpha';
const COMPRESSIONS = ['none', 'jpeg', 'lossy', 'lossless', 'lzw', 'zip'] as const satisfies readonly Compression[];
const SPACES = ['gray', 'rgb', 'cmyk'] as const satisfies readonly Space[];

/** The largest density JFIF can state, in pixels per inch. */
const MAX_DPI = 65_535;

/** The largest XMP packet a JPEG can hold in one segment, in bytes. */
const MAX_JPEG_XMP = 65_502;

/** A format by a name of the protocol, and whether the name asks for alpha. */
export interface NamedFormat {
  readonly format: Format;
  readonly keepsAlpha: boolean;
}

/**
 * Finds a format by its name, in any case; published misprints (`web-alpha`, `swf-alpha3`) and common spellings (`jpg`,
 * `tiff`) are names too. Throws FORMAT_UNSUPPORTED with option `fmt`.
 */
export function findFormat(name: string): NamedFormat {
  const written = name.toLowerCase();
  const keepsAlpha = written.endsWith(ALPHA_SUFFIX);
  const base = keepsAlpha ? written.slice(0, -ALPHA_SUFFIX.length) : written;
  const format = FORMATS.find(({ names }) => names.includes(base));
  if (format !== undefined && base !== 'web' && (!keepsAlpha || format.alpha)) return { format, keepsAlpha };
  if (written === 'web-alpha') return { format: webp, keepsAlpha };
  if (UNAVAILABLE.includes(base) || written === 'swf-alpha3')
    throw unsupported(`format '${name}' is not available`, name);
  if (format !== undefined && base !== 'web') throw unsupported(`format '${base}' has no variant with alpha`, name);
  throw unsupported(`'${name}' is not a format; there are ${formatNames().join(', ')}`, name);
}

/** Names of all formats there are, the variants with alpha among them. */
export function formatNames(): readonly string[] {
  return FORMATS.flatMap(({ names: [name], alpha }) => (alpha ? [name, `${name}${ALPHA_SUFFIX}`] : [name]));
}

/**
 * Plans how a view becomes a reply.
 *
 * What the format cannot hold is FORMAT_UNSUPPORTED with option `fmt`: an unknown or absent format, a pixel type,
 * compression or number of bits that it has not. Values out of range are INVALID_REQUEST with the command as option
 * (`fmt`, `qlt`, `jpegSize`, `pscan`, `quantize`, `printRes`). What a format has no use for is checked and ignored.
 * The arrays of the answer are the caller's own.
 */
export function planEncoding(request: OutputRequest, facts: PictureFacts, defaults: EncodeDefaults): Encoding {
  const { format, keepsAlpha } = findFormat(request.format);
  checkScans(request.pscan);
  const space = spaceOf(format, request, facts);
  if (!format.bits.includes(request.bits))
    throw unsupported(`format '${format.names[0]}' has no ${request.bits} bits per sample`, request.bits);
  const output: PixelType = {
    space,
    bits: request.bits,
    alpha: keepsAlpha && facts.hasAlpha ? 'straight' : 'none',
  };
  const settings: Settings = {
    quality: wholeNumber('qlt', request.quality ?? defaults.jpegQuality, 1, 100),
    fullChroma: request.fullChroma || (request.quality === null && defaults.fullChroma),
    maxBytes: maxBytesOf(request.jpegSize),
    compression: compressionOf(format, request.compression),
    quantize: request.quantize,
    output,
    keepsAlpha,
  };
  const { carries } = format;
  return {
    mediaType: format.mediaType,
    extension: format.extension,
    output,
    keepsAlpha,
    maxSide: format.maxSide,
    encode: {
      ...format.coding(settings),
      icc: request.iccEmbed && carries.icc && space === facts.iccSpace ? facts.icc : null,
      xmp: request.xmpEmbed && carries.xmp ? xmpOf(format, facts.xmp) : null,
      dpi: dpiOf(request.printRes, facts.dpi, defaults.printResolution, carries.dpi),
    },
  };
}

/** Refuses a reply with a side longer than its format can hold: FORMAT_UNSUPPORTED with option `fmt`. */
export function checkSides({ mediaType, maxSide }: Encoding, { width, height }: Size): void {
  const longest = Math.max(width, height);
  if (longest <= maxSide) return;
  throw new PyramidionError(
    'FORMAT_UNSUPPORTED',
    `fmt: the reply would have ${width} × ${height} pixels; ${mediaType} holds ${maxSide} a side`,
    { option: 'fmt', value: longest, limit: maxSide },
  );
}

/**
 * The pixel type asked for. Where none is, that of the facts; gray is spread to RGB for a format without gray, which
 * loses nothing.
 */
function spaceOf(format: Format, request: OutputRequest, facts: PictureFacts): Space {
  const [name] = format.names;
  if (request.pixelType !== null) {
    const asked = SPACES.find((space) => space === request.pixelType);
    if (asked === undefined)
      throw invalid(
        'fmt',
        `pixel type must be one of ${SPACES.join(', ')}, got '${request.pixelType}'`,
        request.pixelType,
      );
    if (!format.spaces.includes(asked)) throw unsupported(`format '${name}' has no pixel type '${asked}'`, asked);
    return asked;
  }
  if (format.spaces.includes(facts.space)) return facts.space;
  if (facts.space === 'gray') return 'rgb';
  throw unsupported(
    `format '${name}' has no pixel type '${facts.space}', which is that of the output profile`,
    facts.space,
  );
}

function compressionOf(format: Format, word: string | null): Compression | null {
  if (word === null) return null;
  const known = COMPRESSIONS.find((compression) => compression === word.toLowerCase());
  if (known === undefined)
    throw invalid('fmt', `compression must be one of ${COMPRESSIONS.join(', ')}, got '${word}'`, word);
  if (!format.compressions.includes(known))
    throw unsupported(`format '${format.names[0]}' has no compression '${known}'`, word);
  return known;
}

function checkScans(scans: OutputRequest['pscan']): void {
  if (scans !== 'auto' && scans !== 3 && scans !== 4 && scans !== 5)
    throw invalid('pscan', `must be one of auto, 3, 4, 5, got '${scans}'`, scans);
}

function maxBytesOf(kilobytes: number): number {
  if (!(kilobytes >= 0 && kilobytes <= Number.MAX_SAFE_INTEGER / 1024))
    throw invalid('jpegSize', `must be a number of kilobytes not below 0, got ${kilobytes}`, kilobytes, 0);
  // A limit below one byte is a limit all the same.
  return kilobytes === 0 ? 0 : Math.max(1, Math.floor(kilobytes * 1024));
}

/** A packet with no room in its segment is left out: a reply without it is worth more than none. */
function xmpOf(format: Format, xmp: Uint8Array | null): Uint8Array | null {
  return xmp !== null && format.mediaType === 'image/jpeg' && xmp.byteLength > MAX_JPEG_XMP ? null : xmp;
}

/** What the request says, else the source, else the setting; 0 where the format states none. */
function dpiOf(asked: number | null, stored: number | null, fallback: number, carried: boolean): number {
  if (asked !== null && !(asked > 0 && asked <= MAX_DPI))
    throw invalid('printRes', `must be above 0 and at most ${MAX_DPI}, got ${asked}`, asked, MAX_DPI);
  if (!carried) return 0;
  return asked ?? (stored !== null && stored > 0 && stored <= MAX_DPI ? stored : fallback);
}

function wholeNumber(option: string, value: number, lowest: number, highest: number): number {
  if (!Number.isInteger(value) || value < lowest || value > highest)
    throw invalid(option, `must be a whole number from ${lowest} to ${highest}, got ${value}`, value, highest);
  return value;
}

function unsupported(message: string, value: unknown): PyramidionError {
  return new PyramidionError('FORMAT_UNSUPPORTED', message, { option: 'fmt', value });
}

function invalid(option: string, message: string, value: unknown, limit?: number): PyramidionError {
  return new PyramidionError('INVALID_REQUEST', `${option}: ${message}`, { option, value, limit });
}
