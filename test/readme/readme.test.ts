/** What README.md says is tried: its commands, its example, its folder map, its tables and its links. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.js';
import { ERROR_CODES } from '../../src/errors.js';
import { ask, blocks as blocksOf, curls, root, rows, startNode, startServer } from '../docs/served.js';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** Contents of the fenced blocks of a language; '' is a block without one. */
const blocks = (language: string): string[] => blocksOf(readme, language);

describe('what it tells to run', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
    await mkdir(join(folder, 'scans', 'more'), { recursive: true });
    await mkdir(join(folder, 'node_modules'));
    await symlink(root, join(folder, 'node_modules', 'pyramidion'), 'junction');
    const picture = sharp({
      create: {
        width: 900,
        height: 600,
        channels: 3,
        background: '#806040',
        noise: { type: 'gaussian', mean: 128, sigma: 40 },
      },
    });
    await picture.clone().jpeg().toFile(join(folder, 'photo.jpg'));
    await picture.clone().png().toFile(join(folder, 'scan.png'));
    await picture
      .clone()
      .webp()
      .toFile(join(folder, 'scans', 'a.webp'));
    await picture
      .clone()
      .tiff()
      .toFile(join(folder, 'scans', 'more', 'b.tif'));
    await writeFile(join(folder, 'scans', '.hidden'), 'no image');
    await mkdir(join(folder, 'images'));
    await picture
      .clone()
      .jpeg()
      .toFile(join(folder, 'images', 'photo.jpg'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const commands = blocks('sh').flatMap((block) => block.trim().split('\n'));

  test('has commands for build, info, render, validate and ingest', () => {
    for (const name of ['build', 'info', 'render', 'validate', 'ingest'])
      expect(commands.join('\n')).toContain(`npx pyramidion ${name} `);
  });

  test.each(commands)('%s', (command) => {
    const [npx, program, ...words] = command.split(' ').map((word) => word.replace(/^'(.*)'$/, '$1'));
    expect([npx, program]).toEqual(['npx', 'pyramidion']);
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'dist', 'cli.js'), ...words], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    if (words.includes('--json')) expect(JSON.parse(stdout)).toBeTypeOf('object');
    else expect(stdout).not.toBe('');
  });

  test.each([
    ['build', /^900 × 600 rgb, takes \d+ bytes to build\n[\s\S]*photo(-\d+)?\.tif: \d levels, jpeg, \d+ bytes\n$/],
    [
      'render',
      /^detail\.webp: 300 × 200 image\/webp\na tile: \d+ bytes of image\/jpeg\na region: 9216 samples, 3 a pixel\n$/,
    ],
  ])('the example of the library that has %s', async (name, expected) => {
    const example = blocks('js').find((block) => block.includes(`.${name}(`)) ?? '';
    await writeFile(join(folder, 'example.mjs'), example);
    const { status, stdout, stderr } = spawnSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(expected);
  });

  describe('as an image server', () => {
    const [serve = '', ...others] = blocks('console');
    const [config = ''] = blocks('json');

    test('a folder is enough', async () => {
      expect(serve).toBe('npx pyramidion serve ./images\n');
      const server = await startServer(serve.trim().split(' ').slice(2), folder);
      try {
        const replies = curls(others.join('')).map(({ target }) => ask(server.url, target));
        const [small, square, facts] = await Promise.all(replies);
        expect([small?.status, square?.status, facts?.status]).toEqual([200, 200, 200]);
        expect(await sharp(small?.body).metadata()).toMatchObject({ format: 'jpeg', width: 400 });
        expect(await sharp(square?.body).metadata()).toMatchObject({ format: 'webp', width: 300, height: 300 });
        expect(facts?.body.toString()).toContain('image.width=900\n');
        expect((await ask(server.url, '/viewer/')).status).toBe(200);
      } finally {
        expect((await server.stop()).code).toBe(0);
      }
    });

    test('the configuration, and the example that mounts the service', async () => {
      await writeFile(join(folder, 'server.json'), config);
      const example = blocks('js').find((block) => block.includes('mountImageServing')) ?? '';
      const told = "listen(0, function () { console.log('port', this.address().port); })";
      await writeFile(join(folder, 'mount.mjs'), example.replace('listen(8080)', told));
      const server = await startNode(['mount.mjs'], folder);
      try {
        expect(readme).toContain('so that `/is/image/photo.jpg?$card$` is 480 × 320');
        const { body } = await ask(server.url, '/is/image/photo.jpg?$card$');
        expect(await sharp(body).metadata()).toMatchObject({ width: 480, height: 320 });
        expect((await ask(server.url, '/')).status).toBe(404);
      } finally {
        await server.stop();
      }
    });
  });

  test('npm scripts', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const [, name = ''] of readme.matchAll(/npm (?:run )?(start|test)\b/g)) expect(scripts).toHaveProperty(name);
  });
});

