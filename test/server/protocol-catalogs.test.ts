/** Catalogs from their files (§2, §3; attribute files, tables) over HTTP: which image an object is, and which commands count. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generatedProfile } from '../../src/colour/generated.js';
import { type Answer, cellsPng, decode, misplaced, picture, propertiesOf, type Served, serve } from './support.js';

/** Flat pictures, which are told by their colour. */
const COLOURS = {
  red: [255, 0, 0],
  green: [0, 255, 0],
  blue: [0, 0, 255],
  yellow: [255, 255, 0],
  gray: [128, 128, 128],
} as const;

type Colour = keyof typeof COLOURS;

const flat = (colour: Colour): Promise<Buffer> => picture(60, 40, 3, () => COLOURS[colour]);

type Rows = readonly (readonly string[])[];

/** Rows of a tab-separated table. */
const table = (...rows: Rows): string => rows.map((row) => `${row.join('\t')}\n`).join('');

/** The same in the encoding of files without a mark. */
const latin1 = (...rows: Rows): Buffer => Buffer.from(table(...rows), 'latin1');

let server: Served;
beforeAll(async () => {
  const red = await flat('red');
  const green = await flat('green');
  const blue = await flat('blue');
  const yellow = await flat('yellow');
  const gray = await flat('gray');
  server = await serve({
    pyramids: { 'goods/cells.tif': await cellsPng() },
    server: { roots: ['images', 'more'] },
    images: {
      'a.png': red,
      'plain.jpg': yellow,
      'plain.png': red,
      'no.png': gray,
      // The folder of a catalog's RootPath, and folders that are called as catalogs are.
      'goods/a.png': green,
      'goods/red.png': red,
      'goods/both.jpg': yellow,
      'goods/both.png': green,
      'goods/odd.jpg': yellow,
      'goods/backup/lost.png': yellow,
      'goods/summer/a.png': yellow,
      'shop/a.png': blue,
      'full/a.png': blue,
      'full/no.png': gray,
      '../more/only.png': yellow,
      '../more/a.png': blue,
      'content/dam/ship.png/jcr:content/renditions/cqdam.pyramid.tiff': red,
      'content/dam/ship.png/jcr:content/record.json': JSON.stringify({
        modifier: 'wid=33&fmt=png',
        expirationMs: 60_000,
      }),
    },
    catalogs: {
      'default.ini': [
        '# Everything that others inherit.',
        'CatalogFile = default.txt',
        'MacroFile = macros.txt',
        'ErrorDetail = 2',
        'DefaultImage = no.png',
      ].join('\n'),
      'default.txt': table(['Id', 'Path'], ['top', 'a.png'], ['shop/twice', 'plain.jpg']),
      'macros.txt': table(
        ['Name', 'Definition'],
        ['view', 'wid=40&fmt=png'],
        ['both', '$view$&hei=10'],
        ['early', '$late$'],
        ['late', 'wid=20'],
        ['vars', '$w=33'],
        ['fallback', 'defaultImage=backup/$object$.png'],
        ['house', 'wid=11'],
      ),
      'shop.ini': [
        'rootid = shop',
        'RootPath = goods',
        'CatalogFile = shop.txt, \\',
        '  more.txt',
        'MacroFile = shop-macros.txt',
        'IccProfileMapFile = profiles.txt',
        'DefaultExt = .png',
        'BkgColor = 00FF00',
        'Resolution = 100',
        'DefaultImage =',
        'JpegQuality = 90,1',
      ].join('\r\n'),
      'shop.txt': latin1(
        [
          'id',
          'path',
          '.note',
          'modifier',
          'postmodifier',
          'anchor',
          'resolution',
          'expiration',
          'userdata',
          'unknown',
        ],
        ['ring', 'a.png', 'not read', '', '', '', '', '', '', ''],
        // An id that is a path as well, and one with a slash in it.
        ['both.png', 'a.png', '', '', '', '', '', '', '', ''],
        ['rings/gold', 'red.png', '', '', '', '', '', '', '', ''],
        ['with space', 'a.png', '', '', '', '', '', '', '', ''],
        ['großer', 'a.png', '', '', '', '', '', '', '', ''],
        ['ranked', 'a.png', '', 'wid=30&hei=20&qlt=10', 'fmt=png', '', '', '', '', ''],
        ['calls', 'a.png', '', '$view$&$small=21', '', '', '', '', '', ''],
        ['lost', 'nowhere.png', '', '', '', '', '', '', '', ''],
        ['fine', 'cells.tif', '', '', '', '', '200', '', '', ''],
        ['coarse', 'cells.tif', '', '', '', '', '0', '', '', ''],
        ['pinned', 'cells.tif', '', '', '', '0,0', '', '', '', ''],
        ['quoted', 'a.png', '', '', '', '', '', '', '"a=""1""\tx??b=2"', ''],
        ['again', 'both.jpg', '', '', '', '', '', '', '', ''],
      ),
      'more.txt': table(['Id', 'Path', 'UserData'], ['again', 'a.png', 'later']),
      'shop-macros.txt': table(['Name', 'Definition'], ['house', 'wid=22']),
      'profiles.txt': table(['Name', 'ProfilePath'], ['house', 'icc/house.icc']),
      'icc/house.icc': generatedProfile('AdobeRGB'),
      'summer.ini': 'RootId = shop/summer\nRootPath = goods/summer\nFullMatch = 0\n',
      'full.ini': [
        'RootId = full',
        'RootPath = goods',
        'FullMatch = 1',
        'MaxPix = 50,50',
        'Expiration = 1',
        'CatalogFile = full.txt',
      ].join('\n'),
      'full.txt': table(['Id', 'Path'], ['rec', 'a.png']),
      'strict.ini': 'RootId = strict\nRootPath = goods\nAllowDirectAccess = exclude:IS\nCatalogFile = full.txt\n',
      'utf8.ini': 'RootId = utf8\nCatalogFile = utf8.txt\n',
      'utf8.txt': `\ufeff${table(['Id', 'Path'], ['日本', 'a.png'])}`,
      'instead.ini': 'RootId = instead\nDefaultImageMode = 1\nDefaultExpiration = 0.5\nCatalogFile = instead.txt\n',
      'instead.txt': table(
        ['Id', 'Path', 'Expiration', 'Modifier'],
        ['no.png', 'no.png', '', 'qlt=30'],
        ['kept', 'no.png', '2', ''],
      ),
    },
    presets: {
      card: { width: 50, height: 30, format: 'png' },
      text: 'wid=44&fmt=png',
    },
  });
});
afterAll(() => server?.close());

