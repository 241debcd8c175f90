import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import type { CliContext } from '../../src/cli/context.js';
import { addIngestOptions, runIngest } from '../../src/cli/ingest.js';
import { Engine } from '../../src/engine.js';
import { PyramidionError } from '../../src/errors.js';
import type { BuildOptions, BuildReport } from '../../src/ingest/types.js';
import { ingestOne } from '../../src/library/ingest.js';
import { readPyramid } from '../../src/pyramid/pyramid.js';
import { makeFolder, openLibrary, write } from './support.js';

const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));

/** An engine that writes text for a pyramid, and what it was asked for. */
function fakeEngine(fail: (source: string) => boolean = () => false) {
  const calls: { source: string; target: string; options: BuildOptions }[] = [];
  const build = async (source: unknown, target: string, options: BuildOptions = {}): Promise<BuildReport> => {
    calls.push({ source: String(source), target, options });
    if (fail(String(source))) throw new PyramidionError('CORRUPT_IMAGE', 'the image is damaged');
    const bytes = await readFile(String(source));
    await writeFile(target, `pyramid of ${bytes}`);
    return {
      ...{ path: target, bytes: bytes.length, width: 4, height: 3, levels: [], compression: 'jpeg', bigTiff: false },
      ...{ autocrop: null, sha256: sha256(bytes), need: 1, waitSeconds: 0, buildSeconds: 0.5, warnings: [] },
    };
  };
  return { engine: { build }, calls };
}

describe('ingestOne', () => {
  it('writes the pyramid, and a record that the library reads', async () => {
    const folder = await makeFolder({ 'in/a.png': 'image' });
    const { engine, calls } = fakeEngine();
    const root = join(folder, 'library');
    const before = Date.now();
    const options = { build: { quality: 80 } };
    const { path, recordPath, report } = await ingestOne(engine, join(folder, 'in/a.png'), root, 'dam/a.png', options);
    expect(path).toBe(join(root, 'dam/a.png/renditions/cqdam.pyramid.tiff'));
    expect(report?.sha256).toBe(sha256('image'));
    expect(calls).toEqual([
      { source: join(folder, 'in/a.png'), target: path, options: { quality: 80, ifExists: 'replace' } },
    ]);
    const source = { name: 'a.png', sha256: sha256('image') };
    expect(await readJson(recordPath)).toEqual({ timeStamp: expect.any(Number), source });
    const { library, events } = await openLibrary({ roots: [root] });
    const located = await library.locate(library.catalogs, library.catalogs.default, 'dam/a.png');
    expect(located).toMatchObject({ file: path, recordFile: recordPath });
    expect(located.record?.timeStamp).toBeGreaterThanOrEqual(before);
    expect(events).toEqual([]);
    expect(await readdir(join(root, 'dam/a.png'))).toEqual(['record.json', 'renditions']);
  });

  it('leaves alone what has not changed, unless it is forced, and keeps what the record says', async () => {
    const folder = await makeFolder({ 'a.png': 'one' });
    const { engine, calls } = fakeEngine();
    const ingest = (isForced = false) => ingestOne(engine, join(folder, 'a.png'), folder, 'asset', { isForced });
    const { recordPath, path } = await ingest();
    await write(
      recordPath,
      JSON.stringify({ ...Object(await readJson(recordPath)), userData: 'a=1', modifier: 'wid=5' }),
    );
    const again = await ingest();
    expect(again).toEqual({ path, recordPath, sha256: sha256('one'), report: null });
    expect(calls).toHaveLength(1);
    expect((await ingest(true)).report).not.toBeNull();
    expect(calls).toHaveLength(2);

    await write(join(folder, 'a.png'), 'two');
    expect((await ingest()).report).not.toBeNull();
    expect(await readFile(path, 'utf8')).toBe('pyramid of two');
    expect(await readJson(recordPath)).toEqual({
      timeStamp: expect.any(Number),
      source: { name: 'a.png', sha256: sha256('two') },
      userData: 'a=1',
      modifier: 'wid=5',
    });
    await rm(path);
    expect((await ingest()).report).not.toBeNull();
    expect(calls).toHaveLength(4);
  });

  it('refuses paths that nobody could ask for, and writes nothing', async () => {
    const folder = await makeFolder({ 'a.png': 'x', 'library/.keep': '' });
    const { engine } = fakeEngine();
    for (const path of ['../out', '/abs', '.hidden', 'a/.b', 'a//b', 'a\\b', '', 'a\u0000']) {
      await expect(ingestOne(engine, join(folder, 'a.png'), join(folder, 'library'), path)).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        value: path,
      });
    }
    expect(await readdir(folder)).toEqual(['a.png', 'library']);
    expect(await readdir(join(folder, 'library'))).toEqual(['.keep']);
  });

  it('does not replace a file that has the name of the asset, nor a record that is none', async () => {
    const folder = await makeFolder({ 'a.png': 'x', 'asset/record.json': 'mine' });
    const { engine, calls } = fakeEngine();
    for (const path of ['a.png', 'asset']) {
      await expect(ingestOne(engine, join(folder, 'a.png'), folder, path)).rejects.toMatchObject({
        code: 'OUTPUT_NOT_WRITABLE',
      });
    }
    expect(calls).toEqual([]);
    expect(await readFile(join(folder, 'asset/record.json'), 'utf8')).toBe('mine');
  });

  it('leaves the record as it was when the build fails, so that the next time builds again', async () => {
    const folder = await makeFolder({ 'a.png': 'one' });
    const good = fakeEngine();
    const { recordPath } = await ingestOne(good.engine, join(folder, 'a.png'), folder, 'asset');
    const record = await readFile(recordPath, 'utf8');
    await write(join(folder, 'a.png'), 'two');
    const bad = fakeEngine(() => true);
    const failing = ingestOne(bad.engine, join(folder, 'a.png'), folder, 'asset');
    await expect(failing).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
    expect(await readFile(recordPath, 'utf8')).toBe(record);
    expect((await ingestOne(good.engine, join(folder, 'a.png'), folder, 'asset')).report).not.toBeNull();
  });

  it('names a source that is missing', async () => {
    const folder = await makeFolder({ 'asset/renditions/cqdam.pyramid.tiff': '' });
    const { engine } = fakeEngine();
    const missing = ingestOne(engine, join(folder, 'none.png'), folder, 'asset');
    await expect(missing).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
  });
});

