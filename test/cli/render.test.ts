import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { DEFAULT_RENDER_LIMITS } from '../../src/picture/limits.js';
import { type FakeOptions, RENDITION, run } from './fake.js';

let folder: string;
let source: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
  source = join(folder, 'photo.tif');
  await writeFile(source, 'the pyramid');
});
afterEach(() => rm(folder, { recursive: true }));

/** Renders into a file of the folder. */
const render = (name: string, words: readonly string[] = [], fake: FakeOptions = {}) =>
  run(['render', source, join(folder, name), ...words], fake);

/** What the picture was asked for. */
const asked = async (...given: Parameters<typeof render>) =>
  (await render(...given)).calls.find(({ method }) => method === 'render')?.request;

const failing = (error: PyramidionError, method = 'render'): FakeOptions => ({
  behave: (_, called) => (called === method ? error : undefined),
});

test('writes the view, says so, and closes what it opened', async () => {
  const output = join(folder, 'view.jpg');
  const result = await render('view.jpg', ['wid=300']);
  expect(result).toMatchObject({ code: 0, err: '', closed: 1, picturesClosed: 1 });
  expect(result.out).toBe(`${output}: 300 × 225, image/jpeg, 4 B\n`);
  expect(new Uint8Array(await readFile(output))).toEqual(RENDITION);
  expect((await readdir(folder)).sort()).toEqual(['photo.tif', 'view.jpg']);
});

test('a question mark in front of the query is no part of it', async () => {
  expect(await asked('view.jpg', ['?wid=300&hei=200'])).toBe('fmt=jpeg&wid=300&hei=200');
});

describe('the format', () => {
  test.each([
    ['a.jpg', 'jpeg'],
    ['a.JPEG', 'jpeg'],
    ['a.png', 'png'],
    ['a.gif', 'gif'],
    ['a.tif', 'tif'],
    ['a.tiff', 'tif'],
    ['a.webp', 'webp'],
    ['a.avif', 'avif'],
  ])('%s is %s, with alpha where there is some', async (name, format) => {
    expect(await asked(name)).toBe(`fmt=${format}`);
    expect(await asked(name, ['wid=9'], { alpha: true })).toBe(
      `fmt=${format}${format === 'jpeg' ? '' : '-alpha'}&wid=9`,
    );
  });

  test('a background is put under transparency', async () => {
    expect(await asked('a.png', ['bgc=ff0000'], { alpha: true })).toBe('fmt=png&bgc=ff0000');
  });

  test('the query has the last word', async () => {
    expect(await asked('a.png', ['fmt=webp'], { alpha: true })).toBe('fmt=webp');
    expect(await asked('a', ['wid=9'])).toBe('wid=9');
  });

  test('an ending of no format is told', async () => {
    const { code, err } = await render('a.jp2');
    expect(code).toBe(0);
    expect(err).toMatch(/: warning: the ending \.jp2 is that of no format \(\.jpg, .*\): written as jpeg\n$/);
    expect((await render('a.jp2', ['fmt=png'])).err).toBe('');
  });
});

describe('--json', () => {
  test('prints one document and nothing else', async () => {
    const { code, out, err } = await render('view.jpg', ['wid=300&nope=1', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      path: source,
      output: join(folder, 'view.jpg'),
      mediaType: 'image/jpeg',
      width: 300,
      height: 225,
      quality: null,
      tile: null,
      bytes: 4,
      warnings: ["there is no command 'nope': it is ignored"],
    });
    expect(err).toBe(`pyramidion: ${source}: warning: there is no command 'nope': it is ignored\n`);
  });

  test('also of a failure', async () => {
    const { code, out, err } = await render(
      'a.jpg',
      ['--json'],
      failing(new PyramidionError('CORRUPT_IMAGE', 'cut short'), 'open'),
    );
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({ path: source, error: { code: 'CORRUPT_IMAGE', message: 'cut short' } });
    expect(err).toBe(`pyramidion: ${source}: CORRUPT_IMAGE: cut short\n`);
  });
});

describe('a query that is wrong', () => {
  test('is refused before anything is opened, by the name of its command', async () => {
    const { code, out, err, started } = await render('a.jpg', ['wid=wide', '--json']);
    expect({ code, started }).toEqual({ code: 2, started: [] });
    expect(err).toBe(`pyramidion: ${source}: INVALID_REQUEST: wid must be a whole number above 0; got "wide"\n`);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'INVALID_REQUEST', option: 'wid' } });
  });

  test.each(['INVALID_REQUEST', 'FORMAT_UNSUPPORTED', 'INVALID_OPTION'] as const)('%s exits 2', async (code) => {
    expect(await render('a.jpg', [], failing(new PyramidionError(code, 'no')))).toMatchObject({
      code: 2,
      closed: 1,
      picturesClosed: 1,
    });
  });

  test.each([
    ['nope=1&wid=9&Other', ["there is no command 'nope': it is ignored", "there is no command 'Other': it is ignored"]],
    ['req=props', ['req=props is for servers: an image is made']],
    ['icc=sRGB', []],
    ['req=tmb', []],
  ])('%s: what has no effect is told', async (query, messages) => {
    const { code, err } = await render('a.jpg', [query]);
    expect(code).toBe(0);
    expect(err).toBe(messages.map((text) => `pyramidion: ${source}: warning: ${text}\n`).join(''));
  });
});

