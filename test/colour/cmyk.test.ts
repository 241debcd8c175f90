/** How far our CMYK to sRGB with black point compensation is from Little CMS' own, and sharp's beside it, in ΔE2000. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generatedProfile } from '../../src/colour/generated.js';
import { readManifest } from '../corpus/manifest.js';
import { corpus, hasCorpus } from '../corpus/place.js';
import { formatTable } from '../corpus/table.js';
import { itWith } from '../readers/tools.js';
import { ColourEngine, NO_LIMITS } from './colours.js';
import { deltaE2000, type LabColour, labOfSrgb } from './delta-e.js';

/** Some of the pairs published with the formula by Sharma, Wu and Dalal. */
const PUBLISHED: readonly (readonly [LabColour, LabColour, number])[] = [
  [[50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425],
  [[50, 3.1571, -77.2803], [50, 0, -82.7485], 2.8615],
  [[50, -1.3802, -84.2814], [50, 0, -82.7485], 1],
  [[50, 0, 0], [50, -1, 2], 2.3669],
  [[50, 2.49, -0.001], [50, -2.49, 0.0009], 7.1792],
  [[50, 2.49, -0.001], [50, -2.49, 0.0011], 7.2195],
  [[50, 2.5, 0], [73, 25, -18], 27.1492],
  [[50, 2.5, 0], [58, 24, 15], 19.4535],
  [[60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644],
  [[22.7233, 20.0904, -46.694], [23.0331, 14.973, -42.5619], 2.0373],
  [[90.8027, -2.0831, 1.441], [91.1528, -1.6435, 0.0447], 1.4441],
  [[2.0776, 0.0795, -1.135], [0.9033, -0.0636, -0.5514], 0.9082],
];

test.each(PUBLISHED)('the difference of %j and %j is %d', (one, other, expected) => {
  expect(deltaE2000(one, other)).toBeCloseTo(expected, 4);
  expect(deltaE2000(other, one)).toBeCloseTo(expected, 4);
});

/** Of an image that is compared. */
const MOST_PIXELS = 1e6;

interface Difference {
  readonly mean: number;
  readonly max: number;
}

function difference(a: Uint8Array, b: Uint8Array): Difference {
  expect(a.length).toBe(b.length);
  const lab = (bytes: Uint8Array, at: number): LabColour =>
    labOfSrgb(bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0);
  let [sum, max] = [0, 0];
  for (let at = 0; at < a.length; at += 3) {
    const isSame = a[at] === b[at] && a[at + 1] === b[at + 1] && a[at + 2] === b[at + 2];
    const value = isSame ? 0 : deltaE2000(lab(a, at), lab(b, at));
    sum += value;
    max = Math.max(max, value);
  }
  return { mean: sum / (a.length / 3), max };
}

describe.skipIf(!hasCorpus)(`CMYK JPEGs of the corpus${hasCorpus ? '' : ' (skipped: no corpus)'}`, () => {
  const press = join(corpus, 'icc/gen-cmyk-swop-tr003-coated-argyll.icc');
  let colours: ColourEngine;
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pyramidion-cmyk-'));
    await writeFile(join(folder, 'srgb.icc'), generatedProfile('sRGB'));
    colours = await ColourEngine.start(
      { press: readFileSync(press) },
      { iccProfileRgb: 'sRGB', iccProfileCmyk: 'press.icc' },
    );
  });
  afterAll(async () => {
    await colours.close();
    await rm(folder, { recursive: true, force: true });
  });

  itWith('jpgicc', 'are as jpgicc makes them', async () => {
    const files = readManifest(readFileSync(join(corpus, 'manifest.tsv'), 'utf8'))
      .map(({ file }) => file)
      .filter((file) => file.startsWith('jpeg/'));
    const rows: string[][] = [];
    let compared = 0;
    for (const file of files) {
      const path = join(corpus, file);
      const picture = await colours.engine.open(path).catch(() => null);
      const { pixels, width = 0, height = 0 } = picture?.info ?? {};
      // jpgicc takes seconds for the large one.
      if (picture === null || pixels?.space !== 'cmyk' || width * height > MOST_PIXELS) {
        await picture?.close();
        continue;
      }
      const { bytes } = await picture.render('scl=1&fmt=png', { limits: NO_LIMITS }).finally(() => picture.close());
      const plan = picture.info.profile;
      // An image's own profile goes first; one without takes the default.
      const own = join(folder, 'own.icc');
      await writeFile(own, plan?.bytes ?? readFileSync(press));
      const target = join(folder, 'target.jpg');
      const words = ['-b', '-c0', '-t1', '-q100', '-n', `-i${own}`, `-o${join(folder, 'srgb.icc')}`, path, target];
      const theirs = await promisify(execFile)('jpgicc', words)
        .then(() => sharp(target).raw().toBuffer())
        .catch((error: Error) => error.message.split('\n').at(1) ?? 'failed');
      if (typeof theirs === 'string') {
        rows.push([file, 'refused by jpgicc', '', '', '']);
        continue;
      }
      const ours = await sharp(bytes).removeAlpha().raw().toBuffer();
      const fromSharp = await sharp(path)
        .pipelineColourspace('cmyk')
        .withIccProfile('srgb')
        .removeAlpha()
        .raw()
        .toBuffer();
      const [mine, sharps] = [difference(ours, theirs), difference(fromSharp, theirs)];
      rows.push([file, ...[mine, sharps].flatMap(({ mean, max }) => [mean.toFixed(2), max.toFixed(2)])]);
      compared += 1;
      expect(mine.mean, file).toBeLessThanOrEqual(1);
    }
    console.log(formatTable([['ΔE2000 from jpgicc -b -c0', 'mean', 'max', "sharp's mean", 'max'], ...rows]));
    expect(compared).toBeGreaterThanOrEqual(5);
  });
});
