/** What lies outside of the roots stays there, however it is spelled and whichever way the path comes in. */
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generatedProfile } from '../../src/colour/generated.js';
import { type Ask, ask, drive, pyramid, type RawReply, Site } from './hostile.js';

/** A picture that is there, outside; and one that is not, of a name as long. */
const SECRET = 'secret';
const MISSING = 'sicret';

/** The way from the root to the folder around it, and further: each with the name right behind it. */
const CLIMBS = [
  ...[
    '../',
    '../../',
    '%2e%2e/',
    '%2E%2e/',
    '.%2e/',
    '%2e./',
    '..%2f',
    '%2e%2e%2f',
    '%2E%2E%2F',
    '..%2F..%2f',
    './../',
  ],
  ...[
    '%252e%252e/',
    '%252e%252e%252f',
    '%25252e%25252e/',
    '..%252f',
    '..%25%32%66',
    '%%32%65%%32%65/',
    '%2e%2e%c2%a0/',
  ],
  ...[
    '..\\',
    '..%5c',
    '..%5C',
    '%2e%2e%5c',
    '..%255c',
    '\\..\\',
    '%5c..%5c',
    '..\\/',
    '..%5c%2f',
    '\\\\.\\',
    '\\\\?\\C:\\',
  ],
  ...[
    '....//',
    '.../',
    '..../',
    '...//',
    '....%5c%5c',
    '..././',
    '.....///',
    '..;/',
    '..;x=1/',
    '..%3b/',
    '.;/',
    ';/../',
  ],
  ...[
    '%c0%ae%c0%ae/',
    '%c0%ae%c0%ae%c0%af',
    '..%c0%af',
    '%e0%80%ae%e0%80%ae/',
    '%f0%80%80%ae%f0%80%80%ae/',
    '..%c1%9c',
  ],
  ...[
    '%ef%bc%8e%ef%bc%8e/',
    '..%ef%bc%8f',
    '%e2%80%a5/',
    '%u002e%u002e/',
    '%uff0e%uff0e%u2215',
    '..%e2%88%95',
    '%2e%2e%u2215',
  ],
  ...[
    '..%00/',
    '%00../',
    '..%0a/',
    '..%0d%0a/',
    '..%09/',
    '%20../',
    '.. /',
    '..%20/',
    '..%7f/',
    '..%2500/',
    '..%e2%80%8b/',
  ],
  ...[
    'sub/../../',
    'sub/%2e%2e/%2e%2e/',
    'in.tif/../../',
    'in.tif/%2e%2e/%2e%2e/',
    'nowhere/../../',
    '.git/../../',
    '/../',
    '//..//',
  ],
  ...[
    '../images/../',
    '../images-too/',
    '%2e%2e/images-too/',
    '../outside/',
    'link-folder/',
    'link-folder/../',
    'link-up/',
    'link-up/outside/',
  ],
  ...[
    '..?/',
    '..%3f/',
    '..#/',
    '..%23/',
    '..,/',
    '..&/',
    '..:/',
    '..$object$/',
    '~/',
    '~root/',
    '%7e/',
    '$HOME/',
    '%24%7bHOME%7d/',
  ],
  ...[
    'C:/',
    'C:',
    'C:%5c',
    'c%3a/',
    'file:/',
    'file:',
    'http://127.0.0.1/',
    'ftp:%2f%2f',
    'data:,',
    'con/',
    'nul/',
    'aux.tif/',
    '.%00./',
  ],
] as const;

const ENDINGS = [
  '.tif',
  '',
  '.TIF',
  '.tif.',
  '.tif%20',
  '.tif%00',
  '.tif%00.jpg',
  '.tif/',
  '.tif/.',
  '.tif%2f',
  '.tif::$DATA',
  '.icc',
  '.tif;x',
  '.png',
];

/** Kinds of request, each of which opens or looks at the file in its own way. */
const QUERIES = [
  'wid=20',
  'req=props',
  'req=imageprops',
  'req=exists',
  'req=ctx',
  'req=xmp',
  'req=userdata',
  'req=loadcache',
  'req=tmb',
];

