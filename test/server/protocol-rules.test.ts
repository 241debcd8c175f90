/** What comes before a request is understood (§12): locks, obfuscation, addresses and rule sets, over HTTP. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type AskOptions, decode, picture, type Served, serve } from './support.js';

const RULES = `<?xml version="1.0" encoding="UTF-8"?>
<!-- Applied to what follows /is/image/, in this order. -->
<ruleset>
  <rule Name="tracking" OnMatch="continue" Replace="all">
    <expression>&amp;track=[^&amp;]*</expression>
    <substitution></substitution>
  </rule>
  <rule Name="old folders" OnMatch="continue">
    <expression>^r/old/(\\w+)-(\\d+)\\.png</expression>
    <substitution>r/$1.png?wid=$2&amp;</substitution>
  </rule>
  <rule Name="first only" OnMatch="continue"><expression>side=</expression><substitution>wid=</substitution></rule>
  <rule Name="stop"><expression>stop=1</expression><substitution>wid=15</substitution></rule>
  <rule Name="go" OnMatch="continue"><expression>go=1</expression><substitution>wid=15</substitution></rule>
  <rule Name="after" OnMatch="continue"><expression>wid=15</expression><substitution>wid=25</substitution></rule>
  <rule Name="of others" OnMatch="error" RequestType="static,ir"><expression>.</expression></rule>
  <rule Name="forbidden" OnMatch="error"><expression>forbidden</expression></rule>
  <rule Name="tagged" OnMatch="continue">
    <expression>tag=</expression>
    <header Name="X-Object" Action="set">[$object$]</header>
    <header Name="X-Tag" Action="set">one</header>
    <header Name="X-Tag" Action="add">$tag$ of $none$</header>
    <header Name="X-$tag$" Action="set">named</header>
    <header Name="Cache-Control" Action="set">private, max-age=5</header>
  </rule>
  <rule Name="short" OnMatch="continue" Expiration="0.5"><expression>short=1</expression></rule>
  <rule Name="small" OnMatch="continue" MaxPix="30,30"><expression>small=1</expression></rule>
  <rule Name="locked" OnMatch="continue" RequestLock="1"><expression>^r/a\\.png\\?locked</expression></rule>
  <rule Name="hidden" OnMatch="continue" RequestObfuscation="1"><expression>^r/a\\.png\\?d2lk</expression></rule>
  <rule Name="shown" OnMatch="continue" ErrorImage="b.png?wid=9&amp;fmt=png"><expression>shown=1</expression></rule>
  <rule Name="instead" OnMatch="continue" DefaultImageMode="1"><expression>instead=1</expression></rule>
  <rule Name="moved" OnMatch="continue"><expression>^r/moved/</expression><substitution>near/</substitution></rule>
  <rule Name="slow" OnMatch="continue"><expression>(a+)+!</expression><substitution></substitution></rule>
</ruleset>`;

const NEAR = `<ruleset>
  <rule OnMatch="continue"><expression>open=1</expression><addressfilter>192.0.2.0/24, 2001:db8::/32</addressfilter></rule>
  <rule OnMatch="continue"><expression>all=1</expression><addressfilter></addressfilter></rule>
</ruleset>`;

const DEFAULT =
  '<ruleset><rule><expression>^legacy/([^?]*)</expression><substitution>r/$1</substitution></rule></ruleset>';

let server: Served;
beforeAll(async () => {
  server = await serve({
    images: {
      'a.png': await picture(60, 40, 3, () => [255, 0, 0]),
      'b.png': await picture(60, 40, 3, () => [0, 0, 255]),
    },
    catalogs: {
      'default.ini': 'ErrorDetail = 2\nRuleSetFile = default.xml\n',
      'default.xml': DEFAULT,
      'r.ini': 'RootId = r\nRuleSetFile = rules.xml\nCatalogFile = r.txt\nDefaultImage = b.png\nExpiration = 1\n',
      'r.txt': 'Id\tPath\tExpiration\nkept\ta.png\t2\n',
      'rules.xml': RULES,
      'locked.ini': 'RootId = locked\nRequestLock = 1\n',
      'hidden.ini': 'RootId = hidden\nRequestObfuscation = 1\n',
      'both.ini': 'RootId = both\nRequestObfuscation = 1\nRequestLock = 1\n',
      'near.ini': 'RootId = near\nClientAddressFilter = 10.0.0.0/8, fd00::/8\nRuleSetFile = near.xml\n',
      'near.xml': NEAR,
      'tail.ini': 'RootId = tail\nRuleSetFile = tail.xml\n',
      'tail.xml': '<ruleset><rule><substitution>&amp;fmt=png</substitution></rule></ruleset>',
    },
    server: { trustForwardedFor: true },
  });
});
afterAll(() => server?.close());

const get = (target: string, options?: AskOptions): Promise<Answer> => server.ask(`/is/image/${target}`, options);

/** Width of the picture; the text of what is none. */
async function width(target: string): Promise<number | string> {
  const { status, body, text } = await get(target);
  return status === 200 ? (await decode(body)).width : text;
}

