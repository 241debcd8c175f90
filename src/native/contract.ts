/**
 * What the native addon offers: a few synchronous functions over plain data. `native/core/job.h` has the same
 * structures under the same field names. Only `src/pool/worker.js` calls them; a call blocks its thread until the
 * bytes are made. Every function throws an `Error` with `code` (one of `ERROR_CODES`) and `detail` (for the log).
 */

/** Formats the engine opens, each through one named libvips loader and no other. `heif` holds AVIF. */
export type SourceFormat = 'jpeg' | 'png' | 'tiff' | 'webp' | 'gif' | 'heif';

/** Where the bytes of a source are. `size` is the length when it was probed: a shorter read is `SOURCE_CHANGED`. */
export type NativeInput = { readonly path: string; readonly size: number } | { readonly bytes: Uint8Array };

/** Which image of which source to look at. */
export interface ProbeJob {
  readonly input: NativeInput;
  readonly format: SourceFormat;
  /** Page index from 0 (TIFF directory, GIF/WebP frame, HEIF item). */
  readonly page: number;
}

/** libvips' sample type of the decoded image. */
export type SampleType =
  | 'uchar'
  | 'char'
  | 'ushort'
  | 'short'
  | 'uint'
  | 'int'
  | 'float'
  | 'double'
  | 'complex'
  | 'dpcomplex';

/** The header of one image, as the loader reports it: no pixel has been decoded. */
export interface ProbeResult {
  /** Stored size in pixels, before any orientation is applied. */
  readonly width: number;
  readonly height: number;
  /** Samples of a pixel after decoding, alpha included (a palette is already expanded). */
  readonly bands: number;
  readonly sampleType: SampleType;
  /** libvips interpretation nickname: `srgb`, `b-w`, `cmyk`, `lab`, `labs`, `rgb16`, `grey16`, `multiband`, … */
  readonly interpretation: string;
  /** Bits per stored sample (1, 2, 4, 8, 16, 32, 64), where the loader says; else those of the sample type. */
  readonly bitsPerSample: number;
  readonly hasAlpha: boolean;
  readonly palette: boolean;
  /** EXIF/TIFF orientation 1…8; 1 when absent or illegal. */
  readonly orientation: number;
  readonly pages: number;
  /** Pixels per inch, 0 when the file does not say. */
  readonly dpiX: number;
  readonly dpiY: number;
  /** Progressive JPEG or interlaced PNG. */
  readonly interlaced: boolean;
  /** `4:4:4`, `4:2:0` … where the loader says, else ''. */
  readonly chromaSubsampling: string;
  /** Metadata blocks as found; absent ones are left out. JS owns the bytes. */
  readonly icc?: Uint8Array;
  readonly xmp?: Uint8Array;
  readonly exif?: Uint8Array;
  readonly iptc?: Uint8Array;
  readonly photoshop?: Uint8Array;
}

/** Pixel type of the pyramid that is written. */
export interface PixelType {
  readonly space: 'gray' | 'rgb' | 'cmyk';
  readonly bits: 8 | 16;
  /** `associated` stores premultiplied samples (ExtraSamples 1), `straight` unpremultiplied ones (2). */
  readonly alpha: 'none' | 'straight' | 'associated';
}

/** How stored tiles are coded. */
export type TileCoding =
  | { readonly kind: 'none' }
  | { readonly kind: 'deflate'; readonly level: number; readonly predictor: boolean }
  | { readonly kind: 'lzw'; readonly predictor: boolean }
  | { readonly kind: 'jpeg'; readonly quality: number; readonly subsample: boolean }
  | { readonly kind: 'webp'; readonly quality: number; readonly lossless: boolean; readonly effort: number };

/** The 2:1 filters a reduced level can be made with. */
export type ReductionFilter = 'mean' | 'lanczos' | 'flashpix' | 'bicubic-sharp';

/** Unsharp mask `v + amount·(v − G(v))` where `|v − G(v)|·255 ≥ threshold`, G a Gaussian with σ = radius. */
export interface UnsharpMask {
  /** 0…5 */
  readonly amount: number;
  /** σ in pixels of the level, 0…250 */
  readonly radius: number;
  /** 0…255 */
  readonly threshold: number;
  /** Sharpen luma only (RGB). */
  readonly monochrome: boolean;
}

