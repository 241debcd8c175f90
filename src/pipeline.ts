/** The stages of serving in their order, and nothing else: request → plan → stored bytes → native job → reply. */

import type { ColourPlan } from './colour/choose.js';
import { checkSides, ENCODE_DEFAULTS, type Encoding, planEncoding } from './encode/index.js';
import { PyramidionError } from './errors.js';
import { withUprightXmp } from './ingest/metadata.js';
import type { DitherStep, RenderResult } from './native/contract.js';
import type { ViewCatalog } from './picture/catalog.js';
import type { ColourChooser } from './picture/colour.js';
import type { OpenImage } from './picture/image.js';
import { viewJob } from './picture/job.js';
import type { RenderLimits } from './picture/limits.js';
import type { RenderOptions, ViewJob } from './pool/renders.js';
import { planDither } from './region/dither.js';
import { planRegion, type RegionPlan, type StoredTile, storedTileOf } from './region/plan.js';
import type { ImageRequest } from './region/request.js';

/** Makes renditions; the pool. */
export interface Renderer {
  render(job: ViewJob, options?: RenderOptions): Promise<RenderResult>;
  /** A place for one view, which the function gives back. Rejects with `BUSY`, `ABORTED`, `ENGINE_CLOSED`. */
  enter(signal?: AbortSignal): Promise<() => void>;
}

/** All that will be done for a request, as data: a cache's key, a test's subject, what `--explain` prints. */
export interface ViewPlan {
  /** The stored tile that the reply is as it stands; null when pixels are made. */
  readonly tile: StoredTile | null;
  readonly region: RegionPlan;
  /** null: the values stay as they are stored. */
  readonly colour: ColourPlan | null;
  readonly dither: DitherStep | null;
  readonly encoding: Encoding;
}

/** A finished reply. */
export interface Rendition {
  /** The caller's. */
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly width: number;
  readonly height: number;
  /** The quality that met `jpegSize`; null where none was asked for. */
  readonly quality: number | null;
  /** The stored tile it is; null when pixels were made. */
  readonly tile: StoredTile | null;
}

/** What planning needs besides the image and the request. */
export interface PlanContext {
  readonly limits: RenderLimits;
  readonly colours: ColourChooser;
  readonly catalog?: Omit<ViewCatalog, 'colour'>;
}

/**
 * Plans a view of an image. Errors: `INVALID_REQUEST`, `FORMAT_UNSUPPORTED`, `LIMIT_EXCEEDED`; `PROFILE_INVALID`,
 * `PROFILE_MISMATCH` and `INVALID_OPTION` for what `icc=` asks.
 */
export async function planView(
  image: OpenImage,
  request: ImageRequest,
  { limits, colours, catalog = {} }: PlanContext,
): Promise<ViewPlan> {
  const { resolution = image.structure.resolution } = catalog;
  const structure = { ...image.structure, resolution };
  const reply = planRegion(structure, request, limits);
  const { output } = request;
  const colour = await colours.choose(image.colour, output);
  const xmp = output.xmpEmbed ? await image.xmp() : null;
  const facts = {
    // A view may show what is not covered: who asks for alpha has it, whatever the image.
    hasAlpha: true,
    space: colour.space,
    dpi: catalog.printResolution ?? image.dpi?.x ?? null,
    icc: colour.output?.profile.bytes ?? null,
    iccSpace: colour.space,
    // The view is turned upright, and says so.
    xmp: xmp === null ? null : withUprightXmp(xmp),
  } as const;
  const encoding = planEncoding(output, facts, catalog.encode ?? ENCODE_DEFAULTS);
  checkSides(encoding, reply.size);
  const dithers = colour.dither && encoding.output.bits === 8 && encoding.encode.palette === null;
  const { region, dither } = dithers ? planDither(structure, request, reply, limits) : { region: reply, dither: null };
  // Gray that is spread to RGB without profiles looks as it did before.
  const keepsColours = colour.conversion === 'none' || (colour.conversion === 'naive' && image.pixels.space === 'gray');
  const isStored = keepsColours && isAsStored(image, request, encoding);
  return { tile: isStored ? storedTileOf(reply, image.structure) : null, region, colour, dither, encoding };
}

