// A thread that loads the addon, builds what it is told `builds` times, and answers with the resident bytes of the
// process as they were after every hundredth.
import { rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { loadNative } from '../../src/native/index.js';

const { job, builds } = workerData;
const addon = loadNative();
const resident = [];
for (let done = 1; done <= builds; done++) {
  addon.build(job);
  rmSync(job.output);
  if (done % 100 === 0) resident.push(process.memoryUsage.rss());
}
parentPort?.postMessage(resident);
