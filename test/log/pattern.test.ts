import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escapeField, unescapeField } from '../../src/log/escape.js';
import { compilePattern, DEFAULT_PATTERN } from '../../src/log/pattern.js';
import type { AccessEntry } from '../../src/log/types.js';
import { EMPTY, FULL, NOON } from './entry.js';

const write = (pattern: string, entry: AccessEntry = FULL) => compilePattern(pattern)(entry);
const offset = (() => {
  const minutes = -new Date(NOON).getTimezoneOffset();
  const hours = String(Math.floor(Math.abs(minutes) / 60)).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${hours}${String(Math.abs(minutes) % 60).padStart(2, '0')}`;
})();

describe('the default pattern', () => {
  test('has 34 columns where they are documented', () => {
    const line = write(DEFAULT_PATTERN);
    expect(line.endsWith('\n')).toBe(true);
    expect(line.slice(0, -1).split(' ')).toEqual([
      '2026-03-04',
      '12:34:56.789',
      offset,
      '192.0.2.1',
      '304',
      '1',
      '5000',
      '41',
      '1',
      '38',
      '7',
      'IMAGEPROPS',
      "'Shop'",
      'REUSED',
      'GET',
      '/is/image/Shop/a%2520b?wid=200',
      'HTTP/1.1',
      `[${process.pid}]`,
      "'http://example.org/x%20y'",
      'example.org:8081',
      '198.51.100.1,%20198.51.100.2',
      '"one"',
      '"two"',
      'Wed,%2021%20Oct%202015%2007:28:00%20GMT',
      'd41d8cd98f00b204e9800998ecf8427e',
      'image/jpeg',
      '8081',
      'INVALID_REQUEST:%20wid%20is%2050%25%20wrong',
      'ab/cdef',
      '-',
      '3',
      'is',
      '/is/image/Shop/c',
      'true',
    ]);
  });

  test('has a hyphen where there is nothing', () => {
    const columns = write(DEFAULT_PATTERN, EMPTY).slice(0, -1).split(' ');
    expect(columns.slice(3)).toEqual([
      ...['-', '200', '0', '0', '0', '0', '0', '1', '-', "'-'", 'UNDEFINED', '-', '-', 'HTTP/1.1', `[${process.pid}]`],
      ...["'-'", '-', '-', '-', '-', '-', '-', '-', '8080', '-', '-', '-', '0', '-', '-', 'false'],
    ]);
    expect(columns).toHaveLength(34);
  });

  test('whatever the values are, a line is one line of 34 columns, from which they can be read again', () => {
    const lineOf = compilePattern(DEFAULT_PATTERN);
    const texts = (Object.keys(EMPTY) as (keyof AccessEntry)[]).filter(
      (field) => typeof EMPTY[field] === 'string' && field !== 'cacheUse',
    );
    const nasty = fc.string({
      unit: fc.oneof(
        fc.constantFrom(' ', '\n', '\r', '\t', '\0', '%', '2', '0', 'A', "'", '"', '\\', '\u001b', '\u007f', '\u0085'),
        fc.constantFrom('\u00a0', '\u1680', '\u2003', '\u2028', '\u2029', '\u3000', '\ufeff', '日'),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      ),
    });
    fc.assert(
      fc.property(fc.record(Object.fromEntries(texts.map((field) => [field, nasty]))), (values) => {
        const entry: AccessEntry = { ...EMPTY, ...values };
        const line = lineOf(entry);
        expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect(line.endsWith('\n')).toBe(true);
        expect(line.trim().split(/ /)).toHaveLength(34);
        expect(line.trim().split(/\s+/)).toHaveLength(34);
        const [method, url] = line.split(' ').slice(14, 16).map(unescapeField);
        expect([method, url]).toEqual([entry.method || '-', entry.url || '-']);
      }),
      { numRuns: 200 },
    );
  });
});

test('a column that keeps the value it wrote last writes each value', () => {
  const lineOf = compilePattern('%a %{Host}i');
  const hosts = ['a', 'a', '', 'b c', 'b c', 'a', ''];
  expect(hosts.map((host) => lineOf({ ...EMPTY, host }))).toEqual(
    ['a', 'a', '-', 'b%20c', 'b%20c', 'a', '-'].map((host) => `- ${host}\n`),
  );
});

test.each([
  ['%A', '192.0.2.2'],
  ['%b %B', '- 0'],
  ['%T', '0.041'],
  ['%t', `[04/Mar/2026:12:34:56%20${offset}]`],
  ['%m %p %q %U', 'GET 8081 ?wid=200 /is/image/Shop/a%2520b'],
  ['%r', 'GET%20/is/image/Shop/a%2520b?wid=200%20HTTP/1.1'],
  ['%s %S %u %v', '304 - - example.org'],
  ['100%% [%{User-Agent}i] %{VIA}i %{absent}i', '100% [test/1%20(x)] a,%20b -'],
  ['%{Cache-Control}o %{Vary}o %{toString}o', 'no-cache Accept,%20Origin -'],
  ['%{cachekey}r|%{CACHEUSE}r', 'ab/cdef|REUSED'],
  ['', ''],
])('%s', (pattern, expected) => {
  expect(write(pattern)).toBe(`${expected}\n`);
});

test('headers that are not given are empty, and so are query and path of no URL', () => {
  expect(write('%{User-Agent}i %{Date}o %q %U %A', EMPTY)).toBe('- - - - -\n');
  expect(write('%b', { ...EMPTY, sentBytes: 12 })).toBe('12\n');
});

test.each(['%z', '%', 'a %', '%{Host}', '%{Host}x', '%{Nothing}r', '%{toString}r', '%constructor', 'a\nb', '%{Ho%p}q'])(
  'the pattern %j is refused',
  (pattern) => {
    expect(() => compilePattern(pattern)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option: 'pattern', value: pattern }),
    );
  },
);

test('what others escape stays as it is', () => {
  expect(unescapeField('/a%2Fb%26c%E9%C3%A9%41%zz%')).toBe('/a%2Fb%26c%E9%C3%A9%41%zz%');
  expect(unescapeField('a%20b%2520c')).toBe('a b%20c');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (value) => {
      expect(unescapeField(escapeField(value))).toBe(value);
    }),
  );
});
