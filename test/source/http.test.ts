import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { httpVersion, isHttpUrl, nameOfUrl, openHttp } from '../../src/source/http.js';
import { HttpAgents } from '../../src/source/http-request.js';
import type { Source } from '../../src/source/types.js';
import { type Answer, RangeServer } from './range-server.js';

/** Four blocks and a bit. */
const BLOCK = 64 << 10;
const CONTENT = randomBytes(4 * BLOCK + 1234);

let server: RangeServer;
let agents: HttpAgents;
const opened: Source[] = [];

beforeEach(async () => {
  server = await RangeServer.start();
  server.files.set('a.tif', { bytes: CONTENT });
  agents = new HttpAgents();
});
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
  agents.close();
  await server.close();
});

async function open(name = 'a.tif', options: Parameters<typeof openHttp>[1] = {}): Promise<Source> {
  const source = await openHttp(server.url(name), { agents, ...options });
  opened.push(source);
  return source;
}

async function errorOf(promise: Promise<unknown>): Promise<PyramidionError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PyramidionError)) throw new Error(`rejected with ${error}`);
  for (const secret of ['127.0.0.1', 'http://', 'password']) expect(error.message).not.toContain(secret);
  return error;
}

/** Answers with these headers over those of the first 10 bytes, and this body. */
const reply =
  (status: number, headers: Record<string, string | number>, body: string | Uint8Array = ''): Answer =>
  (_, response) => {
    response.writeHead(status, headers).end(body);
    return true;
  };

