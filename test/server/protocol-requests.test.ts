/** Every type of request of the protocol (§9) over HTTP: its answer, its forms, and how long clients may keep it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { REQUEST_TYPES } from '../../src/protocol/image-serving/commands.js';
import {
  type Answer,
  cellsPng,
  decode,
  markdown,
  misplaced,
  picture,
  propertiesOf,
  type Served,
  serve,
} from './support.js';

const XMP =
  '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>';
const ANALYTICS = 'conf/global/settings/dam/dm/presets/analytics';

const CATALOG = [
  'Id\tPath\tModifier\tPostModifier\tAnchor\tResolution\tPrintResolution\tTimeStamp\tUserData\tImageSet\tMap\tTargets\tThumbType',
  'ship\tcells.tif\twid=400\tqlt=70\t100,50\t144\t300\t1700000000000\tname=Ship??length=12\ta;b\t<AREA>\tTarget.1.rect=1,2,3,4\t1',
  'odd\tcells.tif\t\t\t\t\t\t\tjust text\t\t\t\t',
  'later\tcells.tif\top_contrast=5&wid=400\t\t\t\t\t\ta=1\t\t\t\t',
  'gone\tnowhere.tif\t\t\t\t\t\t\t\t\t\t\t',
].join('\n');

let server: Served;
beforeAll(async () => {
  const red = await picture(60, 40, 3, () => [255, 0, 0]);
  server = await serve({
    pyramids: { 'cells.tif': await cellsPng() },
    images: {
      'tagged.jpg': await sharp(red).withXmp(XMP).withMetadata({ density: 300 }).jpeg().toBuffer(),
      'alpha.png': await picture(60, 40, 4, () => [255, 0, 0, 100]),
      [`${ANALYTICS}/record.json`]: JSON.stringify({ userData: 'rsid=acme??server=example.com' }),
    },
    catalogs: {
      'default.ini': 'ErrorDetail = 2\n',
      'shop.ini':
        'RootId = shop\nCatalogFile = shop.txt\nMaxPix = 1500,1200\nBkgColor = 102030\nExpiration = 2\nPublishInfo = spring\n',
      'shop.txt': CATALOG,
      'tiny.ini': 'RootId = tiny\nMaxPix = 100,100\n',
    },
    presets: { small: 'wid=80&fmt=png' },
  });
});
afterAll(() => server?.close());

const TEXT = 'text/plain; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const XML = 'text/xml; charset=utf-8';
/** `max-age` by where it comes from. */
const CATALOG_TTL = 'public, max-age=36000';
const SHOP_TTL = 'public, max-age=7200';
const NON_IMG = 'public, max-age=360';
const NONE = 'no-cache';

interface Row {
  readonly type: string;
  readonly target: string;
  readonly status?: number;
  readonly mediaType: string;
  readonly keeping: string;
  readonly shows: string;
  readonly check: (answer: Answer) => void | Promise<void>;
}

/** One that there is none of. */
const absent = (type: string): Row => ({
  type,
  target: `cells.tif?req=${type}`,
  status: 403,
  mediaType: TEXT,
  keeping: 'no-store',
  shows: 'refused by its name',
  check: ({ text }) => expect(text).toMatch(/^Invalid request: req .*(?:is not supported|img, tmb)/),
});

