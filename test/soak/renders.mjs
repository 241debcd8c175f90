/**
 * A process that reads and renders small views again and again and watches what it takes: `node --expose-gc renders.mjs
 * views|aborts <folder> <count>`. The folder has pyramids and plain images. Its one line of output is a JSON document
 * (`ViewsReport` or `AbortsReport`, below). It runs what is in `dist/`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** @typedef {import('../../src/engine.js').Engine} Engine */
/** @typedef {import('../../src/picture/picture.js').Picture} Picture */
/** @typedef {{ files: number, threads: number, resources: number }} Handles open files, threads, what keeps the process alive */
/**
 * @typedef {object} ViewsReport
 * @property {Record<string, number>} outcomes how many calls ended with each code; `made` for success
 * @property {number[]} resident resident bytes after every tenth part of the work
 * @property {Handles} before
 * @property {Handles[]} during after every tenth part of the work, nothing under way
 * @property {Handles} after
 * @property {string[]} left temporary files
 * @property {string[]} complaints warnings of the process and rejections nobody handled
 */
/**
 * @typedef {object} AbortsReport
 * @property {Record<string, number>} outcomes
 * @property {{ query: string, milliseconds: number }[]} slowest from the abort to the reply of the thread's next view
 * @property {string[]} complaints
 */

/** @type {typeof import('../../src/index.js')} */
const { Engine } = await import(new URL('../../dist/index.js', import.meta.url).href);

const [mode, folder = '', count = ''] = process.argv.slice(2);
const total = Number(count);
const paths = readdirSync(folder)
  .sort()
  .map((name) => join(folder, name));
const contents = paths.map((path) => readFileSync(path));

/** @type {string[]} */
const complaints = [];
process.on('warning', (warning) => complaints.push(String(warning)));
process.on('unhandledRejection', (reason) => complaints.push(`unhandled: ${reason}`));

/** @type {Record<string, number>} */
const outcomes = {};

/** @param {string} code */
function note(code) {
  outcomes[code] = (outcomes[code] ?? 0) + 1;
}

/** @returns {Handles} */
function handles() {
  const names = readdirSync('/proc/self/task').map((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
    } catch {
      return null; // it has just ended
    }
  });
  return {
    files: readdirSync('/proc/self/fd').length,
    threads: names.filter((name) => name !== null && name !== 'libvips worker').length,
    resources: process.getActiveResourcesInfo().length,
  };
}

