/** What docs/image-server.md says is tried: its tables, its addresses, its commands, its rules and its recipes. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config/config.js';
import { ROWS } from '../../src/config/settings.js';
import { Engine } from '../../src/engine.js';
import { ERROR_CODES, type ErrorCode, PyramidionError } from '../../src/errors.js';
import { ALERT_NAMES } from '../../src/log/alerts.js';
import { DEFAULT_PATTERN } from '../../src/log/pattern.js';
import { REQUEST_TYPES } from '../../src/protocol/image-serving/commands.js';
import { lockOf, obfuscate } from '../../src/protocol/image-serving/lock.js';
import { PROPERTY_FORMS } from '../../src/protocol/image-serving/properties.js';
import { readRequestOptions } from '../../src/protocol/image-serving/requests.js';
import { outcomeOf } from '../../src/reply/status.js';
import { ImageServer } from '../../src/server/server.js';
import { ask, blocks, curls, type Listening, type Replied, root, rows, startNode, startServer } from './served.js';

const page = readFileSync(join(root, 'docs', 'image-server.md'), 'utf8');
const quoted = (text = ''): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);

/** Holds what the page speaks of: images, and what is written beside them. */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const create = { width: 1500, height: 1000, channels: 3, background: '#806040', noise } as const;
  const jpeg = await sharp({ create }).withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>').jpeg().toBuffer();
  for (const path of ['photos', 'images/Acme', 'images/shop/drafts', 'images/shop/masters', 'node_modules'])
    await mkdir(join(folder, path), { recursive: true });
  await writeFile(join(folder, 'photos', 'boot.jpg'), jpeg);
  const engine = await Engine.start();
  await engine.build(jpeg, join(folder, 'images', 'Acme', 'shoe.tif'));
  await engine.close();
  for (const name of ['4711', 'drafts/1', 'masters/1'])
    await cp(join(folder, 'images', 'Acme', 'shoe.tif'), join(folder, 'images', 'shop', `${name}.tif`));
  await symlink(root, join(folder, 'node_modules', 'pyramidion'), 'junction');
  for (const name of ['express', 'fastify'])
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  await writeFile(
    join(folder, 'server.json'),
    JSON.stringify({
      Server: { port: 0, roots: ['images'] },
      manifest: { expiration: 7_200_000, nonimgexpiration: 1_800_000 },
      presets: { card: 'wid=480&hei=320&fit=crop' },
    }),
  );
});
afterAll(() => rm(folder, { recursive: true }));

/** Starts a server by `server.json`, with other catalogs if need be. */
async function start(catalogFolder = 'catalog'): Promise<ImageServer> {
  const env = { PYRAMIDION_CATALOG_FOLDER: join(folder, catalogFolder) };
  return ImageServer.start(await readConfig({ file: join(folder, 'server.json'), env, folder }));
}