describe('a URL', () => {
  test('gives any range, and less only at the end', async () => {
    const source = await open();
    expect(source).toMatchObject({ kind: 'http', name: 'a.tif', size: CONTENT.length, modified: null });
    await fc.assert(
      fc.asyncProperty(fc.nat(CONTENT.length + 100), fc.nat(2 * BLOCK), async (offset, length) => {
        const bytes = await source.read(offset, length);
        expect(Buffer.compare(bytes, CONTENT.subarray(offset, offset + length))).toBe(0);
      }),
      {
        numRuns: 60,
        examples: [
          [0, 1e9],
          [CONTENT.length, 10],
          [BLOCK - 1, 2],
          [BLOCK, BLOCK],
          [7, 0],
        ],
      },
    );
  });

  test('fills any target, on shared memory too, or says that it ends before', async () => {
    const source = await open();
    for (const [offset, length] of [
      [0, 3],
      [BLOCK - 5, 2 * BLOCK],
      [17, 0],
      [0, CONTENT.length],
    ] as const) {
      const target = new Uint8Array(new SharedArrayBuffer(length + 20)).subarray(10, 10 + length);
      await source.readInto(target, offset);
      expect(Buffer.compare(target, CONTENT.subarray(offset, offset + length))).toBe(0);
      expect(new Uint8Array(target.buffer, 10 + length)).toEqual(new Uint8Array(10));
    }
    expect((await errorOf(source.readInto(new Uint8Array(10), CONTENT.length - 9))).code).toBe('SOURCE_CHANGED');
  });

  test('is opened by one request; small reads ask for blocks, each once, others for what they need', async () => {
    const source = await open();
    await Promise.all([source.read(10, 8), source.read(BLOCK - 8, 8)]);
    expect(server.asked).toEqual([`a.tif 0-${BLOCK - 1}`]);
    await Promise.all([source.read(BLOCK - 4, 8), source.read(BLOCK + 100, 8)]);
    await source.readInto(new Uint8Array(5), BLOCK);
    await source.read(2 * BLOCK, BLOCK + 1);
    expect(server.asked.slice(1)).toEqual([
      `a.tif ${BLOCK}-${2 * BLOCK - 1}`,
      `a.tif ${BLOCK}-${BLOCK + 4}`,
      `a.tif ${2 * BLOCK}-${3 * BLOCK}`,
    ]);
  });

  test('keeps a mebibyte of blocks, those used last', async () => {
    server.files.set('large.tif', { bytes: randomBytes(20 * BLOCK) });
    const source = await open('large.tif');
    for (let block = 1; block < 16; block++) await source.read(block * BLOCK, 1);
    await source.read(0, 1);
    await source.read(16 * BLOCK, 1);
    expect(server.asked.length).toBe(17);
    await source.read(0, 1);
    expect(server.asked.length).toBe(17);
    await source.read(BLOCK, 1);
    expect(server.asked.length).toBe(18);
  });

  test('is hashed, and handed to native code whole, from memory', async () => {
    const source = await open();
    expect(await source.sha256()).toBe(createHash('sha256').update(CONTENT).digest('hex'));
    const native = await source.nativeInput();
    expect(await source.nativeInput()).toBe(native);
    if (!('bytes' in native)) throw new Error('not from memory');
    expect(native.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(Buffer.compare(native.bytes, CONTENT)).toBe(0);
    const before = server.asked.length;
    expect(Buffer.compare(await source.read(BLOCK, 100), CONTENT.subarray(BLOCK, BLOCK + 100))).toBe(0);
    expect(await source.sha256()).toBe(createHash('sha256').update(CONTENT).digest('hex'));
    expect(server.asked.length).toBe(before);
    expect(source.heldBytes).toBe(CONTENT.length);
  });

  test('that is too large to be held is LIMIT_EXCEEDED', async () => {
    const source = await open('a.tif', { maxHeldBytes: CONTENT.length - 1 });
    expect(await errorOf(source.nativeInput())).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      value: CONTENT.length,
      limit: CONTENT.length - 1,
    });
    expect((await source.read(0, 4)).length).toBe(4);
  });

  test('of nothing is a source of no bytes', async () => {
    server.files.set('empty.tif', { bytes: new Uint8Array(0) });
    const source = await open('empty.tif');
    expect([source.size, (await source.read(0, 100)).length]).toEqual([0, 0]);
    expect(await httpVersion(server.url('empty.tif'), { agents })).not.toBeNull();
    server.answer = reply(200, { 'content-length': 0 });
    expect((await open('empty.tif')).size).toBe(0);
  });

  test('is told from paths, and called by its last part', () => {
    expect(['http://a/b', 'HTTPS://a/b', 'httpx://a', '/http://a', 'file:///a'].map(isHttpUrl)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    const nameOf = (path: string): string => nameOfUrl(new URL(path, 'https://user:password@host'));
    expect(nameOf('/x/My%20image.tif?sig=1')).toBe('My image.tif');
    expect(nameOf('/x%2Fy.tif')).toBe('y.tif');
    expect(nameOf('/%ff.tif')).toBe('%ff.tif');
    expect(nameOf('/')).toBe('image');
  });

  test('of another scheme is INVALID_OPTION', async () => {
    for (const location of ['ftp://host/a', 'http://user:password@:bad', new URL('file:///etc/a')]) {
      expect((await errorOf(openHttp(location))).code).toBe('INVALID_OPTION');
    }
  });

  test('takes its credentials along', async () => {
    let authorization: string | undefined;
    server.answer = (request) => {
      authorization = request.headers.authorization;
      return false;
    };
    const url = new URL(server.url('a.tif'));
    url.username = 'user';
    url.password = 'password';
    await (await openHttp(url)).close();
    expect(authorization).toBe(`Basic ${Buffer.from('user:password').toString('base64')}`);
  });
});

