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

type Text = fc.Arbitrary<string>;

/** One of these: words with a space between, and others. */
const pick = (words: string, ...others: readonly string[]): Text => fc.constantFrom(...words.split(' '), ...others);
/** One of several kinds, each as often as its weight says. */
const often = (...weighted: readonly (readonly [weight: number, arbitrary: Text])[]): Text =>
  fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const list = (item: Text, by: string, minLength: number, maxLength: number): Text =>
  fc.array(item, { minLength, maxLength }).map((parts) => parts.join(by));
const row = (...parts: readonly Text[]): Text => fc.tuple(...parts).map((all) => all.join(''));
const repeated = (part: Text, min: number, max: number): Text =>
  fc.tuple(part, fc.integer({ min, max })).map(([text, times]) => text.repeat(times));
const characters = (text: string, minLength: number, maxLength: number): Text =>
  fc.string({ unit: fc.constantFrom(...text), minLength, maxLength });
const byte = (min: number): fc.Arbitrary<number> => fc.integer({ min, max: 255 });

const number = often(
  [20, pick('1 16 40 100 200')],
  [4, pick('0 -1 -0 0.5 .5 1. 1e2 +5 201 1000 1e-3 -0.25 33.3 359.9 90')],
  [2, pick('2147483648 2147483649 -2147483648 1e9 1e308 1e400 1e-400 4294967296 999999')],
  [1, pick('NaN Infinity 0x10 1,5 ١ --1 1e e1 1.2.3 %31 %2B5 1%00 1_0', '', '1 2')],
);

const colour = often(
  [4, pick('ff0000 0,0,255 50 0x80 10,20,30,40k 0x10203040k 255,255,255,128 ffffff80 50,30g')],
  [1, pick('red ff fffffff 256,0,0 0x 1,2,3,4,5,6 -1,0,0 #ff0000 %23ff0000 50s 0x80gs')],
);

/** Values that a command takes, or nearly takes. */
const VALUES: Readonly<Record<string, Text>> = {
  wid: number,
  hei: number,
  scl: number,
  scale: number,
  res: number,
  rotate: number,
  printres: number,
  jpegsize: pick('0 1 4 50 0.01 -1 1e9 x'),
  qlt: pick('1 50 80 100 0 101 80,1 80,2 80,0,1 best'),
  fmt: often(
    [14, pick('jpeg jpg png png-alpha webp tif tiff,rgb,lzw jpeg,gray webp-alpha,,lossless')],
    [3, pick('gif png8 pjpeg gif-alpha png8-alpha avif tif,cmyk jpeg,cmyk tif-alpha JPEG')],
    [2, pick('bmp swf pdf svg heic jpeg, ,rgb png,cmyk tif,rgb,zip,8 constructor __proto__')],
  ),
  fit: pick('fit constrain,1 crop wrap stretch,1 hfit,1 vfit fit,2 none CROP,0', ''),
  align: pick('0,0 -1,1 0.5,-0.5 2,0 0 x,y'),
  crop: list(number, ',', 4, 4),
  cropn: list(pick('0 0.1 0.5 1 -1 2 1e9'), ',', 4, 4),
  extend: list(pick('0 1 -1 10 -100 2147483648'), ',', 3, 5),
  extendn: list(pick('0 0.1 -0.5 -1 1e9'), ',', 4, 4),
  rgn: list(number, ',', 3, 5),
  rect: list(number, ',', 4, 5),
  size: list(number, ',', 1, 3),
  sizen: list(number, ',', 2, 2),
  anchor: list(number, ',', 2, 2),
  anchorn: list(number, ',', 2, 3),
  flip: pick('lr ud lrud du', ''),
  bgc: colour,
  bgcolor: colour,
  icc: pick('sRGB AdobeRGB sRGB,absolute,1,0 missing ../x.icc a/../b.icc /x.icc profiles/p.icc shop/p sRGB,9'),
  iccembed: pick('0 1 true 2'),
  xmpembed: pick('0 1', ''),
  resmode: pick('bilin bicub sharp2 bisharp sharp nearest'),
  op_sharpen: pick('0 1 x'),
  op_usm: pick('1,1,0,0 5,250,255,1 0 0.5,1 6 1,251 1,1,1,1,1'),
  op_usmr: pick('1,1,0,0 0 -1 2,3,4'),
  quantize: pick('adaptive,diffuse,16 web mac,off adaptive,off,2,ff0000 adaptive,off,257 x web,off,2,1,2,3'),
  pscan: pick('auto 3 4 5 6'),
  dpr: pick('off on,2 on,1.5 on on,1e9 on,0'),
  cache: pick('on off validate update on,off off,off x on,validate'),
  bfc: pick('on off 1'),
  network: pick('on off x'),
  req: often(
    [6, pick('img tmb props imageprops exists userdata catalogprops ctx xmp resolve validate')],
    [4, pick('props,json imageprops,xml props,javascript userdata,xml,UTF-16 exists,json targets map')],
    [2, pick('set mask saveToFile message loadcache imageset,json mbrSet xlate nothing img,json', '')],
  ),
  handler: pick('call a.b a( %3Cscript%3E x1'),
  id: pick('1 %22%3E %E2%80%A8', '', 'a b'),
  defaultimage: pick('grey /grey ../secret missing shop/shoe %2e%2e/secret a?b /../secret', ''),
  layer: pick('0 comp 1 0,a a -1 comp,b 99999999999999999999 0,0 x,y,z'),
  message: pick('hello %0d%0aX:%20y', ''),
  src: often(
    [3, pick('grey is(grey?wid=10) is{grey?wid=10&hei=5} (grey?crop=0,0,5,5&op_usm=1) ir(x) ir{a&b=c}')],
    [2, pick('is( is{ is((((((a is(a)) {({})} is(a&b http://x/', `(${'('.repeat(40)}${')'.repeat(41)}`)],
  ),
};

