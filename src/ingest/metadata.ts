/** What of a source's metadata goes into the pyramid, and in which form. The policy in words is `docs/metadata.md`. */
import type { TiffTag } from '../native/contract.js';
import { EXIF_TAG } from './exif.js';
import { isPath, type PhotoshopResource, RESOURCE, writeResources } from './photoshop.js';
import type { SourceMetadata } from './probe.js';

/** Tags this module writes (TIFF 6.0, and the private ones of XMP, IPTC, Photoshop and ICC). */
export const TAG = {
  orientation: 274,
  xResolution: 282,
  yResolution: 283,
  resolutionUnit: 296,
  software: 305,
  dateTime: 306,
  xmp: 700,
  iptc: 33723,
  photoshop: 34377,
  exif: 34665,
  icc: 34675,
  gps: 34853,
  /** Ours: what the pyramid was made from and how, as JSON. Of the range TIFF 6.0 leaves to anyone (65000…65535). */
  record: 65330,
} as const;

/** TIFF field types. */
const TYPE = { byte: 1, ascii: 2, short: 3, long: 4, rational: 5, undefined: 7 } as const;

/** A longer block of metadata is left out: it would stand between a reader and the first tile. */
export const MAX_BLOCK_BYTES = 16 << 20;

/** Stands in the record for the source's hash, which is worked out while the pyramid is built. */
export const HASH_PLACEHOLDER = '0'.repeat(64);

/** Resources that are stored elsewhere in the file, or show the image as it was. */
const DROPPED_RESOURCES: ReadonlySet<number> = new Set([
  RESOURCE.iptc,
  RESOURCE.thumbnail,
  RESOURCE.thumbnailOld,
  RESOURCE.icc,
  RESOURCE.exif,
  RESOURCE.exif3,
  RESOURCE.xmp,
]);

/** Everything the tags are made of. */
export interface TagRequest {
  readonly source: SourceMetadata;
  readonly keep: { readonly xmp: boolean; readonly exif: boolean; readonly iptc: boolean };
  /** ICC profile of the result. */
  readonly profile: Uint8Array | null;
  /** Size of the full level. */
  readonly width: number;
  readonly height: number;
  /** Orientation to store: 1 when the pixels were turned. */
  readonly orientation: number;
  /** Whether the pixels were turned: what refers to their old place is wrong then. */
  readonly turned: boolean;
  readonly dpi: { readonly x: number; readonly y: number } | null;
  readonly modified: Date;
  readonly software: string;
  /** Goes into the private tag as JSON. */
  readonly record: unknown;
}

/** The fields of the first directory, and what was left out that one might miss. */
export function makeTags(request: TagRequest): { tags: TiffTag[]; warnings: string[] } {
  const { source, keep, profile, dpi } = request;
  const warnings: string[] = [];
  const tags: TiffTag[] = [];
  const block = (tag: number, type: number, value: Uint8Array | null, name: string): void => {
    if (value === null || value.length === 0) return;
    if (value.length > MAX_BLOCK_BYTES) {
      warnings.push(
        `the ${name} has ${value.length} bytes, more than the ${MAX_BLOCK_BYTES} that are kept: it is left out`,
      );
      return;
    }
    tags.push({ tag, type, count: value.length, value });
  };

  tags.push(shorts(TAG.orientation, request.orientation));
  tags.push(ascii(TAG.software, request.software));
  tags.push(ascii(TAG.dateTime, dateTime(request.modified)));
  tags.push(ascii(TAG.record, asciiJson(request.record)));
  if (dpi !== null) {
    tags.push(rational(TAG.xResolution, dpi.x), rational(TAG.yResolution, dpi.y), shorts(TAG.resolutionUnit, 2));
  }
  block(TAG.icc, TYPE.undefined, profile, 'colour profile');
  if (keep.xmp && source.xmp !== null) {
    block(TAG.xmp, TYPE.byte, request.turned ? withUprightXmp(source.xmp) : source.xmp, 'XMP');
  }
  if (keep.iptc) {
    block(TAG.iptc, TYPE.undefined, source.iptc, 'IPTC record');
    block(
      TAG.photoshop,
      TYPE.byte,
      keptResources(source.photoshop, request.turned, warnings),
      'block of Photoshop resources',
    );
  }
  if (keep.exif && source.exif !== null) {
    const { descriptive, exif, gps, interoperability } = source.exif;
    tags.push(...descriptive);
    const fields = exif.map((field) => withSize(field, request));
    if (interoperability.length > 0) fields.push(directory(EXIF_TAG.interoperabilityDirectory, interoperability));
    if (fields.length > 0) tags.push(directory(TAG.exif, fields));
    if (gps.length > 0) tags.push(directory(TAG.gps, gps));
  }
  return { tags, warnings };
}