describe('the version', () => {
  const version = (name = 'a.tif') => httpVersion(server.url(name), { agents });

  test('is told without opening, and null where there is nothing', async () => {
    const source = await open();
    expect(source.version).toMatch(/^http-[0-9a-f]{64}$/);
    expect(await version()).toBe(source.version);
    expect(server.asked).toEqual([`a.tif 0-${BLOCK - 1}`, 'a.tif 0-0']);
    expect(await version('none.tif')).toBe(null);
  });

  test('changes with the URL, the length and the strong ETag; Last-Modified counts where there is none', async () => {
    const monday = 'Mon, 06 Jul 2026 10:00:00 GMT';
    const tuesday = 'Tue, 07 Jul 2026 10:00:00 GMT';
    const versions = async (...states: { etag: string | null; modified?: string; length?: number }[]) => {
      const found = new Set<string | null>();
      for (const { length = 10, ...state } of states) {
        server.files.set('b.tif', { bytes: CONTENT.subarray(0, length), ...state });
        found.add(await version('b.tif'));
      }
      return found.size;
    };
    expect(await versions({ etag: '"1"' }, { etag: '"2"' }, { etag: '"1"', length: 11 }, { etag: '"1"' })).toBe(3);
    expect(await versions({ etag: '"1"', modified: monday }, { etag: '"1"', modified: tuesday })).toBe(1);
    expect(await versions({ etag: null, modified: monday }, { etag: null, modified: tuesday })).toBe(2);
    expect(await versions({ etag: 'W/"1"', modified: monday }, { etag: 'W/"1"', modified: tuesday })).toBe(2);
    server.files.set('c.tif', { bytes: CONTENT, modified: monday });
    expect(await version('c.tif')).not.toBe(await version());
    expect((await open('c.tif')).modified).toEqual(new Date(monday));
  });

  test('cannot be told of what says nothing: that is no null', async () => {
    server.files.set('a.tif', { bytes: CONTENT, etag: null });
    expect((await errorOf(version())).message).toContain('neither ETag nor Last-Modified');
    expect((await errorOf(open())).code).toBe('SOURCE_UNREADABLE');
    server.answer = reply(503, { 'content-length': 0 });
    expect(await errorOf(version())).toMatchObject({ code: 'SOURCE_UNREADABLE' });
  });
});

describe('what changes while it is open', () => {
  test.each<[string, () => void, string]>([
    ['its ETag', () => server.files.set('a.tif', { bytes: CONTENT, etag: '"new"' }), 'SOURCE_CHANGED'],
    ['its length', () => server.files.set('a.tif', { bytes: CONTENT.subarray(1) }), 'SOURCE_CHANGED'],
    ['all but its start', () => server.files.set('a.tif', { bytes: CONTENT.subarray(0, 10) }), 'SOURCE_CHANGED'],
    ['it is gone', () => server.files.clear(), 'SOURCE_NOT_FOUND'],
  ])('%s: no read mixes two states, and it is known for changed', async (_, change, code) => {
    const source = await open();
    await source.verifyInPlace();
    await source.verifyUnchanged();
    change();
    expect((await errorOf(source.read(2 * BLOCK, 10))).code).toBe(code);
    expect((await errorOf(source.readInto(new Uint8Array(10), 3 * BLOCK))).code).toBe(code);
    expect((await errorOf(source.verifyInPlace())).code).toBe('SOURCE_CHANGED');
    expect((await errorOf(source.verifyUnchanged())).code).toBe('SOURCE_CHANGED');
  });

  test('is seen by verifyUnchanged without a read; what is gone was read while it was there', async () => {
    const source = await open();
    server.files.set('a.tif', { bytes: CONTENT, etag: '"new"' });
    await source.verifyInPlace();
    expect((await errorOf(source.verifyUnchanged())).code).toBe('SOURCE_CHANGED');
    server.files.clear();
    await source.verifyUnchanged();
  });

  test('a read tells when it was the newest', async () => {
    const source = await open();
    const before = performance.now();
    expect(source.confirmedAt()).toBeLessThan(before);
    await source.read(0, 10);
    expect(source.confirmedAt()).toBeLessThan(before);
    await source.readInto(new Uint8Array(1), 0);
    expect(source.confirmedAt()).toBeGreaterThanOrEqual(before);
  });
});

