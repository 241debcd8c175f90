import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import {
  type ColourPlan,
  type ColourRequest,
  chooseColour,
  chooseIntent,
  type LayerColour,
} from '../../src/colour/choose.js';
import { findDefaults } from '../../src/colour/defaults.js';
import { generatedProfile } from '../../src/colour/generated.js';
import type { PixelSpace } from '../../src/colour/named.js';
import { INTENTS, type Intent, type Profile, parseProfile } from '../../src/colour/parse.js';
import { type KnownProfile, ProfileRegistry } from '../../src/colour/registry.js';
import { corpus, hasCorpus } from '../corpus/place.js';
import { type TableProfile, tableProfile } from './profiles.js';

const NONE = { output: {}, source: {} };

function known(profile: Profile, name = profile.description): KnownProfile {
  return { profile, name, label: profile.description, origin: 'folder', path: null };
}
const table = (options: TableProfile): KnownProfile => known(parseProfile(tableProfile(options)));

const srgb = known(parseProfile(generatedProfile('sRGB')), 'sRGB');
const adobe = known(parseProfile(generatedProfile('AdobeRGB')), 'AdobeRGB');
const gray = known(parseProfile(generatedProfile('sGray')), 'sGray');
const swop = table({ description: 'SWOP' });
const fogra = table({ description: 'FOGRA', intent: 'saturation' });
const inputOnly = table({ description: 'input only', deviceClass: 'scnr', read: ['perceptual'], write: [] });
const lab = table({ description: 'Lab', space: 'Lab ' });

const layer = (space: PixelSpace, rest: Partial<LayerColour> = {}): LayerColour => ({
  space,
  embedded: null,
  defaults: NONE,
  ...rest,
});
const icc = (profile: KnownProfile, rest: Partial<ColourRequest['icc']> = {}): ColourRequest['icc'] => ({
  known: profile,
  intent: null,
  blackPointCompensation: null,
  dither: null,
  ...rest,
});
const choose = (rest: Partial<ColourRequest> = {}): ColourPlan =>
  chooseColour({ pixelType: null, icc: null, layer: layer('rgb'), defaults: NONE, ...rest });
/** A plan in a line: input, output, what is done. */
const told = ({ input, output, conversion, space }: ColourPlan): string =>
  `${input?.label ?? '-'} (${input?.from ?? '-'}) > ${space} ${output?.label ?? '-'} (${output?.from ?? '-'}): ${conversion}`;

describe('the input profile', () => {
  const defaults = { output: { rgb: srgb, cmyk: swop }, source: { rgb: adobe } };
  const embedded = generatedProfile('PAL');

  test.each<[string, LayerColour, string]>([
    ['embedded', layer('rgb', { embedded, record: adobe, defaults }), 'PAL/SECAM (embedded)'],
    ['embedded, parsed before', layer('rgb', { embedded: parseProfile(embedded), defaults }), 'PAL/SECAM (embedded)'],
    ["the record's", layer('rgb', { record: srgb, defaults }), 'sRGB IEC61966-2.1 (record)'],
    ['the source default', layer('rgb', { defaults }), 'Adobe RGB (1998) (source default)'],
    ['the default of replies', layer('cmyk', { defaults }), 'SWOP (output default)'],
    ['none', layer('gray', { defaults }), '- (-)'],
  ])('%s', (_, source, expected) => {
    const plan = choose({ layer: source });
    expect(told(plan)).toContain(`${expected} > `);
    expect(plan.warnings).toEqual([]);
  });

  test.each<[string, LayerColour, string, string]>([
    [
      'mistagged: CMYK with an RGB profile',
      layer('cmyk', { embedded, defaults }),
      'SWOP (output default)',
      "'PAL/SECAM' is not used: it describes RGB pixels",
    ],
    [
      'broken',
      layer('rgb', { embedded: embedded.subarray(0, 300), defaults }),
      'Adobe RGB (1998) (source default)',
      'cut short',
    ],
    [
      'of the wrong class',
      layer('cmyk', { embedded: tableProfile({ deviceClass: 'link' }), defaults }),
      'SWOP (output default)',
      'no way from pixels',
    ],
    [
      'broken, and the record has one',
      layer('rgb', { embedded: new Uint8Array(3), record: srgb }),
      'sRGB IEC61966-2.1 (record)',
      '3 bytes',
    ],
    [
      "the record's of another type",
      layer('rgb', { record: swop, defaults }),
      'Adobe RGB (1998) (source default)',
      "the record's",
    ],
  ])('%s: left aside with a warning', (_, source, expected, warning) => {
    const plan = choose({ layer: source });
    expect(told(plan)).toContain(`${expected} > `);
    expect(plan.warnings).toEqual([expect.stringContaining(warning)]);
  });

  test('an input-only profile will do', () => {
    const plan = choose({ layer: layer('cmyk', { embedded: inputOnly.profile }), icc: icc(srgb) });
    expect(told(plan)).toBe('input only (embedded) > rgb sRGB IEC61966-2.1 (icc): managed');
  });
});

