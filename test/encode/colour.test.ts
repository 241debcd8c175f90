import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveFill } from '../../src/encode/colour.js';
import type { Space } from '../../src/encode/format.js';
import type { RequestColour } from '../../src/region/request.js';

function samples(space: Space, components: readonly number[], output: Space): readonly number[] {
  const colour: RequestColour = { space, samples: components, alpha: 0.25, source: false };
  const fill = resolveFill(colour, output);
  expect(fill.alpha).toBe(0.25);
  return fill.samples;
}

function near(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, at) => {
    expect(actual[at]).toBeCloseTo(value, 9);
  });
}

describe('colours of a request', () => {
  it.each([
    ['gray', [1], 'gray', [1]],
    ['gray', [0.4], 'rgb', [0.4, 0.4, 0.4]],
    ['gray', [1], 'cmyk', [0, 0, 0, 0]],
    ['gray', [0], 'cmyk', [0, 0, 0, 1]],
    ['gray', [0.4], 'cmyk', [0, 0, 0, 0.6]],
    ['rgb', [1, 0.5, 0], 'gray', [0.299 + 0.2935]],
    ['rgb', [1, 1, 1], 'gray', [1]],
    ['rgb', [0.1, 0.2, 0.3], 'rgb', [0.1, 0.2, 0.3]],
    ['rgb', [1, 0.5, 0], 'cmyk', [0, 0.5, 1, 0]],
    ['rgb', [0.5, 0.25, 0.5], 'cmyk', [0, 0.5, 0, 0.5]],
    ['rgb', [0, 0, 0], 'cmyk', [0, 0, 0, 1]],
    ['cmyk', [1, 0, 0, 0], 'rgb', [0, 1, 1]],
    ['cmyk', [0.2, 0.4, 0.6, 0.5], 'rgb', [0.4, 0.3, 0.2]],
    ['cmyk', [0, 0, 0, 1], 'gray', [0]],
    ['cmyk', [0.2, 0.4, 0.6, 0.5], 'cmyk', [0.2, 0.4, 0.6, 0.5]],
  ] as const)('%s %j is %s %j', (space, components, output, expected) => {
    near(samples(space, components, output), expected);
  });

  it('RGB survives the way through CMYK, and every sample lies in 0…1', () => {
    const sample = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(sample, sample, sample), (rgb) => {
        const inks = samples('rgb', rgb, 'cmyk');
        for (const ink of inks) expect(ink >= 0 && ink <= 1).toBe(true);
        near(samples('cmyk', inks, 'rgb'), rgb);
      }),
    );
  });
});