describe('a server that does not do as it should', () => {
  const etag = '"1"';
  const range = 'bytes 0-9/10';
  test.each<[string, Answer, string, RegExp]>([
    ['is without ranges', reply(200, { etag }, CONTENT), 'SOURCE_UNREADABLE', /does not serve ranges/],
    ['has nothing there', reply(404, {}, 'nothing'), 'SOURCE_NOT_FOUND', /a\.tif does not exist/],
    ['has it no more', reply(410, { 'content-length': 0 }), 'SOURCE_NOT_FOUND', /does not exist/],
    ['wants a name', reply(401, {}), 'SOURCE_UNREADABLE', /HTTP 401/],
    ['forbids it', reply(403, {}, CONTENT), 'SOURCE_UNREADABLE', /HTTP 403/],
    ['fails', reply(500, {}), 'SOURCE_UNREADABLE', /HTTP 500/],
    ['redirects', reply(302, { location: '/b.tif' }), 'SOURCE_UNREADABLE', /redirects .*not followed/],
    ['is busy', reply(503, {}), 'SOURCE_UNREADABLE', /HTTP 503/],
    ['encodes', reply(206, { etag, 'content-range': range, 'content-encoding': 'gzip' }), 'SOURCE_UNREADABLE', /gzip/],
    ['tells no range', reply(206, { etag }, '0123456789'), 'SOURCE_UNREADABLE', /which range/],
    ['tells no total', reply(206, { etag, 'content-range': 'bytes 0-9/*' }), 'SOURCE_UNREADABLE', /which range/],
    [
      'sends others',
      reply(206, { etag, 'content-range': 'bytes 1-9/10' }, '123456789'),
      'SOURCE_UNREADABLE',
      /1–9 of 10/,
    ],
    [
      'sends fewer',
      reply(206, { etag, 'content-range': 'bytes 0-8/10' }, '012345678'),
      'SOURCE_UNREADABLE',
      /0–8 of 10/,
    ],
    ['refuses what is there', reply(416, { etag, 'content-range': 'bytes */10' }), 'SOURCE_UNREADABLE', /HTTP 416/],
    [
      'has a short body',
      reply(206, { etag, 'content-range': range }, '01234'),
      'SOURCE_UNREADABLE',
      /fewer than its 10/,
    ],
    ['has a long body', reply(206, { etag, 'content-range': range }, CONTENT), 'SOURCE_UNREADABLE', /more than its 10/],
  ])('%s', async (_, answer, code, message) => {
    server.answer = answer;
    const error = await errorOf(open());
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    expect(error.message).toContain('a.tif');
  });

  test('breaks off in the middle of a body', async () => {
    server.answer = (_, response) => {
      response.writeHead(206, { etag, 'content-range': range, 'content-length': 10 });
      response.write('01234', () => response.destroy());
      return true;
    };
    expect((await errorOf(open())).code).toBe('SOURCE_UNREADABLE');
  });

  test('is not there', async () => {
    const url = server.url('a.tif');
    await server.close();
    expect(await errorOf(openHttp(url))).toMatchObject({ code: 'SOURCE_UNREADABLE' });
  });

  test.each<[string, Answer]>([
    ['a head', () => true],
    [
      'a body',
      (_, response) => {
        response.writeHead(206, { etag, 'content-range': range, 'content-length': 10 }).write('0123');
        return true;
      },
    ],
    [
      'the body of a refusal',
      (_, response) => {
        response.writeHead(500, { 'content-length': 10 }).write('0123');
        return true;
      },
    ],
  ])('never sends %s: the read ends after its time', async (what, answer) => {
    server.answer = answer;
    const error = await errorOf(open('a.tif', { timeoutMs: 50 }));
    expect(error.code).toBe('SOURCE_UNREADABLE');
    if (what === 'the body of a refusal') expect(error.message).toContain('HTTP 500');
    else {
      expect(error).toMatchObject({ option: 'randomAccessUrlTimeout', limit: 50 });
      expect(error.message).toMatch(/within 50 ms .*randomAccessUrlTimeout/);
    }
  });
});