/** Whether a reply asks for no more than the picture, in the coding its tiles have. */
function isAsStored({ pyramid, pixels }: OpenImage, { output }: ImageRequest, { mediaType }: Encoding): boolean {
  const compression = pyramid?.info.compression;
  if (compression === undefined || mediaType !== `image/${compression}` || output.format.endsWith('-alpha'))
    return false;
  const isPlain =
    output.quality === null &&
    !output.fullChroma &&
    output.jpegSize === 0 &&
    output.printRes === null &&
    !output.xmpEmbed &&
    output.icc === null;
  const keepsSpace = output.pixelType === null || output.pixelType === pixels.space;
  // Alpha has a background put under it.
  const isOpaque = pixels.alpha === 'none';
  const keepsCoding = output.format !== 'pjpeg' && output.compression !== 'lossless';
  return isPlain && keepsSpace && isOpaque && keepsCoding && pixels.space !== 'cmyk';
}

/**
 * The stored tile that a planned view is; null where it is none, or its bytes are no file by themselves. Errors: those of reading,
 * `LIMIT_EXCEEDED` (`maxMessageSize`).
 */
export async function storedView(
  image: OpenImage,
  { tile, encoding }: ViewPlan,
  limits: RenderLimits,
  signal: AbortSignal | undefined,
): Promise<Rendition | null> {
  if (tile === null) return null;
  const stored = await image.storedTile(tile.level, tile.column, tile.row, encoding.encode.icc !== null, signal);
  if (!stored?.browserSafe) return null;
  const { bytes, width, height } = stored;
  return checkSize({ bytes, mediaType: encoding.mediaType, width, height, quality: null, tile }, limits);
}

/**
 * Makes the pixels of a plan, also where {@link storedView} has none. Errors: those of reading and of native code, `LIMIT_EXCEEDED`
 * (`maxMessageSize`), `ABORTED`.
 */
export async function carryOut(
  image: OpenImage,
  plan: Pick<ViewPlan, 'region' | 'colour' | 'dither' | 'encoding'>,
  { renderer, limits, signal }: { renderer: Renderer; limits: RenderLimits; signal: AbortSignal },
): Promise<Rendition> {
  const { mediaType } = plan.encoding;
  const { bytes, width, height, quality } = await makeView(image, plan, { renderer, signal });
  return checkSize({ bytes, mediaType, width, height, quality: quality === 0 ? null : quality, tile: null }, limits);
}

/** Has native code make a planned view of an image. */
export async function makeView(
  image: OpenImage,
  plan: Pick<ViewPlan, 'region' | 'encoding'> & Partial<Pick<ViewPlan, 'colour' | 'dither'>>,
  { renderer, signal }: { renderer: Renderer; signal: AbortSignal },
): Promise<RenderResult> {
  const { region } = plan;
  const origin = image.originOf(region.level, region.tiles);
  const leave = await renderer.enter(signal);
  try {
    const placed = region.empty ? null : await image.pixelSource(region.level, region.tiles, signal);
    const job = viewJob(plan, image.pixels, { source: placed?.source ?? null, origin });
    return await renderer.render(job, { signal, onReturn: placed?.release });
  } finally {
    leave();
  }
}

/** Refuses a reply of more than `maxMessageSize`: `LIMIT_EXCEEDED`. */
export function checkSize(rendition: Rendition, { maxMessageSize }: RenderLimits): Rendition {
  const limit = maxMessageSize * 2 ** 20;
  if (rendition.bytes.length <= limit) return rendition;
  throw new PyramidionError(
    'LIMIT_EXCEEDED',
    `the reply has ${rendition.bytes.length} bytes; the limit is ${limit} (maxMessageSize)`,
    { option: 'maxMessageSize', value: rendition.bytes.length, limit },
  );
}