describe('the output profile', () => {
  const defaults = { output: { rgb: srgb, gray }, source: {} };
  const pal = layer('rgb', { embedded: generatedProfile('PAL') });
  const tagged = layer('cmyk', { embedded: swop.profile });

  test.each<[string, Partial<ColourRequest>, string]>([
    ['icc= comes first', { layer: pal, icc: icc(adobe), defaults }, '> rgb Adobe RGB (1998) (icc): managed'],
    ['icc= dictates the pixel type', { layer: pal, icc: icc(swop), defaults }, '> cmyk SWOP (icc): managed'],
    ['icc= and fmt may agree', { layer: pal, icc: icc(swop), pixelType: 'cmyk' }, '> cmyk SWOP (icc): managed'],
    ['the default of the reply’s type', { layer: pal, defaults }, '> rgb sRGB IEC61966-2.1 (output default): managed'],
    ['fmt names the type', { layer: pal, defaults, pixelType: 'gray' }, '> gray sGray (output default): managed'],
    ['the first layer’s, when there is no default', { layer: pal }, '> rgb PAL/SECAM (first layer): none'],
    ['which is not its record’s', { layer: layer('rgb', { record: srgb }) }, '> rgb - (-): none'],
    ['nor its default', { layer: layer('rgb', { defaults }) }, '> rgb - (-): none'],
    ['none of that type', { layer: pal, defaults, pixelType: 'cmyk' }, '> cmyk - (-): naive'],
    ['CMYK with no output defined: naive', { layer: tagged }, 'SWOP (embedded) > rgb - (-): naive'],
    ['no input: naive', { layer: layer('cmyk'), defaults }, '- (-) > rgb sRGB IEC61966-2.1 (output default): naive'],
    [
      'no input, the same type: as it is',
      { layer: layer('rgb'), defaults },
      '- (-) > rgb sRGB IEC61966-2.1 (output default): none',
    ],
    ['a mask is not managed', { layer: pal, defaults, isMask: true }, '- (-) > gray sGray (output default): none'],
    [
      'a mask as RGB is three times the same',
      { layer: pal, defaults, isMask: true, pixelType: 'rgb' },
      '- (-) > rgb sRGB IEC61966-2.1 (output default): naive',
    ],
    ['no image at all', { layer: null, defaults }, '- (-) > rgb sRGB IEC61966-2.1 (output default): none'],
  ])('%s', (_, request, expected) => {
    const plan = choose(request);
    expect(told(plan)).toContain(expected);
    expect(plan.warnings).toEqual([]);
  });

  test('a nested request has the output of the outer one, unless it has an icc=', () => {
    const outer = choose({ layer: pal, icc: icc(swop) });
    expect(told(choose({ layer: pal, defaults, outer }))).toContain('> cmyk SWOP (icc): managed');
    expect(told(choose({ layer: pal, defaults, outer, icc: icc(adobe) }))).toContain('> rgb Adobe RGB (1998) (icc)');
  });

  test.each<[string, Partial<ColourRequest>, string, string]>([
    ['a type that fmt contradicts', { icc: icc(swop), pixelType: 'rgb' }, 'PROFILE_MISMATCH', 'fmt asks for RGB'],
    ['an input-only profile', { icc: icc(inputOnly) }, 'PROFILE_INVALID', 'it is for input only'],
    ['one of no type that we have', { icc: icc(lab) }, 'PROFILE_INVALID', 'neither for gray nor RGB nor CMYK'],
  ])('%s is an error', (_, request, code, message) => {
    expect(() => choose(request)).toThrowError(
      expect.objectContaining({ code, option: 'icc', message: expect.stringContaining(message) }),
    );
  });

  test('a default for input only is left aside with a warning', () => {
    const plan = choose({ layer: tagged, pixelType: 'cmyk', defaults: { output: { cmyk: inputOnly }, source: {} } });
    expect(told(plan)).toBe('SWOP (embedded) > cmyk SWOP (first layer): none');
    expect(plan.warnings).toEqual([expect.stringContaining('input only')]);
  });

  test('a first layer’s input-only profile stays as it is, and does not take other layers in', () => {
    const first = choose({ layer: layer('cmyk', { embedded: inputOnly.profile }), pixelType: 'cmyk' });
    expect(told(first)).toBe('input only (embedded) > cmyk input only (first layer): none');
    const second = choose({ layer: pal, outer: first });
    expect(told(second)).toBe('PAL/SECAM (embedded) > cmyk input only (first layer): naive');
    expect(second.warnings).toEqual([expect.stringContaining('input only')]);
  });
});

