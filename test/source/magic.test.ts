import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { detectFormat, MAGIC_BYTES } from '../../src/source/magic.js';

const ascii = (text: string) => Buffer.from(text, 'latin1');
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const ftyp = (...brands: string[]) =>
  Buffer.concat([
    hex('000000').subarray(0, 3),
    Buffer.from([8 + 4 * (brands.length + 1)]),
    ascii(`ftyp${brands[0]}\0\0\0\0${brands.slice(1).join('')}`),
  ]);

function errorOf(head: Uint8Array): PyramidionError {
  try {
    detectFormat(head, 'picture');
  } catch (error) {
    if (error instanceof PyramidionError) return error;
  }
  throw new Error('no error');
}

describe('detectFormat', () => {
  test.each([
    ['jpeg', hex('ffd8ffe0')],
    ['png', hex('89504e470d0a1a0a')],
    ['tiff', hex('49492a00')],
    ['tiff', hex('4d4d002a')],
    ['tiff', hex('49492b00')],
    ['tiff', hex('4d4d002b')],
    ['webp', ascii('RIFF\x10\0\0\0WEBPVP8 ')],
    ['gif', ascii('GIF87a')],
    ['gif', ascii('GIF89a')],
    ['heif', ftyp('heic', 'mif1')],
    ['heif', ftyp('avif', 'mif1')],
    ['heif', ftyp('avif', 'avis')],
    ['heif', ftyp('mif1', 'miaf', 'avif')],
  ])('knows %s by its first bytes', (format, head) => {
    expect(detectFormat(head)).toBe(format);
  });

  test.each([
    ['image sequence', ftyp('avis', 'avif')],
    ['BMP', Buffer.concat([ascii('BM'), Buffer.alloc(60)])],
    ['PPM', ascii('P6\n3 2\n255\n')],
    ['PFM', ascii('PF\n3 2\n')],
    ['Photoshop PSD', ascii('8BPS\0\x01')],
    ['PDF', ascii('%PDF-1.7')],
    ['PostScript', ascii('%!PS-Adobe-3.0 EPSF-3.0')],
    ['PostScript', hex('c5d0d3c6')],
    ['SVG', ascii('<?xml version="1.0"?>\n<!-- x --><svg xmlns="…">')],
    ['SVG', ascii('\xef\xbb\xbf  <svg width="1">')],
    ['JPEG 2000', hex('0000000c6a5020200d0a870a')],
    ['JPEG XL', hex('ff0a')],
    ['OpenEXR', hex('762f3101')],
    ['ISO media', ftyp('mp42', 'isom')],
    ['RIFF', ascii('RIFF\0\0\0\0AVI LIST')],
    ['libvips', hex('08f2a6b6')],
    ['ZIP', hex('504b0304')],
  ])('names %s, which is recognised but not on the list', (name, head) => {
    const error = errorOf(head);
    expect(error.code).toBe('UNSUPPORTED_FORMAT');
    expect(error.message).toContain(name);
    expect(error.message).toContain('not on the list');
    expect(error.message).toContain('PNG');
  });

  test('shows the first bytes of what it does not know', () => {
    const error = errorOf(hex('0102030405'));
    expect(error.code).toBe('UNSUPPORTED_FORMAT');
    expect(error.message).toContain('01 02 03 04 05');
    expect(error.message).toContain('picture');
  });

  test('an empty source is damaged, not of another format', () => {
    expect(errorOf(new Uint8Array(0)).code).toBe('CORRUPT_IMAGE');
  });

  test('a brand beyond the end of its box does not count', () => {
    expect(errorOf(Buffer.concat([hex('00000014'), ascii('ftypmp42\0\0\0\0isomavif')])).code).toBe(
      'UNSUPPORTED_FORMAT',
    );
  });

  test('whatever the bytes, it answers with a format or a coded error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: MAGIC_BYTES }), (head) => {
        try {
          expect(['jpeg', 'png', 'tiff', 'webp', 'gif', 'heif']).toContain(detectFormat(head));
        } catch (error) {
          expect(error).toBeInstanceOf(PyramidionError);
        }
      }),
    );
  });
});
