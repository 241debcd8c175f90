/** What replies say of how long they may be kept (§10.1), and requests that have them already, over HTTP. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type AskOptions, expiresIn, picture, type Served, serve } from './support.js';

/** 14 November 2023, 22:13:20 GMT. */
const RECORD_TIME = 1_700_000_000_000;
const RECORD_DATE = 'Tue, 14 Nov 2023 22:13:20 GMT';
const CATALOG_DATE = 'Sat, 01 Jan 2022 00:00:00 GMT';

let server: Served;
beforeAll(async () => {
  const red = await picture(60, 40, 3, () => [255, 0, 0]);
  server = await serve({
    images: { 'a.png': red, 'no.png': await picture(60, 40, 3, () => [0, 0, 255]) },
    catalogs: {
      'default.ini': 'Expiration = 10\n',
      'times.ini':
        'RootId = times\nExpiration = 3\nNonImgExpiration = 0.2\nDefaultExpiration = 0.25\nDefaultImage = no.png\nCatalogFile = times.txt\n',
      'times.txt': [
        'Id\tPath\tExpiration\tUserData',
        'inherits\ta.png\t-2\ta=1',
        'never\ta.png\t-1\ta=1',
        'atonce\ta.png\t0\ta=1',
        'own\ta.png\t0.5\ta=1',
        'no\tno.png\t-1\t',
      ].join('\n'),
      'eternal.ini': 'RootId = eternal\nExpiration = -1\nNonImgExpiration = -1\n',
      'zero.ini': 'RootId = zero\nExpiration = 0\n',
      'dated.ini':
        'RootId = dated\nUseLastModified = 1\nTimeStamp = 01/01/2022 00:00:00 GMT\nCatalogFile = dated.txt\n',
      'dated.txt': `Id\tPath\tTimeStamp\tUserData\nship\ta.png\t${RECORD_TIME}\ta=1\n`,
    },
    // It is on by default; pages of one origin are told apart.
    server: { corsOrigin: 'https://shop.example' },
  });
});
afterAll(() => server?.close());

const get = (target: string, options?: AskOptions): Promise<Answer> => server.ask(`/is/image/${target}`, options);
const md5 = (body: Uint8Array): string => createHash('md5').update(body).digest('hex');

const YEAR = 365 * 24 * 3600;

describe('how long a reply may be kept', () => {
  test.each<[what: string, target: string, seconds: number, cacheControl?: string]>([
    ['the default catalog', 'a.png', 36_000],
    ['a catalog', 'times/a.png', 10_800],
    ['a record that says −2: as its catalog', 'times/inherits', 10_800],
    ['a record that says −1: for ever', 'times/never', YEAR],
    ['a record that says 0: at once', 'times/atonce', 0],
    ['a record of its own', 'times/own', 1800],
    ['a catalog that says −1', 'eternal/a.png', YEAR],
    ['a catalog that says 0', 'zero/a.png', 0],
    ['a default image', 'times/nothing', 900],
    ['a default image with a record of its own', 'times/nothing?defaultImage=no', YEAR],
    ['thumbnails', 'times/own?req=tmb', 1800],
    ['the record’s own text', 'times/own?req=userdata', 1800],
    ['other text', 'times/own?req=props', 720],
    ['other text of a catalog', 'times?req=catalogprops', 720],
    ['cache=off', 'times/own?cache=off', 0, 'no-cache'],
    ['cache=off,on', 'times/own?cache=off,on', 0, 'no-cache'],
    ['cache=on,off', 'times/own?cache=on,off', 1800],
    ['cache=validate and update are for the server', 'times/own?cache=validate', 1800],
    ['cache=update', 'times/own?cache=update', 1800],
    ['cache=off, where it is for ever', 'times/never?cache=off', YEAR],
    ['cache=off of text', 'times/own?req=userdata&cache=off', 0, 'no-cache'],
    ['cache=off of text, where it is for ever', 'times/never?req=userdata&cache=off', YEAR],
    ['text of a catalog for ever', 'eternal/a.png?req=exists&cache=off', YEAR],
  ])('%s: %s', async (_, target, seconds, cacheControl = `public, max-age=${seconds}`) => {
    // From memory it says the same.
    for (let times = 0; times < 2; times++) {
      const answer = await get(target);
      expect([answer.status, answer.headers['cache-control'], expiresIn(answer, seconds)]).toEqual([
        200,
        cacheControl,
        true,
      ]);
    }
  });
});

