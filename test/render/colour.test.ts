/** Colours of views: the example of the specification, profiles that do not fit, inks that stay, alpha, dither. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generatedProfile } from '../../src/colour/generated.js';
import { parseProfile } from '../../src/colour/parse.js';
import type { ColourSettings } from '../../src/picture/colour.js';
import type { PartialRequest } from '../../src/picture/picture.js';
import type { ViewPlan } from '../../src/pipeline.js';
import { ColourEngine, grays, type Raster, randomColours, rasterTiff } from '../colour/colours.js';
import { tableProfile } from '../colour/profiles.js';
import { corpus, hasCorpus } from '../corpus/place.js';

const adobe = generatedProfile('AdobeRGB');
/** A press made by code, of no sensible colours, under the name that the specification's example asks for. */
const press = tableProfile({ description: 'A press' });
const inputOnly = tableProfile({ description: 'A scanner', deviceClass: 'scnr', write: [] });
const PROFILES = { USWebCoatedSWOP: press, scanner: inputOnly };
/** Colour management §1.5. */
const SEED: Partial<ColourSettings> = { iccProfileRgb: 'sRGB', iccProfileCmyk: 'WebCoated' };

const SIZE = 24;

function image(channels: number, bits: 8 | 16 = 8, alpha = false): Raster {
  const data = randomColours(channels, SIZE * SIZE, bits, 3).flat();
  return { width: SIZE, height: SIZE, channels, bits, data, alpha };
}

/** What a plan does, in a line. */
function told({ colour }: ViewPlan): string {
  const { input, output, conversion, space } = colour ?? {};
  return `${input?.label ?? '-'} (${input?.from ?? '-'}) > ${space} ${output?.label ?? '-'} (${output?.from ?? '-'}): ${conversion}`;
}

function sha(bytes: Uint8Array | undefined): string {
  return createHash('sha256')
    .update(bytes ?? new Uint8Array())
    .digest('hex');
}

function differences(a: Raster, b: Raster): number {
  expect([a.width, a.height, a.channels]).toEqual([b.width, b.height, b.channels]);
  let most = 0;
  for (let i = 0; i < a.data.length; i++) most = Math.max(most, Math.abs((a.data[i] ?? 0) - (b.data[i] ?? 0)));
  return most;
}

const SCALE_1: PartialRequest['view'] = { scl: 1 };

