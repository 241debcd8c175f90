/** What docs/library.md says of attributes and records is what the code does. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ATTRIBUTES, DEFAULT_ATTRIBUTES } from '../../src/library/attributes.js';
import { RECORD_COLUMNS, recordOfJson } from '../../src/library/records.js';
import type { Attributes } from '../../src/library/types.js';

const page = readFileSync(new URL('../../docs/library.md', import.meta.url), 'utf8');

function rows(name: string): string[][] {
  const table = new RegExp(`<!-- ${name}:begin -->\n([\\s\\S]*?)\n<!-- ${name}:end -->`).exec(page)?.[1] ?? '';
  const lines = table.split('\n').slice(2);
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const bare = (cell = ''): string => cell.replaceAll('`', '');

describe('docs/library.md', () => {
  it('has every attribute, what it may be and what it is by default', () => {
    const table = rows('attributes');
    const keys = Object.keys(ATTRIBUTES) as (keyof Attributes)[];
    expect(table.map(([name]) => bare(name))).toEqual(
      keys.map((key) => `${ATTRIBUTES[key].name}${ATTRIBUTES[key].whenEmpty === '' ? ' ∅' : ''}`),
    );
    for (const [at, key] of keys.entries()) {
      const [, allowed, byDefault] = table[at] ?? [];
      expect(allowed).toBe(ATTRIBUTES[key].kind.allowed);
      if (key === 'timeStamp') expect(byDefault).toBe("the file's");
      else if (byDefault === '') expect(['', []]).toContainEqual(DEFAULT_ATTRIBUTES[key]);
      else expect(ATTRIBUTES[key].kind.read(bare(byDefault))).toEqual(DEFAULT_ATTRIBUTES[key]);
    }
  });

  it('has every field of records', () => {
    const { id, ...fields } = recordOfJson('', {}, () => {});
    expect(rows('record').map(([name]) => bare(name))).toEqual(Object.keys(fields));
    const columns = bare(rows('columns')[0]?.[2]).split(' ');
    expect(columns).toHaveLength(Object.keys(fields).length);
    for (const column of columns) expect(RECORD_COLUMNS.others).toContain(column);
    expect(id).toBe('');
  });
});
