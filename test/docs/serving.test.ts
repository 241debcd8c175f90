/** What docs/serving.md says is tried: its tables, its examples and its recipes. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FORMATS } from '../../src/encode/index.js';
import { Engine } from '../../src/engine.js';
import { ERROR_CODES } from '../../src/errors.js';
import { DEFAULT_RENDER_LIMITS } from '../../src/picture/limits.js';
import { COMMANDS } from '../../src/protocol/image-serving/commands.js';
import { parseModifiers } from '../../src/protocol/image-serving/modifiers.js';
import { blocks, ended, type Listening, marked as markedOf, root, rows as rowsOf, startNode } from './served.js';

const page = readFileSync(join(root, 'docs', 'serving.md'), 'utf8');

const marked = (name: string): string => markedOf(page, name);
const rows = (name: string): string[][] => rowsOf(page, name);
const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);

/** The blocks of JavaScript, in order. */
const examples = blocks(page, 'js');

describe('commands', () => {
  const table = rows('commands');
  const byScope = (test: (scope: string) => boolean) =>
    [...COMMANDS].filter(([, { scope }]) => test(scope)).map(([name]) => name);

  test('are all in the table, in order, or named as missing or without effect', () => {
    const lower = (names: readonly string[]) => names.map((name) => name.toLowerCase());
    const listed = lower(table.flatMap(([name = '']) => quoted(name)));
    expect(listed).toEqual(byScope((scope) => scope !== 'text' && scope !== 'missing'));
    expect(lower(quoted(marked('missing')))).toEqual(byScope((scope) => scope === 'missing'));
    expect(lower(quoted(marked('text')))).toEqual(byScope((scope) => scope === 'text'));
  });

  /** Something to put in the place of each word of a form that stands for a value. */
  const VALUES: Readonly<Record<string, string>> = {
    ...{ x: '10', y: '20', w: '30', h: '40', l: '1', t: '2', r: '3', b: '4', n: '8' },
    ...{ nx: '0.1', ny: '0.2', nw: '0.3', nh: '0.4', nl: '0.1', nt: '0.2', nr: '0.3', nb: '0.4' },
    ...{ degrees: '30', factor: '1.5', dpi: '300', kB: '20', quality: '90', amount: '1', radius: '2', threshold: '3' },
    ...{ colour: 'ff8000', colours: 'ff8000,00ff00', name: 'abc', profile: 'sRGB', mode: 'crop', format: 'tif' },
  };

  /** Without any of its optional parts, with the first, with the first two … */
  const expand = (form: string): string[] => {
    const parts = form.replaceAll(']', '').split('[');
    return parts.map((_, i) => parts.slice(0, i + 1).join(''));
  };

  test.each(table.filter(([, form]) => form !== '–'))('%s takes %s', (name = '', form = '') => {
    const [command = ''] = quoted(name);
    const forms = quoted(form.replace(/^(.*) h,v from/, '$1')).flatMap(expand);
    expect(forms).not.toEqual([]);
    for (const each of forms) {
      const isPlaces = command === 'align';
      const value = each.replaceAll(/[A-Za-z]+/g, (word) => (isPlaces ? '0.5' : (VALUES[word] ?? word)));
      // `fit` needs a rectangle to fit into.
      const { given, ignored } = parseModifiers(`wid=100&hei=100&${command}=${value}`);
      expect({ value, known: given.has(command.toLowerCase()), ignored }).toEqual({ value, known: true, ignored: [] });
    }
  });

  test.each(
    table.flatMap(([name = '', , byDefault = '']) => quoted(byDefault).map((value) => [quoted(name)[0], value])),
  )('%s=%s is the default', (command = '', value) => {
    if (command === 'hei') return expect(value).toBe('wid');
    const base = command === 'fit' ? 'wid=100&hei=100' : '';
    const { output, ...expected } = parseModifiers(base).request;
    const { output: found, ...rest } = parseModifiers(`${base}&${command}=${value}`).request;
    // Written out, some defaults are told from none in the request; what they come to is the same.
    const defaults = {
      anchor: { layer: { ...expected.layer, anchor: { unit: 'parts', x: 0, y: 0 } } },
      cropN: { layer: { ...expected.layer, crop: { unit: 'parts', x: 0, y: 0, width: 1, height: 1 } } },
      extend: { layer: { ...expected.layer, extend: { unit: 'pixels', left: 0, top: 0, right: 0, bottom: 0 } } },
      extendN: { layer: { ...expected.layer, extend: { unit: 'parts', left: 0, top: 0, right: 0, bottom: 0 } } },
      fit: { view: { ...expected.view, fit: { mode: 'fit', upscale: false } } },
      op_usm: { sharpen: { ...expected.sharpen, usm: { amount: 0, radius: 0, threshold: 0, monochrome: false } } },
      op_usmR: { sharpen: { ...expected.sharpen, usmR: { amount: 0, radius: 0, threshold: 0, monochrome: false } } },
    };
    const written = command === 'anchorN' ? 'anchor' : command;
    expect(rest).toEqual({ ...expected, ...Object.entries(defaults).find(([name]) => name === written)?.[1] });
    expect(found).toEqual(command === 'qlt' ? { ...output, quality: 80, fullChroma: false } : output);
  });
});