describe('colours of a view', () => {
  let colours: ColourEngine;
  const warnings: string[] = [];
  beforeAll(async () => {
    colours = await ColourEngine.start(PROFILES, SEED);
    colours.engine.on('warning', ({ message }) => warnings.push(message));
  });
  afterAll(() => colours.close());

  async function plan(file: Uint8Array | string, query: string): Promise<ViewPlan> {
    const picture = await colours.engine.open(file);
    return picture.plan(query).finally(() => picture.close());
  }
  async function render(file: Uint8Array | string, query: string): Promise<Uint8Array> {
    const picture = await colours.engine.open(file);
    const { bytes } = await picture.render(query).finally(() => picture.close());
    return bytes;
  }

  describe('with sRGB and WebCoated as defaults, as in the example', () => {
    const rgb = image(3);
    const cmyk = image(4);
    const SRGB = 'sRGB IEC61966-2.1';
    test.each<[string, Uint8Array, string, string]>([
      [
        'untagged RGB is sRGB',
        rasterTiff(rgb),
        'fmt=tif',
        `${SRGB} (output default) > rgb ${SRGB} (output default): none`,
      ],
      [
        'untagged CMYK is WebCoated',
        rasterTiff(cmyk),
        'fmt=tif',
        `A press (output default) > rgb ${SRGB} (output default): managed`,
      ],
      [
        'a CMYK reply is in WebCoated',
        rasterTiff(rgb),
        'fmt=tif,cmyk',
        `${SRGB} (output default) > cmyk A press (output default): managed`,
      ],
      [
        'a tagged source converts from its own',
        rasterTiff(rgb, adobe),
        'fmt=tif',
        `Adobe RGB (1998) (embedded) > rgb ${SRGB} (output default): managed`,
      ],
      [
        'and into what icc= says',
        rasterTiff(rgb),
        'fmt=tif&icc=AdobeRGB',
        `${SRGB} (output default) > rgb Adobe RGB (1998) (icc): managed`,
      ],
      ['gray has no default', rasterTiff(image(1)), 'fmt=tif', `- (-) > rgb ${SRGB} (output default): naive`],
    ])('%s', async (_, file, query, expected) => {
      expect(told(await plan(file, query))).toBe(expected);
    });

    test('the pixels are those of the profiles', async () => {
      const query = 'scl=1&fmt=tif&icc=';
      const made = await colours.view(rasterTiff(rgb), `${query}AdobeRGB`);
      const tagged = await colours.view(rasterTiff(rgb, generatedProfile('sRGB')), `${query}AdobeRGB`);
      expect(differences(made, tagged)).toBe(0);
      expect(differences(made, rgb)).toBeGreaterThan(10);
      const inks = await colours.view(rasterTiff(cmyk), 'scl=1&fmt=tif');
      expect(differences(inks, await colours.view(rasterTiff(cmyk, press), 'scl=1&fmt=tif'))).toBe(0);
    });
  });

  test('sRGB > AdobeRGB > sRGB is within a step, and grays stay gray', async () => {
    const all = [...grays(3), ...randomColours(3, 1000, 8, 9)];
    // In between are 16 bits: 8 of a larger space cannot tell all dark colours of a smaller one apart.
    const there = await colours.convert({ input: null, output: 'AdobeRGB', colours: all, bits: 8, outputBits: 16 });
    const back = await colours.convert({ input: adobe, output: 'sRGB', colours: there, bits: 16, outputBits: 8 });
    const most = Math.max(
      ...all.flatMap((colour, i) => colour.map((value, c) => Math.abs(value - (back[i]?.[c] ?? 0)))),
    );
    for (const identifier of ['AdobeRGB', 'ProPhoto', 'NTSC', 'CIERGB', 'WideGamutRGB', 'AppleRGB']) {
      const neutral = await colours.convert({ input: null, output: identifier, colours: grays(3), bits: 8 });
      for (const [r = 0, g = 0, b = 0] of neutral) expect([g - r, b - r], identifier).toEqual([0, 0]);
    }
    console.log(`sRGB > AdobeRGB > sRGB, by 16 bits: at most ${most} steps of 8 bits`);
    expect(most).toBeLessThanOrEqual(1);
  });

  describe('profiles that do not fit', () => {
    test('one of another pixel type is left aside with a warning', async () => {
      const { colour } = await plan(rasterTiff(image(4), adobe), 'fmt=tif');
      expect(colour?.input?.from).toBe('output default');
      expect(colour?.warnings.join()).toMatch(/embedded profile 'Adobe RGB \(1998\)' describes RGB pixels/);
    });

    test('one that is broken is left aside, and told once', async () => {
      const broken = rasterTiff(image(3), adobe.subarray(0, 300));
      const picture = await colours.engine.open(broken);
      warnings.length = 0;
      try {
        for (let time = 0; time < 2; time++) await picture.render('fmt=tif');
        expect((await picture.plan('fmt=tif')).colour?.input?.from).toBe('output default');
      } finally {
        await picture.close();
      }
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(/: the embedded profile is not used: .*cut short/);
    });

    test('one for input only is refused for the reply, by its code', async () => {
      await expect(plan(rasterTiff(image(3)), 'icc=scanner.icc&fmt=tif')).rejects.toMatchObject({
        code: 'PROFILE_INVALID',
        option: 'icc',
      });
      await expect(plan(rasterTiff(image(3)), 'icc=EuroscaleCoated&fmt=tif')).rejects.toMatchObject({
        code: 'PROFILE_INVALID',
        message: expect.stringContaining('EuroscaleCoated.icc is not installed'),
      });
      await expect(plan(rasterTiff(image(3)), 'icc=WebCoated&fmt=tif,rgb')).rejects.toMatchObject({
        code: 'PROFILE_MISMATCH',
      });
      await expect(plan(rasterTiff(image(3)), 'icc=none-such&fmt=tif')).rejects.toMatchObject({
        code: 'INVALID_OPTION',
      });
    });
  });

  describe('inks', () => {
    test('stay as they are for the same profile, K and all', async () => {
      const cmyk = image(4);
      for (const query of ['scl=1&fmt=tif,cmyk', 'scl=1&fmt=tif,cmyk&icc=WebCoated']) {
        expect(differences(await colours.view(rasterTiff(cmyk, press), query), cmyk)).toBe(0);
      }
    });

    test('stay within the errors of JPEG for the same profile', async () => {
      const data = Array.from({ length: SIZE * SIZE }, (_, i) => [0, 0, 0, 40 + 4 * (i % SIZE)]).flat();
      const black: Raster = { width: SIZE, height: SIZE, channels: 4, bits: 8, data };
      const view = await colours.view(rasterTiff(black, press), 'scl=1&fmt=jpeg,cmyk&qlt=95,1');
      expect(differences(view, black)).toBeLessThanOrEqual(6);
    });
  });

  test('alpha stays as it is', async () => {
    const rgba = image(4, 8, true);
    const view = await colours.view(rasterTiff(rgba, adobe), 'scl=1&fmt=tif-alpha');
    expect(view.channels).toBe(4);
    const alpha = (raster: Raster): number[] => Array.from(raster.data).filter((_, i) => i % 4 === 3);
    expect(alpha(view)).toEqual(alpha(rgba));
    // Where it is opaque, colours are those of the same image without alpha.
    const opaque = { ...rgba, data: Array.from(rgba.data, (value, i) => (i % 4 === 3 ? 255 : value)) };
    const plain = { ...rgba, channels: 3, alpha: false, data: opaque.data.filter((_, i) => i % 4 !== 3) };
    const [withAlpha, without] = [
      await colours.view(rasterTiff(opaque, adobe), 'scl=1&fmt=tif-alpha'),
      await colours.view(rasterTiff(plain, adobe), 'scl=1&fmt=tif'),
    ];
    expect(Array.from(withAlpha.data).filter((_, i) => i % 4 !== 3)).toEqual(Array.from(without.data));
  });

  describe('embedding', () => {
    test.each([
      ['jpeg', 'rgb', true],
      ['pjpeg', 'rgb', true],
      ['png', 'rgb', true],
      ['png8', 'rgb', true],
      ['tif', 'rgb', true],
      ['jpeg', 'cmyk', true],
      ['tif', 'cmyk', true],
      ['gif', 'rgb', false],
      ['webp', 'rgb', false],
      ['avif', 'rgb', false],
    ] as const)('%s, %s', async (format, space, carries) => {
      const file = rasterTiff(image(3));
      const fmt = space === 'cmyk' ? `${format},cmyk` : format;
      const { icc, hasProfile } = await sharp(await render(file, `fmt=${fmt}&iccEmbed=1`)).metadata();
      const expected = space === 'cmyk' ? press : generatedProfile('sRGB');
      if (carries) expect(sha(icc)).toBe(sha(expected));
      else expect(hasProfile).toBe(false);
      expect((await sharp(await render(file, `fmt=${fmt}`)).metadata()).hasProfile).toBe(false);
    });

    test('a CMYK JPEG has the Adobe marker', async () => {
      const bytes = Buffer.from(await render(rasterTiff(image(3)), 'fmt=jpeg,cmyk&iccEmbed=1'));
      expect(bytes.indexOf('Adobe\0', 0, 'latin1')).toBeGreaterThan(0);
      expect(await sharp(bytes).metadata()).toMatchObject({ space: 'cmyk', channels: 4, hasProfile: true });
    });

    test.each([
      ['gray', 1],
      ['rgb', 3],
      ['cmyk', 4],
    ] as const)('fmt selects %s', async (space, channels) => {
      for (const source of [1, 3, 4]) {
        expect((await colours.view(rasterTiff(image(source)), `scl=1&fmt=tif,${space}`)).channels).toBe(channels);
      }
    });
  });

  test('info names the profile', async () => {
    const picture = await colours.engine.open(rasterTiff(image(3), adobe));
    expect(picture.info.profile?.description).toBe('Adobe RGB (1998)');
    await picture.close();
  });

  test('16 bits are rounded to the nearest of 8, with and without alpha', async () => {
    const data = Array.from({ length: 65_536 }, (_, value) => value);
    const file = rasterTiff({ width: 256, height: 256, channels: 1, bits: 16, data });
    const nearest = data.map((value) => Math.round(value / 257));
    const opaque = await colours.view(file, 'scl=1&fmt=tif,gray');
    expect(Array.from(opaque.data)).toEqual(nearest);
    const withAlpha = await colours.view(file, 'scl=1&fmt=tif-alpha,gray');
    expect(Array.from(withAlpha.data)).toEqual(nearest.flatMap((value) => [value, 255]));
  });

  describe('dither', () => {
    const dithered: PartialRequest['output'] = {
      format: 'tif',
      icc: { profile: 'sRGB', intent: null, blackPointCompensation: null, dither: true },
    };
    const plain: PartialRequest['output'] = { format: 'tif' };
    const WIDTH = 32_768;
    const ROWS = 4;
    /** From black to white in 16 bits: 128 pixels to a step of 8 bits. */
    const ramp: Raster = {
      width: WIDTH,
      height: ROWS,
      channels: 3,
      bits: 16,
      data: Array.from({ length: WIDTH * ROWS * 3 }, (_, i) =>
        Math.round(((Math.floor(i / 3) % WIDTH) * 65535) / (WIDTH - 1)),
      ),
    };

    function longestRun(raster: Raster): number {
      let most = 0;
      for (let y = 0; y < raster.height; y++) {
        let run = 0;
        let last = -1;
        for (let x = 0; x < raster.width; x++) {
          const value = raster.data[(y * raster.width + x) * raster.channels] ?? -1;
          run = value === last ? run + 1 : 1;
          last = value;
          most = Math.max(most, run);
        }
      }
      return most;
    }

    test('keeps the mean of a ramp, without long runs', async () => {
      const file = rasterTiff(ramp);
      const made = await colours.view(file, { view: SCALE_1, output: dithered });
      const bare = await colours.view(file, { view: SCALE_1, output: plain });
      let error = 0;
      for (let i = 0; i < ramp.data.length; i++) error += (made.data[i] ?? 0) - ((ramp.data[i] ?? 0) * 255) / 65535;
      const mean = error / ramp.data.length;
      const runs = [longestRun(made), longestRun(bare)] as const;
      console.log(
        `ramp of ${WIDTH} pixels, 16 to 8 bits: mean error ${mean.toFixed(5)} steps; longest run ${runs[0]}, undithered ${runs[1]}`,
      );
      expect(Math.abs(mean)).toBeLessThanOrEqual(0.02);
      expect(runs[0]).toBeLessThanOrEqual(runs[1] / 2);
    });

    test('joins where pieces of a view meet', async () => {
      const [width, height] = [200, 150];
      const data = Array.from(
        { length: width * height * 3 },
        (_, i) => ((i * 37 + Math.floor(i / 600) * 91) % 65536) >> 2,
      );
      const file = rasterTiff({ width, height, channels: 3, bits: 16, data });
      const whole = await colours.view(file, { view: SCALE_1, output: dithered });
      let compared = 0;
      for (let y = 0; y < height; y += 50) {
        for (let x = 0; x < width; x += 70) {
          const rect = { x, y, width: Math.min(70, width - x), height: 50, scale: 1 };
          const piece = await colours.view(file, { view: { scl: 1, rect }, output: dithered });
          for (let row = 0; row < piece.height; row++) {
            const at = ((y + row) * width + x) * 3;
            const expected = Array.from(whole.data).slice(at, at + piece.width * 3);
            const line = piece.width * 3;
            expect(Array.from(piece.data).slice(row * line, (row + 1) * line)).toEqual(expected);
            compared += 1;
          }
        }
      }
      expect(compared).toBe(150 * 3);
    });
  });
});

