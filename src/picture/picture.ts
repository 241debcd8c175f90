/** An open image, as the library offers it: its structure, its tiles, its regions and views. */

import { checkSides, ENCODE_DEFAULTS, type Encoding, planEncoding, rawEncoding } from '../encode/index.js';
import { PyramidionError } from '../errors.js';
import { ceilDiv, orientedSize, type Rect } from '../geometry.js';
import type { PixelType } from '../native/contract.js';
import {
  carryOut,
  checkSize,
  makeView,
  planView,
  type Renderer,
  type Rendition,
  storedView,
  type ViewPlan,
} from '../pipeline.js';
import { parseModifiers } from '../protocol/image-serving/modifiers.js';
import type { TileIndex } from '../pyramid/tile-index.js';
import { completeRequest } from '../region/complete.js';
import { planRect } from '../region/rect.js';
import { defaultRequest, type ImageRequest } from '../region/request.js';
import type { ViewCatalog } from './catalog.js';
import type { CatalogColour, ColourChooser } from './colour.js';
import type { OpenImage } from './image.js';
import { type RenderLimits, resolveLimits } from './limits.js';

/** One level of a picture as stored; level 0 is the full image. */
export interface PictureLevel {
  readonly width: number;
  readonly height: number;
  /** A strip is a tile as wide as the level; a plain image is one tile. */
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly columns: number;
  readonly rows: number;
  /** Pixels of the full image that one of this level covers, along each side. */
  readonly downsample: { readonly x: number; readonly y: number };
}

/** What is known of an open image. */
export interface PictureInfo {
  readonly kind: 'pyramid' | 'image';
  readonly name: string;
  /** Identity of its bytes: what was made from them may be kept under it. */
  readonly version: string;
  /** When the file was last modified, milliseconds since 1970; null when nothing says. */
  readonly modifiedMs: number | null;
  /** Size in pixels, turned upright. */
  readonly width: number;
  readonly height: number;
  /** EXIF/TIFF orientation 1…8. Levels, tiles and regions are as stored; views are turned upright. */
  readonly orientation: number;
  /** Largest first. */
  readonly levels: readonly PictureLevel[];
  /** Samples that a region yields. */
  readonly pixels: PixelType;
  readonly profile: { readonly description: string; readonly bytes: Uint8Array } | null;
  /** Pixels per inch; null when it does not say. */
  readonly dpi: { readonly x: number; readonly y: number } | null;
}

/** A stored tile by its place. */
export interface TileAddress {
  /** 0 is the full image. */
  readonly level: number;
  readonly column: number;
  readonly row: number;
}

/** What stops a call, and how much it may take. */
export interface ViewOptions {
  /** Limits that differ from the engine's. */
  readonly limits?: Partial<RenderLimits>;
  /** What a catalog decides of a view, for `plan` and `render`. */
  readonly catalog?: ViewCatalog;
  readonly signal?: AbortSignal;
}

/** How a tile is wanted. */
export interface TileOptions extends ViewOptions {
  /**
   * At the right and lower edge of a level: `cropped` to the level (default; such a tile is decoded and encoded), or
   * `padded` to the full tile, as it is stored.
   */
  readonly edge?: 'cropped' | 'padded';
  /** Embed the image's profile. Default false. */
  readonly icc?: boolean;
}

/** A rectangle of a level, in whole pixels of it. */
export interface RegionAddress extends Rect {
  readonly level: number;
}

/** Samples of a region: `height` rows of `width` pixels of `channels` samples. */
export interface RegionPixels {
  /** The caller's. 16-bit samples are in the machine's byte order. */
  readonly data: Uint8Array | Uint16Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly pixels: PixelType;
}

/** A part of a request; what is left out has its default, and so has what a nested object leaves out. */
export type PartialRequest = { readonly [Key in keyof ImageRequest]?: PartialField<ImageRequest[Key]> };
type PartialField<T> = T extends readonly unknown[] ? T : T extends object ? { readonly [K in keyof T]?: T[K] } : T;

/** What a picture needs of its engine. */
export interface PictureContext {
  readonly renderer: Renderer;
  readonly limits: RenderLimits;
  /** Is told what of an image's colours was left aside, once for as long as the image is open. */
  onWarning(message: string): void;
  /** Chooses the profiles of views; the folders of profiles are read when it is first asked for. */
  colours(catalog?: CatalogColour): Promise<ColourChooser>;
  /** Throws `ENGINE_CLOSED` when the engine is closed or closing. */
  checkOpen(): void;
  /** Runs a task under the caller's signal, the engine's, and a deadline. */
  run<Value>(
    signal: AbortSignal | undefined,
    deadlineMs: number,
    task: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value>;
}

/**
 * An image that is open for views. It goes on showing the file as it was when it was opened, also when that is replaced
 * under its path; a file that is rewritten in place is `SOURCE_CHANGED`. Close it when done.
 *
 * Every call rejects with a `PyramidionError`: `INVALID_REQUEST` for a place or a command that is not there,
 * `FORMAT_UNSUPPORTED`, `LIMIT_EXCEEDED` (which names the setting, the value and the limit), `DEADLINE_EXCEEDED`,
 * `CORRUPT_IMAGE` and `UNSUPPORTED_IMAGE` for tiles that cannot be decoded, those of reading, `ABORTED`, `ENGINE_CLOSED`.
 */
export class Picture {
  readonly info: PictureInfo;
  readonly #image: OpenImage;
  readonly #context: PictureContext;
  /** Views and regions under way, those that wait for a place among them. */
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | null = null;

