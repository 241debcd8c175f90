import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decode,
  decodePercent,
  encode,
  peekCommand,
  type QueryContext,
  readQuery,
  split,
  substitute,
} from '../../../src/protocol/image-serving/query.js';

const context: QueryContext = { macros: new Map(), variables: new Map(), isKnown: () => true, maxLength: 16384 };
const read = (query: string, changes: Partial<QueryContext> = {}) =>
  readQuery(query, { ...context, ...changes }).commands.map(({ name, value }) => `${name}=${value}`);
const refused = (option: string) => expect.objectContaining({ code: 'INVALID_REQUEST', option });
const tooMany = expect.objectContaining({ code: 'LIMIT_EXCEEDED', option: 'maxCommands', limit: 1000 });
const tooLong = expect.objectContaining({ code: 'LIMIT_EXCEEDED', option: 'maxQueryLength' });

describe('pieces', () => {
  test('are split at &, and at the first =', () => {
    expect(read('a=1&&B=2=3&c&')).toEqual(['a=1', 'b=2=3', 'c=']);
  });

  test('comments are dropped, undecoded', () => {
    expect(read('.any%text=1&a=1&.')).toEqual(['a=1']);
  });

  test('an encoded separator does not separate', () => {
    expect(read('a=1%26b%3D2')).toEqual(['a=1&b=2']);
  });

  test('brackets of nested requests keep theirs', () => {
    expect(split('src=is(a?wid=1&src=(b?x=1&y=2)&z)&wid=5')).toEqual(['src=is(a?wid=1&src=(b?x=1&y=2)&z)', 'wid=5']);
    expect(split('Mask={a&b}&imageSet={c&{d&e}}&f=(&g=)')).toEqual(['Mask={a&b}', 'imageSet={c&{d&e}}', 'f=(', 'g=)']);
    expect(split('src=a(b&c=d)')).toEqual(['src=a(b', 'c=d)']);
    expect(() => split('wid=1&src=is(a&b')).toThrow(refused('src'));
  });

  test('brackets may be 32 deep', () => {
    const nested = (depth: number) => `src=${'('.repeat(depth)}${')'.repeat(depth)}`;
    expect(split(nested(32))).toHaveLength(1);
    expect(() => split(nested(33))).toThrow(refused('src'));
  });

  test('split loses nothing', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !/[({]/.test(text)),
        (text) => {
          expect(split(text).join('&')).toBe(text);
        },
      ),
    );
  });
});

test('there may be 1000 commands, known or not, and no more', () => {
  expect(read(`${'a&'.repeat(1000)}.c&&`)).toHaveLength(1000);
  expect(() => read('a&'.repeat(1001))).toThrow(tooMany);
  expect(() => read('$a=1&'.repeat(1001))).toThrow(tooMany);
  expect(() => readQuery('a&'.repeat(1001), { ...context, isKnown: () => false })).toThrow(tooMany);
  expect(() => readQuery(['a&'.repeat(600), 'a&'.repeat(600)], context)).toThrow(tooMany);
});

describe('decoding', () => {
  test('once; + is a space; UTF-8, else Latin-1', () => {
    expect(decode('a', '1+1%2B1')).toBe('1 1+1');
    expect(decode('a', '%2541')).toBe('%41');
    expect(decode('a', 'gr%C3%BCn')).toBe('grün');
    expect(decode('a', 'gr%FCn')).toBe('grün');
    expect(decode('a', 'grün')).toBe('grün');
    expect(decode('a', '%EF%BB%BFa')).toBe('\uFEFFa');
  });

  test('what encodeURIComponent wrote is read', () => {
    const text = fc.string({ unit: 'grapheme' }).filter((value) => ![...value].some((c) => c < ' ' || c === '\x7F'));
    fc.assert(
      fc.property(text, (value) => {
        expect(decode('a', encodeURIComponent(value))).toBe(value);
      }),
    );
  });

  test('in a path + is itself', () => {
    expect(decodePercent('url', 'a+b%2B%20')).toBe('a+b+ ');
    expect(() => decodePercent('url', 'a%')).toThrow(refused('url'));
  });

  test('what encode wrote is read, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const text = encode(value);
        expect(text).toMatch(/^[\w.,:/~%-]*$/);
        if (![...value].some((c) => c < ' ' || c === '\x7F')) {
          expect([decode('a', text), decodePercent('a', text)]).toEqual([value, value]);
        }
      }),
    );
    expect(encode('\ud800')).toBe('%EF%BF%BD');
  });

  test.each(['%', '%1', '%zz', 'a%0Ab', '%00', '%7f', '\t'])('%j is refused', (raw) => {
    expect(() => decode('wid', raw)).toThrow(refused('wid'));
  });

  test('values of unknown commands are not looked at', () => {
    const known = { isKnown: (name: string) => name === 'wid' };
    expect(readQuery('utm=%&wid=1&X=%00', { ...context, ...known })).toMatchObject({
      commands: [{ name: 'wid', value: '1' }],
      ignored: ['utm', 'X'],
    });
  });
});

