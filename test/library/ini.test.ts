import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeText, parseIni } from '../../src/library/ini.js';

function parse(text: string): { values: Record<string, string>; warnings: string[] } {
  const warnings: string[] = [];
  const entries = parseIni(text, (message) => warnings.push(message));
  return { values: Object.fromEntries([...entries].map(([key, { value }]) => [key, value])), warnings };
}

describe('attribute files', () => {
  it('have lines of names and values, with whatever spaces and line ends', () => {
    expect(parse('RootId=a\r\n  Path =  b c \n\n\rMAXPIX\t=\t1,2').values).toEqual({
      rootid: 'a',
      path: 'b c',
      maxpix: '1,2',
    });
  });

  it('have values that hold = and #, and comments at the beginnings of lines', () => {
    const { values, warnings } = parse('# RootId = x\n  # and more\nErrorImage = err?a=b#c');
    expect(values).toEqual({ errorimage: 'err?a=b#c' });
    expect(warnings).toEqual([]);
  });

  it('count the last line of a name, in whatever case', () => {
    expect(parse('MaxPix=1,1\nOther=2\nmaxPIX=3,3').values).toEqual({ other: '2', maxpix: '3,3' });
  });

  it('tell an empty value from none', () => {
    expect(parse('DefaultImage =').values).toEqual({ defaultimage: '' });
  });

  it('join lines at a backslash, but do not go on with comments', () => {
    const { values } = parse('LocaleMap=a|\\\n   b|\\\r\n# c\n# no \\\nNext=1\nLast=x\\');
    expect(values).toEqual({ localemap: 'a|b|# c', next: '1', last: 'x' });
  });

  it('warn of lines that are none, by their numbers', () => {
    const { values, warnings } = parse('RootId=a\\\nb\nnonsense\n= 3\n9x=1');
    expect(values).toEqual({ rootid: 'ab' });
    expect(warnings).toEqual([3, 4, 5].map((line) => `line ${line} is no line of the form name = value`));
  });

  it('yield what was written, whatever it is', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
    const value = fc.string({ maxLength: 20 }).map((text) => text.replace(/[\r\n\\]/g, '').trim());
    fc.assert(
      fc.property(fc.dictionary(name, value), (given) => {
        const text = Object.entries(given).map(([key, one]) => `${key} = ${one}`);
        expect(parse(text.join('\n'))).toEqual({ values: { ...given }, warnings: [] });
      }),
    );
  });
});

describe('text of catalogs', () => {
  it('is UTF-8 with a byte order mark, else ISO-8859-1', () => {
    expect(decodeText(Buffer.from('\ufeffGrüße €', 'utf8'))).toBe('Grüße €');
    expect(decodeText(Buffer.from('Grüße', 'latin1'))).toBe('Grüße');
    expect(decodeText(Buffer.from('ü', 'utf8'))).toBe('Ã¼');
    // As ISO-8859-1, not as windows-1252.
    expect(decodeText(Uint8Array.of(0x80, 0x9f))).toBe('\u0080\u009f');
    expect(decodeText(new Uint8Array())).toBe('');
  });

  it('is refused when it says that it is UTF-8 and is not', () => {
    expect(() => decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x80))).toThrow(TypeError);
  });
});
