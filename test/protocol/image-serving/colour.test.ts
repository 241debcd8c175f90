import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatColour, readColour } from '../../../src/protocol/image-serving/colour.js';
import { Value } from '../../../src/protocol/image-serving/values.js';

const read = (text: string) => readColour(new Value('bgColor', text));
const shown = (text: string): string => {
  const { space, samples, alpha, source } = read(text);
  const round = (value: number): number => Math.round(value * 255);
  return `${space} ${samples.map(round).join()} ${round(alpha)}${source ? ' source' : ''}`;
};

describe('colours', () => {
  test.each([
    ['100', 'gray 255 255'],
    ['50', 'gray 128 255'],
    ['20.5,50', 'gray 52 128'],
    ['20g', 'gray 51 255'],
    ['255,0,51', 'rgb 255,0,51 255'],
    ['255,0,51,102', 'rgb 255,0,51 102'],
    ['255,0,51r', 'rgb 255,0,51 255'],
    ['100,0,20,40k', 'cmyk 255,0,51,102 255'],
    ['100,0,20,40,0K', 'cmyk 255,0,51,102 0'],
    ['0x80', 'gray 128 255'],
    ['0x8040', 'gray 128 64'],
    ['0x80g', 'gray 128 255'],
    ['FF8000', 'rgb 255,128,0 255'],
    ['0Xff8000', 'rgb 255,128,0 255'],
    ['ff800040', 'rgb 255,128,0 64'],
    ['12345678', 'rgb 18,52,86 120'],
    ['FF8000,51', 'rgb 255,128,0 51'],
    ['00ff0080k', 'cmyk 0,255,0,128 255'],
    ['0x00ff008040ks', 'cmyk 0,255,0,128 64 source'],
    ['1,2,3s', 'rgb 1,2,3 255 source'],
    [' 1 , 2 , 3 ', 'rgb 1,2,3 255'],
  ])('%s', (text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  test.each([
    ...['', ',', '101', '256,0,0', '1,2,3,4,5', '1,2,3,4,5,6k', '0,0,0k', '1,2,3g', 'red', '0x', '0x123', '12345'],
    ...['-1,0,0', '1,,3', 'FF8000,300', 'FF8000,1,2', '0x112233k', 's', 'k', '1e1,0,0', '100,0,0,101k', 'FFGG00'],
  ])('%j is none', (text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST', option: 'bgColor' }));
  });
});

test('what formatColour wrote is read', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const samples = (count: number) => fc.array(byte, { minLength: count, maxLength: count });
  const colour = fc.oneof(
    samples(1).map((bytes) => ({ space: 'gray' as const, bytes })),
    samples(3).map((bytes) => ({ space: 'rgb' as const, bytes })),
    samples(4).map((bytes) => ({ space: 'cmyk' as const, bytes })),
  );
  fc.assert(
    fc.property(colour, ({ space, bytes }) => {
      const given = { space, samples: bytes.map((one) => one / 255), alpha: 1, source: false };
      expect(read(formatColour({ ...given, alpha: 0.5 }))).toEqual(given);
    }),
  );
});
