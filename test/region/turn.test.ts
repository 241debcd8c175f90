import { expect, test } from 'vitest';
import { orientationOf, turnOf } from '../../src/region/turn.js';

test('orientations and what they do are one to one; anything else is upright', () => {
  for (let orientation = 1; orientation <= 8; orientation++) {
    expect(orientationOf(turnOf(orientation))).toBe(orientation);
    expect(turnOf(orientation).swap).toBe(orientation >= 5);
  }
  expect(orientationOf(turnOf(0))).toBe(1);
  expect(orientationOf(turnOf(9))).toBe(1);
});
