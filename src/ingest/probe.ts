/** Headers of a source → what is known of the image. No pixel is decoded. */

import { type Profile, parseProfile } from '../colour/parse.js';
import { PyramidionError } from '../errors.js';
import { orientedSize } from '../geometry.js';
import type { ProbeJob, ProbeResult, SampleType } from '../native/contract.js';
import { detectFormat, MAGIC_BYTES } from '../source/magic.js';
import type { Source } from '../source/types.js';
import { type Content, readContent } from './density.js';
import { type ExifFields, readExifBlock, readExifFields } from './exif.js';
import { chromaName, type JpegFrame, readJpegFrame } from './jpeg-frame.js';
import type { NeedFacts } from './need.js';
import { type PhotoshopResource, RESOURCE, readResources } from './photoshop.js';
import { readTiffFacts, type TiffFacts, undecodable } from './tiff-facts.js';
import { type TiffDirectory, TiffReader } from './tiff-fields.js';
import type { ImageInfo } from './types.js';
import { isLosslessWebp } from './webp-frame.js';

/** The part of the pool a probe needs. */
export interface Prober {
  probe(job: ProbeJob, signal?: AbortSignal): Promise<ProbeResult>;
}

/** What to look at, and how much is too much. */
export interface ProbeRequest {
  readonly page: number;
  /** Largest image that is opened, in pixels. */
  readonly maxPixels: number;
  readonly signal?: AbortSignal | undefined;
}

/** Everything a plan is made of. */
export interface Probed {
  readonly info: Omit<ImageInfo, 'need'>;
  readonly page: number;
  /** What memory depends on. */
  readonly facts: NeedFacts;
  readonly content: Content;
  /** The pixel type native code reads the image as, before any conversion. */
  readonly pixelSpace: 'gray' | 'rgb' | 'cmyk';
  /** Whether it is brought to sRGB as it is read: Lab, XYZ, HSV and the like. */
  readonly viaSrgb: boolean;
  /** The embedded profile, when it can be parsed and fits `pixelSpace`. */
  readonly profile: Profile | null;
  readonly metadata: SourceMetadata;
}

/** Metadata as found, taken apart as far as the output needs it. */
export interface SourceMetadata {
  readonly xmp: Uint8Array | null;
  /** An IPTC-IIM record. */
  readonly iptc: Uint8Array | null;
  readonly photoshop: readonly PhotoshopResource[];
  readonly exif: ExifFields | null;
}

/**
 * Probes one page of a source. Errors: `UNSUPPORTED_FORMAT`, `UNSUPPORTED_IMAGE`, `CORRUPT_IMAGE`, `TOO_MANY_PIXELS`,
 * `INVALID_OPTION` for a page that is not there, those of reading the source, `ABORTED`.
 */
export async function probeSource(source: Source, prober: Prober, request: ProbeRequest): Promise<Probed> {
  const { page, maxPixels, signal } = request;
  const format = detectFormat(await source.read(0, MAGIC_BYTES), source.name);
  const native = await nativeProbe(prober, { input: await source.nativeInput(), format, page }, signal);
  if (page >= native.pages) throw noSuchPage(page, native.pages);
  const pixels = native.width * native.height;
  if (pixels > maxPixels) {
    throw new PyramidionError(
      'TOO_MANY_PIXELS',
      `${source.name} has ${native.width} × ${native.height} pixels, which is ${pixels}; at most ${maxPixels} are allowed`,
      { value: pixels, limit: maxPixels },
    );
  }

  const warnings: string[] = [];
  const jpeg = format === 'jpeg' ? await readJpegFrame(source.read, source.size) : null;
  const tiff = format === 'tiff' ? await openTiff(source, page) : null;
  const variant = unsupportedVariant(jpeg, tiff?.facts ?? null);
  if (variant !== null)
    throw new PyramidionError('UNSUPPORTED_IMAGE', `${source.name} holds ${variant}, which is not supported`);
  const losslessWebp = format === 'webp' && (await isLosslessWebp(source.read));

  const pixelSpace = pixelSpaceOf(native);
  const viaSrgb = pixelSpace === 'rgb' && VIA_SRGB.has(native.interpretation);
  const alpha = alphaOf(native, pixelSpace, tiff?.facts ?? null, warnings);
  const metadata = await readMetadata(native, jpeg, tiff, warnings);
  const profile = embeddedProfile(native.icc, viaSrgb ? null : pixelSpace, warnings);
  const sampleBytes = SAMPLE_BYTES[native.sampleType];
  const size = { width: native.width, height: native.height };
  const rawBytes = Math.max(1, Math.ceil((pixels * native.bands * native.bitsPerSample) / 8));
  const content = await readContent(
    {
      format,
      rawBytes,
      fileBytes: source.size,
      palette: native.palette,
      bitDepth: native.bitsPerSample,
      losslessWebp,
      tiff,
    },
    source.read,
  );

  return {
    info: {
      format,
      ...orientedSize(size, native.orientation),
      storedWidth: size.width,
      storedHeight: size.height,
      bands: native.bands,
      bitDepth: native.bitsPerSample,
      sampleFormat: SAMPLE_FORMATS[native.sampleType],
      colourSpace: colourSpaceOf(native),
      palette: native.palette,
      alpha,
      profile: profile === null ? null : { description: profile.description, bytes: profile.bytes },
      orientation: native.orientation,
      pages: native.pages,
      dpi: dpiOf(native),
      interlaced: native.interlaced,
      chromaSubsampling: jpeg === null ? native.chromaSubsampling || null : chromaName(jpeg.components),
      metadata: {
        exif: native.exif?.length ?? lengthOf(metadata.exif),
        xmp: metadata.xmp?.length ?? 0,
        iptc: metadata.iptc?.length ?? 0,
        photoshop: metadata.photoshop.reduce((sum, { data }) => sum + data.length, 0),
      },
      bytes: source.size,
      warnings,
    },
    page,
    facts: {
      format,
      size,
      bands: native.bands,
      sampleBytes,
      bitDepth: native.bitsPerSample,
      fileBytes: source.size,
      heldBytes: source.heldBytes,
      interlaced: native.interlaced,
      pages: native.pages,
      jpeg,
      tiff: tiff?.facts ?? null,
    },
    content,
    pixelSpace,
    viaSrgb,
    profile,
    metadata,
  };
}

