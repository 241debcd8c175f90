import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { describe, expect, test } from 'vitest';
import {
  ENCODINGS,
  type Encoding,
  formatError,
  formatProperties,
  formOf,
  PROPERTY_FORMS,
  type TextBody,
} from '../../../src/protocol/image-serving/properties.js';

const properties = new Map([
  ['image.width', '200'],
  ['catalog.a', 'it\'s: "<b>" = \\ü\u2028\n'],
  ['image.a.b', ' 1'],
  ['copyright', ''],
]);
const text = ({ body }: TextBody): string => {
  expect(typeof body).toBe('string');
  return String(body);
};

describe('text', () => {
  test('is a file of Java properties, in order', () => {
    const date = Date.UTC(2014, 6, 5, 17, 28, 32);
    expect(formatProperties(properties, 'text', { date })).toEqual({
      mediaType: 'text/plain; charset=utf-8',
      body: [
        '#S7Z OK',
        '#Sat Jul 05 17:28:32 GMT 2014',
        'catalog.a=it\'s\\: "<b>" \\= \\\\\\u00FC\\u2028\\n',
        'copyright=',
        'image.a.b=\\ 1',
        'image.width=200',
        '',
      ].join('\n'),
    });
  });

  test('has no head without a date', () => {
    expect(text(formatProperties(new Map([['a b:', '#!\t\r\f\0']]), 'text'))).toBe('a\\ b\\:=\\#\\!\\t\\r\\f\\u0000\n');
  });

  test('is read back by whoever reads such files', () => {
    const readBack = (part: string) =>
      part.replaceAll(/\\(?:u([0-9A-F]{4})|(.))/g, (_, hex: string | undefined, one: string) => {
        if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
        return { t: '\t', n: '\n', r: '\r', f: '\f' }[one] ?? one;
      });
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'binary' }), (name, value) => {
        const line = text(formatProperties(new Map([[name, value]]), 'text'));
        const [, key = '', rest = ''] = /^((?:\\.|[^=\\])*)=(.*)\n$/.exec(line) ?? [];
        expect(line).toMatch(/^[\x20-\x7e]*\n$/);
        expect([readBack(key), readBack(rest)]).toEqual([name, value]);
      }),
    );
  });
});

describe('javascript', () => {
  test('sets properties of objects that the page has made', () => {
    const { mediaType, body } = formatProperties(properties, 'javascript');
    expect(mediaType).toBe('text/javascript; charset=utf-8');
    expect(body).toContain("image.width='200'\n");
    const page = { image: { a: {} }, catalog: {}, copyright: 'x' };
    runInNewContext(String(body), page);
    expect(page).toEqual({
      image: { width: '200', a: { b: ' 1' } },
      catalog: { a: properties.get('catalog.a') },
      copyright: '',
    });
  });

  test('any value stays a value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const body = text(formatProperties(new Map([['a.b', value]]), 'javascript'));
        const page = { a: { b: '' } };
        runInNewContext(body, page);
        expect(page.a.b).toBe(value);
        expect(body).not.toContain('<');
      }),
      { numRuns: 50 },
    );
  });
});

describe('json', () => {
  test('is a call of the handler', () => {
    expect(
      formatProperties(
        new Map([
          ['image.width', '200'],
          ['image.a', '1'],
        ]),
        'json',
      ),
    ).toEqual({
      mediaType: 'text/javascript; charset=utf-8',
      body: '/*jsonp*/s7jsonResponse({"image.a":"1","image.width":"200"},"");',
    });
    expect(text(formatProperties(new Map(), 'json', { handler: 'f1', id: '</script>\u2028' }))).toBe(
      '/*jsonp*/f1({},"\\u003C/script\\u003E\\u2028");',
    );
  });

  test('any name, value and id stay what they are', () => {
    const any = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(fc.dictionary(any, any), any, (given, id) => {
        const body = text(formatProperties(new Map(Object.entries(given)), 'json', { id }));
        const calls: unknown[][] = [];
        runInNewContext(body, { s7jsonResponse: (...all: unknown[]) => calls.push(all) });
        expect(JSON.parse(JSON.stringify(calls))).toEqual(JSON.parse(JSON.stringify([[given, id]])));
        expect(body).not.toMatch(/[<>\u2028\u2029]/);
      }),
      { numRuns: 50 },
    );
  });
});

