/** Several builds that want one name, in one process and in several, and builds over their own source. */
import { copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import { Engine } from '../../src/engine.js';
import { codeOf, expectWhole } from './builds.js';
import { isTemporary, list, newFolder, whenListed, whenWriting } from './folders.js';
import { writeStripTiff } from './images.js';
import { startCli } from './processes.js';

const SIZES = [
  { width: 4000, height: 3000 },
  { width: 3000, height: 4000 },
] as const;

let folder: string;
let outputs: string;
let engine: Engine;
let sources: string[];

beforeAll(async () => {
  folder = await newFolder();
  engine = await Engine.start({ workers: 4, threads: 2 });
  // Of one name, and told apart by their size.
  sources = await Promise.all(
    SIZES.map(async (size, i) => {
      await mkdir(join(folder, `${i}`));
      const path = join(folder, `${i}`, 'a.tif');
      writeStripTiff(path, size);
      return path;
    }),
  );
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  outputs = await newFolder();
});
afterEach(() => rm(outputs, { recursive: true }));

/** The sizes of all pyramids in the output folder, each of which is whole; nothing else is there. */
async function sizesThere(): Promise<Record<string, { width: number; height: number }>> {
  const sizes: Record<string, { width: number; height: number }> = {};
  for (const name of await list(outputs)) sizes[name] = await expectWhole(engine, join(outputs, name));
  return sizes;
}

async function expectSame(path: string, other: string): Promise<void> {
  expect((await readFile(path)).equals(await readFile(other))).toBe(true);
}

/** Two sources, each built into the one target in two ways. */
const ways: [name: string, build: (ifExists: 'suffix' | 'replace' | 'fail') => Promise<(string | null)[]>][] = [
  [
    'two builds in one process',
    (ifExists) =>
      Promise.all(sources.map((source) => codeOf(engine.build(source, join(outputs, 'a.tif'), { ifExists })))),
  ],
  [
    'two processes',
    async (ifExists) => {
      const begin = (source: string) =>
        startCli(['build', '--json', '--if-exists', ifExists, source, join(outputs, 'a.tif')]);
      const writing = (count: number) =>
        whenListed(outputs, (names) => names.filter(isTemporary).length === count).then(() => {});
      // The first stands still until the second is at it, too.
      const [one = '', two = ''] = sources;
      const first = begin(one);
      await writing(1);
      first.child.kill('SIGSTOP');
      const second = begin(two);
      await writing(2);
      first.child.kill('SIGCONT');
      return Promise.all(
        [first, second].map(async ({ ended }) => {
          const { stdout } = await ended;
          const { results } = JSON.parse(stdout) as { results: [{ error?: { code: string } }] };
          return results[0].error?.code ?? null;
        }),
      );
    },
  ],
];

describe.each(ways)('%s for one target', (_, build) => {
  it('suffix: both are there, each under a name of its own', async () => {
    expect(await build('suffix')).toEqual([null, null]);
    const there = await sizesThere();
    expect(Object.keys(there)).toEqual(['a-1.tif', 'a.tif']);
    expect(Object.values(there)).toEqual(expect.arrayContaining([...SIZES]));
  });

  it('replace: one of them is there, whole', async () => {
    await writeFile(join(outputs, 'a.tif'), 'to be replaced');
    expect(await build('replace')).toEqual([null, null]);
    const there = await sizesThere();
    expect(Object.keys(there)).toEqual(['a.tif']);
    expect(SIZES).toContainEqual(there['a.tif']);
  });

  it('fail: one wins, the other is told', async () => {
    const codes = await build('fail');
    expect(codes.toSorted()).toEqual(['OUTPUT_EXISTS', null]);
    expect(await sizesThere()).toEqual({ 'a.tif': SIZES[codes.indexOf(null)] });
  });
});

it('twenty builds at once get twenty names', async () => {
  const image = samplePng(120, 80);
  const reports = await Promise.all(Array.from({ length: 20 }, () => engine.build(image, join(outputs, 'a.tif'))));
  const names = reports.map(({ path }) => basename(path)).toSorted();
  expect(new Set(names).size).toBe(20);
  expect(Object.keys(await sizesThere())).toEqual(names);
});

it('the name is taken by another in the middle of a build', async () => {
  const build = codeOf(engine.build(sources[0] ?? '', join(outputs, 'a.tif'), { ifExists: 'fail' }));
  await whenWriting(outputs);
  await writeFile(join(outputs, 'a.tif'), 'of another');
  expect(await build).toBe('OUTPUT_EXISTS');
  expect(await list(outputs)).toEqual(['a.tif']);
  expect(await readFile(join(outputs, 'a.tif'), 'utf8')).toBe('of another');
});

describe('a build over its own source', () => {
  let own: string;
  beforeEach(async () => {
    own = join(outputs, 'a.tif');
    await copyFile(sources[0] ?? '', own);
  });

  it('replaces it when it is whole', async () => {
    const { path } = await engine.build(own, own, { ifExists: 'replace' });
    expect(path).toBe(own);
    expect(await sizesThere()).toEqual({ 'a.tif': SIZES[0] });
  });

  it('stands beside it by default', async () => {
    const { path } = await engine.build(own, own);
    expect(basename(path)).toBe('a-1.tif');
    await expectSame(own, sources[0] ?? '');
    expect(await expectWhole(engine, path)).toEqual(SIZES[0]);
  });

  it('leaves it as it was when it fails', async () => {
    await truncate(own, 10_000_000);
    await copyFile(own, join(folder, 'cut.tif'));
    expect(await codeOf(engine.build(own, own, { ifExists: 'replace' }))).toBe('CORRUPT_IMAGE');
    expect(await list(outputs)).toEqual(['a.tif']);
    await expectSame(own, join(folder, 'cut.tif'));
  });

  it('leaves it as it was when it is aborted', async () => {
    const abort = new AbortController();
    const build = codeOf(engine.build(own, own, { ifExists: 'replace', signal: abort.signal }));
    await whenWriting(outputs);
    abort.abort();
    expect(await build).toBe('ABORTED');
    expect(await list(outputs)).toEqual(['a.tif']);
    await expectSame(own, sources[0] ?? '');
  });
});