describe.skipIf(!hasCorpus)(`colours of the corpus${hasCorpus ? '' : ' (skipped: no corpus)'}`, () => {
  let colours: ColourEngine;
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pyramidion-standin-'));
    await copyFile(join(corpus, 'icc/gen-cmyk-swop-tr003-coated-argyll.icc'), join(folder, 'USWebCoatedSWOP.icc'));
    colours = await ColourEngine.start({}, { ...SEED, profileFolders: [folder] });
  });
  afterAll(async () => {
    await colours.close();
    await rm(folder, { recursive: true, force: true });
  });

  test.each([
    ['jpeg/cmyk-sample-no-icc.jpg', 'output default', 'managed', /^$/],
    ['jpeg/gen-cmyk-adobe-fogra39l.jpg', 'embedded', 'managed', /^$/],
    ['jpeg/jfif-cmyk-invalid-icc-profile-srgb.jpg', 'output default', 'managed', /describes RGB pixels/],
    ['jpeg/warning-embedded-color-profile-invalid-ignored-cmyk.jpg', 'embedded', 'managed', /^$/],
    ['metadata/icc-after-SOF.jpg', undefined, 'naive', /7 bytes, less than a header/],
    ['metadata/jpg-icc-chunked.jpg', 'output default', 'none', /describes CMYK pixels/],
    ['malformed/cmm-exception-corbis-rgb.jpg', 'output default', 'none', /'rXYZ' holds no colour/],
    ['metadata/jpg-icc.jpg', 'embedded', 'managed', /^$/],
  ] as const)('%s: input by %s, %s', async (file, from, conversion, warning) => {
    const picture = await colours.engine.open(join(corpus, file));
    try {
      const { colour } = await picture.plan('fmt=jpeg');
      expect(colour?.warnings.join('; ')).toMatch(warning);
      expect({ from: colour?.input?.from, conversion: colour?.conversion }).toEqual({ from, conversion });
      expect((await picture.render('wid=8&fmt=png')).width).toBe(8);
    } finally {
      await picture.close();
    }
  });

  test('a profile of version 4 with tables converts both ways', async () => {
    const bytes = readFileSync(join(corpus, 'icc/sRGB_v4_ICC_preference.icc'));
    expect(parseProfile(bytes)).toMatchObject({ version: '4.2', canRead: true, canWrite: true });
    const all = randomColours(3, 200, 8, 11);
    const there = await colours.convert({ input: bytes, output: 'sRGB', colours: all, bits: 8, intent: 'perceptual' });
    expect(there.flat().every((value) => value >= 0 && value <= 255)).toBe(true);
    expect(there).not.toEqual(all);
  });
});
