/** Jobs for `fixtures/worker.js`, which sleeps instead of building. */
import { fileURLToPath } from 'node:url';
import type { ErrorRecord } from '../../src/errors.js';
import type { BuildJob, ProbeJob, VerifyJob } from '../../src/native/contract.js';
import { Pool, type PoolOptions } from '../../src/pool/pool.js';
import { RenderPool, type ViewJob } from '../../src/pool/renders.js';

/** What the fake worker does. */
export interface Script {
  /** How long the job takes. */
  readonly ms: number;
  /** What `bytesHeld` and `tracked` have grown to, evenly, when it ends. */
  readonly held?: number;
  readonly tracked?: number;
  /** Ignore the stop slot, as a decoder that cannot be interrupted. */
  readonly deaf?: boolean;
  /** How it ends: the thread exits, it throws outside the handler, or it answers an error. Else with success. */
  readonly exit?: boolean;
  readonly crash?: boolean;
  readonly fail?: ErrorRecord;
  /** Noted in the shared counters when the job is taken up. */
  readonly id?: number;
}

export function buildJob(script: Script, counters?: Int32Array): Omit<BuildJob, 'threads' | 'control'> {
  return {
    ...probeJob(script),
    orientation: 1,
    pixels: { space: 'rgb', bits: 8, alpha: 'none' },
    colour: null,
    tileSize: 256,
    levels: 1,
    layout: 'pages',
    bigTiff: false,
    coding: { kind: 'none' },
    reduction: 'mean',
    linearLight: false,
    unsharp: null,
    tags: counters ? [{ tag: 0, type: 1, count: 0, value: new Uint8Array(counters.buffer) }] : [],
    autocrop: null,
    output: '/nowhere',
  };
}

export function probeJob(script: Script): ProbeJob {
  return { input: { path: JSON.stringify(script), size: 0 }, format: 'jpeg', page: 0 };
}

export function verifyJob(script: Script): Omit<VerifyJob, 'control'> {
  return { ...probeJob(script), subIfd: -1 };
}

/** A view of nothing. `counters` has room for three numbers and one for each `id`. */
export function viewJob(script: Script, counters?: Int32Array): ViewJob {
  const pixels = { space: 'rgb', bits: 8, alpha: 'none' } as const;
  const axis = { origin: 0, step: 1, first: 0, count: 1, low: 0, high: 1 };
  const colour = { samples: [0, 0, 0], alpha: 1 };
  const whole = { left: 0, top: 0, width: 1, height: 1 };
  return {
    source: { kind: 'image', ...probeJob(script) },
    pixels,
    colour: null,
    workingBits: 8,
    dither: null,
    x: axis,
    y: axis,
    kernel: 'sharp2',
    linearLight: false,
    rotate: null,
    turn: 1,
    sharpen: [],
    crop: whole,
    frame: { width: 1, height: 1, left: 0, top: 0, canvas: whole, canvasColour: colour, background: colour },
    output: pixels,
    encode: {
      saver: 'raw',
      options: {},
      maxBytes: 0,
      palette: null,
      icc: counters === undefined ? null : new Uint8Array(counters.buffer),
      xmp: null,
      dpi: 0,
    },
  };
}

const filename = fileURLToPath(new URL('./fixtures/worker.js', import.meta.url));

export function startRenders(workers: number, file = filename): RenderPool {
  return new RenderPool(workers, file);
}

export function startPool(options: Partial<PoolOptions> = {}): Pool {
  return Pool.start({ workers: 2, threads: 2, renders: 2, budgetBytes: 300, filename, ...options });
}

/** The code a promise is rejected with; `resolved` when it is not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: { code?: string }) => error.code ?? String(error),
  );
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
