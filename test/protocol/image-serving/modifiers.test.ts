import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PyramidionError } from '../../../src/errors.js';
import { COMMANDS } from '../../../src/protocol/image-serving/commands.js';
import { joinModifiers, parseModifiers } from '../../../src/protocol/image-serving/modifiers.js';
import { defaultSettings } from '../../../src/protocol/image-serving/settings.js';
import { canonical, defaultRequest } from '../../../src/region/request.js';

const parse = (query: string) => parseModifiers(query);
const request = (query: string) => parseModifiers(query).request;
const view = (query: string) => request(query).view;
const layer = (query: string) => request(query).layer;
const output = (query: string) => request(query).output;
const refused = (option: string) => expect.objectContaining({ code: 'INVALID_REQUEST', option });

describe('commands', () => {
  test('none: the default request', () => {
    expect(parse('')).toEqual({
      request: defaultRequest,
      commands: [],
      req: { type: 'img', options: [] },
      delivery: {
        cache: { client: true, server: 'on' },
        defaultImage: null,
        id: '',
        bfc: null,
        network: false,
        handler: 's7jsonResponse',
      },
      texts: new Map(),
      given: new Set(),
      ignored: [],
      variables: new Map(),
    });
  });

  test('of the view', () => {
    expect(view('wid=200&hei=100.0')).toMatchObject({ wid: 200, hei: 100 });
    expect(view('wid=2&fit=crop,1').fit).toEqual({ mode: 'crop', upscale: true });
    expect(view('wid=2&fit=Stretch').fit).toEqual({ mode: 'stretch', upscale: false });
    expect(view('align=-1,0.5').align).toEqual({ x: -1, y: 0.5 });
    expect(view('scl=2.5').scl).toBe(2.5);
    expect(view('rgn=-1,2,3,4').rgn).toEqual({ x: -1, y: 2, width: 3, height: 4 });
    expect(view('rect=1,2,3,4').rect).toEqual({ x: 1, y: 2, width: 3, height: 4, scale: 1 });
    expect(view('rect=1,2,3,4,.5').rect?.scale).toBe(0.5);
    expect([view('dpr=on,2').dpr, view('dpr=off').dpr, view('dpr=on,1').dpr]).toEqual([2, null, null]);
  });

  test('of layer 0', () => {
    expect(layer('crop=1,2,0,4').crop).toEqual({ unit: 'pixels', x: 1, y: 2, width: 0, height: 4 });
    expect(layer('cropN=.1,.2,.3,.4').crop).toEqual({ unit: 'parts', x: 0.1, y: 0.2, width: 0.3, height: 0.4 });
    expect(layer('crop=0,0,1,1&cropN=0,0,1,1').crop?.unit).toBe('parts');
    expect(layer('size=10,0').scale).toEqual({ by: 'size', width: 10, height: 0 });
    expect(layer('size=10,0&scale=2&res=9').scale?.by).toBe('size');
    expect(layer('size=0,0&res=9&scale=2').scale).toEqual({ by: 'scale', factor: 2 });
    expect(layer('res=9').scale).toEqual({ by: 'res', dpi: 9 });
    expect(layer('rotate=-45.5').rotate).toBe(-45.5);
    expect(layer('anchor=-3,4').anchor).toEqual({ unit: 'pixels', x: -3, y: 4 });
    expect(layer('anchorN=-.5,0').anchor).toEqual({ unit: 'parts', x: -0.5, y: 0 });
    expect(layer('extend=1,-2,3,4').extend).toEqual({ unit: 'pixels', left: 1, top: -2, right: 3, bottom: 4 });
    expect(layer('extendN=.1,0,0,0').extend?.unit).toBe('parts');
    expect(layer('bgColor=255,0,0,51').bgColor).toEqual({
      space: 'rgb',
      samples: [1, 0, 0],
      alpha: 0.2,
      source: false,
    });
  });

  test('go to the composite or to layer 0, as the scope says', () => {
    expect([request('flip=lr').flip, layer('flip=lr').flip]).toEqual(['lr', 'none']);
    expect([request('layer=0&flip=ud').flip, layer('layer=0&flip=ud').flip]).toEqual(['none', 'ud']);
    expect(layer('rotate=10&layer=0&rotate=20&layer=comp&rotate=30').rotate).toBe(30);
    expect(request('layer=0&flip=ud&wid=7&layer=comp&flip=lrud')).toMatchObject({
      flip: 'lrud',
      layer: { flip: 'ud' },
      view: { wid: 7 },
    });
    expect(layer('layer=0,base&layer=comp,all&layer=base&flip=ud').flip).toBe('ud');
    expect(() => parse('layer=1')).toThrow(refused('layer'));
    expect(() => parse('layer=nobody')).toThrow(refused('layer'));
    expect(() => parse('layer=0,a&layer=comp,a')).toThrow(refused('layer'));
    expect(() => parse('layer=0,comp')).toThrow(refused('layer'));
    expect(() => parse('layer=0&op_usm=1,1')).toThrow(refused('op_usm'));
  });

  test('of the reply', () => {
    expect(output('fmt=PNG-Alpha,RGB')).toMatchObject({ format: 'png-alpha', pixelType: 'rgb', compression: null });
    expect(output('fmt=tif,,lzw')).toMatchObject({ format: 'tif', pixelType: null, compression: 'lzw' });
    expect([output('fmt=jpg').format, output('fmt=web-alpha').format]).toEqual(['jpeg', 'webp-alpha']);
    expect(output('qlt=85,1')).toMatchObject({ quality: 85, fullChroma: true });
    expect(output('jpegSize=20&pscan=4')).toMatchObject({ jpegSize: 20, pscan: 4 });
    expect(output('quantize=web,off,16,ff0000,00FF00').quantize).toEqual({
      kind: 'web',
      diffuse: false,
      colours: 16,
      forced: [255, 0, 0, 0, 255, 0],
    });
    expect(output('quantize=adaptive').quantize).toEqual(defaultRequest.output.quantize);
    expect(output('xmpEmbed=1&iccEmbed=true&printRes=300')).toMatchObject({
      xmpEmbed: true,
      iccEmbed: true,
      printRes: 300,
    });
    expect(output('icc=Adobe%20RGB%20(1998)').icc).toEqual({
      profile: 'Adobe RGB (1998)',
      intent: null,
      blackPointCompensation: null,
      dither: null,
    });
    expect(output('icc=a/b.icc,perceptual,0,1').icc).toEqual({
      profile: 'a/b.icc',
      intent: 'perceptual',
      blackPointCompensation: false,
      dither: true,
    });
  });

  test('of sampling and sharpening', () => {
    expect(request('resMode=sharp').kernel).toBe('sharp2');
    expect(request('resMode=BILIN').kernel).toBe('bilin');
    expect(request('op_sharpen=1').sharpen.simple).toBe(true);
    expect(request('sharpen=1').sharpen.simple).toBe(true);
    expect(request('op_usm=1.75,0.3,2,1').sharpen.usm).toEqual({
      amount: 1.75,
      radius: 0.3,
      threshold: 2,
      monochrome: true,
    });
    expect(request('op_usmR=1').sharpen.usmR).toEqual({ amount: 1, radius: 0, threshold: 0, monochrome: false });
  });

  test('of the request', () => {
    expect(parse('req=props,json,UTF-8').req).toEqual({ type: 'props', options: ['json', 'UTF-8'] });
    expect(parse('req=SAVETOFILE').req.type).toBe('saveToFile');
    expect(parse('cache=update').delivery.cache).toEqual({ client: true, server: 'update' });
    expect(parse('cache=off').delivery.cache).toEqual({ client: false, server: 'off' });
    expect(parse('cache=off,on').delivery.cache).toEqual({ client: false, server: 'on' });
    expect(parse('id=a%20b&defaultImage=&bfc=on&network=on&handler=f1').delivery).toMatchObject({
      id: 'a b',
      defaultImage: '',
      bfc: true,
      network: true,
      handler: 'f1',
    });
    expect([...parse('name=x&timeout=5').texts]).toEqual([
      ['name', 'x'],
      ['timeout', '5'],
    ]);
    expect([...parse('WID=5&foo=1').given]).toEqual(['wid']);
  });

  test('a thumbnail takes its attributes from the settings', () => {
    const settings = {
      ...defaultSettings,
      thumbType: 'crop',
      bkgColor: { ...defaultRequest.bgc, samples: [0, 0, 0] },
    } as const;
    const thumbnail = parseModifiers('req=tmb', settings).request;
    expect(thumbnail.thumbnail).toMatchObject({ type: 'crop', defaultPix: [100, 100] });
    expect(thumbnail.bgc.samples).toEqual([1, 1, 1]);
    expect(parseModifiers('', settings).request).toMatchObject({ thumbnail: null, bgc: { samples: [0, 0, 0] } });
  });

  test('that are not known are ignored, whatever they hold', () => {
    const { ignored, request: plain } = parse('utm=%&constructor=1&__proto__=2&wid=5&widpercent=3');
    expect(ignored).toEqual(['utm', 'constructor', '__proto__', 'widpercent']);
    expect(plain.view.wid).toBe(5);
  });

  test.each([
    ...[
      'wid=0',
      'wid=-1',
      'wid=1.5',
      'wid=',
      'wid',
      'wid=1,2',
      'wid=0x10',
      'hei=1e99',
      'wid=2147483649',
      'wid=Infinity',
    ],
    ...['scl=0', 'scl=-1', 'align=0', 'align=2,0', 'rgn=1,2,3', 'rgn=1,2,0,3', 'rect=0,0,0,1', 'rect=0,0,1,1,0'],
    ...['fit=crop', 'fit=none&wid=1', 'fit=fit,2&wid=1', 'dpr=on', 'dpr=on,0', 'dpr=2'],
    ...[
      'crop=0,0,-1,5',
      'crop=0,0,1.5,5',
      'cropN=0,0,-1,1',
      'size=-1,2',
      'size=1.5,2',
      'sizeN=1,1',
      'scale=0',
      'res=0',
    ],
    ...['rotate=x', 'anchor=1', 'anchor=1.5,2', 'extend=1,2,3', 'flip=up', 'bgColor=', 'bgc=300,0,0'],
    ...[
      'qlt=0',
      'qlt=101',
      'qlt=50,2',
      'qlt=1.5',
      'jpegSize=-1',
      'pscan=2',
      'fmt=',
      'fmt=jpeg,rgb,none,x',
      'fmt=j%20p',
    ],
    ...['quantize=grey', 'quantize=web,off,1', 'quantize=web,off,257', 'quantize=web,off,2,000000,111111,222222'],
    ...['quantize=mac&fmt=gif-alpha', 'quantize=web,off,9,red', 'xmpEmbed=2', 'printRes=0', 'icc=', 'icc=a,b'],
    ...['resMode=nearest', 'op_sharpen=2', 'op_usm=6', 'op_usm=1,251', 'op_usm=1,1,256', 'op_usm=1,1,1,2', 'op_usm='],
    ...['req=histogram', 'req=', 'cache=maybe', 'cache=on,off,on', 'bfc=1', 'network=', 'handler=a.b', 'handler='],
    ...['op_brightness=1', 'text=hello', 'textPs=x', 'template=a', 'mask=a', 'src=a', 'effect=1', 'colorize=1,2,3'],
    ...['blendMode=mult', 'opac=50', 'hide=1', 'perspective=1', 'clipPath=M', 'pos=1,1', 'origin=1,1', 'color=1,2,3'],
    ...['fit=fit&wid=5&req=tmb'],
  ])('%s is refused, by the name of its command', (query) => {
    const name = (query.split(/[=&]/)[0] ?? '').toLowerCase();
    expect(() => parse(query)).toThrow(refused(name === 'colorize' ? 'op_colorize' : name));
  });

  test('an error tells the value and what it may be', () => {
    expect(() => parse('qlt=101')).toThrow(
      expect.objectContaining({
        message: 'qlt must be a whole number from 1 to 100; got "101"',
        value: '101',
        limit: 'a whole number from 1 to 100',
      }),
    );
  });

  test('there is a row for each, by its name in lower case', () => {
    for (const name of COMMANDS.keys()) expect(name).toBe(name.toLowerCase());
    expect(COMMANDS.size).toBeGreaterThan(85);
  });
});

