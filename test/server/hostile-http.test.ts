/** HTTP as it should not be: what is smuggled, cut off, too long, too slow, or meant for another kind of server. */
import { request as httpRequest } from 'node:http';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config/config.js';
import { createApp, createServiceServer } from '../../src/server/app.js';
import { ImageCore } from '../../src/server/core.js';
import { ask, pyramid, ReplyReader, Site, sendRaw } from './hostile.js';

let site: Site;
beforeAll(async () => {
  site = await Site.make({ 'images/grey.tif': await pyramid(100, 80, '#808080') });
  await site.start();
});
afterAll(() => site?.close());

const PICTURE = '/is/image/grey?wid=20';
const HOST = 'Host: localhost\r\n';

/** Sends bytes, and yields statuses and media types of so many replies, or of all until the connection ends. What is no reply throws. */
async function replies(bytes: string | readonly string[], count?: number): Promise<string[]> {
  const text = await sendRaw(site.port, bytes, count);
  const reader = new ReplyReader();
  reader.feed(Buffer.from(text, 'latin1'));
  const found: string[] = [];
  for (let reply = reader.next('GET'); reply !== null; reply = reader.next('GET'))
    found.push(
      `${reply.status} ${reply.headers.get('content-type')}${reply.headers.get('connection') === 'close' ? ', the last' : ''}`,
    );
  expect(reader.rest.toString('latin1')).toBe('');
  return found;
}

const SHOWN = '200 image/jpeg';

/** A request that would be a second one, were the first understood as somebody else might. */
const SMUGGLED = `GET /healthz HTTP/1.1\r\n${HOST}\r\n`;

