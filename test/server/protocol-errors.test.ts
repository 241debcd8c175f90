/** Every error of the protocol (§10.3) over HTTP: status, text by `ErrorDetail`, form, and what is not told. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Engine } from '../../src/engine.js';
import { hollowPng } from '../robust/images.js';
import { type Answer, cellsPng, expiresIn, markdown, noise, picture, type Served, serve } from './support.js';

const TEXT = 'text/plain; charset=utf-8';
const DETAILS = [0, 1, 2, 3] as const;

/** Catalogs that differ in what errors tell: `d0` … `d3`. Others refuse, and tell as much as `d2`. */
const CATALOGS = {
  'default.ini': 'ErrorDetail = 0\n',
  'records.txt': 'Id\tPath\ngone\tnowhere.tif\nloop\tcells.tif\n',
  ...Object.fromEntries(
    DETAILS.map((detail) => [
      `d${detail}.ini`,
      `RootId = d${detail}\nErrorDetail = ${detail}\nCatalogFile = records.txt\nRuleSetFile = rules.xml\n`,
    ]),
  ),
  'rules.xml': '<ruleset><rule OnMatch="error"><expression>refuse-me</expression></rule></ruleset>',
  'locked.ini': 'RootId = locked\nErrorDetail = 2\nRequestLock = 1\n',
  'hidden.ini': 'RootId = hidden\nErrorDetail = 2\nRequestObfuscation = 1\n',
  'far.ini': 'RootId = far\nErrorDetail = 2\nClientAddressFilter = 10.0.0.0/8\n',
  'strict.ini': 'RootId = strict\nErrorDetail = 2\nAllowDirectAccess = exclude:IS\n',
  'shown.ini': 'RootId = shown\nErrorImage = red.png?wid=30&fmt=png\nRequestLock = 0\n',
  'shownlocked.ini': 'RootId = shownlocked\nErrorImage = /red.png?wid=30&fmt=png\nRequestLock = 1\n',
  'unshown.ini': 'RootId = unshown\nErrorImage = nothing.png\n',
};

let server: Served;
/** Another server that has images, and does not answer as it should. */
let foreign: Server;
beforeAll(async () => {
  foreign = createServer((request, response) => {
    response.writeHead(request.url?.includes('broken') ? 500 : 404).end();
  });
  await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
  const { port } = foreign.address() as AddressInfo;
  const cells = await cellsPng();
  server = await serve({
    pyramids: { 'cells.tif': cells },
    images: {
      'red.png': await picture(60, 40, 3, () => [255, 0, 0]),
      'noise.png': await picture(900, 800, 3, noise),
      'cut.png': cells.subarray(0, 2000),
      'notes.txt': 'these are no pixels',
      'large.png': hollowPng(3000, 3000),
    },
    catalogs: CATALOGS,
    server: { roots: ['images', `http://127.0.0.1:${port}/`] },
    imageServer: { MaxRenderRgnPixels: 1, MaxMessageSize: 1 },
  });
  const images = join(server.folder, 'images');
  const pyramid = await readFile(join(images, 'cells.tif'));
  await writeFile(join(images, 'cut.tif'), pyramid.subarray(0, pyramid.length / 2));
});
afterAll(async () => {
  await server?.close();
  await new Promise((resolve) => foreign.close(resolve));
});
afterEach(() => vi.restoreAllMocks());

interface Row {
  readonly what: string;
  /** After the catalog. */
  readonly target: string;
  readonly status?: number;
  /** Of the access log. */
  readonly processing: number;
  readonly title: string;
  /** What is told besides, at detail 2. */
  readonly told: string;
}

