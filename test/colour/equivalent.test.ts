import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { chooseColour } from '../../src/colour/choose.js';
import { isEquivalentProfile } from '../../src/colour/equivalent.js';
import { generatedProfile } from '../../src/colour/generated.js';
import { NAMED_PROFILES } from '../../src/colour/named.js';
import { type Profile, parseProfile } from '../../src/colour/parse.js';
import type { KnownProfile } from '../../src/colour/registry.js';
import { writeGrayProfile, writeRgbProfile, type Xyz } from '../../src/colour/writer.js';
import { corpus, hasCorpus } from '../corpus/place.js';
import { formatTable } from '../corpus/table.js';
import { ColourEngine, grays, largestDifference, randomColours } from './colours.js';

const srgb = parseProfile(generatedProfile('sRGB'));
const generated = NAMED_PROFILES.filter(({ isGenerated }) => isGenerated).map(({ identifier }) => identifier);

/** sRGB with a change: colorants moved by so much, and values by so much before the curve. */
function variant(move: number, shift: (value: number) => number = (value) => value): Profile {
  const moved = ([x, y, z]: Xyz): Xyz => [x + move, y, z - move];
  const samples = Uint16Array.from({ length: 4096 }, (_, i) => {
    const value = Math.min(Math.max(shift(i / 4095), 0), 1);
    return Math.round(65535 * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  });
  return parseProfile(
    writeRgbProfile({
      description: 'a variant',
      copyright: 'none',
      colorants: {
        red: moved([0.43604, 0.22249, 0.01392]),
        green: [0.38512, 0.7169, 0.09706],
        blue: [0.14305, 0.06061, 0.71393],
      },
      white: [0.95045, 1, 1.08905],
      curve: { samples },
    }),
  );
}

/** sRGB's own curve as a parametric one, by which the profile's three curves are replaced. */
function parametric(): Profile {
  const profile = Buffer.from(variant(0).bytes);
  for (let index = 0; index < profile.readUInt32BE(128); index++) {
    const at = 132 + 12 * index;
    if (!profile.toString('latin1', at, at + 4).endsWith('TRC')) continue;
    const offset = profile.readUInt32BE(at + 4);
    profile.write('para', offset, 'latin1');
    profile.writeUInt32BE(3 << 16, offset + 8);
    [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045].forEach((value, parameter) => {
      profile.writeInt32BE(Math.round(value * 65536), offset + 12 + 4 * parameter);
    });
  }
  return parseProfile(Uint8Array.from(profile));
}

describe('profiles that 8 bits cannot tell apart', () => {
  test('are those with nearly the same colorants and curves', () => {
    expect(isEquivalentProfile(srgb, variant(0))).toBe(true);
    expect(isEquivalentProfile(variant(0), srgb)).toBe(true);
    expect(isEquivalentProfile(srgb, variant(1e-5))).toBe(true);
    expect(isEquivalentProfile(srgb, variant(6e-4))).toBe(false);
    expect(isEquivalentProfile(srgb, parametric())).toBe(true);
  });

  test('are not those whose values would move by a step', () => {
    expect(
      isEquivalentProfile(
        srgb,
        variant(0, (value) => value + 0.3 / 255),
      ),
    ).toBe(true);
    expect(
      isEquivalentProfile(
        srgb,
        variant(0, (value) => value + 1 / 255),
      ),
    ).toBe(false);
    // Less than half a step of light, and yet many steps of dark values.
    expect(
      isEquivalentProfile(
        srgb,
        variant(0, (value) => (value < 0.02 ? 0 : value)),
      ),
    ).toBe(false);
  });

  test('are no two of the generated ones', () => {
    for (const one of generated) {
      const same = generated.filter((other) =>
        isEquivalentProfile(parseProfile(generatedProfile(one)), parseProfile(generatedProfile(other))),
      );
      expect(same).toEqual([one]);
    }
  });

  test('are gray ones with nearly the same curve, and never gray and RGB', () => {
    const gray = (gamma: number): Profile =>
      parseProfile(
        writeGrayProfile({ description: 'gray', copyright: 'none', white: [0.9642, 1, 0.82491], curve: { gamma } }),
      );
    expect(isEquivalentProfile(gray(2.2), gray(2.203))).toBe(true);
    expect(isEquivalentProfile(gray(2.2), gray(2.25))).toBe(false);
    expect(isEquivalentProfile(gray(2.2), srgb)).toBe(false);
  });

  test('are not converted for 8 bits, and are for 16 bits and for the absolute intent', () => {
    const known: KnownProfile = { profile: srgb, name: 'sRGB', label: 'sRGB', origin: 'generated', path: null };
    const defaults = { output: { rgb: known }, source: {} };
    const layer = { space: 'rgb', embedded: variant(1e-5), defaults } as const;
    const common = { pixelType: null, icc: null, layer, defaults };
    expect(chooseColour({ ...common, bits: 8 })).toMatchObject({ identity: true, conversion: 'none' });
    expect(chooseColour({ ...common, bits: 16 })).toMatchObject({ identity: false, conversion: 'managed' });
    expect(chooseColour(common)).toMatchObject({ identity: false, conversion: 'managed' });
    expect(chooseColour({ ...common, bits: 8, options: { intent: 'absolute' } })).toMatchObject({ identity: false });
  });
});

describe('what that hides', () => {
  let engine: ColourEngine;
  beforeAll(async () => {
    engine = await ColourEngine.start();
  });
  afterAll(() => engine.close());

  async function hidden(profile: Profile): Promise<number> {
    const colours = [...grays(3), ...randomColours(3, 1000, 8, 4)];
    // For 16 bits it is converted all the same.
    const made = await engine.convert({ input: profile.bytes, output: 'sRGB', colours, bits: 8, outputBits: 16 });
    return largestDifference(
      made.map((colour) => colour.map((value) => Math.round(value / 257))),
      colours,
    );
  }

  test('is at most one step', async () => {
    for (const profile of [
      variant(1e-5),
      variant(0, (value) => value + 0.3 / 255),
      variant(0, (value) => value - 0.45 / 255),
      parametric(),
    ]) {
      expect(isEquivalentProfile(profile, srgb)).toBe(true);
      expect(await hidden(profile)).toBeLessThanOrEqual(1);
    }
  });

  it.skipIf(!hasCorpus)(
    `is at most one step, of the corpus' profiles${hasCorpus ? '' : ' (skipped: no corpus)'}`,
    async () => {
      const rows: string[][] = [];
      for (const name of VARIANTS) {
        const profile = parseProfile(readFileSync(join(corpus, 'icc', name)));
        const same = isEquivalentProfile(profile, srgb);
        rows.push([name, same ? 'same' : 'other', String(await hidden(profile))]);
      }
      console.log(formatTable([['profile', 'as sRGB', 'steps of 8 bits, at most'], ...rows]));
      for (const [name = '', same, steps] of rows) {
        if (same === 'same') expect(Number(steps), name).toBeLessThanOrEqual(1);
      }
      const others = rows.filter(([, same]) => same === 'other').map(([name]) => name);
      expect(others).toEqual([
        'sRGB_v4_ICC_preference.icc',
        'scRGB-v2.icc',
        'AdobeCompat-v2.icc',
        'DisplayP3-v4.icc',
        'DisplayP3-v2-micro.icc',
        'Rec709-v4.icc',
      ]);
    },
  );
});

const VARIANTS = [
  'sRGB-v4.icc',
  'sRGB-v2-magic.icc',
  'sRGB-v2-micro.icc',
  'sRGB.icm',
  'sRGB_IEC61966-2-1_black_scaled.icc',
  'sRGB_v4_ICC_preference.icc',
  'scRGB-v2.icc',
  'AdobeCompat-v2.icc',
  'DisplayP3-v4.icc',
  'DisplayP3-v2-micro.icc',
  'Rec709-v4.icc',
];
