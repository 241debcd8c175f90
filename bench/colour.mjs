/**
 * What colour costs: 800 × 600 renditions with and without an ICC conversion, and how fast pixels are converted, as the
 * processor time that large views of scale 1 take beyond the same views without. Turn about; medians.
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
/** What is compared: the same view without and with a conversion. */
const cases = [
  { what: 'RGB → RGB (sRGB → Adobe RGB)', space: 'rgb', query: '', icc: '&icc=AdobeRGB' },
  { what: 'CMYK → RGB, beside naïve', space: 'cmyk', query: '', icc: '' },
  { what: 'RGB → CMYK, beside naïve', space: 'rgb', query: ',cmyk', icc: '' },
];
console.log(
  `${cpus().length} × ${cpus()[0]?.model}; Node ${process.version}, pyramidion ${VERSION}; one thread; ${rounds} rounds, turn about; medians\n`,
);
console.log(
  '| conversion | 800 × 600 without, ms | with, ms | whole (12 MP) without, CPU ms | with, CPU ms | conversion, MP/s per core |',
);
console.log('| --- | --- | --- | --- | --- | --- |');
for (const { what, space, query, icc } of cases) {
  const key = /** @type {'rgb' | 'cmyk'} */ (space);
  const text = (/** @type {string} */ view) => view.replace(/fmt=\w+/, `$&${query}`);
  /** @type {{ plainView: Cost[], view: Cost[], plain: Cost[], whole: Cost[] }} */
  const runs = { plainView: [], view: [], plain: [], whole: [] };
  for (let round = -1; round < rounds; round++) {
    const made = {
      plainView: await cost(() => pictures[key].render(text(VIEW))),
      view: await cost(() => with_[key].render(text(VIEW) + icc)),
      plain: await cost(() => pictures[key].render(text(WHOLE))),
      whole: await cost(() => with_[key].render(text(WHOLE) + icc)),
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