const SAMPLE_BYTES: Readonly<Record<SampleType, number>> = {
  uchar: 1,
  char: 1,
  ushort: 2,
  short: 2,
  uint: 4,
  int: 4,
  float: 4,
  double: 8,
  complex: 8,
  dpcomplex: 16,
};

const SAMPLE_FORMATS: Readonly<Record<SampleType, ImageInfo['sampleFormat']>> = {
  uchar: 'unsigned',
  ushort: 'unsigned',
  uint: 'unsigned',
  char: 'signed',
  short: 'signed',
  int: 'signed',
  float: 'float',
  double: 'float',
  complex: 'float',
  dpcomplex: 'float',
};

/** What the headers already say cannot be read: else it would only fail, as if damaged, at its first pixel. */
function unsupportedVariant(jpeg: JpegFrame | null, tiff: TiffFacts | null): string | null {
  if (jpeg !== null && jpeg.precision !== 8) return `${jpeg.precision}-bit JPEG`;
  if (tiff === null) return null;
  if (tiff.separate && tiff.samplesPerPixel > 1 && tiff.chunks.kind === 'tiles') return 'tiles of separate planes';
  return undecodable(tiff);
}

/** libvips interpretations whose pixels are not gray, RGB or CMYK, but have a known way to sRGB. */
const VIA_SRGB = new Set(['lab', 'labq', 'labs', 'xyz', 'yxy', 'lch', 'cmc', 'hsv', 'scrgb']);

/** A probe of a page that is not there fails in the loader: then the number of pages makes the better message. */
async function nativeProbe(prober: Prober, job: ProbeJob, signal: AbortSignal | undefined): Promise<ProbeResult> {
  try {
    return await prober.probe(job, signal);
  } catch (error) {
    if (job.page === 0 || !(error instanceof PyramidionError) || error.code !== 'UNSUPPORTED_IMAGE') throw error;
    const first = await prober.probe({ ...job, page: 0 }, signal).catch(() => null);
    if (first !== null && job.page >= first.pages) throw noSuchPage(job.page, first.pages);
    throw error;
  }
}

function noSuchPage(page: number, pages: number): PyramidionError {
  const allowed = pages === 1 ? '0: the source has one page' : `0…${pages - 1}: the source has ${pages} pages`;
  return new PyramidionError('INVALID_OPTION', `page must be ${allowed}; got ${page}`, {
    option: 'page',
    value: page,
    limit: pages - 1,
  });
}

interface OpenTiff {
  readonly reader: TiffReader;
  readonly page: TiffDirectory;
  readonly facts: TiffFacts;
}

/** The directory of a page. libtiff has accepted the file: where our reader is stricter, we know less of it, no more. */
async function openTiff(source: Source, index: number): Promise<OpenTiff | null> {
  try {
    const reader = await TiffReader.open(source.read, source.size);
    const page = await reader.page(index);
    return { reader, page, facts: await readTiffFacts(reader, page, source.size) };
  } catch (error) {
    if (error instanceof PyramidionError && error.code === 'CORRUPT_IMAGE') return null;
    throw error;
  }
}

/** As `RowReader::to_known_space` decides. */
function pixelSpaceOf({ interpretation, bands }: ProbeResult): 'gray' | 'rgb' | 'cmyk' {
  if (interpretation === 'cmyk' && bands >= 4) return 'cmyk';
  return bands < 3 ? 'gray' : 'rgb';
}

