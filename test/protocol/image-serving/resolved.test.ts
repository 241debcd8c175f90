import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../src/protocol/image-serving/commands.js';
import { type Modifiers, parseModifiers } from '../../../src/protocol/image-serving/modifiers.js';
import { resolvedQuery } from '../../../src/protocol/image-serving/resolved.js';
import { defaultSettings } from '../../../src/protocol/image-serving/settings.js';
import { canonical } from '../../../src/region/request.js';
import { attempt } from './fuzz.js';

const macros = new Map([['view', 'wid=100&fmt=png&$c=255,0,0']]);
const parse = (query: string | readonly string[]) => parseModifiers(query, defaultSettings, { macros });
const resolved = (query: string | readonly string[]) => resolvedQuery(parse(query));
const meaning = ({ request, req, delivery, texts }: Modifiers) => [
  canonical(request),
  req,
  delivery,
  [...texts].sort(),
];

describe('resolvedQuery', () => {
  test.each([
    ['', ''],
    ['req=resolve', ''],
    ['wid=1&req=Resolve,text&hei=2', 'wid=1&hei=2'],
    ['req=resolve&req=props', 'req=props'],
    ['$view$&WID=480&bgc=$c$', 'fmt=png&wid=480&bgc=255,0,0'],
    ['wid=480&$view$', 'wid=100&fmt=png'],
    ['.c&utm=1&sharpen=1&wid=5', 'op_sharpen=1&wid=5'],
    ['id=a+b%26%C3%BC%25$', 'id=a%20b%26%C3%BC%25%24'],
    ['crop=0,0,1,1&cropN=0,0,1,1&crop=0,0,2,2', 'cropn=0,0,1,1&crop=0,0,2,2'],
    ['layer=0&flip=ud&rotate=5&wid=9&layer=comp&flip=lr', 'rotate=5&wid=9&flip=lr&layer=0&flip=ud'],
    ['imageSet={a&b=(c)}', 'imageset=%7Ba%26b%3D%28c%29%7D'],
    ['defaultImage=', 'defaultimage='],
  ])('%s', (query, text) => {
    expect(resolved(query)).toBe(text);
    const asked = meaning(parse(query));
    const again = meaning(parse(text));
    if (!/resolve/i.test(query)) expect(again).toEqual(asked);
  });

  test('a record has its say before and after', () => {
    expect(resolved(['wid=1&qlt=70', 'wid=2', 'qlt=90'])).toBe('wid=2&qlt=90');
  });

  test('means what the query meant', () => {
    const name = fc.constantFrom(...COMMANDS.keys(), 'layer', 'layer', '$a', '$view$', '.', 'utm');
    const item = fc.oneof(
      fc.constantFrom(
        '0',
        '1',
        '5',
        '0.5',
        'on',
        'off',
        'comp',
        'lr',
        'ud',
        'png',
        'fit',
        '$a$',
        'base',
        '%C3%BC',
        '%24',
        '+',
        '(',
        '{',
        '}',
        ' ',
      ),
      fc.integer({ min: 1, max: 300 }).map(String),
      fc.string({ maxLength: 4 }),
    );
    const piece = fc
      .tuple(name, fc.array(item, { minLength: 1, maxLength: 4 }))
      .map(([key, items]) => (key === '$view$' ? key : `${key}=${items.join()}`));
    const valid = fc
      .tuple(
        fc.constantFrom(
          'wid=',
          'hei=',
          'qlt=',
          'flip=',
          'id=',
          'bgc=',
          'rotate=',
          'req=',
          'layer=',
          'name=',
          'imageset=',
          'extend=',
        ),
        fc.constantFrom(
          '5',
          '90',
          'lr',
          'ud',
          '0',
          'comp',
          '0,base',
          'base',
          'props,json',
          '1,2,3,4',
          '{a&b}',
          '%26%3d%25',
          '$c$',
          '$a$',
        ),
      )
      .map(([key, value]) => key + value);
    let understood = 0;
    fc.assert(
      fc.property(
        fc
          .array(fc.oneof({ weight: 3, arbitrary: valid }, { weight: 1, arbitrary: piece }), { maxLength: 6 })
          .map((all) => all.join('&')),
        (query) => {
          const modifiers = attempt(['INVALID_REQUEST', 'LIMIT_EXCEEDED'], () => parse(query));
          if (modifiers === undefined || modifiers.req.type === 'resolve') return;
          understood += 1;
          const text = resolvedQuery(modifiers);
          const again = parseModifiers(text);
          expect(meaning(again)).toEqual(meaning(modifiers));
          expect(again.ignored).toEqual([]);
          expect(resolvedQuery(again)).toBe(text);
        },
      ),
      { numRuns: 4000 },
    );
    expect(understood).toBeGreaterThan(300);
  });
});
