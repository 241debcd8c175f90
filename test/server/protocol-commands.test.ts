/** Every command of the protocol's single-image core (§7) over HTTP: what it is asked, what comes back, and that it acted. */
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseProfile } from '../../src/colour/parse.js';
import { COMMANDS } from '../../src/protocol/image-serving/commands.js';
import {
  type Answer,
  type AskOptions,
  cellColour,
  cellsPng,
  decode,
  expiresIn,
  markdown,
  misplaced,
  noise,
  type Pixels,
  type Placement,
  picture,
  type Served,
  serve,
} from './support.js';

const XMP =
  '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>';

let server: Served;
beforeAll(async () => {
  const cells = await cellsPng();
  const red = await picture(60, 40, 3, () => [255, 0, 0]);
  server = await serve({
    pyramids: { 'cells.tif': cells },
    images: {
      // Transparent on the left, red on the right.
      'alpha.png': await picture(200, 100, 4, (x) => (x < 100 ? [0, 0, 255, 0] : [255, 0, 0, 255])),
      'noise.png': await picture(400, 300, 3, noise),
      'red.png': red,
      'tagged.jpg': await sharp(red).withXmp(XMP).withMetadata({ density: 300 }).jpeg().toBuffer(),
    },
    manifest: { errordetail: 2 },
    presets: { small: 'wid=80&fmt=png' },
  });
});
afterAll(() => server?.close());

/** What a reply is looked at with. */
interface Seen extends Answer {
  readonly pixels: Pixels;
  /** The same image with another query, as pixels and bytes. */
  readonly other: (target: string, options?: AskOptions) => Promise<Seen>;
}

interface Row {
  /** As documented. */
  readonly command: string;
  readonly target: string;
  readonly type: string;
  /** null: no picture. */
  readonly size: readonly [width: number, height: number] | null;
  /** What shows that it acted. */
  readonly shows: string;
  readonly check: (seen: Seen) => void | Promise<void>;
  readonly options?: AskOptions;
  readonly status?: number;
}

const PNG = 'image/png';
const JPEG = 'image/jpeg';
const TEXT = 'text/plain; charset=utf-8';

/** The row of a command that places the cells. */
function placed(
  command: string,
  query: string,
  size: readonly [number, number],
  scale: number | Placement['scale'],
  corner: Placement['corner'],
): Row {
  const both = typeof scale === 'number' ? ([scale, scale] as const) : scale;
  return {
    command,
    target: `cells.tif?${query}&fmt=png`,
    type: PNG,
    size,
    shows: `cells at scale ${both[0] === both[1] ? both[0] : both.join(', ')}, corner at ${corner.join(', ')}`,
    check: ({ pixels }) => expect(misplaced(pixels, { scale: both, corner })).toEqual([]),
  };
}

/** Largest difference between neighbours in a line across the edge of two cells. */
function steepness(pixels: Pixels): number {
  const y = Math.floor(pixels.height / 12);
  const line = Array.from({ length: pixels.width }, (_, x) => pixels.at(x, y)[0] ?? 0);
  return Math.max(...line.slice(1).map((value, at) => Math.abs(value - (line[at] ?? 0))));
}

const sharpens: Row['check'] = async ({ pixels, other }) => {
  const plain = await other('cells.tif?wid=500&fmt=png');
  expect(steepness(pixels)).toBeGreaterThan(steepness(plain.pixels) + 3);
  // What is flat stays as it is.
  expect(pixels.at(25, 25)).toEqual(plain.pixels.at(25, 25));
};

const near = (found: readonly number[], expected: readonly number[], tolerance = 2): void => {
  expect(found.map((value, band) => Math.abs(value - (expected[band] ?? 0)) <= tolerance)).toEqual(
    found.map(() => true),
  );
};

const GREEN = [0, 255, 0];

