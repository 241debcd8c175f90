/** What a process takes that renders small views again and again: memory, files, threads. In a process of its own. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/index.js';
import { newFolder } from '../robust/folders.js';
import { start } from '../robust/processes.js';
import type { AbortsReport, ViewsReport } from './renders.mjs';

const SCRIPT = fileURLToPath(new URL('./renders.mjs', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await newFolder();
  for (const name of ['views', 'aborts', 'temporary']) await mkdir(join(folder, name));
  const at = (name: string): string => join(folder, 'views', name);
  const engine = await Engine.start();
  try {
    const build = async (name: string, image: Sharp, options: Parameters<Engine['build']>[2]): Promise<string> =>
      (await engine.build(await image.tiff({ compression: 'lzw' }).toBuffer(), at(name), options)).path;
    const jpeg = await build('jpeg.tif', clouds(700, 500, 3).withIccProfile('p3'), {
      compression: 'jpeg',
      tileSize: 128,
    });
    await build('gray.tif', clouds(300, 500, 1), { compression: 'jpeg', tileSize: 64, layout: 'subifds' });
    await build('alpha.tif', clouds(400, 300, 4), { compression: 'deflate', tileSize: 128 });
    await build('deep.tif', clouds(250, 300, 3).toColourspace('rgb16'), {
      compression: 'deflate',
      bits: 'source',
      tileSize: 64,
    });
    await build('webp.tif', clouds(300, 300, 3), { compression: 'webp', tileSize: 128 });
    await clouds(300, 200, 3).jpeg().toFile(at('plain.jpg'));
    const damaged = await readFile(jpeg);
    damaged.fill(0x55, Math.floor(damaged.length / 3), Math.floor(damaged.length / 2));
    await writeFile(at('damaged.tif'), damaged);
    await writeFile(at('none.txt'), 'no image at all');
    const large = await clouds(2000, 1500, 3).png({ compressionLevel: 1 }).toBuffer();
    await engine.build(large, join(folder, 'aborts', 'jpeg.tif'), { compression: 'jpeg' });
  } finally {
    await engine.close();
  }
});
afterAll(() => rm(folder, { recursive: true }));

/** A picture that is neither flat nor noise. */
function clouds(width: number, height: number, channels: 1 | 3 | 4): Sharp {
  const pixels = Buffer.alloc(width * height * channels);
  for (let i = 0; i < pixels.length; i++) {
    const x = Math.floor(i / channels) % width;
    const y = Math.floor(i / channels / width);
    const wave = Math.sin(x / 9 + (i % channels)) + Math.cos((x + 2 * y) / 23) + Math.sin((x * y) / 900);
    pixels[i] = 127 + 38 * wave + ((i * 7919) % 13);
  }
  return sharp(pixels, { raw: { width, height, channels } });
}

async function soak(mode: string, count: number): Promise<unknown> {
  // V8 lets its nursery grow to 48 MB while there is work, whatever is kept. That is not what is looked for.
  const flags = ['--expose-gc', '--max-semi-space-size=1'];
  const words = [`TMPDIR=${join(folder, 'temporary')}`, process.execPath, ...flags, SCRIPT, mode];
  const { code, stdout, stderr } = await start('env', [...words, join(folder, mode), `${count}`]).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

describe.runIf(process.platform === 'linux')('a process that renders for long', () => {
  it('takes no more after 10 000 views than after 1000', { timeout: 170_000, retry: 1 }, async () => {
    const { outcomes, resident, before, during, after, left, complaints } = (await soak(
      'views',
      10_000,
    )) as ViewsReport;
    const { made = 0, ABORTED: aborted = 0, ...refused } = outcomes;
    expect(Object.values(outcomes).reduce((sum, number) => sum + number)).toBe(10_000);
    expect(made).toBeGreaterThan(7000);
    expect(aborted).toBeGreaterThan(20);
    const expected = ['CORRUPT_IMAGE', 'FORMAT_UNSUPPORTED', 'INVALID_REQUEST', 'LIMIT_EXCEEDED', 'SIZE_UNREACHABLE'];
    expect(Object.keys(refused).sort()).toEqual([...expected, 'UNSUPPORTED_FORMAT']);
    expect(complaints).toEqual([]);
    expect(left).toEqual([]);

    const [first = 0, , , , half = 0] = resident;
    expect(resident).toHaveLength(10);
    expect(resident[9]).toBeLessThan(1.3 * first);
    expect(resident[9]).toBeLessThan(1.15 * half);
    for (const handles of during) expect(handles).toEqual(during[0]);
    expect(after.files).toBe(before.files);
    expect(after.threads).toBeLessThanOrEqual(before.threads);
    expect(after.resources).toBeLessThanOrEqual(before.resources);
  });

  it('has its thread back within 200 ms of each of 500 aborts in flight', { timeout: 170_000, retry: 2 }, async () => {
    const { outcomes, slowest, complaints } = (await soak('aborts', 500)) as AbortsReport;
    expect(outcomes.ABORTED).toBe(500);
    expect(complaints).toEqual([]);
    expect(slowest.filter(({ milliseconds }) => milliseconds > 200)).toEqual([]);
  });
});
