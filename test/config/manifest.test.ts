import { describe, expect, test } from 'vitest';
import { MANIFEST } from '../../src/config/manifest.js';
import { ATTRIBUTES, DEFAULT_ATTRIBUTES, readManifest } from '../../src/library/attributes.js';
import { parseModifiers } from '../../src/protocol/image-serving/modifiers.js';
import { usePlace } from './place.js';

const { read, faults } = usePlace();

describe('manifest', () => {
  const documented = MANIFEST.flatMap(({ name, documented }) =>
    documented === null ? [] : [[name, documented[0]] as const],
  );

  test.each(documented)('%s is %j where nobody says it, as the library has it', (name, written) => {
    const rootless = readManifest({ [name]: written }, (message) => expect.fail(message));
    for (const [key, value] of Object.entries(rootless)) expect(DEFAULT_ATTRIBUTES).toHaveProperty(key, value);
    expect(Object.keys(rootless).length).toBe(written === '' ? 0 : 1);
  });

  test('every attribute but the id of the catalog may be said', () => {
    const names = Object.values(ATTRIBUTES).map(({ name }) => name.toLowerCase());
    expect(MANIFEST.map(({ name }) => name).sort()).toEqual(names.filter((name) => name !== 'rootid').sort());
  });

  test('has what was written, and nothing else', async () => {
    const manifest = {
      ...{ bkgcolor: '0xff8000', defaultpix: '0,0', expiration: 60_000, jpegquality: 90, resmode: 'bicub' },
      ...{ resolution: 300, iccdither: true, iccrenderintent: 'perceptual', iccprofilergb: '', errordetail: 2 },
    };
    const config = await read({ manifest: { ...manifest, maxpix: [4000, 3000], thumbnailtime: ['5%', '50%'] } });
    expect(config.manifest).toEqual({ ...manifest, maxpix: '4000,3000', thumbnailtime: '5%,50%' });
    expect((await read({})).manifest).toEqual({});
  });

  test.each([
    ['bkgcolor', 'red'],
    ['defaultpix', '300'],
    ['defaultthumbpix', [1, 2, 3]],
    ['expiration', -2],
    ['jpegquality', '101'],
    ['maxpix', '1,-1'],
    ['resmode', 'SINC'],
    ['resolution', 0],
    ['thumbnailtime', '101%'],
    ['iccblackpointcompensation', 'maybe'],
    ['iccdither', 2],
    ['iccrenderintent', 'colorimetric'],
    ['maxpix', { width: 1 }],
    ['maxpix', null],
  ])('%s may not be %j', async (name, value) => {
    const [line, ...others] = await faults({ manifest: { [name]: value } });
    const allowed = MANIFEST.find((property) => property.name === name)?.allowed;
    expect(line).toContain(`manifest.${name} in server.json must be ${allowed}; got `);
    expect(others).toEqual([]);
  });
});

describe('presets', () => {
  test.each([
    ['wid=300&fmt=png', 'wid=300&fmt=png'],
    [{}, ''],
    [{ width: 800 }, 'wid=800'],
    [{ width: '800', height: '' }, 'wid=800'],
    [{ format: 'webp-alpha', quality: 70 }, 'fmt=webp-alpha&qlt=70'],
    [{ colourSpace: 'gray' }, 'fmt=jpeg,gray'],
    [{ format: 'tif', compression: 'lzw' }, 'fmt=tif,,lzw'],
    [{ format: 'tif', colourSpace: 'cmyk', compression: 'zip' }, 'fmt=tif,cmyk,zip'],
    [{ fullChroma: true }, 'qlt=80,1'],
    [{ format: 'gif', quantize: 'adaptive,off,64' }, 'fmt=gif&quantize=adaptive,off,64'],
    [{ profile: 'sRGB' }, 'icc=sRGB'],
    [
      { profile: 'My Press', intent: 'perceptual', blackPointCompensation: false, dither: true },
      'icc=My%20Press,perceptual,0,1',
    ],
    [{ sharpen: true, resampling: 'bicub', printResolution: 300 }, 'op_sharpen=1&resMode=bicub&printRes=300'],
    [
      { width: 10, height: 20, unsharpMask: '1,0.5,2,0', modifiers: 'bgc=ff0000' },
      'wid=10&hei=20&op_usm=1,0.5,2,0&bgc=ff0000',
    ],
  ])('%j is %s', async (preset, query) => {
    expect((await read({ presets: { it: preset } })).presets).toEqual({ it: query });
    // The grammar of queries knows every command, and takes every value.
    expect(parseModifiers(query).ignored).toEqual([]);
  });

  test.each([
    ['?wid=1', 'presets.it in server.json must be query text without its ?, or an object of fields; got "?wid=1"'],
    ['', 'presets.it in server.json must be query text without its ?, or an object of fields; got ""'],
    [3, 'presets.it in server.json must be query text without its ?, or an object of fields; got 3'],
    [{ height: 0 }, 'presets.it.height in server.json must be a whole number 1…65500 (pixels); got 0'],
    [{ quality: 0 }, 'presets.it.quality in server.json must be a whole number 1…100; got 0'],
    [{ qualty: 1 }, 'presets.it.qualty in server.json is not known: did you mean quality?'],
    [{ intent: 'absolute' }, 'presets.it.intent must be beside a profile; got "absolute"'],
    [{ profile: 3 }, 'presets.it.profile in server.json must be the name of a profile; got 3'],
    [{ modifiers: '?a' }, 'presets.it.modifiers in server.json must be query text without its ?; got "?a"'],
  ])('may not be %j', async (preset, fault) => {
    expect(await faults({ presets: { it: preset } })).toEqual([fault]);
  });

  test('what a command does not take is told of its field', async () => {
    const [line, ...others] = await faults({ presets: { it: { width: 1, quantize: 'none' }, one: { quality: 0 } } });
    expect(line).toMatch(/^presets\.it\.quantize must be what quantize= takes/);
    expect(others.length).toBe(1);
  });

  test('names are those of macros, told apart without regard to case, and keep their order', async () => {
    expect(Object.keys((await read({ presets: { b: 'wid=1', 'A.1_x-y': 'wid=2', a: '$b$' } })).presets)).toEqual([
      ...['b', 'A.1_x-y', 'a'],
    ]);
    expect(await faults({ presets: { Big: 'wid=1', big: 'wid=2', $x$: 'wid=3' } })).toEqual([
      'presets.big in server.json is the same name as presets.Big',
      'the name of presets.$x$ in server.json must be letters, digits, hyphens, underscores and dots; got "$x$"',
    ]);
  });
});