/** Pieces that break things. */
const junk = often(
  [3, pick('% %2 %zz %% %u0041 %00 %0a %0d%0aSet-Cookie:%20a %7f %80 %ff%fe %c0%ae %ed%a0%80')],
  [2, pick('\xff \x80\x81 \xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80 \xed\xa0\x80 \xc0\xaf')],
  [2, pick('%F0%9F%98%80 %C3%A9 %E2%80%AE %EF%BB%BF %E2%80%A8 e%CC%81 %25 %2525 %252e')],
  [2, pick('( ) { } [ ] (( {{{ }{ $ $$ $$$ $object$ $x$ $$x$$ ; \' " <b> ` | ^ ~')],
  [1, pick('__proto__ constructor toString hasOwnProperty ../.. \\ // # javascript: #{7*7} {{7*7}} %s%n')],
  [2, characters('abcXYZ019._-', 1, 12)],
  [1, fc.string({ unit: byte(0x21).map((code) => String.fromCharCode(code)), maxLength: 20 })],
  [1, fc.string({ unit: byte(0).map((code) => `%${code.toString(16).padStart(2, '0')}`), maxLength: 8 })],
);

const spelled = (name: string): Text => {
  const encoded = `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`;
  return often([6, fc.constant(name)], [1, fc.constant(name.toUpperCase())], [1, fc.constant(encoded)]);
};

function commands({ macros }: Names): Text {
  const usual = Object.entries(VALUES).map(([name, value]) => row(spelled(name), fc.constant('='), value));
  return often(
    [28, pick('wid=40 hei=50 wid=100 wid=100&hei=60 scl=4 fmt=png qlt=70 wid=16&hei=16&fit=crop')],
    [8, fc.oneof(...usual)],
    [2, row(fc.constantFrom(...COMMANDS.keys(), 'layer'), fc.constant('='), junk)],
    [2, pick('$missing$ $thumb$= $$ $THUMB$ $%74humb$', ...macros.map((name) => `$${name}$`))],
    [2, pick('$x=40 $x=wid wid=$x$ $object=grey $x=$x$$x$ $a.b-c_d=1 $=1 $x $error.message=a $tag=a%0d%0ab')],
    [1, pick('.comment . a = == =x unknown=1 wid wid= wid==5 layer amp;wid=5 wid=5;hei=5', '')],
    [1, row(junk, fc.constant('='), junk)],
  );
}

const long = often(
  [3, repeated(pick('wid=1& $x=$x$$x$& a& .& $thumb$& src=is( ( %41 % $x$ , ö'), 10, 400)],
  [1, repeated(pick('wid=1& id= crop=1, ( $x=1& b'), 1000, 4000)],
  [1, row(fc.constant('id='), repeated(fc.constant('a'), 16_300, 17_000))],
);

