/** The image service as a handler in servers that are there already: plain `node:http`, Express and Fastify. */
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.js';
import { type MountedService, mountImageServing } from '../../src/server/mount.js';
import { image, told } from './settings.js';
import { ask, usePlace } from './start.js';

const place = usePlace();

interface Host {
  readonly url: string;
  close(): Promise<unknown>;
}

async function listen(server: Server): Promise<Host> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: urlOf(server), close: () => new Promise((resolve) => server.close(resolve)) };
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Each host has a page of its own at `/own`; what it says of others differs. */
const HOSTS: readonly (readonly [name: string, mount: (service: MountedService) => Promise<Host>, other: string])[] = [
  [
    'node:http, with a fallback of its own',
    (service) =>
      listen(
        createServer((request, response) => {
          if (request.url === '/own') response.end('own page');
          else service.handler(request, response, () => response.writeHead(410).end('gone'));
        }),
      ),
    '410 gone',
  ],
  [
    'node:http, and nothing else',
    (service) =>
      listen(
        createServer((request, response) =>
          request.url === '/own' ? void response.end('own page') : service.handler(request, response),
        ),
      ),
    '404 Not found',
  ],
  [
    'Express',
    async (service) => {
      const app = express();
      app.use(service.handler);
      app.get('/own', (_, response) => void response.end('own page'));
      return listen(createServer(app));
    },
    '404 Cannot GET /other',
  ],
  [
    'Express, below /is',
    async (service) => {
      const app = express();
      app.use('/is', service.handler);
      app.get('/own', (_, response) => void response.end('own page'));
      return listen(createServer(app));
    },
    '404 Cannot GET /other',
  ],
  [
    'Fastify',
    async (service) => {
      const app = fastify();
      app.get('/own', async () => 'own page');
      app.all('/is/*', (request, reply) => {
        reply.hijack();
        service.handler(request.raw, reply.raw);
      });
      await app.listen({ port: 0, host: '127.0.0.1' });
      return { url: urlOf(app.server), close: () => app.close() };
    },
    '404 Route GET:/other not found',
  ],
];

describe.each(HOSTS)('mounted in %s', (_, mount, other) => {
  it('answers its own requests and leaves the rest to the host', async () => {
    const folder = await place.prepare();
    const service = await mountImageServing(await readConfig({ file: join(folder, 'server.json'), env: {} }));
    const host = await mount(service);
    try {
      const get = (target: string, options = {}) => ask(host.url, target, options);
      const first = await get(image('photo?wid=100'));
      expect(await told(first)).toBe('200 100×60');
      const again = await get(image('photo?wid=100'), { headers: { 'if-none-match': String(first.headers.etag) } });
      expect(again.status).toBe(304);
      expect((await get(image('photo?wid=100'), { method: 'HEAD' })).headers['content-length']).toBe(
        String(first.body.length),
      );
      const posted = await get(image('photo?wid=100'), { method: 'POST' });
      expect(await told(posted)).toBe('200 100×60');
      expect(await told(await get(image('none')))).toBe('403 Image not found');
      expect((await get('/is/image')).text).toContain('copyright=');
      expect((await get('/own')).text).toBe('own page');
      const { status, text } = await get('/other');
      expect(
        `${status} ${/<pre>(.*)<\/pre>/.exec(text)?.[1] ?? (text.startsWith('{') ? JSON.parse(text).message : text.trim())}`,
      ).toBe(other);
      expect(await service.exposition()).toMatch(/pyramidion_replies_total\{status="200"\} 4\n/);
    } finally {
      await host.close();
      await service.close();
    }
    const logs = join(folder, 'logs');
    const name = (await readdir(logs)).find((each) => each.startsWith('access-')) ?? '';
    const lines = (await readFile(join(logs, name), 'utf8')).trim().split('\n');
    expect(lines.map((line) => line.split(' ').slice(13, 16).join(' '))).toEqual([
      'CREATED GET /is/image/photo?wid=100',
      'REUSED GET /is/image/photo?wid=100',
      'REUSED HEAD /is/image/photo?wid=100',
      'REUSED POST /is/image/photo?wid=100',
      'UNDEFINED GET /is/image/none',
      'UNDEFINED GET /is/image',
    ]);
  });
});
