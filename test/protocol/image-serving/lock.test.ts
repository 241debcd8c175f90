import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deobfuscate, lockOf, obfuscate, unlock } from '../../../src/protocol/image-serving/lock.js';
import { attempt } from './fuzz.js';

const refused = expect.objectContaining({ code: 'REQUEST_REFUSED' });

describe('locks', () => {
  test.each([
    ['wid=200', '4a1f'],
    ['wid=300&hei=200&fmt=png', 'df2e'],
    ['', '0000'],
  ])('%s has %s', (modifiers, lock) => {
    expect(lockOf(modifiers)).toBe(lock);
    expect(unlock(`${modifiers}&${lock}`)).toBe(modifiers);
    expect(unlock(`${modifiers}&${lock.toUpperCase()}`)).toBe(modifiers);
  });

  test.each([
    '',
    'wid=200',
    'wid=200&4a1e',
    'wid=2004a1f',
    'wid=201&4a1f',
    'wid=200&4a1f&',
    '0000',
    'wid=200&04a1f',
    'wid=200&4a1f\n',
  ])('%j is refused', (query) => {
    expect(() => unlock(query)).toThrow(refused);
  });

  test('any other character makes another lock', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1, maxLength: 1 }), fc.string(), (before, one, after) => {
        fc.pre(one !== 'x' && Buffer.byteLength(one) === 1);
        expect(lockOf(`${before}x${after}`)).not.toBe(lockOf(before + one + after));
        expect(unlock(`${before}&${lockOf(before)}`)).toBe(before);
      }),
    );
  });
});

describe('obfuscation', () => {
  test('is base64', () => {
    expect(obfuscate('wid=200&4a1f')).toBe('d2lkPTIwMCY0YTFm');
    expect(deobfuscate('d2lkPTIwMCY0YTFm')).toBe('wid=200&4a1f');
  });

  test.each([
    ['', ''],
    ['YQ==', 'a'],
    ['YQ', 'a'],
    ['YQ%3D%3d', 'a'],
    ['Pj8+', '>?>'],
    ['Pj8%2B', '>?>'],
    ['Pj8-', '>?>'],
    ['Pz8_', '???'],
    ['Pz8%2f', '???'],
    ['w7w=', 'ü'],
    ['/A==', 'ü'],
  ])('%s is read as %s', (query, modifiers) => {
    expect(deobfuscate(query)).toBe(modifiers);
  });

  test.each(['a', 'abcde', 'YQ=', 'YQ===', '=', 'Y Q=', 'wid=200', '%41%41', 'YQ==YQ==', 'YWJj=', 'äöü='])(
    '%s is refused',
    (query) => {
      expect(() => deobfuscate(query)).toThrow(refused);
    },
  );

  test('what was obfuscated is read, in both alphabets', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const query = obfuscate(text);
        const safe = query.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
        expect([deobfuscate(query), deobfuscate(safe), deobfuscate(encodeURIComponent(query))]).toEqual([
          text,
          text,
          text,
        ]);
      }),
    );
  });

  test('anything else is an error of ours', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(typeof (attempt(['REQUEST_REFUSED'], () => unlock(deobfuscate(text))) ?? '')).toBe('string');
      }),
    );
  });
});