const ROWS: readonly Row[] = [
  {
    type: 'img',
    target: 'cells.tif?req=img&wid=200&fmt=png',
    mediaType: 'image/png',
    keeping: CATALOG_TTL,
    shows: 'the picture',
    check: async ({ body }) => expect(misplaced(await decode(body), { scale: [0.2, 0.2], corner: [0, 0] })).toEqual([]),
  },
  {
    type: 'tmb',
    target: 'cells.tif?req=tmb&fmt=png',
    mediaType: 'image/png',
    keeping: CATALOG_TTL,
    shows: '100 × 100, the picture within it at 0, 20',
    check: async ({ body }) => {
      const pixels = await decode(body);
      expect([pixels.width, pixels.height]).toEqual([100, 100]);
      expect(misplaced(pixels, { scale: [0.1, 0.1], corner: [0, 20] })).toEqual([]);
    },
  },
  absent('mask'),
  {
    type: 'props',
    target: 'cells.tif?wid=200&qlt=60&req=props',
    mediaType: TEXT,
    keeping: NON_IMG,
    shows: 'size, type and quality of the reply',
    check: (answer) =>
      expect(propertiesOf(answer)).toEqual({
        'image.bgc': 'FFFFFF',
        'image.height': '120',
        'image.iccEmbed': '0',
        'image.iccProfile': expect.stringContaining('sRGB'),
        'image.length': '0',
        'image.mask': '0',
        'image.pathEmbed': '0',
        'image.pixTyp': 'RGB',
        // What the file says: a pixel a millimetre.
        'image.printRes': '25.4',
        'image.quality': '60',
        'image.type': 'image/jpeg',
        'image.version': expect.stringMatching(/^[\w-]{22}$/),
        'image.width': '200',
        'image.xmpEmbed': '0',
        'metadata.version': expect.stringMatching(/^[\w-]{22}$/),
      }),
  },
  {
    type: 'imageprops',
    target: 'shop/ship?req=imageprops',
    mediaType: TEXT,
    keeping: NON_IMG,
    shows: 'size of the source, and what its record says',
    check: (answer) =>
      expect(propertiesOf(answer)).toEqual({
        'image.anchor': '100,50',
        'image.embeddedIccProfile': '0',
        'image.embeddedPhotoshopPaths': '0',
        'image.embeddedXmpData': '0',
        'image.expiration': '2',
        'image.height': '600',
        'image.iccProfile': expect.any(String),
        'image.mask': '0',
        'image.modifier': 'wid=400',
        'image.photoshopPathNames': '',
        'image.pixTyp': 'RGB',
        'image.postModifier': 'qlt=70',
        'image.printRes': '300',
        'image.resolution': '144',
        'image.thumbRes': '72',
        'image.thumbType': '1',
        'image.timeStamp': '1700000000000',
        'image.translatedId': 'ship',
        'image.width': '1000',
      }),
  },
  {
    type: 'exists',
    target: 'cells.tif?req=exists',
    mediaType: TEXT,
    keeping: NON_IMG,
    shows: '1; 0 for what is not there',
    check: async (answer) => {
      expect(propertiesOf(answer)).toEqual({ 'catalogRecord.exists': '1' });
      expect(propertiesOf(await get('nothing?req=exists'))).toEqual({ 'catalogRecord.exists': '0' });
    },
  },
  {
    type: 'userdata',
    target: 'shop/ship?req=userdata',
    mediaType: TEXT,
    keeping: SHOP_TTL,
    shows: 'the lines as written, with CR LF',
    check: ({ text }) => expect(text).toBe('name=Ship\r\nlength=12\r\n'),
  },
  {
    type: 'catalogprops',
    target: 'shop?req=catalogprops',
    mediaType: TEXT,
    keeping: NON_IMG,
    shows: 'attributes of the catalog, its own and inherited ones',
    check: (answer) =>
      expect(propertiesOf(answer)).toEqual({
        'catalog.bkgColor': '102030',
        'catalog.defaultExpiration': '1',
        'catalog.defaultExt': '',
        'catalog.defaultPix': '300,300',
        'catalog.defaultThumbPix': '100,100',
        'catalog.expiration': '2',
        'catalog.fileTime': expect.stringMatching(/^\d{13}$/),
        'catalog.jpegQuality': '80,0',
        'catalog.maxPix': '1500,1200',
        'catalog.nonImgExpiration': '0.1',
        'catalog.printResolution': '72',
        'catalog.publishInfo': 'spring',
        'catalog.resMode': '4',
        'catalog.resolution': '72',
        'catalog.thumbBkgColor': 'FFFFFF',
        'catalog.thumbHorizAlign': '2',
        'catalog.thumbRes': '72',
        'catalog.thumbType': '2',
        'catalog.thumbVertAlign': '2',
        'catalog.thumbnailTime': '1%,11%,21%,31%,41%,51%,61%,71%,81%,91%',
        'catalog.watermark': '',
      }),
  },
  {
    type: 'ctx',
    target: 'cells.tif?req=ctx',
    mediaType: SCRIPT,
    keeping: NON_IMG,
    shows: 'rectangle and versions, as zoom viewers read them',
    check: ({ text }) =>
      expect(text).toMatch(
        /^\/\*jsonp\*\/s7jsonResponse\(\{"image\.rect":"0,0,1000,600","image\.version":"[\w-]{22}","metadata\.version":"[\w-]{22}"\},""\);$/,
      ),
  },
  {
    type: 'xmp',
    target: 'tagged.jpg?req=xmp',
    mediaType: XML,
    keeping: CATALOG_TTL,
    shows: 'the packet of the source',
    check: ({ text }) => expect(text).toContain(XMP),
  },
  {
    type: 'loadcache',
    target: 'cells.tif?wid=210&req=loadcache',
    mediaType: TEXT,
    keeping: NONE,
    shows: 'the length of the picture, which then is in the cache',
    check: async (answer) => {
      const { 'image.length': length } = propertiesOf(answer);
      expect(propertiesOf(await get('cells.tif?wid=210&req=props'))['image.length']).toBe(length);
      expect((await get('cells.tif?wid=210')).headers['content-length']).toBe(length);
    },
  },
  {
    type: 'resolve',
    target: 'shop/ship?$w=120&$small$&wid=$w$&.note&req=resolve',
    mediaType: TEXT,
    keeping: NONE,
    shows: 'a request for the same picture that calls nothing',
    check: async ({ text }) => {
      expect(text).toBe('shop/ship?fmt=png&wid=120&qlt=70');
      const [asked, resolved] = [await get('shop/ship?$w=120&$small$&wid=$w$'), await get(text)];
      expect([asked.status, resolved.headers.etag]).toEqual([200, asked.headers.etag]);
    },
  },
  {
    type: 'validate',
    target: 'nothing?wid=200&req=validate',
    mediaType: TEXT,
    keeping: NONE,
    shows: 'well formed, whatever the object; else an error',
    check: async (answer) => {
      expect(propertiesOf(answer)).toEqual({ 'request.isValid': '1' });
      expect((await get('cells.tif?wid=none&req=validate')).status).toBe(403);
    },
  },
  {
    type: 'message',
    target: 'cells.tif?req=message&message=hello%20there',
    mediaType: TEXT,
    keeping: NONE,
    shows: 'nothing; the text is in the server log',
    check: async ({ text }) => {
      expect(text).toBe('');
      await vi.waitFor(async () => expect(await serverLog()).toContain('hello there'));
    },
  },
  absent('saveToFile'),
  {
    type: 'map',
    target: 'shop/ship?req=map',
    mediaType: TEXT,
    keeping: SHOP_TTL,
    shows: 'the record’s field',
    check: ({ text }) => expect(text).toBe('<AREA>\r\n'),
  },
  {
    type: 'targets',
    target: 'shop/ship?req=targets',
    mediaType: TEXT,
    keeping: SHOP_TTL,
    shows: 'the record’s field',
    check: ({ text }) => expect(text).toBe('Target.1.rect=1,2,3,4\r\n'),
  },
  {
    type: 'imageset',
    target: 'shop/ship?req=imageset',
    mediaType: TEXT,
    keeping: NON_IMG,
    shows: 'the record’s field',
    check: ({ text }) => expect(text).toBe('a;b\r\n'),
  },
  absent('set'),
  absent('mbrSet'),
  absent('xlate'),
  absent('histogram'),
];