const ROWS: readonly Row[] = [
  { what: 'no such image', target: 'nothing.tif', processing: 1, title: 'Image not found', told: 'nothing.tif' },
  { what: 'record without its image', target: 'gone', processing: 1, title: 'Image not found', told: 'gone' },
  { what: 'damaged source', target: 'cut.png', processing: 1, title: 'Image is damaged', told: 'cut.png' },
  {
    what: 'pyramid that was cut',
    target: 'cut.tif?wid=1000',
    processing: 1,
    title: 'Image is damaged',
    told: 'cut.tif',
  },
  {
    what: 'no image at all',
    target: 'notes.txt',
    processing: 1,
    title: 'Image format not supported',
    told: 'notes.txt',
  },
  {
    what: 'foreign server fails',
    target: 'broken.tif',
    processing: 1,
    title: 'Image cannot be read',
    told: 'broken.tif',
  },
  {
    what: 'source too large for no pyramid',
    target: 'large.png',
    processing: 2,
    title: 'Source image size limit exceeded',
    told: 'maxNonDsfSize',
  },
  {
    what: 'malformed value',
    target: 'cells.tif?wid=abc',
    processing: 2,
    title: 'Invalid request',
    told: 'wid must be a whole number above 0; got "abc"',
  },
  {
    what: 'malformed encoding',
    target: 'cells.tif?bgc=%zz',
    processing: 2,
    title: 'Invalid request',
    told: 'bgc has a %',
  },
  {
    what: 'commands that do not go together',
    target: 'cells.tif?fit=crop',
    processing: 2,
    title: 'Invalid request',
    told: 'fit needs wid or hei',
  },
  {
    what: 'macro that is not there',
    target: 'cells.tif?$nothing$',
    processing: 2,
    title: 'Invalid request',
    told: '$nothing$ must be a macro that is defined',
  },
  { what: 'no object', target: '?wid=100', processing: 2, title: 'Invalid request', told: 'the URL names no image' },
  {
    what: 'type of request that is not there',
    target: 'cells.tif?req=histogram',
    processing: 2,
    title: 'Invalid request',
    told: 'req must be img',
  },
  {
    what: '`MaxPix`',
    target: 'cells.tif?wid=2001&fit=fit,1',
    processing: 2,
    title: 'Image size limit exceeded',
    told: 'the reply would have 2001 × 1201 pixels, the limit is 2000 × 2000',
  },
  {
    what: '`MaxRenderRgnPixels`',
    target: 'cells.tif?wid=1500&fit=fit,1',
    processing: 2,
    title: 'Image size limit exceeded',
    told: 'maxRenderRgnPixels',
  },
  {
    what: '`MaxMessageSize`',
    target: 'noise.png?wid=900&fmt=tif',
    processing: 2,
    title: 'Reply size limit exceeded',
    told: 'maxMessageSize',
  },
  {
    what: 'format that is not there',
    target: 'cells.tif?fmt=bmp',
    processing: 2,
    title: 'Reply format not supported',
    told: 'bmp',
  },
  {
    what: 'size that no quality reaches',
    target: 'noise.png?wid=900&jpegSize=1',
    processing: 2,
    title: 'Reply size cannot be reached',
    told: 'more than the 1024 asked for',
  },
  {
    what: 'profile that is not there',
    target: 'cells.tif?icc=Nothing',
    processing: 2,
    title: 'Invalid request',
    told: 'Nothing',
  },
  {
    what: 'profile of another pixel type',
    target: 'cells.tif?icc=AdobeRGB&fmt=jpeg,gray',
    processing: 2,
    title: 'Colour profile does not match',
    told: 'icc',
  },
  {
    what: 'rule `OnMatch="error"`',
    target: 'cells.tif?.refuse-me',
    processing: 2,
    title: 'Request refused',
    told: 'a rule refuses the request',
  },
];

/** What is refused by where it is asked; these tell as much as detail 2. */
const REFUSALS: readonly Omit<Row, 'title'>[] = [
  { what: 'lock', target: 'locked/cells.tif?wid=200&0000', processing: 2, told: 'the request is not locked' },
  { what: 'no lock', target: 'locked/cells.tif?wid=200', processing: 2, told: 'the request is not locked' },
  { what: 'obfuscation', target: 'hidden/cells.tif?wid=200', processing: 2, told: 'the request is not base64' },
  {
    what: 'address filter',
    target: 'far/cells.tif?wid=200',
    processing: 2,
    told: 'clients of this address are not served',
  },
  {
    what: 'path where only records may be named',
    target: 'strict/cells.tif?wid=200',
    processing: 2,
    told: 'may not be named by their paths',
  },
];

const get = (target: string): Promise<Answer> => server.ask(`/is/image/${target}`);

/** Headers of an error: nobody keeps it. */
function expectError(answer: Answer, type: string): void {
  const { headers, body } = answer;
  expect(expiresIn(answer, 0)).toBe(true);
  expect(headers).toMatchObject({
    'content-type': type,
    'cache-control': 'no-store',
    'content-length': String(body.length),
  });
  expect(headers.etag).toBeUndefined();
}

/** What no client may learn: where the server's files are. */
function expectNoPaths({ text }: Answer): void {
  for (const path of [server.folder, process.cwd(), '/images', 'node_modules', '127.0.0.1', 'http:', '    at '])
    expect(text).not.toContain(path);
}