describe('stopping', () => {
  /** Resolves with the next request, which is never answered. */
  const hang = (): Promise<unknown> =>
    new Promise((resolve) => {
      server.answer = (request) => {
        resolve(request);
        return true;
      };
    });

  test('a signal ends the opening, or one read: others go on', async () => {
    const source = await open();
    const asked = hang();
    const stop = new AbortController();
    const read = source.readInto(new Uint8Array(10), 0, stop.signal);
    const refused = errorOf(read);
    await asked;
    stop.abort();
    expect((await refused).code).toBe('ABORTED');
    expect((await errorOf(source.readInto(new Uint8Array(1), 0, stop.signal))).code).toBe('ABORTED');
    server.answer = () => false;
    await source.readInto(new Uint8Array(10), 0);

    const again = hang();
    const opening = new AbortController();
    const late = errorOf(open('a.tif', { signal: opening.signal }));
    await again;
    opening.abort(new PyramidionError('DEADLINE_EXCEEDED', 'late'));
    expect((await late).code).toBe('DEADLINE_EXCEEDED');
  });

  test('closing waits for reads in flight, and there are none after it', async () => {
    let end = (): void => {};
    const source = await open();
    const asked = new Promise<void>((resolve) => {
      server.answer = (_, response) => {
        end = () => {
          server.answer = () => false;
          response
            .writeHead(206, { etag: `"${CONTENT.length}"`, 'content-range': `bytes 5-6/${CONTENT.length}` })
            .end(CONTENT.subarray(5, 7));
        };
        resolve();
        return true;
      };
    });
    const target = new Uint8Array(2);
    const read = source.readInto(target, 5);
    await asked;
    let isClosed = false;
    const closing = source.close().then(() => {
      isClosed = true;
    });
    expect((await errorOf(source.read(0, 1))).code).toBe('SOURCE_UNREADABLE');
    expect((await errorOf(source.nativeInput())).code).toBe('SOURCE_UNREADABLE');
    expect(isClosed).toBe(false);
    end();
    await read;
    expect(Buffer.from(target)).toEqual(CONTENT.subarray(5, 7));
    await closing;
    await source.close();
  });

  test('connections are kept, used again, and ended: with a source that has its own, else with the agents', async () => {
    const source = await open();
    for (let i = 0; i < 5; i++) await source.readInto(new Uint8Array(1), i);
    expect(await server.connections()).toBe(1);
    await httpVersion(server.url('none.tif'), { agents });
    await httpVersion(server.url('a.tif'), { agents });
    expect(await server.connections()).toBe(1);
    const own = await openHttp(server.url('a.tif'));
    expect(await server.connections()).toBe(2);
    await own.close();
    await expect.poll(() => server.connections()).toBe(1);
    await source.close();
    expect(await server.connections()).toBe(1);
    agents.close();
    await expect.poll(() => server.connections()).toBe(0);
  });

  test('closed agents end what is under way, also what waits for a connection', async () => {
    const source = await open();
    const asked = hang();
    const reads = Array.from({ length: 100 }, () => errorOf(source.readInto(new Uint8Array(10), 0)));
    await asked;
    agents.close();
    expect(new Set((await Promise.all(reads)).map(({ code }) => code))).toEqual(new Set(['ENGINE_CLOSED']));
    expect((await errorOf(source.read(BLOCK, 1))).code).toBe('ENGINE_CLOSED');
  });

  test('a kept connection that the server has closed is no failure', async () => {
    const source = await open();
    let isFirst = true;
    server.answer = (request) => {
      if (!isFirst) return false;
      isFirst = false;
      request.socket.destroy();
      return true;
    };
    const target = new Uint8Array(3);
    await source.readInto(target, 7);
    expect(Buffer.from(target)).toEqual(CONTENT.subarray(7, 10));
    // A new connection that breaks is one.
    isFirst = true;
    expect((await errorOf(httpVersion(server.url('a.tif')))).code).toBe('SOURCE_UNREADABLE');
  });
});

test('reads run beside each other', async () => {
  const source = await open();
  const held: (() => void)[] = [];
  const all = new Promise<void>((resolve) => {
    server.answer = (request, response) => {
      const [, first = '0', last = '0'] = /(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
      held.push(() =>
        response
          .writeHead(206, {
            etag: `"${CONTENT.length}"`,
            'content-range': `bytes ${first}-${last}/${CONTENT.length}`,
          })
          .end(CONTENT.subarray(Number(first), Number(last) + 1)),
      );
      if (held.length === 8) resolve();
      return true;
    };
  });
  const targets = Array.from({ length: 8 }, () => new Uint8Array(100));
  const reads = targets.map((target, i) => source.readInto(target, 1000 * i));
  await all;
  for (const go of held.reverse()) go();
  await Promise.all(reads);
  targets.forEach((target, i) => {
    expect(Buffer.from(target)).toEqual(CONTENT.subarray(1000 * i, 1000 * i + 100));
  });
});
