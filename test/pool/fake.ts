/** Jobs for `fixtures/worker.js`, which sleeps instead of building. */
import { fileURLToPath } from 'node:url';
import type { ErrorRecord } from '../../src/errors.js';
import type { BuildJob, ProbeJob, VerifyJob } from '../../src/native/contract.js';
import { Pool, type PoolOptions } from '../../src/pool/pool.js';

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

export function startPool(options: Partial<PoolOptions> = {}): Pool {
  const filename = fileURLToPath(new URL('./fixtures/worker.js', import.meta.url));
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