/** Runs the command with a fake engine. */
async function run(words: readonly string[], fail: (source: string) => boolean = () => false) {
  const { engine, calls } = fakeEngine(fail);
  return { ...(await runWith(words, { ...engine })), calls };
}

async function runWith(words: readonly string[], engine: Pick<Engine, 'build'>) {
  const [out, err]: [string[], string[]] = [[], []];
  const none = () => Promise.reject(new Error('not asked for'));
  const context: CliContext = {
    stdout: { write: (text) => out.push(String(text)) },
    stderr: { write: (text) => err.push(text) },
    signal: new AbortController().signal,
    startEngine: async () => ({
      build: (...given) => engine.build(...given),
      ...{ probe: none, open: none, verify: none, close: async () => {} },
    }),
  };
  let code = -1;
  const command = addIngestOptions(new Command('ingest').exitOverride().configureOutput({ writeErr: () => {} }));
  command.action(async (paths: string[], flags) => {
    code = await runIngest(paths, flags, context);
  });
  await command.parseAsync([...words], { from: 'user' });
  return { code, out: out.join(''), err: err.join('') };
}

describe('pyramidion ingest', () => {
  it('takes files under their names, and folders with all below but hidden files', async () => {
    const folder = await makeFolder({ 'in/a.png': '1', 'in/b/c.tif': '2', 'in/.b/c': '3', 'in/.d': '4', 'e.jpg': '5' });
    const library = join(folder, 'new/library');
    const words = [
      join(folder, 'in'),
      join(folder, 'e.jpg'),
      '--library',
      library,
      '--prefix',
      '/content/dam/',
      '--json',
    ];
    const { code, out, err } = await run(words);
    expect([code, err]).toEqual([0, '']);
    const { results, ...counts } = JSON.parse(out);
    expect(counts).toEqual({ ingested: 3, unchanged: 0, failed: 0, skipped: 0 });
    expect(results.map(({ asset, status }: { asset: string; status: string }) => [asset, status])).toEqual([
      ['content/dam/a.png', 'ingested'],
      ['content/dam/b/c.tif', 'ingested'],
      ['content/dam/e.jpg', 'ingested'],
    ]);
    expect(await readFile(join(library, 'content/dam/b/c.tif/renditions/cqdam.pyramid.tiff'), 'utf8')).toBe(
      'pyramid of 2',
    );
    const again = await run(words);
    expect(JSON.parse(again.out)).toMatchObject({
      ingested: 0,
      unchanged: 3,
      results: [{ status: 'unchanged' }, {}, {}],
    });
    expect(again.calls).toEqual([]);
    expect((await run([...words, '--force'])).calls).toHaveLength(3);
  });

  it('says what it did, and names failures with their codes', async () => {
    const folder = await makeFolder({ 'a.png': '1', 'b.png': '2', 'c.png': '3' });
    const files = ['a', 'b', 'c'].map((name) => join(folder, `${name}.png`));
    const words = [...files, '--library', join(folder, 'library'), '--workers', '1'];
    const fail = (source: string) => source.endsWith('b.png');
    const stopped = await run(words, fail);
    expect(stopped.code).toBe(1);
    expect(stopped.err).toBe(`pyramidion: ${files[1]}: CORRUPT_IMAGE: the image is damaged\n`);
    expect(stopped.out).toBe(
      `${files[0]} -> a.png  4x3  1 B  0.50 s\n1 ingested, 0 unchanged, 1 failed, 1 not started\n`,
    );
    const onward = await run([...words, '--continue-on-error'], fail);
    expect(onward.code).toBe(1);
    expect(onward.out).toContain(`${files[0]} -> a.png  unchanged\n`);
    expect(onward.out).toContain('1 ingested, 1 unchanged, 1 failed\n');
  });

  it('refuses two files of one path, and a library that is a file', async () => {
    const folder = await makeFolder({ 'a/x.png': '1', 'b/x.png': '2' });
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    await expect(run([a, b, '--library', join(folder, 'l')])).rejects.toMatchObject({
      name: 'UsageError',
      message: `${join(a, 'x.png')} and ${join(b, 'x.png')} would both be x.png`,
    });
    for (const input of [a, join(a, 'x.png')]) {
      const refused = run([input, '--library', join(b, 'x.png')]);
      await expect(refused).rejects.toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
    }
    await expect(run([a])).rejects.toMatchObject({ code: 'commander.missingMandatoryOptionValue' });
    await expect(run(['--library', a])).rejects.toMatchObject({ code: 'commander.missingArgument' });
  });

  it('follows links to files, and says which names cannot be asked for', async () => {
    const folder = await makeFolder({ 'in/a\\b.png': '1', 'real.png': '2' });
    await symlink(join(folder, 'real.png'), join(folder, 'in/link.png'));
    const { code, err, out } = await run([join(folder, 'in'), '--library', join(folder, 'l'), '--continue-on-error']);
    expect(code).toBe(1);
    expect(err).toContain('INVALID_OPTION: relativePath must be a path that can be asked for');
    expect(out).toContain('-> link.png');
  });
});

describe('a picture', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.start();
  });
  afterAll(() => engine.close());

  it('goes in by the command and comes out of the library as a pyramid', async () => {
    const folder = await makeFolder();
    await mkdir(join(folder, 'in'));
    await writeFile(join(folder, 'in/rings.png'), samplePng(700, 300));
    const root = join(folder, 'library');
    const { code, err, out } = await runWith([join(folder, 'in'), '--library', root], engine);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/ -> rings\.png {2}700x300 {2}/);
    const { library } = await openLibrary({ roots: [root] });
    for (const object of ['rings.png', 'rings']) {
      const { file, record } = await library.locate(library.catalogs, library.catalogs.default, object);
      expect(file).toBe(join(root, 'rings.png/renditions/cqdam.pyramid.tiff'));
      expect(record?.timeStamp).toBeGreaterThan(0);
      const { levels } = await readPyramid(file ?? '');
      expect(levels[0]).toMatchObject({ width: 700, height: 300 });
    }
    const again = await runWith([join(folder, 'in/rings.png'), '--library', root], engine);
    expect(again.out).toMatch(/ -> rings\.png {2}unchanged\n$/);
  });
});
