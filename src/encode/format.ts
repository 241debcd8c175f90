/** What a format is to the planner, and what the planner is told and answers. */
import type { EncodeStep, PaletteStep, PixelType } from '../native/contract.js';
import type { QuantizeRequest } from '../region/request.js';

/** Pixel spaces of a reply. */
export type Space = PixelType['space'];

/** What is known of the picture that is to be encoded. */
export interface PictureFacts {
  /** Whether a pixel of the view may be transparent, those around the picture included. */
  readonly hasAlpha: boolean;
  /** Space of the reply where the request names none: that of the output profile, gray for masks, else RGB. */
  readonly space: Space;
  /** Pixels per inch of the source; null where it does not say. */
  readonly dpi: number | null;
  /** Profile of the source, and the space of the pixels it describes: a reply of other pixels goes without it. */
  readonly icc: Uint8Array | null;
  readonly iccSpace: Space;
  /** XMP packet of the source. */
  readonly xmp: Uint8Array | null;
}

/** Defaults from the server's settings. */
export interface EncodeDefaults {
  /** 1…100 */
  readonly jpegQuality: number;
  /** Chroma at full resolution (4:4:4), where no quality is asked for. */
  readonly fullChroma: boolean;
  /** Pixels per inch. */
  readonly printResolution: number;
}

/** The settings' own defaults. */
export const ENCODE_DEFAULTS: EncodeDefaults = { jpegQuality: 80, fullChroma: false, printResolution: 72 };

/** How a view becomes a reply. */
export interface Encoding {
  readonly mediaType: string;
  /** Of a file's name, without the dot. */
  readonly extension: string;
  /** What the picture is brought to before it is encoded. */
  readonly output: PixelType;
  /** The format keeps transparency: what is not covered stays transparent, and no background is put under it. */
  readonly keepsAlpha: boolean;
  /** Longest side in pixels the format can hold. */
  readonly maxSide: number;
  readonly encode: EncodeStep;
}

/** A request with defaults applied and values checked, as a format's own part sees it. */
export interface Settings {
  readonly quality: number;
  readonly fullChroma: boolean;
  readonly maxBytes: number;
  /** The word of the request that the format knows, null for none. */
  readonly compression: Compression | null;
  readonly quantize: QuantizeRequest;
  readonly output: PixelType;
  readonly keepsAlpha: boolean;
}

/** Words for a compression. */
export type Compression = 'none' | 'jpeg' | 'lossy' | 'lossless' | 'lzw' | 'zip';

/** The part of an encode step that a format decides. */
export interface Coding {
  readonly saver: string;
  readonly options: EncodeStep['options'];
  readonly maxBytes: number;
  readonly palette: PaletteStep | null;
}

/** One format: what it can hold, and how settings become a coding. */
export interface Format {
  /** First the name it goes by, then what else it is called. */
  readonly names: readonly [string, ...string[]];
  readonly mediaType: string;
  readonly extension: string;
  readonly spaces: readonly Space[];
  /** There is an `-alpha` variant. */
  readonly alpha: boolean;
  readonly bits: readonly (8 | 16)[];
  /** Words it takes; none of them means what it does without a word. */
  readonly compressions: readonly Compression[];
  /** What can be written beside the pixels. */
  readonly carries: { readonly icc: boolean; readonly xmp: boolean; readonly dpi: boolean };
  readonly maxSide: number;
  /** Throws {@link PyramidionError} for settings that do not go together. */
  coding(settings: Settings): Coding;
}
