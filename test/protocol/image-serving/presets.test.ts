import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseModifiers } from '../../../src/protocol/image-serving/modifiers.js';
import { presetModifiers } from '../../../src/protocol/image-serving/presets.js';
import { defaultSettings } from '../../../src/protocol/image-serving/settings.js';
import { attempt } from './fuzz.js';

const text = (fields: Readonly<Record<string, unknown>>) => presetModifiers('P', fields);

describe('presetModifiers', () => {
  test.each<[Record<string, unknown>, string]>([
    [{}, ''],
    [{ width: '', height: null, quality: undefined }, ''],
    [{ width: 200 }, 'wid=200'],
    [{ height: 100, width: 200 }, 'wid=200&hei=100'],
    [{ format: 'png-alpha' }, 'fmt=png-alpha'],
    [{ format: 'tif', compression: 'lzw' }, 'fmt=tif,,lzw'],
    [{ colourSpace: 'cmyk' }, 'fmt=jpeg,cmyk'],
    [{ quality: 90 }, 'qlt=90'],
    [{ quality: 90, fullChroma: false }, 'qlt=90,0'],
    [{ fullChroma: true }, 'qlt=80,1'],
    [{ quantize: 'web,off,16' }, 'quantize=web,off,16'],
    [{ profile: 'Adobe RGB (1998)' }, 'icc=Adobe%20RGB%20%281998%29'],
    [{ profile: 'x', intent: 'relative' }, 'icc=x,relative'],
    [{ profile: 'x', blackPointCompensation: true }, 'icc=x,,1'],
    [{ profile: 'x', dither: false }, 'icc=x,,,0'],
    [{ sharpen: true }, 'op_sharpen=1'],
    [{ sharpen: false }, 'op_sharpen=0'],
    [{ unsharpMask: '1.75,0.3,2,1' }, 'op_usm=1.75,0.3,2,1'],
    [{ resampling: 'bicub' }, 'resMode=bicub'],
    [{ printResolution: 300 }, 'printRes=300'],
    [{ modifiers: '$other$&fit=crop&$c=a%20b' }, '$other$&fit=crop&$c=a%20b'],
    [{ modifiers: 'fit=crop,1', width: 9 }, 'wid=9&fit=crop,1'],
  ])('%j is %s', (fields, query) => {
    expect(text(fields)).toBe(query);
  });

  test('is called as a macro, and overridden by what comes behind it', () => {
    const fields = { width: 200, height: 100, format: 'png', profile: 'ü', modifiers: 'fit=crop' };
    const macros = new Map([['p', text(fields)]]);
    const { request } = parseModifiers('$P$&wid=480', defaultSettings, { macros });
    expect(request).toMatchObject({
      view: { wid: 480, hei: 100, fit: { mode: 'crop' } },
      output: { format: 'png', icc: { profile: 'ü' } },
    });
  });

  test.each<[Record<string, unknown>, string]>([
    [{ width: 0 }, 'width'],
    [{ height: 0 }, 'height'],
    [{ width: 1.5 }, 'width'],
    [{ width: Number.NaN }, 'width'],
    [{ width: '200' }, 'width'],
    [{ format: 'j p' }, 'format'],
    [{ format: 5 }, 'format'],
    [{ quality: 101 }, 'quality'],
    [{ fullChroma: 1 }, 'fullChroma'],
    [{ quantize: 'grey' }, 'quantize'],
    [{ profile: 'x', intent: 'photographic' }, 'profile'],
    [{ profile: 'a,b' }, 'profile'],
    [{ intent: 'relative' }, 'intent'],
    [{ dither: false }, 'dither'],
    [{ sharpen: 'yes' }, 'sharpen'],
    [{ unsharpMask: '9' }, 'unsharpMask'],
    [{ resampling: 'nearest' }, 'resampling'],
    [{ printResolution: 0 }, 'printResolution'],
    [{ modifiers: '?wid=5' }, 'modifiers'],
    [{ modifiers: 'id=a\nb' }, 'modifiers'],
    [{ modifiers: 'imageSet={a' }, 'modifiers'],
    [{ breadth: 5 }, 'breadth'],
    [{ constructor: 5 }, 'constructor'],
  ])('%j is refused by the name of its field', (fields, field) => {
    expect(() => text(fields)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        option: `presets.P.${field}`,
        message: expect.stringContaining(`presets.P.${field} must be`),
      }),
    );
  });

  test('any fields make text that is understood, or an error of ours', () => {
    const value = fc.oneof(
      fc.string(),
      fc.integer({ min: -1, max: 300 }),
      fc.boolean(),
      fc.constantFrom('png', 'rgb', 'none', 'relative', 'bicub', 'web', null),
    );
    const fields = fc.record(
      Object.fromEntries(
        [
          'width',
          'height',
          'format',
          'colourSpace',
          'compression',
          'quality',
          'fullChroma',
          'quantize',
          'profile',
          'intent',
          'dither',
          'sharpen',
          'resampling',
        ].map((field) => [field, value]),
      ),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fields, (given) => {
        const query = attempt(['INVALID_OPTION'], () => text(given));
        if (query !== undefined) expect(parseModifiers(query).ignored).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });
});
