/** Every link of the documentation leads somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './served.js';

const PAGES = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const textOf = (path: string): string => readFileSync(join(root, path), 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '');

/** Anchors of a page: its headings as GitHub makes them. */
function anchorsOf(path: string): Set<string> {
  const headings = [...textOf(path).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test.each(PAGES)('%s', (path) => {
  const links = [...textOf(path).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']) => link);
  const lost = links.filter((link) => {
    const [file = '', anchor = ''] = link.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    return !existsSync(join(root, target)) || (anchor !== '' && !anchorsOf(target).has(anchor));
  });
  expect(lost).toEqual([]);
});