describe('a server', () => {
  let server: ImageServer;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());
  const get = (target: string) => ask(server.urls[0] ?? '', target);
  const sizeOf = async ({ body }: Replied) => {
    const { width, height } = await sharp(body).metadata();
    return [width, height];
  };

  test('answers the addresses of the page', async () => {
    const commands = curls(page);
    expect(commands.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET', 'GET', 'PURGE', 'PURGE']);
    const answers: Replied[] = [];
    for (const { method, target } of commands) answers.push(await ask(server.urls[0] ?? '', target, method));
    const [picture, facts, probe, resolved, ...purged] = answers;
    expect([picture?.status, picture?.type]).toEqual([200, 'image/jpeg']);
    expect(facts?.body.toString()).toContain('image.width=1500\n');
    expect(probe?.body.toString()).toContain('copyright=');
    expect(resolved?.body.toString()).toBe('Acme/shoe?hei=320&fit=crop&wid=600');
    expect(purged.map(({ body }) => body.toString())).toEqual(['purged 1\n', 'purged 0\n']);
  });

  test('reads presets at their place', async () => {
    expect(page).toContain('`?$card$&wid=600` is 600 pixels wide, and `?wid=600&$card$` is 480');
    expect(page).toContain('`wid=480&hei=320&fit=crop`');
    expect(await sizeOf(await get('/is/image/Acme/shoe?$card$&wid=600'))).toEqual([600, 320]);
    expect(await sizeOf(await get('/is/image/Acme/shoe?wid=600&$card$'))).toEqual([480, 320]);
  });

  test('answers at every address of its table', async () => {
    for (const [target, status] of [
      ['/is/image', 200],
      ['/viewer/', 200],
      ['/viewer/Acme/shoe', 200],
      ['/', 302],
      ['/healthz', 200],
      ['/readyz', 200],
      ['/metrics', 200],
    ] as const) {
      expect({ target, status: (await get(target)).status }).toEqual({ target, status });
    }
  });

  const kept = {
    Expiration: 'public, max-age=7200',
    NonImgExpiration: 'public, max-age=1800',
    no: 'no-cache',
    '–': 'no-store',
  };
  test.each(rows(page, 'requests'))('answers req %s (%s): %s; kept: %s', async (name, forms = '', _, lifetime = '') => {
    const [type = ''] = quoted(name);
    const { status, headers } = await get(`/is/image/Acme/shoe?req=${type}`);
    expect(headers['cache-control']).toBe(kept[(quoted(lifetime)[0] ?? lifetime) as keyof typeof kept]);
    expect(status).toBe(lifetime === '–' ? 403 : 200);
    for (const form of forms === '–' ? [] : forms.split(', '))
      expect((await get(`/is/image/Acme/shoe?req=${type},${form}`)).status).toBe(200);
  });

  test('answers in the forms of the table', async () => {
    const types = await Promise.all(
      PROPERTY_FORMS.map(async (form) => (await get(`/is/image/Acme/shoe?req=props,${form}`)).type.split(';')[0]),
    );
    const table = page
      .split('\n')
      .flatMap((line) => /^\| `(\w+)` \| (text\/\w+) \|/.exec(line)?.slice(1, 3).join(' ') ?? []);
    expect(table).toEqual(PROPERTY_FORMS.map((form, at) => `${form} ${types[at]}`));
  });

  test('has the metrics of the page', async () => {
    await get('/is/image/Acme/shoe?wid=50');
    const text = (await get('/metrics')).body.toString();
    const listed = rows(page, 'metrics');
    const found = [...text.matchAll(/^# HELP (pyramidion_\w+) (.*)\n# TYPE \1 (\w+)$/gm)];
    expect(listed.map(([name, type, , help]) => [quoted(name)[0], help, type])).toEqual(
      found.map(([, name, help, type]) => [name, help, type]),
    );
    for (const [name = '', , labels] of listed) {
      const sample = new RegExp(`^${quoted(name)[0]}(?:_bucket)?\\{(.*)\\}`, 'm').exec(text)?.[1] ?? '';
      const names = [...sample.matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== 'le');
      // There are errors when there was one.
      if (quoted(name)[0] !== 'pyramidion_errors_total')
        expect({ name, labels: quoted(labels) }).toEqual({ name, labels: names });
    }
    const uses = [...text.matchAll(/^pyramidion_cache_requests_total\{use="(\w+)"\}/gm)].map(([, use]) => use);
    expect(rows(page, 'uses').map(([use]) => quoted(use)[0])).toEqual(uses);
  });
});

describe('tables', () => {
  test('of requests: every type, in the forms it has', () => {
    const accepts = (type: (typeof REQUEST_TYPES)[number], option: string): boolean => {
      try {
        return readRequestOptions({ type, options: [option] }).form === option;
      } catch {
        return false;
      }
    };
    const expected = REQUEST_TYPES.map((type) => {
      const forms = PROPERTY_FORMS.filter((form) => accepts(type, form));
      return [`\`${type}\``, forms.length === 0 ? '–' : forms.join(', ')];
    });
    expect(rows(page, 'requests').map(([type, forms]) => [type, forms])).toEqual(expected);
    const encoded = REQUEST_TYPES.filter((type) => {
      try {
        return readRequestOptions({ type, options: ['xml', 'UTF-16'] }).encoding === 'UTF-16';
      } catch {
        return false;
      }
    });
    expect(page).toContain(
      `for ${encoded
        .slice(0, -1)
        .map((type) => `\`${type}\``)
        .join(', ')} and \`${encoded.at(-1)}\`.`,
    );
  });

  test('of statuses: every error code', () => {
    const groups = new Map<string, string[]>();
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const { status, processing, title } = outcomeOf(new PyramidionError(code, ''), '', 0);
      const row = [status, processing, title].join('|');
      groups.set(row, [...(groups.get(row) ?? []), `\`${code}\``]);
    }
    const expected = [...groups].map(([row, codes]) => [...row.split('|'), codes.join(', ')]);
    expect(rows(page, 'statuses')).toEqual(expected.sort(([a], [b]) => Number(a) - Number(b)));
  });

  test('of columns: those of the pattern', () => {
    let next = 1;
    const expected = DEFAULT_PATTERN.split(' ').map((variable) => {
      const first = next;
      next += variable === '%G' || variable === '%R' ? 3 : 1;
      return [next - first === 1 ? String(first) : `${first}–${next - 1}`, `\`${variable}\``];
    });
    expect(rows(page, 'columns').map(([columns, variable]) => [columns, variable])).toEqual(expected);
  });

  test('of alerts', () => {
    const table = rows(page, 'alerts');
    expect(table.map(([name]) => quoted(name)[0])).toEqual([...ALERT_NAMES]);
    const settings = new Set(ROWS.map(({ name }) => name));
    expect(table.filter(([, , setting]) => !settings.has(quoted(setting)[0] ?? ''))).toEqual([]);
  });
});

test('the examples of a lock and of obfuscation', () => {
  expect(page).toContain(`\`?wid=200&${lockOf('wid=200')}\``);
  expect(page).toContain(`\`?${obfuscate('wid=200')}\` is \`?wid=200\``);
});

