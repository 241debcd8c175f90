/** The public shapes of ingestion: what `Engine.probe` and `Engine.build` take and yield. */
import type {
  AutocropJob,
  BuiltLevel,
  NativeRect,
  ReductionFilter,
  SourceFormat,
  UnsharpMask,
} from '../native/contract.js';
import type { ColourSettings } from '../picture/colour.js';
import type { RenderLimits } from '../picture/limits.js';

export type { SourceInput } from '../source/types.js';

/** What a probe yields. Read from headers only: no pixel is decoded. */
export interface ImageInfo {
  readonly format: SourceFormat;
  /** Size in pixels after `orientation` is applied. */
  readonly width: number;
  readonly height: number;
  /** Size as stored. */
  readonly storedWidth: number;
  readonly storedHeight: number;
  /** Samples of a pixel, alpha included, after a palette is expanded. */
  readonly bands: number;
  /** Bits of a stored sample: 1, 2, 4, 8, 16, 32 or 64; 10 and 12 in HEIF and AVIF. */
  readonly bitDepth: number;
  readonly sampleFormat: 'unsigned' | 'signed' | 'float';
  readonly colourSpace: 'gray' | 'rgb' | 'cmyk' | 'lab' | 'other';
  readonly palette: boolean;
  readonly alpha: 'none' | 'straight' | 'associated';
  /** The embedded ICC profile, when there is one that can be parsed and fits the pixels: its description and bytes. */
  readonly profile: { readonly description: string; readonly bytes: Uint8Array } | null;
  /** EXIF/TIFF orientation, 1…8; an illegal value reads as 1. */
  readonly orientation: number;
  readonly pages: number;
  /** Pixels per inch along `width` and `height`, or null when the file does not say. */
  readonly dpi: { readonly x: number; readonly y: number } | null;
  /** Progressive JPEG, interlaced PNG or GIF. */
  readonly interlaced: boolean;
  /** `4:2:0`, `4:4:4` …, `2x2,1x2,1x2` where the factors have no such name; null when the format does not say. */
  readonly chromaSubsampling: string | null;
  /** Lengths in bytes of the metadata blocks found. */
  readonly metadata: { readonly exif: number; readonly xmp: number; readonly iptc: number; readonly photoshop: number };
  /** Length of the source in bytes. */
  readonly bytes: number;
  /** What was found wrong or is left aside, and does not keep the image from being built. */
  readonly warnings: readonly string[];
  /** Bytes a build of this image takes at its peak, with default options and under the engine's `estimate` rule. */
  readonly need: number;
}

/** How a pyramid is made. Every option has a default; see `docs/options.md` for the table. */
export interface BuildOptions {
  /** Page of the source, from 0. Default 0. */
  readonly page?: number;
  /** `auto` (default): JPEG for opaque 8-bit photographs; deflate for alpha, 16 bits and flat graphics. */
  readonly compression?: 'auto' | 'none' | 'deflate' | 'lzw' | 'jpeg' | 'webp';
  /** JPEG 1…100, WebP 0…100. Default 95 (JPEG), 90 (WebP). */
  readonly quality?: number;
  /** WebP only. Default false. */
  readonly lossless?: boolean;
  /** Deflate 1…9 (default 4: files as small as libtiff makes them at 6), WebP effort 0…6 (default 4). */
  readonly effort?: number;
  /** Horizontal differencing before deflate and LZW. Default true. */
  readonly predictor?: boolean;
  /** `4:2:0` (default) or `4:4:4`; JPEG of RGB only. */
  readonly chroma?: '4:2:0' | '4:4:4';
  /** Tile edge in pixels: a multiple of 16 from 64 to 4096. Default 256. */
  readonly tileSize?: number;
  /** `pages` (default): a directory per level in the main chain; `subifds`: levels in SubIFDs of the first directory. */
  readonly layout?: 'pages' | 'subifds';
  /** Smallest level: fits one tile (`onetile`, default), one pixel (`onepixel`), or the full level only (`one`). */
  readonly depth?: 'onetile' | 'onepixel' | 'one';
  /** BigTIFF container. `auto` (default): when the largest size the output could reach passes 4 GiB. */
  readonly bigTiff?: 'auto' | boolean;
  /** Bits per sample of the result. Default 8; `source` keeps 16 where the source has more than 8. */
  readonly bits?: 8 | 16 | 'source';
  /** Pixel type of the result. `source` (default) keeps gray, RGB and CMYK; LAB, palette and the rest become RGB. */
  readonly pixelType?: 'source' | 'gray' | 'rgb' | 'cmyk';
  /** How alpha is stored: unassociated (`straight`, default), premultiplied (`associated`), as found, or dropped. */
  readonly alpha?: 'straight' | 'associated' | 'source' | 'remove';
  /** 2:1 filter of the reduced levels. Default `lanczos` (8 taps). */
  readonly reduction?: ReductionFilter;
  /** Reduce in linear light. Default false. */
  readonly linearLight?: boolean;
  /** Unsharp mask on the reduced levels. Default none. */
  readonly unsharp?: Partial<UnsharpMask> | null;
  /** Report the rectangle inside the border; no pixel is cropped. Default none. */
  readonly autocrop?: Partial<AutocropJob> | null;
  /** Apply the source's orientation and store 1. Default true. */
  readonly normaliseOrientation?: boolean;
  /** ICC profile of the source pixels (bytes or path); overrides the embedded one. */
  readonly imageProfile?: Uint8Array | string | null;
  /** Convert into this ICC profile (bytes or path). It decides the pixel type. Default none. */
  readonly viewProfile?: Uint8Array | string | null;
  /** Default `relative`. */
  readonly intent?: 'perceptual' | 'relative' | 'saturation' | 'absolute';
  /** Default true; no effect with `absolute`. */
  readonly blackPointCompensation?: boolean;
  /** Metadata to keep. Default all of them. */
  readonly keep?: {
    readonly profile?: boolean;
    readonly xmp?: boolean;
    readonly exif?: boolean;
    readonly iptc?: boolean;
  };
  /** Print resolution to write, pixels per inch. Default the source's. */
  readonly dpi?: number | null;
  /** What to do when the target exists: `suffix` (default) writes `name-1.tif`, `name-2.tif` …; `replace`; `fail`. */
  readonly ifExists?: 'suffix' | 'replace' | 'fail';
  /** Stops the build within 200 ms, in the queue or in the run, and removes its temporary file. */
  readonly signal?: AbortSignal;
  /** Called at most ten times a second while the build runs, and once at its end. */
  readonly onProgress?: (progress: BuildProgress) => void;
}

