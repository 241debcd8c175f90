/**
 * How much memory a build takes at its peak. Pure arithmetic over what the header says and what the plan asks for; all
 * constants are here, with their units, and `test/ingest/need.test.ts` and the measurements under `bench/` hold them to the truth.
 */
import { ceilDiv, roundUp, type Size, tileCount } from '../geometry.js';
import type { PixelType, SourceFormat, TileCoding } from '../native/contract.js';
import type { JpegFrame } from './jpeg-frame.js';
import type { TiffFacts } from './tiff-facts.js';

const MIB = 1 << 20;

/**
 * The engine's own memory (`native/core/build.cc`). The unit of a "band" is one row of tiles of a level: its width ×
 * the tile edge × the bytes of a pixel.
 */
const ENGINE = {
  /** Worker thread, its JavaScript heap, libvips' own and the C library's allowances: bytes, whatever the image. */
  baseBytes: 30 * MIB,
  /** Bands of the full level at once: one being decoded, one being compressed. One alone with a single thread. */
  fullBands: 2,
  fullBandsAlone: 1,
  /** Bands of a reduced level at once: one being filled, one being compressed. */
  reducedBands: 2,
  /** The same again where there is an unsharp mask: rows before and after it. */
  sharpenedBands: 2,
  /** Groups whose stored tiles wait to be written in order. */
  groups: 2,
  /** Rows of each level kept for the next band's filter taps. */
  historyRows: 8,
  /** Rows asked of the decoder at once, and copies of them: in the loader's line cache, in the region, and slop. */
  readRows: 32,
  readCopies: 3,
  /** Bytes per stored tile: its entry in the index, and in the directory that is laid out twice at the end. */
  tileIndexBytes: 16 + 2 * 16,
  /** Slack on all of the above, most of which comes straight from the system and goes straight back. */
  slack: 1.1,
} as const;

/** Tiles handed to the codec in one call (`TileCodec::batch`), and bytes held per raw byte while they are in it. */
const CODEC: Readonly<Record<TileCoding['kind'], { batch: number; copies: number; ratio: number }>> = {
  // `ratio`: stored bytes per raw byte that waiting tiles are reckoned with; pixels of noise come near it.
  none: { batch: 16, copies: 2, ratio: 1 },
  deflate: { batch: 8, copies: 2, ratio: 0.6 },
  lzw: { batch: 8, copies: 2, ratio: 1.2 },
  jpeg: { batch: 16, copies: 2, ratio: 0.5 },
  webp: { batch: 2, copies: 6, ratio: 0.5 },
};

/** Loaders' own memory: bytes per unit said in each name. */
const LOADER = {
  /**
   * Rows in the line cache that libvips puts behind every loader that reads from the top: four times 128, or two strips.
   * The C library keeps as much again of it, and more, while pieces of it come and go: a factor, measured, that is least
   * where a piece is so large (bytes) that it is mapped by itself. See `start_vips` in `native/core/engine.cc`.
   */
  lineCacheRows: 512,
  lineCacheFactor: { jpeg: 4.5, other: 2.8, mapped: 2 },
  mappedBytes: 13 << 17,
  /** JPEG in several scans: libjpeg keeps every coefficient as 16 bits, in blocks with some waste. */
  jpegBytesPerCoefficient: 2.1,
  /** PNG: rows held while filters are undone. */
  pngRows: 4,
  /** Interlaced PNG: the whole image, as it is decoded. */
  pngInterlacedCopies: 1,
  /** libvips reads strips of more rows than this row by row, where it can. */
  tiffScanlineRows: 128,
  /** TIFF in tiles: rows of tiles in libvips' tile cache. */
  tiffTileRows: 2.5,
  /** TIFF: offset and length of each strip or tile, twice while libtiff reads them. */
  tiffBytesPerChunk: 32,
  /** WebP, per pixel: canvas and frame as RGBA, and the decoder's own. More where frames follow on one another. */
  webpBytesPerPixel: 7.4,
  webpAnimatedBytesPerPixel: 11,
  /** GIF, per pixel: canvas and indexes. More where frames follow on one another. */
  gifBytesPerPixel: 5.5,
  gifAnimatedBytesPerPixel: 9.5,
  /** HEIF and AVIF, per pixel of three samples: decoder's frames, libheif's planes and its RGB. */
  heifBytesPerPixel: 16.5,
  heifDeepFactor: 1.5,
  /** Loaders that read the whole file into memory: copies of it. */
  wholeFileCopies: 1,
  /** The C library's part: loaders hold few large blocks. */
  slack: 1.08,
} as const;

