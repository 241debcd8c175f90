/**
 * What a build really takes beside what was reserved for it: resident growth over the idle process, each build in a
 * process of its own. Exits 1 when a build took more than its `need`, or, above 50 MP, less than half of it.
 * `node bench/build-memory.mjs [--giant]`, after `npm ci`; `--giant` adds a strip TIFF of 1.2 gigapixels (3.6 GB).
 * With paths for arguments it measures those instead.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Engine } from '../dist/index.js';
import { giantStripTiff, source } from './sources.mjs';

const SIZES = /** @type {const} */ ([
  [4000, 3000],
  [8192, 6144],
  [16000, 12500],
]);
const KINDS = /** @type {const} */ (['jpeg', 'progressive', 'png', 'interlaced', 'tiff', 'webp']);
const WEBP_EDGE = 16383;
const MB = 1e6;

const arguments_ = process.argv.slice(2);
if (arguments_[0] === '--one')
  console.log(
    JSON.stringify(await one(String(arguments_[1]), String(arguments_[2]), JSON.parse(String(arguments_[3])))),
  );
else process.exitCode = await table(arguments_);

/** @param {string} input @param {string} folder @param {object} options */
async function one(input, folder, options) {
  const engine = await Engine.start({ maxMemory: '64G' });
  let need = 0;
  engine.on('jobqueue', (event) => {
    need = event.need;
  });
  const image = await engine.probe(input).catch(() => null);
  writeFileSync('/proc/self/clear_refs', '5'); // the high-water mark counts from here
  const idle = resident('VmRSS');
  let code = null;
  await engine.build(input, `${folder}/`, { ...options, ifExists: 'replace' }).catch((error) => {
    code = error.code;
  });
  const peak = resident('VmHWM');
  await engine.close();
  return { width: image?.width ?? 0, height: image?.height ?? 0, need, growth: peak - idle, peak, code };
}

/** @param {string} field */
function resident(field) {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
}

/** @param {string[]} given */
async function table(given) {
  const files = given.filter((path) => path !== '--giant');
  if (files.length === 0)
    for (const [width, height] of SIZES)
      for (const kind of KINDS)
        if (kind !== 'webp' || Math.max(width, height) <= WEBP_EDGE) files.push(await source(kind, width, height));
  if (given.includes('--giant')) files.push(await giantStripTiff(40000, 30000));
  const folder = mkdtempSync(join(tmpdir(), 'pyramidion-bench-out-'));
  let wrong = 0;
  console.log(
    '| source | pyramid | grew by MB | need MB | need ÷ growth | peak resident MB |\n| --- | --- | --- | --- | --- | --- |',
  );
  try {
    for (const input of files)
      for (const compression of ['auto', 'deflate']) {
        const { status, stdout, stderr } = spawnSync(
          process.execPath,
          [process.argv[1] ?? '', '--one', input, folder, JSON.stringify({ compression })],
          { encoding: 'utf8' },
        );
        if (status !== 0) throw new Error(stderr);
        const { width, height, need, growth, peak, code } = JSON.parse(stdout);
        if (code !== null) continue; // not an image, or not one that can be built: others count those
        const ratio = need / growth;
        const bad = ratio < 1 || (width * height > 50e6 && ratio > 2);
        if (bad) wrong++;
        console.log(
          `| ${basename(input)} | ${compression} | ${(growth / MB).toFixed(0)} | ${(need / MB).toFixed(0)} | ${ratio.toFixed(2)}${bad ? ' **wrong**' : ''} | ${(peak / MB).toFixed(0)} |`,
        );
      }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return wrong === 0 ? 0 : 1;
}
