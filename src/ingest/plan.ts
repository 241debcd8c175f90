/** What is known of an image and what was asked for → the one native job that makes the pyramid. Pure. */

import { srgbProfile } from '../colour/generated.js';
import { isSameProfile, type Profile, parseProfile } from '../colour/parse.js';
import { PyramidionError } from '../errors.js';
import { levelSizes, orientedSize, type Size, tileCount } from '../geometry.js';
import type { BuildJob, ColourJob, PixelType, TiffTag, TileCoding } from '../native/contract.js';
import { HASH_PLACEHOLDER, makeTags } from './metadata.js';
import { decodedNeed, peakNeed } from './need.js';
import type { ResolvedOptions } from './options.js';
import type { Probed } from './probe.js';
import type { EstimateRule } from './types.js';

/** What a plan depends on besides the image and the options. */
export interface PlanContext {
  /** The profiles named in the options, parsed. */
  readonly imageProfile: Profile | null;
  readonly viewProfile: Profile | null;
  readonly estimate: EstimateRule;
  /** Most threads one build may get. */
  readonly threads: number;
  readonly software: string;
  /** Modification date to store. */
  readonly modified: Date;
}

/** A build that is ready to be queued. */
export interface Plan {
  readonly job: Omit<BuildJob, 'input' | 'output' | 'threads' | 'control'>;
  /** Size of the full level. */
  readonly size: Size;
  /** Bytes to reserve. */
  readonly need: number;
  /** Bytes of disk a file like this takes as a rule; and what it could take at most. */
  readonly typicalBytes: number;
  readonly largestBytes: number;
  readonly warnings: readonly string[];
}

const DEFAULTS = { jpegQuality: 95, webpQuality: 90, deflateLevel: 4, webpEffort: 4 } as const;

/** Bytes that a classic TIFF can address; a margin for what the bound below does not count. */
const CLASSIC_LIMIT = 4 * 1024 ** 3;
const CLASSIC_MARGIN = 16 << 20;

/** Stored bytes per raw byte: the most that pixels can take, and what they take as a rule. */
const STORED_RATIO = {
  none: { most: 1, typical: 1 },
  deflate: { most: 1.001, typical: 0.3 },
  lzw: { most: 1.5, typical: 0.4 },
  // Measured on noise, at quality 95 and at 100.
  jpeg: { most: 0.85, mostAbove95: 1.1, typical: 0.04 },
  jpegSubsampled: { most: 0.4, mostAbove95: 0.55 },
  webp: { most: 0.4, mostAbove95: 0.5, mostLossless: 1.02, typical: 0.03 },
} as const;
/** Flat graphics take this much less than {@link STORED_RATIO} says. */
const FLAT_FACTOR = 0.1;
/** Bytes of a tile's own headers and its entry in the index. */
const TILE_OVERHEAD = 128;