const HARD_NAMES = [
  ...[
    'a b',
    'a+b',
    'ü',
    'e\u0301',
    '日本',
    '😀',
    "it's",
    'a&b=c',
    '50%',
    '%41',
    '%2e%2e',
    'a#b',
    'a;b',
    '-rf',
    '(x)',
    '{y}',
    '$z$',
    'con',
    'x'.repeat(200),
  ],
  ...['~', '@', '=', 'a..b', 'a...', 'a:b', '*', '"', '<', '|', 'in.tif.bak'],
];

let site: Site;

beforeAll(async () => {
  const secret = await pyramid(123, 77, '#c01337');
  const shown = await pyramid(100, 50, '#404040');
  const profile = generatedProfile('AdobeRGB');
  site = await Site.make({
    [`${SECRET}.tif`]: secret,
    [`${SECRET}.icc`]: profile,
    [`outside/${SECRET}.tif`]: secret,
    [`outside/${SECRET}.icc`]: profile,
    // A root is a folder, and no beginning of a name.
    [`images-too/${SECRET}.tif`]: secret,
    'images/in.tif': shown,
    'images/sub/in.tif': shown,
    'images/.git/in.tif': shown,
    'images/.hidden.tif': shown,
    'images/profiles/in.icc': profile,
    ...Object.fromEntries(HARD_NAMES.map((name) => [`images/hard/${name}.tif`, shown])),
  });
  await mkdir(join(site.root, 'empty'));
  for (const [link, target] of [
    [`link-${SECRET}.tif`, `../${SECRET}.tif`],
    ['link-absolute.tif', join(site.folder, `${SECRET}.tif`)],
    ['link-folder', '../outside'],
    ['link-up', '..'],
    [`link-${SECRET}.icc`, `../${SECRET}.icc`],
    ['link-loop.tif', 'link-loop.tif'],
    ['link-device.tif', '/dev/zero'],
    ['link-in.tif', 'in.tif'],
    ['link-sub', 'sub'],
  ] as const)
    await symlink(target, join(site.root, link));
  await mkdir(join(site.root, 'escape.jpg'));
  await symlink('../../outside', join(site.root, 'escape.jpg', 'renditions'));
  await site.write('outside/cqdam.pyramid.tiff', secret);
  await site.write('outside/record.json', '{"userData":"c01337"}');
  await mkdir(join(site.root, 'noted.jpg'));
  await symlink('../../outside/record.json', join(site.root, 'noted.jpg', 'record.json'));

  // Catalogs write paths as they are, rules and presets as URLs do.
  const climbs = [...CLIMBS, `${site.folder}/`, `/${site.folder}/`, `file://${site.folder}/`];
  const rows = climbs.flatMap((climb, at) =>
    [SECRET, MISSING].flatMap((name) =>
      [climb, decoded(climb)].map((path, way) => [`${name}${at}-${way}`, `${path}${name}.tif`]),
    ),
  );
  const isPlain = (text: string): boolean => !/\p{Cc}/u.test(text);
  await site.write('catalog/default.ini', 'ErrorDetail = 2\nMacroFile = macros.tsv\n');
  await site.write(
    'catalog/shop.ini',
    'RootId = shop\nCatalogFile = records.tsv\nRootPath = sub\nRuleSetFile = rules.xml\nIccProfileMapFile = map.tsv\n',
  );
  await site.write(
    'catalog/broken.ini',
    `RootId = broken\nErrorImage = ../${SECRET}.tif\nDefaultImage = ${site.folder}/${SECRET}.tif\n`,
  );
  await site.write(
    'catalog/records.tsv',
    tableOf(
      ['Id', 'Path'],
      rows.filter((row) => row.every(isPlain)),
    ),
  );
  await site.write(
    'catalog/map.tsv',
    tableOf(
      ['Name', 'ProfilePath'],
      [
        ['out', `../${SECRET}.icc`],
        ['gone', `../${MISSING}.icc`],
        ['inside', '../images/profiles/in.icc'],
      ],
    ),
  );
  await site.write(
    'catalog/macros.tsv',
    tableOf(
      ['Name', 'Definition'],
      climbs
        .flatMap((climb, at) => [SECRET, MISSING].map((name) => [`${name}${at}`, `defaultImage=${climb}${name}.tif`]))
        .filter((row) => row.every(isPlain)),
    ),
  );
  const rules = climbs.flatMap((climb, at) =>
    [SECRET, MISSING].map(
      (name) =>
        `<rule OnMatch="break"><expression>^shop/${name}${at}\\.rule</expression><substitution>${xml(climb)}${name}.tif</substitution></rule>`,
    ),
  );
  await site.write('catalog/rules.xml', `<ruleset>${rules.join('')}</ruleset>`);
  await site.start();
});
afterAll(() => site?.close());

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, ...rows].map((row) => `${row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join('\t')}\n`).join('');
}