test('its rule set is loaded, and does what it says', async () => {
  await mkdir(join(folder, 'catalogs'));
  await writeFile(join(folder, 'catalogs', 'default.ini'), '');
  await writeFile(join(folder, 'catalogs', 'acme.ini'), blocks(page, 'ini')[0] ?? '');
  await writeFile(join(folder, 'catalogs', 'acme-rules.xml'), blocks(page, 'xml')[0] ?? '');
  const server = await start('catalogs');
  try {
    const get = (target: string) => ask(server.urls[0] ?? '', `/is/image/${target}`);
    const old = await get('Acme/4711_large');
    expect([old.status, (await sharp(old.body).metadata()).width]).toEqual([200, 1200]);
    expect((await get('Acme/4711?wid=201')).headers['x-robots-tag']).toBeUndefined();
    const preview = await get('Acme/4711?wid=200&preview=1');
    expect(preview.headers).toMatchObject({ 'x-robots-tag': 'noindex', 'cache-control': 'public, max-age=1800' });
    expect((await get('Acme/4711?wid=201&preview=1')).body.toString()).toBe('Image size limit exceeded');
    for (const refused of ['Acme/drafts/1', 'Acme/masters/1'])
      expect((await get(refused)).body.toString()).toBe('Request refused');
  } finally {
    await server.close();
  }
});

describe('what it shows to run', () => {
  const commands = blocks(page, 'sh')
    .flatMap((block) => block.trim().split('\n'))
    .filter((line) => line.startsWith('npx '));
  const wordsOf = (command: string): string[] => command.split(' ').slice(2);

  test('the commands', async () => {
    expect(commands.map((command) => wordsOf(command)[0])).toEqual([
      'serve',
      'ingest',
      'serve',
      'playlog',
      'serve',
      'serve',
    ]);
    const [images = '', ingest = '', library = '', playlog = '', processes = '', tls = ''] = commands;
    const withServer = async (command: string, use: (server: Listening) => Promise<void>): Promise<void> => {
      const server = await startServer(wordsOf(command), folder);
      try {
        await use(server);
      } finally {
        expect(await server.stop()).toEqual({ text: expect.stringContaining('Serving '), code: 0 });
      }
    };
    const run = (command: string): string => {
      const words = [join(root, 'dist', 'cli.js'), ...wordsOf(command)];
      const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return stdout;
    };

    const logs = join(folder, 'logs');
    await rm(logs, { recursive: true, force: true });
    await withServer(images, async ({ url }) => {
      expect((await ask(url, '/is/image/Acme/shoe?wid=40')).status).toBe(200);
    });
    const [name = ''] = (await readdir(logs)).filter((each) => each.startsWith('access-'));
    const log = await readFile(join(logs, name));
    run(ingest);
    await withServer(library, async ({ url }) => {
      expect((await ask(url, '/is/image/Acme/boot.jpg?wid=40')).status).toBe(200);
    });
    await withServer(processes, async ({ url }) => {
      // Only now: a server removes logs of that age when it starts.
      await writeFile(join(folder, /logs\/\S+/.exec(playlog)?.[0] ?? ''), log);
      expect(run(playlog.replace('http://localhost:8080', url))).toMatch(/^1 lines, 0 skipped: 1 requests ok/);
    });
    const flags = new Set(ROWS.map(({ flag }) => flag?.flags.split(' ')[0]));
    expect(wordsOf(tls).filter((word) => word.startsWith('--') && !flags.has(word))).toEqual([]);
  });

  describe('the recipes', () => {
    const recipes = [...page.matchAll(/^`(\w+)\.mjs`[^`]*(?:`[^`]*`[^`]*)?:[^`]*```js\n([\s\S]*?)^```$/gm)];
    const names = recipes.map(([, name = '']) => name);

    test.each(['http', 'express', 'fastify', 'cluster'])('%s.mjs', async (name) => {
      const recipe = recipes[names.indexOf(name)]?.[2] ?? '';
      await writeFile(join(folder, `${name}.mjs`), recipe);
      const server = await startNode([`${name}.mjs`], folder, { PORT: '0', PYRAMIDION_PROCESSES: '2' });
      try {
        const get = (target: string) => ask(server.url, target);
        const { status, type } = await get('/is/image/Acme/shoe?$card$');
        expect({ status, type }).toEqual({ status: 200, type: 'image/jpeg' });
        expect((await get('/is/image//Acme/shoe?wid=40')).status).toBe(200);
        // No router in front says what is wrong with it.
        expect((await get('/is/image/%zz')).body.toString()).toBe('Invalid request');
        expect((await get('/elsewhere')).status).toBe(404);
        if (name === 'express') {
          expect((await get('/metrics')).body.toString()).toContain('pyramidion_requests_in_flight');
        }
        if (name === 'fastify') expect((await get('/')).body.toString()).toContain('The images are at');
      } finally {
        expect(await server.stop()).toEqual({ text: expect.stringMatching(/^port \d+\n$/), code: 0 });
      }
    });

    test('are all tried', () => {
      expect(names).toEqual(['http', 'express', 'fastify', 'cluster']);
    });
  });
});