/** Border search: see `ptiff-converter` §3. */
export interface AutocropJob {
  readonly corner: 'ul' | 'ur' | 'll' | 'lr';
  /** `colour`: away what matches the corner's pixel; `alpha`: away what is transparent. */
  readonly mode: 'colour' | 'alpha';
  /** 0…1 of full scale, per component. */
  readonly tolerance: number;
}

/** A rectangle in whole pixels, origin top left, half-open. */
export interface NativeRect {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Conversion from one ICC profile into another. */
export interface ColourJob {
  /** Profile of the source pixels; it overrides an embedded one. */
  readonly inputProfile: Uint8Array;
  readonly outputProfile: Uint8Array;
  readonly intent: 'perceptual' | 'relative' | 'saturation' | 'absolute';
  readonly blackPointCompensation: boolean;
}

/** TIFF field types the writer knows: BYTE 1, ASCII 2, SHORT 3, LONG 4, RATIONAL 5, UNDEFINED 7, SLONG 9, SRATIONAL 10 … */
export interface TiffTag {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  /** The values, little-endian, `count` of them; empty when `ifd` is given. */
  readonly value: Uint8Array;
  /** A private directory the field points at (EXIF 34665, GPS 34853, Interoperability 40965). */
  readonly ifd?: readonly TiffTag[];
}

/** Everything one build needs. Defaults and policy have been applied: nothing is optional. */
export interface BuildJob {
  readonly input: NativeInput;
  readonly format: SourceFormat;
  readonly page: number;
  /** EXIF orientation to undo, 1…8. Sizes below are after it. */
  readonly orientation: number;
  readonly pixels: PixelType;
  readonly colour: ColourJob | null;
  /** Tile edge in pixels, a multiple of 16. */
  readonly tileSize: number;
  /** Levels to write, the full one included. Each is `ceil(previous / 2)`. */
  readonly levels: number;
  readonly layout: 'pages' | 'subifds';
  readonly bigTiff: boolean;
  readonly coding: TileCoding;
  readonly reduction: ReductionFilter;
  readonly linearLight: boolean;
  readonly unsharp: UnsharpMask | null;
  /** Fields of the first directory beyond those that describe the pixels, in any order. */
  readonly tags: readonly TiffTag[];
  readonly autocrop: AutocropJob | null;
  /** File to create; it must not exist. It is synced before the call returns and removed when the call throws. */
  readonly output: string;
  /** Threads that may work on this build, the calling one included. */
  readonly threads: number;
  /** Shared with the main thread while the call runs: see {@link CONTROL}. */
  readonly control: BigInt64Array;
}

/** One written level. */
export interface BuiltLevel {
  readonly width: number;
  readonly height: number;
  readonly tiles: number;
  /** Compressed bytes of its tiles. */
  readonly bytes: number;
}

/** What a build reports. */
export interface BuildResult {
  readonly levels: readonly BuiltLevel[];
  /** Length of the file. */
  readonly bytes: number;
  /** Rectangle in level-0 pixels after orientation; null when none was asked for or all would go. */
  readonly autocrop: NativeRect | null;
  readonly warnings: readonly string[];
}

/** Decode every pixel of one image (or of one level of a TIFF) and keep none. */
export interface VerifyJob {
  readonly input: NativeInput;
  readonly format: SourceFormat;
  readonly page: number;
  /** SubIFD of the page, −1 for the page itself. TIFF only. */
  readonly subIfd: number;
  readonly control: BigInt64Array;
}

/** Where the stored pixels that a rendition is made of come from. Coordinates of the job are pixels of this picture. */
export type PixelSource = LevelPixels | ImagePixels;

/** Part of one level of a pyramid: the tiles a view touches, and no more, as a small TIFF of their own. */
export interface LevelPixels {
  readonly kind: 'level';
  /** The TIFF, in its file's byte order. On a `SharedArrayBuffer`: it is not copied on its way. */
  readonly tiff: Uint8Array;
  /** Size of the picture in it. Tiles start at its top left corner. */
  readonly width: number;
  readonly height: number;
  /** Tiles of the picture; a strip is a tile as wide as the picture. */
  readonly tileWidth: number;
  readonly tileHeight: number;
  /** Offset and length in `tiff` of each tile, row by row; length 0 where the file has none: background is put there. */
  readonly tiles: Uint32Array;
  /** Directories of `tiff` to be joined, one for each sample of a pixel (tiles in separate planes); else 1. */
  readonly planes: number;
  /** For JPEG tiles that need no libvips: their tables' place in `tiff` (length 0: none) and how components are read. */
  readonly jpeg: {
    readonly tablesOffset: number;
    readonly tablesLength: number;
    readonly colour: 'gray' | 'ycbcr' | 'rgb' | 'cmyk';
  } | null;
  /** What has yet to be read into `tiff`: by the worker, before native code sees it. Absent: nothing. */
  readonly reads?: FileReads | undefined;
}

/** Ranges of an open file that belong behind the bytes at hand: read where they are used, they need not change threads. */
export interface FileReads {
  /** A descriptor of this process, open until the job is done. */
  readonly fd: number;
  /** Length of the whole. */
  readonly bytes: number;
  /** Position in the whole, length, and offset in the file of each range. */
  readonly runs: Float64Array;
}

/** A whole image that is no pyramid; decoded from its start as far as the view needs. */
export interface ImagePixels {
  readonly kind: 'image';
  readonly input: NativeInput;
  readonly format: SourceFormat;
  readonly page: number;
}

/** Resampling kernels: triangle, Catmull-Rom cubic, Lanczos of 3 lobes, Keys' cubic with a = −1. */
export type Kernel = 'bilin' | 'bicub' | 'sharp2' | 'bisharp';

/**
 * One axis of a resampling. Output pixel `i` of the whole view is centred at source coordinate `origin + (i + ½)·step`
 * (source pixel `j` covers `j … j + 1`); `first … first + count` of them are made. Samples outside `low … high` repeat
 * the edge.
 */
export interface Axis {
  readonly origin: number;
  readonly step: number;
  readonly first: number;
  readonly count: number;
  readonly low: number;
  readonly high: number;
}

/** A rotation by any angle, after resampling: a pixel centre `(x, y)` of the result lies at `(a·x + b·y + c, d·x + e·y + f)` of the resampled picture. */
export interface RotateStep {
  readonly width: number;
  readonly height: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
  /** The whole image in pixels of the resampled picture: its edges are where transparency begins. */
  readonly bounds: NativeRect;
}

/** Sharpening of the final view: the 3 × 3 kernel of `op_sharpen`, or an unsharp mask. */
export type SharpenStep = { readonly kind: 'simple' } | ({ readonly kind: 'unsharp' } & UnsharpMask);

/** A colour in the samples of the result, 0…1 each, and its opacity. */
export interface FillColour {
  readonly samples: readonly number[];
  readonly alpha: number;
}

/** Where the picture lies in the reply, and what is around and under it. */
export interface FrameStep {
  readonly width: number;
  readonly height: number;
  /** Place of the picture's top left pixel; it may lie outside. */
  readonly left: number;
  readonly top: number;
  /** The composite's rectangle in the reply, and its `bgColor`. */
  readonly canvas: NativeRect;
  readonly canvasColour: FillColour;
  /** Under everything; with an alpha of 0 what is not covered is transparent. */
  readonly background: FillColour;
}

/**
 * Dithering, so that pieces of a view join: the frame is larger than the reply, by squares of a grid that is fixed to the
 * view.
 */
export interface DitherStep {
  /** Where the frame's top left pixel lies in the view. */
  readonly x: number;
  readonly y: number;
  /** The part of the frame that is the reply. */
  readonly keep: NativeRect;
}

/** How a picture becomes bytes. `saver` is `raw` (the samples), `jpeg` (our own encoder) or a libvips saver's name. */
export interface EncodeStep {
  readonly saver: string;
  /** Checked against what the saver takes. Enumerations by their nicknames. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** Lower the quality until the reply has at most so many bytes; 0: as it is. JPEG only. */
  readonly maxBytes: number;
  /** Colours are brought to a palette first. */
  readonly palette: PaletteStep | null;
  readonly icc: Uint8Array | null;
  readonly xmp: Uint8Array | null;
  /** Pixels per inch that the reply states; 0 for none. */
  readonly dpi: number;
}

/** Colours of PNG8 and GIF. */
export interface PaletteStep {
  readonly kind: 'adaptive' | 'web' | 'mac';
  /** Floyd–Steinberg error diffusion. */
  readonly diffuse: boolean;
  /** 2…256; one of them is the transparent one when there is alpha. */
  readonly colours: number;
  /** Colours the palette has in any case: R, G, B, R, G, B … */
  readonly forced: Uint8Array;
}

/** Everything one rendition needs: the steps in their order. */
export interface RenderJob {
  /** Null when no pixel of the image is in the view. */
  readonly source: PixelSource | null;
  /** What stored pixels are brought to as they are decoded. `associated` alpha is divided out. */
  readonly pixels: PixelType;
  /** Bits of the samples from the resampling to the frame, at least those of `pixels`. */
  readonly workingBits: 8 | 16;
  readonly x: Axis;
  readonly y: Axis;
  readonly kernel: Kernel;
  /** Resample in linear light (sRGB's transfer function). */
  readonly linearLight: boolean;
  readonly rotate: RotateStep | null;
  /** Then turned as EXIF orientation 1…8 would have it shown. */
  readonly turn: number;
  readonly sharpen: readonly SharpenStep[];
  /** The part of the picture that is kept: what was made around it only fed the sharpening. */
  readonly crop: NativeRect;
  /** From the picture's profile to that of the reply; null: without profiles. */
  readonly colour: ColourJob | null;
  readonly frame: FrameStep;
  /** Error diffusion to a reply of 8 bits; null: samples are rounded. */
  readonly dither: DitherStep | null;
  /** Samples of the result, 8 or 16 bits; conversions without profiles. `alpha` is `none` or `straight`. */
  readonly output: PixelType;
  readonly encode: EncodeStep;
  /** Only `stop` is read. */
  readonly control: BigInt64Array;
}

/** A finished rendition. JS owns the bytes. */
export interface RenderResult {
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Samples of a pixel, for `raw`. */
  readonly samples: number;
  /** The quality that met `maxBytes`; 0 when there was no such limit. */
  readonly quality: number;
}

/** What the loaded base can do. */
export interface Capabilities {
  /** libvips version, `8.18.7`. */
  readonly libvips: string;
  readonly zlib: string;
  /** Instruction set the reduction kernels use: `avx2`, `neon`, `baseline`. */
  readonly simd: string;
  /** Formats whose loader the base has. */
  readonly formats: readonly SourceFormat[];
}

/** Slots of the control block (a `BigInt64Array` of `CONTROL.length` on a `SharedArrayBuffer`). */
export const CONTROL = {
  /** Main → native: 0 run, else stop with the code of {@link STOP}. */
  stop: 0,
  /** Native → main: level whose rows were last finished. */
  level: 1,
  /** Rows of the source read so far, and in all. */
  rowsDone: 2,
  rowsTotal: 3,
  /** Bytes written to the output so far. */
  bytesWritten: 4,
  /** Bytes of pixel and tile buffers this job holds now. */
  bytesHeld: 5,
  /** libvips' tracked memory of the whole process, as this job last saw it. */
  tracked: 6,
  /** Of a view: whether its thread has taken it up (32 bits, `BEGUN` of the pool). Native code does not look at it. */
  begun: 7,
  length: 8,
} as const;

/** Reasons to stop, as the `stop` slot has them. */
export const STOP = { run: 0, aborted: 1, overBudget: 2 } as const;

/** The addon. */
export interface NativeAddon {
  /** Starts libvips (once a process) and says what it has. */
  capabilities(): Capabilities;
  probe(job: ProbeJob): ProbeResult;
  build(job: BuildJob): BuildResult;
  verify(job: VerifyJob): void;
  render(job: RenderJob): RenderResult;
}