describe('texts in layers', () => {
  const macros = new Map([
    ['view', 'wid=100&fmt=png'],
    ['outer', '$VIEW$&$c=0,0,255'],
    ['early', '$late$'],
    ['late', 'wid=1'],
  ]);
  const joined = (before: string, query: string, after = '') =>
    parseModifiers(joinModifiers(before, query, after), defaultSettings, {
      macros,
      variables: new Map([['object', 'Folder/Image']]),
    });

  test('a later text overrides those before it, the last of one text counts', () => {
    expect(joined('wid=1&wid=2&hei=9', 'wid=3&wid=4').request.view).toMatchObject({ wid: 4, hei: 9 });
    expect(joined('wid=1', 'wid=3', 'wid=5').request.view.wid).toBe(5);
    expect(joined('', '', '').request).toEqual(defaultRequest);
    expect(joinModifiers('', 'wid=3', '')).toEqual(['wid=3']);
  });

  test('macros stand where they are called', () => {
    expect(joined('', '$view$&wid=480').request.view.wid).toBe(480);
    expect(joined('', 'wid=480&$view$').request.view.wid).toBe(100);
    expect(joined('$view$', 'wid=480').request).toMatchObject({ view: { wid: 480 }, output: { format: 'png' } });
    expect(joined('', 'wid=480', '$view$').request.view.wid).toBe(100);
  });

  test('macros call those before them only', () => {
    expect(joined('', '$outer$').request.view.wid).toBe(100);
    expect(() => joined('', '$early$')).toThrow(refused('$late$'));
    expect(() => joined('', '$nobody$')).toThrow(refused('$nobody$'));
  });

  test('definitions in macros and in earlier texts hold from there on', () => {
    expect(joined('', '$outer$&bgc=$c$').request.bgc.samples).toEqual([0, 0, 1]);
    expect(joined('$c=255,0,0', 'bgc=$c$').request.bgc.samples).toEqual([1, 0, 0]);
    expect(() => joined('bgc=$c$', '$c=255,0,0')).toThrow(refused('bgc'));
    expect(joined('defaultImage=$object$', '').delivery.defaultImage).toBe('Folder/Image');
    expect(joined('', '$object=b&defaultImage=$object$').delivery.defaultImage).toBe('b');
    expect(joined('', '$a=$b$&$b=x&id=$a$').delivery.id).toBe('$b$');
  });

  test('a layer ends where its text ends, its name stays', () => {
    expect(joined('layer=0,base&flip=ud', 'flip=lr').request).toMatchObject({ flip: 'lr', layer: { flip: 'ud' } });
    expect(joined('layer=0,base&flip=ud', 'layer=base&flip=lr').request).toMatchObject({
      flip: 'none',
      layer: { flip: 'lr' },
    });
  });

  test('brackets cannot reach from one text into the next', () => {
    expect(() => joined('imageSet={a', '}')).toThrow(refused('imageset'));
  });

  test('commands are told as they were understood', () => {
    expect(joined('layer=0&flip=ud', '$view$&.c&X=1&sharpen=1&$y=2&id=$y$').commands).toEqual([
      { name: 'flip', value: 'ud', segment: 'layer' },
      { name: 'wid', value: '100', segment: 'comp' },
      { name: 'fmt', value: 'png', segment: 'comp' },
      { name: 'op_sharpen', value: '1', segment: 'comp' },
      { name: 'id', value: '2', segment: 'comp' },
    ]);
  });
});

