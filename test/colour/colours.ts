/** Lists of colours through our own engine: as images of one row after another, converted by a view of scale 1. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Intent } from '../../src/colour/parse.js';
import { Engine } from '../../src/engine.js';
import type { ColourSettings } from '../../src/picture/colour.js';
import type { RenderLimits } from '../../src/picture/limits.js';
import type { PartialRequest, Picture } from '../../src/picture/picture.js';
import { type Field, writeTiff } from '../pyramid/tiff.js';
import { pseudoRandom } from '../readers/picture.js';

/** Colours as samples of 0…255 or 0…65535, one list a colour. */
export type Colours = readonly (readonly number[])[];

/** Views of these tests are bounded by nothing. */
export const NO_LIMITS: Partial<RenderLimits> = {
  maxPix: [0, 0],
  maxRenderRgnPixels: 1000,
  maxDecodedPixels: 8000,
  maxMessageSize: 4000,
  maxNonDsfSize: 1000,
  deadlineMs: 0,
};

/** Colours that are the same in every run. */
export function randomColours(channels: number, count: number, bits: 8 | 16, seed = 1): number[][] {
  const random = pseudoRandom(seed);
  const most = 2 ** bits;
  return Array.from({ length: count }, () => Array.from({ length: channels }, () => Math.floor(random() * most)));
}

/** All grays of 8 bits. */
export function grays(channels: number): number[][] {
  return Array.from({ length: 256 }, (_, value) => Array<number>(channels).fill(value));
}

/** Of all samples; `Infinity` when there is another number of them. */
export function largestDifference(a: Colours, b: Colours): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  a.forEach((colour, i) => {
    colour.forEach((value, j) => {
      most = Math.max(most, Math.abs(value - (b[i]?.[j] ?? Number.POSITIVE_INFINITY)));
    });
  });
  return most;
}

/** An image in memory. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly bits: 8 | 16;
  readonly data: ArrayLike<number>;
  readonly alpha?: boolean;
}

/** An uncompressed TIFF of one strip; with four colours, of inks. */
export function rasterTiff(raster: Raster, profile: Uint8Array | null = null): Uint8Array {
  const { width, height, channels, bits, alpha = false } = raster;
  const colours = channels - (alpha ? 1 : 0);
  const samples = bits === 8 ? Uint8Array.from(raster.data) : Uint16Array.from(raster.data);
  const strip = new Uint8Array(samples.buffer);
  const photometric = colours === 4 ? 5 : colours === 3 ? 2 : 1;
  // The profile lies behind the strip: it is too long for the writer of small files.
  const fields = (offset: number): Field[] => [
    { tag: 256, type: 4, values: [width] },
    { tag: 257, type: 4, values: [height] },
    { tag: 258, type: 3, values: Array<number>(channels).fill(bits) },
    { tag: 259, type: 3, values: [1] },
    { tag: 262, type: 3, values: [photometric] },
    { tag: 273, type: 4, values: [offset] },
    { tag: 277, type: 3, values: [channels] },
    { tag: 278, type: 4, values: [height] },
    { tag: 279, type: 4, values: [strip.length] },
    ...(alpha ? [{ tag: 338, type: 3, values: [2] }] : []),
    // Four bytes are no place for a profile: they are the place of it.
    ...(profile === null ? [] : [{ tag: 34675, type: 4, values: [offset + strip.length], count: 1 }]),
  ];
  const { length } = writeTiff([{ fields: fields(0) }]);
  const start = length + (length & 1);
  const head = writeTiff([{ fields: fields(start) }]);
  if (profile !== null) markAsBytes(head, 34675, profile.length);
  const file = new Uint8Array(start + strip.length + (profile?.length ?? 0));
  file.set(head);
  file.set(strip, start);
  if (profile !== null) file.set(profile, start + strip.length);
  return file;
}

/** Makes a LONG field one of so many UNDEFINED bytes at the place that was its value. */
function markAsBytes(head: Uint8Array, tag: number, count: number): void {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const first = bytes.readUInt32LE(4);
  for (let entry = 0; entry < bytes.readUInt16LE(first); entry++) {
    const at = first + 2 + 12 * entry;
    if (bytes.readUInt16LE(at) !== tag) continue;
    bytes.writeUInt16LE(7, at + 2);
    bytes.writeUInt32LE(count, at + 4);
  }
}

/** The samples of an image's first level, as stored. */
export async function rasterOf(picture: Picture): Promise<Raster> {
  const [level] = picture.info.levels;
  if (level === undefined) throw new Error('an image without a level');
  const { width, height } = level;
  const region = await picture.region({ level: 0, left: 0, top: 0, width, height }, { limits: NO_LIMITS });
  const { bits, alpha } = region.pixels;
  return { width, height, channels: region.channels, bits, data: region.data, alpha: alpha !== 'none' };
}

/** What {@link ColourEngine.convert} is to do. */
export interface Conversion {
  /** The profile the colours have; null: none. */
  readonly input: Uint8Array | null;
  /** Name of a profile. */
  readonly output: string;
  /** Samples of `bits`. */
  readonly colours: Colours;
  readonly bits: 8 | 16;
  /** Bits of the answer; those of the colours when left out. */
  readonly outputBits?: 8 | 16;
  readonly intent?: Intent;
  readonly blackPointCompensation?: boolean;
}

/** An engine that knows profiles of a test, as `<name>.icc`. */
export class ColourEngine {
  readonly engine: Engine;
  readonly #folder: string;

  private constructor(engine: Engine, folder: string) {
    this.engine = engine;
    this.#folder = folder;
  }

  static async start(
    profiles: Readonly<Record<string, Uint8Array>> = {},
    colour: Partial<ColourSettings> = {},
  ): Promise<ColourEngine> {
    const folder = await mkdtemp(join(tmpdir(), 'pyramidion-colour-'));
    for (const [name, bytes] of Object.entries(profiles)) await writeFile(join(folder, `${name}.icc`), bytes);
    const settings = { iccProfileRgb: '', ...colour, profileFolders: [...(colour.profileFolders ?? []), folder] };
    return new ColourEngine(await Engine.start({ colour: settings, limits: NO_LIMITS }), folder);
  }

  /** A profile's file. */
  path(name: string): string {
    return join(this.#folder, `${name}.icc`);
  }

  /** The pixels of a view of an image; lossless when `request` is. */
  async view(image: Uint8Array | string, request: PartialRequest | string): Promise<Raster> {
    const picture = await this.engine.open(image);
    try {
      const { bytes } = await picture.render(request);
      const view = await this.engine.open(bytes);
      return await rasterOf(view).finally(() => view.close());
    } finally {
      await picture.close();
    }
  }

  /** Colours through a pair of profiles, as a view does it. */
  async convert(conversion: Conversion): Promise<number[][]> {
    const {
      input,
      output,
      colours,
      bits,
      outputBits = bits,
      intent = null,
      blackPointCompensation = null,
    } = conversion;
    const channels = colours[0]?.length ?? 0;
    const image = rasterTiff({ width: colours.length, height: 1, channels, bits, data: colours.flat() }, input);
    const view = await this.view(image, {
      view: { scl: 1 },
      output: {
        format: 'tif',
        bits: outputBits,
        icc: { profile: output, intent, blackPointCompensation, dither: false },
      },
    });
    return colours.map((_, index) =>
      Array.from({ length: view.channels }, (_, c) => view.data[index * view.channels + c] ?? Number.NaN),
    );
  }

  async close(): Promise<void> {
    await this.engine.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
