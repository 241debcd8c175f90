/** An image that is open for views: a pyramid, or a plain image that is small enough to be decoded whole. */
import { parseProfile } from '../colour/parse.js';
import { PyramidionError } from '../errors.js';
import { type Prober, probeSource } from '../ingest/probe.js';
import type { NativeRect, PixelSource, PixelType, SourceFormat } from '../native/contract.js';
import { openPyramid, type Pyramid } from '../pyramid/open.js';
import { type StoredTile, storedTile } from '../pyramid/stored-tile.js';
import type { TileIndex } from '../pyramid/tile-index.js';
import type { ImageStructure } from '../region/plan.js';
import type { Source } from '../source/types.js';
import type { ImageColour } from './colour.js';

/** Stored pixels, lent until they are released. */
export interface LentPixels {
  readonly source: PixelSource;
  release(): void;
}

/** What views need of an image. */
export interface OpenImage {
  readonly kind: 'pyramid' | 'image';
  /** Where it is read from; it belongs to the image, which closes it. */
  readonly source: Source;
  readonly format: SourceFormat;
  readonly structure: ImageStructure;
  /** What stored pixels are brought to as they are decoded. */
  readonly pixels: PixelType;
  readonly profile: { readonly description: string; readonly bytes: Uint8Array } | null;
  /** What its colours mean. */
  readonly colour: ImageColour;
  /** Pixels per inch; null when it does not say. */
  readonly dpi: { readonly x: number; readonly y: number } | null;
  /** The pyramid, where it is one. */
  readonly pyramid: Pyramid | null;
  /** Stored pixels of some tiles of a level. `tiles` counts columns and rows. Release them when they have been used. */
  pixelSource(level: number, tiles: NativeRect, signal: AbortSignal): Promise<LentPixels>;
  /** Where its pixels begin in the level, for the tiles given. */
  originOf(level: number, tiles: NativeRect): { readonly x: number; readonly y: number };
  /** A tile as it is stored; null where it cannot be a file of its own. */
  storedTile(
    level: number,
    column: number,
    row: number,
    icc: boolean,
    signal?: AbortSignal,
  ): Promise<StoredTile | null>;
  /** Places of a level's tiles. Rejects with `NOT_A_PYRAMID` for a plain image. */
  tileIndex(level: number): Promise<TileIndex>;
  /** The XMP packet; null when there is none. */
  xmp(): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

/** How an image is opened. */
export interface OpenContext {
  readonly prober: Prober;
  readonly page: number;
  /** Largest image that is no pyramid, in millions of pixels. */
  readonly maxNonDsfSize: number;
  /** Most bytes of stored tiles that one view reads. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Opens an image for views; it takes the source over, and closes it when this rejects. Errors: those of `openPyramid` but `NOT_A_PYRAMID`, those of
 * `probeSource`, `LIMIT_EXCEEDED` (`maxNonDsfSize`) for a large image that is no pyramid.
 */
export async function openImage(source: Source, context: OpenContext): Promise<OpenImage> {
  try {
    const pyramid = context.page === 0 ? await openPyramid(source).catch(unlessOther) : null;
    return pyramid === null ? await openPlain(source, context) : pyramidImage(pyramid, context);
  } catch (error) {
    // What seems damaged may have been half written.
    const failure = await source.verifyInPlace().then(
      () => error,
      (changed: unknown) => changed,
    );
    await source.close();
    throw failure;
  }
}

/** Null when an error says no more than that the file is an image of another kind. */
function unlessOther(error: unknown): null {
  const isOther =
    error instanceof PyramidionError && (error.code === 'NOT_A_PYRAMID' || error.code === 'UNSUPPORTED_FORMAT');
  if (isOther) return null;
  throw error;
}

function pyramidImage(pyramid: Pyramid, { maxBytes }: OpenContext): OpenImage {
  const { info, levels } = pyramid;
  return {
    kind: 'pyramid',
    source: pyramid.source,
    format: 'tiff',
    structure: {
      width: info.width,
      height: info.height,
      orientation: pyramid.orientation,
      levels: levels.map(({ width, height, downsample, tileWidth, tileHeight }) => ({
        width,
        height,
        downsampleX: downsample.x,
        downsampleY: downsample.y,
        tileWidth,
        tileHeight,
      })),
      resolution: info.dpi?.x ?? DEFAULT_RESOLUTION,
    },
    pixels: pyramid.pixels,
    profile: info.profile,
    colour: { space: pyramid.pixels.space, ...parsed(info.profile?.bytes) },
    dpi: info.dpi,
    pyramid,
    pixelSource: async (level, tiles, signal) => {
      const lease = pyramid.source.lend();
      const release = (): void => lease?.release();
      try {
        const source = await pyramid.levelPixels(level, tiles, { maxBytes, signal, descriptor: lease?.fd });
        return { source, release };
      } catch (error) {
        release();
        throw error;
      }
    },
    originOf: (level, tiles) => ({
      x: tiles.left * (levels[level]?.tileWidth ?? 0),
      y: tiles.top * (levels[level]?.tileHeight ?? 0),
    }),
    storedTile: (level, column, row, icc, signal) => storedTile(pyramid, level, column, row, { icc, maxBytes, signal }),
    tileIndex: (level) => pyramid.tileIndex(level),
    xmp: () => pyramid.xmp(),
    close: () => pyramid.close(),
  };
}

/** An embedded profile; one that cannot be parsed is as if it were not there, and told. */
function parsed(bytes: Uint8Array | undefined): Pick<ImageColour, 'embedded' | 'warnings'> {
  try {
    return { embedded: bytes === undefined ? null : parseProfile(bytes), warnings: [] };
  } catch (error) {
    if (error instanceof PyramidionError)
      return { embedded: null, warnings: [`the embedded profile is not used: ${error.message}`] };
    throw error;
  }
}

/** Pixels per inch of an image that does not say. */
const DEFAULT_RESOLUTION = 72;

async function openPlain(source: Source, context: OpenContext): Promise<OpenImage> {
  const { prober, page, maxNonDsfSize, signal } = context;
  const {
    info,
    facts: _facts,
    ...probed
  } = await probeSource(source, prober, {
    page,
    maxPixels: Number.MAX_SAFE_INTEGER,
    signal,
  });
  const { storedWidth: width, storedHeight: height, format } = info;
  if (width * height > maxNonDsfSize * 1e6) {
    throw new PyramidionError(
      'LIMIT_EXCEEDED',
      `${source.name} is no pyramid and has ${width} × ${height} pixels; the limit is ${maxNonDsfSize} million (maxNonDsfSize)`,
      { option: 'maxNonDsfSize', value: width * height, limit: maxNonDsfSize * 1e6 },
    );
  }
  const input = await source.nativeInput();
  return {
    kind: 'image',
    source,
    format,
    structure: {
      width,
      height,
      orientation: info.orientation,
      levels: [{ width, height, downsampleX: 1, downsampleY: 1, tileWidth: width, tileHeight: height }],
      resolution: info.dpi?.x ?? DEFAULT_RESOLUTION,
    },
    pixels: {
      space: probed.pixelSpace,
      bits: info.bitDepth > 8 ? 16 : 8,
      alpha: info.alpha === 'none' ? 'none' : 'straight',
    },
    profile: probed.profile === null ? null : { description: probed.profile.description, bytes: probed.profile.bytes },
    colour: {
      space: probed.pixelSpace,
      embedded: probed.viaSrgb ? null : probed.profile,
      warnings: info.warnings.filter((warning) => warning.startsWith('the embedded profile')),
    },
    dpi: info.dpi,
    pyramid: null,
    pixelSource: async () => ({ source: { kind: 'image', input, format, page }, release: () => {} }),
    originOf: () => ({ x: 0, y: 0 }),
    storedTile: async () => null,
    tileIndex: async () => {
      throw new PyramidionError('NOT_A_PYRAMID', `${source.name} is no pyramid: it has no tiles`);
    },
    xmp: async () => probed.metadata.xmp,
    close: () => source.close(),
  };
}