describe('canonical', () => {
  const same = (a: string, b: string) => expect(canonical(request(a))).toBe(canonical(request(b)));

  test('two spellings of one request are one line', () => {
    same('wid=200&hei=100', 'HEI=100&wid=%32%30%30');
    same('wid=200&fit=fit', 'wid=200');
    same('wid=9&wid=200.0', 'wid=2e2');
    same('rotate=370', 'rotate=10');
    same('rotate=90&anchor=1,2', 'rotate=-270');
    same('bgc=255,255,255', 'bgc=0xFFFFFF');
    same('id=5&cache=off&.comment', '');
    same('op_usm=0,5', '');
    same('fmt=jpg,rgb', 'fmt=JPEG,RGB');
    same('align=-0,0', '');
    same('scale=1&extend=0,0,0,0', 'cropN=0,0,1,1&extendN=0,0,0,0');
    same('crop=0,0,0,0', '');
    for (const other of ['crop=0,0,1,1', 'crop=1,0,0,0', 'cropN=0,0,1,0.5', 'scale=2', 'extend=0,0,0,1'])
      expect(canonical(request(other))).not.toBe(canonical(request('')));
    expect(canonical(request('wid=200'))).not.toBe(canonical(request('hei=200')));
  });

  test('does not depend on the order in which an object was made', () => {
    const { layer: l, ...rest } = request('wid=5');
    expect(canonical({ ...rest, layer: l })).toBe(canonical(request('wid=5')));
  });
});

