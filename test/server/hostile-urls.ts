/** URLs that know the grammar of the protocol and do not mean well. */
import fc from 'fast-check';
import { COMMANDS } from '../../src/protocol/image-serving/commands.js';
import type { Ask } from './hostile.js';

/** What there is on the server that URLs may name. */
export interface Names {
  readonly objects: readonly string[];
  readonly catalogs: readonly string[];
  readonly macros: readonly string[];
}

const pick = <Value>(...values: readonly Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values);
/** Of these, each as often as its weight says. */
const often = (...weighted: readonly (readonly [weight: number, arbitrary: fc.Arbitrary<string>])[]) =>
  fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const joined = (arbitrary: fc.Arbitrary<string>, by: string, minLength: number, maxLength: number) =>
  fc.array(arbitrary, { minLength, maxLength }).map((parts) => parts.join(by));

const number = often(
  [16, pick('1', '2', '7', '16', '40', '64', '100', '150', '200')],
  [4, pick('0', '-1', '-0', '0.5', '.5', '1.', '1e2', '+5', '201', '1000', '1e-3', '-0.25', '33.3', '359.9', '90')],
  [2, pick('2147483648', '2147483649', '-2147483648', '1e9', '1e308', '1e400', '1e-400', '4294967296', '999999')],
  [1, pick('', 'NaN', 'Infinity', '0x10', '1,5', '١', '1 2', '--1', '1e', 'e1', '1.2.3', '%31', '%2B5', '1%00', '1_0')],
);

const colour = often(
  [4, pick('ff0000', '0,0,255', '50', '0x80', '10,20,30,40k', '0x10203040k', '255,255,255,128', 'ffffff80', '50,30g')],
  [1, pick('red', 'ff', 'fffffff', '256,0,0', '0x', '1,2,3,4,5,6', '-1,0,0', '#ff0000', '%23ff0000', '50s', '0x80gs')],
);

