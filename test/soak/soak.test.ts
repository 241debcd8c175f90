/** What a process takes that builds small pyramids again and again: memory, files, threads. Each in a process of its own. */
import { randomFillSync } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newFolder } from '../robust/folders.js';
import { start } from '../robust/processes.js';
import type { Report } from './soak.mjs';

const SCRIPT = fileURLToPath(new URL('./soak.mjs', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await newFolder();
  await mkdir(join(folder, 'sources'));
  const at = (name: string): string => join(folder, 'sources', name);
  const noise = (width: number, height: number, channels: 1 | 3 | 4) =>
    sharp(randomFillSync(Buffer.alloc(width * height * channels)), { raw: { width, height, channels } });
  const plain = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#804020' } });
  await Promise.all([
    noise(64, 64, 3).jpeg().toFile(at('small.jpg')),
    noise(300, 200, 3).jpeg({ progressive: true }).withIccProfile('p3').toFile(at('progressive.jpg')),
    noise(200, 300, 1)
      .jpeg()
      .withExif({ IFD0: { Artist: 'nobody' } })
      .toFile(at('gray.jpg')),
    noise(160, 120, 3).toColourspace('cmyk').jpeg().toFile(at('cmyk.jpg')),
    noise(120, 90, 4).png().toFile(at('alpha.png')),
    plain(300, 200).png({ progressive: true }).toFile(at('interlaced.png')),
    plain(256, 256).png({ palette: true }).toFile(at('palette.png')),
    noise(100, 200, 3).toColourspace('rgb16').png().toFile(at('deep.png')),
    noise(300, 200, 3).tiff({ compression: 'lzw' }).toFile(at('strips.tif')),
    noise(280, 200, 4)
      .tiff({ compression: 'deflate', tile: true, tileWidth: 128, tileHeight: 128 })
      .toFile(at('tiles.tif')),
    noise(150, 100, 3).webp().toFile(at('lossy.webp')),
    noise(150, 100, 4).webp({ lossless: true }).toFile(at('lossless.webp')),
    plain(200, 150).gif().toFile(at('plain.gif')),
    plain(128, 96).avif({ effort: 0 }).toFile(at('plain.avif')),
  ]);
  const whole = await noise(300, 200, 3).png().toBuffer();
  await writeFile(at('cut.png'), whole.subarray(0, whole.length / 2));
  await writeFile(at('none.txt'), 'no image at all');
});
afterAll(() => rm(folder, { recursive: true }));

async function soak(mode: 'builds' | 'cycles', count: number): Promise<Report> {
  const outputs = join(folder, mode);
  await mkdir(outputs);
  // V8 lets its nursery grow to 48 MB while there is work, whatever is kept. That is not what is looked for.
  const flags = ['--expose-gc', '--max-semi-space-size=1'];
  const words = [...flags, SCRIPT, mode, join(folder, 'sources'), outputs, `${count}`];
  const { code, stdout, stderr } = await start(process.execPath, words).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Report;
}

function expectNothingKept({ outcomes, before, after, rested, left, complaints }: Report, count: number): void {
  const { built = 0, CORRUPT_IMAGE: corrupt = 0, UNSUPPORTED_FORMAT: unsupported = 0, ABORTED: aborted = 0 } = outcomes;
  expect(built + corrupt + unsupported + aborted).toBe(count);
  for (const number of [built, corrupt, unsupported]) expect(number).toBeGreaterThan(0);
  expect(left).toEqual([]);
  expect(complaints).toEqual([]);
  expect({ files: after.files, threads: after.threads }).toEqual({ files: before.files, threads: before.threads });
  expect(rested).toEqual(before);
}

/** @param resident after every tenth part of the work */
function expectFlat(resident: readonly number[]): void {
  expect(resident).toHaveLength(10);
  const [first = 0, , , , half = 0] = resident;
  expect(resident[9]).toBeLessThan(1.3 * first);
  // What is still warming up in the first half is no excuse in the second.
  expect(resident[9]).toBeLessThan(1.1 * half);
}

describe.runIf(process.platform === 'linux').concurrent('a process that goes on for long', () => {
  it('takes no more after 1000 builds than after 100', { timeout: 120_000, retry: 1 }, async () => {
    const report = await soak('builds', 1000);
    expectNothingKept(report, 1000);
    expectFlat(report.resident);
  });

  it('takes no more after 200 engines than after 20', { timeout: 120_000 }, async () => {
    const report = await soak('cycles', 200);
    expectNothingKept(report, 200);
    expectFlat(report.resident);
  });
});
