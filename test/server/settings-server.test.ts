/** The settings of `Server`, changed from their defaults, and what is seen of it. */
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { qualifiedName, ROWS } from '../../src/config/settings.js';
import { tableProfile } from '../colour/profiles.js';
import { selfSigned } from './certificate.js';
import { serve } from './child.js';
import { HeldSource } from './held-source.js';
import {
  asked,
  askHeld,
  exists,
  freePort,
  image,
  property,
  type Row,
  readLog,
  testSettings,
  told,
  usesOf,
  whoReaches,
} from './settings.js';
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

/** What a default.ini of a catalog folder says, changed while the server runs. */
const CATALOG_CHANGE: Pick<Row, 'prepare' | 'request' | 'look' | 'byDefault' | 'seen'> = {
  prepare: (folder) => write(join(folder, 'catalog', 'default.ini'), 'DefaultPix = 200,200\n'),
  request: '/is/image/photo, up to 1.5 s after catalog/default.ini was changed',
  look: async ({ server }) => {
    await server.ask(image('photo'));
    await write(join(server.folder, 'catalog', 'default.ini'), 'DefaultPix = 120,120\n# changed\n');
    return until(
      () => asked(image('photo'))({ server, place, value: null }),
      (seen) => seen !== '200 200×120',
      1500,
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
      const { reply } = await askHeld(source, server);
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
      const { reply } = await askHeld(source, server);
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

describe('settings of the server', () => {
  testSettings(place, SERVER_ROWS);

  it('are all in the table', () => {
    const rows = ROWS.filter(({ group }) => group === 'server');
    expect(SERVER_ROWS.map(({ setting }) => setting)).toEqual(rows.map(qualifiedName));
  });
});
