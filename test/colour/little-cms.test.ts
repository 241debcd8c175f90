/**
 * Our conversions beside those of Little CMS' own tools: random colours through `transicc`, which computes in floats, and
 * images through `tificc`, told not to build a grid first. One table tells the largest differences.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { chooseIntent } from '../../src/colour/choose.js';
import { generatedProfile } from '../../src/colour/generated.js';
import { elementOf, INTENTS, type Intent, type Profile, parseProfile } from '../../src/colour/parse.js';
import { PyramidionError } from '../../src/errors.js';
import { corpus, hasCorpus } from '../corpus/place.js';
import { formatTable } from '../corpus/table.js';
import { itWith } from '../readers/tools.js';
import { ColourEngine, largestDifference, type Raster, randomColours, rasterOf, rasterTiff } from './colours.js';
import { transicc } from './transicc.js';

const COLOURS = 1000;
const CHANNELS = { gray: 1, rgb: 3, cmyk: 4 } as const;
/** Most steps of 8 and of 16 bits that a value may differ by. */
const TOLERANCE = { 8: 1, 16: 64 } as const;

/** Profiles by a short name: of each pixel type, of curves and of tables, of versions 2 and 4. */
const fromCorpus = (name: string): Uint8Array => readFileSync(join(corpus, 'icc', name));
/** A profile whose floating-point tables have names that nobody looks for. */
function withoutFloatTags(bytes: Uint8Array): Uint8Array {
  const profile = Buffer.from(bytes);
  for (let index = 0; index < profile.readUInt32BE(128); index++) {
    const at = 132 + 12 * index;
    if (/^(D2B|B2D)\d$/.test(profile.toString('latin1', at, at + 4))) profile.write(`z${index % 10}`, at, 'latin1');
  }
  return profile;
}

/** What transicc counts a channel in: inks to 100, others to 255, but to 1 where the profile names its colorants. */
function unitOf(profile: Profile, channels: number): number {
  if (channels === 4) return 100;
  return elementOf(profile, 'clrt') === null ? 255 : 1;
}

const profiles: Readonly<Record<string, Uint8Array>> = {
  'made-gray': generatedProfile('GrayGamma22'),
  'made-rgb': generatedProfile('AdobeRGB'),
  ...(hasCorpus && {
    'gray-v4': fromCorpus('sGrey-v4.icc'),
    'p3-v4': fromCorpus('DisplayP3-v4.icc'),
    'srgb-lut': fromCorpus('sRGB_v4_ICC_preference.icc'),
    alltags: fromCorpus('alltags.icc'),
    'alltags-int': withoutFloatTags(fromCorpus('alltags.icc')),
    fogra39: fromCorpus('gen-cmyk-fogra39l-coated-argyll.icc'),
    chemical: fromCorpus('cmyk.icm'),
    'swop-in': fromCorpus('CGATS001Compat-v2-micro.icc'),
  }),
};

/** Pairs of these profiles; without the corpus, those of generated ones alone. */
const PAIRS: readonly (readonly [input: string, output: string])[] = [
  ['made-gray', 'made-gray'],
  ['made-gray', 'made-rgb'],
  ['made-rgb', 'made-gray'],
  ...(hasCorpus
    ? ([
        ['gray-v4', 'made-gray'],
        ['gray-v4', 'srgb-lut'],
        ['gray-v4', 'fogra39'],
        ['made-gray', 'chemical'],
        ['srgb-lut', 'gray-v4'],
        ['made-rgb', 'p3-v4'],
        ['p3-v4', 'srgb-lut'],
        ['srgb-lut', 'made-rgb'],
        ['made-rgb', 'alltags'],
        ['alltags', 'made-rgb'],
        ['made-rgb', 'alltags-int'],
        ['alltags-int', 'made-rgb'],
        ['made-rgb', 'fogra39'],
        ['p3-v4', 'chemical'],
        ['srgb-lut', 'fogra39'],
        ['fogra39', 'gray-v4'],
        ['fogra39', 'made-rgb'],
        ['fogra39', 'srgb-lut'],
        ['chemical', 'p3-v4'],
        ['swop-in', 'made-rgb'],
        ['fogra39', 'chemical'],
        ['chemical', 'fogra39'],
        ['swop-in', 'fogra39'],
        ['made-rgb', 'swop-in'],
      ] as const)
    : []),
];

