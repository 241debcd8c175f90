/** EXIF directories, of an EXIF block or of a TIFF source, as fields the TIFF writer can store again. */
import type { TiffTag } from '../native/contract.js';
import { type TiffDirectory, type TiffField, TiffReader } from './tiff-fields.js';

/** Tag numbers of EXIF 3.0 and TIFF 6.0 used here. */
export const EXIF_TAG = {
  dateTime: 306,
  orientation: 274,
  exifDirectory: 34665,
  gpsDirectory: 34853,
  interoperabilityDirectory: 40965,
  makerNote: 37500,
  pixelXDimension: 40962,
  pixelYDimension: 40963,
} as const;

/** Fields of the first directory that describe the picture rather than its storage: they are kept. */
const DESCRIPTIVE_TAGS = new Set([
  269, // DocumentName
  270, // ImageDescription
  271, // Make
  272, // Model
  285, // PageName
  315, // Artist
  316, // HostComputer
  18246, // Rating
  18249, // RatingPercent
  33432, // Copyright
  40091,
  40092,
  40093,
  40094,
  40095, // XPTitle, XPComment, XPAuthor, XPKeywords, XPSubject
]);

/** Fields of the EXIF directory that are offsets or padding, or are rebuilt. */
const DROPPED_TAGS = new Set([
  EXIF_TAG.interoperabilityDirectory,
  59932, // Padding
  59933, // OffsetSchema
]);

/** Most bytes of one value: maker notes of raw files reach some megabytes. */
const MAX_VALUE_BYTES = 4 << 20;

/** The fields that are kept, values little-endian. */
export interface ExifFields {
  /** Of the first directory: description, camera, artist, copyright … */
  readonly descriptive: readonly TiffTag[];
  readonly exif: readonly TiffTag[];
  readonly gps: readonly TiffTag[];
  readonly interoperability: readonly TiffTag[];
}

/** Reads an EXIF block: a TIFF stream, with or without `Exif\0\0` before it. Rejects with `CORRUPT_IMAGE`. */
export async function readExifBlock(block: Uint8Array): Promise<ExifFields> {
  const isPrefixed = Buffer.from(block.subarray(0, 6)).toString('latin1') === 'Exif\0\0';
  const reader = await TiffReader.ofBytes(isPrefixed ? block.subarray(6) : block);
  return readExifFields(reader, await reader.directory(reader.first));
}

/**
 * Reads the EXIF fields below a first directory. A sub-directory that is damaged is left out, and so is a field whose value lies
 * outside the stream or is longer than 4 MiB.
 */
export async function readExifFields(reader: TiffReader, first: TiffDirectory): Promise<ExifFields> {
  const below = async (parent: TiffDirectory | null, tag: number): Promise<TiffDirectory | null> => {
    const offset = parent === null ? undefined : await reader.number(parent, tag).catch(() => undefined);
    return offset === undefined ? null : reader.directory(offset).catch(() => null);
  };
  const exif = await below(first, EXIF_TAG.exifDirectory);
  const gps = await below(first, EXIF_TAG.gpsDirectory);
  const interoperability = await below(exif, EXIF_TAG.interoperabilityDirectory);
  return {
    descriptive: await copyFields(reader, first, (tag) => DESCRIPTIVE_TAGS.has(tag)),
    exif: await copyFields(reader, exif, (tag) => !DROPPED_TAGS.has(tag)),
    gps: await copyFields(reader, gps, () => true),
    interoperability: await copyFields(reader, interoperability, () => true),
  };
}

async function copyFields(
  reader: TiffReader,
  directory: TiffDirectory | null,
  isKept: (tag: number) => boolean,
): Promise<TiffTag[]> {
  const tags: TiffTag[] = [];
  for (const field of directory?.fields.values() ?? []) {
    const type = storedType(field);
    if (type === null || field.count === 0 || !isKept(field.tag)) continue;
    const value = await reader.littleEndianBytes(field, MAX_VALUE_BYTES).catch(() => null);
    if (value !== null) tags.push({ tag: field.tag, type, count: field.count, value });
  }
  return tags;
}

/**
 * The type a field is stored with: that of the source, but UTF-8 (129, EXIF 3.0) as ASCII, maker notes as UNDEFINED, and
 * null for offsets (13, 18) and the 64-bit types of BigTIFF, which no EXIF field has.
 */
function storedType({ tag, type }: TiffField): number | null {
  if (tag === EXIF_TAG.makerNote && (type === 1 || type === 7)) return 7;
  if (type === 129) return 2;
  return type >= 1 && type <= 12 ? type : null;
}
