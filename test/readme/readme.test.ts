/** What README.md says is tried: its commands, its example, its folder map, its tables and its links. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/errors.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** Contents of the fenced blocks of a language; '' is a block without one. */
function blocks(language: string): string[] {
  return [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, name, body]) =>
    name === language ? [body ?? ''] : [],
  );
}

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
  });
  afterAll(() => rm(folder, { recursive: true }));

  const commands = blocks('sh').flatMap((block) => block.trim().split('\n'));

  test('has commands for build, info, render and validate', () => {
    for (const name of ['build', 'info', 'render', 'validate'])
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
        .filter(({ name }) => !name.startsWith('.') && !['node_modules', 'dist', 'build'].includes(name))
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