const get = (target: string): Promise<Answer> => server.ask(`/is/image/${target}`);

/** The colour of a picture in its middle; the status where there is none. */
async function seen(target: string): Promise<Colour | number> {
  const { status, body } = await get(`${target}${target.includes('?') ? '&' : '?'}fmt=png`);
  if (status !== 200) return status;
  const { width, height, at } = await decode(body);
  const pixel = at(width >> 1, height >> 1);
  const [name] =
    Object.entries(COLOURS).find(([, colour]) => colour.every((value, i) => Math.abs(value - (pixel[i] ?? 0)) < 3)) ??
    [];
  return (name ?? 0) as Colour | number;
}

async function size(target: string): Promise<string> {
  const { status, headers, body, text } = await get(target);
  if (status !== 200) return text;
  const { width, height } = await decode(body);
  return `${width}x${height} ${headers['content-type']}`;
}

describe('objects', () => {
  test.each<[what: string, target: string, expected: Colour | number]>([
    ['a path of the default catalog', 'a.png', 'red'],
    ['a record of it', 'top', 'red'],
    ['a record of it whose id looks like another catalog’s', '/shop/twice', 'yellow'],
    ['a record of another catalog', 'shop/ring', 'green'],
    ['a path below its RootPath', 'shop/a.png', 'green'],
    ['a record comes before a path of that name', 'shop/both.png', 'green'],
    ['an id with a slash', 'shop/rings/gold', 'red'],
    ['an id with a space', 'shop/with%20space', 'green'],
    ['an id in the encoding of the file (Latin-1)', 'shop/gro%C3%9Fer', 'green'],
    ['an id in the encoding of the file (UTF-8 with its mark)', 'utf8/%E6%97%A5%E6%9C%AC', 'red'],
    ['of two rows of an id the last counts', 'shop/again', 'green'],
    ['the longest RootId that fits', 'shop/summer/a.png', 'yellow'],
    ['ids of catalogs are told apart by case', 'Shop/ring', 'gray'],
    ['ids of records, too', 'shop/Ring', 403],
    ['a record of another catalog, named within one', 'shop/full/rec', 'green'],
    ['a path of another catalog, named within one', 'full/shop/a.png?wid=30', 'green'],
    ['a leading slash asks the default catalog', '/a.png', 'red'],
    ['which finds records of the others by their whole name', '/shop/ring', 'green'],
    ['FullMatch=1: the id stays in the path, and the RootPath does not', 'full/a.png', 'blue'],
    ['FullMatch=1: records are records', 'full/rec?wid=30', 'green'],
    ['DefaultExt for a path without a suffix', 'shop/both', 'green'],
    ['else the suffixes of images, in their order', 'plain', 'yellow'],
    ['DefaultExt comes first, and not alone', 'shop/odd', 'yellow'],
    ['AllowDirectAccess: a record', 'strict/rec', 'green'],
    ['AllowDirectAccess: a path', 'strict/a.png', 403],
    ['the first root that has it', 'a.png', 'red'],
    ['the second root, where the first has not', 'only.png', 'yellow'],
    ['an asset of the repository', 'content/dam/ship.png', 'red'],
  ])('%s: %s is %s', async (_, target, expected) => {
    expect(await seen(target)).toBe(expected);
  });

  test('FullMatch=1: attributes are those of the default catalog', async () => {
    expect(await size('full/a.png?wid=60&fmt=png')).toBe('60x40 image/png');
    expect(await size('full/rec?wid=60&fmt=png')).toMatch(/^Image size limit exceeded/);
    expect((await get('full/a.png?wid=20')).headers['cache-control']).toBe('public, max-age=36000');
    expect((await get('full/rec?wid=20')).headers['cache-control']).toBe('public, max-age=3600');
  });

  test('the catalog of the object says how long it is kept, that of the request how it looks', async () => {
    const { headers, body } = await get('shop/full/rec?wid=100&hei=100&fmt=png');
    expect(headers['cache-control']).toBe('public, max-age=3600');
    expect((await decode(body)).at(50, 5)).toEqual(COLOURS.green);
  });

  test('the record of an asset of the repository', async () => {
    expect(await size('content/dam/ship.png')).toBe('33x22 image/png');
    expect((await get('content/dam/ship.png')).headers['cache-control']).toBe('public, max-age=60');
  });
});

