/** Source files for the tests, and their pixels as sharp decodes them. */
import { writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { writeTiff } from '../pyramid/tiff.js';
import { picture, quantise, type Samples } from './picture.js';

export type Space = 'gray' | 'rgb' | 'cmyk';

/** Samples and what they are. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly space: Space;
  readonly bits: 8 | 16;
  readonly alpha: boolean;
  readonly data: Samples;
}

/** Which source to make. */
export type SourceKind = Omit<Pixels, 'data'>;

/** Components of a pixel but for alpha. */
export function coloursOf(space: Space): number {
  return { gray: 1, rgb: 3, cmyk: 4 }[space];
}

export function samplesOf({ space, alpha }: Pick<Pixels, 'space' | 'alpha'>): number {
  return coloursOf(space) + (alpha ? 1 : 0);
}

const pictures = new Map<string, Float64Array>();

/** The synthetic picture in the wanted kind of pixels. */
export function makePixels({ width, height, space, bits, alpha }: SourceKind): Pixels {
  const key = [width, height, space, alpha].join();
  const values = pictures.get(key) ?? picture(width, height, coloursOf(space), alpha);
  pictures.set(key, values);
  return { width, height, space, bits, alpha, data: quantise(values, bits) };
}

/** sharp's names of pixel types. */
function colourspace({ space, bits }: Pick<Pixels, 'space' | 'bits'>): string {
  return { gray: ['b-w', 'grey16'], rgb: ['srgb', 'rgb16'], cmyk: ['cmyk', 'cmyk'] }[space][bits === 8 ? 0 : 1] ?? '';
}

/**
 * Writes the pixels without loss: as PNG through sharp, or as a TIFF of one strip where they are CMYK, which sharp cannot
 * take in raw, or have an orientation, which PNG has not.
 */
export async function writeSource(path: string, pixels: Pixels, orientation = 1): Promise<void> {
  const { width, height, space, data } = pixels;
  if (space === 'cmyk' || orientation !== 1) return writeFile(path, stripTiff(pixels, orientation));
  const channels = samplesOf(pixels) as 1 | 2 | 3 | 4;
  await sharp(data, { raw: { width, height, channels } })
    .toColourspace(colourspace(pixels))
    .png({ compressionLevel: 1 })
    .toFile(path);
}

function stripTiff({ width, height, space, bits, alpha, data }: Pixels, orientation: number): Uint8Array {
  const samples = samplesOf({ space, alpha });
  const write = (offset: number): Uint8Array =>
    writeTiff([
      {
        fields: [
          { tag: 256, type: 4, values: [width] },
          { tag: 257, type: 4, values: [height] },
          { tag: 258, type: 3, values: new Array<number>(samples).fill(bits) },
          { tag: 259, type: 3, values: [1] },
          { tag: 262, type: 3, values: [{ gray: 1, rgb: 2, cmyk: 5 }[space]] },
          { tag: 273, type: 4, values: [offset] },
          { tag: 274, type: 3, values: [orientation] },
          { tag: 277, type: 3, values: [samples] },
          { tag: 278, type: 4, values: [height] },
          { tag: 279, type: 4, values: [data.byteLength] },
          ...(alpha ? [{ tag: 338, type: 3, values: [2] }] : []),
        ],
      },
    ]);
  const head = write(write(0).length);
  return Buffer.concat([head, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

/** One image of a file: a page, or a SubIFD of the first one. */
export interface Place {
  readonly page?: number;
  readonly subIfd?: number | null;
}

/**
 * Decodes one image with sharp, upright, without a change of colour. Associated alpha comes back straight, as libvips
 * has it.
 */
export async function decodeWithSharp(path: string, like: SourceKind, at: Place = {}): Promise<Pixels> {
  const { page = 0, subIfd = null } = at;
  const input = subIfd === null ? { page } : { page, tiff: { subifd: subIfd } };
  let image = sharp(path, { ...input, limitInputPixels: false }).autoOrient();
  // Else CMYK would go to RGB and back.
  if (like.space === 'cmyk') image = image.pipelineColourspace('cmyk');
  // Of 8-bit gray with alpha sharp's raw output is the gray alone.
  const isWidened = like.space === 'gray' && like.alpha && like.bits === 8;
  const { data, info } = await image
    .toColourspace(isWidened ? 'srgb' : colourspace(like))
    .raw({ depth: like.bits === 8 ? 'uchar' : 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== (isWidened ? 4 : samplesOf(like))) throw new Error(`${path}: sharp yields ${channels} samples`);
  const samples = isWidened ? data.filter((_, i) => i % 4 === 0 || i % 4 === 3) : asSamples(data, like.bits);
  return { ...like, width, height, data: samples };
}

/**
 * Decodes a rectangle of one image with sharp, as it is stored: neither turned upright nor brought to another colour
 * space. Samples beyond those of `like` are left out.
 */
export async function decodeStored(
  source: string | Uint8Array,
  like: Pick<Pixels, 'space' | 'bits' | 'alpha'>,
  { page = 0, subIfd = null }: Place,
  rect: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
): Promise<Samples> {
  const input = { ...(subIfd === null ? { page } : { page, tiff: { subifd: subIfd } }), ignoreIcc: true };
  let image = sharp(source, { ...input, limitInputPixels: false }).extract(rect);
  if (like.space === 'cmyk') image = image.pipelineColourspace('cmyk');
  const isWidened = like.space === 'gray' && like.alpha && like.bits === 8;
  const { data, info } = await image
    .toColourspace(isWidened ? 'srgb' : colourspace(like))
    .raw({ depth: like.bits === 8 ? 'uchar' : 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const samples = asSamples(data, like.bits);
  if (isWidened) return samples.filter((_, i) => i % 4 === 0 || i % 4 === 3);
  const wanted = samplesOf(like);
  if (info.channels < wanted) throw new Error(`sharp yields ${info.channels} samples, not ${wanted}`);
  return info.channels === wanted ? samples : samples.filter((_, i) => i % info.channels < wanted);
}

/** Bytes in the machine's order as samples. */
export function asSamples(bytes: Uint8Array, bits: 8 | 16): Samples {
  if (bits === 8) return bytes;
  const copy = Uint8Array.from(bytes);
  return new Uint16Array(copy.buffer);
}

/** Colours times alpha, rounded. */
export function premultiply(pixels: Pixels): Samples {
  if (!pixels.alpha) return pixels.data;
  const samples = samplesOf(pixels);
  const top = 2 ** pixels.bits - 1;
  const alphaOf = (i: number): number => pixels.data[i - (i % samples) + samples - 1] ?? 0;
  return pixels.data.map((value, i) =>
    i % samples === samples - 1 ? value : Math.floor((value * alphaOf(i)) / top + 0.5),
  );
}
