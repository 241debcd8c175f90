/**
 * Writes ICC profiles of version 2.1 (ICC.1:1998-09): RGB by matrix and curve, gray by curve. The same arguments are the
 * same bytes each time and on each machine: the date is fixed, and the profile ID follows from the bytes.
 */
import { PyramidionError } from '../errors.js';
import { md5 } from './md5.js';

/** A colour as CIE XYZ, Y of white = 1. */
export type Xyz = readonly [x: number, y: number, z: number];

/** A tone curve: an exponent, stored as u8Fixed8 (the nearest 1/256), or samples of 0…65535 at equal steps. */
export type ToneCurve = { readonly gamma: number } | { readonly samples: Uint16Array };

/** What a profile says apart from its colours. */
export interface ProfileText {
  /** Shown by editors, and as an image's profile name; ASCII. */
  readonly description: string;
  /** ASCII. */
  readonly copyright: string;
}

/** An RGB profile of three colorants and one curve. */
export interface RgbProfile extends ProfileText {
  /** Adapted to the PCS white (D50); stored as s15Fixed16. */
  readonly colorants: { readonly red: Xyz; readonly green: Xyz; readonly blue: Xyz };
  /** The white as it is, not adapted: what version 2 asks for in `wtpt`. */
  readonly white: Xyz;
  readonly curve: ToneCurve;
}

/** A gray profile. */
export interface GrayProfile extends ProfileText {
  readonly white: Xyz;
  readonly curve: ToneCurve;
}

/** The white of the profile connection space, D50 as ICC.1 stores it, in 1/65536: F6D6 10000 D32D. */
export const PCS_WHITE_FIXED: Xyz = [0xf6d6, 0x10000, 0xd32d];

const HEADER_BYTES = 128;
const VERSION = 0x02100000;
/** Year, month, day, hours, minutes, seconds. */
const CREATED = [2025, 1, 1, 0, 0, 0] as const;
const ID_OFFSET = 84;
/** Header fields that the profile ID leaves out: flags, rendering intent, and the ID (ICC.1:2022, 7.2.18). */
const NOT_IN_ID = [
  [44, 48],
  [64, 68],
  [ID_OFFSET, ID_OFFSET + 16],
] as const;

type Element = readonly [tags: readonly string[], data: Buffer];

/** An RGB display profile. The caller owns the bytes. Throws `PROFILE_INVALID` for a value that no profile can store. */
export function writeRgbProfile(profile: RgbProfile): Uint8Array {
  const { red, green, blue } = profile.colorants;
  return assemble('RGB ', [
    ...textElements(profile),
    [['wtpt'], xyzElement(profile.white)],
    [['rXYZ'], xyzElement(red)],
    [['gXYZ'], xyzElement(green)],
    [['bXYZ'], xyzElement(blue)],
    [['rTRC', 'gTRC', 'bTRC'], curveElement(profile.curve)],
  ]);
}

/** A gray display profile. The caller owns the bytes. Throws `PROFILE_INVALID` for a value that no profile can store. */
export function writeGrayProfile(profile: GrayProfile): Uint8Array {
  return assemble('GRAY', [
    ...textElements(profile),
    [['wtpt'], xyzElement(profile.white)],
    [['kTRC'], curveElement(profile.curve)],
  ]);
}

/** The nearest s15Fixed16, as an integer in 1/65536. Throws `PROFILE_INVALID` outside of −32768…32768. */
export function toFixed(value: number): number {
  const fixed = Math.round(value * 65536);
  if (fixed >= -(2 ** 31) && fixed < 2 ** 31) return fixed;
  throw new PyramidionError('PROFILE_INVALID', `${value} cannot be stored in an ICC profile`, { value });
}

/** The profile's bytes as its ID sees them: a copy, with flags, intent and ID itself zero. */
export function withoutVariableFields(profile: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(profile);
  for (const [start, end] of NOT_IN_ID) copy.fill(0, start, end);
  return copy;
}

function assemble(space: 'RGB ' | 'GRAY', elements: readonly Element[]): Uint8Array {
  const count = elements.reduce((sum, [tags]) => sum + tags.length, 0);
  const table: Buffer[] = [uint32(count)];
  const data: Buffer[] = [];
  let at = HEADER_BYTES + 4 + 12 * count;
  for (const [tags, element] of elements) {
    for (const tag of tags) table.push(Buffer.from(tag, 'latin1'), uint32(at), uint32(element.length));
    const padding = Buffer.alloc(-element.length & 3);
    data.push(element, padding);
    at += element.length + padding.length;
  }
  const bytes = Uint8Array.from(Buffer.concat([header(at, space), ...table, ...data]));
  // Version 2 reserves these bytes and readers of it skip them; the ICC's own version 2 profiles hold an ID there too.
  bytes.set(md5(withoutVariableFields(bytes)), ID_OFFSET);
  return bytes;
}

function header(size: number, space: string): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(VERSION, 8);
  head.write(`mntr${space}XYZ `, 12, 'latin1');
  CREATED.forEach((value, index) => {
    head.writeUInt16BE(value, 24 + 2 * index);
  });
  head.write('acsp', 36, 'latin1');
  PCS_WHITE_FIXED.forEach((value, index) => {
    head.writeUInt32BE(value, 68 + 4 * index);
  });
  return head;
}

function textElements({ description, copyright }: ProfileText): Element[] {
  const text = ascii(description);
  return [
    // textDescriptionType: ASCII, then empty Unicode and ScriptCode parts.
    [['desc'], Buffer.concat([typed('desc'), uint32(text.length), text, Buffer.alloc(8 + 3 + 67)])],
    [['cprt'], Buffer.concat([typed('text'), ascii(copyright)])],
  ];
}

function ascii(text: string): Buffer {
  if (!/^[\x20-\x7e]*$/.test(text)) {
    throw new PyramidionError('PROFILE_INVALID', `a profile's text must be ASCII; got '${text}'`, { value: text });
  }
  return Buffer.from(`${text}\0`, 'latin1');
}

function xyzElement(values: Xyz): Buffer {
  return Buffer.concat([
    typed('XYZ '),
    ...values.map((value) => {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(toFixed(value));
      return bytes;
    }),
  ]);
}

function curveElement(curve: ToneCurve): Buffer {
  const values = 'samples' in curve ? curve.samples : Uint16Array.of(toU8Fixed8(curve.gamma));
  if (values.length === 0) throw new PyramidionError('PROFILE_INVALID', 'a tone curve needs samples');
  const data = Buffer.alloc(2 * values.length);
  values.forEach((value, index) => {
    data.writeUInt16BE(value, 2 * index);
  });
  return Buffer.concat([typed('curv'), uint32(values.length), data]);
}

function toU8Fixed8(gamma: number): number {
  const fixed = Math.round(gamma * 256);
  if (fixed > 0 && fixed <= 0xffff) return fixed;
  throw new PyramidionError('PROFILE_INVALID', `${gamma} cannot be stored as an exponent in an ICC profile`, {
    value: gamma,
  });
}

/** A type signature and its four reserved bytes. */
function typed(name: string): Buffer {
  return Buffer.concat([Buffer.from(name, 'latin1'), Buffer.alloc(4)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
