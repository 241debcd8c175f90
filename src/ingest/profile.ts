/** Reads what is needed of an ICC profile (ICC.1:2001-04 and ICC.1:2022): its space, description and ways to convert. */
import { PyramidionError } from '../errors.js';
import type { PixelType } from '../native/contract.js';

/** Largest profile that is taken: presses' are some megabytes. */
const MAX_PROFILE_BYTES = 32 << 20;
/** Most tags a profile may have; engines based on Little CMS take 100. */
const MAX_TAGS = 100;
const HEADER_BYTES = 128;

/** What a profile says of itself. */
export interface Profile {
  readonly bytes: Uint8Array;
  /** The 'desc' tag; '' when there is none that can be read. */
  readonly description: string;
  /** Colour space signature: `RGB `, `GRAY`, `CMYK`, `Lab ` … */
  readonly space: string;
  /** The pixel type it describes; null for one we do not have. */
  readonly pixelSpace: PixelType['space'] | null;
  /** Whether it can turn pixels into colours, and colours into pixels. */
  readonly canRead: boolean;
  readonly canWrite: boolean;
}

const PIXEL_SPACES: Readonly<Record<string, PixelType['space']>> = { 'RGB ': 'rgb', GRAY: 'gray', CMYK: 'cmyk' };

/** Parses a profile; throws `PROFILE_INVALID` saying what is wrong with it. */
export function parseProfile(bytes: Uint8Array): Profile {
  const data = new ProfileBytes(bytes);
  if (bytes.length < HEADER_BYTES + 4) throw invalid(`it has ${bytes.length} bytes, less than a header`);
  if (bytes.length > MAX_PROFILE_BYTES) throw invalid(`it has ${bytes.length} bytes, more than ${MAX_PROFILE_BYTES}`);
  if (data.text(36, 4) !== 'acsp') throw invalid("the signature 'acsp' is missing");
  const size = data.uint32(0);
  if (size > bytes.length) throw invalid(`it is cut short: ${bytes.length} of ${size} bytes`);
  const count = data.uint32(HEADER_BYTES);
  if (count === 0 || count > MAX_TAGS) throw invalid(`it has ${count} tags`);
  if (HEADER_BYTES + 4 + 12 * count > size) throw invalid('its tag table is cut short');

  const tags = new Map<string, { offset: number; length: number }>();
  for (let index = 0; index < count; index++) {
    const at = HEADER_BYTES + 4 + 12 * index;
    const [name, offset, length] = [data.text(at, 4), data.uint32(at + 4), data.uint32(at + 8)];
    if (offset + length > size) throw invalid(`its tag '${name}' lies outside`);
    if (!tags.has(name)) tags.set(name, { offset, length });
  }

  const space = data.text(16, 4);
  const deviceClass = data.text(12, 4);
  const hasCurves =
    space === 'GRAY'
      ? tags.has('kTRC')
      : ['rXYZ', 'gXYZ', 'bXYZ', 'rTRC', 'gTRC', 'bTRC'].every((name) => tags.has(name));
  const has = (...names: string[]): boolean => names.some((name) => tags.has(name));
  const isDevice = ['scnr', 'mntr', 'prtr', 'spac'].includes(deviceClass);
  const description = tags.get('desc');
  return {
    bytes,
    description: description === undefined ? '' : readDescription(data, description.offset, description.length),
    space,
    pixelSpace: PIXEL_SPACES[space] ?? null,
    canRead: isDevice && (hasCurves || has('A2B0', 'A2B1', 'A2B2', 'D2B0', 'D2B1', 'D2B2', 'D2B3')),
    canWrite: isDevice && (hasCurves || has('B2A0', 'B2A1', 'B2A2', 'B2D0', 'B2D1', 'B2D2', 'B2D3')),
  };
}

/** Whether two profiles are the same bytes: then there is nothing to convert. */
export function isSameProfile(a: Profile, b: Profile): boolean {
  return Buffer.compare(a.bytes, b.bytes) === 0;
}

/** 'desc' of version 2 (textDescriptionType) and of version 4 (multiLocalizedUnicodeType, English first). */
function readDescription(data: ProfileBytes, offset: number, length: number): string {
  const type = length >= 12 ? data.text(offset, 4) : '';
  if (type === 'desc') {
    return clean(data.text(offset + 12, Math.max(0, Math.min(data.uint32(offset + 8), length - 12))));
  }
  if (type !== 'mluc' || length < 28) return type === 'text' ? clean(data.text(offset + 8, length - 8)) : '';
  const records = Math.min(data.uint32(offset + 8), Math.floor((length - 16) / 12));
  const step = data.uint32(offset + 12);
  if (step < 12) return '';
  let found = '';
  for (let index = 0; index < records && 16 + (index + 1) * step <= length; index++) {
    const at = offset + 16 + index * step;
    const [bytes, start] = [data.uint32(at + 4), data.uint32(at + 8)];
    if (start + bytes > length) continue;
    const text = clean(data.utf16(offset + start, bytes));
    if (data.text(at, 2) === 'en') return text;
    if (found === '') found = text;
  }
  return found;
}

/** Up to the first NUL, without control characters and blanks around it. */
function clean(text: string): string {
  const end = text.indexOf('\0');
  return (end < 0 ? text : text.slice(0, end)).replace(/\p{Cc}+/gu, ' ').trim();
}

function invalid(what: string): PyramidionError {
  return new PyramidionError('PROFILE_INVALID', `the ICC profile cannot be used: ${what}`);
}

/** Big-endian values of a profile; callers stay inside. */
class ProfileBytes {
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint32(at: number): number {
    return this.#bytes.readUInt32BE(at);
  }

  text(at: number, length: number): string {
    return this.#bytes.toString('latin1', at, at + length);
  }

  utf16(at: number, length: number): string {
    return Buffer.from(this.#bytes.subarray(at, at + (length & ~1)))
      .swap16()
      .toString('utf16le');
  }
}
