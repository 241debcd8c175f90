/** A hundred thousand requests that do not mean well, to one running server. */
import { homedir, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Ask, ask, drive, pyramid, type RawReply, Site } from './hostile.js';
import { asks } from './hostile-urls.js';

const COUNT = Number(process.env.PYRAMIDION_FUZZ_URLS ?? 100_000);
const SEED = Number(process.env.PYRAMIDION_FUZZ_SEED ?? 20_250_705);
/** Every so many pictures one is decoded. */
const DECODED = 100;
/** What memory may grow by, once everything was loaded and the caches have filled. */
const GROWTH_BYTES = 200 * 2 ** 20;

const OBJECTS = {
  grey: pyramid(300, 200, '#808080'),
  'photo.tif': pyramid(640, 480, '#a03060', 'jpeg'),
};

let site: Site;
const warnings: unknown[] = [];
const onWarning = (warning: unknown): void => void warnings.push(warning);

beforeAll(async () => {
  const jpeg = await sharp(await OBJECTS['photo.tif'])
    .jpeg()
    .toBuffer();
  const alpha = {
    create: { width: 60, height: 90, channels: 4, background: { r: 0, g: 255, b: 0, alpha: 0.5 } },
  } as const;
  site = await Site.make({
    'secret.tif': await OBJECTS.grey,
    'images/grey.tif': await OBJECTS.grey,
    'images/photo.tif': await OBJECTS['photo.tif'],
    'images/tiny.tif': await pyramid(1, 1, '#ffffff'),
    'images/thin.tif': await pyramid(2000, 3, '#0000ff'),
    'images/flat.jpg': jpeg,
    'images/clear.png': await sharp(alpha).png().toBuffer(),
    'images/cut.tif': (await OBJECTS['photo.tif']).subarray(0, 1500),
    'images/text.jpg': 'no picture at all',
    'images/empty.tif': '',
    'images/dir/a b+ü.tif': await OBJECTS.grey,
    'images/asset.jpg/renditions/cqdam.pyramid.tiff': await OBJECTS['photo.tif'],
    'images/asset.jpg/record.json': JSON.stringify({
      modifier: 'bgc=ff0000',
      userData: 'a=1??b=<x>',
      anchor: '5,5',
      targets: 'x',
    }),
    'images/spoiled.jpg/renditions/cqdam.pyramid.tiff': await OBJECTS['photo.tif'],
    'images/spoiled.jpg/record.json': '{',
    'catalog/default.ini': 'MaxPix = 200,200\nErrorDetail = 2\nMacroFile = macros.tsv\n',
    'catalog/macros.tsv':
      'Name\tDefinition\nthumb\twid=50&hei=50&fit=crop\nvars\t$x=30&wid=$x$\ndeep\t$thumb$&$vars$\n',
    'catalog/shop.ini': [
      ...[
        'RootId = shop',
        'CatalogFile = shop.tsv',
        'RuleSetFile = rules.xml',
        'DefaultImage = none',
        'UseLastModified = 1',
      ],
      ...['CacheValidationPolicy = 1', 'ErrorDetail = 1'],
    ].join('\n'),
    'catalog/shop.tsv': [
      'Id\tPath\tModifier\tPostModifier\tUserData',
      'shoe\tphoto.tif\tbgc=00ff00\twid=60\tk=v',
      'none\tgrey.tif\t\t\t',
      'gone\t/nowhere/x.tif\t\t\t',
      'out\t/etc/passwd\t\t\t',
      'bad\tphoto.tif\twid=oops\t\t',
    ].join('\n'),
    'catalog/rules.xml': `<ruleset>
      <rule OnMatch="continue"><expression>^shop/seo/(.*)/x</expression><substitution>shop/$1</substitution></rule>
      <rule OnMatch="continue"><expression>up</expression><substitution>..</substitution>
        <header Name="X-$tag$">$tag$ $object$</header><header Name="X-Tag" Action="add">$tag$</header></rule>
      <rule OnMatch="error"><expression>refuse</expression></rule></ruleset>`,
    'catalog/locked.ini': 'RootId = locked\nRequestLock = 1\n',
    'catalog/veiled.ini': 'RootId = veiled\nRequestObfuscation = 1\n',
    'catalog/full.ini': 'RootId = a/b\nFullMatch = 1\nErrorImage = grey?wid=20\nBfc = 1\n',
    'catalog/closed.ini': 'RootId = closed\nAllowDirectAccess = exclude:IS\nClientAddressFilter = 10.0.0.0/8\n',
  });
  await site.start({ Server: { cacheMemorySize: '32M', trustForwardedFor: true } });
  process.on('warning', onWarning);
});
afterAll(async () => {
  process.off('warning', onWarning);
  await site?.close();
});

const NAMES = {
  objects: [
    ...[
      'grey',
      'grey.tif',
      'photo',
      'photo.tif',
      'photo.tif',
      'flat.jpg',
      'clear',
      'tiny',
      'thin',
      'asset.jpg',
      'asset.jpg',
    ],
    ...[
      'cut',
      'text.jpg',
      'empty.tif',
      'spoiled.jpg',
      'dir',
      'dir/a%20b+%C3%BC',
      'dir/a b+\xfc',
      'shop/shoe',
      'shop/shoe',
      'missing',
    ],
    ...[
      'shop/none',
      'shop/gone',
      'shop/out',
      'shop/bad',
      'shop/seo/shoe/x',
      'shop/up/up/secret',
      'shop/refuse',
      'locked/grey',
    ],
    ...['veiled/grey', 'a/b/grey', 'closed/grey', 'shop'],
  ],
  catalogs: ['shop', 'a/b', 'locked', 'veiled', 'closed', 'Shop'],
  macros: ['thumb', 'vars', 'deep', 'Thumb'],
};

