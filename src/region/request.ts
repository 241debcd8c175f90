/**
 * What a client asks for: one view of one image, whichever protocol it came by. Plain data in which every default has
 * been applied; `null` stands for what has none. Spaces: S is the image turned upright, at full resolution; L the
 * layer, C the composite (layer 0 after its transform), V the view, R the reply.
 */
import { PyramidionError, shown } from '../errors.js';
import type { Kernel, UnsharpMask } from '../native/contract.js';

/** Mirrored left to right, upside down, or both. */
export type Flip = 'none' | 'lr' | 'ud' | 'lrud';

/** Samples and opacity, 0…1 each and not premultiplied: 1 gray sample (1 is white), 3 of RGB or 4 of CMYK (1 is full ink). */
export interface RequestColour {
  readonly space: 'gray' | 'rgb' | 'cmyk';
  readonly samples: readonly number[];
  readonly alpha: number;
  /** The samples are in the source's space; else in the reply's. */
  readonly source: boolean;
}

/** A rectangle in pixels, or in parts of what it refers to. */
export interface CropRequest {
  readonly unit: 'pixels' | 'parts';
  readonly x: number;
  readonly y: number;
  /** 0 reaches to the edge. */
  readonly width: number;
  readonly height: number;
}

/** The size of layer 0. `size` bounds it in pixels, 0 leaves a side free; `res` is in pixels per inch. */
export type LayerScale =
  | { readonly by: 'size'; readonly width: number; readonly height: number }
  | { readonly by: 'scale'; readonly factor: number }
  | { readonly by: 'res'; readonly dpi: number };

/** A point of S in pixels, or in parts of its size from the centre (−0.5…0.5 is inside). */
export interface AnchorRequest {
  readonly unit: 'pixels' | 'parts';
  readonly x: number;
  readonly y: number;
}