describe('limits', () => {
  test('replies are bounded by their pixels alone, and --max-mpix says how many', async () => {
    const [standard] = (await render('a.jpg')).started;
    expect(standard).toEqual({
      renders: 1,
      limits: {
        maxPix: [0, 0],
        maxRenderRgnPixels: 100,
        maxDecodedPixels: 800,
        maxMessageSize: 800,
        maxNonDsfSize: 100,
        deadlineMs: 0,
      },
      colour: { profileFolders: [] },
    });
    expect(Object.keys(standard?.limits ?? {}).sort()).toEqual(Object.keys(DEFAULT_RENDER_LIMITS).sort());
    const [more] = (await render('a.jpg', ['--max-mpix', '400'])).started;
    expect(more?.limits).toMatchObject({ maxRenderRgnPixels: 400, maxDecodedPixels: 3200, maxNonDsfSize: 400 });
  });

  test('--profile-folder may be repeated', async () => {
    const [started] = (await render('a.jpg', ['--profile-folder', 'one', '--profile-folder', 'two'])).started;
    expect(started?.colour).toEqual({ profileFolders: ['one', 'two'] });
  });

  test('an error says which option allows more', async () => {
    const error = new PyramidionError('LIMIT_EXCEEDED', 'too many', { option: 'maxDecodedPixels' });
    const { code, err } = await render('a.jpg', [], failing(error));
    expect(code).toBe(1);
    expect(err).toBe(`pyramidion: ${source}: LIMIT_EXCEEDED: too many\npyramidion: --max-mpix allows more\n`);
  });

  test.each(['0', '1.5', '99999', 'many'])('--max-mpix %s is refused', async (value) => {
    expect(await render('a.jpg', ['--max-mpix', value])).toMatchObject({ code: 2, calls: [] });
  });
});

describe('the output', () => {
  test('is never the image itself, by whatever name', async () => {
    await symlink(source, join(folder, 'link.tif'));
    for (const name of ['photo.tif', 'link.tif', '../'.concat(folder.split('/').at(-1) ?? '', '/photo.tif')]) {
      const { code, err, started } = await render(name, ['--json']);
      expect({ code, started }).toEqual({ code: 1, started: [] });
      expect(err).toContain(`OUTPUT_NOT_WRITABLE: ${join(folder, name)} is the image itself: a view would replace it`);
    }
    expect(await readFile(source, 'utf8')).toBe('the pyramid');
  });

  test('is looked at before the work', async () => {
    const { code, err, started } = await render('none/a.jpg');
    expect({ code, started }).toEqual({ code: 1, started: [] });
    expect(err).toContain('OUTPUT_NOT_WRITABLE: ');
    expect(await run(['render', source, folder])).toMatchObject({ code: 1, started: [] });
  });

  test('a file of its name is replaced, and kept when the view fails', async () => {
    await writeFile(join(folder, 'a.jpg'), 'before');
    await render('a.jpg', [], failing(new PyramidionError('CORRUPT_IMAGE', 'cut short')));
    expect(await readFile(join(folder, 'a.jpg'), 'utf8')).toBe('before');
    await render('a.jpg');
    expect(new Uint8Array(await readFile(join(folder, 'a.jpg')))).toEqual(RENDITION);
  });

  test('- is standard output, and nothing else goes there', async () => {
    const { code, out, err, written, calls } = await run(['render', source, '-', 'wid=9&fmt=png']);
    expect({ code, out, err }).toEqual({ code: 0, out: '', err: '' });
    expect(written).toEqual([RENDITION]);
    expect(calls.at(-1)).toMatchObject({ method: 'render', request: 'wid=9&fmt=png' });
    expect(await run(['render', source, '-', '--json'])).toMatchObject({ code: 2, out: '', started: [] });
    expect(await run(['render', source, '-'], { terminal: true })).toMatchObject({ code: 2, written: [], started: [] });
  });

  test('has to be named', async () => {
    expect(await run(['render', source])).toMatchObject({
      code: 2,
      out: '',
      err: 'pyramidion: render needs the name of a file to write to\n',
    });
    expect(await run(['render', source, 'wid=300'])).toMatchObject({ code: 2, started: [] });
    expect(await asked('a=b.jpg')).toBe('fmt=jpeg');
    expect((await run(['render'])).code).toBe(2);
  });
});

describe('--explain', () => {
  test('prints the plan, with the lengths of what it embeds, and writes nothing', async () => {
    const { code, out, calls } = await run(['render', source, join(folder, 'a.png'), 'wid=300', '--explain']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      tile: null,
      region: { size: { width: 300, height: 225 }, kernel: 'sharp2' },
      encoding: { mediaType: 'image/png', encode: { icc: '3144 bytes' } },
    });
    expect(calls.map(({ method }) => method)).toEqual(['open', 'plan']);
    expect(await readdir(folder)).toEqual(['photo.tif']);
  });

  test('needs no output', async () => {
    const { code, out } = await run(['render', source, '--explain']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toHaveProperty('encoding.mediaType', 'image/jpeg');
    const { calls } = await run(['render', source, 'wid=30&fmt=png', '--explain']);
    expect(calls.at(-1)).toMatchObject({ method: 'plan', request: 'wid=30&fmt=png' });
  });
});

test('--page is that of the image', async () => {
  const { calls } = await render('a.jpg', ['--page', '3']);
  expect(calls[0]).toMatchObject({ method: 'open', options: { page: 3 } });
});