describe('requests of two meanings are refused, and what follows them is not read', () => {
  test.each([
    [
      'two lengths',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    ],
    [
      'two equal lengths',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde${SMUGGLED}`,
    ],
    ['a list of lengths', `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: 5, 5\r\n\r\nabcde${SMUGGLED}`],
    [
      'a length and chunks',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    [
      'chunks and a length',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    [
      'chunks that are not last',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    ['an unknown coding', `POST ${PICTURE} HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    [
      'a space before the colon',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    ['a length with a sign', `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: +5\r\n\r\nabcde${SMUGGLED}`],
    ['a length in hexadecimal', `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: 0x5\r\n\r\nabcde${SMUGGLED}`],
    ['a negative length', `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n${SMUGGLED}`],
    [
      'a length beyond all numbers',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999\r\n\r\n${SMUGGLED}`,
    ],
    ['a chunk of no size', `POST ${PICTURE} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n${SMUGGLED}`],
    ['a header without a name', `GET ${PICTURE} HTTP/1.1\r\n${HOST}: x\r\n\r\n${SMUGGLED}`],
    ['a header with a space in its name', `GET ${PICTURE} HTTP/1.1\r\n${HOST}a b: x\r\n\r\n${SMUGGLED}`],
    ['a header with a NUL', `GET ${PICTURE} HTTP/1.1\r\n${HOST}a: x\0y\r\n\r\n${SMUGGLED}`],
    ['a bare CR', `GET ${PICTURE} HTTP/1.1\r\n${HOST}a: x\ry: z\r\n\r\n${SMUGGLED}`],
    ['no host', `GET ${PICTURE} HTTP/1.1\r\n\r\n${SMUGGLED}`],
    ['a space in the URL', `GET /is/image/gr ey HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['a tab in the URL', `GET /is/image/gr\tey HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['a NUL in the URL', `GET /is/image/gr\0ey HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['a URL without a slash', `GET is/image/grey HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['no URL', `GET  HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['an unknown method', `BREW ${PICTURE} HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['a method in lower case', `get ${PICTURE} HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['HTTP/9.9', `GET ${PICTURE} HTTP/9.9\r\n${HOST}\r\n${SMUGGLED}`],
    ['HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SMUGGLED}`],
    ['HTTP/0.9', `GET ${PICTURE}\r\n\r\n${SMUGGLED}`],
    ['TLS', `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${'\x01'.repeat(64)}`],
    ['bytes', Buffer.from(Array.from({ length: 256 }, (_, i) => (i * 167) % 256)).toString('latin1')],
  ])('%s', async (_, bytes) => {
    const text = await sendRaw(site.port, bytes);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    expect(text).not.toMatch(/\bok\b|node_modules|\/tmp|at .*:\d+/);
  });
});

describe('bodies say nothing', () => {
  test.each([
    ['of a GET', `GET ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ['of a POST', `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    [
      'in chunks',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\nX: y\r\n\r\n`,
    ],
    [
      'of a media type that is none',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Type: ;;;\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    ],
    [
      'of JSON that is none',
      `POST ${PICTURE} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{`,
    ],
  ])('%s', async (_, bytes) => {
    const next = `GET ${PICTURE}&hei=9 HTTP/1.1\r\n${HOST}\r\n`;
    expect(await replies(bytes + next, 2)).toEqual([SHOWN, SHOWN]);
  });

  test('not even of a page that is not there', async () => {
    const bytes = `POST /nowhere HTTP/1.1\r\n${HOST}Content-Type: ;;;\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`;
    expect(await replies(bytes + SMUGGLED, 2)).toEqual(['404 text/plain; charset=utf-8', '200 text/plain']);
  });

  test('whoever waits for leave to send one gets the reply, and the end of the connection', async () => {
    const head = `POST ${PICTURE} HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n`;
    expect(await replies(head)).toEqual([`${SHOWN}, the last`]);
    expect(await replies(head.replace('100-continue', 'x'))).toEqual([`${SHOWN}, the last`]);
  });

  test('in a pipeline too: no reply gets into another', async () => {
    const parts = ['wid=21', 'wid=22', 'wid=23'].map(
      (query, at) => `GET /is/image/grey?${query} HTTP/1.1\r\n${HOST}${at === 1 ? 'Expect: 100-continue\r\n' : ''}\r\n`,
    );
    expect(await replies(parts)).toEqual([SHOWN, `${SHOWN}, the last`]);
  });
});

describe('limits', () => {
  test('a URL of 16 KiB is read, a longer one is 414', async () => {
    const url = (length: number): string => PICTURE.padEnd(length, '&');
    expect((await ask(site.port, url(16 * 1024))).status).toBe(200);
    const { status, headers } = await ask(site.port, url(16 * 1024 + 1));
    expect([status, headers.get('content-type')]).toEqual([414, 'text/plain; charset=utf-8']);
  });

  test('headers of more than 64 KiB are 431', async () => {
    for (const headers of [
      `X: ${'y'.repeat(70_000)}\r\n`,
      'Xxxx: yyyy\r\n'.repeat(14_000),
      `Cookie: ${'a=b; '.repeat(14_000)}\r\n`,
    ])
      expect(await replies(`GET ${PICTURE} HTTP/1.1\r\n${HOST}${headers}\r\n`)).toEqual(['431 application/json']);
    expect(await replies(`GET /${'a'.repeat(70_000)} HTTP/1.1\r\n${HOST}\r\n`)).toEqual(['431 application/json']);
  });

  test('a great number of small headers is none', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => `x${i}: y\r\n`).join('');
    expect(await replies(`GET ${PICTURE} HTTP/1.1\r\n${HOST}${many}\r\n`, 1)).toEqual([SHOWN]);
    const same = 'If-None-Match: "x"\r\n'.repeat(2000);
    expect(await replies(`GET ${PICTURE} HTTP/1.1\r\n${HOST}${same}\r\n`, 1)).toEqual([SHOWN]);
  });

  test('slow headers and bodies have their time, on both ports', async () => {
    const core = await ImageCore.open(await readConfig({ env: {}, flags: {}, root: site.root, folder: site.folder }));
    const settings = { face: core.face, keepAliveMs: 7000, tls: null };
    const app = createApp({
      ...settings,
      viewer: core.viewer,
      exposition: async () => '',
      isReady: () => true,
      onError: () => {},
    });
    await app.ready();
    try {
      for (const server of [app.server, createServiceServer(core.face, settings)]) {
        expect(server.keepAliveTimeout).toBe(7000);
        expect([server.headersTimeout, server.requestTimeout].every((ms) => ms > 0)).toBe(true);
        expect(server.headersTimeout).toBeLessThanOrEqual(60_000);
        expect(server.requestTimeout).toBeLessThanOrEqual(300_000);
      }
    } finally {
      await app.close();
      await core.close();
    }
  });
});

describe('other ways to ask', () => {
  test('fifty requests at once are answered in their order', async () => {
    const all = Array.from(
      { length: 50 },
      (_, i) => `GET /is/image/grey?req=resolve&wid=${i + 1} HTTP/1.1\r\n${HOST}\r\n`,
    );
    const reader = new ReplyReader();
    reader.feed(Buffer.from(await sendRaw(site.port, all, all.length), 'latin1'));
    const bodies = all.map(() => reader.next('GET')?.body.toString());
    expect(bodies).toEqual(all.map((_, i) => `grey?wid=${i + 1}`));
  });

  test('a request that comes a byte at a time', async () => {
    expect(await replies([...`GET ${PICTURE} HTTP/1.1\r\n${HOST}\r\n`], 1)).toEqual([SHOWN]);
  });

  test('HTTP/1.0 is answered, and ends the connection unless it asks for more', async () => {
    expect(await replies(`GET ${PICTURE} HTTP/1.0\r\n\r\n`)).toEqual([`${SHOWN}, the last`]);
    const more = `GET ${PICTURE} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`;
    expect(await replies(more + more, 2)).toEqual([SHOWN, SHOWN]);
  });

  test('whole URLs are those of their paths, whoever they name', async () => {
    const { body } = await ask(site.port, PICTURE);
    for (const origin of ['http://localhost', 'https://other:99', 'HTTP://x', 'http://u:p@[::1]:1']) {
      const whole = await ask(site.port, origin + PICTURE);
      expect([whole.status, whole.body.equals(body)]).toEqual([200, true]);
    }
    expect((await ask(site.port, 'http://localhost')).status).toBe(302);
    expect((await ask(site.port, 'http://localhost/healthz')).status).toBe(200);
  });

  test.each(['a b', '../..', '[::1', 'x'.repeat(5000), '\xff', ''])('the host %j does not matter', async (host) => {
    expect(await replies(`GET ${PICTURE} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 1)).toEqual([SHOWN]);
  });

  test('protocols that are offered are passed over', async () => {
    const upgrade = `GET ${PICTURE} HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
    expect(await replies(upgrade, 1)).toEqual([SHOWN]);
    const h2c = `GET ${PICTURE} HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n`;
    expect(await replies(h2c, 1)).toEqual([SHOWN]);
  });

  test('it is no proxy', async () => {
    expect(await sendRaw(site.port, `CONNECT 127.0.0.1:${site.port} HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`)).toBe('');
  });

  test('OPTIONS of everything, and of an image', async () => {
    expect((await ask(site.port, '*', { method: 'OPTIONS' })).status).toBe(404);
    const { status, headers } = await ask(site.port, PICTURE, { method: 'OPTIONS' });
    expect([status, headers.get('allow')]).toEqual([204, 'GET, HEAD, POST, OPTIONS']);
  });

  test.each(['DELETE', 'PUT', 'PATCH', 'TRACE', 'PROPFIND', 'LOCK'])('%s is not allowed', async (method) => {
    const { status, headers, body } = await ask(site.port, PICTURE, { method, headers: ['Cookie: secret'] });
    expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD, POST, OPTIONS']);
    expect(body.toString()).not.toContain('secret');
    expect((await ask(site.port, '/nowhere', { method })).status).toBe(404);
  });

  test('what is not there says so, with its length', async () => {
    for (const path of [
      '/nowhere',
      '/is',
      '/is/nothing',
      '//',
      '/%',
      '/is/image%00',
      '/viewer/%',
      '/viewer/assets/..%2fviewer.js',
    ]) {
      const { status, headers, body } = await ask(site.port, path);
      expect([path, status, headers.get('content-length')]).toEqual([path, 404, String(body.length)]);
    }
  });
});

test('clients that leave at any time leave a server that goes on', async () => {
  for (let at = 0; at < 60; at++) {
    await new Promise<void>((resolve) => {
      const socket = createConnection({ port: site.port, host: '127.0.0.1' }, () => {
        socket.write(
          `GET /is/image/grey?wid=${30 + at}&hei=${30 + at}&fmt=png HTTP/1.1\r\n${HOST}\r\n`.slice(
            0,
            at % 3 === 0 ? 20 + at : undefined,
          ),
        );
        if (at % 2 === 0) socket.resetAndDestroy();
        else socket.end();
      });
      socket
        .resume()
        .on('error', () => {})
        .on('close', () => resolve());
    });
  }
  await new Promise<void>((resolve) => {
    const leaving = httpRequest({ port: site.port, path: `${PICTURE}&id=leaving` }, (reply) => {
      reply.destroy();
      resolve();
    });
    leaving.end();
  });
  expect((await ask(site.port, PICTURE)).status).toBe(200);
  expect(await site.metric('pyramidion_renders', { state: 'waiting' })).toBe(0);
});
