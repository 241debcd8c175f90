/** An image decoded by the vips command: another libvips and another libtiff than ours. */
import { readFile, rm } from 'node:fs/promises';
import type { Samples } from './picture.js';
import { asSamples, type Place } from './sources.js';
import { run } from './tools.js';

/** What the command decoded; associated alpha comes back straight. */
export interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly bands: number;
  readonly data: Samples;
}

/** In a .v file: sizes, bands and sample type (0 uchar, 2 ushort) as words of the machine's order; pixels from byte 64. */
const HEADER = { width: 4, height: 8, bands: 12, format: 20, pixels: 64 } as const;
const FORMATS: Readonly<Record<number, 8 | 16>> = { 0: 8, 2: 16 };

/** Decodes one page or SubIFD of a TIFF. Throws when samples are not of `bits`. */
export async function decodeWithVips(path: string, { page = 0, subIfd = null }: Place, bits: 8 | 16): Promise<Decoded> {
  return decode(
    subIfd === null ? `${path}[page=${page}]` : `${path}[subifd=${subIfd}]`,
    `${path}.${page}.${subIfd ?? 'page'}.v`,
    bits,
  );
}

/** Decodes a file of any format that has one image. Throws when samples are not of `bits`. */
export function decodeFileWithVips(path: string, bits: 8 | 16): Promise<Decoded> {
  return decode(path, `${path}.v`, bits);
}

async function decode(source: string, copy: string, bits: 8 | 16): Promise<Decoded> {
  await run('vips', 'copy', source, copy);
  const bytes = await readFile(copy);
  await rm(copy);
  const word = (offset: number): number => bytes.readInt32LE(offset);
  const [width, height, bands] = [word(HEADER.width), word(HEADER.height), word(HEADER.bands)];
  if (FORMATS[word(HEADER.format)] !== bits)
    throw new Error(`${source}: vips yields samples of type ${word(HEADER.format)}`);
  const length = (width * height * bands * bits) / 8;
  return { width, height, bands, data: asSamples(bytes.subarray(HEADER.pixels, HEADER.pixels + length), bits) };
}
