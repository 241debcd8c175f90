/** Colours of a request, brought to the samples of a reply. */
import type { FillColour } from '../native/contract.js';
import type { RequestColour } from '../region/request.js';
import type { Space } from './format.js';

/**
 * A colour in the samples of the space `output`, 0…1 each, by the conversions without profiles (the same as
 * `native/core/colour.cc`). `source` is not looked at: who has profiles converts before.
 */
export function resolveFill(colour: RequestColour, output: Space): FillColour {
  return { samples: convert(colour.space, colour.samples, output), alpha: colour.alpha };
}

function convert(from: Space, samples: readonly number[], to: Space): readonly number[] {
  if (from === to) return samples;
  const [first = 0, second = 0, third = 0, fourth = 0] = samples;
  const inked = (ink: number) => (1 - ink) * (1 - fourth);
  const [red, green, blue] =
    from === 'gray'
      ? ([first, first, first] as const)
      : from === 'rgb'
        ? ([first, second, third] as const)
        : ([inked(first), inked(second), inked(third)] as const);
  switch (to) {
    case 'gray':
      return [0.299 * red + 0.587 * green + 0.114 * blue];
    case 'rgb':
      return [red, green, blue];
    case 'cmyk': {
      const lightest = Math.max(red, green, blue);
      const ink = (value: number) => (lightest > 0 ? (lightest - value) / lightest : 0);
      return [ink(red), ink(green), ink(blue), 1 - lightest];
    }
  }
}
