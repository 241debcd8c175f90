/** Every setting, by the table of the tests and not by that of the code. */
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.js';
import { ROWS, type SettingRow } from '../../src/config/settings.js';
import { usePlace } from './place.js';
import { EXPECTED, type Expected } from './values.js';

const { folder, read, faults } = usePlace();

const qualified = ({ section, name }: SettingRow): string => `${section}.${name}`;
const settled = (config: Config, { group, key }: SettingRow): unknown =>
  new Map(Object.entries(config[group])).get(key);

/** Paths of the table as they are below the folder of this test. */
function placed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(placed);
  return typeof value === 'string' ? value.replace(/^\/data(?=\/)/, folder()) : value;
}

test('every setting is in the table of the tests', () => {
  expect(ROWS.map(qualified)).toEqual(Object.keys(EXPECTED));
});

test('no two have a name, a variable or a flag in common', () => {
  const all = ROWS.flatMap((row) => [...new Set([...row.topNames, row.variable, row.flag?.flags ?? row.variable])]);
  expect(all.filter((name, i) => all.indexOf(name) !== i)).toEqual([]);
  const inSections = ROWS.flatMap((row) => [row.name, ...row.aliases].map((name) => `${row.section}.${name}`));
  expect(inSections.filter((name, i) => inSections.indexOf(name) !== i)).toEqual([]);
});

describe.each(ROWS.map((row) => [qualified(row), row, EXPECTED[qualified(row)] as Expected] as const))(
  '%s',
  (name, row, { byDefault, valid, invalid, beside = {} }) => {
    test('by default', async () => {
      expect(settled(await read({}), row)).toEqual(placed(byDefault));
    });

    test.each(valid.map(([written, value]) => [JSON.stringify(written), written, value] as const))(
      'may be %s',
      async (_, written, value) => {
        expect(settled(await read({ [row.section]: { ...beside, [row.name]: written } }), row)).toEqual(placed(value));
      },
    );

    test.each(invalid.map((written) => [JSON.stringify(written), written] as const))(
      'may not be %s',
      async (_, written) => {
        const [line, ...others] = await faults({ [row.section]: { [row.name]: written } });
        expect(line).toContain(`${name} in server.json`);
        expect(line?.includes(row.allowed) || line?.includes('is no variable') || line?.includes('control')).toBe(true);
        expect(others).toEqual([]);
      },
    );

    test('under each of its names, in its section and at the top', async () => {
      const other = valid.find(([, value]) => JSON.stringify(value) !== JSON.stringify(byDefault));
      expect(other).toBeDefined();
      const [text, value] = other ?? [];
      const places = [
        ...[row.name, ...row.aliases].map((spelling) => ({ [row.section]: { ...beside, [spelling]: text } })),
        ...row.topNames.map((spelling) => ({ [row.section]: beside, [spelling]: text })),
      ];
      for (const place of places) expect(settled(await read(place), row)).toEqual(placed(value));
    });

    test('by its variable', async () => {
      for (const [text, value] of valid) {
        if (typeof text !== 'string' || text === '') continue;
        // Paths of variables are below the current folder.
        const config = await read({ [row.section]: beside }, { env: { [row.variable]: text }, folder: folder() });
        expect(settled(config, row)).toEqual(placed(value));
      }
      const bad = invalid.find((each) => typeof each === 'string') ?? invalid.find((each) => typeof each === 'number');
      const sources = { env: { [row.variable]: String(bad) }, folder: folder() };
      // A number is good text for a path.
      if (row.isPath !== true)
        expect((await faults({}, sources))[0]).toMatch(new RegExp(`^${row.variable}( must be|: )`));
    });
  },
);