describe('variables', () => {
  test('are put in place after they are defined, once', () => {
    expect(read('a=$x$&$X=1%262&a=$x$,$x$&$y=$x$3&a=$Y$&a=$$x$$')).toEqual(['a=$x$', 'a=1&2,1&2', 'a=1&23', 'a=$1&2$']);
    expect(substitute('$b$', new Map([['b', '$b$']]))).toBe('$b$');
    expect(substitute('$no$b$', new Map([['b', '1']]))).toBe('$no1');
  });

  test('may be given, and defined again', () => {
    const variables = new Map([['object', 'a/b']]);
    expect(read('src=$object$&$object=c&src=$OBJECT$', { variables })).toEqual(['src=a/b', 'src=c']);
  });

  test('mean nothing in layer and effect', () => {
    expect(read('$n=1&layer=$n$')).toEqual(['layer=$n$']);
  });

  test('cannot grow without end', () => {
    const doubling = `$a=${'x'.repeat(100)}&${'$a=$a$$a$&'.repeat(40)}`;
    expect(() => read(doubling)).toThrow(tooLong);
    expect(() => read(`$a=${'x'.repeat(9000)}&b=$a$$a$`)).toThrow(tooLong);
  });
});

describe('macros', () => {
  const macros = new Map([
    ['small', 'wid=100&fmt=png'],
    ['Framed', '$small$&extend=1,1,1,1&$c=red'],
    ['loop', '$loop$'],
  ]);

  test('stand for their text, where they stand', () => {
    expect(read('$SMALL$&wid=5', { macros })).toEqual(['wid=100', 'fmt=png', 'wid=5']);
    expect(read('wid=5&%24small%24=', { macros })).toEqual(['wid=5', 'wid=100', 'fmt=png']);
    expect(read('$framed$&bgc=$c$', { macros })).toEqual(['wid=100', 'fmt=png', 'extend=1,1,1,1', 'bgc=red']);
  });

  test('that are not known, or not yet, are refused', () => {
    expect(() => read('$none$', { macros })).toThrow(refused('$none$'));
    expect(() => read('$loop$', { macros })).toThrow(refused('$loop$'));
  });

  test('cannot grow without end', () => {
    const bombs = new Map(
      Array.from({ length: 30 }, (_, i) => [`m${i}`, i === 0 ? 'wid=1' : `$m${i - 1}$&`.repeat(9)]),
    );
    expect(() => read('$m29$', { macros: bombs })).toThrow(tooMany);
    const long = new Map([['m', `a=${'x'.repeat(9000)}`]]);
    expect(() => read('$m$&'.repeat(8), { macros: long })).toThrow(tooLong);
    const chain = new Map(Array.from({ length: 5000 }, (_, i) => [`m${i}`, i === 0 ? 'a=1' : `$m${i - 1}$`]));
    expect(read('$m31$&$m31$', { macros: chain })).toEqual(['a=1', 'a=1']);
    expect(() => read('$m32$', { macros: chain })).toThrow(refused('$m0$'));
    expect(() => read('$m4999$', { macros: chain })).toThrow(refused('$m4967$'));
  });

  test('of a name in two cases the later counts, for those after it', () => {
    const twice = new Map([
      ['A', 'x=1'],
      ['b', '$a$'],
      ['a', 'x=2'],
      ['c', '$a$'],
    ]);
    expect(read('$a$&$c$', { macros: twice })).toEqual(['x=2', 'x=2']);
  });
});

test('a query of more than 16 KiB is refused', () => {
  expect(read(`a=${'1'.repeat(16382)}`)).toHaveLength(1);
  expect(() => read(`a=${'1'.repeat(16383)}`)).toThrow(tooLong);
});

test('a command can be looked for in a query that is not right', () => {
  expect(peekCommand('wid=%zz&REQ=props,json&id=1', 'req')).toBe('props,json');
  expect(peekCommand('req=img&req=props%2Cxml', 'req')).toBe('props,xml');
  expect(peekCommand('req=%zz', 'req')).toBeNull();
  expect(peekCommand('.req=props&prereq=1', 'req')).toBeNull();
});