describe('tags', () => {
  test.each(['a.png?wid=20', 'a.png?wid=20&fmt=png', 'times/own?req=userdata', 'a.png?req=exists,json'])(
    '%s has the MD5 of its body',
    async (target) => {
      const { headers, body } = await get(target);
      expect(headers.etag).toBe(`"${md5(body)}"`);
    },
  );

  const TARGETS = ['a.png?wid=21', 'times/own?req=userdata'];

  /** Status when asked with these headers, a tag in the place of `TAG`. */
  async function ask(target: string, given: Readonly<Record<string, string>>): Promise<Answer> {
    const tag = (await get(target)).headers.etag ?? '';
    const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value.replace('TAG', tag)]));
    return get(target, { headers });
  }

  const LATER = new Date(Date.now() + 1e8).toUTCString();

  test.each<[given: Readonly<Record<string, string>>, status: number]>([
    [{ 'if-none-match': 'TAG' }, 304],
    [{ 'if-none-match': '"other", TAG' }, 304],
    [{ 'if-none-match': 'W/TAG' }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"other"' }, 200],
    // Nothing says when it was modified.
    [{ 'if-modified-since': LATER }, 200],
    [{ 'if-none-match': 'TAG', 'if-modified-since': new Date(0).toUTCString() }, 304],
    [{ 'if-none-match': '"other"', 'if-modified-since': LATER }, 200],
  ])('%o is %i', async (given, status) => {
    for (const target of TARGETS) {
      const answer = await ask(target, given);
      expect([target, answer.status]).toEqual([target, status]);
      if (status === 304) expectBare(answer, await get(target));
    }
  });
});

/** A 304 says what the reply would, and has nothing in it. */
function expectBare(bare: Answer, whole: Answer): void {
  expect(bare.body.length).toBe(0);
  for (const name of ['etag', 'cache-control', 'last-modified', 'vary'] as const)
    expect([name, bare.headers[name]]).toEqual([name, whole.headers[name]]);
  expect(bare.headers['content-length']).toBeUndefined();
  expect(bare.headers['content-type']).toBeUndefined();
}

describe('UseLastModified', () => {
  test('the time stamp of the record, or of the catalog', async () => {
    expect((await get('dated/ship?wid=20')).headers['last-modified']).toBe(RECORD_DATE);
    expect((await get('dated/a.png?wid=20')).headers['last-modified']).toBe(CATALOG_DATE);
    expect((await get('dated/ship?req=userdata')).headers['last-modified']).toBe(RECORD_DATE);
    expect((await get('a.png?wid=20')).headers['last-modified']).toBeUndefined();
  });

  const EARLIER = new Date(RECORD_TIME - 1000).toUTCString();
  const LATER = new Date(RECORD_TIME + 1000).toUTCString();

  test.each<[given: Readonly<Record<string, string>>, status: number]>([
    [{ 'if-modified-since': RECORD_DATE }, 304],
    [{ 'if-modified-since': LATER }, 304],
    [{ 'if-modified-since': EARLIER }, 200],
    [{ 'if-modified-since': 'yesterday' }, 200],
    [{ 'if-none-match': '"other"', 'if-modified-since': LATER }, 200],
  ])('%o is %i', async (headers, status) => {
    for (const target of ['dated/ship?wid=22', 'dated/ship?req=userdata']) {
      const whole = await get(target);
      const answer = await get(target, { headers });
      expect([target, answer.status]).toEqual([target, status]);
      if (status === 304) expectBare(answer, whole);
    }
  });
});

test('what never expires is not asked for again, whatever the condition', async () => {
  for (const target of ['times/never?wid=23', 'eternal/a.png?wid=23', 'times/never?req=userdata']) {
    for (const headers of [{ 'if-none-match': '"other"' }, { 'if-modified-since': new Date(0).toUTCString() }]) {
      // The first time, and from memory.
      expect((await get(target, { headers })).status).toBe(304);
      expect((await get(target, { headers })).status).toBe(304);
    }
    expect((await get(target)).status).toBe(200);
  }
});

test('errors are kept by nobody, and have no tag', async () => {
  for (const target of ['nothing.png', 'a.png?wid=0', 'a.png?wid=0&req=props,json', 'a.png?wid=2001&fit=fit,1']) {
    const answer = await get(target, { headers: { 'if-none-match': '*' } });
    expect([answer.headers['cache-control'], expiresIn(answer, 0)]).toEqual(['no-store', true]);
    expect([answer.status === 304, answer.headers.etag]).toEqual([false, undefined]);
  }
});