test('the table of formats is that of the code', () => {
  const expected = FORMATS.map(({ names: [name], alpha, mediaType, spaces, compressions, carries, maxSide }) => [
    alpha ? `\`${name}\`, \`${name}-alpha\`` : `\`${name}\``,
    mediaType,
    spaces.join(', '),
    compressions.join(', '),
    (['icc', 'xmp', 'dpi'] as const).filter((kind) => carries[kind]).join(', ') || '–',
    String(maxSide),
  ]);
  expect(rows('formats')).toEqual(expected);
});

test('the table of limits is that of the code', () => {
  const expected = Object.entries(DEFAULT_RENDER_LIMITS).map(([name, value]) => [
    `\`${name}\``,
    Array.isArray(value) ? value.join(', ') : String(value),
    name === 'deadlineMs' ? '`DEADLINE_EXCEEDED`' : '`LIMIT_EXCEEDED`',
  ]);
  expect(rows('limits').map(([name, , value, error]) => [name, value, error])).toEqual(expected);
});

test('every error code it names is one', () => {
  const codes = quoted(page.replaceAll(/^```[\s\S]*?^```$/gm, '')).filter((word) =>
    /^[A-Z]+_[A-Z_]+$|^ABORTED$/.test(word),
  );
  expect(codes.length).toBeGreaterThan(10);
  expect(codes.filter((code) => !Object.hasOwn(ERROR_CODES, code))).toEqual([]);
});

