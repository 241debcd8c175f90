/** Makes a library to try the server with, in no need of a file: pictures of many kinds, presets and settings. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Engine } from '../dist/index.js';
import { ingestOne } from '../dist/library/ingest.js';
import { drawPictures } from './sample/draw.mjs';
import { MANIFEST, PRESETS, SAMPLES, SETTINGS } from './sample/settings.mjs';

/**
 * Makes the library, unless it is there as this version makes it. What others put into the folder stays; presets and settings
 * that are there are kept.
 *
 * @param {string} folder its root
 * @param {(line: string) => void} tell is told what is done
 * @returns {Promise<boolean>} whether anything had to be drawn
 */
export async function makeSampleLibrary(folder, tell) {
  const stamp = join(folder, '.sample');
  const version = await sampleVersion();
  await writeMissing(join(folder, SETTINGS, 'presets', 'macros.json'), PRESETS);
  await writeMissing(join(folder, SETTINGS, 'imageserver', 'manifest.json'), MANIFEST);
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === version) return false;

  const made = join(folder, '.making');
  // One that was stopped leaves it.
  await rm(made, { recursive: true, force: true });
  const engine = await Engine.start();
  try {
    const drawn = join(made, 'drawn');
    await mkdir(drawn, { recursive: true });
    await drawPictures(drawn, async (picture, file) => {
      const { width, height, space, bits, alpha } = picture.samples;
      const asset = `${picture.name}.tif`;
      // What is known of a picture beyond its pixels; ingestion keeps it.
      await mkdir(join(made, 'assets', asset), { recursive: true });
      await writeFile(
        join(made, 'assets', asset, 'record.json'),
        JSON.stringify({ userData: `title=${picture.tells}` }),
      );
      await ingestOne(engine, file, join(made, 'assets'), asset, { build: picture.options });
      await rm(file);
      tell(
        `  ${picture.name}: ${width} × ${height} ${space}${alpha ? ' with alpha' : ''}, ${bits} bits — ${picture.tells}`,
      );
    });
    const target = join(folder, SAMPLES);
    await rm(target, { recursive: true, force: true });
    await mkdir(dirname(target), { recursive: true });
    await rename(join(made, 'assets'), target);
    await writeFile(stamp, version);
    return true;
  } finally {
    await engine.close();
    await rm(made, { recursive: true, force: true });
  }
}

/** Changes whenever what is drawn, or how it is built, does. */
async function sampleVersion() {
  const hash = createHash('sha256');
  const folder = fileURLToPath(new URL('sample/', import.meta.url));
  for (const name of (await readdir(folder)).sort()) hash.update(await readFile(join(folder, name)));
  return hash.update(await readFile(fileURLToPath(import.meta.url))).digest('hex');
}

/** @param {string} file @param {unknown} value */
async function writeMissing(file, value) {
  if (existsSync(file)) return;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}
