/**
 * What colour costs: 800 × 600 renditions with and without an ICC conversion, and how many pixels a second go through all
 * that a conversion adds to a view: the transform itself, and the 16-bit samples that a view without one has no need of. It is the
 * processor time that views of scale 1 take beyond the same views without. Turn about; medians.
 * `node bench/colour.mjs [rounds] [CMYK profile]`, after `npm ci`. Without a CMYK profile, one of the corpus is taken.
 */
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { Engine, VERSION } from '../dist/index.js';
import { source } from './sources.mjs';

const rounds = Number(process.argv[2] ?? 7);
const here = dirname(fileURLToPath(import.meta.url));
const corpus = process.env.PYRAMIDION_CORPUS ?? join(here, '../../shared/corpus');
const press = process.argv[3] ?? join(corpus, 'icc/gen-cmyk-fogra39l-coated-argyll.icc');
if (!existsSync(press)) throw new Error('name a CMYK profile as the second argument');
const WIDTH = 4000;
const HEIGHT = 3000;
const limits = {
  maxPix: /** @type {[number, number]} */ ([0, 0]),
  maxRenderRgnPixels: 100,
  maxDecodedPixels: 1000,
  maxMessageSize: 1000,
  maxNonDsfSize: 100,
  deadlineMs: 0,
};

const input = await source('jpeg', WIDTH, HEIGHT);
const rgb = input.replace(/\.jpg$/, '-colour-rgb.tif');
const cmyk = input.replace(/\.jpg$/, '-colour-cmyk.tif');
if (!existsSync(rgb)) await sharp(input).tiff({ tile: true, pyramid: true, compression: 'none' }).toFile(rgb);
if (!existsSync(cmyk)) {
  await sharp(input).toColourspace('cmyk').tiff({ tile: true, pyramid: true, compression: 'none' }).toFile(cmyk);
}

const engine = await Engine.start({
  threads: 1,
  renders: 1,
  limits,
  colour: { profileFolders: [dirname(press)], iccProfileRgb: '' },
});
const name = press.slice(dirname(press).length + 1);
const pictures = { rgb: await engine.open(rgb), cmyk: await engine.open(cmyk) };
const managed = await Engine.start({
  threads: 1,
  renders: 1,
  limits,
  colour: { profileFolders: [dirname(press)], iccProfileRgb: 'sRGB', iccProfileCmyk: name },
});
const with_ = { rgb: await managed.open(rgb), cmyk: await managed.open(cmyk) };

/** @typedef {{ wall: number, cpu: number }} Cost */
/** @param {() => Promise<unknown>} work @returns {Promise<Cost>} */
async function cost(work) {
  const before = process.cpuUsage();
  const start = performance.now();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - start, cpu: (user + system) / 1000 };
}
/** @param {number[]} values */
const median = (values) => Number([...values].sort((a, b) => a - b)[values.length >> 1]);

const VIEW = 'wid=800&hei=600&fmt=jpeg&qlt=80';
const WHOLE = 'scl=1&fmt=tif';
/** What is compared: a view whose pixels stay what they are, and the same with a conversion. */
const cases = [
  { what: 'RGB → RGB (sRGB → Adobe RGB)', space: 'rgb', plain: '', made: '', icc: '&icc=AdobeRGB', managed: true },
  { what: 'CMYK → RGB', space: 'cmyk', plain: ',cmyk', made: '', icc: '', managed: true },
  { what: 'RGB → CMYK', space: 'rgb', plain: '', made: ',cmyk', icc: '', managed: true },
  { what: 'CMYK → RGB without profiles', space: 'cmyk', plain: ',cmyk', made: '', icc: '', managed: false },
];
console.log(
  `${cpus().length} × ${cpus()[0]?.model}; Node ${process.version}, pyramidion ${VERSION}; one thread; ${rounds} rounds, turn about; medians\n`,
);
console.log(
  '| conversion | 800 × 600 without, ms | with, ms | whole (12 MP) without, CPU ms | with, CPU ms | what it adds, MP/s per core |',
);
console.log('| --- | --- | --- | --- | --- | --- |');
for (const { what, space, plain, made: ending, icc, managed: isManaged } of cases) {
  const key = /** @type {'rgb' | 'cmyk'} */ (space);
  const bare = (/** @type {string} */ view) => view.replace(/fmt=\w+/, `$&${plain}`);
  const full = (/** @type {string} */ view) => view.replace(/fmt=\w+/, `$&${ending}`) + icc;
  const converting = isManaged ? with_ : pictures;
  /** @type {{ plainView: Cost[], view: Cost[], plain: Cost[], whole: Cost[] }} */
  const runs = { plainView: [], view: [], plain: [], whole: [] };
  for (let round = -1; round < rounds; round++) {
    const made = {
      plainView: await cost(() => pictures[key].render(bare(VIEW))),
      view: await cost(() => converting[key].render(full(VIEW))),
      plain: await cost(() => pictures[key].render(bare(WHOLE))),
      whole: await cost(() => converting[key].render(full(WHOLE))),
    };
    if (round < 0) continue;
    for (const [run, value] of /** @type {[keyof typeof runs, Cost][]} */ (Object.entries(made))) runs[run].push(value);
  }
  const wall = (/** @type {keyof typeof runs} */ run) => median(runs[run].map((one) => one.wall));
  const cpu = (/** @type {keyof typeof runs} */ run) => median(runs[run].map((one) => one.cpu));
  const beyond = median(runs.whole.map((one, round) => one.cpu - Number(runs.plain[round]?.cpu)));
  const speed = (WIDTH * HEIGHT) / 1e6 / (beyond / 1000);
  console.log(
    `| ${what} | ${wall('plainView').toFixed(1)} | ${wall('view').toFixed(1)} | ${cpu('plain').toFixed(0)} | ${cpu('whole').toFixed(0)} | ${speed > 0 ? speed.toFixed(0) : 'less than noise'} |`,
  );
}
for (const picture of [...Object.values(pictures), ...Object.values(with_)]) await picture.close();
await engine.close();
await managed.close();
