/**
 * How fast views are served: (a) stored tiles as they are, beside a bare `fs.read` of the same bytes; (b) tiles
 * encoded again, and (c) 800 × 600 renditions of 3000 × 2250 regions, beside sharp reading the right page. Each contender
 * runs in a process of its own, turn about; ratios are round by round.
 * `node bench/render-speed.mjs [rounds] [a b c …]`, after `npm ci`.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, read, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import sharp from 'sharp';
import { Engine, VERSION } from '../dist/index.js';
import { source } from './sources.mjs';

const WIDTH = 16000;
const HEIGHT = 12000;
const QUALITY = 80;
/** Requests in flight, and how many are timed in one round. */
const FLIGHT = { a: 8, b: 4, c: 4 };
const COUNT = { a: 40_000, b: 8000, c: 300 };

/** @typedef {'a' | 'b' | 'c'} Work */
/** @typedef {{ rate: number, p50: number, p99: number, cpu: number, peak: number }} Run */

if (process.argv[2] === '--one') {
  const [, , , who, work, path] = process.argv;
  console.log(JSON.stringify(await one(String(who), /** @type {Work} */ (work), String(path))));
} else {
  const rounds = Number(process.argv[2] ?? 5);
  const works = /** @type {Work[]} */ (process.argv.length > 3 ? process.argv.slice(3) : ['a', 'b', 'c']);
  await table(rounds, works);
}

/** A 192-MP JPEG pyramid of ours, made when it is not there yet. */
async function pyramid() {
  const input = await source('jpeg', WIDTH, HEIGHT);
  const path = input.replace(/\.jpg$/, '-pyramid.tif');
  if (!existsSync(path)) {
    const engine = await Engine.start();
    await engine.build(input, path, { compression: 'jpeg', quality: 90, keep: { profile: false } });
    await engine.close();
  }
  return path;
}

/** Numbers from 0 to 1 that are the same in every process. */
function random() {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * What a contender does for the `n`th request.
 * @param {string} who @param {Work} work @param {string} path
 * @returns {Promise<{ request: (u: number, v: number) => Promise<unknown>, close: () => Promise<void> }>}
 */
async function contender(who, work, path) {
  const columns = Math.floor(WIDTH / 256);
  const rows = Math.floor(HEIGHT / 256);
  const at = (/** @type {number} */ u, /** @type {number} */ most) => Math.floor(u * most);
  if (who === 'sharp') {
    sharp.cache(false);
    sharp.concurrency(1);
    const open = (/** @type {number} */ page) => sharp(path, { page, limitInputPixels: false });
    const request =
      work === 'b'
        ? (/** @type {number} */ u, /** @type {number} */ v) =>
            open(0)
              .extract({ left: at(u, columns) * 256, top: at(v, rows) * 256, width: 256, height: 256 })
              .jpeg({ quality: QUALITY, optimiseCoding: false })
              .toBuffer()
        : (/** @type {number} */ u, /** @type {number} */ v) =>
            open(1)
              .extract({ left: at(u, WIDTH - 3000) >> 1, top: at(v, HEIGHT - 2250) >> 1, width: 1500, height: 1125 })
              .resize(800, 600, { kernel: 'lanczos3', fit: 'fill' })
              .jpeg({ quality: QUALITY, optimiseCoding: false })
              .toBuffer();
    return { request, close: async () => {} };
  }
  const engine = await Engine.start();
  const picture = await engine.open(path);
  const close = async () => {
    await picture.close();
    await engine.close();
  };
  if (who === 'read') {
    const { offsets, lengths } = await picture.tileIndex(0);
    const descriptor = openSync(path, 'r');
    const stored = Math.ceil(WIDTH / 256);
    return {
      request: (u, v) => {
        const tile = at(v, rows) * stored + at(u, columns);
        const length = Number(lengths[tile]);
        return new Promise((resolve, reject) =>
          read(descriptor, new Uint8Array(length), 0, length, Number(offsets[tile]), (error, got) =>
            error ? reject(error) : resolve(got),
          ),
        );
      },
      close: async () => {
        closeSync(descriptor);
        await close();
      },
    };
  }
  const requests = {
    a: (/** @type {number} */ u, /** @type {number} */ v) =>
      picture.tile({ level: 0, column: at(u, columns), row: at(v, rows) }),
    b: (/** @type {number} */ u, /** @type {number} */ v) =>
      picture.render(`scl=1&rect=${at(u, columns) * 256},${at(v, rows) * 256},256,256&qlt=${QUALITY}`),
    c: (/** @type {number} */ u, /** @type {number} */ v) =>
      picture.render(
        `rgn=${at(u, WIDTH - 3000)},${at(v, HEIGHT - 2250)},3000,2250&wid=800&hei=600&qlt=${QUALITY}&resMode=${who === 'bilin' ? 'bilin' : 'sharp2'}`,
      ),
  };
  return { request: requests[work], close };
}

/** @param {string} who @param {Work} work @param {string} path @returns {Promise<Run>} */
async function one(who, work, path) {
  const { request, close } = await contender(who, work, path);
  const next = random();
  const times = /** @type {number[]} */ ([]);
  /** @param {number} count */
  const run = async (count) => {
    let left = count;
    const lane = async () => {
      while (left-- > 0) {
        const start = performance.now();
        await request(next(), next());
        times.push(performance.now() - start);
      }
    };
    await Promise.all(Array.from({ length: FLIGHT[work] }, lane));
  };
  await run(Math.ceil(COUNT[work] / 5));
  times.length = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  await run(COUNT[work]);
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  await close();
  times.sort((x, y) => x - y);
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
  return {
    rate: times.length / seconds,
    p50: Number(times[times.length >> 1]),
    p99: Number(times[Math.floor(times.length * 0.99)]),
    cpu: (used.user + used.system) / 1000 / times.length,
    peak,
  };
}

/** @param {number} rounds @param {readonly Work[]} works */
async function table(rounds, works) {
  const path = await pyramid();
  const { versions } = sharp;
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}, pyramidion ${VERSION}, sharp ${versions.sharp} (libvips ${versions.vips}); ${rounds} rounds, turn about; medians`,
  );
  console.log(
    '\n| work | who | a second | p50 ms | p99 ms | CPU ms each | peak MB | **ours over it** |\n| --- | --- | --- | --- | --- | --- | --- | --- |',
  );
  const contenders = { a: ['ours', 'read'], b: ['ours', 'sharp'], c: ['ours', 'bilin', 'sharp'] };
  for (const work of works) {
    /** @type {Map<string, Run[]>} */
    const runs = new Map(contenders[work].map((who) => [who, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [who, list] of runs) {
        const { status, stdout, stderr } = spawnSync(
          process.execPath,
          [new URL(import.meta.url).pathname, '--one', who, work, path],
          { encoding: 'utf8' },
        );
        if (status !== 0) throw new Error(stderr);
        list.push(JSON.parse(stdout));
      }
    }
    const ours = runs.get('ours') ?? [];
    for (const [who, list] of runs) {
      const of = (/** @type {keyof Run} */ key) => median(list.map((run) => run[key]));
      const ratio = median(list.map((run, round) => Number(ours[round]?.rate) / run.rate));
      console.log(
        `| ${work} | ${who} | ${of('rate').toFixed(0)} | ${of('p50').toFixed(2)} | ${of('p99').toFixed(2)} | ${of('cpu').toFixed(2)} | ${(of('peak') / 1e6).toFixed(0)} | ${ratio.toFixed(2)} |`,
      );
    }
  }
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = [...values].sort((x, y) => x - y);
  return Number(sorted[sorted.length >> 1]);
}