/** Where we differ by more, the most we do, and what is known of it. A number here is a debt, not a tolerance. */
const EXCEPTED: readonly {
  readonly profile: string;
  readonly bits: readonly (8 | 16)[];
  readonly intents: readonly Intent[];
  readonly most: number;
  readonly why: string;
}[] = [
  {
    profile: 'srgb-lut',
    bits: [16],
    intents: ['relative', 'absolute'],
    most: 160,
    why: 'not explained: some dark values, about one in five hundred; tificc and transicc agree with each other there',
  },
  {
    profile: 'alltags',
    bits: [8, 16],
    intents: INTENTS,
    most: Number.POSITIVE_INFINITY,
    why: 'Little CMS follows its floating-point tables, which hold other colours; alltags-int is the same without them',
  },
];

/** The most that a case may differ by. */
function boundOf(pair: string, bits: 8 | 16, intent: Intent): number {
  const excepted = EXCEPTED.find(
    (one) => pair.split(' > ').includes(one.profile) && one.bits.includes(bits) && one.intents.includes(intent),
  );
  return excepted?.most ?? TOLERANCE[bits];
}

/** Null for the refusal of a profile that is no output. */
function unlessInputOnly(error: unknown): null {
  if (error instanceof PyramidionError && error.code === 'PROFILE_INVALID') return null;
  throw error;
}

/** Largest differences of one pair, by intent and compensation; or who refused. */
interface Outcome {
  readonly pair: string;
  readonly bits: 8 | 16;
  readonly cells: readonly (number | string)[];
}

const CASES = [0, 1, 2, 3].flatMap((intent) =>
  [false, true].map((compensates) => ({ intent: intent as 0 | 1 | 2 | 3, compensates })),
);
const caseName = ({ intent, compensates }: (typeof CASES)[number]): string =>
  `${INTENTS[intent]?.slice(0, 3)}${compensates ? '+bpc' : ''}`;

