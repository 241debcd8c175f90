/** Draws parts of pictures into their files, one message each. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { pictures } from './pictures.mjs';
import { rowBytes, tiffHead } from './tiff.mjs';

/** @typedef {{ picture: number, part: number, file: string }} Part which picture by its place in the list, and its TIFF */

parentPort?.on('message', (/** @type {Part} */ { picture, part, file }) => {
  const found = pictures[picture];
  if (found === undefined) throw new Error(`there is no picture ${picture}`);
  const start = tiffHead(found.samples).length;
  const descriptor = openSync(file, 'r+');
  for (const { row, bytes } of found.draw(part)) {
    for (let done = 0; done < bytes.length; )
      done += writeSync(descriptor, bytes, done, bytes.length - done, start + row * rowBytes(found.samples) + done);
  }
  closeSync(descriptor);
  parentPort?.postMessage('drawn');
});
