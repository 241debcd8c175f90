/** Tells photographs from flat graphics without decoding: by how much room their pixels take once compressed. */
import { deflateRawSync } from 'node:zlib';
import type { SourceFormat } from '../native/contract.js';
import type { RangeReader } from '../source/types.js';
import type { TiffFacts } from './tiff-facts.js';
import type { TiffDirectory, TiffReader } from './tiff-fields.js';

/** Pieces of an uncompressed or run-length coded TIFF that are looked at, and bytes of each. */
const SAMPLES = 32;
const SAMPLE_BYTES = 16 << 10;

/**
 * Stored bytes per raw byte above which an image is a photograph. On the corpus photographs have 0.14…1, drawings and
 * screens 0.01…0.1; `test/ingest/density.test.ts` holds generated ones to it.
 */
const PHOTO_DENSITY = {
  /** Compressed after a prediction from neighbours: PNG, WebP, deflate and LZW with a predictor. */
  predicted: 0.12,
  /** Compressed as it is: everything else. */
  plain: 0.35,
} as const;

/** TIFF compression codes. */
const TIFF = { none: 1, ccittFirst: 2, ccittLast: 4, oldJpeg: 6, jpeg: 7, packBits: 32773, webp: 50001 } as const;

/** What is known of how an image is stored. */
export interface StoredForm {
  readonly format: SourceFormat;
  /** Raw bytes of all its pixels. */
  readonly rawBytes: number;
  /** Length of the source. */
  readonly fileBytes: number;
  readonly palette: boolean;
  readonly bitDepth: number;
  readonly losslessWebp: boolean;
  readonly tiff: { readonly facts: TiffFacts; readonly reader: TiffReader; readonly page: TiffDirectory } | null;
}

/** How an image looks from its storage: flat graphics compress much better without loss than photographs do. */
export type Content = 'photograph' | 'flat';

/** Tells the content from header and stored density; reads a few dozen blocks of TIFFs that are (all but) uncompressed. */
export async function readContent(form: StoredForm, read: RangeReader): Promise<Content> {
  if (form.palette || form.bitDepth <= 4) return 'flat';
  switch (form.format) {
    case 'jpeg':
    case 'heif':
      return 'photograph';
    case 'gif':
      return 'flat';
    case 'webp':
      return form.losslessWebp ? byDensity(form.fileBytes / form.rawBytes, true) : 'photograph';
    case 'png':
      return byDensity(form.fileBytes / form.rawBytes, true);
    case 'tiff':
      return form.tiff === null ? 'photograph' : tiffContent(form, form.tiff, read);
  }
}

async function tiffContent(
  form: StoredForm,
  tiff: NonNullable<StoredForm['tiff']>,
  read: RangeReader,
): Promise<Content> {
  const { compression, chunks, predictor } = tiff.facts;
  if (compression === TIFF.jpeg || compression === TIFF.oldJpeg || compression === TIFF.webp) return 'photograph';
  if (compression >= TIFF.ccittFirst && compression <= TIFF.ccittLast) return 'flat';
  const stored = chunks.totalBytes / form.rawBytes;
  if (compression !== TIFF.none && compression !== TIFF.packBits) return byDensity(stored, predictor > 1);
  // Neither coding sees more than runs of equal bytes, so a part of what is stored is compressed to find out.
  const packed = await sampledDensity(tiff, read);
  return packed === null ? 'photograph' : byDensity(packed * Math.min(1, stored), false);
}

function byDensity(density: number, isPredicted: boolean): Content {
  return density >= (isPredicted ? PHOTO_DENSITY.predicted : PHOTO_DENSITY.plain) ? 'photograph' : 'flat';
}

/** Deflates blocks spread over the strips or tiles of a page: packed bytes per stored one; null when none can be read. */
async function sampledDensity(
  { facts, reader, page }: NonNullable<StoredForm['tiff']>,
  read: RangeReader,
): Promise<number | null> {
  const { chunks } = facts;
  const offsets = page.fields.get(chunks.offsetsTag);
  const lengths = page.fields.get(chunks.lengthsTag);
  if (offsets === undefined || chunks.count === 0) return null;
  let raw = 0;
  let packed = 0;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const place = ((sample + 0.5) / SAMPLES) * chunks.count;
    const index = Math.floor(place);
    try {
      const [offset = 0] = await reader.numbers(offsets, 1, index);
      const [length = 0] = lengths === undefined ? [] : await reader.numbers(lengths, 1, index);
      // Few pieces are sampled in many places each, many pieces in one place each.
      const from = Math.floor((place - index) * Math.max(0, length - SAMPLE_BYTES));
      const block = await read(offset + from, Math.min(SAMPLE_BYTES, Math.max(0, length - from)));
      raw += block.length;
      packed += block.length === 0 ? 0 : deflateRawSync(block, { level: 1 }).length;
    } catch {
      // A damaged index is the decoder's to report.
    }
  }
  return raw === 0 ? null : packed / raw;
}
