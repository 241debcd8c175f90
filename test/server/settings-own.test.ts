/** The settings that are ours, changed from their defaults, and what is seen of it: `Server`, `Log` and `Alerts`. */
import { access, copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { qualifiedName, ROWS } from '../../src/config/settings.js';
import { tableProfile } from '../colour/profiles.js';
import { selfSigned } from './certificate.js';
import { serve } from './child.js';
import { HeldSource } from './held-source.js';
import { asked, freePort, image, property, type Row, testSettings, told, usesOf, whoReaches } from './settings.js';
import { ask, type Document, type Place, type Running, until, usePlace, write } from './start.js';

const place = usePlace();
let source: HeldSource;
beforeAll(async () => {
  source = await HeldSource.start({ '/photo.tif': await readFile(join(place.images, 'photo.tif')) });
  await write(join(place.folder, 'icc', 'press.icc'), tableProfile());
  const renditions = join(place.folder, 'assets', 'one.jpg', 'renditions');
  await mkdir(renditions, { recursive: true });
  await copyFile(join(place.images, 'photo.tif'), join(renditions, 'cqdam.pyramid.tiff'));
  const second = sharp({ create: { width: 64, height: 48, channels: 3, background: '#208040' } });
  await write(join(place.folder, 'other', 'second.png'), await second.png().toBuffer());
  const { cert, key } = selfSigned();
  await write(join(place.folder, 'server.crt'), cert);
  await write(join(place.folder, 'server.key'), key);
});
afterAll(() => source.close());

const inPlace =
  (name: string) =>
  ({ folder }: Place): string =>
    join(folder, name);
const remote = (): Document => ({ Server: { roots: [source.url] } });
const PHOTO = image('photo?wid=100');

/** Asks for a view of an image that is held back, and waits until it is being read. */
async function askHeld(server: Running, target = image('photo.tif?wid=100')): Promise<{ reply: Promise<string> }> {
  source.hold('all');
  const reply = server.ask(target).then(told, () => 'cut off');
  await until(
    () => source.held,
    (held) => held > 0,
  );
  return { reply };
}

/** What a default.ini of a catalog folder says, changed while the server runs. */
const CATALOG_CHANGE: Pick<Row, 'prepare' | 'request' | 'look' | 'byDefault' | 'seen'> = {
  prepare: (folder) => write(join(folder, 'catalog', 'default.ini'), 'DefaultPix = 200,200\n'),
  request: '/is/image/photo, up to 2.5 s after catalog/default.ini was changed',
  look: async ({ server }) => {
    await server.ask(image('photo'));
    await write(join(server.folder, 'catalog', 'default.ini'), 'DefaultPix = 120,120\n# changed\n');
    return until(
      () => asked(image('photo'))({ server, place, value: null }),
      (seen) => seen !== '200 200×120',
      2500,
    );
  },
  byDefault: '200 200×120',
  seen: '200 120×72',
};

const SERVER_ROWS: readonly Row[] = [
  {
    setting: 'Server.port',
    value: freePort,
    shown: 'a free port',
    beside: () => ({}),
    request: '/is/image at that port',
    look: async ({ value }) => {
      const reply = await ask(`http://127.0.0.1:${value}`, '/is/image').catch(() => null);
      return reply === null ? 'no answer' : String(reply.status);
    },
    byDefault: 'no answer',
    seen: '200',
  },
  {
    setting: 'Server.host',
    value: '0.0.0.0',
    request: 'a connection to an address of this machine that others see',
    look: ({ server }) => whoReaches(server.urls[0] ?? ''),
    byDefault: '127.0.0.1: this machine only',
    seen: 'any address: everyone',
  },
  {
    setting: 'Server.processes',
    value: 2,
    isAlone: true,
    request: '/is/image, 40 times, each on a connection of its own; processes in the access log',
    look: async ({ server }) => {
      const child = await serve(
        '--config',
        join(server.folder, 'server.json'),
        '--log-folder',
        join(server.folder, 'own'),
      );
      for (let i = 0; i < 40; i++) await ask(child.url, '/is/image');
      await child.stop();
      const lines = (await readLog(join(server.folder, 'own'), 'access-')).trim().split('\n');
      return `${lines.length} lines of ${new Set(lines.map((line) => line.split(' ')[17])).size}`;
    },
    byDefault: '40 lines of 1',
    seen: '40 lines of 2',
  },
  {
    setting: 'Server.roots',
    value: (given: Place) => [join(given.folder, 'other')],
    shown: 'another folder',
    request: '/is/image/second',
    look: asked(image('second')),
    byDefault: '403 Image not found',
    seen: '200 64×48',
  },
  {
    setting: 'Server.library',
    value: inPlace('assets'),
    shown: 'a folder with one.jpg/renditions/cqdam.pyramid.tiff',
    request: '/is/image/one.jpg',
    look: asked(image('one.jpg')),
    byDefault: '403 Image not found',
    seen: '200 300×180',
  },
  {
    setting: 'Server.ingestOnRequest',
    value: true,
    beside: () => ({ Server: { library: 'library' } }),
    request: '/is/image/large?wid=100, 5 million pixels and no pyramid',
    look: async (given) => {
      const seen = await asked(image('large?wid=100'))(given);
      const made = join(given.server.folder, 'library', 'large.png', 'renditions', 'cqdam.pyramid.tiff');
      return `${seen}, ${(await exists(made)) ? 'a pyramid' : 'nothing'} in the library`;
    },
    byDefault: '403 Source image size limit exceeded, nothing in the library',
    seen: '200 100×80, a pyramid in the library',
  },
  {
    setting: 'Server.catalogFolder',
    value: 'mine',
    prepare: (folder) => write(join(folder, 'mine', 'default.ini'), 'DefaultPix = 120,120\n'),
    request: '/is/image/photo, where mine/default.ini says DefaultPix 120,120',
    look: asked(image('photo')),
    byDefault: '200 300×180',
    seen: '200 120×72',
  },
  {
    setting: 'Server.catalogRefreshMs',
    value: 100,
    beside: () => ({ Server: { catalogWaitMs: 0 } }),
    ...CATALOG_CHANGE,
  },
  {
    setting: 'Server.catalogWaitMs',
    value: 0,
    beside: () => ({ Server: { catalogRefreshMs: 100 } }),
    ...CATALOG_CHANGE,
  },
  {
    setting: 'Server.profileFolders',
    value: (given: Place) => [join(given.folder, 'icc')],
    shown: 'a folder with press.icc',
    request: '/is/image/tagged?fmt=tif&icc=press.icc',
    look: asked(image('tagged?fmt=tif&icc=press.icc')),
    byDefault: '403 Invalid request',
    seen: '200 64×64',
  },
  {
    setting: 'Server.enabled',
    value: false,
    request: '/is/image and /is/image/photo?wid=100',
    look: async ({ server }) => {
      const [probe, photo] = await Promise.all([server.ask('/is/image'), server.ask(PHOTO)]);
      const retry = photo.headers['retry-after'];
      return `${property('copyright')(probe)} (${probe.status}); ${await told(photo)}${retry === undefined ? '' : `, Retry-After ${retry}`}`.replaceAll(
        '\n',
        '',
      );
    },
    byDefault: 'copyright=Pyramidion, under the Apache License 2.0 (200); 200 100×60',
    seen: 'Image Serving is disabled (200); 503 Image Serving is disabled, Retry-After 1',
  },
  {
    setting: 'Server.cacheMemorySize',
    value: 0,
    request: '/is/image/photo?wid=100, twice; entries in memory',
    isAlone: true,
    look: async ({ server }) => {
      const uses = await usesOf(server, PHOTO, PHOTO);
      return `${uses}; ${(await server.metrics())('pyramidion_cache_memory_entries')}`;
    },
    byDefault: 'CREATED, REUSED; 1',
    seen: 'CREATED, REUSED; 0',
  },
  {
    setting: 'Server.cacheValidateSeconds',
    value: 0,
    request: '/is/image/photo?wid=112, twice',
    look: ({ server }) => usesOf(server, image('photo?wid=112'), image('photo?wid=112')),
    byDefault: 'CREATED, REUSED',
    seen: 'CREATED, VALIDATED',
  },
  {
    setting: 'Server.maxQueue',
    value: 1,
    beside: () => ({ ...remote(), ImageServer: { WorkerThreads: 1 } }),
    request: 'six views at once of an image that is slow to read, with one thread',
    look: async ({ server }) => {
      const statuses = await askSix(server);
      return [200, 503].map((status) => `${statuses.filter((each) => each === status).length} × ${status}`).join(', ');
    },
    byDefault: '6 × 200, 0 × 503',
    seen: '3 × 200, 3 × 503',
  },
  {
    setting: 'Server.retryAfterSeconds',
    value: 7,
    beside: () => ({ Server: { enabled: false } }),
    request: '/is/image/photo of a server that is switched off, Retry-After',
    look: asked(image('photo'), ({ headers }) => String(headers['retry-after'])),
    byDefault: '1',
    seen: '7',
  },
  {
    setting: 'Server.deadlineSeconds',
    value: 0.2,
    beside: remote,
    request: '/is/image/photo.tif?wid=100 of a server that answers after 0.8 s',
    look: async ({ server }) => {
      const { reply } = await askHeld(server);
      const early = await Promise.race([reply, wait(800, null)]);
      source.release();
      return early === null ? `${await reply} after that` : `${early} before that`;
    },
    byDefault: '200 100×60 after that',
    seen: '503 Server is busy before that',
  },
  {
    setting: 'Server.maxDecodedPixels',
    value: 4,
    beside: () => ({ ImageServer: { MaxNonDsfSize: 6 } }),
    request: '/is/image/large?wid=100, 5 million pixels that are decoded',
    look: asked(image('large?wid=100')),
    byDefault: '200 100×80',
    seen: '403 Image size limit exceeded',
  },
  {
    setting: 'Server.corsOrigin',
    value: 'https://example.org',
    request: '/is/image/photo?wid=100, Access-Control-Allow-Origin and Vary',
    look: asked(PHOTO, ({ headers }) => `${headers['access-control-allow-origin']}, ${headers.vary ?? 'none'}`),
    byDefault: '*, none',
    seen: 'https://example.org, Origin',
  },
  {
    setting: 'Server.keepAliveSeconds',
    value: 5,
    request: '/is/image/photo?wid=100, Keep-Alive',
    look: async ({ server }) => {
      const { headers } = await server.ask(PHOTO, { headers: { connection: 'keep-alive' } });
      return String(headers['keep-alive']);
    },
    byDefault: 'timeout=65',
    seen: 'timeout=5',
  },
  {
    setting: 'Server.drainSeconds',
    value: 0,
    beside: remote,
    request: '/is/image/photo.tif?wid=100, under way when the server is told to stop',
    look: async ({ server }) => {
      const { reply } = await askHeld(server);
      const closing = server.close();
      const early = await Promise.race([reply, wait(500, null)]);
      source.release();
      const seen = early ?? (await reply);
      await closing;
      return seen;
    },
    byDefault: '200 100×60',
    seen: 'cut off',
  },
  {
    setting: 'Server.tlsCert',
    value: inPlace('server.crt'),
    shown: 'a certificate, and `tlsKey` its key',
    with: (given) => ({ Server: { tlsKey: join(given.folder, 'server.key') } }),
    request: '/is/image, by https',
    look: askSecurely,
    byDefault: 'no answer',
    seen: '200',
  },
  {
    setting: 'Server.tlsKey',
    value: inPlace('server.key'),
    shown: 'a key, and `tlsCert` its certificate',
    with: (given) => ({ Server: { tlsCert: join(given.folder, 'server.crt') } }),
    request: '/is/image, by https',
    look: askSecurely,
    byDefault: 'no answer',
    seen: '200',
  },
  {
    setting: 'Server.trustForwardedFor',
    value: true,
    beside: () => ({ manifest: { clientaddressfilter: '203.0.113.0/24' } }),
    request: '/is/image/photo?wid=100, X-Forwarded-For: 198.51.100.1, 203.0.113.9; that network alone is served',
    look: async ({ server }) =>
      told(await server.ask(PHOTO, { headers: { 'x-forwarded-for': '198.51.100.1, 203.0.113.9' } })),
    byDefault: '403 Request refused',
    seen: '200 100×60',
  },
  {
    setting: 'Server.allowDefaultCatalogRequests',
    value: false,
    request: '/is/image/photo?wid=100, and ?req=catalogprops',
    look: async ({ server }) => {
      const { status } = await server.ask('/is/image?req=catalogprops');
      return `${await asked(PHOTO)({ server, place, value: null })}; ${status}`;
    },
    byDefault: '200 100×60; 200',
    seen: '403 Request refused; 200',
  },
  {
    setting: 'Server.copyright',
    value: 'The museum',
    request: '/is/image',
    look: asked('/is/image', property('copyright')),
    byDefault: 'copyright=Pyramidion, under the Apache License 2.0',
    seen: 'copyright=The museum',
  },
];

const LOG_ROWS: readonly Row[] = [
  {
    setting: 'Log.folder',
    value: 'elsewhere',
    isAlone: true,
    request: '/is/image; folders that have an access log',
    look: async ({ server }) => {
      await server.ask('/is/image');
      const found = await Promise.all(
        ['logs', 'elsewhere'].map(async (name) =>
          (await readLog(join(server.folder, name), 'access-')) !== '' ? name : '',
        ),
      );
      return found.join('');
    },
    byDefault: 'logs',
    seen: 'elsewhere',
  },
  {
    setting: 'Log.maxDays',
    value: 1,
    prepare: (folder) => write(join(folder, 'logs', `access-${dayBefore(3)}.log`), 'old\n'),
    request: 'the access log of three days ago',
    look: async ({ server }) =>
      (await exists(join(server.folder, 'logs', `access-${dayBefore(3)}.log`))) ? 'is there' : 'is gone',
    byDefault: 'is there',
    seen: 'is gone',
  },
  {
    setting: 'Log.prefix',
    value: 's7access-',
    request: '/is/image; logs of requests',
    isAlone: true,
    look: async ({ server }) => {
      const names = await readdir(join(server.folder, 'logs'));
      return names
        .filter((name) => !name.startsWith('ImageServer'))
        .join()
        .replace(/\d{4}-\d\d-\d\d/, 'yyyy-mm-dd');
    },
    byDefault: 'access-yyyy-mm-dd.log',
    seen: 's7access-yyyy-mm-dd.log',
  },
  {
    setting: 'Log.pattern',
    value: '%s %{CacheUse}r "%{User-Agent}i" %{ETag}o %A',
    request: '/is/image/photo?wid=100, twice; lines of the access log',
    isAlone: true,
    look: async ({ server }) => {
      const { headers } = await server.ask(PHOTO, { headers: { 'user-agent': 'a test' } });
      await server.ask(PHOTO, { headers: { 'user-agent': 'a test' } });
      const lines = await linesOfLog(server, 'access-', 2);
      return lines
        .map((line) => (line.split(' ').length === 34 ? '34 columns' : line.replace(String(headers.etag), 'its tag')))
        .join('; ');
    },
    byDefault: '34 columns; 34 columns',
    seen: '200 CREATED "a%20test" its tag 127.0.0.1; 200 REUSED "a%20test" its tag 127.0.0.1',
  },
  {
    setting: 'Log.serverLog',
    value: 'json',
    isAlone: true,
    request: 'the first record of the server log',
    look: async ({ server }) => {
      const [line = ''] = await linesOfLog(server, 'ImageServer-', 1);
      if (!line.startsWith('{')) return line.replace(/^\S+ \S+ (\w+) \d+ (\w+).*$/, '$1 $2');
      const { level, msg, pid } = JSON.parse(line) as { level: string; msg: string; pid: number };
      return JSON.stringify({ level, msg, isOurs: pid === process.pid });
    },
    byDefault: 'INFO started',
    seen: '{"level":"info","msg":"started","isOurs":true}',
  },
  {
    setting: 'Log.traceLevel',
    value: 3,
    isAlone: true,
    request: '/is/image/photo?wid=100; records of requests in the server log',
    look: async ({ server }) => {
      await server.ask(PHOTO);
      await server.close();
      const lines = (await readLog(join(server.folder, 'logs'), 'ImageServer-')).split('\n');
      return (
        lines
          .filter((line) => line.includes(' request '))
          .map((line) => line.replace(/^.* request/, '').replace(/ sentBytes.* cacheUse/, ' … cacheUse'))
          .join() || 'none'
      );
    },
    byDefault: 'none',
    seen: ' method=GET url="/is/image/photo?wid=100" status=200 … cacheUse=CREATED',
  },
  {
    setting: 'Log.statsIntervalSeconds',
    value: 5,
    hasFakeIntervals: true,
    request: '/is/image/photo?wid=100; records of statistics after five seconds',
    look: async ({ server }) => {
      await server.ask(PHOTO);
      vi.advanceTimersByTime(5000);
      await server.close();
      const lines = (await readLog(join(server.folder, 'logs'), 'ImageServer-')).split('\n');
      return (
        lines
          .filter((line) => line.includes(' STATS '))
          .map((line) => / renders=\S+/.exec(line)?.[0])
          .join() || 'none'
      );
    },
    byDefault: 'none',
    seen: ' renders=1',
  },
];

const ALERT_ROWS: readonly Row[] = [
  alertRow('alertInterval', 60_000, 'Error', { request: image('none'), afterMs: 60_000, seen: true }),
  alertRow('maxAverageResponseTime', 0, 'RTime', { request: '/is/image', seen: true }),
  alertRow('maxErrorRate', 1, 'Error', { request: image('none'), seen: false }),
  alertRow('maxOverlap', 0, 'Conc', { request: '/is/image', seen: true }),
  alertRow('minRequestRate', 1_000_000, 'Traf', { request: '/is/image', seen: true }),
  alertRow('minTrafficForAlerts', 1_000_000, 'Error', { request: image('none'), seen: false }),
  {
    setting: 'Alerts.lockedThreshold',
    value: 1,
    beside: remote,
    hasFakeIntervals: true,
    request: '/is/image/photo.tif, which is slow to read; `pyramidion_alert{alert="Lock"}` after ten minutes',
    look: async ({ server }) => {
      const { reply } = await askHeld(server);
      await wait(20);
      vi.advanceTimersByTime(600_000);
      const value = (await server.metrics())('pyramidion_alert{alert="Lock"}');
      source.release();
      await reply;
      return String(value);
    },
    byDefault: '0',
    seen: '1',
  },
];

function alertRow(
  name: string,
  value: number,
  alert: string,
  { request, seen, afterMs = 600_000 }: { request: string; seen: boolean; afterMs?: number },
): Row {
  return {
    setting: `Alerts.${name}`,
    value,
    hasFakeIntervals: true,
    request: `${request}; \`pyramidion_alert{alert="${alert}"}\` after ${afterMs / 60_000} min`,
    look: async ({ server }) => {
      await server.ask(request);
      vi.advanceTimersByTime(afterMs);
      return String((await server.metrics())(`pyramidion_alert{alert="${alert}"}`));
    },
    byDefault: String(Number(!seen)),
    seen: String(Number(seen)),
  };
}

/** Statuses of six views at once of an image that is slow to read. */
async function askSix(server: Running): Promise<number[]> {
  await server.ask(image('photo.tif?scl=1&rgn=0,0,90,90'));
  source.hold();
  const views = Array.from({ length: 6 }, (_, at) => server.ask(image(`photo.tif?scl=1&rgn=${at},10,90,90`)));
  await until(
    () => server.metrics(),
    (metric) =>
      source.held + metric('pyramidion_renders{state="waiting"}') + metric('pyramidion_renders_refused_total') === 6,
  );
  source.release();
  return (await Promise.all(views)).map(({ status }) => status);
}

async function askSecurely({ server }: { readonly server: Running }): Promise<string> {
  const reply = await ask(server.urls[0]?.replace(/^http:/, 'https:') ?? '', '/is/image').catch(() => null);
  return reply === null ? 'no answer' : String(reply.status);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The log of today, as far as it is written; '' where there is none. */
async function readLog(folder: string, prefix: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const name = names.find((each) => each.startsWith(prefix));
  return name === undefined
    ? ''
    : await until(
        () => readFile(join(folder, name), 'utf8'),
        (text) => text !== '',
        3000,
      );
}

/** Lines of a log of a server, when there are so many. */
async function linesOfLog(server: Running, prefix: string, count: number): Promise<string[]> {
  const lines = async (): Promise<string[]> => (await readLog(join(server.folder, 'logs'), prefix)).trim().split('\n');
  return until(lines, (found) => found.length >= count, 3000);
}

function dayBefore(days: number): string {
  const date = new Date(Date.now() - days * 86_400_000);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
}

describe('our own settings', () => {
  testSettings(place, [...SERVER_ROWS, ...LOG_ROWS, ...ALERT_ROWS]);

  it('are all in the table', () => {
    const rows = ROWS.filter(({ group }) => ['server', 'log', 'alerts'].includes(group));
    const settings = [...SERVER_ROWS, ...LOG_ROWS, ...ALERT_ROWS].map(({ setting }) => setting);
    expect(settings).toEqual(rows.map(qualifiedName));
  });
});