/** How far a build is. */
export interface BuildProgress {
  /** The level whose rows were last finished; 0 is the full one. */
  readonly level: number;
  /** Share of the source read, 0…1. */
  readonly fraction: number;
  /** Bytes written so far. */
  readonly bytes: number;
}

/** What a finished build yields. */
export interface BuildReport {
  /** The file written, under its final name. */
  readonly path: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  readonly levels: readonly BuiltLevel[];
  /** The coding that was used (`auto` resolved). */
  readonly compression: 'none' | 'deflate' | 'lzw' | 'jpeg' | 'webp';
  readonly bigTiff: boolean;
  readonly autocrop: NativeRect | null;
  /** SHA-256 of the source's bytes, lower-case hex. The file's private tag holds it too. */
  readonly sha256: string;
  /** Bytes that were reserved for it. */
  readonly need: number;
  /** Seconds spent waiting for the budget, and building. */
  readonly waitSeconds: number;
  readonly buildSeconds: number;
  readonly warnings: readonly string[];
}

/** How the need of a build is told: the engine's true peak, the documented decoded rule, or the caller's own figure. */
export type EstimateRule = 'peak' | 'decoded' | ((image: ImageInfo) => number);

/** How an engine is started. */
export interface EngineOptions {
  /** Budget of all builds of the process: bytes, or a number with K, M, G or T (powers of 1024). Default 3G. */
  readonly maxMemory?: number | string;
  readonly estimate?: EstimateRule;
  /** Jobs that may run at once, 1…64. Default: the processors this process may use. */
  readonly workers?: number;
  /** Processors to share among the jobs. Default: what the cgroup quota and affinity allow. */
  readonly threads?: number;
  /** Views that may be made at once, beside the builds, 1…64. Default: the processors this process may use. */
  readonly renders?: number;
  /** Nice value of the threads that make views, 0…19: with one, who makes none is not kept waiting. Linux only. Default 0. */
  readonly niceness?: number;
  /** Views that may wait to be made; one more is refused with `BUSY`. Default any number. */
  readonly maxQueue?: number | null;
  /** How much one view may take: what differs from the defaults (`docs/serving.md`). */
  readonly limits?: Partial<RenderLimits>;
  /** Profiles of views: what differs from the defaults (`docs/colour.md`). */
  readonly colour?: Partial<ColourSettings>;
  /** Largest image that is opened, in pixels. Default 4 000 000 000. */
  readonly maxPixels?: number;
  /** Milliseconds that one read of an `http:` or `https:` URL may take, 1…3 600 000. Default 20 000. */
  readonly readTimeoutMs?: number;
  /** Milliseconds for which `Engine.use` does not look again whether a file or URL was replaced, 0…86 400 000. Default 0. */
  readonly recheckMs?: number;
}