/** Plans a build. Throws `PROFILE_INVALID`, `PROFILE_MISMATCH` and `UNSUPPORTED_IMAGE`. */
export function planBuild(probed: Probed, options: ResolvedOptions, context: PlanContext): Plan {
  const warnings: string[] = [...probed.info.warnings];
  if (options.reduction === 'flashpix') {
    warnings.push('the coefficients of the FlashPix filter are not published: lanczos is used');
  }
  const colour = planColour(probed, options, context, warnings);
  const { coding, pixels } = planCoding(probed, options, colour.space, warnings);
  const orientation = options.normaliseOrientation ? probed.info.orientation : 1;
  const stored = { width: probed.info.storedWidth, height: probed.info.storedHeight };
  const size = orientedSize(stored, orientation);
  const levels = levelSizes(size, options.tileSize, options.depth);
  const { tags, warnings: metadataWarnings } = makeTags({
    source: probed.metadata,
    keep: options.keep,
    profile: options.keep.profile ? (colour.profile?.bytes ?? null) : null,
    ...size,
    orientation: options.normaliseOrientation ? 1 : probed.info.orientation,
    turned: orientation !== 1,
    dpi: planDpi(probed.info, options),
    modified: context.modified,
    software: context.software,
    record: makeRecord(probed, options, { coding, pixels, profile: colour.profile, software: context.software }),
  });
  warnings.push(...metadataWarnings);
  const unsharp = planUnsharp(options, levels.length, warnings);
  if (options.linearLight && pixels.space === 'cmyk') warnings.push('linearLight has no effect on CMYK');
  const largestBytes = boundBytes(levels, options, pixels, coding, tags);
  const job: Plan['job'] = {
    format: probed.info.format,
    page: probed.page,
    orientation,
    pixels,
    colour: colour.job,
    tileSize: options.tileSize,
    levels: levels.length,
    layout: options.layout,
    bigTiff: options.bigTiff === 'auto' ? largestBytes >= CLASSIC_LIMIT - CLASSIC_MARGIN : options.bigTiff,
    coding,
    reduction: options.reduction,
    linearLight: options.linearLight && pixels.space !== 'cmyk',
    unsharp,
    tags,
    autocrop: planAutocrop(options, pixels, warnings),
  };
  return {
    job,
    size,
    need: planNeed(probed, job, levels, context),
    typicalBytes: typicalBytes(levels, options, probed, pixels, coding),
    largestBytes,
    warnings,
  };
}

interface ColourPlan {
  readonly space: PixelType['space'];
  readonly job: ColourJob | null;
  /** Profile of the result. */
  readonly profile: Profile | null;
}

/** Pixel type, conversion and profile of the result. */
function planColour(probed: Probed, options: ResolvedOptions, context: PlanContext, warnings: string[]): ColourPlan {
  const { pixelSpace: from, viaSrgb, info } = probed;
  const { imageProfile, viewProfile } = context;
  if (imageProfile !== null) {
    if (imageProfile.pixelSpace !== from || viaSrgb) {
      throw new PyramidionError(
        'PROFILE_MISMATCH',
        `imageProfile describes ${imageProfile.space.trim()} pixels, the image is ${info.colourSpace}`,
        { option: 'imageProfile', value: imageProfile.space.trim(), limit: info.colourSpace },
      );
    }
    if (!imageProfile.canRead) throw unusable('imageProfile', imageProfile, 'it has no way from pixels to colours');
  }
  const ofPixels = imageProfile ?? probed.profile;
  // Lab and its like are brought to sRGB as they are read.
  const own = ofPixels ?? (viaSrgb ? parseProfile(srgbProfile()) : null);
  const convert = (input: Profile, output: Profile): ColourJob => ({
    inputProfile: input.bytes,
    outputProfile: output.bytes,
    intent: options.intent,
    blackPointCompensation: options.blackPointCompensation && options.intent !== 'absolute',
  });

  if (viewProfile !== null) {
    const { pixelSpace } = viewProfile;
    if (pixelSpace === null) throw unusable('viewProfile', viewProfile, 'it is neither for gray nor RGB nor CMYK');
    if (!viewProfile.canWrite) throw unusable('viewProfile', viewProfile, 'it has no way from colours to pixels');
    if (own?.canRead) {
      const job = isSameProfile(own, viewProfile) ? null : convert(own, viewProfile);
      return { space: pixelSpace, job, profile: viewProfile };
    }
    warnings.push(
      'viewProfile has no effect: the source has no profile that can be used, and there is no imageProfile',
    );
  }

  let to = options.pixelType === 'source' ? from : options.pixelType;
  if (options.compression === 'webp' && to === 'gray') {
    to = 'rgb';
    warnings.push('WebP tiles hold RGB: gray is stored as RGB');
  }
  if (to === from) return { space: to, job: null, profile: own };
  if (from === 'cmyk' && to === 'rgb' && own?.canRead) {
    const srgb = parseProfile(srgbProfile());
    return { space: to, job: convert(own, srgb), profile: srgb };
  }
  if (own !== null)
    warnings.push(`the profile is not kept: the pixels were converted from ${from} to ${to} without one`);
  return { space: to, job: null, profile: null };
}

