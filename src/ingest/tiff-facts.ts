/** What the directory of a TIFF page says of how its pixels are stored. */
import type { TiffDirectory, TiffReader } from './tiff-fields.js';

/** TIFF tag numbers used here (TIFF 6.0, and 330 of its technical note 1). */
const TAG = {
  imageWidth: 256,
  imageLength: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planarConfiguration: 284,
  predictor: 317,
  tileWidth: 322,
  tileLength: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  subIfds: 330,
  extraSamples: 338,
} as const;

/** Most strip or tile lengths that are looked at one by one. */
const MAX_CHUNK_LENGTHS = 65_536;

/** How one page is stored. */
export interface TiffFacts {
  readonly bigTiff: boolean;
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly samplesPerPixel: number;
  /** TIFF code: 1 none, 5 LZW, 7 JPEG, 8 and 32946 deflate … */
  readonly compression: number;
  /** TIFF code: 0 and 1 gray, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 Lab, 32844 and 32845 LogLuv … */
  readonly photometric: number;
  /** Whether each sample has a plane of its own (PlanarConfiguration 2). */
  readonly separate: boolean;
  readonly predictor: number;
  /** Kinds of the samples beyond the colours: 0 unspecified, 1 associated alpha, 2 unassociated alpha. */
  readonly extraSamples: readonly number[];
  readonly chunks: TiffChunks;
  readonly subIfds: number;
}

/** The pieces a page is stored in. */
export interface TiffChunks {
  readonly kind: 'strips' | 'tiles';
  /** Pixels of one piece; a strip is as wide as the page. */
  readonly width: number;
  readonly height: number;
  readonly count: number;
  /** Stored bytes of the largest piece, and of all of them. */
  readonly largestBytes: number;
  readonly totalBytes: number;
  /** Where a piece is: for sampling. The field numbers of offsets and lengths. */
  readonly offsetsTag: number;
  readonly lengthsTag: number;
}

/** TIFF pixels that libvips hands over as they are, without knowing what they mean. */
const UNSUPPORTED_PHOTOMETRICS: Readonly<Record<number, string>> = {
  32803: 'the raw mosaic of a camera (CFA)',
  32844: 'logarithmic luminance (LogL)',
};

/** Codings of TIFF strips and tiles that the base has no decoder for. */
const UNSUPPORTED_COMPRESSIONS: Readonly<Record<number, string>> = {
  6: 'old-style JPEG',
  33003: 'JPEG 2000',
  33005: 'JPEG 2000',
  34712: 'JPEG 2000',
  34925: 'LZMA',
  50000: 'Zstandard',
  50002: 'JPEG XL',
};

/** What of a TIFF's pixels cannot be decoded, in words; null when all of it can. */
export function undecodable({
  photometric,
  compression,
}: Pick<TiffFacts, 'photometric' | 'compression'>): string | null {
  return UNSUPPORTED_PHOTOMETRICS[photometric] ?? UNSUPPORTED_COMPRESSIONS[compression] ?? null;
}

/** Reads the facts of a page of a file of `size` bytes. Rejects with `CORRUPT_IMAGE`. */
export async function readTiffFacts(reader: TiffReader, page: TiffDirectory, size: number): Promise<TiffFacts> {
  const value = async (tag: number, fallback: number): Promise<number> => (await reader.number(page, tag)) ?? fallback;
  const list = async (tag: number): Promise<number[]> => {
    const field = page.fields.get(tag);
    return field === undefined ? [] : reader.numbers(field, 256);
  };
  const width = await value(TAG.imageWidth, 0);
  const height = await value(TAG.imageLength, 0);
  return {
    bigTiff: reader.big,
    width,
    height,
    bitsPerSample: Math.max(1, ...(await list(TAG.bitsPerSample))),
    samplesPerPixel: await value(TAG.samplesPerPixel, 1),
    compression: await value(TAG.compression, 1),
    photometric: await value(TAG.photometric, 1),
    separate: (await value(TAG.planarConfiguration, 1)) === 2,
    predictor: await value(TAG.predictor, 1),
    extraSamples: await list(TAG.extraSamples),
    chunks: await readChunks(reader, page, { width, height, size }),
    subIfds: page.fields.get(TAG.subIfds)?.count ?? 0,
  };
}

async function readChunks(
  reader: TiffReader,
  page: TiffDirectory,
  file: { width: number; height: number; size: number },
): Promise<TiffChunks> {
  const kind = page.fields.has(TAG.tileWidth) ? 'tiles' : 'strips';
  const [offsetsTag, lengthsTag] =
    kind === 'tiles' ? [TAG.tileOffsets, TAG.tileByteCounts] : [TAG.stripOffsets, TAG.stripByteCounts];
  const width = kind === 'tiles' ? ((await reader.number(page, TAG.tileWidth)) ?? file.width) : file.width;
  const rows = (await reader.number(page, kind === 'tiles' ? TAG.tileLength : TAG.rowsPerStrip)) ?? file.height;
  const field = page.fields.get(lengthsTag);
  const count = page.fields.get(offsetsTag)?.count ?? 0;
  const lengths = field === undefined ? [] : await reader.numbers(field, MAX_CHUNK_LENGTHS);
  // Of a list that was not read to its end, the file's length is the only safe bound; it is a long list of small pieces.
  const isWhole = field !== undefined && lengths.length === field.count;
  const sum = lengths.reduce((total, length) => total + length, 0);
  const largest = lengths.reduce((most, length) => Math.max(most, length), 0);
  return {
    kind,
    width,
    height: Math.max(1, Math.min(rows, file.height)),
    count,
    largestBytes: Math.min(lengths.length === 0 ? file.size : largest, file.size),
    totalBytes: Math.min(isWhole ? sum : file.size, file.size),
    offsetsTag,
    lengthsTag,
  };
}
