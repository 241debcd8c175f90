import { samplePng } from '../../scripts/sample-png.mjs';
import { type BuildJob, CONTROL } from '../../src/native/contract.js';

const sample = samplePng(300, 200);

/** A control block nobody has touched. */
export function newControl(): BigInt64Array {
  return new BigInt64Array(new SharedArrayBuffer(CONTROL.length * BigInt64Array.BYTES_PER_ELEMENT));
}

/** A job that builds a small sample picture into `output`; `changes` replaces fields of it. */
export function buildJob(output: string, changes: Partial<BuildJob> = {}): BuildJob {
  return {
    input: { bytes: sample },
    format: 'png',
    page: 0,
    orientation: 1,
    pixels: { space: 'rgb', bits: 8, alpha: 'none' },
    colour: null,
    tileSize: 64,
    levels: 4,
    layout: 'pages',
    bigTiff: false,
    coding: { kind: 'deflate', level: 6, predictor: true },
    reduction: 'lanczos',
    linearLight: false,
    unsharp: null,
    tags: [],
    autocrop: null,
    output,
    threads: 1,
    control: newControl(),
    ...changes,
  };
}