/** As it is published: over the bytes of the modifiers, encoded as they are. */
function lock(modifiers: string): string {
  let hash = 0;
  for (const byte of Buffer.from(modifiers)) hash = (hash * 131 + byte) & 0xffff;
  return `${modifiers}&${hash.toString(16).padStart(4, '0')}`;
}

const REFUSED = /^Request refused: the request is not locked/;

describe('request lock', () => {
  test.each([
    ['wid=20', lock('wid=20')],
    ['the published value', 'wid=200&4a1f'],
    ['in capitals', 'wid=200&4A1F'],
    ['the published value of more', 'wid=300&hei=200&fmt=png&df2e'],
    ['the published value of nothing', '&0000'],
    ['encoded modifiers, as they are', lock('wid=20&bgc=255%2C0%2c0&fmt=png')],
    ['bytes beyond ASCII', lock('wid=20&id=%C3%A4')],
  ])('%s: ?%s', async (_, query) => {
    expect((await get(`locked/a.png?${query}`)).status).toBe(200);
  });

  test('the picture is that of the modifiers', async () => {
    expect(await width(`locked/a.png?${lock('wid=20&fmt=png')}`)).toBe(20);
    expect((await get(`locked/a.png?${lock('wid=20&fmt=png')}`)).headers.etag).toBe(
      (await get('a.png?wid=20&fmt=png')).headers.etag,
    );
  });

  test.each([
    '',
    '?',
    '?wid=200',
    '?wid=201&4a1f',
    '?wid=200&4a1e',
    '?wid=200&0x4a1f',
    '?4a1f&wid=200',
    '?0000',
    '?wid=200&4a1f&hei=1',
  ])('refused: %s', async (query) => {
    expect(await get(`locked/a.png${query}`)).toMatchObject({ status: 403, text: expect.stringMatching(REFUSED) });
  });

  test('requests for text are locked, too', async () => {
    expect((await get(`locked/a.png?${lock('req=exists')}`)).text).toContain('catalogRecord.exists=1');
    expect((await get('locked/a.png?req=exists')).status).toBe(403);
  });
});

describe('obfuscation', () => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  /** Has characters in which the two alphabets differ, and needs padding. */
  const MODIFIERS = 'wid=20&fmt=png&id=~~??>>x';

  test('either alphabet, with padding or without', async () => {
    const text = base64(MODIFIERS);
    expect(text).toMatch(/[+].*=$/);
    const spellings = [
      text,
      text.replace(/=+$/, ''),
      Buffer.from(MODIFIERS).toString('base64url'),
      text.replaceAll('=', '%3D').replaceAll('+', '%2B').replaceAll('/', '%2f'),
    ];
    for (const query of spellings) expect(await width(`hidden/a.png?${query}`)).toBe(20);
  });

  test('nothing is nothing', async () => {
    expect((await get('hidden/a.png')).status).toBe(200);
  });

  test.each(['wid=200', 'wid%3D200', 'd2lk!', 'abcde'])('refused: %s', async (query) => {
    expect(await get(`hidden/a.png?${query}`)).toMatchObject({
      status: 403,
      text: 'Request refused: the request is not base64: a.png',
    });
  });

  test('locked, then obfuscated', async () => {
    expect((await get(`both/a.png?${base64('wid=200&4a1f')}`)).status).toBe(200);
    expect((await get(`both/a.png?${base64('wid=200&4a1e')}`)).status).toBe(403);
    expect((await get(`both/a.png?${base64('wid=200')}&4a1f`)).status).toBe(403);
    expect((await get('both/a.png?wid=200&4a1f')).status).toBe(403);
  });
});

describe('addresses', () => {
  const from = (address: string, query = ''): Promise<Answer> =>
    get(`near/a.png?wid=20${query}`, { headers: { 'x-forwarded-for': `203.0.113.9, ${address}` } });

  test.each(['10.1.2.3', '::ffff:10.1.2.3', 'fd00::1'])('%s is served', async (address) => {
    expect((await from(address)).status).toBe(200);
  });

  test.each(['11.1.2.3', '192.0.2.1', '2001:db8::1', 'nobody', '127.0.0.1'])('%s is not', async (address) => {
    // Also when others have the same reply already.
    await from('10.1.2.3');
    await from('10.1.2.3');
    expect(await from(address)).toMatchObject({
      status: 403,
      text: 'Request refused: clients of this address are not served: a.png',
    });
  });

  test('the filter of a rule counts instead of the catalog’s', async () => {
    expect((await from('192.0.2.1', '&open=1')).status).toBe(200);
    expect((await from('2001:db8::1', '&open=1')).status).toBe(200);
    expect((await from('10.1.2.3', '&open=1')).status).toBe(403);
    expect((await from('10.1.2.3')).status).toBe(200);
  });

  test('of a catalog whose image is named within another', async () => {
    const target = 'r/near/a.png?wid=20';
    expect((await get(target, { headers: { 'x-forwarded-for': '10.1.2.3' } })).status).toBe(200);
    expect((await get(target, { headers: { 'x-forwarded-for': '192.0.2.1' } })).status).toBe(403);
  });
});

