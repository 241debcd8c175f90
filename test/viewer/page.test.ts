/** What the pages hold, whatever an image is called, and which files they may load. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatBytes, imageFacts } from '../../src/viewer/facts.js';
import {
  VIEWER_ASSETS,
  VIEWER_HEADERS,
  type ViewerImage,
  viewerAsset,
  viewerIndex,
  viewerPage,
} from '../../src/viewer/index.js';

const image: ViewerImage = {
  path: 'content/dam/Ship.tif',
  version: 'v1',
  bytes: 1_234_567,
  info: {
    kind: 'pyramid',
    width: 600,
    height: 400,
    orientation: 1,
    levels: [
      { width: 600, height: 400, tileWidth: 256, tileHeight: 256, columns: 3, rows: 2, downsample: { x: 1, y: 1 } },
      { width: 300, height: 200, tileWidth: 256, tileHeight: 256, columns: 2, rows: 1, downsample: { x: 2, y: 2 } },
    ],
    pixels: { space: 'rgb', bits: 8, alpha: 'none' },
    profile: null,
    dpi: { x: 300, y: 300 },
  },
};

const page = (changes: Partial<ViewerImage> = {}, presets: readonly string[] = [], root = ''): string =>
  viewerPage({ image: { ...image, ...changes }, presets, maxPix: [2000, 2000], root });

/** The data that the page's script reads. */
function dataOf(html: string): Record<string, unknown> {
  const json = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)?.[1];
  return JSON.parse(json ?? '') as Record<string, unknown>;
}

/** Names of tags, with their attributes' names, in order: what a page is made of. */
function tagsOf(html: string): string[] {
  return [...html.matchAll(/<(\/?[a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*>/gi)].map(
    ([, name, attributes = '']) => name + attributes.replace(/="[^"]*"/g, ''),
  );
}

/** Text with all that could end a place in a page. */
const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '<',
      '>',
      '"',
      "'",
      '&',
      '/',
      '\\',
      '`',
      '</script>',
      'valueOf',
      '<!--',
      ']]>',
      '\u2028',
      ' onload=x',
      '%22',
      '?',
      '#',
    ),
    fc.string({ minLength: 1, maxLength: 1, unit: 'grapheme' }),
  ),
});