const ROWS: readonly Row[] = [
  placed('align', 'wid=200&hei=200&align=0,1', [200, 200], 0.2, [0, 80]),
  {
    command: 'anchor',
    target: 'cells.tif?scl=2&rotate=30&anchor=10,7&fmt=png',
    type: PNG,
    size: [584, 511],
    shows: 'pixels shift by a part of a pixel against the turn about the centre',
    check: async ({ pixels, other }) => {
      const centred = await other('cells.tif?scl=2&rotate=30&fmt=png');
      expect(Math.abs(centred.pixels.width - pixels.width)).toBeLessThanOrEqual(1);
      expect(pixels.data.equals(centred.pixels.data)).toBe(false);
    },
  },
  {
    command: 'anchorN',
    target: 'cells.tif?scl=2&rotate=30&anchorN=-0.5,-0.5&fmt=png',
    type: PNG,
    size: [584, 510],
    shows: 'the same as `anchor=0,0`',
    check: async ({ body, other }) =>
      expect(body.equals((await other('cells.tif?scl=2&rotate=30&anchor=0,0&fmt=png')).body)).toBe(true),
  },
  {
    command: 'bfc',
    target: 'cells.tif?wid=200&bfc=on',
    options: { headers: { accept: 'image/webp,*/*' } },
    type: 'image/webp',
    size: [200, 120],
    shows: '`Accept: image/webp` gets WebP, `Vary: Accept`; others get JPEG',
    check: async ({ headers, other }) => {
      expect(headers.vary).toBe('Accept');
      const plain = await other('cells.tif?wid=200&bfc=on');
      expect([plain.headers['content-type'], plain.headers.vary]).toEqual([JPEG, 'Accept']);
    },
  },
  {
    command: 'bgc',
    target: 'alpha.png?scl=1&bgc=0,255,0&fmt=png',
    type: PNG,
    size: [200, 100],
    shows: 'green where the image is transparent',
    check: ({ pixels }) => {
      expect([pixels.channels, pixels.at(40, 50), pixels.at(150, 50)]).toEqual([3, GREEN, [255, 0, 0]]);
    },
  },
  {
    command: 'bgColor',
    target: 'alpha.png?scl=1&bgColor=0,255,0&fmt=png-alpha',
    type: PNG,
    size: [200, 100],
    shows: 'opaque green under the layer; without it the pixel is transparent',
    check: async ({ pixels, other }) => {
      expect(pixels.at(40, 50)).toEqual([...GREEN, 255]);
      expect((await other('alpha.png?scl=1&fmt=png-alpha')).pixels.at(40, 50)[3]).toBe(0);
    },
  },
  {
    command: 'cache',
    target: 'cells.tif?wid=200&cache=off',
    type: JPEG,
    size: [200, 120],
    shows: '`Cache-Control: no-cache`, `Expires` is now',
    check: (seen) => {
      expect([seen.headers['cache-control'], expiresIn(seen, 0)]).toEqual(['no-cache', true]);
    },
  },
  placed('crop', 'crop=100,100,300,200&scl=1', [300, 200], 1, [-100, -100]),
  placed('cropN', 'cropN=0.1,0.5,0.2,0.25&scl=1', [200, 150], 1, [-100, -300]),
  {
    command: 'defaultImage',
    target: 'missing.tif?defaultImage=cells.tif&wid=100&fmt=png',
    type: PNG,
    size: [100, 60],
    shows: 'the cells instead of an image that is not there',
    check: ({ pixels }) => expect(misplaced(pixels, { scale: [0.1, 0.1], corner: [0, 0] })).toEqual([]),
  },
  placed('dpr', 'wid=100&dpr=on,2', [200, 120], 0.2, [0, 0]),
  placed('extend', 'extend=50,100,150,0&scl=1', [1200, 700], 1, [50, 100]),
  placed('extendN', 'extendN=0.1,0,0,-0.5&scl=1', [1100, 300], 1, [100, 0]),
  placed('fit', 'wid=200&hei=200&fit=stretch', [200, 200], [0.2, 1 / 3], [0, 0]),
  {
    command: 'flip',
    target: 'cells.tif?wid=500&flip=lr&fmt=png',
    type: PNG,
    size: [500, 300],
    shows: 'the last column of cells is the first',
    check: ({ pixels }) => {
      near(pixels.at(25, 25), cellColour(9, 0));
      near(pixels.at(475, 275), cellColour(0, 5));
    },
  },
  {
    command: 'fmt',
    target: 'cells.tif?wid=200&fmt=tif,gray,lzw',
    type: 'image/tiff',
    size: [200, 120],
    shows: 'a gray TIFF with LZW',
    check: async ({ body }) => {
      expect((await sharp(body).metadata()).space).toBe('b-w');
      expect(tiffField(body, 259)).toBe(5);
    },
  },
  {
    command: 'handler',
    target: 'cells.tif?req=exists,json&handler=take',
    type: 'text/javascript; charset=utf-8',
    size: null,
    shows: 'the script calls `take`',
    check: ({ text }) => expect(text).toBe('/*jsonp*/take({"catalogRecord.exists":"1"},"");'),
  },
  placed('hei', 'hei=120', [200, 120], 0.2, [0, 0]),
  {
    command: 'icc',
    target: 'red.png?icc=AdobeRGB&fmt=png',
    type: PNG,
    size: [60, 40],
    shows: 'red of sRGB is 219, 0, 0 in Adobe RGB',
    check: ({ pixels }) => near(pixels.at(30, 20), [219, 0, 0]),
  },
  {
    command: 'iccEmbed',
    target: 'red.png?icc=AdobeRGB&iccEmbed=1&fmt=png',
    type: PNG,
    size: [60, 40],
    shows: 'the profile is in the file; without the command it is not',
    check: async ({ body, other }) => {
      const { icc } = await sharp(body).metadata();
      expect(parseProfile(icc ?? Buffer.alloc(0)).description).toContain('Adobe RGB');
      expect((await sharp((await other('red.png?icc=AdobeRGB&fmt=png')).body).metadata()).icc).toBeUndefined();
    },
  },
  {
    command: 'id',
    target: 'cells.tif?req=exists,json&id=token-1',
    type: 'text/javascript; charset=utf-8',
    size: null,
    shows: 'the script hands it back',
    check: ({ text }) => expect(text).toMatch(/,"token-1"\);$/),
  },
  {
    command: 'jpegSize',
    target: 'noise.png?wid=400&jpegSize=20',
    type: JPEG,
    size: [400, 300],
    shows: 'at most 20 480 bytes; without it there are more',
    check: async ({ body, other }) => {
      expect(body.length).toBeLessThanOrEqual(20_480);
      expect((await other('noise.png?wid=400')).body.length).toBeGreaterThan(20_480);
    },
  },
  {
    command: 'network',
    target: 'noise.png?wid=400&network=on',
    options: { headers: { 'save-data': 'on' } },
    type: JPEG,
    size: [400, 300],
    shows: 'fewer bytes for `Save-Data: on`, `Vary: Save-Data, Downlink`',
    check: async ({ body, headers, other }) => {
      const plain = await other('noise.png?wid=400&network=on');
      expect(body.length).toBeLessThan(plain.body.length);
      expect([headers.vary, plain.headers.vary]).toEqual(['Save-Data, Downlink', 'Save-Data, Downlink']);
    },
  },
  {
    command: 'op_sharpen',
    target: 'cells.tif?wid=500&op_sharpen=1&fmt=png',
    type: PNG,
    size: [500, 300],
    shows: 'edges of cells are steeper, their insides the same',
    check: sharpens,
  },
  {
    command: 'op_usm',
    target: 'cells.tif?wid=500&op_usm=2,1,0,0&fmt=png',
    type: PNG,
    size: [500, 300],
    shows: 'edges of cells are steeper, their insides the same',
    check: sharpens,
  },
  {
    command: 'op_usmR',
    target: 'cells.tif?wid=500&op_usmR=2,1,0,0&fmt=png',
    type: PNG,
    size: [500, 300],
    shows: 'edges of cells are steeper, their insides the same',
    check: sharpens,
  },
  {
    command: 'printRes',
    target: 'tagged.jpg?printRes=200',
    type: JPEG,
    size: [60, 40],
    shows: '200 pixels per inch in the file; without it the 300 of the source',
    check: async ({ body, other }) => {
      expect((await sharp(body).metadata()).density).toBe(200);
      expect((await sharp((await other('tagged.jpg')).body).metadata()).density).toBe(300);
    },
  },
  {
    command: 'pscan',
    target: 'cells.tif?wid=200&fmt=pjpeg&pscan=4',
    type: JPEG,
    size: [200, 120],
    shows: 'a progressive JPEG',
    check: async ({ body }) => expect((await sharp(body).metadata()).isProgressive).toBe(true),
  },
  {
    command: 'qlt',
    target: 'noise.png?wid=400&qlt=20,1',
    type: JPEG,
    size: [400, 300],
    shows: 'chroma 4:4:4, and fewer bytes than `qlt=90,1`',
    check: async ({ body, other }) => {
      expect((await sharp(body).metadata()).chromaSubsampling).toBe('4:4:4');
      expect(body.length).toBeLessThan((await other('noise.png?wid=400&qlt=90,1')).body.length / 2);
    },
  },
  {
    command: 'quantize',
    target: 'cells.tif?wid=200&fmt=png8&quantize=adaptive,off,8,123456',
    type: PNG,
    size: [200, 120],
    shows: 'a palette of at most 8 colours, the listed one among them; without it all 60',
    check: async ({ body, pixels, other }) => {
      const palette = paletteOf(body);
      expect(palette.length).toBeLessThanOrEqual(8);
      expect(palette).toContain('123456');
      expect(coloursOf(pixels)).toBeLessThanOrEqual(8);
      expect(coloursOf((await other('cells.tif?wid=200&fmt=png8')).pixels)).toBeGreaterThan(50);
    },
  },
  placed('rect', 'wid=1000&rect=300,200,256,128', [256, 128], 1, [-300, -200]),
  {
    command: 'req',
    target: 'cells.tif?wid=200&req=props',
    type: TEXT,
    size: null,
    shows: 'properties instead of the picture',
    check: ({ text }) => expect(text).toMatch(/^#S7Z OK\n#.*\n(?:.*\n)*image\.width=200\n/),
  },
  placed('res', 'res=36&scl=1', [500, 300], 0.5, [0, 0]),
  {
    command: 'resMode',
    target: 'noise.png?wid=150&resMode=bilin&fmt=png',
    type: PNG,
    size: [150, 113],
    shows: 'other pixels than each of `bicub`, `sharp2` and `bisharp`',
    check: async ({ pixels, other }) => {
      const modes = await Promise.all(
        ['bicub', 'sharp2', 'bisharp'].map((mode) => other(`noise.png?wid=150&resMode=${mode}&fmt=png`)),
      );
      const all = [pixels, ...modes.map((mode) => mode.pixels)].map(({ data }) => data.toString('base64'));
      expect(new Set(all).size).toBe(4);
    },
  },
  placed('rgn', 'rgn=500,300,500,300&wid=250', [250, 150], 0.5, [-250, -150]),
  {
    command: 'rotate',
    target: 'cells.tif?rotate=90&scl=2&fmt=png',
    type: PNG,
    size: [300, 500],
    shows: 'clockwise: the cell at the top left is at the top right',
    check: ({ pixels }) => {
      near(pixels.at(275, 25), cellColour(0, 0));
      near(pixels.at(25, 25), cellColour(0, 5));
    },
  },
  placed('scale', 'scale=0.25&scl=1', [250, 150], 0.25, [0, 0]),
  placed('scl', 'scl=2', [500, 300], 0.5, [0, 0]),
  placed('size', 'size=400,0&scl=1', [400, 240], 0.4, [0, 0]),
  {
    command: 'sizeN',
    target: 'cells.tif?sizeN=0.5,0.5',
    status: 403,
    type: TEXT,
    size: null,
    shows: 'refused, as layer 0 may not have it',
    check: ({ text }) => expect(text).toContain('sizen is not allowed on layer 0'),
  },
  placed('wid', 'wid=250', [250, 150], 0.25, [0, 0]),
  {
    command: 'xmpEmbed',
    target: 'tagged.jpg?xmpEmbed=1',
    type: JPEG,
    size: [60, 40],
    shows: 'the XMP packet is in the file; without the command it is not',
    check: async ({ body, other }) => {
      expect((await sharp(body).metadata()).xmp?.toString('utf8')).toContain('<x:xmpmeta');
      expect((await sharp((await other('tagged.jpg')).body).metadata()).xmp).toBeUndefined();
    },
  },
];