describe('replies that depend on the client', () => {
  test.each([
    ['a.png?wid=24', {}, 'Origin'],
    ['a.png?wid=24&bfc=on', { accept: 'image/avif,image/webp' }, 'Accept, Origin'],
    ['a.png?wid=24&bfc=on', { accept: 'image/png' }, 'Accept, Origin'],
    ['a.png?wid=24&bfc=on&fmt=gif', { accept: 'image/webp' }, 'Origin'],
    ['a.png?wid=24&network=on', { 'save-data': 'on' }, 'Save-Data, Downlink, Origin'],
    ['a.png?wid=24&network=on&bfc=on', { downlink: '0.3' }, 'Save-Data, Downlink, Accept, Origin'],
  ])('%s, %o: Vary is %s', async (target, headers, vary) => {
    expect((await get(target, { headers })).headers.vary).toBe(vary);
  });

  test('are told apart', async () => {
    const types = [];
    for (const accept of ['image/avif', 'image/webp', 'image/png', 'image/avif'])
      types.push((await get('a.png?wid=25&bfc=on', { headers: { accept } })).headers['content-type']);
    expect(types).toEqual(['image/avif', 'image/webp', 'image/jpeg', 'image/avif']);
  });

  test('304 says it, too', async () => {
    const target = 'a.png?wid=26&bfc=on';
    const { etag = '' } = (await get(target, { headers: { accept: 'image/webp' } })).headers;
    const answer = await get(target, { headers: { accept: 'image/webp', 'if-none-match': etag } });
    expect([answer.status, answer.headers.vary]).toEqual([304, 'Accept, Origin']);
    // What another client gets has another tag.
    expect((await get(target, { headers: { accept: 'image/avif', 'if-none-match': etag } })).status).toBe(200);
  });
});

/** All that a reply is, but for the second that it was made in. */
function without({ status, headers, body }: Answer): unknown {
  const { date: _, expires, connection: __, 'keep-alive': ___, ...rest } = headers;
  return { status, headers: { ...rest, hasExpires: expires !== undefined }, body: body.toString('base64') };
}

describe('from memory', () => {
  test.each([
    'a.png?wid=30',
    'a.png?wid=30&fmt=png-alpha',
    'a.png?wid=30&req=tmb',
    'times/own?wid=30',
    'times/never?wid=30',
    'times/atonce?wid=30',
    'times/nothing?wid=30',
    'times/own?wid=30&cache=off,on',
    'dated/ship?wid=30',
    'a.png?wid=30&bfc=on',
    'nothing.png?wid=30',
    'times/own?req=userdata',
  ])('%s is the same the second time, and the third', async (target) => {
    const first = await get(target);
    for (let times = 0; times < 2; times++) expect(without(await get(target))).toEqual(without(first));
    expect(without(await get(target, { method: 'HEAD' }))).toEqual({ ...(without(first) as object), body: '' });
    const { etag } = first.headers;
    if (etag === undefined) return;
    // As it is understood anew (by POST nothing is taken from memory), and from memory.
    const again = { headers: { 'if-none-match': etag } };
    const bare = await get(target, { ...again, method: 'POST' });
    expect([bare.status, without(await get(target, again))]).toEqual([304, without(bare)]);
  });

  test('two spellings of one request are one reply', async () => {
    const tags = await Promise.all(
      ['a.png?wid=31&fmt=png', 'a.png?fmt=png&wid=9&wid=31&id=7', 'a.png?WID=31.0&fmt=PNG&.note'].map(
        async (target) => (await get(target)).headers.etag,
      ),
    );
    expect(new Set(tags).size).toBe(1);
  });
});

describe('methods', () => {
  test.each(['a.png?wid=40', 'a.png?req=exists', 'nothing.png', 'a.png?wid=0', '', 'times/nothing'])(
    'HEAD %s has the headers of GET, and no body',
    async (target) => {
      // Never asked before, then known.
      const head = await get(target, { method: 'HEAD' });
      const whole = await get(target);
      expect(head.body.length).toBe(0);
      expect(head.headers['content-length']).toBe(String(whole.body.length));
      expect(without(head)).toEqual({ ...(without(whole) as object), body: '' });
    },
  );

  test('POST is GET, whatever it sends', async () => {
    const whole = await get('a.png?wid=41');
    const posted = await get('a.png?wid=41', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'wid=50',
    });
    expect(without(posted)).toEqual(without(whole));
  });

  test('OPTIONS tells pages what they may do', async () => {
    const { status, headers, body } = await get('a.png?wid=42', {
      method: 'OPTIONS',
      headers: { origin: 'https://shop.example', 'access-control-request-method': 'GET' },
    });
    expect([status, body.length]).toEqual([204, 0]);
    expect(headers).toMatchObject({
      'access-control-allow-origin': 'https://shop.example',
      'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
      'access-control-max-age': '86400',
    });
  });

  test('pages of the origin may read replies and their headers', async () => {
    for (const target of ['a.png?wid=43', 'a.png?wid=43', 'nothing.png', 'a.png?req=exists']) {
      const { headers } = await get(target);
      expect(headers).toMatchObject({
        'access-control-allow-origin': 'https://shop.example',
        'access-control-expose-headers': 'ETag, Expires, Cache-Control, Content-Length',
        vary: 'Origin',
      });
    }
  });
});