const get = (target: string): Promise<Answer> => server.ask(`/is/image/${target}`);

async function serverLog(): Promise<string> {
  const folder = join(server.folder, 'logs');
  const names = (await readdir(folder)).filter((name) => name.startsWith('ImageServer'));
  return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('');
}

test('the table has every type there is, and one that is none', () => {
  expect(ROWS.map(({ type }) => type)).toEqual([...REQUEST_TYPES, 'histogram']);
});

const results: string[][] = [];
afterAll(() => {
  console.log(markdown(['`req=`', 'Request `/is/image/…`', 'Reply', '`Cache-Control`', 'What it is'], results));
});

test.each(ROWS)('$type: $target', async (row) => {
  const answer = await get(row.target);
  const { status, headers } = answer;
  expect({ status, type: headers['content-type'], keeping: headers['cache-control'] }).toEqual({
    status: row.status ?? 200,
    type: row.mediaType,
    keeping: row.keeping,
  });
  expect(headers['content-length']).toBe(String(answer.body.length));
  await row.check(answer);
  const mediaType = row.mediaType.replace(/;.*/, '');
  results.push([`\`${row.type}\``, `\`${row.target}\``, `${status}, ${mediaType}`, `\`${row.keeping}\``, row.shows]);
});

describe('forms of properties', () => {
  test('text: a head with the date, then names in order', async () => {
    const { text } = await get('cells.tif?req=exists,text');
    const [first, date = '', ...rest] = text.split('\n');
    expect([first, rest]).toEqual(['#S7Z OK', ['catalogRecord.exists=1', '']]);
    expect(date).toMatch(/^#(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d GMT \d{4}$/);
  });

  test('javascript', async () => {
    const { text, headers } = await get('shop?req=catalogprops,javascript');
    expect(headers['content-type']).toBe(SCRIPT);
    expect(text).toContain("catalog.defaultPix='300,300'\ncatalog.defaultThumbPix='100,100'\n");
  });

  test('xml', async () => {
    const { text, headers } = await get('cells.tif?req=exists,xml');
    expect(headers['content-type']).toBe(XML);
    expect(text).toBe(
      '<?xml version="1.0" encoding="UTF-8"?><prop-group><prop-group name="catalogRecord"><property name="exists" value="1"/></prop-group></prop-group>',
    );
  });

  test('json, with a handler and an id', async () => {
    const { text, headers } = await get('cells.tif?req=exists,json&id=7&handler=h1');
    expect(headers['content-type']).toBe(SCRIPT);
    expect(text).toBe('/*jsonp*/h1({"catalogRecord.exists":"1"},"7");');
  });

  test('a word that is no form is an error', async () => {
    expect((await get('cells.tif?req=exists,yaml')).status).toBe(403);
    expect((await get('cells.tif?req=userdata,javascript')).status).toBe(403);
  });
});

describe('user data', () => {
  test('of a folder of the repository, without a head', async () => {
    const { text, headers } = await get(`${ANALYTICS}?req=userdata`);
    expect([text, headers['content-type']]).toEqual(['rsid=acme\r\nserver=example.com\r\n', TEXT]);
  });

  test('as XML, in the encoding that was asked for', async () => {
    const { body, headers } = await get('shop/ship?req=userdata,xml,UTF-16LE');
    expect(headers['content-type']).toBe('text/xml; charset=utf-16le');
    expect(body.toString('utf16le')).toContain('<property name="length" value="12"/>');
  });

  test('as JSON', async () => {
    const { text } = await get('shop/ship?req=userdata,json');
    expect(text).toBe('/*jsonp*/s7jsonResponse({"length":"12","name":"Ship"},"");');
  });

  test('that is no property data has no other form', async () => {
    expect((await get('shop/odd?req=userdata')).text).toBe('just text\r\n');
    expect(await get('shop/odd?req=userdata,json')).toMatchObject({
      status: 200,
      text: expect.stringMatching(/^\/\*jsonp\*\/s7jsonError\(\{"message":"/),
    });
  });

  test('of what is not there is an empty line', async () => {
    expect((await get('nothing?req=userdata')).text).toBe('\r\n');
    expect((await get('cells.tif?req=userdata')).text).toBe('\r\n');
  });
});

describe('what else is asked', () => {
  test('the length in props is that of the reply, once there is one', async () => {
    const { body } = await get('cells.tif?wid=230');
    expect(propertiesOf(await get('cells.tif?wid=230&req=props'))['image.length']).toBe(String(body.length));
  });

  test('props of a reply with alpha, in another profile', async () => {
    const found = propertiesOf(await get('alpha.png?fmt=png-alpha&icc=AdobeRGB&iccEmbed=1&bgc=808080&req=props'));
    expect(found).toMatchObject({
      'image.mask': '1',
      'image.type': 'image/png',
      'image.iccEmbed': '1',
      'image.iccProfile': 'Adobe RGB (1998)',
      'image.bgc': '808080',
    });
  });

  test('a record without its image exists', async () => {
    expect(propertiesOf(await get('shop/gone?req=exists'))).toEqual({ 'catalogRecord.exists': '1' });
    expect((await get('shop/gone')).status).toBe(403);
  });

  test('properties of the default catalog', async () => {
    const { text } = await server.ask('/is/image?req=catalogprops');
    expect(text).toContain('catalog.bkgColor=FFFFFF\n');
  });

  test('requests about the object do not mind commands that there are none of', async () => {
    for (const target of ['shop/later?', 'cells.tif?wid=none&text=a&fit=crop&'])
      for (const type of ['exists', 'imageprops', 'userdata', 'ctx', 'imageset', 'targets', 'catalogprops'])
        expect([target, type, (await get(`${target}req=${type}`)).status]).toEqual([target, type, 200]);
    expect(propertiesOf(await get('shop/later?req=imageprops'))['image.modifier']).toBe('op_contrast=5&wid=400');
    expect((await get('shop/later')).status).toBe(403);
    expect((await get('shop/later?req=props')).status).toBe(403);
    expect((await get('shop/later?req=exists&req=props')).status).toBe(403);
  });

  test('properties of sources in catalogs that allow small pictures only', async () => {
    expect((await get('tiny/cells.tif?req=imageprops')).status).toBe(200);
  });

  test('versions tell images and metadata apart', async () => {
    const versions = async (target: string): Promise<string[]> => {
      const found = propertiesOf(await get(`${target}?req=props`));
      return ['image.version', 'metadata.version'].map((name) => found[name] ?? '');
    };
    const [ship, odd, ofFile] = [await versions('shop/ship'), await versions('shop/odd'), await versions('cells.tif')];
    expect(ship[0]).not.toBe(odd[0]);
    expect(ship[1]).not.toBe(odd[1]);
    expect(ofFile[0]).toBe(odd[0]);
  });

  test('an image without XMP has none to answer with', async () => {
    expect(await get('cells.tif?req=xmp')).toMatchObject({ status: 403, text: expect.stringContaining('has no XMP') });
  });

  test('nothing: whether the server is there', async () => {
    for (const target of ['/is/image', '/is/image/', '/is/image?']) {
      const answer = await server.ask(target);
      expect([answer.status, answer.headers['content-type']]).toEqual([200, TEXT]);
      expect(propertiesOf(answer)).toEqual({ copyright: 'Pyramidion, under the Apache License 2.0' });
    }
  });
});
