import fc from 'fast-check';
import { expect, test } from 'vitest';
import { versionId } from '../../../src/protocol/image-serving/version-id.js';

test('an id has 22 characters of base64url, and is the same for the same parts', () => {
  expect(versionId('a', 1, null)).toMatch(/^[\w-]{22}$/);
  expect(versionId('a', 1, null)).toBe(versionId('a', 1, null));
});

test('other parts, or other ends of parts, make another', () => {
  expect(
    new Set([
      versionId('ab', 'c'),
      versionId('a', 'bc'),
      versionId('abc'),
      versionId('a', 1),
      versionId('a', '1'),
      versionId(),
    ]).size,
  ).toBe(6);
  const parts = fc.array(fc.oneof(fc.string(), fc.integer()));
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      expect(versionId(...a) === versionId(...b)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});