describe('xml', () => {
  const decode = (body: string | Uint8Array, encoding: Encoding): string => {
    if (typeof body === 'string') return body;
    if (encoding === 'ISO-8859-1') return Buffer.from(body).toString('latin1');
    return new TextDecoder(encoding === 'UTF-16LE' ? 'utf-16le' : 'utf-16be', { ignoreBOM: true }).decode(body);
  };

  test('has a group for each word before a dot', () => {
    const given = new Map([
      ['image.width', '200'],
      ['image.a.b', '<"&\n'],
      ['copyright', 'ü'],
    ]);
    expect(formatProperties(given, 'xml')).toEqual({
      mediaType: 'text/xml; charset=utf-8',
      body:
        '<?xml version="1.0" encoding="UTF-8"?><prop-group><property name="copyright" value="ü"/>' +
        '<prop-group name="image"><property name="a.b" value="&#60;&#34;&#38;&#10;"/><property name="width" value="200"/>' +
        '</prop-group></prop-group>',
    });
    expect(text(formatProperties(new Map(), 'xml'))).toBe(
      '<?xml version="1.0" encoding="UTF-8"?><prop-group></prop-group>',
    );
  });

  test.each(ENCODINGS)('%s', (encoding) => {
    const { mediaType, body } = formatProperties(new Map([['a', 'ü\u20ac\u{1f600}']]), 'xml', { encoding });
    expect(mediaType).toBe(`text/xml; charset=${encoding.toLowerCase()}`);
    const document = decode(body, encoding);
    const mark = encoding === 'UTF-16' ? '\ufeff' : '';
    const value = encoding === 'ISO-8859-1' ? 'ü&#8364;&#128512;' : 'ü\u20ac\u{1f600}';
    expect(document).toBe(
      `${mark}<?xml version="1.0" encoding="${encoding}"?><prop-group><property name="a" value="${value}"/></prop-group>`,
    );
  });

  test('bytes of UTF-16 are in the order that is named', () => {
    const first = (encoding: Encoding) =>
      [...Buffer.from(formatProperties(new Map(), 'xml', { encoding }).body)].slice(0, 4);
    expect(first('UTF-16')).toEqual([0xfe, 0xff, 0, 0x3c]);
    expect(first('UTF-16BE')).toEqual([0, 0x3c, 0, 0x3f]);
    expect(first('UTF-16LE')).toEqual([0x3c, 0, 0x3f, 0]);
  });

  test('any value is well formed', () => {
    const parser = new XMLParser({
      ignoreAttributes: false,
      attributeNamePrefix: '',
      htmlEntities: true,
      parseAttributeValue: false,
      trimValues: false,
    });
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const body = text(formatProperties(new Map([['a', value]]), 'xml'));
        expect(XMLValidator.validate(body)).toBe(true);
        expect(body).toMatch(/^[\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u);
        expect(parser.parse(body)['prop-group'].property.name).toBe('a');
      }),
    );
  });
});

describe('errors', () => {
  const error = { title: 'Image not found', message: "Image not found: 'a'" };

  test('text is one line', () => {
    expect(formatError(error, 'text')).toEqual({
      mediaType: 'text/plain; charset=utf-8',
      body: error.message,
      status: null,
    });
  });

  test('json calls s7jsonError whatever the handler, with status 200', () => {
    expect(formatError(error, 'json', { handler: 'mine', id: '7' })).toEqual({
      mediaType: 'text/javascript; charset=utf-8',
      body: `/*jsonp*/s7jsonError({"message":"Image not found: 'a'","title":"Image not found"},"7");`,
      status: 200,
    });
  });

  test('javascript and xml tell properties', () => {
    expect(formatError(error, 'javascript')).toMatchObject({
      body: "error.message='Image not found: \\'a\\''\nerror.title='Image not found'\n",
      status: null,
    });
    expect(formatError(error, 'xml', { encoding: 'UTF-16LE' })).toMatchObject({
      mediaType: 'text/xml; charset=utf-16le',
      status: null,
    });
    expect(String(formatError(error, 'xml').body)).toContain('<prop-group name="error"><property name="message"');
  });

  test('take the form that was asked for', () => {
    expect(formOf({ type: 'props', options: [] })).toBe('text');
    expect(formOf({ type: 'props', options: ['XML', 'UTF-8'] })).toBe('xml');
    expect(formOf({ type: 'props', options: ['?', 'json'] })).toBe('json');
    expect(formOf({ type: 'ctx', options: [] })).toBe('json');
    expect(PROPERTY_FORMS.map((form) => formOf({ type: 'exists', options: [form] }))).toEqual(PROPERTY_FORMS);
  });
});