  /** Made by `Engine.open`; it takes the image over. */
  constructor(image: OpenImage, context: PictureContext) {
    this.#image = image;
    this.#context = context;
    const { structure } = image;
    this.info = {
      kind: image.kind,
      name: image.source.name,
      version: image.source.version,
      modifiedMs: image.source.modified?.getTime() ?? null,
      ...orientedSize(structure, structure.orientation),
      orientation: structure.orientation,
      levels: structure.levels.map(({ width, height, tileWidth, tileHeight, downsampleX, downsampleY }) => ({
        width,
        height,
        tileWidth,
        tileHeight,
        columns: ceilDiv(width, tileWidth),
        rows: ceilDiv(height, tileHeight),
        downsample: { x: downsampleX, y: downsampleY },
      })),
      pixels: image.pixels,
      profile: image.profile,
      dpi: image.dpi,
    };
  }

  /**
   * One tile of a level. A JPEG or WebP tile comes as it is stored, as a file of its own: no pixel is decoded. One of
   * another coding, and one that has to be cropped, is decoded and encoded: as JPEG of quality 95 (4:4:4) where the
   * level is JPEG, else as PNG.
   */
  async tile(address: TileAddress, options: TileOptions = {}): Promise<Rendition> {
    const { level, column, row } = address;
    const { edge = 'cropped', icc = false } = options;
    const shape = this.#level(level);
    const isInside = column >= 0 && row >= 0 && column < shape.columns && row < shape.rows;
    if (!isInside || !Number.isInteger(column) || !Number.isInteger(row)) {
      throw new PyramidionError(
        'INVALID_REQUEST',
        `level ${level} has ${shape.columns} × ${shape.rows} tiles; got column ${column}, row ${row}`,
        { option: 'tile', value: [column, row], limit: [shape.columns, shape.rows] },
      );
    }
    const left = column * shape.tileWidth;
    const top = row * shape.tileHeight;
    const width = Math.min(shape.tileWidth, shape.width - left);
    const height = Math.min(shape.tileHeight, shape.height - top);
    const isWhole = width === shape.tileWidth && height === shape.tileHeight;
    if (isWhole || edge === 'padded') {
      // No more than a read: it takes no renderer, and needs no deadline of its own.
      this.#context.checkOpen();
      const stored = await this.#image.storedTile(level, column, row, icc, options.signal);
      if (stored?.browserSafe) {
        const { bytes, mediaType } = stored;
        const reply = { bytes, mediaType, width: stored.width, height: stored.height, quality: null, tile: address };
        return checkSize(reply, this.#limits(options));
      }
    }
    const frame = edge === 'padded' ? { width: shape.tileWidth, height: shape.tileHeight } : { width, height };
    return this.#run(options, ({ signal, limits }) => {
      const rect = { level, rect: { left, top, width, height } };
      const region = planRect(this.#image.structure, rect, frame, limits);
      const encoding = tileEncoding(this.#image, icc);
      checkSides(encoding, frame);
      const plan = { region, colour: null, dither: null, encoding };
      return carryOut(this.#image, plan, { renderer: this.#context.renderer, limits, signal });
    });
  }

  /** The samples of a rectangle of a level, as stored: neither scaled nor turned. White where tiles are missing. */
  async region({ level, ...rect }: RegionAddress, options: ViewOptions = {}): Promise<RegionPixels> {
    const shape = this.#level(level);
    const { left, top, width, height } = rect;
    const isInside =
      [left, top, width, height].every(Number.isInteger) &&
      left >= 0 &&
      top >= 0 &&
      width > 0 &&
      height > 0 &&
      left + width <= shape.width &&
      top + height <= shape.height;
    if (!isInside) {
      throw new PyramidionError(
        'INVALID_REQUEST',
        `a region of level ${level} lies within its ${shape.width} × ${shape.height} pixels; got ${width} × ${height} at ${left}, ${top}`,
        { option: 'region', value: rect, limit: { width: shape.width, height: shape.height } },
      );
    }
    return this.#run(options, async ({ signal, limits }) => {
      const { pixels, structure } = this.#image;
      const region = planRect(structure, { level, rect }, { width, height }, limits);
      const encoding = rawEncoding(pixels);
      const { renderer } = this.#context;
      const { bytes, samples } = await makeView(this.#image, { region, encoding }, { renderer, signal });
      const { output } = encoding;
      return {
        data: output.bits === 8 ? bytes : new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2),
        width,
        height,
        channels: samples,
        pixels: output,
      };
    });
  }

