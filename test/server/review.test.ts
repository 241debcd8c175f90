/** What is easily forgotten: what is let go of, and what happens when others do not behave as they should. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CachedReply } from '../../src/cache/types.js';
import { readConfig } from '../../src/config/config.js';
import { contentReply, errorReply, taggedReply } from '../../src/reply/reply.js';
import { mountImageServing } from '../../src/server/mount.js';
import { Recall } from '../../src/server/recall.js';
import { start } from '../robust/processes.js';
import { freePort, image, isListening } from './settings.js';
import { ask, type Document, until, usePlace, write } from './start.js';

const place = usePlace();

describe('URLs that are remembered', () => {
  const memo = {
    ...{ key: 'key', generation: 1, place: { signature: '', lookedAt: 0 }, lastModifiedMs: null },
    lifetime: { ttlMs: 1000, isOff: false },
    ...{ requestType: 'img', rootId: '', pathBasedAccess: true },
  };
  const cached = (digest: string, size: number): { reply: CachedReply; freshUntil: number } => ({
    reply: {
      ...{ body: new Uint8Array(size), mediaType: 'image/jpeg', digest, createdAt: 0 },
      ...{ sources: [], subject: 'photo', facts: {} },
    },
    freshUntil: 10,
  });
  /** A cache of one entry, and what is found by it. */
  const setUp = () => {
    const cache = { entry: null as ReturnType<typeof cached> | null, peek: () => cache.entry };
    const recall = new Recall(cache, [], 10_000);
    recall.remember('/photo', memo);
    return { cache, find: (ifNoneMatch?: string) => recall.find('/photo', 1, ifNoneMatch, undefined, 0) };
  };

  it('have the reply that the cache has now', () => {
    const { cache, find } = setUp();
    expect(find()).toBeNull();
    cache.entry = cached('a', 5);
    expect(find()?.known).toMatchObject({ status: 200, size: 5 });
    expect(find()?.body).toBe(cache.entry.reply.body);
    cache.entry = cached('b', 7);
    expect(find('"a"')?.known).toMatchObject({ status: 200, size: 7 });
    expect(find('"a"')?.body).toBe(cache.entry.reply.body);
    expect(find('"b"')?.known).toMatchObject({ status: 304, size: 7 });
    expect(find('"b"')?.body).toHaveLength(0);
  });

  it('hold no body that the cache has let go of', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const { cache, find } = setUp();
    const body = (() => {
      cache.entry = cached('a', 1 << 20);
      return new WeakRef(find()?.body ?? new Uint8Array());
    })();
    cache.entry = null;
    await setImmediate();
    collect();
    expect(body.deref()).toBeUndefined();
  });
});

it('a reply that comes after that of whoever mounted the service', async () => {
  const folder = await place.prepare();
  const service = await mountImageServing(await readConfig({ file: join(folder, 'server.json'), env: {} }));
  const host = createServer((request, response) => {
    service.handler(request, response);
    response.writeHead(503).end('too slow');
  }).listen(0, '127.0.0.1');
  await once(host, 'listening');
  try {
    const { port } = host.address() as AddressInfo;
    const { status, text } = await ask(`http://127.0.0.1:${port}`, image('photo?wid=100'));
    expect({ status, text }).toEqual({ status: 503, text: 'too slow' });
    // It is told, and no longer under way.
    const isOver = (metrics: string) =>
      /^pyramidion_requests_in_flight 0$/m.test(metrics) && metrics.includes('pyramidion_replies_total');
    expect(await until(() => service.exposition(), isOver)).toSatisfy(isOver);
  } finally {
    await new Promise((resolve) => host.close(resolve));
    await service.close();
  }
});

describe('pages of the viewer', () => {
  /** Statuses of the list and of pages, by their catalogs' files. */
  const statuses = async (server: Document['Server'], files: Readonly<Record<string, string>>) => {
    const folder = await place.prepare({ Server: { ...server } });
    for (const [name, text] of Object.entries(files)) await write(join(folder, 'catalog', name), text);
    const running = await place.start(folder);
    try {
      const replies = ['', 'photo.tif', 'acme/photo.tif', 'none'].map((path) => running.ask(`/viewer/${path}`));
      return (await Promise.all(replies)).map(
        ({ status, text }) => `${status}${text.includes('photo') ? ' photo' : ''}`,
      );
    } finally {
      await running.close();
    }
  };
  const acme = 'RootId = acme\nRootPath =\n';
  const elsewhere = 'ClientAddressFilter = 192.0.2.0/24\n';

  it('are shown to whom images are', async () => {
    expect(await statuses({}, { 'default.ini': '', 'acme.ini': acme })).toEqual([
      ...['200 photo', '200 photo', '200 photo', '404 photo'],
    ]);
    expect(await statuses({}, { 'default.ini': '', 'acme.ini': acme + elsewhere })).toEqual([
      ...['200 photo', '200 photo', '403', '404 photo'],
    ]);
    expect(await statuses({}, { 'default.ini': elsewhere, 'acme.ini': acme })).toEqual(['403', '403', '403', '403']);
    expect(await statuses({}, { 'default.ini': '', 'acme.ini': `${acme}RequestLock = 1\n` })).toEqual([
      ...['200 photo', '200 photo', '403', '404 photo'],
    ]);
    const byCatalogOnly = { allowDefaultCatalogRequests: false };
    expect(await statuses(byCatalogOnly, { 'default.ini': '', 'acme.ini': acme })).toEqual([
      ...['403', '403', '200 photo', '403'],
    ]);
  });
});

it('a request under way at one port keeps no other one listening', async () => {
  const server = await place.start({ ImageServer: { TcpPort: await freePort() } });
  const [main, inner] = server.urls.map((url) => Number(new URL(url).port));
  const client = connect(inner ?? 0, '127.0.0.1');
  await once(client, 'connect');
  client.write('GET /is/image HTTP/1.1\r\n');
  // Its beginning has come when the reply to what was sent later has.
  await ask(server.urls[1] ?? '', '/is/image');
  const closing = server.close();
  const isOpen = () => isListening('127.0.0.1', main ?? 0);
  expect(await until(isOpen, (found) => !found)).toBe(false);
  client.destroy();
  await closing;
});

it('XML runs no scripts in a browser, whatever an image holds', () => {
  const options = {
    ...{ lifetime: { ttlMs: 0, isOff: false }, nowMs: 0, lastModifiedMs: null, vary: [], retryAfterS: 1 },
    condition: { ifNoneMatch: undefined, ifModifiedSince: undefined },
  };
  const policies = (mediaType: string) =>
    [
      taggedReply({ body: '<a/>', mediaType, digest: 'd' }, options),
      contentReply('<a/>', mediaType, options),
      errorReply({ status: 403 }, { body: '<a/>', mediaType }, options),
    ].map(({ headers }) => headers['content-security-policy']);
  expect(policies('text/xml; charset=utf-8')).toEqual(['sandbox', 'sandbox', 'sandbox']);
  expect(policies('image/jpeg')).toEqual([undefined, undefined, undefined]);
});

it('processes that start while another one fails end, too', async () => {
  const folder = await place.prepare({ Server: { processes: 2 } });
  const program = fileURLToPath(new URL('half-started.mjs', import.meta.url));
  const { child, ended } = start(process.execPath, [program, join(folder, 'server.json')]);
  onTestFinished(() => void child.kill('SIGKILL'));
  expect(await ended).toMatchObject({ code: 0, stdout: 'WORKER_DIED\n', stderr: '' });
});