/** Rows in flight per thread while an image is only decoded. */
const VERIFY_ROWS = 64;

/** What the header says that memory depends on. */
export interface NeedFacts {
  readonly format: SourceFormat;
  /** Stored size, before orientation: rows are read in it. */
  readonly size: Size;
  /** Samples of a decoded pixel, and bytes of each. */
  readonly bands: number;
  readonly sampleBytes: number;
  readonly bitDepth: number;
  /** Length of the source, and what of it the engine holds in memory. */
  readonly fileBytes: number;
  readonly heldBytes: number;
  /** Interlaced PNG. */
  readonly interlaced: boolean;
  /** Pages or frames of the source. */
  readonly pages: number;
  readonly jpeg: JpegFrame | null;
  readonly tiff: TiffFacts | null;
}

/** What the plan asks for that memory depends on. */
export interface NeedPlan {
  readonly pixels: PixelType;
  /** Levels in the stored orientation, the full one first. */
  readonly levels: readonly Size[];
  readonly tileSize: number;
  readonly coding: TileCoding;
  /** σ of the unsharp mask; null without one. */
  readonly unsharpRadius: number | null;
  /** Whether pixels pass through a colour transform on their way. */
  readonly converts: boolean;
  /** Most threads the build may get. */
  readonly threads: number;
}

/** Bytes a build takes at its peak: resident growth of the process over its idle state. */
export function peakNeed(facts: NeedFacts, plan: NeedPlan): number {
  return Math.ceil(
    ENGINE.baseBytes + facts.heldBytes + ENGINE.slack * engineBytes(facts, plan) + LOADER.slack * loaderBytes(facts),
  );
}

/** Bytes it takes to decode an image and keep nothing of it. */
export function verifyPeak(facts: NeedFacts, threads: number): number {
  const rows = facts.size.width * facts.bands * facts.sampleBytes * VERIFY_ROWS * Math.max(1, threads);
  return Math.ceil(ENGINE.baseBytes + facts.heldBytes + ENGINE.slack * rows + LOADER.slack * loaderBytes(facts));
}

/** The documented rule: width × height × channels × 3, doubled above 8 bits. */
export function decodedNeed(facts: Pick<NeedFacts, 'size' | 'bands' | 'bitDepth'>): number {
  return facts.size.width * facts.size.height * facts.bands * 3 * (facts.bitDepth > 8 ? 2 : 1);
}

/** Bands, rows, codec and index: everything `native/core` allocates itself, and libvips between it and the loader. */
function engineBytes(facts: NeedFacts, plan: NeedPlan): number {
  const { pixels, levels, tileSize, coding, unsharpRadius, threads } = plan;
  const pixelBytes = (colours(pixels.space) + (pixels.alpha === 'none' ? 0 : 1)) * (pixels.bits / 8);
  const codec = CODEC[coding.kind];
  let bytes = 0;
  levels.forEach((level, index) => {
    const row = level.width * pixelBytes;
    const band = row * Math.min(tileSize, level.height);
    const tileRow = roundUp(level.width, tileSize) * tileSize * pixelBytes;
    const bands =
      index === 0
        ? threads > 1
          ? ENGINE.fullBands
          : ENGINE.fullBandsAlone
        : ENGINE.reducedBands + (unsharpRadius === null ? 0 : ENGINE.sharpenedBands);
    bytes += bands * band;
    bytes += ENGINE.historyRows * row;
    // Tiles of the reduced levels come less often, each level half as often as the one above.
    bytes += (ENGINE.groups * codec.ratio * tileRow) / 2 ** Math.min(index, 1);
    bytes += ENGINE.tileIndexBytes * tileCount(level, tileSize);
    if (index > 0 && unsharpRadius !== null) {
      const reach = Math.ceil(3 * unsharpRadius) + 1;
      bytes += (2 * reach + 1) * row + 3 * level.width * colours(pixels.space) * 4;
    }
  });
  const columns = ceilDiv(levels[0]?.width ?? 0, tileSize);
  const inCodec = Math.min(threads * codec.batch, 2 * columns);
  bytes += inCodec * codec.copies * tileSize * tileSize * pixelBytes;
  const decodedRow = facts.size.width * facts.bands * facts.sampleBytes;
  const convertedRow = plan.converts ? facts.size.width * 4 * 4 * 4 : facts.size.width * pixelBytes;
  bytes += ENGINE.readRows * (ENGINE.readCopies * decodedRow + 2 * convertedRow);
  return bytes;
}

