/** Tells the format of a source by its first bytes, and by nothing else. */
import { PyramidionError } from '../errors.js';
import type { SourceFormat } from '../native/contract.js';

/** Bytes {@link detectFormat} wants to see: a longest look at an `ftyp` box or an XML prologue. */
export const MAGIC_BYTES = 512;

/** What is read, for messages. */
const ALLOWED = 'JPEG, PNG, TIFF, BigTIFF, WebP, GIF, HEIF and AVIF';

/** Brands (ISO/IEC 23008-12, AVIF 1.1) under which an ISO media file holds still images. */
const HEIF_BRANDS = new Set([
  'heic',
  'heix',
  'heim',
  'heis',
  'hevc',
  'hevx',
  'hevm',
  'hevs',
  'mif1',
  'mif2',
  'msf1',
  'miaf',
  'avif',
  'avis',
  'avio',
]);

/** Major brands of image sequences (the same standards). */
const SEQUENCE_BRANDS = new Set(['avis', 'msf1', 'hevc', 'hevx', 'hevm', 'hevs']);

type Test = (head: Uint8Array) => boolean;

const FORMATS: readonly (readonly [SourceFormat, Test])[] = [
  ['jpeg', starts(0xff, 0xd8, 0xff)],
  ['png', starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)],
  [
    'tiff',
    any(starts(0x49, 0x49, 42, 0), starts(0x4d, 0x4d, 0, 42), starts(0x49, 0x49, 43, 0), starts(0x4d, 0x4d, 0, 43)),
  ],
  ['webp', all(text('RIFF'), text('WEBP', 8))],
  ['gif', any(text('GIF87a'), text('GIF89a'))],
  ['heif', (head) => !isSequence(head) && brands(head).some((brand) => HEIF_BRANDS.has(brand))],
];

/** Formats we know by sight and do not open, so that the message can name them. */
const REFUSED: readonly (readonly [string, Test])[] = [
  ['JPEG XL', any(starts(0xff, 0x0a), starts(0, 0, 0, 12, 0x4a, 0x58, 0x4c, 0x20))],
  ['JPEG 2000', any(starts(0, 0, 0, 12, 0x6a, 0x50, 0x20, 0x20), starts(0xff, 0x4f, 0xff, 0x51))],
  ['JPEG XR', starts(0x49, 0x49, 0xbc)],
  ['Photoshop PSD', text('8BPS')],
  ['PDF', text('%PDF')],
  ['PostScript or EPS', any(text('%!PS'), starts(0xc5, 0xd0, 0xd3, 0xc6))],
  ['SVG', isSvg],
  [
    'PPM, PGM, PBM or PAM',
    (head) => byte(head, 0) === 0x50 && isBetween(byte(head, 1), 0x31, 0x37) && isSpace(byte(head, 2)),
  ],
  ['PFM', (head) => byte(head, 0) === 0x50 && (byte(head, 1) | 0x20) === 0x66 && isSpace(byte(head, 2))],
  ['Radiance HDR', text('#?RAD')],
  ['OpenEXR', starts(0x76, 0x2f, 0x31, 0x01)],
  ['FITS', text('SIMPLE  =')],
  ['DICOM', text('DICM', 128)],
  ['Windows icon', starts(0, 0, 1, 0)],
  ['libvips image', any(starts(0x08, 0xf2, 0xa6, 0xb6), starts(0xb6, 0xa6, 0xf2, 0x08))],
  ['Panasonic RW2 raw', starts(0x49, 0x49, 0x55, 0)],
  ['Olympus ORF raw', any(text('IIRO'), text('IIRS'), text('MMOR'))],
  ['Fujifilm RAF raw', text('FUJIFILM')],
  ['a HEIF or AVIF image sequence', isSequence],
  ['ISO media (MP4, QuickTime, CR3 …)', (head) => brands(head).length > 0],
  ['RIFF (AVI, WAV …)', text('RIFF')],
  ['HDF5', starts(0x89, 0x48, 0x44, 0x46)],
  ['NIfTI or MATLAB', text('MATLAB')],
  ['ZIP', starts(0x50, 0x4b, 3, 4)],
  ['gzip', starts(0x1f, 0x8b)],
  ['HTML', (head) => /^\s*<(!doctype html|html)/i.test(latin1(head))],
  ['BMP', all(text('BM'), (head) => head.length >= 26)],
];

/**
 * The format of a source that begins with `head` (its first {@link MAGIC_BYTES}, or all of it when shorter).
 * Throws `CORRUPT_IMAGE` when it is empty, and `UNSUPPORTED_FORMAT`, naming the bytes, when it is of no listed format.
 */
export function detectFormat(head: Uint8Array, name = 'the source'): SourceFormat {
  if (head.length === 0) throw new PyramidionError('CORRUPT_IMAGE', `${name} is empty`);
  for (const [format, test] of FORMATS) if (test(head)) return format;
  const known = REFUSED.find(([, test]) => test(head))?.[0];
  const found = Buffer.from(head.subarray(0, 12))
    .toString('hex')
    .replace(/(..)(?=.)/g, '$1 ');
  const what =
    known === undefined
      ? 'is of no known image format'
      : `is ${known}, which is recognised but not on the list of formats`;
  throw new PyramidionError('UNSUPPORTED_FORMAT', `${name} ${what} (first bytes ${found}); ${ALLOWED} are read`, {
    value: known ?? found,
    limit: ALLOWED,
  });
}

function starts(...wanted: number[]): Test {
  return (head) => wanted.every((value, index) => head[index] === value);
}

function text(wanted: string, offset = 0): Test {
  return (head) => latin1(head.subarray(offset, offset + wanted.length)) === wanted;
}

function any(...tests: Test[]): Test {
  return (head) => tests.some((test) => test(head));
}

function all(...tests: Test[]): Test {
  return (head) => tests.every((test) => test(head));
}

/** Whether the major brand says that the file is first of all a track of images: the loader takes still items only. */
function isSequence(head: Uint8Array): boolean {
  return SEQUENCE_BRANDS.has(brands(head)[0] ?? '');
}

/** Major and compatible brands of the `ftyp` box a file starts with; none when it does not start with one. */
function brands(head: Uint8Array): string[] {
  if (!text('ftyp', 4)(head)) return [];
  const boxSize = Buffer.from(head.buffer, head.byteOffset, head.byteLength).readUInt32BE(0);
  const end = Math.min(boxSize, head.length);
  const found: string[] = [];
  for (let at = 8; at + 4 <= end; at += 4) if (at !== 12) found.push(latin1(head.subarray(at, at + 4)));
  return found;
}

function isSvg(head: Uint8Array): boolean {
  const start = latin1(head)
    .replace(/^\u00ef\u00bb\u00bf/, '')
    .trimStart();
  return start.startsWith('<svg') || ((start.startsWith('<?xml') || start.startsWith('<!')) && start.includes('<svg'));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function byte(head: Uint8Array, index: number): number {
  return head[index] ?? -1;
}

function isBetween(value: number, low: number, high: number): boolean {
  return value >= low && value <= high;
}

function isSpace(value: number): boolean {
  return value === 0x20 || isBetween(value, 0x09, 0x0d);
}