describe('identity', () => {
  test('the same bytes, or the same profile under another ID', () => {
    const bytes = generatedProfile('sRGB');
    for (const embedded of [bytes, bytes.with(67, 1), bytes.with(84, 7)]) {
      const plan = choose({ layer: layer('rgb', { embedded }), icc: icc(srgb) });
      expect(plan).toMatchObject({ identity: true, conversion: 'none' });
    }
  });

  test('CMYK stays CMYK: K stays K', () => {
    const plan = choose({ layer: layer('cmyk', { embedded: swop.profile }), icc: icc(swop) });
    expect(plan).toMatchObject({ identity: true, conversion: 'none', space: 'cmyk' });
  });

  test('another profile of the same space is not the same', () => {
    const plan = choose({ layer: layer('cmyk', { embedded: fogra.profile }), icc: icc(swop) });
    expect(plan).toMatchObject({ identity: false, conversion: 'managed' });
  });
});

describe('intent, black point compensation, dither', () => {
  const press = layer('cmyk', { embedded: swop.profile });
  const optionsOf = ({ intent, blackPointCompensation, dither }: ColourPlan) => [
    intent,
    blackPointCompensation,
    dither,
  ];

  test.each<[string, Partial<ColourRequest>, readonly [Intent, boolean, boolean]]>([
    ['as the seed says', {}, ['relative', true, false]],
    [
      'as the catalog says',
      { options: { intent: 'saturation', blackPointCompensation: false, dither: true } },
      ['saturation', false, true],
    ],
    [
      'as icc= says, whatever the catalog says',
      {
        icc: icc(fogra, { intent: 'perceptual', blackPointCompensation: true, dither: false }),
        options: { intent: 'saturation', blackPointCompensation: false, dither: true },
      },
      ['perceptual', true, false],
    ],
    [
      'never with absolute',
      { icc: icc(fogra, { intent: 'absolute', blackPointCompensation: true }) },
      ['absolute', false, false],
    ],
    [
      'nor with the catalog’s',
      { options: { intent: 'absolute', blackPointCompensation: true } },
      ['absolute', false, false],
    ],
  ])('%s', (_, request, expected) => {
    expect(optionsOf(choose({ layer: press, icc: icc(fogra), ...request }))).toEqual(expected);
  });

  const read = (...intents: Intent[]) => table({ read: intents }).profile;
  const write = (own: Intent, ...intents: Intent[]) => table({ write: intents, intent: own }).profile;
  const full = swop.profile;
  test.each<[string, Profile, Profile, readonly [Intent, Intent, Intent, Intent]]>([
    // For perceptual, relative, saturation, absolute.
    ['tables to tables', full, fogra.profile, ['perceptual', 'relative', 'saturation', 'absolute']],
    ['a matrix goes along with tables', srgb.profile, full, ['perceptual', 'relative', 'saturation', 'absolute']],
    ['tables to a matrix', full, srgb.profile, ['perceptual', 'relative', 'saturation', 'absolute']],
    ['two matrices are colorimetric', srgb.profile, adobe.profile, ['relative', 'relative', 'relative', 'absolute']],
    ['a gray curve too', gray.profile, adobe.profile, ['relative', 'relative', 'relative', 'absolute']],
    [
      'an output of one',
      full,
      write('perceptual', 'perceptual'),
      ['perceptual', 'perceptual', 'perceptual', 'perceptual'],
    ],
    [
      'an output’s own',
      full,
      write('saturation', 'perceptual', 'saturation'),
      ['perceptual', 'saturation', 'saturation', 'saturation'],
    ],
    ['an input of one', read('perceptual'), full, ['perceptual', 'perceptual', 'perceptual', 'perceptual']],
    [
      'its absolute is its relative',
      full,
      write('perceptual', 'relative'),
      ['relative', 'relative', 'relative', 'absolute'],
    ],
    [
      'nothing in common',
      read('perceptual'),
      write('saturation', 'relative', 'saturation'),
      ['saturation', 'relative', 'saturation', 'absolute'],
    ],
  ])('%s', (_, input, output, expected) => {
    expect(INTENTS.map((intent) => chooseIntent(input, output, intent))).toEqual(expected);
  });
});

