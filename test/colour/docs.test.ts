/** What docs/colour.md says of the settings is what they are. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NAMED_PROFILES } from '../../src/colour/named.js';
import { DEFAULT_COLOUR } from '../../src/picture/colour.js';

const page = readFileSync(new URL('../../docs/colour.md', import.meta.url), 'utf8');

test('docs/colour.md has every setting, in order, with its default', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| `([^`]*)` \|/gm)].map(([, name, value]) => [name, value]);
  expect(rows).toEqual(Object.entries(DEFAULT_COLOUR).map(([name, value]) => [name, JSON.stringify(value)]));
});

test('docs/colour.md names every generated profile', () => {
  for (const { identifier, isGenerated } of NAMED_PROFILES) {
    if (isGenerated) expect(page).toContain(`\`${identifier}\``);
  }
});