/** Values that a command takes, or nearly takes. */
const VALUES: Readonly<Record<string, fc.Arbitrary<string>>> = {
  wid: number,
  hei: number,
  scl: number,
  scale: number,
  res: number,
  rotate: number,
  printres: number,
  jpegsize: pick('0', '1', '4', '50', '0.01', '-1', '1e9', 'x'),
  qlt: pick('1', '50', '80', '100', '0', '101', '80,1', '80,2', '80,0,1', 'best'),
  fmt: often(
    [12, pick('jpeg', 'jpg', 'png', 'png-alpha', 'webp', 'tif', 'tiff,rgb,lzw', 'jpeg,gray', 'webp-alpha,,lossless')],
    [3, pick('gif', 'png8', 'pjpeg', 'gif-alpha', 'png8-alpha', 'avif', 'tif,cmyk', 'jpeg,cmyk', 'tif-alpha', 'JPEG')],
    [
      3,
      pick(
        'bmp',
        'swf',
        'pdf',
        'svg',
        'heic',
        'jpeg,',
        ',rgb',
        'png,cmyk',
        'tif,rgb,zip,8',
        'constructor',
        '__proto__',
      ),
    ],
  ),
  fit: pick('fit', 'constrain,1', 'crop', 'wrap', 'stretch,1', 'hfit,1', 'vfit', 'fit,2', 'none', '', 'CROP,0'),
  align: pick('0,0', '-1,1', '0.5,-0.5', '2,0', '0', 'x,y'),
  crop: joined(number, ',', 4, 4),
  cropn: joined(pick('0', '0.1', '0.5', '1', '-1', '2', '1e9'), ',', 4, 4),
  extend: joined(pick('0', '1', '-1', '10', '-100', '2147483648'), ',', 3, 5),
  extendn: joined(pick('0', '0.1', '-0.5', '-1', '1e9'), ',', 4, 4),
  rgn: joined(number, ',', 3, 5),
  rect: joined(number, ',', 4, 5),
  size: joined(number, ',', 1, 3),
  sizen: joined(number, ',', 2, 2),
  anchor: joined(number, ',', 2, 2),
  anchorn: joined(number, ',', 2, 3),
  flip: pick('lr', 'ud', 'lrud', 'du', ''),
  bgc: colour,
  bgcolor: colour,
  icc: pick(
    'sRGB',
    'AdobeRGB',
    'sRGB,absolute,1,0',
    'missing',
    '../x.icc',
    'a/../b.icc',
    '/x.icc',
    'profiles/p.icc',
    'shop/p',
    'sRGB,9',
  ),
  iccembed: pick('0', '1', 'true', '2'),
  xmpembed: pick('0', '1', ''),
  resmode: pick('bilin', 'bicub', 'sharp2', 'bisharp', 'sharp', 'nearest'),
  op_sharpen: pick('0', '1', 'x'),
  op_usm: pick('1,1,0,0', '5,250,255,1', '0', '0.5,1', '6', '1,251', '1,1,1,1,1'),
  op_usmr: pick('1,1,0,0', '0', '-1', '2,3,4'),
  quantize: pick(
    'adaptive,diffuse,16',
    'web',
    'mac,off',
    'adaptive,off,2,ff0000',
    'adaptive,off,257',
    'x',
    'web,off,2,1,2,3',
  ),
  pscan: pick('auto', '3', '4', '5', '6'),
  dpr: pick('off', 'on,2', 'on,1.5', 'on', 'on,1e9', 'on,0'),
  cache: pick('on', 'off', 'validate', 'update', 'on,off', 'off,off', 'x', 'on,validate'),
  bfc: pick('on', 'off', '1'),
  network: pick('on', 'off', 'x'),
  req: often(
    [
      6,
      pick(
        'img',
        'tmb',
        'props',
        'imageprops',
        'exists',
        'userdata',
        'catalogprops',
        'ctx',
        'xmp',
        'resolve',
        'validate',
      ),
    ],
    [
      4,
      pick('props,json', 'imageprops,xml', 'props,javascript', 'userdata,xml,UTF-16', 'exists,json', 'targets', 'map'),
    ],
    [
      2,
      pick(
        'set',
        'mask',
        'saveToFile',
        'message',
        'loadcache',
        'imageset,json',
        'mbrSet',
        'xlate',
        'nothing',
        'img,json',
        '',
      ),
    ],
  ),
  handler: pick('call', 'a.b', 'a(', '%3Cscript%3E', 'x1'),
  id: pick('1', 'a b', '%22%3E', '%E2%80%A8', ''),
  defaultimage: pick('grey', '/grey', '../secret', 'missing', '', 'shop/shoe', '%2e%2e/secret', 'a?b', '/../secret'),
  layer: pick('0', 'comp', '1', '0,a', 'a', '-1', 'comp,b', '99999999999999999999', '0,0', 'x,y,z'),
  message: pick('hello', '%0d%0aX: y', ''),
  src: often(
    [3, pick('grey', 'is(grey?wid=10)', 'is{grey?wid=10&hei=5}', '(grey?crop=0,0,5,5&op_usm=1)', 'ir(x)', 'ir{a&b=c}')],
    [
      2,
      pick('is(', 'is{', 'is((((((a', 'is(a))', '{({})}', `(${'('.repeat(40)}${')'.repeat(41)}`, 'is(a&b', 'http://x/'),
    ],
  ),
};

const letters = fc.string({ unit: pick(...'abcXYZ019._-'), minLength: 1, maxLength: 12 });
/** Pieces that break things. */
const junk = often(
  [
    3,
    pick(
      '%',
      '%2',
      '%zz',
      '%%',
      '%u0041',
      '%00',
      '%0a',
      '%0d%0aSet-Cookie:%20a',
      '%7f',
      '%80',
      '%ff%fe',
      '%c0%ae',
      '%ed%a0%80',
    ),
  ],
  [2, pick('\xff', '\x80\x81', '\xc3\xa9', '\xe2\x80\xa8', '\xf0\x9f\x98\x80', '\xed\xa0\x80', '\xc0\xaf')],
  [2, pick('%F0%9F%98%80', '%C3%A9', '%E2%80%AE', '%EF%BB%BF', '%E2%80%A8', 'e%CC%81', '%25', '%2525', '%252e')],
  [
    2,
    pick(
      '(',
      ')',
      '{',
      '}',
      '[',
      ']',
      '((',
      '{{{',
      '}{',
      '$',
      '$$',
      '$$$',
      '$object$',
      '$x$',
      '$$x$$',
      ';',
      "'",
      '"',
      '<b>',
      '`',
      '|',
      '^',
      '~',
    ),
  ],
  [
    1,
    pick(
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      '../..',
      '\\',
      '//',
      '#',
      'javascript:',
      '${7*7}',
      '{{7*7}}',
      '%s%n',
    ),
  ],
  [2, letters],
  [
    1,
    fc.string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 20 }),
  ],
  [
    1,
    fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => `%${code.toString(16).padStart(2, '0')}`),
      maxLength: 8,
    }),
  ],
);