describe('attributes and fields', () => {
  test('its own attributes, and inherited ones', async () => {
    expect(propertiesOf(await get('shop?req=catalogprops'))).toMatchObject({
      'catalog.bkgColor': '00FF00',
      'catalog.defaultExt': '.png',
      'catalog.resolution': '100',
      'catalog.jpegQuality': '90,1',
      'catalog.maxPix': '2000,2000',
    });
  });

  test('the colour of the background', async () => {
    const { at } = await decode((await get('shop/a.png?wid=60&hei=100&fmt=png')).body);
    expect(at(30, 5)).toEqual(COLOURS.green);
  });

  test.each([
    ['fine', 0.25],
    ['coarse', 0.5],
    ['pinned', 0.5],
  ])('resolution of %s: res=50 is scale %d', async (id, scale) => {
    const pixels = await decode((await get(`shop/${id}?res=50&scl=1&fmt=png`)).body);
    expect([pixels.width, misplaced(pixels, { scale: [scale, scale], corner: [0, 0] })]).toEqual([1000 * scale, []]);
  });

  test('the anchor is what a picture turns about', async () => {
    const [pinned, said, centred] = await Promise.all(
      ['shop/pinned?', 'shop/coarse?anchor=0,0&', 'shop/coarse?'].map((start) =>
        get(`${start}rotate=30&scl=2&fmt=png`),
      ),
    );
    expect(pinned?.headers.etag).toBe(said?.headers.etag);
    expect(pinned?.headers.etag).not.toBe(centred?.headers.etag);
  });

  test('quoted cells', async () => {
    expect((await get('shop/quoted?req=userdata')).text).toBe('a="1"\tx\r\nb=2\r\n');
    expect((await get('shop/again?req=userdata')).text).toBe('later\r\n');
  });

  test('profiles by the names of a map', async () => {
    const { at } = await decode((await get('shop/rings/gold?icc=house&fmt=png')).body);
    expect(at(5, 5)[0]).toBeCloseTo(219, -1);
    expect((await get('a.png?icc=house')).status).toBe(403);
  });
});