/** Commands that are none of the table of commands: they are of the grammar. */
const GRAMMAR: readonly Row[] = [
  { ...placed('`$macro$`', '$small$', [80, 48], 0.08, [0, 0]), target: 'cells.tif?$small$' },
  placed('`$variable=`', '$w=120&wid=$w$', [120, 72], 0.12, [0, 0]),
  placed('comment', '.wid=900&wid=90', [90, 54], 0.09, [0, 0]),
  placed('`layer=0`', 'layer=0&crop=0,0,500,500&layer=comp&scl=5', [100, 100], 0.2, [0, 0]),
  placed('unknown', 'wid=50&whatever=1', [50, 30], 0.05, [0, 0]),
];

/** The short value of a field of a little-endian TIFF. */
function tiffField(bytes: Buffer, tag: number): number | undefined {
  const directory = bytes.readUInt32LE(4);
  for (let at = directory + 2, left = bytes.readUInt16LE(directory); left > 0; at += 12, left--)
    if (bytes.readUInt16LE(at) === tag) return bytes.readUInt16LE(at + 8);
  return undefined;
}

/** Colours of a PNG's palette, as RRGGBB. */
function paletteOf(png: Buffer): string[] {
  const at = png.indexOf('PLTE');
  return png.toString('hex', at + 4, at + 4 + png.readUInt32BE(at - 4)).match(/.{6}/g) ?? [];
}

