import { describe, expect, it } from 'vitest';
import {
  checkSides,
  ENCODE_DEFAULTS,
  type Encoding,
  FORMATS,
  findFormat,
  formatNames,
  type PictureFacts,
  planEncoding,
  rawEncoding,
} from '../../src/encode/index.js';
import { PyramidionError } from '../../src/errors.js';
import { defaultRequest, type OutputRequest, type QuantizeRequest } from '../../src/region/request.js';

const REQUEST: OutputRequest = defaultRequest.output;
const ICC = new Uint8Array(200);
const XMP = new Uint8Array(300);
const FACTS: PictureFacts = { hasAlpha: true, space: 'rgb', dpi: null, icc: ICC, iccSpace: 'rgb', xmp: XMP };

function plan(request: Partial<OutputRequest>, facts: Partial<PictureFacts> = {}): Encoding {
  return planEncoding({ ...REQUEST, ...request }, { ...FACTS, ...facts }, ENCODE_DEFAULTS);
}

function refusal(request: Partial<OutputRequest>, facts: Partial<PictureFacts> = {}): PyramidionError {
  try {
    plan(request, facts);
  } catch (error) {
    if (error instanceof PyramidionError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(request)} was accepted`);
}

function quantize(request: Partial<QuantizeRequest>): QuantizeRequest {
  return { kind: 'adaptive', diffuse: true, colours: null, forced: [], ...request };
}

describe('formats', () => {
  it('are those of the protocol', () => {
    expect(formatNames()).toEqual([
      'jpeg',
      'pjpeg',
      'png',
      'png-alpha',
      'png8',
      'png8-alpha',
      'gif',
      'gif-alpha',
      'tif',
      'tif-alpha',
      'webp',
      'webp-alpha',
      'avif',
      'avif-alpha',
    ]);
  });

  it('have names of their own, in any case, and published misprints', () => {
    const names = FORMATS.flatMap((format) => format.names);
    expect(new Set(names).size).toBe(names.length);
    expect(findFormat('JPG').format.names[0]).toBe('jpeg');
    expect(findFormat('tiff-Alpha')).toMatchObject({ keepsAlpha: true, format: { extension: 'tif' } });
    expect(findFormat('web-alpha')).toMatchObject({ keepsAlpha: true, format: { mediaType: 'image/webp' } });
  });

  it.each([
    'jpeg2000',
    'jpeg2000-alpha',
    'jp2',
    'jpegxr',
    'jpegxr-alpha',
    'heic',
    'pdf',
    'eps',
    'swf',
    'swf3-alpha',
    'swf-alpha3',
  ])('without an encoder are not available: %s', (format) => {
    expect(refusal({ format })).toMatchObject({ code: 'FORMAT_UNSUPPORTED', option: 'fmt', value: format });
    expect(refusal({ format }).message).toContain('not available');
  });

  it.each(['', 'bmp', 'web', 'jpeg-alpha', 'pjpeg-alpha', 'png16', 'png-alpha-alpha', '-alpha', 'raw'])(
    "that there are not are refused: '%s'",
    (format) => {
      expect(refusal({ format })).toMatchObject({ code: 'FORMAT_UNSUPPORTED', option: 'fmt', value: format });
    },
  );

  it.each(formatNames())('%s gives a whole plan', (format) => {
    const { output, keepsAlpha, encode, maxSide } = plan({ format, iccEmbed: true, xmpEmbed: true });
    expect(keepsAlpha).toBe(format.endsWith('-alpha'));
    expect(output).toEqual({ space: 'rgb', bits: 8, alpha: keepsAlpha ? 'straight' : 'none' });
    expect(maxSide).toBeGreaterThan(16_000);
    const base = format.replace('-alpha', '');
    expect(encode.icc).toBe(['jpeg', 'pjpeg', 'png', 'png8', 'tif'].includes(base) ? ICC : null);
    expect(encode.xmp).toBe(['jpeg', 'pjpeg', 'tif'].includes(base) ? XMP : null);
    expect(encode.dpi).toBe(['jpeg', 'pjpeg', 'png', 'png8', 'tif'].includes(base) ? 72 : 0);
    expect(encode.palette === null).toBe(base !== 'png8' && base !== 'gif');
    expect(plan({ format }).encode).toMatchObject({ icc: null, xmp: null });
  });

  it.each([
    ['jpeg', 'image/jpeg', 'jpg'],
    ['pjpeg', 'image/jpeg', 'jpg'],
    ['png8-alpha', 'image/png', 'png'],
    ['gif', 'image/gif', 'gif'],
    ['tif', 'image/tiff', 'tif'],
    ['webp', 'image/webp', 'webp'],
    ['avif', 'image/avif', 'avif'],
  ])('%s is %s', (format, mediaType, extension) => {
    expect(plan({ format })).toMatchObject({ mediaType, extension });
  });

  it('hold so many pixels a side', () => {
    const webp = plan({ format: 'webp' });
    expect(() => checkSides(webp, { width: 16_383, height: 1 })).not.toThrow();
    expect(() => checkSides(webp, { width: 1, height: 16_384 })).toThrow(
      expect.objectContaining({ code: 'FORMAT_UNSUPPORTED', option: 'fmt', value: 16_384, limit: 16_383 }),
    );
  });

  it('raw samples are for the library alone', () => {
    const output = { space: 'cmyk', bits: 16, alpha: 'none' } as const;
    expect(rawEncoding(output)).toMatchObject({ output, keepsAlpha: false, encode: { saver: 'raw', options: {} } });
  });
});

describe('pixel types', () => {
  const allowed: Readonly<Record<string, readonly string[]>> = {
    jpeg: ['gray', 'rgb', 'cmyk'],
    pjpeg: ['gray', 'rgb', 'cmyk'],
    png: ['gray', 'rgb'],
    png8: ['rgb'],
    gif: ['gray', 'rgb'],
    tif: ['gray', 'rgb', 'cmyk'],
    webp: ['rgb'],
    avif: ['rgb'],
  };

  it.each(Object.entries(allowed))('of %s are %s', (format, spaces) => {
    for (const pixelType of ['gray', 'rgb', 'cmyk']) {
      if (spaces.includes(pixelType)) expect(plan({ format, pixelType }).output.space).toBe(pixelType);
      else expect(refusal({ format, pixelType })).toMatchObject({ code: 'FORMAT_UNSUPPORTED', option: 'fmt' });
    }
  });

  it('that do not exist are malformed', () => {
    expect(refusal({ pixelType: 'lab' })).toMatchObject({ code: 'INVALID_REQUEST', option: 'fmt', value: 'lab' });
  });

  it('are those of the facts where none is named; gray is spread where a format has none', () => {
    expect(plan({ format: 'tif' }, { space: 'cmyk' }).output.space).toBe('cmyk');
    expect(plan({ format: 'png' }, { space: 'gray' }).output.space).toBe('gray');
    expect(plan({ format: 'webp' }, { space: 'gray' }).output.space).toBe('rgb');
    expect(refusal({ format: 'png' }, { space: 'cmyk' })).toMatchObject({ code: 'FORMAT_UNSUPPORTED', value: 'cmyk' });
  });

  it('take the profile along where it describes them, and no other', () => {
    const gray = { space: 'gray', iccSpace: 'gray' } as const;
    expect(plan({ format: 'png8', iccEmbed: true }, gray).encode.icc).toBeNull();
    expect(plan({ format: 'png', pixelType: 'rgb', iccEmbed: true }, gray).encode.icc).toBeNull();
    expect(plan({ format: 'png', iccEmbed: true }, gray).encode.icc).toBe(ICC);
    expect(plan({ format: 'tif', pixelType: 'cmyk', iccEmbed: true }).encode.icc).toBeNull();
    expect(plan({ format: 'tif', pixelType: 'cmyk', iccEmbed: true }, { iccSpace: 'cmyk' }).encode.icc).toBe(ICC);
  });

  it('have alpha only where a pixel may be transparent', () => {
    expect(plan({ format: 'png-alpha' }, { hasAlpha: false })).toMatchObject({
      keepsAlpha: true,
      output: { alpha: 'none' },
    });
    expect(plan({ format: 'png' })).toMatchObject({ keepsAlpha: false, output: { alpha: 'none' } });
  });

  it('have 16 bits in PNG and TIFF, when asked', () => {
    expect(plan({ format: 'png', bits: 16 }).output.bits).toBe(16);
    expect(plan({ format: 'tif-alpha', bits: 16, compression: 'zip' }).output.bits).toBe(16);
    for (const format of ['jpeg', 'pjpeg', 'png8', 'gif', 'webp', 'avif'])
      expect(refusal({ format, bits: 16 })).toMatchObject({ code: 'FORMAT_UNSUPPORTED', value: 16 });
    expect(refusal({ format: 'tif', bits: 16, compression: 'jpeg' })).toMatchObject({
      code: 'FORMAT_UNSUPPORTED',
      limit: 8,
    });
  });
});

describe('compression', () => {
  it('none is every format’s own default', () => {
    for (const format of formatNames()) expect(plan({ format, compression: 'none' })).toEqual(plan({ format }));
  });

  it('of TIFF', () => {
    expect(plan({ format: 'tif' }).encode.options).toMatchObject({ compression: 'none', resunit: 'inch' });
    expect(plan({ format: 'tif', compression: 'lzw' }).encode.options).toMatchObject({ compression: 'lzw' });
    expect(plan({ format: 'tif-alpha', compression: 'zip' }).encode.options).toMatchObject({ compression: 'deflate' });
    const jpeg = { format: 'tif', compression: 'jpeg' };
    expect(plan({ ...jpeg, quality: 70 }).encode.options).toMatchObject({ compression: 'jpeg', Q: 70, rgbjpeg: false });
    expect(plan({ ...jpeg, quality: 70, fullChroma: true }).encode.options).toMatchObject({ rgbjpeg: true });
    expect(plan({ ...jpeg, quality: 95, fullChroma: true }).encode.options).toMatchObject({ rgbjpeg: false });
    expect(plan({ ...jpeg, pixelType: 'cmyk', fullChroma: true }).encode.options).toMatchObject({ rgbjpeg: false });
  });

  it('jpeg is refused in tif-alpha, whether or not there is alpha', () => {
    for (const hasAlpha of [true, false])
      expect(refusal({ format: 'tif-alpha', compression: 'jpeg' }, { hasAlpha })).toMatchObject({
        code: 'FORMAT_UNSUPPORTED',
        option: 'fmt',
      });
  });

  it('of WebP and AVIF is lossy without a word', () => {
    for (const format of ['webp', 'avif-alpha']) {
      expect(plan({ format, quality: 55 }).encode.options).toMatchObject({ Q: 55 });
      expect(plan({ format, compression: 'lossy' })).toEqual(plan({ format }));
      const { options } = plan({ format, compression: 'lossless' }).encode;
      expect(options).toMatchObject({ lossless: true });
      expect(options).not.toHaveProperty('Q');
    }
  });

  it('words in any case; unknown ones are malformed, others’ ones unsupported', () => {
    expect(plan({ format: 'tif', compression: 'LZW' }).encode.options).toMatchObject({ compression: 'lzw' });
    expect(refusal({ format: 'tif', compression: 'deflate' })).toMatchObject({
      code: 'INVALID_REQUEST',
      option: 'fmt',
    });
    for (const [format, compression] of [
      ['jpeg', 'lossless'],
      ['png', 'jpeg'],
      ['gif', 'zip'],
      ['webp', 'jpeg'],
      ['avif', 'zip'],
      ['tif', 'lossy'],
    ] as const)
      expect(refusal({ format, compression })).toMatchObject({
        code: 'FORMAT_UNSUPPORTED',
        option: 'fmt',
        value: compression,
      });
  });
});

describe('quality', () => {
  it('is the default unless asked, in whole numbers from 1 to 100', () => {
    expect(plan({}).encode).toMatchObject({
      saver: 'jpeg',
      options: { quality: 80, subsample: true, optimise: false },
    });
    expect(plan({ quality: 1 }).encode.options).toMatchObject({ quality: 1 });
    expect(plan({ quality: 100, fullChroma: true }).encode.options).toMatchObject({ quality: 100, subsample: false });
    for (const quality of [0, 101, 50.5, Number.NaN, -1])
      for (const format of ['jpeg', 'png'])
        expect(refusal({ format, quality })).toMatchObject({ code: 'INVALID_REQUEST', option: 'qlt', limit: 100 });
  });

  it('and chroma come from the settings', () => {
    const made = planEncoding(REQUEST, FACTS, { ...ENCODE_DEFAULTS, jpegQuality: 92, fullChroma: true });
    expect(made.encode.options).toMatchObject({ quality: 92, subsample: false });
    const asked = planEncoding({ ...REQUEST, quality: 70 }, FACTS, { ...ENCODE_DEFAULTS, fullChroma: true });
    expect(asked.encode.options).toMatchObject({ quality: 70, subsample: true });
  });

  it('progressive JPEG is libvips’, with any number of scans the protocol has', () => {
    for (const pscan of ['auto', 3, 4, 5] as const)
      expect(plan({ format: 'pjpeg', pscan }).encode).toMatchObject({
        saver: 'jpegsave',
        options: { Q: 80, interlace: true, 'subsample-mode': 'on' },
      });
    const six = 6 as unknown as 5;
    expect(refusal({ pscan: six })).toMatchObject({ code: 'INVALID_REQUEST', option: 'pscan', value: 6 });
  });

  it('is lowered to a size in kilobytes for JPEG, and for nothing else', () => {
    expect(plan({ jpegSize: 20 }).encode).toMatchObject({ maxBytes: 20_480, options: { optimise: true } });
    expect(plan({ jpegSize: 1.5, format: 'pjpeg' }).encode.maxBytes).toBe(1536);
    expect(plan({ jpegSize: 0.0001 }).encode.maxBytes).toBe(1);
    for (const format of formatNames().filter((name) => !name.includes('jpeg')))
      expect(plan({ format, jpegSize: 20 }).encode.maxBytes).toBe(0);
    for (const jpegSize of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(refusal({ jpegSize, format: 'png' })).toMatchObject({ code: 'INVALID_REQUEST', option: 'jpegSize' });
  });
});

describe('quantize', () => {
  it('is adaptive, diffused, with as many colours as there can be, unless asked', () => {
    expect(plan({ format: 'gif' }).encode.palette).toEqual({
      kind: 'adaptive',
      diffuse: true,
      colours: 256,
      forced: new Uint8Array(),
    });
    expect(plan({ format: 'png8-alpha' }).encode.palette?.colours).toBe(255);
    expect(plan({ format: 'png8-alpha' }, { hasAlpha: false }).encode.palette?.colours).toBe(255);
  });

  it('takes a number of colours and colours to keep', () => {
    const made = plan({
      format: 'png8',
      quantize: quantize({ kind: 'web', diffuse: false, colours: 2, forced: [255, 128, 0, 10, 11, 12] }),
    });
    expect(made.encode.palette).toEqual({
      kind: 'web',
      diffuse: false,
      colours: 2,
      forced: Uint8Array.of(255, 128, 0, 10, 11, 12),
    });
  });

  it.each([
    ['gif', { colours: 1 }],
    ['gif', { colours: 257 }],
    ['gif', { colours: 16.5 }],
    ['gif-alpha', { colours: 256 }],
    ['gif-alpha', { kind: 'mac' }],
    ['png8-alpha', { kind: 'mac' }],
    ['png8', { colours: 2, forced: [0, 0, 0, 255, 255, 255, 255, 0, 0] }],
    ['png8', { forced: [255, 255] }],
    ['png8', { forced: [0, 256, 0] }],
  ] as const)('%s refuses %j', (format, request) => {
    expect(refusal({ format, quantize: quantize(request) })).toMatchObject({
      code: 'INVALID_REQUEST',
      option: 'quantize',
    });
  });

  it('mac without alpha is fine, and formats without a palette do not look', () => {
    expect(plan({ format: 'gif', quantize: quantize({ kind: 'mac' }) }).encode.palette?.kind).toBe('mac');
    expect(plan({ format: 'png-alpha', quantize: quantize({ kind: 'mac', colours: 999 }) }).encode.palette).toBeNull();
  });
});

describe('what is written beside the pixels', () => {
  it('the resolution: what is asked, else the source’s, else the setting', () => {
    expect(plan({ printRes: 300 }, { dpi: 96 }).encode.dpi).toBe(300);
    expect(plan({}, { dpi: 96 }).encode.dpi).toBe(96);
    for (const dpi of [null, 0, -5, 70_000]) expect(plan({}, { dpi }).encode.dpi).toBe(72);
    expect(plan({ format: 'webp', printRes: 300 }).encode.dpi).toBe(0);
    for (const printRes of [0, -1, 70_000, Number.NaN])
      expect(refusal({ format: 'webp', printRes })).toMatchObject({ code: 'INVALID_REQUEST', option: 'printRes' });
  });

  it('nothing where there is nothing', () => {
    const { encode } = plan({ iccEmbed: true, xmpEmbed: true }, { icc: null, xmp: null });
    expect(encode).toMatchObject({ icc: null, xmp: null });
  });

  it('no XMP packet that a JPEG has no room for', () => {
    const xmp = new Uint8Array(65_503);
    expect(plan({ xmpEmbed: true }, { xmp }).encode.xmp).toBeNull();
    expect(plan({ xmpEmbed: true }, { xmp: xmp.subarray(1) }).encode.xmp?.byteLength).toBe(65_502);
    expect(plan({ xmpEmbed: true, format: 'tif' }, { xmp }).encode.xmp).toBe(xmp);
  });
});
