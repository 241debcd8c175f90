/** A hundred thousand requests that do not mean well, to one running server. */
import { readdir, readFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
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

const CATALOGS = {
  'catalog/default.ini': 'MaxPix = 200,200\nErrorDetail = 2\nMacroFile = macros.tsv\n',
  'catalog/macros.tsv': 'Name\tDefinition\nthumb\twid=50&hei=50&fit=crop\nvars\t$x=30&wid=$x$\ndeep\t$thumb$&$vars$\n',
  'catalog/shop.ini':
    'RootId = shop\nCatalogFile = shop.tsv\nRuleSetFile = rules.xml\nDefaultImage = none\n' +
    'UseLastModified = 1\nCacheValidationPolicy = 1\nErrorDetail = 1\n',
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
};

const GOOD =
  'grey grey grey.tif photo photo photo photo.tif photo.tif asset.jpg asset.jpg flat.jpg clear tiny thin shop/shoe shop/none';
const BAD =
  'cut text.jpg empty.tif spoiled.jpg dir dir/a%20b+%C3%BC dir/a%20b+\xfc missing shop/gone shop/out shop/bad shop ' +
  'shop/seo/shoe/x shop/up/up/secret shop/up/shoe shop/refuse locked/grey veiled/grey a/b/grey closed/grey';
const NAMES = {
  objects: `${GOOD} ${GOOD} ${BAD}`.split(' '),
  catalogs: ['shop', 'a/b', 'locked', 'veiled', 'closed', 'Shop'],
  macros: ['thumb', 'vars', 'deep', 'Thumb'],
};

let site: Site;
const warnings: unknown[] = [];
const onWarning = (warning: unknown): void => void warnings.push(warning);

beforeAll(async () => {
  const grey = await pyramid(300, 200, '#808080');
  const photo = await pyramid(640, 480, '#a03060', 'jpeg');
  const green = { width: 60, height: 90, channels: 4, background: { r: 0, g: 255, b: 0, alpha: 0.5 } } as const;
  const record = { modifier: 'bgc=ff0000', userData: 'a=1??b=<x>', anchor: '5,5', targets: 'x' };
  site = await Site.make({
    ...CATALOGS,
    'secret.tif': grey,
    'images/grey.tif': grey,
    'images/photo.tif': photo,
    'images/tiny.tif': await pyramid(1, 1, '#ffffff'),
    'images/thin.tif': await pyramid(2000, 3, '#0000ff'),
    'images/flat.jpg': await sharp(photo).jpeg().toBuffer(),
    'images/clear.png': await sharp({ create: green }).png().toBuffer(),
    'images/cut.tif': photo.subarray(0, 1500),
    'images/text.jpg': 'no picture at all',
    'images/empty.tif': '',
    'images/dir/a b+ü.tif': grey,
    'images/asset.jpg/renditions/cqdam.pyramid.tiff': photo,
    'images/asset.jpg/record.json': JSON.stringify(record),
    'images/spoiled.jpg/renditions/cqdam.pyramid.tiff': photo,
    'images/spoiled.jpg/record.json': '{',
  });
  await site.start({ Server: { cacheMemorySize: '32M', trustForwardedFor: true } });
  process.on('warning', onWarning);
});
afterAll(async () => {
  process.off('warning', onWarning);
  await site?.close();
});

/** Statuses that a request may come to. */
const STATUSES = new Set([200, 204, 302, 304, 400, 403, 404, 405, 414, 503]);

/** How a picture begins and ends. */
const MAGIC: Readonly<Record<string, (body: Buffer) => boolean>> = {
  'image/jpeg': (body) => body.readUInt16BE(0) === 0xffd8 && body.readUInt16BE(body.length - 2) === 0xffd9,
  'image/png': (body) => latin(body.subarray(1, 8)) === 'PNG\r\n\x1a\n' && latin(body.subarray(-8, -4)) === 'IEND',
  'image/gif': (body) => /^GIF8/.test(latin(body.subarray(0, 4))) && body.at(-1) === 0x3b,
  'image/webp': (body) => /WEBP$/.test(latin(body.subarray(0, 12))) && body.readUInt32LE(4) + 8 === body.length,
  'image/avif': (body) => /ftypavif$/.test(latin(body.subarray(0, 12))),
  'image/tiff': (body) => /^(?:II\*\0|MM\0\*)/.test(latin(body.subarray(0, 4))),
  'image/svg+xml': () => true,
};

function latin(bytes: Buffer): string {
  return bytes.toString('latin1');
}

/** What must not be in a reply: of this server, of the program, and of any machine. */
function needles(): { readonly own: readonly string[]; readonly any: readonly string[] } {
  const program = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  const own = [site.folder, basename(site.folder), program];
  return { own, any: [...own, homedir(), tmpdir(), '/usr/', 'node_modules', '    at ', 'root:x:', 'file:///'] };
}

/** What is wrong with a reply. */
function faultOf({ method, target }: Ask, reply: RawReply, { own, any }: ReturnType<typeof needles>): string | null {
  const { status, head, headers, body } = reply;
  if (!STATUSES.has(status)) return `status ${status}: ${latin(body).slice(0, 300)}`;
  const type = headers.get('content-type') ?? '';
  const isPicture = type.startsWith('image/');
  const isOurs = target.startsWith('/viewer/assets/');
  // What a client has written itself may come back to it.
  const isTold = (text: string | Buffer) => (needle: string) => text.includes(needle) && !target.includes(needle);
  const told = any.find(isTold(head)) ?? (isPicture ? own : any).find((needle) => !isOurs && isTold(body)(needle));
  if (told !== undefined) return `it tells ${told}: ${head}\n${latin(body).slice(0, 300)}`;
  if (status !== 200 || !isPicture || method === 'HEAD') return null;
  return body.length < 20 || MAGIC[type]?.(body) !== true ? `no ${type}: ${latin(body).slice(0, 40)}` : null;
}

test(`${COUNT} requests: no reply that is wrong, nothing of the machine in any`, async () => {
  const failures: string[] = [];
  const statuses = new Map<string, number>();
  const decoding: Promise<unknown>[] = [];
  let pictures = 0;
  let settledBytes = 0;
  let count = 0;
  const hidden = needles();
  const decode = ({ target }: Ask, body: Buffer): Promise<unknown> =>
    sharp(body, { failOn: 'warning' })
      .toBuffer()
      .catch((error) => failures.push(`${target}: cannot be decoded: ${error}`));
  const onReply = (asked: Ask, reply: RawReply | null, problem = 'no reply'): void => {
    count += 1;
    if (count === Math.floor(COUNT / 4)) settledBytes = process.memoryUsage.rss();
    const status = String(reply?.status ?? 'none');
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const fault = reply === null ? problem : faultOf(asked, reply, hidden);
    if (fault !== null) failures.push(`${asked.method} ${asked.target} ${asked.headers?.join()}: ${fault}`);
    else if (
      reply?.status === 200 &&
      asked.method !== 'HEAD' &&
      /^image\//.test(reply.headers.get('content-type') ?? '')
    ) {
      pictures += 1;
      if (pictures % DECODED === 0) decoding.push(decode(asked, reply.body));
    }
  };

  const before = await ask(site.port, '/is/image/photo?wid=80');
  expect(before.status).toBe(200);
  const started = performance.now();
  const cpu = process.cpuUsage();
  const all = fc.sample(asks(NAMES), { numRuns: COUNT, seed: SEED });
  await drive(all.values(), { port: site.port, connections: 12, depth: 4, onReply });
  await Promise.all(decoding);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - started) / 1000;
  const grownBytes = process.memoryUsage.rss() - settledBytes;
  const told = [...statuses].sort().map(([status, times]) => `${times} × ${status}`);
  console.log(
    `${count} URLs of seed ${SEED} in ${seconds.toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s CPU): ${told.join(', ')}; ` +
      `${pictures} pictures, ${decoding.length} of them decoded; ${await site.metric('pyramidion_stage_duration_seconds_count', { stage: 'render' })} renders; memory grew by ${(grownBytes / 2 ** 20).toFixed(0)} MiB`,
  );
  expect(failures.slice(0, 10)).toEqual([]);
  expect(warnings).toEqual([]);
  expect(count).toBe(COUNT);
  expect(pictures).toBeGreaterThan(COUNT / 10);
  expect(grownBytes).toBeLessThan(GROWTH_BYTES);
  const after = await ask(site.port, '/is/image/photo?wid=80&cache=off');
  expect([after.status, after.body]).toEqual([200, before.body]);

  // Whatever they asked, each is a line of its own in the log, with as many columns as any.
  const replies = await site.metric('pyramidion_replies_total');
  const lost = await site.metric('pyramidion_log_lines_lost_total');
  await site.stop();
  const logs = join(site.folder, 'logs');
  const files = (await readdir(logs)).filter((name) => name.startsWith('access-'));
  const lines = (await Promise.all(files.map((name) => readFile(join(logs, name), 'utf8')))).join('').split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.length).toBe(replies - lost);
  const columns = new Set(lines.map((line) => (/[\p{Cc}\u2028\u2029]/u.test(line) ? line : line.split(' ').length)));
  expect([...columns]).toEqual([expect.any(Number)]);
}, 300_000);