function unusable(option: string, profile: Profile, why: string): PyramidionError {
  return new PyramidionError('PROFILE_INVALID', `${option} '${profile.description}' cannot be used: ${why}`, {
    option,
  });
}

/** Coding and pixel type of the tiles, which depend on each other. */
function planCoding(
  probed: Probed,
  options: ResolvedOptions,
  space: PixelType['space'],
  warnings: string[],
): { coding: TileCoding; pixels: PixelType } {
  const { info, content } = probed;
  const alpha =
    info.alpha === 'none' || options.alpha === 'remove'
      ? 'none'
      : options.alpha === 'source'
        ? info.alpha
        : options.alpha;
  const isDeep = options.bits === 16 || (options.bits === 'source' && info.bitDepth > 8);
  let { compression } = options;
  if (compression === 'auto')
    compression = alpha === 'none' && !isDeep && content === 'photograph' ? 'jpeg' : 'deflate';
  if (compression === 'jpeg' && alpha !== 'none') {
    compression = 'deflate';
    warnings.push('JPEG tiles have no alpha: deflate is used (alpha: remove drops it)');
  }
  if (compression === 'webp' && space === 'cmyk') {
    compression = 'deflate';
    warnings.push('WebP tiles hold RGB: deflate is used for CMYK');
  }
  const isLossy = compression === 'jpeg' || compression === 'webp';
  if (isLossy && isDeep)
    warnings.push(`${compression === 'jpeg' ? 'JPEG' : 'WebP'} tiles have 8 bits: the source's are reduced`);
  const pixels: PixelType = { space, bits: isDeep && !isLossy ? 16 : 8, alpha };
  if (compression === 'jpeg' && options.chroma !== null && space !== 'rgb') {
    warnings.push(`chroma has no effect on ${space === 'gray' ? 'gray' : 'CMYK'}`);
  }
  return { coding: makeCoding(compression, options), pixels };
}

function makeCoding(kind: TileCoding['kind'], options: ResolvedOptions): TileCoding {
  const { quality, effort, lossless, chroma } = options;
  const predictor = options.predictor ?? true;
  switch (kind) {
    case 'none':
      return { kind };
    case 'deflate':
      // After a fallback from WebP the effort may be 0, which deflate has not.
      return { kind, level: Math.max(1, effort ?? DEFAULTS.deflateLevel), predictor };
    case 'lzw':
      return { kind, predictor };
    case 'jpeg':
      return { kind, quality: quality ?? DEFAULTS.jpegQuality, subsample: chroma !== '4:4:4' };
    case 'webp':
      return { kind, quality: quality ?? DEFAULTS.webpQuality, lossless, effort: effort ?? DEFAULTS.webpEffort };
  }
}

function planDpi(info: Probed['info'], options: ResolvedOptions): { x: number; y: number } | null {
  if (options.dpi !== null) return { x: options.dpi, y: options.dpi };
  const { dpi, orientation } = info;
  if (dpi === null || options.normaliseOrientation) return dpi;
  const { width, height } = orientedSize({ width: dpi.x, height: dpi.y }, orientation);
  return { x: width, y: height };
}

function planUnsharp(options: ResolvedOptions, levels: number, warnings: string[]): BuildJob['unsharp'] {
  const { unsharp } = options;
  if (unsharp === null || unsharp.amount === 0 || unsharp.radius === 0) return null;
  if (levels === 1) warnings.push('unsharp has no effect: there are no reduced levels');
  return levels === 1 ? null : unsharp;
}

function planAutocrop(options: ResolvedOptions, pixels: PixelType, warnings: string[]): BuildJob['autocrop'] {
  const { autocrop } = options;
  if (autocrop === null || autocrop.mode === 'colour' || pixels.alpha !== 'none') return autocrop;
  warnings.push('autocrop by alpha finds nothing: the result has no alpha');
  return null;
}

