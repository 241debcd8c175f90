import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import { buildJob, newControl } from './job.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pyramidion-threads-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A thread that builds `builds` times. Its one message comes when it is done. */
function startWorker(name: string, builds: number, control = newControl()): Worker {
  const job = buildJob(join(folder, `${name}.tif`), { input: { bytes: samplePng(64, 64) }, control, levels: 2 });
  return new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { job, builds } });
}

describe('threads', () => {
  it('many at once load the addon and build', async () => {
    const workers = Array.from({ length: 8 }, (_, index) => startWorker(`at-once-${index}`, 10));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it('one after another are started, used and terminated in the middle of their work', async () => {
    for (let cycle = 0; cycle < 20; cycle++) {
      const control = newControl();
      const worker = startWorker(`cycle-${cycle}`, 1_000_000, control);
      await once(worker, 'online');
      await expect.poll(() => Atomics.load(control, 4), { interval: 1, timeout: 10_000 }).toBeGreaterThan(0n);
      await worker.terminate();
    }
    for (const file of readdirSync(folder)) rmSync(join(folder, file));
  });

  it('memory is flat after a thousand builds', async () => {
    const worker = startWorker('flat', 1000);
    const [resident] = (await once(worker, 'message')) as [number[]];
    expect(resident).toHaveLength(10);
    expect(resident[9]).toBeLessThan(1.3 * (resident[0] ?? 0));
    await worker.terminate();
  });
});
