/** Engines that are closed in the middle of everything: when that is done nothing is left, whatever was under way. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import { Engine } from '../../src/engine.js';
import type { ErrorCode } from '../../src/errors.js';
import { codeOf } from './builds.js';
import { isTemporary, list, newFolder, whenListed, whenWriting } from './folders.js';
import { writeStripTiff } from './images.js';

const isLinux = process.platform === 'linux';

let folder: string;
let outputs: string;
beforeAll(async () => {
  folder = await newFolder();
  writeStripTiff(join(folder, 'large.tif'), { width: 12_000, height: 10_000 });
  await sharp({ create: { width: 8000, height: 8000, channels: 3, background: '#336699' } })
    .webp({ lossless: true, effort: 0 })
    .toFile(join(folder, 'large.webp'));
  // What starts its threads and opens its files only once has done so before anything is counted.
  outputs = await newFolder();
  await whenListed(outputs, () => true);
  await using engine = await Engine.start();
  await engine.build(samplePng(300, 200), `${outputs}/`);
  await rm(outputs, { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  outputs = await newFolder();
});

/** Open files and threads; not those of libvips, which end when they have had nothing to do for 15 s. */
function handles(): { files: number; threads: number } | null {
  if (!isLinux) return null;
  const names = readdirSync('/proc/self/task').map((task) =>
    readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim(),
  );
  const threads = names.filter((name) => name !== 'libvips worker').length;
  return { files: readdirSync('/proc/self/fd').length, threads };
}

describe('close', () => {
  it.each([
    ['a build that looks at its stop flag', 'large.tif'],
    ['a build inside a decoder that cannot be interrupted', 'large.webp'],
  ])('ends %s, those behind it, probes, verifications and streams', async (_, name) => {
    const before = handles();
    const engine = await Engine.start({ workers: 2, threads: 2 });
    const ended: (ErrorCode | null)[] = [];
    engine.on('jobend', ({ code }) => ended.push(code));
    const source = join(folder, name);
    const stalled = new Readable({ read() {} });
    stalled.push(samplePng(64, 64).subarray(0, 100));
    const builds = [
      ...Array.from({ length: 6 }, () => codeOf(engine.build(source, `${outputs}/`, { compression: 'deflate' }))),
      codeOf(engine.build(stalled, `${outputs}/`)),
    ];
    const others = [codeOf(engine.verify(source)), codeOf(engine.probe(new Readable({ read() {} })))];
    await Promise.all([once(engine, 'jobstart'), whenWriting(outputs)]);
    while (engine.snapshot().waiting < 4) await once(engine, 'jobqueue');

    await engine.close();
    expect(await list(outputs)).toEqual([]);
    expect(handles()).toEqual(before);
    expect(await Promise.all([...builds, ...others])).toEqual(Array(9).fill('ENGINE_CLOSED'));
    expect(ended).toEqual(Array(7).fill('ENGINE_CLOSED'));
    expect(stalled.destroyed).toBe(true);
    expect(engine.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
    expect(await codeOf(engine.build(source, `${outputs}/`))).toBe('ENGINE_CLOSED');
    expect(ended).toHaveLength(8);
    await rm(outputs, { recursive: true });
  });

  it('leaves the builds of another engine alone', async () => {
    const [one, two] = await Promise.all([Engine.start({ workers: 2, threads: 2 }), Engine.start()]);
    const closed = codeOf(one.build(join(folder, 'large.tif'), join(outputs, 'one.tif')));
    const built = codeOf(two.build(join(folder, 'large.tif'), join(outputs, 'two.tif')));
    await Promise.all([once(one, 'jobprogress'), once(two, 'jobprogress')]);
    await Promise.all([one.close(), one.close()]);
    expect(await closed).toBe('ENGINE_CLOSED');
    expect((await list(outputs)).every(isTemporary)).toBe(true);
    expect(await built).toBe(null);
    await two.close();
    expect(await list(outputs)).toEqual(['two.tif']);
    await rm(outputs, { recursive: true });
  });
});