describe('round trips', () => {
  const whole = fc.integer({ min: -5000, max: 5000 });
  const side = fc.integer({ min: 1, max: 5000 });

  test('what is written is what is read', () => {
    fc.assert(
      fc.property(
        fc.tuple(whole, whole, side, side),
        side,
        fc.double({ min: 0.001, max: 1000, noNaN: true }),
        (r, wid, scl) => {
          const [x, y, width, height] = r;
          const rgn = { x, y, width, height };
          expect(view(`rgn=${r.join()}&wid=${wid}&scl=${scl}`)).toMatchObject({ rgn, wid, scl });
          expect(view(`wid=${wid}&rect=${r.join('%2C')},${scl}`).rect).toEqual({ ...rgn, scale: scl });
        },
      ),
    );
  });

  test('the last of several counts', () => {
    fc.assert(
      fc.property(fc.array(side, { minLength: 1 }), (sides) => {
        expect(view(sides.map((wid) => `wid=${wid}`).join('&')).wid).toBe(sides.at(-1));
      }),
    );
  });
});

describe('nothing but errors of ours, whatever comes', () => {
  const attempt = (query: string): void => {
    try {
      canonical(request(query));
    } catch (error) {
      expect(error).toBeInstanceOf(PyramidionError);
      expect(['INVALID_REQUEST', 'LIMIT_EXCEEDED']).toContain((error as PyramidionError).code);
    }
  };

  test('any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), attempt), { numRuns: 2000 });
  });

  test('text that looks like a query', () => {
    const name = fc.constantFrom(...COMMANDS.keys(), 'layer', '$a', '$a$', '.', '');
    const item = fc.oneof(
      fc.constantFrom(
        '0',
        '1',
        '-1',
        '0.5',
        '1e9',
        'on',
        'off',
        'comp',
        '0xFF',
        'FF00FFk',
        '$a$',
        '%',
        '%00',
        '%C3%BC',
        '(',
        ')',
        '{',
        'is(',
        '',
        'rgb',
        '1e400',
        '5s',
      ),
      fc.integer().map(String),
      fc.string({ maxLength: 6 }),
    );
    const piece = fc.tuple(name, fc.array(item, { maxLength: 6 })).map(([key, items]) => `${key}=${items.join()}`);
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('&')),
        attempt,
      ),
      { numRuns: 5000 },
    );
  });
});

