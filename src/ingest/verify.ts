/** How much memory it takes to decode an image without building anything of it. */
import { PyramidionError } from '../errors.js';
import type { Source } from '../source/types.js';
import { type NeedFacts, verifyPeak } from './need.js';
import type { Probed } from './probe.js';
import { readTiffFacts } from './tiff-facts.js';
import { TiffReader } from './tiff-fields.js';

const SUB_IFDS = 330;

/**
 * Bytes a verification of a probed page takes, or of its SubIFD `subIfd` (−1: the page itself). Rejects with
 * `INVALID_OPTION` when there is no such SubIFD, and with `CORRUPT_IMAGE` when it is damaged.
 */
export async function verifyNeed(source: Source, probed: Probed, subIfd: number, threads: number): Promise<number> {
  return verifyPeak(subIfd < 0 ? probed.facts : await subFacts(source, probed, subIfd), threads);
}

async function subFacts(source: Source, probed: Probed, subIfd: number): Promise<NeedFacts> {
  const reader = probed.info.format === 'tiff' ? await TiffReader.open(source.read, source.size) : null;
  const page = await reader?.page(probed.page);
  const field = page?.fields.get(SUB_IFDS);
  if (reader === null || field === undefined || subIfd >= field.count) {
    throw new PyramidionError('INVALID_OPTION', `subIfd must be below ${field?.count ?? 0}; got ${subIfd}`, {
      option: 'subIfd',
      value: subIfd,
      limit: (field?.count ?? 0) - 1,
    });
  }
  const [offset = 0] = await reader.numbers(field, 1, subIfd);
  const tiff = await readTiffFacts(reader, await reader.directory(offset), source.size);
  return {
    ...probed.facts,
    size: { width: tiff.width, height: tiff.height },
    bands: Math.max(tiff.samplesPerPixel, probed.facts.bands),
    sampleBytes: Math.max(1, tiff.bitsPerSample / 8),
    bitDepth: tiff.bitsPerSample,
    tiff,
  };
}