describe('Little CMS', () => {
  let engine: ColourEngine;
  let folder = '';
  const parsed = Object.fromEntries(Object.entries(profiles).map(([name, bytes]) => [name, parseProfile(bytes)]));
  beforeAll(async () => {
    engine = await ColourEngine.start(profiles);
    folder = await mkdtemp(join(tmpdir(), 'pyramidion-lcms-'));
  });
  afterAll(async () => {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  });

  function profileOf(name: string): Profile {
    const profile = parsed[name];
    if (profile === undefined) throw new Error(`no profile ${name}`);
    return profile;
  }

  /** Whether a pair has the intent of a case itself; curves go along with any. */
  function hasIntent(pair: string, index: number): boolean {
    const [input = '', output = ''] = pair.split(' > ');
    const [from, to] = [profileOf(input), profileOf(output)];
    const wanted = INTENTS[CASES[index]?.intent ?? 1] ?? 'relative';
    const isOfCurves = from.read?.kind !== 'tables' && to.write?.kind !== 'tables';
    return isOfCurves || chooseIntent(from, to, wanted) === wanted;
  }

  /** Random colours through one pair and case, by both, at one depth of samples. */
  async function beside(
    input: string,
    output: string,
    bits: 8 | 16,
    at: (typeof CASES)[number],
  ): Promise<number | string> {
    const from = CHANNELS[profileOf(input).pixelSpace ?? 'rgb'];
    const to = CHANNELS[profileOf(output).pixelSpace ?? 'rgb'];
    const most = 2 ** bits - 1;
    // An intent that a pair has not is left aside (colour-management §1.3); Little CMS has its own way there.
    const wanted = INTENTS[at.intent] ?? 'relative';
    const ofPair = INTENTS.indexOf(chooseIntent(profileOf(input), profileOf(output), wanted)) as 0 | 1 | 2 | 3;
    const colours = randomColours(from, COLOURS, bits, 7);
    const theirs = transicc(
      engine.path(input),
      engine.path(output),
      colours.map((colour) => colour.map((value) => (value / most) * unitOf(profileOf(input), from))),
      { channels: to, intent: ofPair, blackPointCompensation: at.compensates },
    ).then(
      (values) =>
        values.map((colour) =>
          colour.map((value) => Math.round(Math.min(Math.max(value / unitOf(profileOf(output), to), 0), 1) * most)),
        ),
      () => null,
    );
    const ours = engine
      .convert({
        input: profileOf(input).bytes,
        output: `${output}.icc`,
        colours,
        bits,
        intent: wanted,
        blackPointCompensation: at.compensates,
      })
      .catch(unlessInputOnly);
    const [a, b] = await Promise.all([ours, theirs]);
    if (a === null || b === null) return a === b ? 'both refuse' : a === null ? 'we refuse' : 'lcms refuses';
    return largestDifference(a, b);
  }

  const name = `agrees on ${COLOURS} random colours in every direction, intent and compensation`;
  itWith('transicc', hasCorpus ? name : `${name} (of generated profiles only: no corpus)`, async () => {
    const jobs = PAIRS.flatMap(([input, output]) => ([8, 16] as const).map((bits) => ({ input, output, bits })));
    const outcomes = new Array<Outcome>(jobs.length);
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let index = next++; index < jobs.length; index = next++) {
        const job = jobs[index];
        if (job === undefined) return;
        const cells: (number | string)[] = [];
        for (const at of CASES) cells.push(await beside(job.input, job.output, job.bits, at));
        outcomes[index] = { pair: `${job.input} > ${job.output}`, bits: job.bits, cells };
      }
    };
    await Promise.all([lane(), lane(), lane()]);
    const rows = outcomes.map(({ pair, bits, cells }) => [
      pair,
      String(bits),
      ...cells.map((cell, index) => `${cell}${hasIntent(pair, index) ? '' : '*'}`),
    ]);
    console.log('* the pair has no such intent: both use the one that chooseIntent falls back to');
    console.log(formatTable([['steps at most', 'bits', ...CASES.map(caseName)], ...rows]));
    for (const { pair, bits, cells } of outcomes) {
      cells.forEach((cell, index) => {
        const label = `${pair}, ${bits} bits, ${CASES[index] && caseName(CASES[index])}`;
        const intent = INTENTS[CASES[index]?.intent ?? 1] ?? 'relative';
        if (typeof cell === 'number') expect(cell, label).toBeLessThanOrEqual(boundOf(pair, bits, intent));
        expect(cell, label).not.toBe('we refuse');
      });
    }
  });
  describe.skipIf(!hasCorpus)(`on images${hasCorpus ? '' : ' (skipped: no corpus)'}`, () => {
    itWith('tificc', 'agrees with tificc without a grid', async () => {
      const rows: string[][] = [];
      for (const { file, input, output } of IMAGES) {
        const picture = await engine.engine.open(join(corpus, file));
        const raster = await rasterOf(picture).finally(() => picture.close());
        const source = join(folder, 'source.tif');
        const target = join(folder, 'target.tif');
        await writeFile(source, rasterTiff(raster));
        const { bits } = raster;
        const cells: number[] = [];
        for (const [intent, word] of [
          [0, 'perceptual'],
          [1, 'relative'],
        ] as const) {
          const paths = [`-i${engine.path(input)}`, `-o${engine.path(output)}`];
          await promisify(execFile)('tificc', [
            '-c0',
            '-n',
            '-b',
            `-t${intent}`,
            `-w${bits}`,
            ...paths,
            source,
            target,
          ]);
          const theirs = await engine.engine.open(target);
          const converted = await rasterOf(theirs).finally(() => theirs.close());
          const icc = { profile: `${output}.icc`, intent: word, blackPointCompensation: true, dither: false } as const;
          const ours = await engine.view(rasterTiff(raster, profileOf(input).bytes), {
            view: { scl: 1 },
            output: { format: 'tif', bits, icc },
          });
          expect([ours.width, ours.height, ours.channels]).toEqual([raster.width, raster.height, converted.channels]);
          cells.push(differenceOf(ours, converted));
        }
        rows.push([`${file}, ${input} > ${output}`, String(bits), ...cells.map(String)]);
        expect(Math.max(...cells), file).toBeLessThanOrEqual(TOLERANCE[bits]);
      }
      console.log(formatTable([['steps from tificc -c0 -b, at most', 'bits', 'perceptual', 'relative'], ...rows]));
    });
  });
});

const IMAGES = [
  { file: 'jpeg/harvesters.jpeg', input: 'made-rgb', output: 'fogra39' },
  { file: 'tiff/gen-cmyk-lzw-swop-tr003.tif', input: 'fogra39', output: 'made-rgb' },
  { file: 'jpeg/gen-cmyk-adobe-fogra39l.jpg', input: 'fogra39', output: 'chemical' },
  { file: 'tiff/rgb-3c-16b.tiff', input: 'p3-v4', output: 'made-rgb' },
  { file: 'jpeg/bricks-gray.jpeg', input: 'gray-v4', output: 'fogra39' },
] as const;

function differenceOf(a: Raster, b: Raster): number {
  let most = a.data.length === b.data.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.data.length; i++) most = Math.max(most, Math.abs((a.data[i] ?? 0) - (b.data[i] ?? 0)));
  return most;
}