function planNeed(probed: Probed, job: Plan['job'], levels: readonly Size[], context: PlanContext): number {
  const { estimate, threads } = context;
  if (estimate === 'decoded') return decodedNeed(probed.facts);
  const peak = peakNeed(probed.facts, {
    pixels: job.pixels,
    levels: levels.map((level) => orientedSize(level, job.orientation)),
    tileSize: job.tileSize,
    coding: job.coding,
    unsharpRadius: job.unsharp?.radius ?? null,
    converts: job.colour !== null || probed.viaSrgb,
    threads,
  });
  if (estimate === 'peak') return peak;
  const own: unknown = estimate({ ...probed.info, need: peak });
  if (typeof own === 'number' && Number.isSafeInteger(own) && own >= 0) return own;
  throw new PyramidionError('INVALID_OPTION', `estimate must yield a whole number of bytes; got ${String(own)}`, {
    option: 'estimate',
    value: own,
  });
}

/** The largest file these levels can become. */
function boundBytes(
  levels: readonly Size[],
  options: ResolvedOptions,
  pixels: PixelType,
  coding: TileCoding,
  tags: readonly TiffTag[],
): number {
  const tiles = levels.reduce((sum, level) => sum + tileCount(level, options.tileSize), 0);
  return Math.ceil(
    tiles * (rawTileBytes(options, pixels) * largestRatio(coding, pixels) + TILE_OVERHEAD) + tagBytes(tags),
  );
}

function typicalBytes(
  levels: readonly Size[],
  options: ResolvedOptions,
  probed: Probed,
  pixels: PixelType,
  coding: TileCoding,
): number {
  const area = levels.reduce((sum, { width, height }) => sum + width * height, 0);
  const factor = coding.kind !== 'none' && probed.content === 'flat' ? FLAT_FACTOR : 1;
  const pixelBytes = rawTileBytes(options, pixels) / options.tileSize ** 2;
  return Math.ceil(area * pixelBytes * STORED_RATIO[coding.kind].typical * factor);
}

function rawTileBytes({ tileSize }: ResolvedOptions, { space, bits, alpha }: PixelType): number {
  const samples = { gray: 1, rgb: 3, cmyk: 4 }[space] + (alpha === 'none' ? 0 : 1);
  return tileSize ** 2 * samples * (bits / 8);
}

function largestRatio(coding: TileCoding, { space }: PixelType): number {
  if (coding.kind === 'webp' && coding.lossless) return STORED_RATIO.webp.mostLossless;
  if (coding.kind === 'jpeg' || coding.kind === 'webp') {
    const isSubsampled = coding.kind === 'jpeg' && coding.subsample && space === 'rgb';
    const { most, mostAbove95 } = STORED_RATIO[isSubsampled ? 'jpegSubsampled' : coding.kind];
    return coding.quality > 95 ? mostAbove95 : most;
  }
  return STORED_RATIO[coding.kind].most;
}

function tagBytes(tags: readonly TiffTag[]): number {
  return tags.reduce((sum, { value, ifd }) => sum + 20 + value.length + tagBytes(ifd ?? []), 0);
}

/** What the private tag says: where the pyramid comes from and what made it what it is. No paths, no names. */
function makeRecord(
  probed: Probed,
  options: ResolvedOptions,
  made: { coding: TileCoding; pixels: PixelType; profile: Profile | null; software: string },
): unknown {
  const { info, page } = probed;
  return {
    source: { sha256: HASH_PLACEHOLDER, bytes: info.bytes, format: info.format, page },
    software: made.software,
    options: {
      coding: made.coding,
      pixels: made.pixels,
      tileSize: options.tileSize,
      layout: options.layout,
      depth: options.depth,
      reduction: options.reduction,
      linearLight: options.linearLight,
      unsharp: options.unsharp,
      normaliseOrientation: options.normaliseOrientation,
      profile: made.profile?.description ?? null,
      intent: options.intent,
      blackPointCompensation: options.blackPointCompensation,
      dpi: options.dpi,
    },
  };
}