describe('which commands count', () => {
  test('Modifier, then the URL, then PostModifier', async () => {
    expect(await size('shop/ranked')).toBe('30x20 image/png');
    expect(await size('shop/ranked?wid=15&fmt=jpeg')).toBe('15x20 image/png');
    const props = propertiesOf(await get('shop/ranked?qlt=77&req=props'));
    expect([props['image.quality'], props['image.type']]).toEqual(['77', 'image/png']);
    expect(propertiesOf(await get('shop/ranked?req=props'))['image.quality']).toBe('10');
  });

  test('of several in one, the last', async () => {
    expect(await size('a.png?wid=10&fmt=png&wid=30&wid=20')).toBe('20x13 image/png');
  });

  test('macros are where they are called', async () => {
    expect(await size('a.png?$view$&wid=48')).toBe('48x32 image/png');
    expect(await size('a.png?wid=48&$view$')).toBe('40x27 image/png');
    expect(await size('a.png?$VIEW$')).toBe('40x27 image/png');
  });

  test('macros within macros, defined before', async () => {
    expect(await size('a.png?$both$')).toBe('40x10 image/png');
    expect(await size('a.png?$early$')).toBe(
      'Invalid request: $late$ must be a macro that is defined; got "late": a.png',
    );
  });

  test('a catalog’s macros, and those of the default one', async () => {
    expect(await size('a.png?$house$&fmt=png')).toBe('11x7 image/png');
    expect(await size('shop/a.png?$house$&fmt=png')).toBe('22x15 image/png');
    expect(await size('shop/a.png?$view$')).toBe('40x27 image/png');
  });

  test('image presets are macros', async () => {
    expect(await size('a.png?$card$')).toBe('50x30 image/png');
    expect(await size('a.png?$card$&wid=45&hei=')).toMatch(/^Invalid request: hei/);
    expect(await size('shop/a.png?$text$&wid=30')).toBe('30x20 image/png');
    expect(await size('shop/a.png?wid=30&$text$')).toBe('44x29 image/png');
  });

  test('variables', async () => {
    expect(await size('a.png?$w=30&wid=$w$&fmt=png')).toBe('30x20 image/png');
    expect(await size('a.png?$w=30&$w=20&wid=$W$&fmt=png')).toBe('20x13 image/png');
    expect(await size('a.png?wid=$w$&$w=30')).toContain('wid must be a whole number above 0; got "$w$"');
    expect(await size('a.png?$vars$&wid=$w$&fmt=png')).toBe('33x22 image/png');
    // One pass: what is put in is not looked at again.
    expect(await size('a.png?$x=30&$y=$x$&$x=20&wid=$y$&fmt=png')).toBe('30x20 image/png');
    expect(await size('shop/calls?hei=$small$')).toBe('40x21 image/png');
  });

  test('$object$ is the object of the URL, unless it is said to be another', async () => {
    expect(await seen('shop/lost?$fallback$')).toBe('yellow');
    expect(await seen('shop/lost?$fallback$&wid=10')).toBe('yellow');
    expect(await seen('shop/gone?$fallback$')).toBe(403);
    expect(await seen('shop/gone?$object=lost&$fallback$')).toBe('yellow');
  });
});

