/** The command itself, in a process of its own, with the addon. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
  await noise(700, 500).png().toFile(join(folder, 'photo.png'));
});
afterAll(() => rm(folder, { recursive: true }));

function noise(width: number, height: number) {
  return sharp({
    create: { width, height, channels: 3, background: '#806040', noise: { type: 'gaussian', mean: 128, sigma: 40 } },
  });
}

function start(words: readonly string[]) {
  const child = spawn(process.execPath, [cli, ...words], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text.stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (text.stderr += part));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, ...text })),
  );
  return { child, ended };
}

const run = (...words: string[]) => start(words).ended;

describe('build, info, validate', () => {
  test.each([
    ['pages', 'deflate', 'no'],
    ['subifds', 'jpeg', 'yes'],
    ['pages', 'webp', 'no'],
    ['subifds', 'lzw', 'no'],
    ['pages', 'none', 'yes'],
  ])('levels as %s, %s, BigTIFF %s', async (layout, compression, bigtiff) => {
    const target = `${layout}-${compression}.tif`;
    const built = await run(
      'build',
      'photo.png',
      target,
      '--json',
      '--layout',
      layout,
      '--compression',
      compression,
      '--bigtiff',
      bigtiff,
      '--tile-size',
      '128',
    );
    expect(built).toMatchObject({ code: 0, stderr: '' });
    const [report] = (JSON.parse(built.stdout) as { results: { bytes: number; levels: object[] }[] }).results;

    const info = await run('info', target, '--json');
    expect(info).toMatchObject({ code: 0, stderr: '' });
    const shown = JSON.parse(info.stdout) as {
      levels: { width: number; height: number; tiles: number; bytes: number }[];
    };
    expect(shown).toMatchObject({
      kind: 'pyramid',
      layout,
      compression,
      bigTiff: bigtiff === 'yes',
      width: 700,
      height: 500,
      bytes: report?.bytes,
      record: { source: { format: 'png' } },
    });
    expect(shown.levels.map(({ width, height, tiles, bytes }) => ({ width, height, tiles, bytes }))).toEqual(
      report?.levels,
    );
    expect(await run('validate', target, '--read-pixels')).toEqual({ code: 0, stdout: `${target}: ok\n`, stderr: '' });
  });

  test('a pyramid with a damaged tile passes by its headers and fails by its pixels', async () => {
    await run('build', 'photo.png', 'damaged.tif', '--overwrite', '--compression', 'deflate');
    const bytes = await readFile(join(folder, 'damaged.tif'));
    bytes.fill(0xaa, Math.floor(bytes.length * 0.3), Math.floor(bytes.length * 0.6));
    await writeFile(join(folder, 'damaged.tif'), bytes);
    expect(await run('validate', 'damaged.tif')).toMatchObject({ code: 0 });
    const read = await run('validate', 'damaged.tif', '--read-pixels', '--json');
    expect(read.code).toBe(1);
    expect(read.stderr).toContain('pyramidion: damaged.tif: CORRUPT_IMAGE: ');
    expect(JSON.parse(read.stdout)).toMatchObject({
      results: [{ status: 'invalid', error: { code: 'CORRUPT_IMAGE' } }],
    });
  });

  test('a profile that cannot be used is found when it is asked for', async () => {
    const good = await noise(64, 64).withIccProfile('srgb').jpeg().toBuffer();
    const at = good.indexOf('acsp');
    expect(at).toBeGreaterThan(0);
    const bad = Buffer.from(good);
    bad.write('nope', at, 'latin1');
    await writeFile(join(folder, 'good.jpg'), good);
    await writeFile(join(folder, 'bad.jpg'), bad);
    expect(await run('validate', 'good.jpg', 'bad.jpg')).toMatchObject({ code: 0 });
    const found = await run('validate', '--validate-color-profile', 'good.jpg', 'bad.jpg');
    expect(found).toMatchObject({ code: 1, stdout: 'good.jpg: ok\n' });
    expect(found.stderr).toContain('bad.jpg: PROFILE_INVALID: ');
  });

  test('in a folder, what is no image fails, and the rest is built when asked', async () => {
    await mkdir(join(folder, 'mixed'));
    await writeFile(join(folder, 'mixed', 'a-note.txt'), 'no image');
    await noise(80, 60)
      .jpeg()
      .toFile(join(folder, 'mixed', 'b.jpg'));
    const stopped = await run('build', '--workers', '1', 'mixed', 'stopped/');
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toMatch(/^pyramidion: mixed\/a-note\.txt: UNSUPPORTED_FORMAT: .*\n$/);
    expect(await readdir(join(folder, 'stopped'))).toEqual([]);
    const all = await run('build', '--continue-on-error', 'mixed', 'all/');
    expect(all.code).toBe(1);
    expect(await readdir(join(folder, 'all'))).toEqual(['b.tif']);
  });

  test('an existing target is kept, unless it is to be replaced', async () => {
    await mkdir(join(folder, 'twice'));
    for (const words of [[], [], ['--overwrite'], ['--if-exists', 'fail']])
      await run('build', ...words, 'photo.png', 'twice/');
    expect((await readdir(join(folder, 'twice'))).sort()).toEqual(['photo-1.tif', 'photo.tif']);
  });

  test('what cannot fit in the memory budget is refused', async () => {
    const refused = await run(
      'build',
      'photo.png',
      'refused.tif',
      '--max-memory',
      '10M',
      '--estimate',
      'decoded',
      '--max-pixels',
      '1000',
    );
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('photo.png: TOO_MANY_PIXELS: ');
  });

  test('nobody reading standard output is no error', async () => {
    const { child, ended } = start(['build', '--help']);
    child.stdout?.destroy();
    expect(await ended).toMatchObject({ stderr: '' });
  });
});

describe('render', () => {
  beforeAll(async () => {
    await run('build', 'photo.png', 'view-of.tif', '--compression', 'jpeg', '--tile-size', '128');
  });

  test.each([
    ['a.jpg', 'wid=350', { format: 'jpeg', width: 350, height: 250, channels: 3 }],
    ['b.png', 'rotate=90&fmt=png-alpha', { format: 'png', width: 214, height: 300, channels: 4 }],
    ['a.webp', 'rgn=100,100,300,200', { format: 'webp', width: 300, height: 200 }],
    ['a.gif', 'wid=50', { format: 'gif', width: 50, height: 36 }],
  ])('%s %s', async (name, query, expected) => {
    const { code, stdout, stderr } = await run('render', 'view-of.tif', name, query, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { bytes, width, height } = JSON.parse(stdout) as { bytes: number; width: number; height: number };
    const written = await readFile(join(folder, name));
    const found = await sharp(written).metadata();
    expect(found).toMatchObject(expected);
    expect({ bytes, width, height }).toEqual({ bytes: written.length, width: found.width, height: found.height });
  });

  test('a plain image, to standard output', async () => {
    const { child, ended } = start(['render', 'photo.png', '-', 'wid=70&fmt=png']);
    const parts: Buffer[] = [];
    child.stdout?.setEncoding('latin1').on('data', (part: string) => parts.push(Buffer.from(part, 'latin1')));
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
    expect(await sharp(Buffer.concat(parts)).metadata()).toMatchObject({ format: 'png', width: 70, height: 50 });
  });

  test('a stored tile is told by --explain, and comes as it is stored', async () => {
    const query = 'scl=1&rect=128,128,128,128';
    const plan = await run('render', 'view-of.tif', '--explain', query);
    expect(JSON.parse(plan.stdout)).toMatchObject({ tile: { level: 0, column: 1, row: 1 } });
    const { stdout } = await run('render', 'view-of.tif', 'tile.jpg', query, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ tile: { level: 0, column: 1, row: 1 }, width: 128, height: 128 });
  });

  test.each([
    [2, 'INVALID_REQUEST', ['view-of.tif', 'c.jpg', 'crop=900,0,0,0']],
    [2, 'FORMAT_UNSUPPORTED', ['view-of.tif', 'c.jpg', 'fmt=jpeg2000']],
    [1, 'OUTPUT_NOT_WRITABLE', ['view-of.tif', 'view-of.tif']],
    [1, 'LIMIT_EXCEEDED', ['view-of.tif', 'c.jpg', 'wid=2000&hei=2000&fit=fit,1', '--max-mpix', '1']],
  ])('exit code %i, %s', async (exit, error, words) => {
    const { code, stdout, stderr } = await run('render', '--json', ...words);
    expect(code).toBe(exit);
    expect(stderr).toContain(`pyramidion: ${words[0]}: ${error}: `);
    expect(JSON.parse(stdout)).toMatchObject({ path: words[0], error: { code: error } });
    expect(await readdir(folder)).not.toContain('c.jpg');
  });
});

describe('a signal', () => {
  let source: string;
  beforeAll(async () => {
    source = join(folder, 'large.png');
    await noise(8000, 6000).png({ compressionLevel: 1 }).toFile(source);
  });

  /** Resolves when a build writes its temporary file. */
  async function isWriting(target: string, child: ChildProcess): Promise<void> {
    while ((await readdir(target).catch(() => [])).length === 0) {
      expect(child.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s stops a build, leaves nothing and exits %i', async (signal, code) => {
    const target = join(folder, signal);
    const { child, ended } = start([
      'build',
      '--json',
      '--compression',
      'deflate',
      '--effort',
      '9',
      source,
      `${target}/`,
    ]);
    await isWriting(target, child);
    const before = performance.now();
    child.kill(signal);
    const result = await ended;
    expect(performance.now() - before).toBeLessThan(2000);
    expect(result.code).toBe(code);
    expect(JSON.parse(result.stdout)).toMatchObject({ results: [{ status: 'failed', error: { code: 'ABORTED' } }] });
    expect(await readdir(target)).toEqual([]);
  });
});