function resident() {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

/** The same numbers each time. @param {number} seed */
function randomly(seed) {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return (/** @type {number} */ below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const KERNELS = ['bilin', 'bicub', 'sharp2', 'bisharp'];
const STEPS = [
  '',
  'rotate=33',
  'rotate=90',
  'flip=lr',
  'op_sharpen=1',
  'op_usm=1,2,0,0',
  'op_usm=2,9,4,1',
  'bgc=ff8000',
];
const FORMATS = [
  ...[
    'jpeg',
    'jpeg&qlt=95,1',
    'jpeg&jpegSize=4',
    'pjpeg',
    'png',
    'png-alpha',
    'png8',
    'png8-alpha',
    'gif',
    'gif-alpha',
  ],
  ...['webp', 'webp,,lossless', 'webp-alpha', 'tif', 'tif,,lzw', 'tif,,zip', 'tif,,jpeg', 'tif-alpha,,zip'],
];
/** What is refused, each by another stage. */
const WRONG = [
  'fmt=bmp',
  'wid=2001&hei=10',
  'resMode=none',
  'wid=100&jpegSize=0.1&fmt=jpeg',
  'qlt=0',
  'wid=900&hei=900&scl=x',
];

/** @param {(below: number) => number} random */
function query(random) {
  // AVIF takes ten times as long as any other.
  const format = random(60) === 0 ? 'avif' : FORMATS[random(FORMATS.length)];
  const step = STEPS[random(STEPS.length)];
  const size = `wid=${8 + random(150)}${random(2) === 0 ? `&hei=${8 + random(150)}` : ''}`;
  return `${size}&fmt=${format}&resMode=${KERNELS[random(KERNELS.length)]}&${step}`;
}

/** One call of many kinds: which, depends on its number alone. @param {Picture} picture @param {number} i */
async function call(picture, i) {
  const random = randomly(i);
  const { levels } = picture.info;
  const level = random(levels.length);
  const shape = levels[level] ?? { columns: 0, rows: 0, width: 0, height: 0 };
  const { signal, abort } = stopper(i % 23 === 22 ? random(6) : null);
  switch (random(10)) {
    case 0:
    case 1:
    case 2: {
      const address = { level, column: random(shape.columns), row: random(shape.rows) };
      const edge = random(2) === 0 ? /** @type {const} */ ('padded') : /** @type {const} */ ('cropped');
      await picture.tile(address, { edge, icc: random(2) === 0, signal }).finally(abort);
      return;
    }
    case 3: {
      const [left, top] = [random(shape.width), random(shape.height)];
      const width = 1 + random(Math.min(200, shape.width - left));
      const height = 1 + random(Math.min(200, shape.height - top));
      await picture.region({ level, left, top, width, height }, { signal }).finally(abort);
      return;
    }
    case 4:
      await picture
        .render(i % 3 === 0 ? (WRONG[random(WRONG.length)] ?? '') : query(random), { signal })
        .finally(abort);
      return;
    default:
      await picture.render(query(random), { signal }).finally(abort);
  }
}

/** A signal that is aborted after so many milliseconds, and what takes that back. @param {number | null} ms */
function stopper(ms) {
  const stop = new AbortController();
  const timer = ms === null ? undefined : globalThis.setTimeout(() => stop.abort(), ms);
  return { signal: stop.signal, abort: () => clearTimeout(timer) };
}

/** @param {Engine} engine @param {number} i */
async function callOne(engine, i) {
  const which = Math.floor(i / 3) % paths.length;
  const path = paths[which] ?? '';
  try {
    if (i % 10 > 1) await engine.use(path, (picture) => call(picture, i));
    else {
      const picture = await engine.open(i % 10 === 0 ? path : (contents[which] ?? path));
      await call(picture, i).finally(() => picture.close());
    }
    note('made');
  } catch (error) {
    note(/** @type {{ code: string }} */ (error).code ?? String(error));
  }
}

async function runViews() {
  const before = handles();
  const engine = await Engine.start({ renders: 2 });
  /** @type {number[]} */
  const sizes = [];
  /** @type {Handles[]} */
  const during = [];
  let next = 0;
  for (let tenth = 1; tenth <= 10; tenth++) {
    const work = async () => {
      while (next < (total * tenth) / 10) await callOne(engine, next++);
    };
    await Promise.all([work(), work(), work(), work()]);
    await setTimeout(20); // files that are being closed
    sizes.push(resident());
    during.push(handles());
  }
  await engine.close();
  await setTimeout(20);
  /** @type {ViewsReport} */
  const report = {
    outcomes,
    resident: sizes,
    before,
    during,
    after: handles(),
    left: readdirSync(tmpdir()).filter((name) => name.includes('pyramidion-part')),
    complaints,
  };
  return report;
}

/** Views that take long, most of all to encode. */
const SLOW = [
  'wid=900&hei=900&fmt=png',
  'wid=900&hei=900&fmt=png-alpha&rotate=20',
  'wid=900&hei=900&fmt=webp,,lossless',
  'wid=900&hei=900&fmt=webp&qlt=95',
  'wid=400&hei=400&fmt=avif',
  'wid=900&hei=900&fmt=tif,,zip',
  'wid=900&hei=900&fmt=tif,,lzw',
  'wid=900&hei=900&fmt=pjpeg&qlt=95,1',
  'wid=900&hei=900&fmt=jpeg&jpegSize=40',
  'wid=900&hei=900&fmt=png8&quantize=adaptive,diffuse',
  'wid=900&hei=900&fmt=gif',
  'wid=900&hei=900&op_usm=1,250,0,0',
  'wid=900&hei=900&op_usm=1,30,0,1&fmt=png',
];

/** Aborts views in flight until so many were, on one thread, and times what that takes to be free again. */
async function runAborts() {
  const engine = await Engine.start({ renders: 1 });
  const picture = await engine.open(paths[0] ?? '');
  await picture.render('wid=8');
  /** @type {AbortsReport['slowest']} */
  const times = [];
  for (let i = 0; times.length < total; i++) {
    const asked = SLOW[i % SLOW.length] ?? '';
    const stop = new AbortController();
    const view = picture.render(asked, { signal: stop.signal }).then(
      () => 'made',
      (error) => error.code,
    );
    await setTimeout(randomly(i)(70));
    const begin = performance.now();
    stop.abort();
    const outcome = await view;
    await picture.render('wid=8&fmt=jpeg');
    note(outcome);
    if (outcome === 'ABORTED') times.push({ query: asked, milliseconds: performance.now() - begin });
  }
  await picture.close();
  await engine.close();
  const slowest = times.sort((a, b) => b.milliseconds - a.milliseconds).slice(0, 10);
  /** @type {AbortsReport} */
  const report = { outcomes, slowest, complaints };
  return report;
}

console.log(JSON.stringify(await (mode === 'aborts' ? runAborts() : runViews())));