describe('icc', () => {
  const read = (text: string) => parseModifiers(`icc=${encodeURIComponent(text)}`).request.output.icc;

  test.each([
    ['sRGB', { profile: 'sRGB', intent: null, blackPointCompensation: null, dither: null }],
    [
      'Adobe RGB (1998),perceptual',
      { profile: 'Adobe RGB (1998)', intent: 'perceptual', blackPointCompensation: null, dither: null },
    ],
    ['cat/x,absolute,0', { profile: 'cat/x', intent: 'absolute', blackPointCompensation: false, dither: null }],
    [
      'a/b.icc,saturation,1,1',
      { profile: 'a/b.icc', intent: 'saturation', blackPointCompensation: true, dither: true },
    ],
    ['x,relative,1,0', { profile: 'x', intent: 'relative', blackPointCompensation: true, dither: false }],
    ['x,,0', { profile: 'x', intent: null, blackPointCompensation: false, dither: null }],
    ['x,,,1', { profile: 'x', intent: null, blackPointCompensation: null, dither: true }],
    ['x,Relative', { profile: 'x', intent: 'relative', blackPointCompensation: null, dither: null }],
  ])('%s', (text, request) => {
    expect(read(text)).toEqual(request);
  });

  test.each([
    '',
    ',relative',
    'x,colorimetric',
    'x,1',
    'x,relative,yes',
    'x,relative,1,2',
    'x,relative,1,1,1',
    'x\u0000y',
  ])('%j is INVALID_REQUEST, and names the command', (text) => {
    expect(() => read(text)).toThrowError(expect.objectContaining({ code: 'INVALID_REQUEST', option: 'icc' }));
  });
});
