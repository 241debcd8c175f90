/**
 * What the native addon offers: three synchronous functions over plain data. `native/core/job.h` has the same
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

/** Conversion into a view profile. */
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
}
