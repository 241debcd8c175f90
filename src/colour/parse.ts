/** Reads what is needed of an ICC profile (ICC.1:2001-04 and ICC.1:2022): what it describes, and the ways it converts. */
import { createHash } from 'node:crypto';
import { PyramidionError } from '../errors.js';
import type { ColourJob } from '../native/contract.js';
import type { PixelSpace } from './named.js';
import { withoutVariableFields, type Xyz } from './writer.js';

/** Largest profile that is taken, in bytes: presses' are some megabytes. */
export const MAX_PROFILE_BYTES = 32 << 20;
/** Most tags a profile may have; engines based on Little CMS take 100. */
const MAX_TAGS = 100;
const HEADER_BYTES = 128;
/** Little CMS takes no version after this. */
const LAST_VERSION = 0x05000000;
/** Most samples of a curve that Little CMS takes. */
const MAX_CURVE_SAMPLES = 0x7fff;

/** A rendering intent. */
export type Intent = ColourJob['intent'];

/** All intents, in the order of their numbers in ICC.1: 0…3. */
export const INTENTS: readonly Intent[] = ['perceptual', 'relative', 'saturation', 'absolute'];

/** How a profile converts in one direction. */
export interface Way {
  /** `curves`: a matrix and curves, or a gray curve, which know colorimetry only. `tables`: whatever was measured. */
  readonly kind: 'curves' | 'tables';
  /** Intents it has of its own, in the order of {@link INTENTS}. */
  readonly intents: readonly Intent[];
}

/** What a profile says of itself. */
export interface Profile {
  /** The whole profile, as it came: shared, do not change them. */
  readonly bytes: Uint8Array;
  /** SHA-256 of all bytes, lower-case hex. */
  readonly sha256: string;
  /** The same for profiles that mean the same: of all bytes but flags, intent and stored profile ID. Opaque. */
  readonly id: string;
  /** The 'desc' tag; '' when there is none that can be read. */
  readonly description: string;
  /** As in `4.2`. */
  readonly version: string;
  /** Signature of its class: `mntr`, `prtr`, `scnr`, `spac`; or one that describes no pixels: `link`, `abst`, `nmcl`. */
  readonly deviceClass: string;
  /** Colour space signature: `RGB `, `GRAY`, `CMYK`, `Lab ` … */
  readonly space: string;
  /** The pixel type it describes; null for one we do not have. */
  readonly pixelSpace: PixelSpace | null;
  /** Signature of the connection space: `XYZ ` or `Lab `; of a link, that of its output. */
  readonly connectionSpace: string;
  /** Its own intent, from the header. */
  readonly intent: Intent;
  /** The `wtpt` and `bkpt` tags, Y of white = 1; null when there is none that can be read. */
  readonly whitePoint: Xyz | null;
  readonly blackPoint: Xyz | null;
  /** From pixels to colours, and from colours to pixels; null when it cannot. */
  readonly read: Way | null;
  readonly write: Way | null;
  /** Whether it can turn pixels into colours, and colours into pixels. */
  readonly canRead: boolean;
  readonly canWrite: boolean;
}

interface Tag {
  readonly offset: number;
  readonly length: number;
}

const PIXEL_SPACES: Readonly<Record<string, PixelSpace>> = { 'RGB ': 'rgb', GRAY: 'gray', CMYK: 'cmyk' };
const CHANNELS: Readonly<Record<PixelSpace, number>> = { gray: 1, rgb: 3, cmyk: 4 };
const COLOUR_CHANNELS = 3;
/** Classes that describe the pixels of something. */
const DEVICE_CLASSES = ['scnr', 'mntr', 'prtr', 'spac'];

/**
 * Parses a profile, and checks all that a conversion would read of it. The result keeps `bytes`. Throws
 * `PROFILE_INVALID` saying what is wrong: with the profile as a whole, its tag table, or a curve or table in it.
 */
