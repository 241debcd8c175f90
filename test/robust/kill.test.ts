/** Processes that are killed in the middle of a build: what they leave, and who clears it away. */
import { createReadStream } from 'node:fs';
import { link, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import { Engine } from '../../src/engine.js';
import { expectWhole } from './builds.js';
import { isTemporary, list, newFolder, whenListed, whenWriting } from './folders.js';
import { writeStripTiff } from './images.js';
import { runCli, start, startCli } from './processes.js';

let folder: string;
let outputs: string;
let engine: Engine;

beforeAll(async () => {
  folder = await newFolder();
  engine = await Engine.start();
  writeStripTiff(join(folder, 'large.tif'), { width: 12_000, height: 10_000 });
  writeStripTiff(join(folder, 'quick.tif'), { width: 1500, height: 1000 });
  await writeFile(join(folder, 'sample.png'), samplePng(300, 200));
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  outputs = await newFolder();
});
afterEach(() => rm(outputs, { recursive: true }));

/** Starts a build that takes seconds, and kills it as soon as it writes. */
async function killInTheMiddle(target: string): Promise<void> {
  const { child, ended } = startCli([
    'build',
    '--compression',
    'webp',
    '--effort',
    '6',
    join(folder, 'large.tif'),
    target,
  ]);
  await whenWriting(outputs);
  child.kill('SIGKILL');
  expect(await ended).toMatchObject({ code: null, signal: 'SIGKILL' });
}

describe('kill -9 in the middle of a build', () => {
  it('leaves no file of the final name, and the next run clears the temporary away', async () => {
    await killInTheMiddle(`${outputs}/`);
    const left = await list(outputs);
    expect(left).toHaveLength(1);
    expect(left.every(isTemporary)).toBe(true);
    expect(await runCli('build', join(folder, 'sample.png'), `${outputs}/`)).toMatchObject({ code: 0, stderr: '' });
    expect(await list(outputs)).toEqual(['sample.tif']);
    await expectWhole(engine, join(outputs, 'sample.tif'));
  });

  it('the same build again succeeds, whatever was left', async () => {
    await killInTheMiddle(join(outputs, 'a.tif'));
    await killInTheMiddle(join(outputs, 'a.tif'));
    // The second run has removed what the first left.
    expect(await list(outputs)).toHaveLength(1);
    expect(await runCli('build', join(folder, 'quick.tif'), join(outputs, 'a.tif'))).toMatchObject({ code: 0 });
    expect(await list(outputs)).toEqual(['a.tif']);
    await expectWhole(engine, join(outputs, 'a.tif'));
  });

  it('keeps the file that was to be replaced', async () => {
    await runCli('build', join(folder, 'sample.png'), join(outputs, 'a.tif'));
    const before = await readFile(join(outputs, 'a.tif'));
    const { child, ended } = startCli(['build', '--overwrite', join(folder, 'large.tif'), join(outputs, 'a.tif')]);
    await whenWriting(outputs);
    child.kill('SIGKILL');
    await ended;
    expect((await readFile(join(outputs, 'a.tif'))).equals(before)).toBe(true);
  });

  it('at the moment the name appears the file is whole', async () => {
    for (let i = 0; i < 5; i++) {
      const { child, ended } = startCli(['build', join(folder, 'quick.tif'), join(outputs, `${i}.tif`)]);
      const named = whenListed(outputs, (names) => names.includes(`${i}.tif`));
      await named;
      child.kill('SIGKILL');
      await ended;
      expect(await expectWhole(engine, join(outputs, `${i}.tif`))).toEqual({ width: 1500, height: 1000 });
    }
    // A name of its own may have been left for the last of them: it goes, and the file stays.
    expect(await runCli('build', join(folder, 'sample.png'), `${outputs}/`)).toMatchObject({ code: 0 });
    expect(await list(outputs)).toEqual(['0.tif', '1.tif', '2.tif', '3.tif', '4.tif', 'sample.tif']);
    for (let i = 0; i < 5; i++) await expectWhole(engine, join(outputs, `${i}.tif`));
  });

  it('clears away the temporary of a file that has its name already', async () => {
    await killInTheMiddle(join(outputs, 'b.tif'));
    const [temporary = ''] = await list(outputs);
    await runCli('build', join(folder, 'sample.png'), join(folder, 'made.tif'));
    // As if it was killed between the two steps of giving a file its name.
    await writeFile(join(outputs, 'a.tif'), await readFile(join(folder, 'made.tif')));
    await rm(join(outputs, temporary));
    await link(join(outputs, 'a.tif'), join(outputs, temporary));
    await runCli('build', join(folder, 'sample.png'), join(outputs, 'b.tif'));
    expect(await list(outputs)).toEqual(['a.tif', 'b.tif']);
    await expectWhole(engine, join(outputs, 'a.tif'));
  });
});

describe('clearing away', () => {
  it('leaves the temporary of a build that another process is at', async () => {
    const { child, ended } = startCli(['build', join(folder, 'large.tif'), join(outputs, 'a.tif')]);
    await whenWriting(outputs);
    child.kill('SIGSTOP');
    expect(await runCli('build', join(folder, 'sample.png'), `${outputs}/`)).toMatchObject({ code: 0 });
    expect((await list(outputs)).filter(isTemporary)).toHaveLength(1);
    child.kill('SIGCONT');
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
    expect(await list(outputs)).toEqual(['a.tif', 'sample.tif']);
    await expectWhole(engine, join(outputs, 'a.tif'));
  });

  it('leaves what only looks like it, and what is no file', async () => {
    await killInTheMiddle(join(outputs, 'b.tif'));
    const [temporary = ''] = await list(outputs);
    const others = ['.mine.pyramidion-part', temporary.slice(1), `${temporary}.bak`, temporary.replace(/-part$/, '')];
    for (const name of others) {
      await writeFile(join(outputs, name), 'mine');
      await utimes(join(outputs, name), 0, 0);
    }
    await runCli('build', join(folder, 'sample.png'), `${outputs}/`);
    expect(await list(outputs)).toEqual([...others, 'sample.tif'].sort());
  });

  it('reaches what a killed probe of a stream left in the system folder', async () => {
    const script = `
      import { Readable } from 'node:stream';
      import { readFileSync } from 'node:fs';
      const { Engine } = await import(process.argv[1]);
      const engine = await Engine.start();
      const head = readFileSync(process.argv[2]);
      await engine.probe(Readable.from((async function* () { yield head; await new Promise(() => setInterval(() => {}, 1e6)); })()));`;
    const library = new URL('../../dist/index.js', import.meta.url).href;
    const words = ['--input-type=module', '--eval', script, library, join(folder, 'sample.png')];
    const { child, ended } = start(process.execPath, words);
    const ofChild = (name: string): boolean => isTemporary(name) && name.includes(`-${child.pid}-`);
    await whenListed(tmpdir(), (names) => names.some(ofChild));
    child.kill('SIGKILL');
    await ended;
    await engine.probe(createReadStream(join(folder, 'sample.png')));
    expect((await list(tmpdir())).filter(ofChild)).toEqual([]);
  });
});