const anyCase = (name: string): fc.Arbitrary<string> =>
  pick(name, name, name, name.toUpperCase(), `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`);

function commands({ macros }: Names): fc.Arbitrary<string> {
  const usual = Object.entries(VALUES).map(([name, value]) =>
    fc.tuple(anyCase(name), value).map(([a, b]) => `${a}=${b}`),
  );
  const any = fc.tuple(pick(...COMMANDS.keys(), 'layer'), junk).map(([a, b]) => `${a}=${b}`);
  return often(
    [
      10,
      pick(
        'wid=40',
        'wid=64',
        'hei=50',
        'wid=100',
        'wid=100&hei=60',
        'scl=4',
        'fmt=png',
        'qlt=70',
        'wid=16&hei=16&fit=crop',
      ),
    ],
    [9, fc.oneof(...usual)],
    [2, any],
    [2, pick(...macros.map((name) => `$${name}$`), '$missing$', '$thumb$=', '$$', '$THUMB$', '$%74humb$')],
    [
      2,
      pick(
        '$x=40',
        '$x=wid',
        'wid=$x$',
        '$object=grey',
        '$x=$x$$x$',
        '$a.b-c_d=1',
        '$=1',
        '$x',
        '$error.message=a',
        '$tag=a%0d%0ab',
      ),
    ],
    [
      1,
      pick(
        '.comment',
        '.',
        '',
        'a',
        '=',
        '==',
        '=x',
        'unknown=1',
        'wid',
        'wid=',
        'wid==5',
        'layer',
        'amp;wid=5',
        'wid=5;hei=5',
      ),
    ],
    [1, fc.tuple(junk, junk).map(([a, b]) => `${a}=${b}`)],
  );
}

const long = often(
  [
    3,
    fc
      .tuple(
        pick('wid=1&', '$x=$x$$x$&', 'a&', '.&', '$thumb$&', 'src=is(', '(', '%41', '%', '$x$', ',', 'ö'),
        fc.integer({ min: 10, max: 400 }),
      )
      .map(([part, times]) => part.repeat(times)),
  ],
  [
    1,
    fc
      .tuple(pick('wid=1&', 'id=', 'crop=1,', '(', '$x=1&', 'b'), fc.integer({ min: 1000, max: 4000 }))
      .map(([part, times]) => part.repeat(times)),
  ],
  [1, fc.integer({ min: 16_300, max: 17_000 }).map((length) => `id=${'a'.repeat(length)}`)],
);

function paths({ objects, catalogs }: Names): fc.Arbitrary<string> {
  const dots = pick(
    '..',
    '.',
    '%2e%2e',
    '%2E.',
    '.%2e',
    '%252e%252e',
    '..%00',
    '...',
    '....',
    '..;',
    '..\\',
    '%5c..',
    '%c0%ae%c0%ae',
    '..%2f',
    '.git',
  );
  const element = often(
    [6, pick(...objects, ...catalogs)],
    [2, junk],
    [2, dots],
    [
      1,
      pick(
        'etc/passwd',
        'secret',
        'server.json',
        '%2fetc%2fpasswd',
        'C:',
        'file:',
        'con',
        'a,b',
        'a?b',
        'a%3fb',
        'a%2Cb',
        '%20',
        'images',
      ),
    ],
    [1, letters],
  );
  return often(
    [24, pick(...objects)],
    [4, fc.tuple(pick(...catalogs), pick(...objects)).map((parts) => parts.join('/'))],
    [8, joined(element, '/', 1, 5)],
    [1, joined(element, '//', 1, 3)],
    [
      1,
      fc
        .tuple(pick('a/', '../', 'shop/', '%2f', './', 'x'), fc.integer({ min: 5, max: 120 }))
        .map(([part, times]) => part.repeat(times)),
    ],
    [1, pick('')],
  );
}