export function parseProfile(bytes: Uint8Array): Profile {
  if (bytes.length < HEADER_BYTES + 4) throw invalid(`it has ${bytes.length} bytes, less than a header`);
  if (bytes.length > MAX_PROFILE_BYTES) throw invalid(`it has ${bytes.length} bytes, more than ${MAX_PROFILE_BYTES}`);
  const data = new ProfileBytes(bytes);
  if (data.text(36, 4) !== 'acsp') throw invalid("the signature 'acsp' is missing");
  const version = data.uint32(8);
  if (version > LAST_VERSION) throw invalid(`it is of version ${versionText(version)}`);
  const tags = readTags(data);

  const space = data.text(16, 4);
  const deviceClass = data.text(12, 4);
  const pixelSpace = PIXEL_SPACES[space] ?? null;
  const connectionSpace = data.text(20, 4);
  const isDevice = DEVICE_CLASSES.includes(deviceClass) && ['XYZ ', 'Lab '].includes(connectionSpace);
  const read = isDevice ? readWay(data, tags, 'read', pixelSpace, true) : null;
  // An input profile says how a scanner or a camera saw: only tables of its own lead back.
  const write = isDevice ? readWay(data, tags, 'write', pixelSpace, deviceClass !== 'scnr') : null;
  const size = data.uint32(0);
  return {
    bytes,
    sha256: sha256(bytes),
    id: sha256(withoutVariableFields(bytes.subarray(0, size))),
    description: readDescription(data, tags.get('desc')),
    version: versionText(version),
    deviceClass,
    space,
    pixelSpace,
    connectionSpace,
    intent: INTENTS[data.uint32(64) & 0xffff] ?? 'perceptual',
    whitePoint: readXyz(data, tags.get('wtpt')),
    blackPoint: readXyz(data, tags.get('bkpt')),
    read,
    write,
    canRead: read !== null,
    canWrite: write !== null,
  };
}

/** Whether two profiles mean the same: then there is nothing to convert. */
export function isSameProfile(a: Pick<Profile, 'id'>, b: Pick<Profile, 'id'>): boolean {
  return a.id === b.id;
}

/** The bytes of a tag's element, shared with the profile's; null when it has no such tag. */
export function elementOf({ bytes }: Pick<Profile, 'bytes'>, name: string): Buffer | null {
  const tag = readTags(new ProfileBytes(bytes)).get(name);
  return tag === undefined ? null : Buffer.from(bytes.buffer, bytes.byteOffset + tag.offset, tag.length);
}

function readTags(data: ProfileBytes): Map<string, Tag> {
  const size = data.uint32(0);
  if (size > data.length) throw invalid(`it is cut short: ${data.length} of ${size} bytes`);
  const count = data.uint32(HEADER_BYTES);
  if (count === 0 || count > MAX_TAGS) throw invalid(`it has ${count} tags`);
  if (HEADER_BYTES + 4 + 12 * count > size) throw invalid('its tag table is cut short');
  const tags = new Map<string, Tag>();
  for (let index = 0; index < count; index++) {
    const at = HEADER_BYTES + 4 + 12 * index;
    const [name, offset, length] = [data.text(at, 4), data.uint32(at + 4), data.uint32(at + 8)];
    if (offset + length > size) throw invalid(`its tag '${printable(name)}' lies outside`);
    if (!tags.has(name)) tags.set(name, { offset, length });
  }
  return tags;
}

/** Whether there are a matrix and curves, or a gray curve, for these pixels. What is there has to be usable. */
function checkCurves(data: ProfileBytes, tags: ReadonlyMap<string, Tag>, space: PixelSpace | null): boolean {
  const curves = { gray: ['kTRC'], rgb: ['rTRC', 'gTRC', 'bTRC'], cmyk: [] }[space ?? 'cmyk'];
  const colorants = space === 'rgb' ? ['rXYZ', 'gXYZ', 'bXYZ'] : [];
  if (curves.length === 0 || ![...curves, ...colorants].every((name) => tags.has(name))) return false;
  for (const name of curves) checkCurve(data, name, tags.get(name));
  const matrix = colorants.map((name) => {
    const values = readXyz(data, tags.get(name));
    if (values === null) throw invalid(`its tag '${name}' holds no colour`);
    return values;
  });
  const [red, green, blue] = matrix;
  if (red && green && blue && Math.abs(determinant(red, green, blue)) < 1e-6) {
    throw invalid('its colorants lie on a line: they make no colour space');
  }
  return true;
}

function determinant(a: Xyz, b: Xyz, c: Xyz): number {
  return a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1]);
}

/** Parameters of a parametric curve, by its function. */
const PARAMETERS = [1, 3, 4, 5, 7];

function checkCurve(data: ProfileBytes, name: string, tag: Tag | undefined): void {
  const type = tag && tag.length >= 12 ? data.text(tag.offset, 4) : '';
  if (tag !== undefined && type === 'curv') {
    const count = data.uint32(tag.offset + 8);
    if (count <= MAX_CURVE_SAMPLES && tag.offset + 12 + 2 * count <= data.length) return;
  }
  if (tag !== undefined && type === 'para') {
    const parameters = PARAMETERS[data.uint16(tag.offset + 8)];
    if (parameters !== undefined && tag.offset + 12 + 4 * parameters <= data.length) return;
  }
  throw invalid(`its tag '${name}' is no curve`);
}

/** Tags of tables for the four intents, integer and floating-point ones. */
const TABLES = {
  read: { integer: ['A2B0', 'A2B1', 'A2B2'], float: ['D2B0', 'D2B1', 'D2B2', 'D2B3'] },
  write: { integer: ['B2A0', 'B2A1', 'B2A2'], float: ['B2D0', 'B2D1', 'B2D2', 'B2D3'] },
} as const;