function coloursOf({ data, channels }: Pixels): number {
  const colours = new Set<string>();
  for (let at = 0; at < data.length; at += channels) colours.add(data.toString('hex', at, at + channels));
  return colours.size;
}

async function look(target: string, options?: AskOptions): Promise<Seen> {
  const answer = await server.ask(`/is/image/${target}`, options);
  const isPicture = answer.headers['content-type']?.startsWith('image/') === true;
  const pixels = isPicture ? await decode(answer.body) : await decode(await picture(1, 1, 3, () => [0, 0, 0]));
  return { ...answer, pixels, other: look };
}

const names = (scopes: (scope: string) => boolean): string[] =>
  [...COMMANDS].filter(([, { scope }]) => scopes(scope)).map(([name]) => name);

test('the table has every command there is', () => {
  expect(ROWS.map(({ command }) => command.toLowerCase())).toEqual(
    names((scope) => scope !== 'text' && scope !== 'missing'),
  );
});

const results: string[][] = [];
afterAll(() => {
  console.log(markdown(['Command', 'Request `/is/image/…`', 'Reply', 'What shows that it acted'], results));
});

test.each([...ROWS, ...GRAMMAR])('$command: $target', async (row) => {
  const seen = await look(row.target, row.options);
  const { status, headers, pixels } = seen;
  const size = headers['content-type']?.startsWith('image/') ? [pixels.width, pixels.height] : null;
  expect({ status, type: headers['content-type'], size }).toEqual({
    status: row.status ?? 200,
    type: row.type,
    size: row.size,
  });
  await row.check(seen);
  const name = row.command.startsWith('`') || GRAMMAR.includes(row) ? row.command : `\`${row.command}\``;
  const type = row.type.replace(/;.*/, '');
  results.push([name, `\`${row.target}\``, [status, type, size?.join('×')].filter(Boolean).join(', '), row.shows]);
});