const results: string[][] = [];
afterAll(() => {
  console.log(markdown(['Error', 'Request `/is/image/…`', 'Status', '`ErrorDetail` 0, 1', '`ErrorDetail` 2'], results));
});

test.each(ROWS)('$what: $target', async ({ what, target, status = 403, title, told }) => {
  const [none, same, more, all] = await Promise.all(DETAILS.map((detail) => get(`d${detail}/${target}`)));
  for (const answer of [none, same, more, all]) {
    expect(answer?.status).toBe(status);
    if (answer !== undefined) expectError(answer, TEXT);
  }
  for (const answer of [none, same, more]) if (answer !== undefined) expectNoPaths(answer);
  expect([none?.text, same?.text]).toEqual([title, title]);
  expect(more?.text).toMatch(/^[^\n]+$/);
  expect(more?.text.startsWith(`${title}: `)).toBe(true);
  expect(more?.text).toContain(told);
  const [first, ...stack] = all?.text.split('\n') ?? [];
  expect(first).toContain(told);
  expect(stack.filter((line) => line.startsWith('    at ')).length).toBeGreaterThan(0);
  results.push([what, `\`${target}\``, String(status), title, more?.text.replaceAll('`', '') ?? '']);
});

test.each(REFUSALS)('$what: $target', async ({ what, target, told }) => {
  const answer = await get(target);
  expect([answer.status, answer.text]).toEqual([403, expect.stringMatching(/^Request refused: [^\n]+$/)]);
  expect(answer.text).toContain(told);
  expectError(answer, TEXT);
  expectNoPaths(answer);
  results.push([what, `\`${target}\``, '403', 'Request refused', answer.text]);
});

test('the log has the status of each', async () => {
  const expected = new Map(
    [...ROWS.map((row) => ({ ...row, target: `d2/${row.target}` })), ...REFUSALS].map(({ target, processing }) => [
      `/is/image/${target.replaceAll('%', '%25')}`,
      String(processing),
    ]),
  );
  await vi.waitFor(async () => {
    const lines = (await accessLog()).map((line) => line.split(' '));
    const found = lines
      .filter((columns) => expected.has(columns[15] ?? ''))
      .map((columns) => [columns[15], columns[5]]);
    expect(new Map(found as [string, string][])).toEqual(expected);
  });
});