describe('a page', () => {
  test('holds what the viewer needs, and the facts', () => {
    const html = page();
    expect(dataOf(html)).toEqual({
      address: '/is/image/content/dam/Ship.tif',
      version: 'v1',
      maxPix: [2000, 2000],
      tileFormat: '',
      tiles: {
        width: 600,
        height: 400,
        tileSize: 256,
        levels: [
          { width: 600, height: 400 },
          { width: 300, height: 200 },
          { width: 150, height: 100 },
        ],
      },
    });
    for (const [name, value] of imageFacts(image)) expect(html).toContain(`<dt>${name}</dt><dd>${value}</dd>`);
    expect(html).toContain('<title>Ship.tif · Pyramidion</title>');
  });

  test('asks for tiles with alpha where the image has some', () => {
    const pixels = { space: 'rgb', bits: 8, alpha: 'straight' } as const;
    expect(dataOf(page({ info: { ...image.info, pixels } })).tileFormat).toBe('png-alpha');
  });

  test('offers the presets there are', () => {
    expect(page({}, ['web', 'print'])).toContain(
      '<option value="web">web</option><option value="print">print</option>',
    );
    expect(page({}, [])).not.toContain('Preset');
  });

  test('stays what it is whatever the texts hold', () => {
    const plain = tagsOf(page({ path: 'a' }, ['a']));
    expect(plain).toContain('script type id');
    expect(plain.length).toBeGreaterThan(100);
    fc.assert(
      fc.property(nasty, nasty, nasty, (path, version, text) => {
        const profile = { description: text, bytes: new Uint8Array() };
        const html = page({ path, version, info: { ...image.info, profile } }, [text === '' ? 'a' : text]);
        expect(tagsOf(html)).toEqual(plain);
        expect(dataOf(html)).toMatchObject({ version });
        const { address } = dataOf(html);
        expect(String(address)).toMatch(/^\/is\/image\/[\w.!~*'()%/-]*$/);
        expect(decodeURIComponent(String(address))).toBe(`/is/image/${path}`);
      }),
    );
  });

  test('lies where the server is mounted', () => {
    const html = page({}, [], '/img');
    for (const [, address = ''] of html.matchAll(/(?:href|src)="([^"]*)"/g))
      expect(address).toMatch(/^\/img\/(is|viewer)\//);
    expect(dataOf(html).address).toBe('/img/is/image/content/dam/Ship.tif');
  });

  test('loads only files that there are, and nothing of it is inline', async () => {
    const loaded = [...page().matchAll(/(?:href|src)="\/viewer\/assets\/([^"]*)"/g)].map(([, name = '']) => name);
    expect(loaded.length).toBeGreaterThan(3);
    for (const name of loaded) expect(await viewerAsset(name), name).not.toBe(null);
    for (const html of [page(), viewerIndex({ paths: ['a'], total: 1, notice: 'b', root: '' })]) {
      expect(html).not.toMatch(/\s(on\w+|style)=/);
      expect(html).not.toMatch(/<style|<script>|https?:/);
    }
    expect(VIEWER_HEADERS['content-security-policy']).not.toContain('unsafe');
  });

  test('names every control', () => {
    const html = page({}, ['web']);
    for (const [button] of html.matchAll(/<(?:button|a)\b[^>]*>(?=<svg)/g)) {
      if (!button.includes('class="brand"')) expect(button).toMatch(/aria-label="[^"]+"/);
    }
    for (const [, before] of html.matchAll(/(.{0,80})<(?:input|select)\b(?! type="hidden")/g))
      expect(before).toMatch(/<label\b[^<]*>[^<]+$/);
    for (const [tag] of html.matchAll(/<img\b[^>]*>/g)) expect(tag).toMatch(/ alt="/);
  });
});

describe('the list of images', () => {
  test('leads to each, and counts them all', () => {
    const html = viewerIndex({ paths: ['content/dam/Ship.tif', 'a b/ü?#.jpg'], total: 40, notice: null, root: '' });
    expect(html).toContain('href="/viewer/content/dam/Ship.tif"');
    expect(html).toContain('href="/viewer/a%20b/%C3%BC%3F%23.jpg"');
    expect(html).toContain('src="/is/image/content/dam/Ship.tif?wid=480&amp;hei=320&amp;fit=crop,1&amp;qlt=82"');
    expect(html).toContain('40 images, the first 2 of them');
  });

  test('says so when there are none, and what went wrong', () => {
    expect(viewerIndex({ paths: [], total: 0, notice: null, root: '' })).toContain('There are no images yet');
    const html = viewerIndex({ paths: [], total: 0, notice: 'There is no <b>', root: '' });
    expect(html).toContain('<p class="notice" role="alert">There is no &lt;b&gt;</p>');
  });

  test('stays what it is whatever the paths hold', () => {
    const plain = tagsOf(viewerIndex({ paths: ['a'], total: 1, notice: 'a', root: '' }));
    fc.assert(
      fc.property(nasty, nasty, (path, notice) => {
        expect(tagsOf(viewerIndex({ paths: [path], total: 1, notice, root: '' }))).toEqual(plain);
      }),
    );
  });
});

describe('files', () => {
  test('are those on the list, as they are on the disk', async () => {
    expect(VIEWER_ASSETS).toEqual([
      'openseadragon.js',
      'viewer.js',
      'tiles.js',
      'queries.js',
      'viewer.css',
      'icon.svg',
    ]);
    for (const name of VIEWER_ASSETS) {
      const asset = await viewerAsset(name);
      expect(asset?.mediaType).toMatch(/^(text\/(javascript|css); charset=utf-8|image\/svg\+xml)$/);
      expect(asset?.bytes.length).toBeGreaterThan(100);
      expect(await viewerAsset(name)).toBe(asset);
    }
    const own = await readFile(new URL('../../src/viewer/assets/tiles.js', import.meta.url));
    expect(Buffer.compare((await viewerAsset('tiles.js'))?.bytes ?? Buffer.alloc(0), own)).toBe(0);
  });

  test.each([
    '',
    '.',
    '..',
    '../page.ts',
    'tsconfig.json',
    'viewer.js/',
    'VIEWER.JS',
    '/viewer.js',
    '__proto__',
    'constructor',
    'toString',
  ])('there is no %j', async (name) => {
    expect(await viewerAsset(name)).toBe(null);
  });

  test('import nothing but each other', async () => {
    for (const name of VIEWER_ASSETS.filter((each) => each.endsWith('.js') && each !== 'openseadragon.js')) {
      const text = Buffer.from((await viewerAsset(name))?.bytes ?? []).toString();
      for (const [, from = ''] of text.matchAll(/^import .* from '(.*)';$/gm))
        expect(VIEWER_ASSETS).toContain(from.replace('./', ''));
    }
  });
});

describe('facts', () => {
  test('of a pyramid', () => {
    expect(imageFacts(image)).toEqual([
      ['Size', '600 × 400 px'],
      ['Pixels', '0.24 million'],
      ['Stored as', 'pyramid, 2 levels'],
      ['Tiles', '256 × 256 px'],
      ['Colour', 'RGB, 8 bits'],
      ['Profile', 'none'],
      ['Resolution', '300 ppi, 5.1 × 3.4 cm'],
      ['File', '1.23 MB'],
    ]);
  });

  test('of a plain image that says little', () => {
    const info = {
      ...image.info,
      kind: 'image',
      dpi: null,
      pixels: { space: 'gray', bits: 16, alpha: 'straight' },
    } as const;
    expect(imageFacts({ ...image, info, bytes: null })).toEqual([
      ['Size', '600 × 400 px'],
      ['Pixels', '0.24 million'],
      ['Stored as', 'plain image'],
      ['Colour', 'gray, 16 bits, alpha'],
      ['Profile', 'none'],
    ]);
  });

  test.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1000, '1 kB'],
    [1_234_567, '1.23 MB'],
    [4e15, '4000 TB'],
  ])('%d bytes are %s', (bytes, expected) => expect(formatBytes(bytes)).toBe(expected));
});