/** `YYYY:MM:DD HH:MM:SS` in UTC, as TIFF 6.0 wants it. */
export function dateTime(date: Date): string {
  return date.toISOString().slice(0, 19).replace('T', ' ').replaceAll('-', ':');
}

/**
 * XMP that says "upright" where it said otherwise, of the same length; unchanged when it does not say, or is not in an
 * encoding based on ASCII.
 */
export function withUprightXmp(xmp: Uint8Array): Uint8Array {
  const text = Buffer.from(xmp.buffer, xmp.byteOffset, xmp.byteLength).toString('latin1');
  const upright = text.replace(/(tiff:Orientation\s{0,16}(?:=\s{0,16}["']|>\s{0,16}))[2-8](?=\s{0,16}["'<])/g, '$11');
  return upright === text ? xmp : Uint8Array.from(Buffer.from(upright, 'latin1'));
}

/** An ASCII field. What is not ASCII becomes `?`. */
function ascii(tag: number, text: string): TiffTag {
  const value = Uint8Array.from(Buffer.from(`${text.replace(/[^\x20-\x7e]/g, '?')}\0`, 'latin1'));
  return { tag, type: TYPE.ascii, count: value.length, value };
}

function shorts(tag: number, ...values: number[]): TiffTag {
  return {
    tag,
    type: TYPE.short,
    count: values.length,
    value: Uint8Array.from(values.flatMap((n) => [n & 255, n >> 8])),
  };
}

/** A positive number as a fraction of whole numbers below 2³², exact to a ten-thousandth. */
function rational(tag: number, number: number): TiffTag {
  const isWhole = Math.abs(number - Math.round(number)) < 1e-6;
  const denominator = isWhole ? 1 : 10_000;
  const value = Buffer.alloc(8);
  value.writeUInt32LE(Math.min(0xffff_ffff, Math.round(number * denominator)), 0);
  value.writeUInt32LE(denominator, 4);
  return { tag, type: TYPE.rational, count: 1, value: Uint8Array.from(value) };
}

function directory(tag: number, ifd: readonly TiffTag[]): TiffTag {
  return { tag, type: TYPE.long, count: 1, value: new Uint8Array(0), ifd };
}

/** EXIF tells the size of the picture: that of the result. */
function withSize(field: TiffTag, { width, height }: TagRequest): TiffTag {
  const side = field.tag === EXIF_TAG.pixelXDimension ? width : field.tag === EXIF_TAG.pixelYDimension ? height : null;
  if (side === null) return field;
  const value = Buffer.alloc(4);
  value.writeUInt32LE(side);
  return { tag: field.tag, type: TYPE.long, count: 1, value: Uint8Array.from(value) };
}

function keptResources(
  resources: readonly PhotoshopResource[],
  turned: boolean,
  warnings: string[],
): Uint8Array | null {
  const kept = resources.filter(({ id }) => !DROPPED_RESOURCES.has(id) && !(turned && isPath(id)));
  if (turned && resources.some(({ id }) => isPath(id))) {
    warnings.push('the image was turned upright, its Photoshop paths were not: they are left out');
  }
  return kept.length === 0 ? null : writeResources(kept);
}

/** JSON of ASCII alone. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
