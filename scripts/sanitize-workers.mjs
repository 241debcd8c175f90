/**
 * Starts and ends worker threads around the addon of the sanitizer build (`test-native.mjs --sanitize` makes it):
 * each cycle starts a thread that loads the addon, builds a small pyramid and renders views in one format after another;
 * half of the threads are terminated when they are done, half while they work. Fails when a build fails or a sanitizer reports anything. The one argument is
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

/**
 * A view of the same picture: reduced, with a kernel and a step that differ from one to the next.
 *
 * @param {number} i
 * @param {BigInt64Array} control
 * @returns {import('../src/native/contract.js').RenderJob}
 */
function smallView(i, control) {
  const [width, height] = [100, 60 + (i % 7)];
  const saver = SAVERS[i % SAVERS.length] ?? {};
  /** @type {import('../src/native/contract.js').PixelType} */
  const output = { space: 'rgb', bits: 8, alpha: saver.saver === 'jpeg' || i % 2 === 0 ? 'none' : 'straight' };
  const colour = { samples: [1, 0.5, 0], alpha: 1 };
  const whole = { left: 0, top: 0, width, height };
  /** @param {number} length @param {number} count */
  const axis = (length, count) => ({ origin: 0, step: length / count, first: 0, count, low: 0, high: length });
  const mask = { kind: /** @type {const} */ ('unsharp'), amount: 1, radius: 3, threshold: 0, monochrome: i % 4 === 0 };
  return {
    source: { kind: 'image', input: { bytes: samplePng(300, 200) }, format: 'png', page: 0 },
    pixels: { space: 'rgb', bits: 8, alpha: 'straight' },
    workingBits: 8,
    x: axis(300, width),
    y: axis(200, height),
    kernel: KERNELS[i % KERNELS.length] ?? 'sharp2',
    linearLight: i % 3 === 0,
    rotate: null,
    turn: 1,
    sharpen: i % 2 === 0 ? [mask] : [{ kind: 'simple' }],
    crop: whole,
    colour: null,
    frame: { width, height, left: 0, top: 0, canvas: whole, canvasColour: colour, background: colour },
    dither: null,
    output,
    encode: {
      saver: 'raw',
      options: {},
      maxBytes: 0,
      palette: null,
      icc: null,
      xmp: null,
      dpi: 72,
      ...saver,
    },
    control,
  };
}

/** @type {readonly import('../src/native/contract.js').Kernel[]} */
const KERNELS = ['bilin', 'bicub', 'sharp2', 'bisharp'];
const PALETTE = { kind: /** @type {const} */ ('adaptive'), diffuse: true, colours: 200, forced: new Uint8Array(0) };
/** @type {readonly Partial<import('../src/native/contract.js').EncodeStep>[]} */
const SAVERS = [
  { saver: 'raw' },
  { saver: 'jpeg', options: { quality: 85, subsample: true, optimise: true } },
  { saver: 'png8', options: { compression: 3 }, palette: PALETTE },
  { saver: 'gif', palette: PALETTE },
  { saver: 'pngsave', options: { compression: 3 } },
  { saver: 'webpsave', options: { Q: 80, effort: 0 } },
  { saver: 'tiffsave', options: { compression: 'lzw' } },
];

/** Every other view is told to stop before it begins, and must say so. @param {import('../src/native/contract.js').NativeAddon} addon */
function renderAll(addon) {
  for (let i = 0; i < SAVERS.length; i++) {
    const control = new BigInt64Array(new SharedArrayBuffer(64));
    if (addon.render(smallView(i, control)).bytes.length === 0) throw new Error(`view ${i} is empty`);
    control[0] = 1n;
    try {
      addon.render(smallView(i, control));
    } catch (error) {
      if (/** @type {{ code?: string }} */ (error).code === 'ABORTED') continue;
      throw error;
    }
    throw new Error(`view ${i} was not stopped`);
  }
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
  renderAll(addon);
  parentPort?.postMessage('built');
}

if (!isMainThread) work();
else if (process.env.LD_PRELOAD?.includes('libasan')) await runCycles();
else runUnderSanitizer();