function readWay(
  data: ProfileBytes,
  tags: ReadonlyMap<string, Tag>,
  direction: 'read' | 'write',
  space: PixelSpace | null,
  mayUseCurves: boolean,
): Way | null {
  const { integer, float } = TABLES[direction];
  const found = new Set<Intent>();
  for (const [names, check] of [
    [integer, checkTable],
    [float, checkElements],
  ] as const) {
    names.forEach((name, index) => {
      const tag = tags.get(name);
      const intent = INTENTS[index];
      if (tag === undefined || intent === undefined) return;
      if (space !== null) {
        const channels = [CHANNELS[space], COLOUR_CHANNELS];
        const [from = 0, to = 0] = direction === 'read' ? channels : channels.toReversed();
        if (!check(data, tag, from, to)) throw invalid(`its tag '${name}' is no table of ${from} to ${to} values`);
      }
      found.add(intent);
    });
  }
  // The absolute intent is the relative one with the white as it is.
  if (found.has('relative')) found.add('absolute');
  if (found.size > 0) return { kind: 'tables', intents: INTENTS.filter((intent) => found.has(intent)) };
  return mayUseCurves && checkCurves(data, tags, space) ? { kind: 'curves', intents: ['relative', 'absolute'] } : null;
}

/** A lut8Type, lut16Type, lutAToBType or lutBToAType of so many channels, with all its values inside the profile. */
function checkTable(data: ProfileBytes, { offset, length }: Tag, from: number, to: number): boolean {
  if (length < 32) return false;
  const type = data.text(offset, 4);
  if (data.uint8(offset + 8) !== from || data.uint8(offset + 9) !== to) return false;
  if (type === 'mft1' || type === 'mft2') {
    const grid = data.uint8(offset + 10);
    if (grid === 1 || (type === 'mft2' && length < 52)) return false;
    const [entriesIn, entriesOut] = type === 'mft1' ? [256, 256] : [data.uint16(offset + 48), data.uint16(offset + 50)];
    if (Math.max(entriesIn, entriesOut) > MAX_CURVE_SAMPLES || Math.min(entriesIn, entriesOut) < 2) return false;
    const values = from * entriesIn + grid ** from * to + to * entriesOut;
    return offset + (type === 'mft1' ? 48 + values : 52 + 2 * values) <= data.length;
  }
  if (type !== 'mAB ' && type !== 'mBA ') return false;
  const places = [12, 16, 20, 24, 28].map((at) => data.uint32(offset + at));
  if (places.some((place) => place !== 0 && (place < 32 || offset + place > data.length))) return false;
  const grid = places[3] ?? 0;
  if (grid === 0) return from === to;
  const at = offset + grid;
  if (at + 20 > data.length) return false;
  let values = to;
  for (let channel = 0; channel < from; channel++) values *= data.uint8(at + channel);
  const bytesEach = data.uint8(at + 16);
  return values > 0 && (bytesEach === 1 || bytesEach === 2) && at + 20 + values * bytesEach <= data.length;
}

/** A multiProcessElementsType of so many channels. */
function checkElements(data: ProfileBytes, { offset, length }: Tag, from: number, to: number): boolean {
  return (
    length >= 16 &&
    data.text(offset, 4) === 'mpet' &&
    data.uint16(offset + 8) === from &&
    data.uint16(offset + 10) === to
  );
}

function readXyz(data: ProfileBytes, tag: Tag | undefined): Xyz | null {
  if (tag === undefined || tag.length < 20 || data.text(tag.offset, 4) !== 'XYZ ') return null;
  const at = tag.offset + 8;
  return [data.fixed(at), data.fixed(at + 4), data.fixed(at + 8)];
}

/** 'desc' of version 2 (textDescriptionType) and of version 4 (multiLocalizedUnicodeType, English first). */
function readDescription(data: ProfileBytes, tag: Tag | undefined): string {
  if (tag === undefined) return '';
  const { offset, length } = tag;
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
  return printable(end < 0 ? text : text.slice(0, end)).trim();
}

function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

function versionText(version: number): string {
  return `${version >>> 24}.${(version >>> 20) & 15}`;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
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

  get length(): number {
    return this.#bytes.length;
  }

  uint8(at: number): number {
    return this.#bytes.readUInt8(at);
  }

  uint16(at: number): number {
    return this.#bytes.readUInt16BE(at);
  }

  uint32(at: number): number {
    return this.#bytes.readUInt32BE(at);
  }

  /** An s15Fixed16. */
  fixed(at: number): number {
    return this.#bytes.readInt32BE(at) / 65536;
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