describe('findDefaults', () => {
  test('what is unknown, missing, or of another type is as if it were empty, with a warning', async () => {
    const registry = await ProfileRegistry.open();
    const found = await findDefaults(registry, {
      output: { rgb: 'sRGB', cmyk: 'WebCoated', gray: '' },
      source: { rgb: 'nothing', gray: 'AdobeRGB' },
    });
    expect(found.output).toEqual({ rgb: expect.objectContaining({ name: 'sRGB' }) });
    expect(found.source).toEqual({});
    expect(found.warnings).toEqual([
      { code: 'PROFILE_INVALID', message: expect.stringMatching(/^iccProfileCmyk 'WebCoated'.*USWebCoatedSWOP\.icc/) },
      { code: 'INVALID_OPTION', message: expect.stringMatching(/^iccProfileSrcRgb .*'nothing'/) },
      { code: 'PROFILE_MISMATCH', message: expect.stringMatching(/^iccProfileSrcGray 'AdobeRGB'/) },
    ]);
  });
});

/** Colour-management §1.5, with a CMYK profile for WebCoated. */
async function seedExample(web: Uint8Array): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pyramidion-seed-'));
  try {
    await writeFile(join(folder, 'standin.icc'), web);
    const registry = await ProfileRegistry.open({
      standIns: { folders: [folder], files: { WebCoated: 'standin.icc' } },
    });
    const { warnings, ...defaults } = await findDefaults(registry, { output: { rgb: 'sRGB', cmyk: 'WebCoated' } });
    expect(warnings).toEqual([]);
    const plan = (source: LayerColour, pixelType: PixelSpace | null): string =>
      told(choose({ layer: { ...source, defaults }, defaults, pixelType })).replaceAll(
        defaults.output.cmyk?.label ?? '?',
        'Web',
      );
    const pal = { embedded: generatedProfile('PAL') };
    const rgb = 'sRGB IEC61966-2.1';
    expect([
      plan(layer('rgb'), null),
      plan(layer('rgb'), 'cmyk'),
      plan(layer('cmyk'), null),
      plan(layer('cmyk'), 'cmyk'),
      plan(layer('rgb', pal), null),
      plan(layer('rgb', pal), 'cmyk'),
      plan(layer('cmyk', { embedded: fogra.profile }), 'rgb'),
      plan(layer('cmyk', { embedded: fogra.profile }), 'cmyk'),
    ]).toEqual([
      `${rgb} (output default) > rgb ${rgb} (output default): none`,
      `${rgb} (output default) > cmyk Web (output default): managed`,
      `Web (output default) > rgb ${rgb} (output default): managed`,
      'Web (output default) > cmyk Web (output default): none',
      `PAL/SECAM (embedded) > rgb ${rgb} (output default): managed`,
      'PAL/SECAM (embedded) > cmyk Web (output default): managed',
      `FOGRA (embedded) > rgb ${rgb} (output default): managed`,
      'FOGRA (embedded) > cmyk Web (output default): managed',
    ]);
    expect(defaults.output.cmyk?.label).toContain('stands in for U.S. Web Coated (SWOP) v2');
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('the example of the seed: iccprofilergb=sRGB, iccprofilecmyk=WebCoated', () => {
  test('with tables made here', () => seedExample(tableProfile({ description: 'A web press' })));

  it.skipIf(!hasCorpus && !process.env.CI)(
    hasCorpus
      ? 'with the stand-in of the corpus'
      : `with the stand-in of the corpus (skipped: there is none at ${corpus})`,
    () => seedExample(readFileSync(join(corpus, 'icc', 'gen-cmyk-swop-tr003-coated-argyll.icc'))),
  );
});