function colourSpaceOf(native: ProbeResult): ImageInfo['colourSpace'] {
  const { interpretation, bands } = native;
  if (interpretation === 'lab' || interpretation === 'labs' || interpretation === 'labq') return 'lab';
  if (VIA_SRGB.has(interpretation) || interpretation === 'multiband') return 'other';
  if (interpretation === 'b-w' || interpretation === 'grey16') return 'gray';
  if (interpretation === 'srgb' || interpretation === 'rgb' || interpretation === 'rgb16')
    return bands < 3 ? 'gray' : 'rgb';
  return interpretation === 'cmyk' && bands >= 4 ? 'cmyk' : 'other';
}

/** Kinds of TIFF extra samples. */
const EXTRA = { unspecified: 0, associated: 1, unassociated: 2 } as const;

/** The first sample beyond the colours is the alpha; what a TIFF says of it decides the kind. */
function alphaOf(
  native: ProbeResult,
  space: 'gray' | 'rgb' | 'cmyk',
  tiff: TiffFacts | null,
  warnings: string[],
): ImageInfo['alpha'] {
  const colours = space === 'gray' ? 1 : space === 'rgb' ? 3 : 4;
  const extra = native.bands - colours;
  if (extra <= 0) return 'none';
  if (extra > 1) warnings.push(`the image has ${extra} samples beyond its colours: only the first is kept`);
  const [first = EXTRA.unspecified, ...others] = tiff?.extraSamples ?? [];
  if (tiff === null || tiff.extraSamples.length === 0 || first === EXTRA.unassociated) return 'straight';
  if (first === EXTRA.associated) return 'associated';
  if (others.some((kind) => kind !== EXTRA.unspecified)) {
    warnings.push('the alpha is not the first sample after the colours: it is dropped');
    return 'none';
  }
  warnings.push('the sample after the colours is of unspecified meaning: it is taken as alpha');
  return 'straight';
}

/** @param space what a profile has to describe; null when none can */
function embeddedProfile(
  icc: Uint8Array | undefined,
  space: 'gray' | 'rgb' | 'cmyk' | null,
  warnings: string[],
): Profile | null {
  if (icc === undefined) return null;
  try {
    const profile = parseProfile(icc);
    if (profile.pixelSpace !== null && profile.pixelSpace === space) return profile;
    warnings.push(
      `the embedded profile '${profile.description}' describes ${profile.space.trim()} pixels and the image has others: it is not used`,
    );
  } catch (error) {
    if (!(error instanceof PyramidionError)) throw error;
    warnings.push(`the embedded profile is not used: ${error.message}`);
  }
  return null;
}

async function readMetadata(
  native: ProbeResult,
  jpeg: JpegFrame | null,
  tiff: OpenTiff | null,
  warnings: string[],
): Promise<SourceMetadata> {
  // libvips gives JPEG's APP13 block as "iptc", and only one of its segments.
  const isResources = startsWith(native.iptc, 'Photoshop 3.0\0');
  const block = jpeg?.photoshop ?? (isResources ? native.iptc?.subarray(14) : native.photoshop);
  const photoshop = block === undefined ? [] : readResources(block);
  if (block !== undefined && block.length > 0 && photoshop.length === 0) {
    warnings.push('the Photoshop resources are damaged: they are not kept');
  }
  const inResources = photoshop.find(({ id }) => id === RESOURCE.iptc)?.data;
  const iptc = (isResources ? inResources : native.iptc) ?? inResources ?? null;
  let exif: ExifFields | null = null;
  try {
    if (native.exif !== undefined) exif = await readExifBlock(native.exif);
    else if (tiff !== null) exif = await readExifFields(tiff.reader, tiff.page);
  } catch (error) {
    if (!(error instanceof PyramidionError) || error.code !== 'CORRUPT_IMAGE') throw error;
    warnings.push('the EXIF block is damaged: it is not kept');
  }
  return { xmp: native.xmp ?? null, iptc: iptc === null ? null : inByteOrder(iptc), photoshop, exif };
}

/** Every IPTC data set starts with this byte. */
const IPTC_MARK = 0x1c;

/** A record that was stored as 32-bit numbers may have been turned round with the byte order of its file. */
function inByteOrder(iptc: Uint8Array): Uint8Array {
  if (iptc[0] === IPTC_MARK || iptc[3] !== IPTC_MARK || iptc.length % 4 !== 0) return iptc;
  return Uint8Array.from(Buffer.from(iptc).swap32());
}

function lengthOf(exif: ExifFields | null): number {
  if (exif === null) return 0;
  return [...exif.exif, ...exif.gps, ...exif.interoperability].reduce((sum, { value }) => sum + value.length, 0);
}

function dpiOf({ dpiX, dpiY, orientation }: ProbeResult): ImageInfo['dpi'] {
  if (!(dpiX > 0 && dpiY > 0)) return null;
  const { width, height } = orientedSize({ width: dpiX, height: dpiY }, orientation);
  // The trip through pixels per millimetre makes 300 into 300.0000023.
  const round = (dpi: number): number => Math.round(dpi * 1e4) / 1e4;
  return { x: round(width), y: round(height) };
}

function startsWith(bytes: Uint8Array | undefined, text: string): boolean {
  return bytes !== undefined && Buffer.from(bytes.subarray(0, text.length)).toString('latin1') === text;
}
