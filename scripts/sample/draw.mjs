/** Draws all pictures, on all cores. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { pictures } from './pictures.mjs';
import { tiffHead } from './tiff.mjs';

/**
 * Draws every picture to a TIFF of its name in a folder.
 *
 * @param {string} folder
 * @param {(picture: import('./pictures.mjs').SamplePicture, file: string) => Promise<void>} onDrawn is called for each as soon as it
 *   is there, and waited for
 */
export async function drawPictures(folder, onDrawn) {
  const waiting = pictures.flatMap(({ name, samples, parts }, picture) => {
    const file = join(folder, `${name}.tif`);
    writeFileSync(file, tiffHead(samples));
    return Array.from({ length: parts }, (_, part) => ({ picture, part, file }));
  });
  const missing = pictures.map(({ parts }) => parts);
  /** @type {Promise<void>[]} */
  const handed = [];
  const draw = async () => {
    const worker = new Worker(new URL('worker.mjs', import.meta.url));
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        worker.postMessage(next);
        // An error of the worker rejects this.
        await once(worker, 'message');
        missing[next.picture] = (missing[next.picture] ?? 0) - 1;
        const picture = pictures[next.picture];
        if (picture !== undefined && missing[next.picture] === 0) handed.push(onDrawn(picture, next.file));
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, draw));
  await Promise.all(handed);
}
