/** Every reduced level against the same kernel in 64-bit floats, made from the level above as it is stored. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromFile } from 'geotiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import { levelSizes, orientedSize } from '../../src/geometry.js';
import type { ReductionFilter } from '../../src/native/contract.js';
import { formatTable } from '../corpus/table.js';
import { compare } from '../readers/compare.js';
import { picture, pseudoRandom, quantise, type Samples } from '../readers/picture.js';
import {
  coloursOf,
  decodeWithSharp,
  type Pixels,
  type SourceKind,
  samplesOf,
  writeSource,
} from '../readers/sources.js';
import { type Plane, reduce, reduceStraight } from './reference.js';

const FILTERS: readonly ReductionFilter[] = ['mean', 'lanczos', 'flashpix', 'bicubic-sharp'];
/** Of a difference, in steps of 8 bits. */
const MOST = { largest: 1, mean: 0.05 } as const;

let engine: Engine;
let folder: string;
const table: string[][] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-levels-'));
  engine = await Engine.start();
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
  console.log(
    formatTable([
      ['filter', 'pixels', 'size', 'orientations', 'levels', 'largest, 8-bit steps', 'mean of the worst level'],
      ...table,
    ]),
  );
});

const pictures = new Map<SourceKind, Pixels>();

/** The picture with noise of every strength over it, from none on the left to black and white on the right. */
function noisy(kind: SourceKind): Pixels {
  const known = pictures.get(kind);
  if (known !== undefined) return known;
  const random = pseudoRandom(7);
  const { width } = kind;
  const samples = samplesOf(kind);
  const values = picture(kind.width, kind.height, coloursOf(kind.space), kind.alpha).map((value, i) => {
    const strength = Math.max(0, (Math.floor(i / samples) % width) / width - 0.3) * 3;
    return Math.min(1, Math.max(0, value + strength * (random() - 0.5)));
  });
  const pixels = { ...kind, data: quantise(values, kind.bits) };
  pictures.set(kind, pixels);
  return pixels;
}

/** All levels as they are stored. */
async function readLevels(path: string): Promise<Plane[]> {
  const tiff = await fromFile(path);
  try {
    const levels: Plane[] = [];
    for (let page = 0; page < (await tiff.getImageCount()); page++) {
      const image = await tiff.getImage(page);
      const data = (await image.readRasters({ interleave: true })) as unknown as Samples;
      levels.push({ width: image.getWidth(), height: image.getHeight(), samples: image.getSamplesPerPixel(), data });
    }
    return levels;
  } finally {
    await tiff.close();
  }
}

/** Builds a pyramid down to one pixel and yields, for each reduced level, how far it is from the reference. */
async function measure(
  kind: SourceKind,
  filter: ReductionFilter,
  orientation: number,
  alpha: 'straight' | 'associated',
): Promise<{ largest: number; mean: number; levels: number }> {
  const source = join(folder, 'source');
  const pixels = noisy(kind);
  await writeSource(source, pixels, orientation);
  const { path } = await engine.build(source, join(folder, 'result.tif'), {
    compression: 'none',
    bits: 'source',
    tileSize: 64,
    depth: 'onepixel',
    reduction: filter,
    alpha,
    ifExists: 'replace',
  });
  const levels = await readLevels(path);
  const sizes = levelSizes(orientedSize({ width: kind.width, height: kind.height }, orientation), 64, 'onepixel');
  expect(levels.map(({ width, height }) => ({ width, height }))).toEqual(sizes);
  if (!kind.alpha) {
    // Where pairs are counted from is the origin of this.
    const upright = await decodeWithSharp(source, kind);
    expect(compare((levels[0] as Plane).data as Samples, upright.data).largest).toBe(0);
  }
  const step = kind.bits === 8 ? 1 : 257;
  const top = 2 ** kind.bits - 1;
  const found = { largest: 0, mean: 0, levels: levels.length - 1 };
  for (const [index, above] of levels.slice(0, -1).entries()) {
    const level = levels[index + 1] as Plane;
    const wanted = kind.alpha && alpha === 'straight' ? reduceStraight(above, filter, top) : reduce(above, filter);
    const rounded = quantise(
      wanted.data.map((value) => Math.min(top, Math.max(0, value)) / top),
      kind.bits,
    );
    const { largest, mean } = compare(level.data as Samples, rounded);
    expect(largest / step, `level ${index + 1}`).toBeLessThanOrEqual(MOST.largest);
    // The mean of a handful of samples says nothing.
    if (level.data.length >= 100) {
      expect(mean / step, `level ${index + 1}`).toBeLessThanOrEqual(MOST.mean);
      found.mean = Math.max(found.mean, mean / step);
    }
    found.largest = Math.max(found.largest, largest / step);
  }
  return found;
}

const size = { width: 333, height: 251 } as const;
const KINDS: readonly { kind: SourceKind; stored?: 'straight' | 'associated'; orientations: readonly number[] }[] = [
  { kind: { ...size, space: 'gray', bits: 8, alpha: false }, orientations: [1, 3, 6] },
  { kind: { ...size, space: 'rgb', bits: 8, alpha: false }, orientations: [1, 2, 3, 4, 5, 6, 7, 8] },
  { kind: { ...size, width: 334, height: 250, space: 'rgb', bits: 8, alpha: false }, orientations: [1, 3, 6] },
  { kind: { ...size, space: 'cmyk', bits: 8, alpha: false }, orientations: [1, 6] },
  { kind: { ...size, space: 'gray', bits: 8, alpha: true }, stored: 'straight', orientations: [1, 3] },
  { kind: { ...size, space: 'rgb', bits: 8, alpha: true }, stored: 'straight', orientations: [1, 3, 6] },
  { kind: { ...size, space: 'rgb', bits: 8, alpha: true }, stored: 'associated', orientations: [1, 6] },
  { kind: { ...size, space: 'gray', bits: 16, alpha: false }, orientations: [1, 6] },
  { kind: { ...size, space: 'rgb', bits: 16, alpha: false }, orientations: [1, 3, 6] },
  { kind: { ...size, space: 'rgb', bits: 16, alpha: true }, stored: 'straight', orientations: [1, 3] },
];

describe.each(FILTERS)('%s', (filter) => {
  for (const { kind, stored, orientations: all } of KINDS) {
    // All eight for one filter: they do not depend on it.
    const orientations = filter === 'lanczos' ? all : all.filter((orientation) => [1, 3, 6].includes(orientation));
    const pixels = `${kind.space} ${kind.bits}${stored ? `, ${stored} alpha` : ''}`;
    it(`${pixels}, ${kind.width}×${kind.height}, orientations ${orientations.join(' ')}`, async () => {
      let worst = { largest: 0, mean: 0, levels: 0 };
      for (const orientation of orientations) {
        const { largest, mean, levels } = await measure(kind, filter, orientation, stored ?? 'straight');
        worst = {
          largest: Math.max(worst.largest, largest),
          mean: Math.max(worst.mean, mean),
          levels: worst.levels + levels,
        };
      }
      table.push([
        filter,
        pixels,
        `${kind.width}×${kind.height}`,
        orientations.join(' '),
        `${worst.levels}`,
        worst.largest.toFixed(3),
        worst.mean.toFixed(4),
      ]);
    });
  }
});
