/**
 * A zone plate: circles that grow finer from the middle outwards, so that every place of the picture has one frequency.
 * What is too fine for a level ought to be flat gray there: the rest is aliasing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import type { ReductionFilter } from '../../src/native/contract.js';
import { formatTable } from '../corpus/table.js';
import { quantise } from '../readers/picture.js';
import { decodeWithSharp, type SourceKind, writeSource } from '../readers/sources.js';

/** Side of the picture. `distance / SIDE` is the frequency in cycles a pixel: one half, the finest there is, at the edges. */
const SIDE = 1024;
const KIND: SourceKind = { width: SIDE, height: SIDE, space: 'gray', bits: 8, alpha: false };
const FILTERS: readonly ReductionFilter[] = ['mean', 'lanczos', 'flashpix', 'bicubic-sharp'];
const LEVELS = [1, 2, 3] as const;
const GRAY = 127.5;
const AMPLITUDE = 127.5;

/** The plate at a point, in pixels of level 0 from the middle. */
function plate(x: number, y: number): number {
  return GRAY + AMPLITUDE * Math.cos((Math.PI * (x * x + y * y)) / SIDE);
}

/** What a level has of the plate: all in squares of an 8-bit step, a pixel. */
interface Energies {
  /** Where the plate is too fine along either axis, and an ideal filter leaves flat gray. */
  readonly aliasing: number;
  /** Where it is well within what the level can hold: the difference to the plate itself. */
  readonly loss: number;
  /** Difference to the ideal, band-limited level everywhere. */
  readonly all: number;
}

let engine: Engine;
let folder: string;
const found = new Map<ReductionFilter, Energies[]>();

function measure(data: ArrayLike<number>, side: number): Energies {
  const step = SIDE / side;
  const nyquist = 0.5 / step;
  const sums = { aliasing: 0, aliasingPixels: 0, loss: 0, lossPixels: 0, all: 0 };
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const x = (column + 0.5) * step - SIDE / 2;
      const y = (row + 0.5) * step - SIDE / 2;
      const value = data[row * side + column] ?? 0;
      // An ideal filter of two axes passes a square of frequencies.
      const frequency = Math.max(Math.abs(x), Math.abs(y)) / SIDE;
      const ideal = frequency < nyquist ? plate(x, y) : GRAY;
      sums.all += (value - ideal) ** 2;
      if (frequency >= nyquist) {
        sums.aliasing += (value - GRAY) ** 2;
        sums.aliasingPixels++;
      } else if (frequency < nyquist / 2) {
        sums.loss += (value - ideal) ** 2;
        sums.lossPixels++;
      }
    }
  }
  return {
    aliasing: sums.aliasing / sums.aliasingPixels,
    loss: sums.loss / sums.lossPixels,
    all: sums.all / side ** 2,
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-plate-'));
  engine = await Engine.start();
  const values = Float64Array.from(
    { length: SIDE * SIDE },
    (_, i) => plate((i % SIDE) + 0.5 - SIDE / 2, Math.floor(i / SIDE) + 0.5 - SIDE / 2) / 255,
  );
  const source = join(folder, 'plate.png');
  await writeSource(source, { ...KIND, data: quantise(values, 8) });
  for (const reduction of FILTERS) {
    const path = join(folder, `${reduction}.tif`);
    await engine.build(source, path, { compression: 'deflate', tileSize: 128, reduction });
    const levels = await Promise.all(LEVELS.map((page) => decodeWithSharp(path, KIND, { page })));
    found.set(
      reduction,
      levels.map(({ data, width }) => measure(data, width)),
    );
  }
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
  const rows = LEVELS.flatMap((level) =>
    FILTERS.map((filter) => {
      const { aliasing, loss, all } = at(filter, level);
      const ratio = aliasing / at('mean', level).aliasing;
      return [`${level}`, filter, aliasing.toFixed(1), `${ratio.toFixed(3)}`, loss.toFixed(1), all.toFixed(1)];
    }),
  );
  const head = ['level', 'filter', 'aliasing energy', 'of the mean', 'loss below half Nyquist', 'error to the ideal'];
  console.log(formatTable([head, ...rows]));
});

function at(filter: ReductionFilter, level: number): Energies {
  const energies = found.get(filter)?.[level - 1];
  if (energies === undefined) throw new Error(`level ${level} of ${filter} was not measured`);
  return energies;
}

describe.each(LEVELS)('a zone plate at level %i', (level) => {
  it('aliases less than a quarter as much through lanczos as through the 2×2 mean', () => {
    expect(at('lanczos', level).aliasing).toBeLessThan(0.25 * at('mean', level).aliasing);
    expect(at('flashpix', level)).toEqual(at('lanczos', level));
  });
  it('is nearer to the ideal through lanczos than through the 2×2 mean', () => {
    expect(at('lanczos', level).all).toBeLessThan(at('mean', level).all);
    expect(at('lanczos', level).loss).toBeLessThan(at('mean', level).loss);
  });
});
