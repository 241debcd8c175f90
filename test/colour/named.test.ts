import { expect, test } from 'vitest';
import { foldName, lookupNamed, NAMED_PROFILES, namesOf, STAND_INS } from '../../src/colour/named.js';

test('10 RGB, 3 gray and 22 press profiles', () => {
  const count = (space: string): number => NAMED_PROFILES.filter((row) => row.space === space).length;
  expect([count('rgb'), count('gray'), count('cmyk')]).toEqual([10, 3, 22]);
  expect(NAMED_PROFILES.every(({ space, isGenerated }) => isGenerated === (space !== 'cmyk'))).toBe(true);
});

test('every name, in any capitals, leads to its profile and to no other', () => {
  for (const row of NAMED_PROFILES) {
    for (const name of namesOf(row)) {
      for (const spelling of [name, name.toUpperCase(), name.toLowerCase(), ` ${name} `]) {
        expect(lookupNamed(spelling), spelling).toBe(row);
      }
    }
  }
  const all = NAMED_PROFILES.flatMap(({ identifier, commonName, fileName }) => [identifier, commonName, fileName]);
  // 'sGray' is both its identifier and its common name.
  expect(new Set(all.map(foldName)).size).toBe(all.length - 1);
});

test.each([
  ['srgb iec61966-2.1', 'sRGB'],
  ['sRgb Color Space Profile.icm', 'sRGB'],
  ['Euroscale Coated', 'EuroscaleCoated'],
  ['Euroscale Coated v2', 'EuroscaleCoated'],
  ['U.S. Web Coated (SWOP) v2', 'WebCoated'],
  ['WEBCOATEDFOGRA28', 'WebCoatedFogra28'],
])('%s is %s', (name, identifier) => {
  expect(lookupNamed(name)?.identifier).toBe(identifier);
});

test.each(['', 'sRGB2', 'AdobeRGB1998', 'constructor', '../AdobeRGB1998.icc'])('%j is nobody', (name) => {
  expect(lookupNamed(name)).toBeNull();
});

test('stand-ins are for press profiles', () => {
  for (const identifier of Object.keys(STAND_INS)) {
    expect(lookupNamed(identifier)).toMatchObject({ identifier, isGenerated: false });
  }
});
