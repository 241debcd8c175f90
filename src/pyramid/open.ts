/** An open pyramid: its levels, and their stored tiles when they are asked for. */

import { PyramidionError } from '../errors.js';
import type { LevelPixels, NativeRect, PixelType } from '../native/contract.js';
import { unlessAborted } from '../source/abort.js';
import type { Source } from '../source/types.js';
import { readValue } from './directory.js';
import { type LevelPixelsOptions, type LevelTemplate, makeTemplate, readLevelPixels } from './level-pixels.js';
import { type Downsample, downsamples } from './levels.js';
import { pixelTypeOf } from './pixel-type.js';
import { type PyramidFacts, readFacts } from './pyramid.js';
import { type LevelShape, type LevelStructure, readStructure, type StoredPixels, TAG } from './structure.js';
import { readTileIndex, type TileIndex, TileIndexes } from './tile-index.js';

/** One level of an open pyramid. */
export interface Level extends LevelShape {
  readonly stored: StoredPixels;
  readonly downsample: Downsample;
}

/**
 * A pyramid that is read from its source tile by tile. What it holds grows with the number of its levels (and with its
 * profile and record), not with that of its tiles: tile indexes are read when they are first needed, and those of all
 * pyramids of the thread together are kept within 64 MiB (12 bytes a tile; one that is larger is kept while it is the
 * last one used).
 */
export interface Pyramid {
  /** Where it is read from. It belongs to the pyramid, which closes it. */
  readonly source: Source;
  /** {@link Source.version}: what is made from the pyramid may be kept under it. */
  readonly version: string;
  readonly info: PyramidFacts;
  /** Largest first. */
  readonly levels: readonly Level[];
  /** What native code brings stored pixels to as they are decoded. */
  readonly pixels: PixelType;
  /** EXIF/TIFF orientation 1…8: what is stored has to be turned by it to be shown. */
  readonly orientation: number;
  /**
   * Places of a level's tiles; borrowed: do not change them. Errors: `INVALID_REQUEST` when there is no such level,
   * those of reading the index (see `readTileIndex`), and `ABORTED` by the signal; the reading goes on for others then.
   */
  tileIndex(level: number, signal?: AbortSignal): Promise<TileIndex>;
  /** The JPEGTables of a level, null when there are none; borrowed. Errors: `INVALID_REQUEST`, `CORRUPT_IMAGE`, those of reading. */
  tables(level: number): Promise<Uint8Array | null>;
  /**
   * Stored tiles of a level, for a render job. `tiles` counts columns and rows of tiles, not pixels. The bytes are the
   * caller's.
   *
   * A tile is missing (`tiles` has length 0 for it) when the file has it not, or one of its planes. The TIFF's own
   * tables then point at another tile, so that it can be decoded as a whole; when all are missing it is empty. At the
   * edges of a level the TIFF may say that its picture is larger than `width` and `height`: what is beyond them is
   * padding of tiles.
   *
   * Errors: `INVALID_REQUEST` for tiles that are not in the level; `LIMIT_EXCEEDED` when they have more than `maxBytes`;
   * `UNSUPPORTED_IMAGE` for a coding without a decoder, and for YCbCr or Lab tiles in separate planes; `CORRUPT_IMAGE`, `ABORTED` and those of reading.
   */
  levelPixels(level: number, tiles: NativeRect, options?: LevelPixelsOptions): Promise<LevelPixels>;
  /** The XMP packet of the full image, null when there is none; the caller's. Errors: those of reading. */
  xmp(): Promise<Uint8Array | null>;
  /** Waits for reads in flight, then closes the source. */
  close(): Promise<void>;
}

/** Indexes of all pyramids of this thread. */
const indexes = new TileIndexes(64 << 20);

/** Longest XMP packet that is read. */
const MAX_XMP_BYTES = 16 << 20;

/** Longest JPEGTables that are read: 4 tables of each kind are below 2 KiB. */
const MAX_TABLES_BYTES = 1 << 18;

/**
 * Opens a pyramid: reads its directories and none of its tile tables. It takes the source over; when this rejects, the
 * source stays the caller's. Errors: those of `readStructure`: `UNSUPPORTED_FORMAT`, `NOT_A_PYRAMID`, `CORRUPT_IMAGE`,
 * `UNSUPPORTED_IMAGE`, `SOURCE_UNREADABLE`, `SOURCE_CHANGED`.
 */
export async function openPyramid(source: Source): Promise<Pyramid> {
  const structure = await readStructure(source);
  const info = await readFacts(structure);
  const scales = downsamples(structure.levels);
  const opened = structure.levels.map((level) => new OpenLevel(source, structure.file, level));
  /** What `use` makes of a level; a rejection where there is none. */
  const at = <Result>(level: number, use: (level: OpenLevel) => Promise<Result>): Promise<Result> => {
    const found = opened[level];
    if (found !== undefined) return use(found);
    const limit = opened.length - 1;
    const message = `level must be 0…${limit}; got ${level}`;
    return Promise.reject(new PyramidionError('INVALID_REQUEST', message, { value: level, limit }));
  };
  return {
    source,
    version: source.version,
    info,
    levels: structure.levels.map(({ image: _image, tables: _tables, ...level }, i) => ({
      ...level,
      downsample: scales[i] ?? { x: 1, y: 1 },
    })),
    pixels: pixelTypeOf(structure.levels[0].stored),
    orientation: info.orientation,
    tileIndex: (level, signal) => at(level, (found) => unlessAborted(found.index(), signal)),
    tables: (level) => at(level, (found) => found.tables()),
    levelPixels: (level, tiles, options = {}) => at(level, (found) => found.pixels(tiles, options)),
    xmp: () => readValue(structure.file, structure.levels[0].image.raw, TAG.xmp, MAX_XMP_BYTES),
    close: async () => {
      await source.close();
      for (const level of opened) level.forget();
    },
  };
}

/** A level with what has been read of it so far. */
class OpenLevel {
  readonly #source: Source;
  readonly #file: Parameters<typeof makeTemplate>[0];
  readonly #level: LevelStructure;
  readonly #readIndex: () => Promise<TileIndex>;
  #template: Promise<LevelTemplate> | null = null;
  #tables: Promise<Uint8Array | null> | null = null;

  constructor(source: Source, file: Parameters<typeof makeTemplate>[0], level: LevelStructure) {
    this.#source = source;
    this.#file = file;
    this.#level = level;
    this.#readIndex = () => readTileIndex(file, level);
  }

  index(): Promise<TileIndex> {
    return indexes.get(this, this.#readIndex);
  }

  tables(): Promise<Uint8Array | null> {
    this.#tables ??= readValue(this.#file, this.#level.image.raw, TAG.jpegTables, MAX_TABLES_BYTES).catch((error) => {
      this.#tables = null;
      throw error;
    });
    return this.#tables;
  }

  async pixels(tiles: NativeRect, options: LevelPixelsOptions): Promise<LevelPixels> {
    const { signal } = options;
    this.#template ??= makeTemplate(this.#file, this.#level).catch((error) => {
      this.#template = null;
      throw error;
    });
    const template = await unlessAborted(this.#template, signal);
    const index = await unlessAborted(this.index(), signal);
    return readLevelPixels(this.#source, this.#level, template, index, tiles, options);
  }

  forget(): void {
    indexes.drop(this);
  }
}