describe('what it tells of the tree', () => {
  /** Paths in the folder map, with the folder they stand in. */
  const listed = (() => {
    const map = blocks('').find((block) => block.startsWith('src/')) ?? '';
    let parent = '';
    return map
      .trimEnd()
      .split('\n')
      .map((line) => {
        const name = line.trim().split(/\s/)[0] ?? '';
        if (!line.startsWith(' ')) parent = name;
        return line.startsWith(' ') ? parent + name : name;
      });
  })();

  test.each(listed)('%s is there', (path) => {
    expect(existsSync(join(root, path))).toBe(true);
    expect(statSync(join(root, path)).isDirectory()).toBe(path.endsWith('/'));
  });

  test('no folder and no file of src/ is left out', () => {
    const here = (folder: string) =>
      readdirSync(join(root, folder), { withFileTypes: true })
        .filter(
          ({ name }) => !name.startsWith('.') && !['node_modules', 'dist', 'build', 'cache', 'logs'].includes(name),
        )
        .filter((entry) => entry.isDirectory() || folder === 'src/')
        .map((entry) => folder + entry.name + (entry.isDirectory() ? '/' : ''));
    expect(listed).toEqual(expect.arrayContaining([...here(''), ...here('src/'), ...here('native/')]));
  });

  test('every file and folder it names in passing is there', () => {
    const paths = [...readme.matchAll(/`((?:src|native|test|docs|bench|scripts)\/[\w./-]*)`/g)].map(
      ([, path = '']) => path,
    );
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test('every link leads to a file', () => {
    const links = [...readme.matchAll(/\]\((?!https:)([^)#]+)\)/g)].map(([, path = '']) => path);
    expect(links.length).toBeGreaterThan(3);
    expect(links.filter((path) => !existsSync(join(root, dirname('README.md'), path)))).toEqual([]);
  });

  test('its table of commands has each that there is', () => {
    const streams = { stdout: process.stdout, stderr: process.stderr, signal: new AbortController().signal };
    const startEngine = () => Promise.reject(new Error('none is run'));
    const { commands } = createProgram({ ...streams, startEngine }, () => {});
    const listed = rows(readme, 'commands').map(([cell]) => /^`(\w+)/.exec(cell ?? '')?.[1]);
    expect(listed.sort()).toEqual(commands.map((command) => command.name()).sort());
  });

  test('its table of error codes is that of src/errors.ts', () => {
    const table = /<!-- errors:begin -->\n([\s\S]*)\n<!-- errors:end -->/.exec(readme)?.[1];
    const rows = Object.entries(ERROR_CODES).map(([code, text]) => `| \`${code}\` | ${text} |`);
    expect(table?.split('\n')).toEqual(['| Code | Meaning |', '| --- | --- |', ...rows]);
  });

  test('the Node.js it asks for is that of package.json', () => {
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
    expect(`>=${/Node\.js (\S+) or newer/.exec(readme)?.[1]}`).toBe(engines.node);
  });
});