/** What the decoder holds beside the rows it hands over. */
function loaderBytes(facts: NeedFacts): number {
  const { width, height } = facts.size;
  const pixels = width * height;
  const row = width * facts.bands * facts.sampleBytes;
  const isAnimated = facts.pages > 1;
  const wholeFile = LOADER.wholeFileCopies * facts.fileBytes;
  switch (facts.format) {
    case 'jpeg':
      return lineCache(facts, row, 8) + (facts.jpeg?.multiScan === false ? 0 : coefficientBytes(facts));
    case 'png':
      return (
        LOADER.pngRows * row +
        lineCache(facts, row, 8) +
        (facts.interlaced ? LOADER.pngInterlacedCopies * height * row : 0)
      );
    case 'tiff':
      return facts.tiff === null ? height * row : tiffBytes(facts, facts.tiff, row);
    case 'webp':
      return pixels * (isAnimated ? LOADER.webpAnimatedBytesPerPixel : LOADER.webpBytesPerPixel) + wholeFile;
    case 'gif':
      return pixels * (isAnimated ? LOADER.gifAnimatedBytesPerPixel : LOADER.gifBytesPerPixel) + wholeFile;
    case 'heif': {
      const perPixel = LOADER.heifBytesPerPixel * (facts.bitDepth > 8 ? LOADER.heifDeepFactor : 1);
      return pixels * perPixel * Math.max(1, facts.bands / 3) + wholeFile;
    }
  }
}

/** A JPEG whose scans are spread over the file is held as coefficients, each component padded to whole MCUs. */
function coefficientBytes({ jpeg, size, bands }: NeedFacts): number {
  if (jpeg === null) return size.width * size.height * bands * LOADER.jpegBytesPerCoefficient;
  const across = Math.max(...jpeg.components.map(({ horizontal }) => horizontal));
  const down = Math.max(...jpeg.components.map(({ vertical }) => vertical));
  const mcus = ceilDiv(size.width, 8 * across) * ceilDiv(size.height, 8 * down);
  const blocks = jpeg.components.reduce((sum, { horizontal, vertical }) => sum + horizontal * vertical, 0);
  return mcus * blocks * 64 * LOADER.jpegBytesPerCoefficient;
}

/** libvips' line cache over `row` bytes a row, read in pieces of `pieceRows` rows. */
function lineCache({ format, size }: NeedFacts, row: number, pieceRows: number): number {
  const rows = Math.min(size.height, Math.max(LOADER.lineCacheRows, 2 * pieceRows));
  const { jpeg, other, mapped } = LOADER.lineCacheFactor;
  const unmapped = Math.min(row, LOADER.mappedBytes / pieceRows);
  return rows * (row * mapped + unmapped * ((format === 'jpeg' ? jpeg : other) - mapped));
}

/** Photometric codes of TIFF that are read through libtiff's own conversions. */
const YCBCR = 6;
const LOGL = 32844;
const LOGLUV = 32845;
const OLD_JPEG = 6;

function tiffBytes(facts: NeedFacts, tiff: TiffFacts, row: number): number {
  const { chunks, photometric, separate } = tiff;
  const index = chunks.count * LOADER.tiffBytesPerChunk;
  // libtiff holds the stored bytes of the piece it decodes; uncompressed strips it reads in small parts.
  const stored = tiff.compression === 1 && chunks.kind === 'strips' ? 0 : chunks.largestBytes;
  const isRgba = tiff.compression === OLD_JPEG || photometric === LOGL || photometric === LOGLUV;
  const wide = isRgba ? Math.max(row, tiff.width * 4) : row;
  if (chunks.kind === 'tiles') {
    return (
      index + stored + LOADER.tiffTileRows * (roundUp(tiff.width, chunks.width) / tiff.width) * chunks.height * wide
    );
  }
  const byRow = chunks.height > LOADER.tiffScanlineRows && !separate && photometric !== YCBCR && !isRgba;
  const rows = byRow ? 1 : chunks.height;
  return index + stored + lineCache(facts, wide, rows);
}

function colours(space: PixelType['space']): number {
  return space === 'gray' ? 1 : space === 'rgb' ? 3 : 4;
}