describe('formats', () => {
  const FORMATS: readonly (readonly [fmt: string, type: string, alpha: boolean])[] = [
    ...(['jpeg', 'jpg', 'pjpeg', 'jpeg,gray', 'jpeg,cmyk'] as const).map((fmt) => [fmt, JPEG, false] as const),
    ...(['png', 'png,gray', 'png8'] as const).map((fmt) => [fmt, PNG, false] as const),
    ...(['png-alpha', 'png8-alpha'] as const).map((fmt) => [fmt, PNG, true] as const),
    ...[['gif', 'image/gif', false] as const, ['gif-alpha', 'image/gif', true] as const],
    ...(['tif', 'tif,,zip', 'tif,,jpeg', 'tif,cmyk,lzw'] as const).map((fmt) => [fmt, 'image/tiff', false] as const),
    ...[['tif-alpha', 'image/tiff', true] as const, ['tif-alpha,,lzw', 'image/tiff', true] as const],
    ...[['webp', 'image/webp', false] as const, ['webp-alpha,,lossless', 'image/webp', true] as const],
    ...[['web-alpha', 'image/webp', true] as const, ['avif', 'image/avif', false] as const],
    ['avif-alpha', 'image/avif', true],
  ];

  test.each(FORMATS)('fmt=%s is %s, with alpha: %s', async (fmt, type, alpha) => {
    const { status, headers, body, pixels } = await look(`alpha.png?wid=100&fmt=${fmt}`);
    expect([status, headers['content-type'], pixels.width, pixels.height]).toEqual([200, type, 100, 50]);
    expect((await sharp(body).metadata()).hasAlpha).toBe(alpha);
    if (alpha) expect([pixels.at(20, 25)[3], pixels.at(80, 25)[3]]).toEqual([0, 255]);
    // The background is white.
    else if (!fmt.includes('cmyk')) expect(pixels.at(20, 25)[0]).toBeGreaterThan(250);
  });

  test.each(['jpeg2000', 'jpegxr', 'pdf', 'eps', 'swf', 'bmp', 'png,cmyk', 'jpeg,,lzw', 'tif-alpha,,jpeg'])(
    'fmt=%s is refused',
    async (fmt) => {
      const { status, text } = await look(`alpha.png?wid=100&fmt=${fmt}`);
      expect([status, text]).toEqual([403, expect.stringMatching(/^Reply format not supported: /)]);
    },
  );
});

