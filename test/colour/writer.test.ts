import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { md5 } from '../../src/colour/md5.js';
import { parseProfile } from '../../src/colour/parse.js';
import { toFixed, withoutVariableFields, writeGrayProfile, writeRgbProfile } from '../../src/colour/writer.js';
import { elementAt } from './profiles.js';

const GRAY = { description: 'A gray', copyright: 'None', white: [0.9642, 1, 0.82491], curve: { gamma: 1 } } as const;
const RGB = {
  ...GRAY,
  description: 'An RGB',
  colorants: { red: [0.4, 0.2, 0.01], green: [0.4, 0.7, 0.1], blue: [0.15, 0.1, 0.7] },
} as const;

test('md5 is what Node has', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(Buffer.from(md5(bytes)).toString('hex')).toBe(createHash('md5').update(bytes).digest('hex'));
    }),
  );
});

test.each([
  [0, 0],
  [1, 0x10000],
  [-1, -0x10000],
  [0.9642, 0xf6d6],
  [0.82491, 0xd32d],
  [-0.00125, -82],
  [1 / 131072 + 1e-9, 1],
  [1 / 131072 - 1e-9, 0],
  [-1 / 131072 - 1e-9, -1],
  [32767.99999, 0x7fffffff],
  [-32768, -0x80000000],
])('%d as s15Fixed16 is %d', (value, fixed) => {
  expect(toFixed(value)).toBe(fixed);
});

describe('the file', () => {
  const bytes = writeRgbProfile(RGB);

  test('reads back', () => {
    expect(parseProfile(bytes)).toMatchObject({
      description: 'An RGB',
      version: '2.1',
      deviceClass: 'mntr',
      space: 'RGB ',
    });
    expect(parseProfile(writeGrayProfile(GRAY))).toMatchObject({ description: 'A gray', pixelSpace: 'gray' });
  });

  test('says its length, and its elements are aligned and inside', () => {
    const view = Buffer.from(bytes);
    expect(view.readUInt32BE(0)).toBe(bytes.length);
    expect(bytes.length % 4).toBe(0);
    for (const tag of ['desc', 'cprt', 'wtpt', 'rXYZ', 'gXYZ', 'bXYZ', 'rTRC', 'gTRC', 'bTRC']) {
      const { offset, length } = elementAt(bytes, tag);
      expect(offset % 4, tag).toBe(0);
      expect(offset + length, tag).toBeLessThanOrEqual(bytes.length);
    }
    expect(elementAt(bytes, 'gTRC')).toEqual(elementAt(bytes, 'rTRC'));
    // Header fields that are to be zero: CMM, platform, flags, manufacturer, model, attributes, intent, creator, reserved.
    const zeros = [4, 40, 44, 48, 52, 56, 60, 64, 80, 100, 104, 108, 112, 116, 120, 124];
    expect(zeros.map((at) => view.readUInt32BE(at))).toEqual(zeros.map(() => 0));
  });

  test('holds its own ID, which flags and intent do not change', () => {
    const id = Buffer.from(bytes.subarray(84, 100)).toString('hex');
    const hashed = createHash('md5').update(withoutVariableFields(bytes)).digest('hex');
    expect(id).toBe(hashed);
    expect(
      createHash('md5')
        .update(withoutVariableFields(bytes.with(47, 1).with(67, 1)))
        .digest('hex'),
    ).toBe(id);
  });

  test('is the same bytes each time', () => {
    expect(writeRgbProfile(RGB)).toEqual(bytes);
  });
});

test.each<[string, () => unknown]>([
  ['a colorant out of range', () => writeRgbProfile({ ...RGB, white: [40_000, 1, 1] })],
  ['no number', () => writeRgbProfile({ ...RGB, white: [Number.NaN, 1, 1] })],
  ['an exponent of 0', () => writeGrayProfile({ ...GRAY, curve: { gamma: 0 } })],
  ['an exponent of 256', () => writeGrayProfile({ ...GRAY, curve: { gamma: 256 } })],
  ['an empty curve', () => writeGrayProfile({ ...GRAY, curve: { samples: new Uint16Array() } })],
  ['text beyond ASCII', () => writeGrayProfile({ ...GRAY, description: 'Grau für alle' })],
])('%s is PROFILE_INVALID', (_, write) => {
  expect(write).toThrowError(expect.objectContaining({ code: 'PROFILE_INVALID' }));
});
