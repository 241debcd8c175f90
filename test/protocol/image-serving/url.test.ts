import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkUrlLength, readUrl, writePath } from '../../../src/protocol/image-serving/url.js';
import { attempt } from './fuzz.js';

const refused = expect.objectContaining({ code: 'INVALID_REQUEST', option: 'url' });

describe('readUrl', () => {
  test('takes a URL apart', () => {
    expect(readUrl('/is/image/Cat/a%20b?wid=1?2&x=%41')).toEqual({
      context: 'image',
      path: 'Cat/a%20b',
      elements: ['Cat', 'a b'],
      object: 'Cat/a b',
      isRooted: false,
      query: 'wid=1?2&x=%41',
    });
    expect(readUrl('http://host:8080/is/content/a')).toMatchObject({ context: 'content', object: 'a', query: null });
  });

  test.each([
    ['/is/image', '', false, null],
    ['/is/image?', '', false, ''],
    ['/is/image/', '', false, null],
    ['/is/image//', '', false, null],
    ['/is/image//Other/Image', 'Other/Image', true, null],
    ['/is/image/a//b/', 'a/b', false, null],
    ['/is/image/a+b', 'a+b', false, null],
    ['/is/image/gr%C3%BCn/gr%FCn', 'grün/grün', false, null],
    ['/is/image/gr\u00c3\u00bcn', 'grün', false, null],
    ['/is/image/a.b..c/...', 'a.b..c/...', false, null],
    ['/is/image/%2541', '%41', false, null],
    ['/is/image/日本', '日本', false, null],
    ['/is/image/a#b', 'a#b', false, null],
  ])('%s', (url, object, isRooted, query) => {
    expect(readUrl(url)).toMatchObject({ object, isRooted, query });
  });

  test.each([
    '/',
    '',
    '/is',
    '/is/imag',
    '/is/images',
    '/IS/image',
    '/is/Image/a',
    'x/is/image',
    '/ir/render/a',
    '//is/image',
  ])('%s is none of ours', (url) => {
    expect(readUrl(url)).toBeNull();
  });

  test.each([
    ...['../a', 'a/../b', 'a/..', '%2e%2e/a', '.%2E', './a', '%2e', 'a/./b'],
    ...['a%2fb', 'a%2Fb', '..%2fa', '%2e%2e%2fa', 'a\\b', 'a%5cb', '..%5c..'],
    ...['a%00', '%00', 'a%0Ab', 'a%0d', 'a%7f', 'a\tb', 'a\u0000b', 'a%C0%80\u0001'],
    ...['a,b', 'a%2Cb', 'a%3Fb', 'a%', 'a%2', 'a%zz', '%%'],
  ])('the object %j is refused', (object) => {
    expect(() => readUrl(`/is/image/${object}`)).toThrow(refused);
  });

  test('overlong encodings of . and / are no . and /', () => {
    expect(readUrl('/is/image/%c0%ae%c0%ae/%c0%af')?.elements).toEqual(['À®À®', 'À¯']);
  });

  test('a path has at most 64 elements', () => {
    expect(readUrl(`/is/image${'/a'.repeat(64)}`)?.elements).toHaveLength(64);
    expect(() => readUrl(`/is/image${'/a'.repeat(65)}`)).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED', option: 'maxPathElements', value: 65, limit: 64 }),
    );
  });

  test('what writePath wrote is read', () => {
    const element = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => !/[/\\,?]|^\.\.?$/.test(text) && ![...text].some((c) => c < ' ' || c === '\x7f'));
    fc.assert(
      fc.property(
        fc.constantFrom('image' as const, 'content' as const),
        fc.array(element, { maxLength: 5 }),
        fc.boolean(),
        (context, elements, rooted) => {
          const isRooted = rooted && elements.length > 0;
          expect(readUrl(`${writePath({ context, elements, isRooted })}?q`)).toMatchObject({
            context,
            elements,
            isRooted,
            query: 'q',
          });
        },
      ),
    );
    expect(writePath({ context: 'image', elements: ['a b', 'ü'], isRooted: true })).toBe('/is/image//a%20b/%C3%BC');
  });

  test('nothing leaves the root, whatever comes', () => {
    const bit = fc.constantFrom(
      '..',
      '.',
      '/',
      '%2e',
      '%2F',
      '%5c',
      '\\',
      '%00',
      '%',
      'a',
      '%c0%ae',
      '?',
      ',',
      '\u00ff',
    );
    const text = fc.oneof(
      fc.array(bit, { maxLength: 12 }).map((bits) => bits.join('')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(text, (path) => {
        const url = attempt(['INVALID_REQUEST'], () => readUrl(`/is/image/${path}`));
        for (const element of url?.elements ?? []) {
          expect(element).not.toMatch(/^(?:|\.|\.\.)$|[/\\\0?,]/);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

test('checkUrlLength', () => {
  expect(() => checkUrlLength('a'.repeat(16384))).not.toThrow();
  expect(() => checkUrlLength('a'.repeat(16385))).toThrow(
    expect.objectContaining({ code: 'LIMIT_EXCEEDED', option: 'url', value: 16385, limit: 16384 }),
  );
  expect(() => checkUrlLength('abc', 2)).toThrow(expect.objectContaining({ limit: 2 }));
});