describe('commands without a picture of their own', () => {
  test.each(names((scope) => scope === 'text'))('%s is taken, and changes no picture', async (name) => {
    const plain = await look('cells.tif?wid=64&fmt=png');
    const given = await look(`cells.tif?wid=64&fmt=png&${name}=1`);
    expect([given.status, given.body.equals(plain.body)]).toEqual([200, true]);
  });

  test.each(names((scope) => scope === 'missing'))('%s is refused by its name', async (name) => {
    const { status, text } = await look(`cells.tif?wid=64&${name}=1`);
    expect([status, text]).toEqual([403, expect.stringContaining(`${name} is not supported`)]);
  });

  test('older names of commands', async () => {
    const sharpened = await look('cells.tif?wid=500&op_sharpen=1&fmt=png');
    expect((await look('cells.tif?wid=500&sharpen=1&fmt=png')).body.equals(sharpened.body)).toBe(true);
    expect((await look('cells.tif?colorize=ff0000')).text).toContain('op_colorize is not supported');
  });

  test('names are the same in any case', async () => {
    const plain = await look('cells.tif?wid=64&fmt=png&resMode=bilin');
    expect((await look('cells.tif?WID=64&Fmt=png&RESMODE=BILIN')).body.equals(plain.body)).toBe(true);
  });
});
