import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { ENCODE_DEFAULTS, planEncoding } from '../../src/encode/index.js';
import { Engine } from '../../src/engine.js';
import { PyramidionError } from '../../src/errors.js';
import type { PartialRequest } from '../../src/picture/picture.js';
import { parseModifiers } from '../../src/protocol/image-serving/modifiers.js';
import { completeRequest } from '../../src/region/complete.js';
import { planRegion } from '../../src/region/plan.js';
import { defaultRequest } from '../../src/region/request.js';
import { imageOf, requests } from './support.js';

function refusal(given: unknown): PyramidionError {
  try {
    completeRequest(given);
  } catch (error) {
    if (error instanceof PyramidionError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(given)} was accepted`);
}

const USM = { amount: 1, radius: 1, threshold: 0, monochrome: false };
const THUMBNAIL = { type: 'fit', horizontal: 'left', vertical: 'top', res: 72, defaultPix: [100, 0] };
const ICC = { profile: 'srgb', intent: null, blackPointCompensation: null, dither: true };

/** A request in which nothing is null. */
const FULL = {
  layer: {
    crop: { unit: 'parts', x: -0.1, y: 0, width: 0.5, height: 1.2 },
    scale: { by: 'size', width: 40, height: 0 },
    flip: 'lr',
    rotate: 12.5,
    anchor: { unit: 'pixels', x: 1.5, y: 2 },
    extend: { unit: 'pixels', left: -1, top: 2, right: 3, bottom: 4 },
    bgColor: { space: 'cmyk', samples: [0, 0.5, 1, 0], alpha: 0.5, source: false },
  },
  flip: 'ud',
  view: {
    rgn: { x: 0, y: -1, width: 30, height: 20 },
    wid: 50,
    hei: 40,
    scl: 1.5,
    fit: { mode: 'crop', upscale: true },
    align: { x: -1, y: 0.5 },
    rect: { x: 1, y: 2, width: 30, height: 20, scale: 0.5 },
    defaultPix: [0, 300],
    dpr: 2,
  },
  thumbnail: THUMBNAIL,
  bgc: { space: 'gray', samples: [0.25], alpha: 1, source: true },
  kernel: 'bicub',
  linearLight: true,
  sharpen: { simple: true, usm: USM, usmR: USM },
  output: {
    format: 'gif',
    pixelType: 'rgb',
    compression: 'lzw',
    bits: 8,
    quality: 80,
    fullChroma: true,
    jpegSize: 1.5,
    pscan: 4,
    quantize: { kind: 'web', diffuse: false, colours: 16, forced: [255, 0, 0] },
    xmpEmbed: true,
    iccEmbed: true,
    icc: ICC,
    printRes: 300,
  },
};

describe('a request in part', () => {
  it('has the defaults for the rest, at any depth', () => {
    expect(completeRequest({})).toEqual(defaultRequest);
    expect(completeRequest({ view: { wid: 5, hei: undefined }, kernel: undefined })).toEqual({
      ...defaultRequest,
      view: { ...defaultRequest.view, wid: 5 },
    });
    const { quantize } = defaultRequest.output;
    expect(completeRequest({ output: { quantize: { colours: 16 } } }).output.quantize).toEqual({
      ...quantize,
      colours: 16,
    });
    expect(completeRequest({ bgc: { samples: [0, 0, 1] } }).bgc).toEqual({ ...defaultRequest.bgc, samples: [0, 0, 1] });
  });

  it('that is whole stays as it is', () => {
    expect(completeRequest(FULL)).toEqual(FULL);
    expect(completeRequest(defaultRequest)).toEqual(defaultRequest);
    fc.assert(
      fc.property(requests, (request) => {
        expect(completeRequest(request)).toEqual(request);
      }),
    );
  });

  it('as a query means it is one, too', () => {
    for (const query of [
      'wid=800&fit=crop,1&align=-1,0.5&rgn=1,2,3,4&bgc=10,20,30,40,50k&dpr=on,2&resMode=bisharp',
      'req=tmb&cropN=0.1,0.2,0.3,0.4&anchorN=0.1,0.2&extendN=1,2,3,4&rotate=-12.5&flip=lrud&size=0,20',
      'fmt=png8,rgb,zip&quantize=web,off,16,ff0000&icc=p3,relative,1,0&op_usm=5,250,255,1&printRes=72.5&pscan=5',
      'scale=0.25&rect=1,2,3,4,0.1&extend=1,-2,3,4&op_sharpen=1&jpegSize=0.5&qlt=50,1&xmpEmbed=1&iccEmbed=1',
    ]) {
      const { request } = parseModifiers(query);
      expect(completeRequest(request), query).toEqual(request);
    }
  });

  it('keeps nothing of the caller’s', () => {
    const samples = [0, 0, 1];
    const { bgc } = completeRequest({ bgc: { samples } });
    samples[0] = 7;
    expect(bgc.samples).toEqual([0, 0, 1]);
  });
});

describe('what is no request', () => {
  it.each([
    [{ view: { wid: -5 } }, 'view.wid', 'a whole number from 1, or null; got -5'],
    [{ view: { wid: Number.NaN } }, 'view.wid', 'got NaN'],
    [{ view: { hei: 1.5 } }, 'view.hei', 'a whole number from 1'],
    [{ view: { hei: '300' } }, 'view.hei', 'got "300"'],
    [{ view: { scl: 0 } }, 'view.scl', 'a number above 0'],
    [{ view: { scl: Number.POSITIVE_INFINITY } }, 'view.scl', 'got Infinity'],
    [{ view: { fit: 'crop' } }, 'view.fit', 'an object of mode, upscale, or null'],
    [{ view: { fit: { mode: 'crop' } } }, 'view.fit.upscale', 'true or false; got undefined'],
    [{ view: { fit: { mode: 'cover', upscale: true } } }, 'view.fit.mode', 'one of fit, constrain, crop'],
    [{ view: { align: { x: -1.01 } } }, 'view.align.x', 'a number from -1 to 1'],
    [{ view: { rgn: { x: 0, y: 0, width: 0, height: 9 } } }, 'view.rgn.width', 'a whole number from 1'],
    [{ view: { defaultPix: [300] } }, 'view.defaultPix', 'two whole numbers from 0'],
    [{ view: [] }, 'view', 'got an array'],
    [{ view: null }, 'view', 'got null'],
    [{ kernel: 'x' }, 'kernel', 'one of bilin, bicub, sharp2, bisharp; got "x"'],
    [{ kernel: { toString: 1 } }, 'kernel', 'got an object'],
    [{ layer: { rotate: 3e9 } }, 'layer.rotate', 'a number'],
    [{ layer: { crop: { unit: 'inches' } } }, 'layer.crop.unit', 'one of pixels, parts; got "inches"'],
    [
      { layer: { crop: { unit: 'pixels', x: 0.5, y: 0, width: 1, height: 1 } } },
      'layer.crop.x',
      'a whole number; got 0.5',
    ],
    [{ layer: { scale: { by: 'size', width: 9 } } }, 'layer.scale.height', 'got undefined'],
    [{ layer: { scale: { by: 'constructor' } } }, 'layer.scale.by', 'one of size, scale, res'],
    [{ bgc: { samples: [0, 0] } }, 'bgc.samples', '3 numbers from 0 to 1; got an array'],
    [{ bgc: { samples: new Array<number>(3) } }, 'bgc.samples', '3 numbers from 0 to 1'],
    [{ bgc: { space: 'gray' } }, 'bgc.samples', '1 numbers from 0 to 1; got undefined'],
    [{ sharpen: { usm: { amount: 6, radius: 1, threshold: 0, monochrome: false } } }, 'sharpen.usm.amount', 'to 5'],
    [{ output: { format: 'PNG' } }, 'output.format', 'a word of lower-case letters'],
    [{ output: { bits: 12 } }, 'output.bits', 'one of 8, 16; got 12'],
    [{ output: { pscan: '3' } }, 'output.pscan', 'one of auto, 3, 4, 5'],
    [{ output: { quantize: { forced: [1, 2] } } }, 'output.quantize.forced', 'red, green and blue'],
    [{ output: { quantize: { forced: [1, 2, 256] } } }, 'output.quantize.forced', '0 to 255 each'],
  ])('%j', (given, option, said) => {
    const error = refusal(given);
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', option });
    expect(error.message).toContain(`${option} must be `);
    expect(error.message).toContain(said);
  });

  it.each([
    [{ wid: 5 }, 'wid'],
    [{ view: { width: 5 } }, 'view.width'],
    [{ layer: { bgColor: { a: 1 } } }, 'layer.bgColor.a'],
    [JSON.parse('{"__proto__": {"kernel": "bilin"}}'), '__proto__'],
    [JSON.parse('{"output": {"__proto__": null}}'), 'output.__proto__'],
  ])('%j: there is no such field', (given, option) => {
    expect(refusal(given)).toMatchObject({
      code: 'INVALID_REQUEST',
      option,
      message: `${option} is no part of a request`,
    });
  });

  it.each([null, 5, true, [[]], Symbol('s'), () => {}])('%s', (given) => {
    expect(refusal(given)).toMatchObject({ code: 'INVALID_REQUEST', option: 'request' });
  });
});

describe('whatever stands in a field', () => {
  const paths: string[][] = [];
  const collect = (value: unknown, path: string[]): void => {
    if (path.length > 0) paths.push(path);
    if (typeof value !== 'object' || value === null) return;
    for (const [name, item] of Object.entries(value)) collect(item, [...path, name]);
  };
  collect(FULL, []);

  const numbers = [Number.NaN, Number.POSITIVE_INFINITY, -0, 0, 0.5, 1, -1, 2, 255.5, 1e300, 5e-324, 2 ** 31, 2 ** 53];
  const words = [
    '',
    'gray',
    'cmyk',
    'rgb',
    'parts',
    'pixels',
    'size',
    'res',
    'scale',
    'mac',
    'avif',
    'tif-alpha',
    'jpeg',
  ];
  const values = fc.oneof(
    fc.constantFrom<unknown>(...numbers, ...words, undefined, null, {}, []),
    fc.integer({ min: -5, max: 300 }),
    fc.double(),
    fc.jsonValue(),
  );
  const changes = fc.array(fc.tuple(fc.constantFrom(...paths), values), { minLength: 1, maxLength: 3 });
  const changed = fc
    .tuple(fc.constantFrom<unknown>(FULL, { ...FULL, thumbnail: null }, defaultRequest), changes)
    .map(([base, list]) => {
      const given = structuredClone(base);
      for (const [path, value] of list) set(given, path, value);
      return given;
    });

  function set(target: unknown, path: readonly string[], value: unknown): void {
    const [name = '', ...rest] = path;
    if (typeof target !== 'object' || target === null) return;
    const record = target as Record<string, unknown>;
    if (rest.length === 0) record[name] = value;
    else set(record[name], rest, value);
  }

  it('it is a plan, or a coded error', () => {
    const image = imageOf(90, 61);
    const facts = { hasAlpha: true, space: 'rgb', dpi: null, icc: null, iccSpace: 'rgb', xmp: null } as const;
    const seen = new Set<string>();
    fc.assert(
      fc.property(changed, (given) => {
        try {
          const request = completeRequest(given);
          const { size } = planRegion(image, request);
          expect(size.width * size.height).toBeGreaterThan(0);
          planEncoding(request.output, facts, ENCODE_DEFAULTS);
          seen.add('planned');
        } catch (error) {
          if (!(error instanceof PyramidionError)) throw error;
          expect(['INVALID_REQUEST', 'FORMAT_UNSUPPORTED', 'LIMIT_EXCEEDED']).toContain(error.code);
          expect(error.option).toBeTypeOf('string');
          seen.add(error.code);
        }
      }),
      { numRuns: 2000 },
    );
    expect([...seen]).toEqual(expect.arrayContaining(['INVALID_REQUEST', 'planned']));
  });

  it('it is a view, or a coded error', async () => {
    const engine = await Engine.start();
    const picture = await engine.open(
      await sharp({ create: { width: 90, height: 61, channels: 4, background: '#84582099' } })
        .png()
        .toBuffer(),
    );
    const limits = { maxPix: [200, 200], maxRenderRgnPixels: 0.1, maxDecodedPixels: 0.1 } as const;
    const codes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(changed, async (given) => {
        const made = await picture.render(given as PartialRequest, { limits }).catch(codeOf);
        if (typeof made === 'string') codes.add(made);
        else expect(made.bytes.length).toBeGreaterThan(0);
      }),
      { numRuns: 400 },
    );
    await engine.close();
    for (const code of codes)
      expect(
        [
          'INVALID_REQUEST',
          'FORMAT_UNSUPPORTED',
          'LIMIT_EXCEEDED',
          'SIZE_UNREACHABLE',
          'PROFILE_INVALID',
          'PROFILE_MISMATCH',
          'INVALID_OPTION',
        ],
        code,
      ).toContain(code);
  });

  function codeOf(error: unknown): string {
    if (!(error instanceof PyramidionError)) throw error;
    if (error.code === 'INTERNAL' || (error.code === 'INVALID_OPTION' && error.option !== 'icc')) throw error;
    return error.code;
  }
});