/** Statuses that any request may come to; others are refused by HTTP before they are read. */
const STATUSES = new Set([200, 204, 302, 304, 400, 403, 404, 405, 414, 417, 503]);

const MAGIC: Readonly<Record<string, (body: Buffer) => boolean>> = {
  'image/jpeg': (body) => body.readUInt16BE(0) === 0xffd8 && body.readUInt16BE(body.length - 2) === 0xffd9,
  'image/png': (body) =>
    body.toString('latin1', 1, 8) === 'PNG\r\n\x1a\n' &&
    body.toString('latin1', body.length - 8, body.length - 4) === 'IEND',
  'image/gif': (body) => body.toString('latin1', 0, 4) === 'GIF8' && body.at(-1) === 0x3b,
  'image/webp': (body) => body.toString('latin1', 8, 12) === 'WEBP' && body.readUInt32LE(4) + 8 === body.length,
  'image/avif': (body) => body.toString('latin1', 4, 12) === 'ftypavif',
  'image/tiff': (body) => /^(?:II\*\0|MM\0\*)/.test(body.toString('latin1', 0, 4)),
  'image/svg+xml': () => true,
};

test(`${COUNT} requests: no reply that is wrong, nothing of the machine in any`, async () => {
  const needles = [
    site.folder,
    fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, ''),
    site.folder.split('/').at(-1) ?? '',
  ];
  const inText = [...needles, homedir(), tmpdir(), '/usr/', 'node_modules', '    at ', 'root:x:', 'file:///'];
  const failures: string[] = [];
  const statuses = new Map<string, number>();
  const decoding: Promise<unknown>[] = [];
  let pictures = 0;
  let settledRss = 0;
  let count = 0;

  const faultOf = ({ method, target }: Ask, { status, head, headers, body }: RawReply): string | null => {
    if (!STATUSES.has(status)) return `status ${status}: ${body.toString('latin1', 0, 300)}`;
    const type = headers.get('content-type') ?? '';
    const isPicture = type.startsWith('image/');
    // Whatever is not of the request itself must not be there.
    const known = inText.find((needle) => head.includes(needle) && !target.includes(needle));
    if (known !== undefined) return `${known} in the head: ${head}`;
    const bodyNeedles = isPicture ? needles : inText;
    const told = bodyNeedles.find((needle) => body.includes(needle) && !target.includes(needle));
    if (told !== undefined && !target.startsWith('/viewer/assets/'))
      return `${told} in the body: ${body.toString('latin1', 0, 300)}`;
    if (status === 200 && isPicture && method !== 'HEAD') {
      if (body.length < 20 || MAGIC[type]?.(body) !== true) return `no ${type}: ${body.toString('latin1', 0, 40)}`;
      pictures += 1;
      if (pictures % DECODED === 0)
        decoding.push(
          sharp(body, { failOn: 'warning' })
            .toBuffer()
            .catch((error) => failures.push(`${target}: ${type} cannot be decoded: ${error}`)),
        );
    }
    return null;
  };
  const onReply = (asked: Ask, reply: RawReply | null, problem?: string): void => {
    count += 1;
    if (count === Math.floor(COUNT / 4)) settledRss = process.memoryUsage.rss();
    const status = reply === null ? 'none' : String(reply.status);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const fault = reply === null ? (problem ?? 'no reply') : faultOf(asked, reply);
    if (fault !== null)
      failures.push(`${asked.method} ${JSON.stringify(asked.target)} ${JSON.stringify(asked.headers)}: ${fault}`);
  };

  const before = await ask(site.port, '/is/image/photo?wid=80');
  expect(before.status).toBe(200);
  const started = performance.now();
  const cpu = process.cpuUsage();
  await drive(fc.sample(asks(NAMES), { numRuns: COUNT, seed: SEED }).values(), {
    port: site.port,
    connections: 12,
    depth: 4,
    onReply,
  });
  await Promise.all(decoding);
  const { user, system } = process.cpuUsage(cpu);
  const grownBytes = process.memoryUsage.rss() - settledRss;
  const told = [...statuses].sort().map(([status, times]) => `${times} × ${status}`);
  console.log(
    `${count} URLs of seed ${SEED} in ${((performance.now() - started) / 1000).toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s CPU): ${told.join(', ')}; ` +
      `${pictures} pictures, ${decoding.length} decoded; memory grew by ${(grownBytes / 2 ** 20).toFixed(0)} MiB`,
  );
  console.log(
    (await site.metrics())
      .find((f) => f.name === 'pyramidion_errors_total')
      ?.values.map((v) => `${v.labels.code} ${v.value}`)
      .join(', '),
  );
  expect(failures.slice(0, 10)).toEqual([]);
  expect(warnings).toEqual([]);
  expect(count).toBe(COUNT);
  expect(pictures).toBeGreaterThan(COUNT / 10);
  expect(grownBytes).toBeLessThan(GROWTH_BYTES);
  const after = await ask(site.port, '/is/image/photo?wid=80&cache=off');
  expect([after.status, after.body]).toEqual([200, before.body]);
}, 300_000);