function targets(names: Names): fc.Arbitrary<string> {
  const query = often(
    [1, pick('')],
    [30, joined(commands(names), '&', 1, 2)],
    [12, joined(commands(names), '&', 3, 5)],
    [2, joined(commands(names), '&', 6, 16)],
    [2, joined(junk, '', 1, 6)],
    [1, fc.tuple(long, commands(names)).map(([a, b]) => a + b)],
    [1, fc.base64String({ maxLength: 60 })],
    [
      1,
      fc
        .tuple(commands(names), fc.string({ unit: pick(...'0123456789abcdef'), minLength: 4, maxLength: 4 }))
        .map((parts) => parts.join('&')),
    ],
  );
  const path = paths(names);
  const usual = fc.tuple(path, query).map(([a, b]) => `/is/image/${a}${b === '' ? '' : `?${b}`}`);
  return often(
    [60, usual],
    [2, fc.tuple(path, query).map(([a, b]) => `/is/image//${a}?${b}`)],
    [2, fc.tuple(path, query, query).map(([a, b, c]) => `/is/image/${a}?${b}?${c}`)],
    [
      2,
      fc
        .tuple(
          pick(
            '/is/content/',
            '/is/image',
            '/is/imagex/',
            '/is/',
            '/is//image/',
            '/IS/IMAGE/',
            '/is/%69mage/',
            '/is/cache/',
          ),
          path,
          query,
        )
        .map(([a, b, c]) => `${a}${b}?${c}`),
    ],
    [
      2,
      fc
        .tuple(pick('/viewer/', '/viewer/', '/viewer/assets/', '/viewer', '/viewer//'), path, query)
        .map(([a, b, c]) => `${a}${b}?${c}`),
    ],
    [
      1,
      fc.tuple(pick('http://localhost', 'https://other:1', 'http://u:p@h', 'HTTP://h'), usual).map(([a, b]) => a + b),
    ],
    [
      1,
      pick(
        '/',
        '/healthz',
        '/readyz',
        '/favicon.ico',
        '/dzi/grey.dzi',
        '/iiif/3/grey/info.json',
        '/is',
        '/is/image',
        '/is/image?',
        '/metricsx',
        '//',
        '/%',
        '/%2e%2e/',
        '/..',
        '/is/image/..',
      ),
    ],
    [1, fc.tuple(pick('/', '/healthz', '//', '/viewer'), junk).map((parts) => parts.join(''))],
  );
}

/** Whoever waits for leave to send a body gets a reply instead, and the end of the connection. */
const WAITING = 'Expect: 100-continue';

/** Requests with such URLs, most of them GET. */
export function asks(names: Names): fc.Arbitrary<Ask> {
  const method = often(
    [36, pick('GET')],
    [3, pick('HEAD')],
    [1, pick('POST', 'OPTIONS', 'DELETE', 'PUT', 'PATCH', 'TRACE', 'PROPFIND', 'PURGE', 'LOCK', 'SEARCH', 'M-SEARCH')],
  );
  const headers = fc.oneof(
    { weight: 12, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constant(['Accept: image/avif;q=0.8, image/webp', 'Save-Data: on', 'Downlink: 0.3']) },
    {
      weight: 1,
      arbitrary: pick(
        ...[
          'If-None-Match: *',
          'If-None-Match: "x", W/"',
          'If-Modified-Since: x',
          'Range: bytes=0-0,1-',
          'Accept: */*;q=x',
        ],
        ...['X-Forwarded-For: 300.1.2.3', 'Accept-Encoding: gzip', 'Cookie: \xff\xfe', WAITING, 'Origin: null'],
        ...[
          'If-None-Match: ',
          'Referer: ..',
          'Content-Type: nonsense',
          'Upgrade: h2c',
          'Connection: keep-alive, x',
          'Content-Length: 0',
        ],
      ).map((line) => [line]),
    },
  );
  // Bytes that may not stand in a URL are refused by HTTP and end the connection: most of them are encoded.
  const isRaw = pick(true, ...new Array<boolean>(9).fill(false));
  return fc.tuple(method, targets(names), headers, isRaw).map(([word, written, lines, raw]) => {
    // What this file writes as one character up to U+00FF is one byte.
    const bytes = /[^\0-\xff]/.test(written) ? Buffer.from(written, 'utf8').toString('latin1') : written;
    const encoded = (byte: string) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
    const target = raw ? bytes : bytes.replaceAll(/[^!-~]/g, encoded);
    return { method: word, target, headers: lines, isAlone: /[^!-~]/.test(target) || lines.includes(WAITING) };
  });
}
