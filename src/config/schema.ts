/** The JSON Schema of the file. `docs/config.schema.json` is this, and a test holds it to that; `scripts/config-schema.mjs` writes it. */
import { z } from 'zod';
import { isObject } from './faults.js';
import type { Kind } from './kinds.js';
import { MANIFEST } from './manifest.js';
import { PRESET_FIELDS, PRESET_NAME, PRESET_TEXT } from './presets.js';
import { ROWS, SECTIONS } from './settings.js';

/** What the registry knows of a schema. */
interface Meta {
  readonly id?: string;
  readonly description: string;
  readonly default?: unknown;
  readonly [key: string]: unknown;
}

/** The JSON Schema (draft 2020-12) of a file that `readConfig` takes. */
export function configJsonSchema(): object {
  const registry = z.registry<Meta>();
  const described = <Schema extends z.ZodType>(schema: Schema, meta: Meta): Schema => {
    registry.add(schema, meta);
    return schema;
  };
  /** A value of the kind; empty text where that stands for the default. */
  const leaf = (kind: Kind<unknown>, meta: Meta): z.ZodType =>
    described(kind.takesEmpty ? kind.schema : z.union([kind.schema, z.literal('')]), meta);
  const object = (members: readonly (readonly [string, z.ZodType])[], description: string): z.ZodType =>
    described(z.strictObject(Object.fromEntries(members.map(([name, schema]) => [name, schema.optional()]))), {
      description,
    });

  const leaves = new Map(
    ROWS.map((row) => {
      const { group, key, effect, allowed, byDefault } = row;
      return [row, leaf(row, { id: `${group}.${key}`, description: `${effect} [${allowed}]`, default: byDefault })];
    }),
  );
  const spelled = (section: string | null) =>
    [...leaves].flatMap(([row, schema]) => {
      const names = section === null ? row.topNames : row.section === section ? [row.name, ...row.aliases] : [];
      return names.map((name) => [name, schema] as const);
    });
  const manifest = MANIFEST.map((property) => {
    const { name, allowed, documented } = property;
    const [byDefault, effect] = documented ?? [undefined, 'attribute of the default catalog'];
    const meta = { description: `${effect} [${allowed}]`, ...(byDefault === undefined ? {} : { default: byDefault }) };
    return [name, leaf(property, meta)] as const;
  });
  const preset = Object.entries(PRESET_FIELDS).map(([name, field]) => {
    return [name, leaf(field, { description: `${field.effect} [${field.allowed}]` })] as const;
  });
  const presets = z.record(
    PRESET_NAME.schema as z.ZodType<string, string>,
    z.union([PRESET_TEXT.schema, object(preset, 'fields of a preset')]),
  );
  const file = object(
    [
      ['$schema', described(z.string(), { description: 'where this schema is' })],
      ...Object.values(SECTIONS).map(
        (section) => [section, object(spelled(section), `settings of ${section}`)] as const,
      ),
      ['manifest', object(manifest, 'the default manifest')],
      ['presets', described(presets, { description: 'image presets, called by ?$name$' })],
      ...spelled(null),
    ],
    'configuration of the Pyramidion image server; see settings.md',
  );
  const schema = z.toJSONSchema(file, {
    io: 'input',
    metadata: registry,
    // Left out by itself where a schema changes what it reads.
    override: ({ zodSchema, jsonSchema }) => {
      const meta = registry.get(zodSchema);
      if (meta?.default !== undefined) jsonSchema.default = meta.default as typeof jsonSchema.default;
    },
  });
  return flattened(schema) as object;
}

/** The same with alternatives of alternatives as alternatives. */
function flattened(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(flattened);
  if (!isObject(node)) return node;
  const members = Object.entries(node).map(([key, value]) => {
    const inner = flattened(value);
    if (key !== 'anyOf' || !Array.isArray(inner)) return [key, inner];
    return [
      key,
      inner.flatMap((each) => (isObject(each) && Object.keys(each).join() === 'anyOf' ? each.anyOf : [each])),
    ];
  });
  return Object.fromEntries(members);
}