  /** What {@link render} would do, as data: no pixel is read. */
  async plan(request: PartialRequest | string, options: ViewOptions = {}): Promise<ViewPlan> {
    this.#checkOpen();
    return this.#plan(requestOf(request), options, this.#limits(options));
  }

  /**
   * A view: what an Image Serving query (`wid=800&fmt=png`, without `?`) or a request asks for. Views are seamless:
   * `rect` pieces of one view, put together, are the view.
   */
  async render(request: PartialRequest | string, options: ViewOptions = {}): Promise<Rendition> {
    return this.view(requestOf(request), options);
  }

  /** {@link render} for a request that is complete, as `parseModifiers` and `requestOf` yield it: it is not checked again. */
  async view(request: ImageRequest, options: ViewOptions = {}): Promise<Rendition> {
    this.#checkOpen();
    const limits = this.#limits(options);
    const plan = await this.#plan(request, options, limits);
    this.#warn(plan.colour?.warnings ?? []);
    // A stored tile is no more than a read: it takes no renderer, and needs no deadline of its own.
    const stored = await storedView(this.#image, plan, limits, options.signal);
    if (stored !== null) return stored;
    const { renderer } = this.#context;
    return this.#run(options, ({ signal }) => carryOut(this.#image, plan, { renderer, limits, signal }));
  }

  /** Places of a level's tiles in the file, row by row; length 0 where one is missing. Borrowed: do not change them. */
  async tileIndex(level: number): Promise<TileIndex> {
    this.#level(level);
    return this.#image.tileIndex(level);
  }

  /** The XMP packet as the file has it, the caller's; null when there is none. */
  async xmp(): Promise<Uint8Array | null> {
    this.#context.checkOpen();
    return this.#image.xmp();
  }

  /** Waits for what is under way, then lets go of the file. What is asked for later is refused: `SOURCE_UNREADABLE`. */
  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#running).then(() => this.#image.close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #plan(request: ImageRequest, { catalog = {} }: ViewOptions, limits: RenderLimits): Promise<ViewPlan> {
    const colours = await this.#context.colours(catalog.colour);
    return planView(this.#image, request, { limits, colours, catalog });
  }

  #checkOpen(): void {
    this.#context.checkOpen();
    if (this.#closing !== null) throw new PyramidionError('SOURCE_UNREADABLE', `${this.info.name} is closed`);
  }

  #warn(warnings: readonly string[]): void {
    if (warnings.length === 0) return;
    const before = told.get(this.#image) ?? new Set();
    told.set(this.#image, before);
    for (const warning of warnings) {
      if (before.has(warning)) continue;
      before.add(warning);
      this.#context.onWarning(`${this.info.name}: ${warning}`);
    }
  }

  #level(level: number): PictureLevel {
    const found = this.info.levels[level];
    if (found !== undefined) return found;
    const limit = this.info.levels.length - 1;
    throw new PyramidionError('INVALID_REQUEST', `level must be 0…${limit}; got ${level}`, {
      option: 'level',
      value: level,
      limit,
    });
  }

  #limits({ limits }: ViewOptions): RenderLimits {
    return limits === undefined ? this.#context.limits : resolveLimits(limits, this.#context.limits);
  }

  async #run<Value>(
    options: ViewOptions,
    task: (given: { signal: AbortSignal; limits: RenderLimits }) => Promise<Value>,
  ): Promise<Value> {
    this.#checkOpen();
    const limits = this.#limits(options);
    const running = this.#context.run(options.signal, limits.deadlineMs, (signal) => task({ signal, limits }));
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }
}

/** What was told of images that are open: one image may be shown by many pictures. */
const told = new WeakMap<OpenImage, Set<string>>();

/** How a tile that cannot go out as it is stored is written. */
function tileEncoding({ pixels, profile, pyramid, dpi }: OpenImage, icc: boolean): Encoding {
  const isJpeg = pyramid?.info.compression === 'jpeg';
  const format = isJpeg ? 'jpeg' : pixels.alpha === 'none' ? 'png' : 'png-alpha';
  const pixelType = isJpeg || pixels.space !== 'cmyk' ? pixels.space : 'rgb';
  const output = { ...defaultRequest.output, format, pixelType, quality: 95, fullChroma: true, iccEmbed: icc };
  const facts = {
    hasAlpha: pixels.alpha !== 'none',
    space: pixels.space,
    dpi: dpi?.x ?? null,
    icc: profile?.bytes ?? null,
    iccSpace: pixels.space,
    xmp: null,
  };
  return planEncoding(output, facts, ENCODE_DEFAULTS);
}

/** A request with its defaults, checked. Text is an Image Serving query. */
export function requestOf(request: PartialRequest | string): ImageRequest {
  if (typeof request === 'string') return parseModifiers(request).request;
  return completeRequest(request);
}
