import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { MANIFEST } from '../../src/config/manifest.js';
import { configJsonSchema } from '../../src/config/schema.js';
import { ROWS } from '../../src/config/settings.js';
import { EXPECTED } from './values.js';

const published: unknown = JSON.parse(readFileSync(new URL('../../docs/config.schema.json', import.meta.url), 'utf8'));

test('docs/config.schema.json is what the table says: node scripts/config-schema.mjs writes it', () => {
  expect(published).toEqual(configJsonSchema());
});

// Read back, it is a schema by its own words only.
const schema = z.fromJSONSchema(published as Parameters<typeof z.fromJSONSchema>[0]);
const takes = (document: unknown): boolean => schema.safeParse(document).success;

describe('the published schema', () => {
  test.each(ROWS.map((row) => [`${row.section}.${row.name}`, row] as const))('takes what %s may be', (name, row) => {
    const { valid = [], byDefault } = EXPECTED[name] ?? {};
    expect(valid.length).toBeGreaterThan(0);
    for (const [written] of valid) {
      for (const spelling of [row.name, ...row.aliases])
        expect({ written, spelling, takes: takes({ [row.section]: { [spelling]: written } }) }).toMatchObject({
          takes: true,
        });
      for (const spelling of row.topNames) expect(takes({ [spelling]: written })).toBe(true);
    }
    expect(byDefault).toBeDefined();
    expect(takes({ [row.section]: { [row.name]: row.byDefault } })).toBe(true);
  });

  test.each(ROWS.map((row) => [`${row.section}.${row.name}`, row] as const))(
    'refuses what %s may not be',
    (name, row) => {
      // What text stands for is beyond a schema.
      const wrong = (EXPECTED[name]?.invalid ?? []).filter((value) => typeof value !== 'string');
      for (const value of wrong)
        expect({ value, takes: takes({ [row.section]: { [row.name]: value } }) }).toEqual({ value, takes: false });
      expect(takes({ [row.section]: { [`${row.name}s`]: row.byDefault } })).toBe(false);
    },
  );

  test('describes every setting with its default', () => {
    const { $defs, properties } = z
      .object({
        $defs: z.record(z.string(), z.object({ description: z.string(), default: z.unknown() })),
        properties: z.looseObject({
          manifest: z.object({ properties: z.record(z.string(), z.object({ description: z.string() })) }),
        }),
      })
      .parse(published);
    const described = ROWS.map(({ group, key, effect, allowed, byDefault }) => [
      `${group}.${key}`,
      { description: `${effect} [${allowed}]`, default: byDefault },
    ]);
    expect($defs).toEqual(Object.fromEntries(described));
    expect(Object.keys(properties.manifest.properties)).toEqual(MANIFEST.map(({ name }) => name));
  });

  test.each([
    [{ $schema: 'x', manifest: { maxpix: [1, 2], expiration: 5 }, presets: { a: 'wid=1', b: { width: 1 } } }, true],
    [{ manifest: { MaxPix: '1,1' } }, false],
    [{ presets: { 'a b': 'wid=1' } }, false],
    [{ presets: { a: { wid: 1 } } }, false],
    [{ presets: { a: '?wid=1' } }, false],
    [{ port: 1 }, false],
    [[], false],
  ])('%j: %s', (document, isGood) => {
    expect(takes(document)).toBe(isGood);
  });
});
