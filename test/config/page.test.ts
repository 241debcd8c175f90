/** What docs/settings.md says is held to the code: its tables and its examples. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SERVE_FLAGS } from '../../src/config/flags.js';
import { MANIFEST } from '../../src/config/manifest.js';
import { PRESET_FIELDS } from '../../src/config/presets.js';
import { ROWS, SECTIONS } from '../../src/config/settings.js';
import { WITHOUT_COUNTERPART } from '../../src/config/without-counterpart.js';
import { DEFAULT_PATTERN } from '../../src/log/pattern.js';
import { usePlace } from './place.js';

const { read } = usePlace();
const page = readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8');

/** What stands between two marks. */
function marked(name: string): string {
  return new RegExp(`<!-- ${name}:begin -->\\n?([\\s\\S]*?)\\n?<!-- ${name}:end -->`).exec(page)?.[1] ?? '';
}

/** Lines of a marked table, without its head. */
const lines = (name: string): string[] => marked(name).split('\n').slice(2);
const code = (word: string): string => `\`${word}\``;
const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
const long = (flags: string): string => flags.split(' ')[0] ?? '';

test.each(Object.values(SECTIONS))('the table of %s is that of the code', (section) => {
  const expected = ROWS.filter((row) => row.section === section).map((row) => {
    const names = row.aliases.map(code).join(', ') || '–';
    const places = [row.variable, ...(row.flag === null ? [] : [long(row.flag.flags)])].map(code).join(', ');
    return `| ${code(row.name)} | ${names} | ${places} | ${row.allowed} | ${row.shown} | ${row.effect} |`;
  });
  expect(lines(section)).toEqual(expected);
});

test('the table of the manifest is that of the code', () => {
  const expected = MANIFEST.flatMap(({ name, allowed, documented }) =>
    documented === null ? [] : [`| ${code(name)} | ${allowed} | ${documented[0] || 'none'} | ${documented[1]} |`],
  );
  expect(lines('manifest')).toEqual(expected);
  const others = MANIFEST.filter(({ documented }) => documented === null).map(({ name }) => name);
  expect(quoted(marked('attributes'))).toEqual(others);
});

test('the table of presets is that of the code', () => {
  const expected = Object.entries(PRESET_FIELDS).map(
    ([name, { allowed, effect }]) => `| ${code(name)} | ${allowed} | ${effect} |`,
  );
  expect(lines('presets')).toEqual(expected);
});

test('the pattern of the access log, and the settings that are none here', () => {
  expect(marked('pattern').replaceAll('```', '').trim().split('\n').join(' ')).toBe(DEFAULT_PATTERN);
  expect(quoted(marked('none'))).toEqual([...WITHOUT_COUNTERPART]);
});

test('its examples are good', async () => {
  const examples = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
  expect(examples.length).toBe(3);
  const [first, second, third] = await Promise.all(examples.map((text) => JSON.parse(text)));
  expect(await read(first)).toMatchObject({
    imageServer: { maxMessageSize: 32 },
    platformServer: { cacheRoots: ['/ssd/cache', '/hdd/cache'], cacheMaxBytes: 20 * 2 ** 30 },
    presets: { large: 'wid=1600&fmt=webp&qlt=82' },
  });
  expect(await read(second)).toMatchObject({
    server: { port: 8081 },
    imageServer: { maxRenderRgnPixels: 25, tcpPort: 27_345 },
  });
  const { presets } = await read(third);
  expect(page).toContain(`The first is \`${Object.values(presets)[0]}\`.`);
});

test('its command lines have flags and variables that there are', () => {
  const shell = /^```sh\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '';
  const flags = [...shell.matchAll(/ (--[a-z-]+)/g)].map(([, flag]) => flag);
  const variables = [...shell.matchAll(/PYRAMIDION_\w+/g)].map(([name]) => name);
  expect(flags.length * variables.length).toBeGreaterThan(0);
  expect(SERVE_FLAGS.map(({ flags }) => long(flags))).toEqual(expect.arrayContaining(flags));
  expect(ROWS.map(({ variable }) => variable)).toEqual(expect.arrayContaining(variables));
});