/** Margins added to layer 0 (negative ones cut), in pixels of L after rotation or in parts of its size then. */
export interface ExtendRequest {
  readonly unit: 'pixels' | 'parts';
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** From S to C, in this order: crop, scale, flip, rotate, extend. */
export interface LayerRequest {
  /** In S; it may reach beyond the image. null: the whole image. */
  readonly crop: CropRequest | null;
  /** null: one to one. */
  readonly scale: LayerScale | null;
  readonly flip: Flip;
  /** Degrees, clockwise. */
  readonly rotate: number;
  /** Centre of rotation. null: the image's centre. */
  readonly anchor: AnchorRequest | null;
  readonly extend: ExtendRequest | null;
  /** Lies under the layer, all over its final rectangle. */
  readonly bgColor: RequestColour;
}

/** How a region is brought into a rectangle: see the protocol's §5.3. */
export type FitMode = 'fit' | 'constrain' | 'crop' | 'wrap' | 'stretch' | 'hfit' | 'vfit';

/** A rectangle in whole pixels, as requests write it. */
export interface RequestRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** From C to R. */
export interface ViewRequest {
  /** Region of interest in C; it selects and does not cut. null: all of C. */
  readonly rgn: RequestRect | null;
  /** Size of V in pixels. */
  readonly wid: number | null;
  readonly hei: number | null;
  /** Divides the size of C (2 is half). */
  readonly scl: number | null;
  /** null: not asked for, which is `fit` without enlarging. */
  readonly fit: { readonly mode: FitMode; readonly upscale: boolean } | null;
  /** −1…1 each: left or top, through the centre, to right or bottom. */
  readonly align: { readonly x: number; readonly y: number };
  /** Window of V, in pixels of V after `scale` (above 1 is more pixels). null: all of V. */
  readonly rect: (RequestRect & { readonly scale: number }) | null;
  /** Bounds of V where none of `wid`, `hei` and `scl` is given; 0 leaves a side free. */
  readonly defaultPix: readonly [width: number, height: number];
  /** Multiplies the size of V, which then is kept within the limits. */
  readonly dpr: number | null;
}

/** A thumbnail: V is a rectangle in any case, filled by rules of its own (§5.4). */
export interface ThumbnailRequest {
  /** `crop` covers the rectangle, `fit` lies within it, `texture` shows the image at `res`. */
  readonly type: 'crop' | 'fit' | 'texture';
  readonly horizontal: 'left' | 'centre' | 'right';
  readonly vertical: 'top' | 'centre' | 'bottom';
  /** Pixels per inch, for `texture`. */
  readonly res: number;
  /** Size of V where `wid` or `hei` is not given; 0 takes the composite's proportions. */
  readonly defaultPix: readonly [width: number, height: number];
}

/** Sharpening of the final view; radii are in its pixels. */
export interface SharpenRequest {
  readonly simple: boolean;
  readonly usm: UnsharpMask | null;
  readonly usmR: UnsharpMask | null;
}

/** Rendering into a named profile; null where the attribute decides. */
export interface IccRequest {
  /** Name or path, as written. */
  readonly profile: string;
  readonly intent: 'perceptual' | 'relative' | 'saturation' | 'absolute' | null;
  readonly blackPointCompensation: boolean | null;
  readonly dither: boolean | null;
}

/** Colours of PNG8 and GIF. */
export interface QuantizeRequest {
  readonly kind: 'adaptive' | 'web' | 'mac';
  /** Error diffusion. */
  readonly diffuse: boolean;
  /** 2…256 (255 for formats with alpha, whose transparent entry comes on top); null: as many as there can be. */
  readonly colours: number | null;
  /** Colours the palette has in any case: R, G, B, R, G, B …, 0…255 */
  readonly forced: readonly number[];
}

/** How the reply is written. Which words go together is for the encoder to say. */
export interface OutputRequest {
  /** Words in lower case, as written: `jpeg`, `png-alpha` … */
  readonly format: string;
  /** `gray`, `rgb`, `cmyk`; null: the one that goes without saying. */
  readonly pixelType: string | null;
  /** `none`, `lossy`, `lossless`, `jpeg`, `lzw`, `zip`; null: the format's own. */
  readonly compression: string | null;
  /** Bits of a sample. No protocol asks for other than 8: 16, in PNG and TIFF, is the library's. */
  readonly bits: 8 | 16;
  /** 1…100; null: the attribute's, with its own chroma flag. */
  readonly quality: number | null;
  /** Chroma at full resolution (4:4:4). */
  readonly fullChroma: boolean;
  /** Kilobytes (1024 bytes) the JPEG may have; 0: any. */
  readonly jpegSize: number;
  /**
   * Scans of a progressive JPEG. The base's encoder takes no scan script, so 3, 4 and 5 are accepted and get the same
   * script as `auto`.
   */
  readonly pscan: 'auto' | 3 | 4 | 5;
  readonly quantize: QuantizeRequest;
  /** Copy the image's XMP packet. JPEG and TIFF only; the others ignore it. */
  readonly xmpEmbed: boolean;
  /** Embed the profile of the reply's pixels. Formats that carry none ignore it. */
  readonly iccEmbed: boolean;
  readonly icc: IccRequest | null;
  /** Pixels per inch the reply states; null: the image's. */
  readonly printRes: number | null;
}

/** One view of one image. */
export interface ImageRequest {
  readonly layer: LayerRequest;
  /** Mirrors C, after the layer's transform. */
  readonly flip: Flip;
  readonly view: ViewRequest;
  /** null: an ordinary view. */
  readonly thumbnail: ThumbnailRequest | null;
  /** Fills what C does not cover, and lies under transparency; opaque. */
  readonly bgc: RequestColour;
  readonly kernel: Kernel;
  readonly linearLight: boolean;
  readonly sharpen: SharpenRequest;
  readonly output: OutputRequest;
}

/** White, opaque. */
export const WHITE: RequestColour = { space: 'rgb', samples: [1, 1, 1], alpha: 1, source: false };

/** Nothing. */
export const TRANSPARENT: RequestColour = { space: 'rgb', samples: [0, 0, 0], alpha: 0, source: false };

/** A request that asks for nothing in particular: the whole image within 300 × 300 pixels, as JPEG. */
export const defaultRequest: ImageRequest = {
  layer: { crop: null, scale: null, flip: 'none', rotate: 0, anchor: null, extend: null, bgColor: TRANSPARENT },
  flip: 'none',
  view: {
    rgn: null,
    wid: null,
    hei: null,
    scl: null,
    fit: null,
    align: { x: 0, y: 0 },
    rect: null,
    defaultPix: [300, 300],
    dpr: null,
  },
  thumbnail: null,
  bgc: WHITE,
  kernel: 'sharp2',
  linearLight: false,
  sharpen: { simple: false, usm: null, usmR: null },
  output: {
    format: 'jpeg',
    pixelType: null,
    compression: null,
    bits: 8,
    quality: null,
    fullChroma: false,
    jpegSize: 0,
    pscan: 'auto',
    quantize: { kind: 'adaptive', diffuse: true, colours: null, forced: [] },
    xmpEmbed: false,
    iccEmbed: false,
    icc: null,
    printRes: null,
  },
};

/** The `INVALID_REQUEST` of a command: names it, what it may be and what was given. */
export function invalidRequest(command: string, value: unknown, expected: string): PyramidionError {
  return new PyramidionError('INVALID_REQUEST', `${command} must be ${expected}; got ${shown(value)}`, {
    option: command,
    value,
    limit: expected,
  });
}

/** The `INVALID_REQUEST` of a command that contradicts another, or that is not there to be had. */
export function refusedRequest(command: string, value: unknown, reason: string): PyramidionError {
  return new PyramidionError('INVALID_REQUEST', `${command} ${reason}`, { option: command, value });
}

/**
 * A request as one line of text: requests for the same picture in the same form have the same line. What cannot
 * matter is left out (the turn beyond 360°, an anchor nothing turns about, a crop of nothing, no scale, no margins,
 * sharpening by nothing). For cache keys and for people; nothing reads it back.
 */
export function canonical(request: ImageRequest): string {
  const { layer, view, sharpen } = request;
  const rotate = ((layer.rotate % 360) + 360) % 360;
  const fitMatters = view.fit === null && view.scl === null && (view.wid !== null || view.hei !== null);
  return stable({
    ...request,
    layer: {
      ...layer,
      rotate,
      anchor: rotate % 90 === 0 ? null : layer.anchor,
      crop: layer.crop !== null && isWhole(layer.crop) ? null : layer.crop,
      scale: layer.scale?.by === 'scale' && layer.scale.factor === 1 ? null : layer.scale,
      extend: layer.extend !== null && isNothing(layer.extend) ? null : layer.extend,
    },
    view: fitMatters ? { ...view, fit: { mode: 'fit', upscale: false } } : view,
    sharpen: { simple: sharpen.simple, usm: effective(sharpen.usm), usmR: effective(sharpen.usmR) },
  } satisfies ImageRequest);
}

function isWhole({ unit, x, y, width, height }: CropRequest): boolean {
  const reachesEdge = (length: number): boolean => length === 0 || (unit === 'parts' && length === 1);
  return x === 0 && y === 0 && reachesEdge(width) && reachesEdge(height);
}

function isNothing({ left, top, right, bottom }: ExtendRequest): boolean {
  return left === 0 && top === 0 && right === 0 && bottom === 0;
}

/** The mask, unless it changes nothing: without an amount, or without a radius. */
export function effective(mask: UnsharpMask | null): UnsharpMask | null {
  return mask !== null && mask.amount > 0 && mask.radius > 0 ? mask : null;
}

/** JSON with the keys of every object in order. */
function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${key}:${stable(item)}`).join()}}`;
}
