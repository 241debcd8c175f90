/**
 * Starts and ends worker threads around the addon of the sanitizer build (`test-native.mjs --sanitize` makes it):
 * each cycle starts a thread that loads the addon and builds a small pyramid; half of the threads are terminated when
 * they are done, half while they build. Fails when a build fails or a sanitizer reports anything. The one argument is
 * the number of cycles, 200 by default. Linux only.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { samplePng } from './sample-png.mjs';

const self = fileURLToPath(import.meta.url);
const addonPath = fileURLToPath(new URL('../native/build/sanitize/pyramidion.node', import.meta.url));

/** Runs this file again with the address sanitizer in front, as a plain `node` is not built with it. */
function runUnderSanitizer() {
  const runtime = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
  const { status } = spawnSync(process.execPath, [self, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: runtime,
      // Node itself holds memory at its end, which is no leak of ours.
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0',
      UBSAN_OPTIONS: 'print_stacktrace=1',
      G_DEBUG: 'fatal-criticals',
    },
  });
  process.exitCode = status ?? 1;
}

/** @param {string} output @param {BigInt64Array} control @returns {import('../src/native/contract.js').BuildJob} */
function smallJob(output, control) {
  return {
    input: { bytes: samplePng(300, 200) },
    format: 'png',
    page: 0,
    orientation: 1,
    pixels: { space: 'rgb', bits: 8, alpha: 'none' },
    colour: null,
    tileSize: 64,
    levels: 4,
    layout: 'pages',
    bigTiff: false,
    coding: { kind: 'jpeg', quality: 85, subsample: true },
    reduction: 'lanczos',
    linearLight: false,
    unsharp: null,
    tags: [],
    autocrop: null,
    output,
    threads: 2,
    control,
  };
}

async function runCycles() {
  const cycles = Number(process.argv[2] ?? 200);
  const folder = mkdtempSync(join(tmpdir(), 'pyramidion-sanitize-'));
  try {
    for (let cycle = 0; cycle < cycles; cycle++) {
      const worker = new Worker(self, { workerData: join(folder, `${cycle}.tif`) });
      const [loaded] = await once(worker, 'message');
      if (cycle % 2 === 0) await once(worker, 'message');
      await worker.terminate();
      if (loaded !== 'loaded') throw new Error(`cycle ${cycle}: ${loaded}`);
    }
    console.log(`${cycles} workers started, used and terminated`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function work() {
  /** @type {import('../src/native/contract.js').NativeAddon} */
  const addon = createRequire(import.meta.url)(addonPath);
  addon.capabilities();
  parentPort?.postMessage('loaded');
  addon.build(smallJob(workerData, new BigInt64Array(new SharedArrayBuffer(64))));
  parentPort?.postMessage('built');
}

if (!isMainThread) work();
else if (process.env.LD_PRELOAD?.includes('libasan')) await runCycles();
else runUnderSanitizer();
