/**
 * A process that builds small pyramids again and again and watches what it takes: `node --expose-gc soak.mjs
 * builds|cycles <sources> <outputs> <count>`. Its one line of output is a JSON document (`Report`, below). It runs what is in `dist/`.
 */
import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** @typedef {import('../../src/engine.js').Engine} Engine */
/** @typedef {import('../../src/ingest/types.js').BuildOptions} BuildOptions */
/** @typedef {{ files: number, threads: number, libvips: number }} Handles open files; threads, those of libvips apart */
/**
 * @typedef {object} Report
 * @property {Record<string, number>} outcomes how many builds ended with each code; `built` for success
 * @property {number[]} resident resident bytes after every tenth part of the work
 * @property {Handles} before
 * @property {Handles} after
 * @property {Handles} rested after the time libvips lets its threads wait for more
 * @property {string[]} left names in the folder of outputs
 * @property {string[]} complaints warnings of the process and rejections nobody handled
 */

/** @type {typeof import('../../src/index.js')} */
const { Engine } = await import(new URL('../../dist/index.js', import.meta.url).href);

const [mode, sources = '', outputs = '', count = ''] = process.argv.slice(2);
const total = Number(count);
const names = readdirSync(sources).sort();

/** @type {Report['complaints']} */
const complaints = [];
process.on('warning', (warning) => complaints.push(String(warning)));
process.on('unhandledRejection', (reason) => complaints.push(`unhandled: ${reason}`));

/** @type {Record<string, number>} */
const outcomes = {};

/** @returns {Handles} */
function handles() {
  const tasks = readdirSync('/proc/self/task').map((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
    } catch {
      return null; // it has just ended
    }
  });
  const libvips = tasks.filter((name) => name === 'libvips worker').length;
  const threads = tasks.filter((name) => name !== null).length - libvips;
  return { files: readdirSync('/proc/self/fd').length, threads, libvips };
}

function resident() {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

/** @type {readonly BuildOptions[]} */
const WAYS = [
  {},
  { compression: 'deflate', layout: 'subifds', tileSize: 64 },
  { compression: 'jpeg', alpha: 'remove', tileSize: 128, quality: 80 },
  { compression: 'webp', tileSize: 64, depth: 'onepixel' },
  { compression: 'lzw', bits: 'source', tileSize: 64, bigTiff: true },
  { compression: 'none', unsharp: { amount: 1 }, linearLight: true, tileSize: 64 },
];

/** One build of many kinds: which, depends on its number alone. @param {Engine} engine @param {number} i */
async function build(engine, i) {
  const name = names[i % names.length] ?? '';
  const path = join(sources, name);
  const kind = Math.floor(i / names.length) % 3;
  const source = kind === 0 ? path : kind === 1 ? await readFile(path) : createReadStream(path);
  const way = WAYS[Math.floor(i / 7) % WAYS.length];
  const abort = new AbortController();
  if (i % 41 === 40) void setTimeout(i % 8).then(() => abort.abort());
  try {
    const report = await engine.build(source, join(outputs, 'a.tif'), { ...way, signal: abort.signal });
    await rm(report.path);
    outcomes.built = (outcomes.built ?? 0) + 1;
  } catch (error) {
    const { code } = /** @type {{ code: string }} */ (error);
    outcomes[code] = (outcomes[code] ?? 0) + 1;
  }
}

/** `total` builds, four under way at once, by one engine. @param {number[]} sizes */
async function runBuilds(sizes) {
  const engine = await Engine.start({ workers: 2, threads: 2 });
  let next = 0;
  const work = async () => {
    while (next < total) {
      const i = next++;
      await build(engine, i);
      if ((i + 1) % (total / 10) === 0) sizes.push(resident());
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  await engine.close();
}

/** `total` engines one after the other, each of which builds once. @param {number[]} sizes */
async function runCycles(sizes) {
  for (let i = 0; i < total; i++) {
    const engine = await Engine.start({ workers: 2, threads: 2 });
    await build(engine, i);
    await engine.close();
    if ((i + 1) % (total / 10) === 0) sizes.push(resident());
  }
}

/** @type {number[]} */
const sizes = [];
const before = handles();
await (mode === 'cycles' ? runCycles(sizes) : runBuilds(sizes));
const after = handles();
// libvips ends its threads when they have had nothing to do for 15 s.
const deadline = performance.now() + 25_000;
while (handles().libvips > 0 && performance.now() < deadline) await setTimeout(250);
/** @type {Report} */
const report = {
  outcomes,
  resident: sizes,
  before,
  after,
  rested: handles(),
  left: await readdir(outputs),
  complaints,
};
console.log(JSON.stringify(report));