function paths({ objects, catalogs }: Names): Text {
  const dots = '.. . %2e%2e %2E. .%2e %252e%252e ..%00 ... .... ..; ..\\ %5c.. %c0%ae%c0%ae ..%2f .git';
  const others = 'etc/passwd secret server.json %2fetc%2fpasswd C: file: con a,b a?b a%3fb a%2Cb %20 images';
  const element = often(
    [6, fc.constantFrom(...objects, ...catalogs)],
    [2, junk],
    [2, pick(dots)],
    [1, pick(others)],
    [1, characters('abcXYZ019._-', 1, 12)],
  );
  return often(
    [32, fc.constantFrom(...objects)],
    [4, row(fc.constantFrom(...catalogs), fc.constant('/'), fc.constantFrom(...objects))],
    [8, list(element, '/', 1, 5)],
    [1, list(element, '//', 1, 3)],
    [1, repeated(pick('a/ ../ shop/ %2f ./ x'), 5, 120)],
    [1, fc.constant('')],
  );
}

function targets(names: Names): Text {
  const command = commands(names);
  const query = often(
    [1, fc.constant('')],
    [36, list(command, '&', 1, 2)],
    [12, list(command, '&', 3, 5)],
    [2, list(command, '&', 6, 16)],
    [2, list(junk, '', 1, 6)],
    [1, row(long, command)],
    [1, fc.base64String({ maxLength: 60 })],
    [1, row(command, fc.constant('&'), characters('0123456789abcdef', 4, 4))],
  );
  const path = paths(names);
  const mark = fc.constant('?');
  const usual = row(fc.constant('/is/image/'), path, mark, query).map((text) => text.replace(/\?$/, ''));
  const near = '/is/content/ /is/image /is/imagex/ /is/ /is//image/ /IS/IMAGE/ /is/%69mage/ /is/cache/';
  const others =
    '/ /healthz /readyz /favicon.ico /dzi/grey.dzi /iiif/3/grey/info.json /is /is/image /is/image? /metricsx // /% /.. /is/image/..';
  return often(
    [64, usual],
    [2, row(fc.constant('/is/image//'), path, mark, query)],
    [2, row(fc.constant('/is/image/'), path, mark, query, mark, query)],
    [2, row(pick(near), path, mark, query)],
    [2, row(pick('/viewer/ /viewer/ /viewer/assets/ /viewer /viewer//'), path, mark, query)],
    [1, row(pick('http://localhost https://other:1 http://u:p@h HTTP://h'), usual)],
    [1, pick(others)],
    [1, row(pick('/ /healthz // /viewer'), junk)],
  );
}

/** Whoever waits for leave to send a body gets a reply instead, and the end of the connection. */
const WAITING = ['Expect: 100-continue', 'Expect: x'];

const HEADERS: readonly (readonly string[])[] = [
  ['Accept: image/avif;q=0.8, image/webp', 'Save-Data: on', 'Downlink: 0.3'],
  ...['If-None-Match: *', 'If-None-Match: "x", W/"', 'If-None-Match: ', 'If-Modified-Since: x', 'Accept: */*;q=x'].map(
    one,
  ),
  ...[
    'Range: bytes=0-0,1-',
    'X-Forwarded-For: 300.1.2.3',
    'Accept-Encoding: gzip',
    'Cookie: \xff\xfe',
    'Origin: null',
  ].map(one),
  ...['Referer: ..', 'Content-Type: nonsense', 'Upgrade: h2c', 'Connection: keep-alive, x', ...WAITING].map(one),
];

function one(line: string): readonly string[] {
  return [line];
}

/** Requests with such URLs, most of them GET. */
export function asks(names: Names): fc.Arbitrary<Ask> {
  const method = often(
    [36, fc.constant('GET')],
    [3, fc.constant('HEAD')],
    [1, pick('POST OPTIONS DELETE PUT PATCH TRACE PROPFIND PURGE LOCK SEARCH M-SEARCH')],
  );
  const headers = fc.oneof(
    { weight: 6, arbitrary: fc.constant<readonly string[]>([]) },
    { weight: 1, arbitrary: fc.constantFrom(...HEADERS) },
  );
  // Bytes that may not stand in a URL are refused by HTTP and end the connection: most of them are encoded.
  const isRaw = fc.integer({ min: 0, max: 9 }).map((number) => number === 0);
  return fc.tuple(method, targets(names), headers, isRaw).map(([word, written, lines, raw]) => {
    // What this file writes as one character up to U+00FF is one byte.
    const bytes = /[^\0-\xff]/.test(written) ? Buffer.from(written, 'utf8').toString('latin1') : written;
    const encoded = (unsafe: string) => `%${unsafe.charCodeAt(0).toString(16).padStart(2, '0')}`;
    const target = raw ? bytes : bytes.replaceAll(/[^!-~]/g, encoded);
    return { method: word, target, headers: lines, isAlone: /[^!-~]/.test(target) || WAITING.includes(lines[0] ?? '') };
  });
}
