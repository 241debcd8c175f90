import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonFault, parseJson } from '../../src/config/json.js';

function faultOf(text: string): JsonFault | null {
  try {
    parseJson(text);
    return null;
  } catch (thrown) {
    if (thrown instanceof JsonFault) return thrown;
    throw thrown;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('what is JSON', () => {
  test('yields what JSON.parse yields', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.constantFrom(undefined, 1, '\t'), (text, indent) => {
        const written = JSON.stringify(JSON.parse(text), null, indent);
        expect(parseJson(written)).toEqual(JSON.parse(written));
      }),
    );
  });

  test('names that objects have of themselves are names like others', () => {
    const parsed = parseJson('{"__proto__": 1, "constructor": 2}');
    expect(Object.entries(parsed as object)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });

  test('a byte order mark is passed over', () => {
    expect(parseJson('\ufeff{"a": [1]}')).toEqual({ a: [1] });
  });
});

describe('what is not', () => {
  test('is refused exactly when JSON.parse refuses it, names said twice aside', () => {
    const scraps = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '1',
      '-',
      '0',
      '.5',
      'e3',
      'true',
      'null',
      'nul',
      ' ',
      '\n',
    ];
    const text = fc.array(fc.constantFrom(...scraps, '"\\u00e9"', '"\\x"', '"\t"', "'", '//'), { maxLength: 8 });
    fc.assert(
      fc.property(text, (parts) => {
        const fault = faultOf(parts.join(''));
        if (fault?.message.includes('twice')) return;
        expect(fault === null).toBe(isJson(parts.join('')));
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ['', 1, 1, /expected a value, but the text ends here$/],
    ['{"a": 1,}', 1, 9, /expected a name in double quotes$/],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, /expected , or }$/],
    ['{\r\n  "a" 1}', 2, 7, /expected : after "a"$/],
    ['{"a": tru}', 1, 7, /expected a value$/],
    ['{"a": 01}', 1, 7, /expected a value$/],
    ['[1, 2', 1, 6, /expected , or \], but the text ends here$/],
    ['{} // comment', 1, 4, /expected nothing more$/],
    ['{"a": "line\nbreak"}', 1, 7, /expected a value$/],
    ['{"a": {"b": 1,\n "b": 2}}', 2, 2, /"b" is said twice in one object$/],
    [`${'['.repeat(65)}`, 1, 65, /at most 64/],
  ])('%j: line %i, column %i', (text, line, column, message) => {
    const fault = faultOf(text);
    expect(fault).toMatchObject({ line, column, message: expect.stringMatching(message) });
    expect(fault?.message).toContain(`line ${line}, column ${column}: `);
  });
});