function decoded(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function xml(text: string): string {
  return text
    .replaceAll(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
    .replaceAll('\\', '\\\\')
    .replaceAll('$', '\\$');
}

/** Asks for what is there and for what is not, and yields the requests whose replies tell the one from the other, or tell anything. */
async function tellTales(
  targets: (name: string) => readonly string[],
  method = 'GET',
): Promise<{ asked: number; tales: string[] }> {
  const asks = [SECRET, MISSING].flatMap((name) =>
    targets(name).map((target): Ask => ({ method, target, isAlone: /[^!-~]/.test(target) })),
  );
  const replies = new Map<string, RawReply | null>();
  await drive(asks.values(), {
    port: site.port,
    connections: 4,
    depth: 8,
    onReply: ({ target }, reply) => replies.set(target, reply),
  });
  const seen = (target: string): string => {
    const reply = replies.get(target);
    if (reply == null) return 'no reply';
    const { status, headers, body } = reply;
    // What is said of the time differs, and so does the name that was asked for.
    const heads = [...headers]
      .filter(([name]) => !['date', 'expires', 'etag'].includes(name))
      .map((header) => header.join(': '));
    const text = [...heads, body.toString('latin1')]
      .join('\n')
      .replaceAll(MISSING, SECRET)
      .replaceAll(/^#.* GMT .*$/gm, '');
    return `${status} ${text}`;
  };
  const others = targets(MISSING);
  const tales = targets(SECRET).filter((target, at) => {
    const told = seen(target);
    const isPicture = / image\//.test(told);
    return told !== seen(others[at] ?? '') || isPicture || /^5(?!03)/.test(told) || told === 'no reply';
  });
  return { asked: replies.size, tales };
}

const encoded = (text: string): string =>
  text.replaceAll(/[^!-~]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
const silent = (asked: number) => ({
  asked: expect.toSatisfy((count: number) => count >= asked, `at least ${asked}`),
  tales: [],
});

describe('outside of the roots', () => {
  const climbs = (): string[] => [
    ...CLIMBS,
    `${site.folder}/`,
    `${site.folder.slice(1)}/`,
    `${site.folder.replaceAll('/', '%2f')}%2f`,
    `file://${site.folder}/`,
    `../../../../../../../../..${site.folder}/`,
  ];

  test.each([
    '/is/image/',
    '/is/image//',
    '/is/image/sub/',
    '/is/image/shop/',
    '/is/image/shop//',
    '/is/content/',
    '/viewer/',
    '/viewer/assets/',
    '/',
    '//',
  ])('nothing is found by a path after %s', async (before) => {
    const queries = before.startsWith('/is/image') ? QUERIES : [''];
    const spelled = (name: string) =>
      climbs().flatMap((climb) =>
        queries.map((query) => encoded(`${before}${climb}${name}.tif${query === '' ? '' : `?${query}`}`)),
      );
    expect(await tellTales(spelled)).toEqual(silent(climbs().length));
  });

  test('nor by another ending', async () => {
    const spelled = (name: string) =>
      ['../', '%2e%2e/', '..%2f', '..\\', '%252e%252e/', 'link-folder/', 'link-'].flatMap((climb) =>
        ENDINGS.flatMap((ending) => [`/is/image/${climb}${name}${ending}?wid=20`, `/viewer/${climb}${name}${ending}`]),
      );
    expect(await tellTales(spelled)).toEqual(silent(150));
  });

  test('nor as an image in the place of a missing one', async () => {
    const spelled = (name: string) =>
      climbs().flatMap((climb) =>
        ['', 'shop/', '/'].flatMap((catalog) => [
          `/is/image/${catalog}nowhere?defaultImage=${encoded(`${climb}${name}.tif`).replaceAll(/[&#]/g, '')}&wid=20`,
          `/is/image/${catalog}nowhere?defaultImage=/${encoded(`${climb}${name}.tif`).replaceAll(/[&#]/g, '')}&wid=20`,
        ]),
      );
    expect(await tellTales(spelled)).toEqual(silent(800));
  });

  test('nor as a profile', async () => {
    const spelled = (name: string) => [
      ...climbs().map((climb) => `/is/image/in?wid=20&icc=${encoded(`${climb}${name}.icc`).replaceAll(/[&#]/g, '')}`),
      ...[`link-${name}.icc`, `link-folder/${name}.icc`, `link-up/${name}.icc`].map(
        (path) => `/is/image/in?wid=20&icc=${path}`,
      ),
    ];
    expect(await tellTales(spelled)).toEqual(silent(200));
    expect((await ask(site.port, '/is/image/in?wid=20&icc=profiles/in.icc')).status).toBe(200);
    for (const [name, status] of [
      ['out', 403],
      ['gone', 403],
      ['inside', 200],
    ] as const)
      expect([name, (await ask(site.port, `/is/image/shop/in?wid=20&icc=${name}`)).status]).toEqual([name, status]);
  });

  test('nor by the records of a catalog', async () => {
    const spelled = (name: string) =>
      climbs().flatMap((_, at) =>
        [0, 1].flatMap((way) => QUERIES.slice(0, 6).map((query) => `/is/image/shop/${name}${at}-${way}?${query}`)),
      );
    const { asked, tales } = await tellTales(spelled);
    // `userdata` and `exists` tell that there is a record, for both.
    expect({ asked, tales }).toEqual(silent(1000));
  });

  test('nor by rules, nor by presets', async () => {
    const ruled = (name: string) =>
      climbs().flatMap((_, at) => QUERIES.slice(0, 4).map((query) => `/is/image/shop/${name}${at}.rule?${query}`));
    expect(await tellTales(ruled)).toEqual(silent(800));
    const preset = (name: string) =>
      climbs().flatMap((_, at) => ['', 'shop/'].map((catalog) => `/is/image/${catalog}nowhere?$${name}${at}$&wid=20`));
    expect(await tellTales(preset)).toEqual(silent(400));
  });

  test('nor by attributes of a catalog', async () => {
    const reply = await ask(site.port, '/is/image/broken/nowhere?wid=20');
    expect([reply.status, reply.headers.get('content-type')]).toEqual([403, 'text/plain; charset=utf-8']);
  });

  test.each([
    `link-${SECRET}.tif`,
    'link-absolute.tif',
    `link-folder/${SECRET}.tif`,
    `link-up/${SECRET}.tif`,
    'link-loop.tif',
    'link-device.tif',
    'escape.jpg',
    'empty',
    '.hidden.tif',
    '.hidden',
    '.git/in.tif',
    '.git',
    '',
  ])('nor through %s', async (path) => {
    for (const query of QUERIES.filter((each) => each !== 'req=exists' && each !== 'req=userdata')) {
      const { status, headers, body } = await ask(site.port, `/is/image/${path}?${query}`);
      // Scripts see no reply but 200.
      expect([status, headers.get('content-type')]).toEqual([
        query === 'req=ctx' ? 200 : 403,
        expect.stringMatching(/^text\//),
      ]);
      expect(body.toString()).toMatch(query === 'req=ctx' ? /s7jsonError/ : /^(?:Image not found|Invalid request)/);
      expect(body.toString()).not.toMatch(/123|77|c01337/i);
    }
  });

  test('nor is a record read through a link', async () => {
    const { body } = await ask(site.port, '/is/image/noted.jpg?req=userdata');
    expect(body.toString()).not.toContain('c01337');
  });
});

describe('inside', () => {
  test.each(['in', 'in.tif', 'sub/in', 'link-in.tif', 'link-in', 'link-sub/in.tif', '/in.tif', 'sub//in.tif', '%69n'])(
    '%s is found',
    async (path) => {
      const { status, headers } = await ask(site.port, `/is/image/${path}?wid=20`);
      expect([status, headers.get('content-type')]).toEqual([200, 'image/jpeg']);
    },
  );

  test.each(HARD_NAMES)('so is %s', async (name) => {
    const { status, headers, body } = await ask(site.port, `/is/image/hard/${encodeURIComponent(name)}.tif?wid=20`);
    expect([status, headers.get('content-type'), status === 200 ? '' : body.toString()]).toEqual([
      200,
      'image/jpeg',
      '',
    ]);
  });
});