describe('what it shows to run', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
    await mkdir(join(folder, 'images'));
    await mkdir(join(folder, 'node_modules'));
    for (const name of ['express', 'fastify'])
      await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
    await symlink(root, join(folder, 'node_modules', 'pyramidion'), 'junction');
    for (const example of examples.slice(-4)) {
      const name = /`(\w+\.mjs)`[^`]*(?:`[^`]*`[^`]*)?:\n\n```js\n$/.exec(page.slice(0, page.indexOf(example)))?.[1];
      // With a deadline that no test outlasts: what ends early, ends for another reason.
      await writeFile(join(folder, name ?? 'unnamed.mjs'), example.replace('10_000', '120_000'));
    }
    const engine = await Engine.start();
    const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
    const create = { width: 2101, height: 1403, channels: 3, background: '#806040', noise } as const;
    const jpeg = await sharp({ create }).jpeg().toBuffer();
    await engine.build(jpeg, join(folder, 'images', 'photo.tif'), { compression: 'jpeg' });
    await copyFile(join(folder, 'images', 'photo.tif'), join(folder, 'images', 'other.tif'));
    await engine.close();
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('the examples', async () => {
    const parts = examples.slice(0, 4).map((example) => example.replace('photo.tif', 'images/photo.tif'));
    // The first opens and closes; the others need an open picture.
    const [opening = '', ...others] = parts;
    const shown =
      'bytes.length, mediaType, data.length === width * height * channels, Buffer.compare(query.bytes, request.bytes)';
    await writeFile(
      join(folder, 'examples.mjs'),
      [
        "import { Engine } from 'pyramidion';",
        'const engine = await Engine.start();',
        `{ ${opening.replace('} finally', 'console.log(width, height, levels.length, view.mediaType); } finally')} }`,
        "await engine.use('images/photo.tif', async (picture) => {",
        ...others,
        `console.log(${shown}); });`,
        'await engine.close();',
      ].join('\n'),
    );
    const child = spawn(process.execPath, ['examples.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const { text, code } = await ended(child);
    expect({ text, code }).toEqual({
      text: expect.stringMatching(/^2101 1403 5 image\/webp\n\d+ image\/jpeg true 0\n$/),
      code: 0,
    });
  });

  describe.each(['http', 'express', 'fastify'])('%s.mjs', (name) => {
    let server: Listening;
    let base: string;
    beforeAll(async () => {
      server = await startNode([`${name}.mjs`], folder, { PORT: '0' });
      base = server.url;
    });
    afterAll(() => server.stop('SIGKILL'));

    const picture = async (path: string) => {
      const reply = await fetch(base + path);
      const bytes = Buffer.from(await reply.arrayBuffer());
      return { status: reply.status, type: reply.headers.get('content-type'), bytes };
    };

    test('a view', async () => {
      const { status, type, bytes } = await picture('/is/image/photo?wid=200&hei=200&bgc=ff0000&fmt=png');
      expect({ status, type }).toEqual({ status: 200, type: 'image/png' });
      expect(await sharp(bytes).metadata()).toMatchObject({ width: 200, height: 200 });
      expect([...(await sharp(bytes).extract({ left: 3, top: 3, width: 1, height: 1 }).raw().toBuffer())]).toEqual([
        255, 0, 0,
      ]);
    });

    test('its tag, until the file is another', async () => {
      const url = `${base}/is/image/other?wid=50`;
      const tag = (await fetch(url)).headers.get('etag') ?? '';
      expect(tag).toMatch(/^"[\w-]{43}"$/);
      const again = await fetch(url, { headers: { 'if-none-match': `"x", W/${tag}` } });
      expect({ status: again.status, body: await again.text(), tag: again.headers.get('etag') }).toEqual({
        status: 304,
        body: '',
        tag,
      });
      expect((await fetch(`${base}/is/image/other?wid=51`)).headers.get('etag')).not.toBe(tag);
      const now = Date.now() / 1000 + Math.random();
      await utimes(join(folder, 'images', 'other.tif'), now, now);
      const changed = await fetch(url, { headers: { 'if-none-match': tag } });
      expect(changed.status).toBe(200);
      expect(changed.headers.get('etag')).not.toBe(tag);
    });

    test.each([
      ['/is/image/photo?wid=wide', 400, /^INVALID_REQUEST: wid must be/],
      ['/is/image/photo?wid=5000&fit=fit,1', 400, /^LIMIT_EXCEEDED: .*maxPix/],
      ['/is/image/photo?fmt=heic', 400, /^FORMAT_UNSUPPORTED: /],
      ['/is/image/nope?wid=9', 404, /^SOURCE_NOT_FOUND\n$/],
      ['/is/image/..%2fimages%2fphoto', 404, /SOURCE_NOT_FOUND/],
      ['/dzi/photo_files/99/0_0.jpg', 404, /^SOURCE_NOT_FOUND\n$/],
      ['/dzi/photo_files/12/99_0.jpg', 404, /^SOURCE_NOT_FOUND\n$/],
      ['/dzi/photo.exe', 404, /^SOURCE_NOT_FOUND\n$/],
      ['/elsewhere', 404, /^/],
    ])('%s is %i', async (path, status, text) => {
      const reply = await fetch(base + path);
      expect(reply.status).toBe(status);
      expect(await reply.text()).toMatch(text);
    });

    test('Deep Zoom: the document, and levels whose tiles make up the whole', async () => {
      const { type, bytes } = await picture('/dzi/photo.dzi');
      expect(type).toContain('xml');
      expect(bytes.toString()).toContain('<Size Width="2101" Height="1403"/>');
      for (const [level, width, height] of [
        [11, 1051, 702],
        [9, 263, 176],
        [0, 1, 1],
      ] as const) {
        for (let x = 0; x * 256 < width; x += Math.max(1, Math.ceil(width / 256) - 1)) {
          const y = Math.ceil(height / 256) - 1;
          const tile = await picture(`/dzi/photo_files/${level}/${x}_${y}.jpg`);
          expect(await sharp(tile.bytes).metadata()).toMatchObject({
            width: Math.min(256, width - x * 256),
            height: height - y * 256,
          });
        }
      }
    });

    test('the work of clients that have left is dropped', async () => {
      // Each of them would take half a minute; together they would hold the next one up for longer than a test may take.
      const heavy = `${base}/is/image/photo?wid=2000&hei=1300&op_usm=2,250&fmt=png`;
      for (let i = 0; i < 8; i++) {
        await new Promise<void>((resolve) => {
          const leaving = request(`${heavy}&id=${i}`).on('error', () => resolve());
          leaving.end();
          setTimeout(() => leaving.destroy(), 50);
        });
      }
      expect((await picture('/is/image/photo?wid=60&fmt=png')).status).toBe(200);
    });

    test('it ends when it is told to, and nothing went wrong', async () => {
      expect(await server.stop()).toMatchObject({ code: 0, text: expect.stringMatching(/^port \d+\n$/) });
    });
  });
});
