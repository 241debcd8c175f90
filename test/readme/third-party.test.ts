/** What THIRD-PARTY.md says is what is installed, and what is used is installed with the package. */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../docs/served.js';

type Names = Readonly<Record<string, string>>;
const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Names;
  devDependencies: Names;
};
const page = readFileSync(join(root, 'THIRD-PARTY.md'), 'utf8');

/** Names of packages and their licences, as the tables of the page have them. */
const listed = new Map(
  [...page.matchAll(/^\| (`[^|]+`) \| ([^|]+) \|/gm)].flatMap(([, names = '', licence = '']) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => [name, licence] as const),
  ),
);

test.each(Object.keys({ ...dependencies, ...devDependencies }))('%s is listed with its licence', (name) => {
  const manifest = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as {
    license: string;
  };
  expect(listed.get(name)).toBe(manifest.license);
});

test('nothing else is listed', () => {
  const known = new Set(Object.keys({ ...dependencies, ...devDependencies }));
  expect([...listed.keys()].filter((name) => !known.has(name))).toEqual(['@img/sharp-libvips-*']);
});

test('what src/ imports is installed with the package', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const imported = files
    .filter((file) => /\.[jt]s$/.test(file))
    .flatMap((file) => {
      const text = readFileSync(join(root, 'src', file), 'utf8');
      return [...text.matchAll(/(?:\bfrom |\bimport\(|\.resolve\()'(@?[a-z][\w./:-]*)'/gm)].map(([, name]) => name);
    })
    .map((name = '') => name.split('/', name.startsWith('@') ? 2 : 1).join('/'))
    .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name));
  expect(imported).toContain('fastify');
  expect([...new Set(imported)].filter((name) => !Object.hasOwn(dependencies, name))).toEqual([]);
});