async function accessLog(): Promise<string[]> {
  const folder = join(server.folder, 'logs');
  const names = (await readdir(folder)).filter((name) => name.startsWith('access-'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts
    .join('')
    .split('\n')
    .filter((line) => line !== '');
}

describe('URLs', () => {
  test.each([
    '/is/foo',
    '/is/images/cells.tif',
    '/is/content/cells.tif',
    '/is/cache/x',
    '/ir/render/cells',
    '/is-catalog/x',
    '/IS/image/cells.tif',
  ])('%s is nothing', async (target) => {
    const answer = await server.ask(target);
    expect([answer.status, answer.text]).toEqual([404, 'Not found\n']);
  });

  test.each(['PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND'])('%s is not allowed', async (method) => {
    const { status, headers } = await server.ask('/is/image/cells.tif', { method });
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD, POST, OPTIONS']);
  });

  test('of 16 KiB are read, longer ones are not', async () => {
    const of = (length: number): string => '/is/image/d2/cells.tif?wid=60&.'.padEnd(length, 'x');
    expect((await server.ask(of(16 * 1024))).status).toBe(200);
    const answer = await server.ask(of(16 * 1024 + 1));
    expect([answer.status, answer.text]).toEqual([414, 'Request is too long']);
    expectError(answer, TEXT);
    expect((await server.ask(of(60 * 1024))).status).toBe(414);
  });

  test.each([
    ['d2/../cells.tif', 403],
    ['d2/%2e%2e/%2e%2e/etc/passwd', 403],
    ['d2/a,b.tif', 403],
    ['d2/a%00b.tif', 403],
    ['d2/a%3Fb.tif', 403],
    [`d2/${'a/'.repeat(70)}b.tif`, 403],
  ])('%s is %i', async (target, status) => {
    const answer = await get(target);
    expect(answer.status).toBe(status);
    expectError(answer, TEXT);
    expectNoPaths(answer);
  });
});

describe('errors of requests for text have its form', () => {
  /** One of each stage: reading, finding, planning, refusing. */
  const FAILING = [
    ['d2/cells.tif?wid=0&', 'Invalid request', 'wid must be'],
    ['d2/nothing.tif?', 'Image not found', 'nothing.tif'],
    ['d2/cells.tif?wid=2001&fit=fit,1&', 'Image size limit exceeded', '2000 × 2000'],
    ['far/cells.tif?', 'Request refused', 'clients of this address'],
    ['d2/cells.tif?$nothing$&', 'Invalid request', '$nothing$'],
  ] as const;

  test.each(FAILING)('%sreq=props', async (start, title, told) => {
    const text = await get(`${start}req=props`);
    expect([text.status, text.text.startsWith(`${title}: `)]).toEqual([403, true]);
    expectError(text, TEXT);

    const json = await get(`${start}req=props,json&id=n1&handler=other`);
    expect(json.status).toBe(200);
    expectError(json, 'text/javascript; charset=utf-8');
    const [, body = '', id] = /^\/\*jsonp\*\/s7jsonError\((\{.*\}),"([^"]*)"\);$/.exec(json.text) ?? [];
    expect([JSON.parse(body), id]).toEqual([{ message: expect.stringContaining(told), title }, 'n1']);

    const xml = await get(`${start}req=props,xml`);
    expect(xml.status).toBe(403);
    expectError(xml, 'text/xml; charset=utf-8');
    expect(xml.text).toContain(`<prop-group name="error"><property name="message" value="${title}: `);
    expect(xml.text).toContain(`<property name="title" value="${title}"/>`);

    const script = await get(`${start}req=props,javascript`);
    expect(script.status).toBe(403);
    expectError(script, 'text/javascript; charset=utf-8');
    expect(script.text).toMatch(/^error\.message='.*'\nerror\.title='.*'\n$/);
    for (const answer of [text, json, xml, script]) expectNoPaths(answer);
  });

  test('also of types that there are none of', async () => {
    expect(await get('d2/cells.tif?req=set,json&id=3')).toMatchObject({
      status: 200,
      text: expect.stringMatching(
        /^\/\*jsonp\*\/s7jsonError\(\{"message":"Invalid request: .*","title":"Invalid request"\},"3"\);$/,
      ),
    });
    expect((await get('d2/nothing.tif?req=ctx')).text).toMatch(/^\/\*jsonp\*\/s7jsonError\(/);
  });
});

describe('faults of ours', () => {
  const SECRET = '/secret/folder/image.tif: it went wrong';

  test.each([
    ['d0', 'Server error'],
    ['d1', 'Server error'],
    ['d2', 'Server error: cells.tif'],
  ])('%s: 500, and no word of what it was', async (catalog, text) => {
    vi.spyOn(Engine.prototype, 'use').mockRejectedValueOnce(new Error(SECRET));
    const answer = await get(`${catalog}/cells.tif?wid=61`);
    expect([answer.status, answer.text]).toEqual([500, text]);
    expectError(answer, TEXT);
    // It is not kept.
    expect((await get(`${catalog}/cells.tif?wid=61`)).status).toBe(200);
  });

  test('detail 3 has the stack, and the log has it all', async () => {
    vi.spyOn(Engine.prototype, 'use').mockRejectedValueOnce(new Error(SECRET));
    expect((await get('d3/cells.tif?wid=62')).text).toMatch(/^Server error: cells\.tif\n.*\n {4}at /s);
    const folder = join(server.folder, 'logs');
    await vi.waitFor(async () => {
      const [name = ''] = (await readdir(folder)).filter((each) => each.startsWith('ImageServer'));
      expect(await readFile(join(folder, name), 'utf8')).toContain(SECRET);
    });
  });
});

describe('error image', () => {
  test.each([
    ['shown/nothing.tif', 'an image that is not there'],
    ['shown/red.png?wid=0', 'a request that is not right'],
    ['shownlocked/red.png?wid=10', 'a request without its lock'],
  ])('%s: instead of %s', async (target) => {
    const answer = await get(target);
    const { status, headers, body } = answer;
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, 'image/png', 'no-store']);
    expect(expiresIn(answer, 0)).toBe(true);
    const expected = await server.ask('/is/image/red.png?wid=30&fmt=png');
    expect(body.equals(expected.body)).toBe(true);
  });

  test('that is not there itself gives way to the error', async () => {
    expect(await get('unshown/cells.tif?wid=0')).toMatchObject({ status: 403, text: 'Invalid request' });
  });

  test('is not for requests for text', async () => {
    expect(await get('shown/nothing.tif?req=props')).toMatchObject({ status: 403, text: 'Image not found' });
    expect(await get('shown/red.png?wid=0&req=props')).toMatchObject({ status: 403, text: 'Invalid request' });
  });
});