describe('default images', () => {
  test('mode 0: size and format of the request, and nothing else', async () => {
    const query = 'wid=50&hei=30&fmt=png&qlt=50';
    const expected = await get(`no.png?${query}`);
    for (const rest of ['', '&rotate=90', '&crop=0,0,10,10&bgc=ff0000&fit=crop', '&flip=lr&op_usm=1,1']) {
      const { status, body } = await get(`nothing.png?${query}${rest}`);
      expect([status, body.equals(expected.body)]).toEqual([200, true]);
    }
  });

  test('mode 1: all of the request', async () => {
    const query = 'wid=30&rotate=90&fmt=png&hei=50&bgc=ff0000&fit=fit';
    const [instead, expected, other] = await Promise.all(
      ['instead/nothing.png', 'instead/no.png', 'nothing.png'].map((object) => get(`${object}?${query}`)),
    );
    expect(instead?.headers.etag).toBe(expected?.headers.etag);
    expect(instead?.headers.etag).not.toBe(other?.headers.etag);
  });

  test('thumbnails stay thumbnails', async () => {
    const [instead, expected] = await Promise.all(
      ['nothing.png', 'no.png'].map((object) => get(`${object}?req=tmb&fmt=png`)),
    );
    expect([instead?.status, instead?.headers.etag]).toEqual([200, expected?.headers.etag]);
  });

  test.each<[target: string, expected: Colour | number]>([
    ['nothing.png?defaultImage=a.png', 'red'],
    ['nothing.png?defaultImage=', 403],
    ['nothing.png?defaultImage=nothing-either.png', 403],
    ['nothing.png?req=props', 403],
    // `DefaultImage` is there and empty.
    ['shop/nothing.png', 403],
    ['shop/nothing.png?defaultImage=a.png', 'green'],
    ['shop/nothing.png?defaultImage=/a.png', 'red'],
    ['shop/lost?defaultImage=ring', 'green'],
    ['full/nothing.png', 'gray'],
  ])('%s is %s', async (target, expected) => {
    expect(await seen(target)).toBe(expected);
  });

  test('are kept as long as DefaultExpiration says, or their own record', async () => {
    const keeping = async (target: string) => (await get(target)).headers['cache-control'];
    expect(await keeping('nothing.png')).toBe('public, max-age=3600');
    expect(await keeping('instead/nothing.png')).toBe('public, max-age=1800');
    expect(await keeping('instead/nothing.png?defaultImage=kept')).toBe('public, max-age=7200');
  });
});

describe('req=resolve', () => {
  test.each([
    'a.png?$view$&wid=48',
    'top?wid=20&wid=30',
    'shop/ranked?wid=15&fmt=jpeg',
    'shop/calls?hei=$small$&bgc=255,0,0',
    'shop/fine?layer=0&res=50&flip=ud&layer=comp&flip=lr&wid=100&rotate=30',
    '/shop/ring?wid=60&hei=60',
    'full/a.png?wid=60',
    'full/rec?wid=40',
    'shop/full/rec?wid=40&hei=50',
    'shop/with%20space?wid=20&.comment&unknown=1',
  ])('%s comes to a request for the same picture', async (target) => {
    const { text, status } = await get(`${target}&req=resolve`);
    expect([status, text.replaceAll(/\$(?!object)/g, '')]).toEqual([200, text]);
    const [asked, resolved] = [await get(target), await get(text)];
    expect([asked.status, resolved.status]).toEqual([200, 200]);
    expect(resolved.headers.etag).toBe(asked.headers.etag);
    expect(resolved.headers['cache-control']).toBe(asked.headers['cache-control']);
  });
});
