/** Images as a probe would tell of them, for the pure parts. */
import type { JpegFrame } from '../../src/ingest/jpeg-frame.js';
import type { NeedFacts } from '../../src/ingest/need.js';
import { resolveBuildOptions } from '../../src/ingest/options.js';
import { type PlanContext, planBuild } from '../../src/ingest/plan.js';
import type { Probed } from '../../src/ingest/probe.js';
import type { TiffFacts } from '../../src/ingest/tiff-facts.js';
import type { BuildOptions } from '../../src/ingest/types.js';

type Info = Probed['info'];

/** What may differ from an opaque 8-bit RGB JPEG of 4000 × 3000 pixels. */
export interface Differences extends Partial<Omit<Probed, 'info' | 'facts'>> {
  readonly info?: Partial<Info>;
  readonly facts?: Partial<NeedFacts>;
}

/** A single-scan 4:2:0 frame of the given size. */
export function jpegFrame(width: number, height: number, multiScan = false): JpegFrame {
  const chroma = { horizontal: 1, vertical: 1 };
  const components = [{ horizontal: 2, vertical: 2 }, chroma, chroma];
  return { width, height, precision: 8, components, multiScan, photoshop: null };
}

/** A TIFF page of 8-bit RGB in one piece of `rows` rows each. */
export function tiffFacts(width: number, height: number, rows: number, rest: Partial<TiffFacts> = {}): TiffFacts {
  const count = Math.ceil(height / rows);
  return {
    bigTiff: false,
    width,
    height,
    bitsPerSample: 8,
    samplesPerPixel: 3,
    compression: 8,
    photometric: 2,
    separate: false,
    predictor: 1,
    extraSamples: [],
    subIfds: 0,
    chunks: {
      kind: 'strips',
      width,
      height: rows,
      count,
      largestBytes: 3 * width * rows,
      totalBytes: 3 * width * height,
      offsetsTag: 273,
      lengthsTag: 279,
    },
    ...rest,
  };
}

/** A probed image. */
export function probed({ info, facts, ...rest }: Differences = {}): Probed {
  const width = info?.storedWidth ?? info?.width ?? 4000;
  const height = info?.storedHeight ?? info?.height ?? 3000;
  const bands = info?.bands ?? 3;
  const bitDepth = info?.bitDepth ?? 8;
  return {
    page: 0,
    content: 'photograph',
    pixelSpace: bands < 3 ? 'gray' : 'rgb',
    viaSrgb: false,
    profile: null,
    metadata: { xmp: null, iptc: null, photoshop: [], exif: null },
    ...rest,
    info: {
      format: 'jpeg',
      width,
      height,
      storedWidth: width,
      storedHeight: height,
      bands,
      bitDepth,
      sampleFormat: 'unsigned',
      colourSpace: bands < 3 ? 'gray' : 'rgb',
      palette: false,
      alpha: 'none',
      profile: null,
      orientation: 1,
      pages: 1,
      dpi: null,
      interlaced: false,
      chromaSubsampling: '4:2:0',
      metadata: { exif: 0, xmp: 0, iptc: 0, photoshop: 0 },
      bytes: 5_000_000,
      warnings: [],
      ...info,
    },
    facts: {
      format: info?.format ?? 'jpeg',
      size: { width, height },
      bands,
      sampleBytes: bitDepth > 8 ? 2 : 1,
      bitDepth,
      fileBytes: 5_000_000,
      heldBytes: 0,
      interlaced: false,
      pages: 1,
      jpeg: jpegFrame(width, height),
      tiff: null,
      ...facts,
    },
  };
}

/** Plans a build of it. */
export function plan(differences: Differences = {}, options: BuildOptions = {}, context: Partial<PlanContext> = {}) {
  return planBuild(probed(differences), resolveBuildOptions(options), {
    imageProfile: null,
    viewProfile: null,
    estimate: 'peak',
    threads: 2,
    software: 'Pyramidion test',
    modified: new Date('2024-05-06T07:08:09Z'),
    ...context,
  });
}
