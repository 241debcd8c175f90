import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePropertyData, splitPropertyData } from '../../../src/protocol/image-serving/property-data.js';

describe('splitPropertyData', () => {
  test.each([
    ['', ['']],
    ['a=1', ['a=1']],
    ['a=1??b=2', ['a=1', 'b=2']],
    ['a=1\r\nb=2\nc=3??', ['a=1', 'b=2', 'c=3', '']],
    ['a="1??2"??b=3', ['a="1??2"', 'b=3']],
    ['a="1\r\n""2"""??b=3', ['a="1\r\n""2"""', 'b=3']],
    ['a = "1??2" ??b=3', ['a = "1??2" ', 'b=3']],
    ['size=5" x 7"??b=1', ['size=5" x 7"', 'b=1']],
    ['a="1??b=2', ['a="1', 'b=2']],
    ['a="1"2??b=2', ['a="1"2', 'b=2']],
    ['say "a??b"', ['say "a', 'b"']],
    ['a?b??c?', ['a?b', 'c?']],
    ['a???b', ['a', '?b']],
  ])('%j', (text, pieces) => {
    expect(splitPropertyData(text)).toEqual(pieces);
  });

  test('loses nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '=', '"', '?', '\n', '\r', ' ') }), (text) => {
        let rest = text;
        for (const piece of splitPropertyData(text)) {
          expect(rest.startsWith(piece)).toBe(true);
          rest = rest.slice(piece.length).replace(/^(?:\?\?|\r?\n)/, '');
        }
        expect(rest).toBe('');
      }),
    );
  });
});

describe('parsePropertyData', () => {
  const parse = (text: string) => {
    const properties = parsePropertyData(text);
    return properties === null ? null : [...properties];
  };

  test.each<[string, [string, string][] | null]>([
    ['', []],
    ['??\r\n ', []],
    [
      'a=1??b.c-d_e = x = y ',
      [
        ['a', '1'],
        ['b.c-d_e', 'x = y'],
      ],
    ],
    ['a=', [['a', '']]],
    [
      'a="1??2"??b=""',
      [
        ['a', '1??2'],
        ['b', ''],
      ],
    ],
    ['a="say ""hi"""', [['a', 'say "hi"']]],
    ['a=5"', [['a', '5"']]],
    [
      'Name=1??x=2??NAME=3',
      [
        ['Name', '3'],
        ['x', '2'],
      ],
    ],
    ['a=1??just text', null],
    ['a:b=1', null],
    ['=1', null],
  ])('%j', (text, properties) => {
    expect(parse(text)).toEqual(properties);
  });

  test('what was quoted is read', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
        expect(parse(`a=${quoted(a)}??b=${quoted(b)}\r\n`)).toEqual([
          ['a', a],
          ['b', b],
        ]);
      }),
    );
  });

  test('takes no time over much text', () => {
    const text = `a="${'x""'.repeat(200_000)}??b=1`;
    expect(parsePropertyData(text)?.get('b')).toBe('1');
  });
});