describe('rules rewrite', () => {
  test.each<[what: string, target: string, expected: number | string]>([
    ['what a group matched goes in its place', 'r/old/a-22.png?fmt=png', 22],
    ['an empty substitution takes all matches out', 'r/a.png?wid=20&track=wid=3&track=&fmt=png', 20],
    ['the first match only', 'r/a.png?side=21&side=22', 21],
    ['a rule that ends it keeps later ones from being tried', 'r/a.png?stop=1', 15],
    ['one that goes on lets them see what it made', 'r/a.png?go=1', 25],
    ['and so do requests that no rule changed', 'r/a.png?wid=15', 25],
    ['without an expression the substitution comes last', 'tail/a.png?wid=20&fmt=bmp', 20],
    ['rules of the default catalog, for requests that name none', 'legacy/a.png?wid=23', 23],
    ['rules of a catalog are not those of another', 'locked/a.png?go=1', expect.stringMatching(REFUSED)],
    ['rules for other kinds of requests', 'r/a.png?wid=24', 24],
  ])('%s: %s', async (_, target, expected) => {
    expect(await width(target)).toEqual(expected);
  });

  test('into another catalog, whose filter then counts', async () => {
    expect((await get('r/moved/a.png?wid=20', { headers: { 'x-forwarded-for': '10.0.0.1' } })).status).toBe(200);
    expect((await get('r/moved/a.png?wid=20')).status).toBe(403);
  });

  test('a pattern that would run away does not', async () => {
    expect(await width(`r/a.png?wid=20&id=${'a'.repeat(8000)}`)).toBe(20);
  });
});

describe('rules refuse', () => {
  test('by OnMatch="error"', async () => {
    expect(await get('r/forbidden.png')).toMatchObject({
      status: 403,
      text: 'Request refused: a rule refuses the request: forbidden.png',
    });
    expect((await get('r/a.png?req=props,json&id=forbidden')).text).toMatch(
      /^\/\*jsonp\*\/s7jsonError\(.*"forbidden"\);$/,
    );
    // One that ended it before.
    expect((await get('r/a.png?stop=1&id=forbidden')).status).toBe(200);
  });
});

describe('rules add headers', () => {
  test('with variables in them, the first time and every other', async () => {
    for (let times = 0; times < 3; times++) {
      const { status, headers } = await get('r/a.png?$tag=blue&wid=20');
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        'x-object': '[a.png]',
        'x-tag': 'one, blue of $none$',
        'x-blue': 'named',
        'cache-control': 'private, max-age=5',
      });
    }
  });

  test('to texts, too', async () => {
    expect((await get('r/a.png?$tag=blue&req=exists')).headers['x-blue']).toBe('named');
  });

  test('and none that HTTP does not allow', async () => {
    const { status, headers } = await get('r/a.png?$tag=bl%20%C3%BC%E2%82%AC&wid=20');
    expect([status, headers['x-tag'], headers['x-object']]).toEqual([200, 'one', '[a.png]']);
    const { status: other, headers: plain } = await get('r/a.png?wid=20');
    expect([other, plain['x-object']]).toEqual([200, undefined]);
  });
});

describe('rules override attributes', () => {
  const keeping = async (target: string) => (await get(target)).headers['cache-control'];

  test('Expiration, but not that of a record', async () => {
    expect(await keeping('r/a.png?wid=20')).toBe('public, max-age=3600');
    expect(await keeping('r/a.png?wid=20&short=1')).toBe('public, max-age=1800');
    expect(await keeping('r/kept?wid=20&short=1')).toBe('public, max-age=7200');
  });

  test('MaxPix', async () => {
    expect(await width('r/a.png?wid=31&small=1')).toContain('Image size limit exceeded');
    expect(await width('r/a.png?wid=30&small=1')).toBe(30);
    expect(await width('r/a.png?wid=31')).toBe(31);
  });

  test('RequestLock and RequestObfuscation', async () => {
    expect(await width(`r/a.png?${lock('locked=1&wid=20')}`)).toBe(20);
    expect(await width('r/a.png?locked=1&wid=20')).toMatch(REFUSED);
    expect(await width(`r/a.png?${Buffer.from('wid=20').toString('base64')}`)).toBe(20);
  });

  test('ErrorImage', async () => {
    expect(await width('r/a.png?wid=0&shown=1')).toBe(9);
  });

  test('DefaultImageMode', async () => {
    expect(await width('r/nothing.png?rotate=90&hei=40&fmt=png&scl=1')).toBe(60);
    expect(await width('r/nothing.png?rotate=90&hei=40&fmt=png&scl=1&instead=1')).toBe(40);
  });
});

test.each([
  ['an expression that cannot be one', '<ruleset><rule><expression>(</expression></rule></ruleset>'],
  ['a name that is not known', '<ruleset><rule Speed="1"><expression>a</expression></rule></ruleset>'],
  ['no XML', 'ruleset'],
])('a rule set with %s keeps the server from starting', async (_, xml) => {
  const catalogs = { 'default.ini': 'RuleSetFile = rules.xml\n', 'rules.xml': xml };
  await expect(serve({ catalogs })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
});
