/**
 * How fast a pyramid is built, beside sharp writing the same one: tiles of 256, the same coding and quality, levels
 * down to one tile. Both run in processes of their own, turn about; ratios are pair by pair, so that a machine whose
 * speed drifts does not favour either. `node bench/build-speed.mjs [runs]`, after `npm ci`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { Engine, VERSION } from '../dist/index.js';
import { source } from './sources.mjs';

const SIZES = /** @type {const} */ ([
  ['12 MP', 4000, 3000],
  ['192 MP', 16000, 12000],
]);
const KINDS = /** @type {const} */ (['jpeg', 'png']);
/** Cases: our options beside sharp's. sharp writes JPEG tiles as 4:2:0 YCbCr below quality 90 and as RGB from there. */
const CASES = [
  {
    name: 'JPEG 85, lanczos',
    ours: { compression: 'jpeg', quality: 85 },
    theirs: { compression: 'jpeg', quality: 85 },
  },
  {
    name: 'JPEG 85, mean',
    ours: { compression: 'jpeg', quality: 85, reduction: 'mean' },
    theirs: { compression: 'jpeg', quality: 85 },
  },
  {
    name: 'JPEG 95, lanczos',
    ours: { compression: 'jpeg', quality: 95, chroma: '4:4:4' },
    theirs: { compression: 'jpeg', quality: 95 },
  },
  {
    name: 'deflate, lanczos',
    ours: { compression: 'deflate' },
    theirs: { compression: 'deflate', predictor: 'horizontal' },
  },
];

/** @typedef {{ wall: number, cpu: number, peak: number, bytes: number }} Run */

if (process.argv[2] === '--one') {
  const [, , , who, input, output, options] = process.argv;
  console.log(JSON.stringify(await one(String(who), String(input), String(output), JSON.parse(String(options)))));
} else {
  await table(Number(process.argv[2] ?? 5));
}

/** @param {string} who @param {string} input @param {string} output @param {any} options @returns {Promise<Run>} */
async function one(who, input, output, options) {
  const engine = who === 'ours' ? await Engine.start() : null;
  const idle = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  const start = performance.now();
  if (engine) await engine.build(input, output, { ...options, ifExists: 'replace' });
  else
    await sharp(input, { limitInputPixels: false, sequentialRead: true })
      .tiff({ ...options, pyramid: true, tile: true, tileWidth: 256, tileHeight: 256 })
      .toFile(output);
  const wall = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024 - idle;
  await engine?.close();
  return { wall, cpu: (used.user + used.system) / 1e6, peak, bytes: statSync(output).size };
}

/** @param {number} runs */
async function table(runs) {
  const { versions } = sharp;
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}, pyramidion ${VERSION}, sharp ${versions.sharp} (libvips ${versions.vips}); ${runs} runs each, turn about; medians`,
  );
  console.log(
    '\n| source | pyramid | wall | sharp | **ratio** | CPU ratio | peak MB | sharp | size ratio |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  );
  const folder = mkdtempSync(join(tmpdir(), 'pyramidion-bench-out-'));
  try {
    for (const [size, width, height] of SIZES)
      for (const kind of KINDS) {
        const input = await source(kind, width, height);
        for (const { name, ours, theirs } of CASES) {
          /** @type {Run[]} */
          const a = [];
          /** @type {Run[]} */
          const b = [];
          for (let run = 0; run <= runs; run++) {
            const mine = spawn('ours', input, join(folder, 'a.tif'), ours);
            const other = spawn('sharp', input, join(folder, 'b.tif'), theirs);
            if (run === 0) continue; // the first pair warms the page cache
            a.push(mine);
            b.push(other);
          }
          const ratio = (/** @type {keyof Run} */ key) =>
            median(a.map((run, i) => run[key] / (b[i]?.[key] ?? 1))).toFixed(2);
          const mb = (/** @type {Run[]} */ list) => (median(list.map((run) => run.peak)) / 1e6).toFixed(0);
          const seconds = (/** @type {Run[]} */ list) => median(list.map((run) => run.wall)).toFixed(2);
          console.log(
            `| ${size} ${kind} | ${name} | ${seconds(a)} s | ${seconds(b)} s | **${ratio('wall')}** | ${ratio('cpu')} | ${mb(a)} | ${mb(b)} | ${ratio('bytes')} |`,
          );
        }
      }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {string} who @param {string} input @param {string} output @param {object} options @returns {Run} */
function spawn(who, input, output, options) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [process.argv[1] ?? '', '--one', who, input, output, JSON.stringify(options)],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** @param {number[]} values */
function median(values) {
  return values.sort((x, y) => x - y)[values.length >> 1] ?? Number.NaN;
}
