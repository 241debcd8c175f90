import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { REQUEST_TYPES } from '../../../src/protocol/image-serving/commands.js';
import { parseModifiers } from '../../../src/protocol/image-serving/modifiers.js';
import { formatRecordText, readRequestOptions } from '../../../src/protocol/image-serving/requests.js';
import { attempt } from './fuzz.js';

const read = (req: string) => readRequestOptions(parseModifiers(`req=${req}`).req);
const refused = expect.objectContaining({ code: 'INVALID_REQUEST', option: 'req' });

describe('readRequestOptions', () => {
  test.each([
    ['img', 'img', 'text', 'UTF-8'],
    ['props', 'props', 'text', 'UTF-8'],
    ['PROPS,JSON', 'props', 'json', 'UTF-8'],
    ['imageprops,javascript', 'imageprops', 'javascript', 'UTF-8'],
    ['exists,xml', 'exists', 'xml', 'UTF-8'],
    ['catalogprops,text', 'catalogprops', 'text', 'UTF-8'],
    ['validate,json', 'validate', 'json', 'UTF-8'],
    ['userdata,xml,utf-16le', 'userdata', 'xml', 'UTF-16LE'],
    ['targets,xml,ISO-8859-1', 'targets', 'xml', 'ISO-8859-1'],
    ['imageset,javascript', 'imageset', 'javascript', 'UTF-8'],
    ['ctx', 'ctx', 'json', 'UTF-8'],
    ['ctx,json', 'ctx', 'json', 'UTF-8'],
    ['xmp', 'xmp', 'text', 'UTF-8'],
    ['map', 'map', 'text', 'UTF-8'],
    ['message', 'message', 'text', 'UTF-8'],
  ])('%s', (req, type, form, encoding) => {
    expect(read(req)).toEqual({ type, form, encoding });
  });

  test.each([
    ...['img,json', 'xmp,text', 'props,html', 'props,json,xml', 'props,json,json', 'props,xml,UTF-8', 'ctx,text'],
    ...[
      'userdata,javascript',
      'userdata,UTF-8',
      'userdata,json,UTF-8',
      'userdata,xml,UTF-7',
      'userdata,xml,UTF-8,UTF-8',
    ],
    ...['userdata,UTF-8,xml', 'map,xml', 'mask', 'saveToFile', 'set,json', 'mbrSet', 'xlate'],
  ])('%s is refused', (req) => {
    expect(() => read(req)).toThrow(refused);
  });

  test('there is an answer, or an error of ours, for all', () => {
    const word = fc.constantFrom('text', 'javascript', 'xml', 'json', 'UTF-8', 'UTF-16', 'x', '');
    fc.assert(
      fc.property(fc.constantFrom(...REQUEST_TYPES), fc.array(word, { maxLength: 3 }), (type, options) => {
        const found = attempt(['INVALID_REQUEST'], () => readRequestOptions({ type, options }));
        expect([type, undefined]).toContain(found?.type);
      }),
    );
  });
});

describe('formatRecordText', () => {
  const text = (type: 'userdata' | 'targets' | 'imageset' | 'map', field: string | null) =>
    formatRecordText(type, field, { form: 'text', encoding: 'UTF-8' });
  const body = (...all: Parameters<typeof formatRecordText>) => String(formatRecordText(...all).body);

  test('text is what was written, and a line end', () => {
    expect(text('userdata', 'a=1??b=2')).toEqual({ mediaType: 'text/plain; charset=utf-8', body: 'a=1\r\nb=2\r\n' });
    expect(text('userdata', 'no ü pairs??"').body).toBe('no ü pairs\r\n"\r\n');
    expect(text('userdata', 'a="x??y"\nb=1').body).toBe('a="x??y"\r\nb=1\r\n');
    expect(text('userdata', null).body).toBe('\r\n');
    expect(text('targets', 'Target.1.rect=1,2,3,4??Target.1.label=x').body).toBe(
      'Target.1.rect=1,2,3,4\r\nTarget.1.label=x\r\n',
    );
    expect(text('imageset', 'a;b??').body).toBe('a;b??\r\n');
    expect(text('map', '<AREA HREF="a??b">').body).toBe('<AREA HREF="a??b">\r\n');
  });

  test('json and xml are of pairs', () => {
    const json = { form: 'json', encoding: 'UTF-8' } as const;
    expect(body('userdata', 'b=2??a="1??"', json, { handler: 'f', id: '1' })).toBe(
      '/*jsonp*/f({"a":"1??","b":"2"},"1");',
    );
    expect(body('userdata', null, json)).toBe('/*jsonp*/s7jsonResponse({},"");');
    expect(body('imageset', 'a;b', json)).toBe('/*jsonp*/s7jsonResponse({"IMAGE_SET":"a;b"},"");');
    expect(body('imageset', null, { form: 'javascript', encoding: 'UTF-8' })).toBe("IMAGE_SET=''\n");
    expect(body('targets', 'Target.1.rect=1', { form: 'xml', encoding: 'UTF-8' })).toContain(
      '<prop-group name="Target"><property name="1.rect" value="1"/>',
    );
    expect(formatRecordText('userdata', 'a=1', { form: 'xml', encoding: 'UTF-16BE' }).mediaType).toBe(
      'text/xml; charset=utf-16be',
    );
    expect(() => body('userdata', 'just text', json)).toThrow(refused);
    expect(() => body('targets', 'a:b=1', { form: 'xml', encoding: 'UTF-8' })).toThrow(refused);
  });
});
