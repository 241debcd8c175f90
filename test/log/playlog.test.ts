import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addPlaylogOptions, type PlaylogFlags, type PlaylogSummary, runPlaylog } from '../../src/cli/playlog.js';
import { AccessLog } from '../../src/log/access-log.js';
import type { AccessEntry } from '../../src/log/types.js';
import { EMPTY, NOON, useFolder } from './entry.js';

const folder = useFolder();
/** What the server was asked, and how it answers: by path, else 200. */
let asked: string[] = [];
let connections = 0;
let statuses: Readonly<Record<string, number>> = {};
let server: Server;
let origin = '';

beforeEach(async () => {
  asked = [];
  connections = 0;
  statuses = {};
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const status = statuses[request.url ?? ''] ?? 200;
    if (status === 0) return void request.socket.destroy();
    response.writeHead(status, { 'content-length': 4 }).end(request.method === 'HEAD' ? '' : 'four');
  });
  server.on('connection', () => {
    connections++;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

/** Runs `playlog` with these words. */
async function play(words: readonly string[], signal = new AbortController().signal) {
  const [out, err]: [string[], string[]] = [[], []];
  let code = -1;
  const context = {
    stdout: { write: (data: string | Uint8Array) => out.push(String(data)) },
    stderr: { write: (text: string) => err.push(text) },
    signal,
    startEngine: () => Promise.reject(new Error('no engine is needed')),
  };
  const command = addPlaylogOptions(new Command('playlog').argument('<logs...>'))
    .exitOverride()
    .configureOutput({ writeOut: (text) => out.push(text), writeErr: (text) => err.push(text) })
    .action(async (paths: string[], flags: PlaylogFlags) => {
      code = await runPlaylog(paths, flags, context);
    });
  await command.parseAsync(words, { from: 'user' });
  return { code, out: out.join(''), err: err.join('') };
}

/** Writes entries with an access log, and yields its path. */
async function log(entries: readonly Partial<AccessEntry>[]): Promise<string> {
  const onWarning = (message: string): never => {
    throw new Error(message);
  };
  const file = await AccessLog.open({ folder: folder(), onWarning, now: () => NOON });
  for (const entry of entries) file.write({ ...EMPTY, method: 'GET', ...entry });
  await file.close();
  return join(folder(), 'access-2026-03-04.log');
}

describe('a log of ours', () => {
  test('is played as it was asked for, odd URLs too, with the default columns', async () => {
    const urls = [
      '/is/image/Shop/shoe?wid=200&fmt=png',
      '/is/image/Shop/shoe',
      '/is/image/a%20b/c%2520d/%C3%A9?icc=sRGB%20IEC61966&x=100%25',
      '/is/image/a/../b/./c//d',
      '/is/image?req=catalogprops',
      '/is/image/x?src=is{a/b?scl=2}|"<>^`[]\\',
      "/is/image/x?$preset$&$v=a+b&layer=0&text='q'#frag",
      `/is/image/x?${'y'.repeat(8000)}`,
      '/iiif/3/a%2Fb/full/max/0/default.jpg',
    ];
    const path = await log(urls.map((url, n) => ({ url, referer: 'a b', digest: `d${n}`, rootId: '' })));
    const played = await play(['-p', `${origin}/is`, '--concurrency', '1', path]);
    expect(played).toEqual({
      code: 0,
      err: '',
      out: expect.stringMatching(/^9 lines, 0 skipped: 9 requests ok, 0 failed, 36 bytes in \d+\.\d s\n$/) as string,
    });
    expect(asked).toEqual(urls.map((url, n) => `GET ${url}${url.includes('?') ? '&' : '?'}playlog=d${n}`));
    expect(connections).toBe(1);

    asked = [];
    expect(await play(['-p', `${origin}/is`, '--concurrency', '1', '-x', '', path])).toMatchObject({ code: 0 });
    expect(asked).toEqual(urls.map((url) => `GET ${url}`));
  });

  test('methods are those of the log, or what is said', async () => {
    const methods = ['GET', 'HEAD', 'POST', 'OPTIONS', ''];
    const path = await log(methods.map((method, n) => ({ method, url: `/is/image/${n}` })));
    const words = ['-p', `${origin}/is`, '--concurrency', '1', '-x', '', path];
    expect(await play(words)).toMatchObject({
      code: 0,
      out: expect.stringContaining('5 lines, 2 skipped: 3') as string,
    });
    expect(asked).toEqual(['GET /is/image/0', 'HEAD /is/image/1', 'POST /is/image/2']);
    asked = [];
    await play(['-r', 'head', ...words]);
    expect(asked).toEqual(methods.map((_, n) => `HEAD /is/image/${n}`));
  });

  test('what asks whether the server is there is left out: with a suffix it would ask for something', async () => {
    const path = await log(['/is/image', '/is/image?', '/is/image/', '/is/image/a'].map((url) => ({ url })));
    const { code, out } = await play(['-p', `${origin}/is`, '--concurrency', '1', path]);
    expect(code).toBe(0);
    expect(out).toContain('4 lines, 3 skipped: 1 requests ok');
    expect(asked).toEqual(['GET /is/image/a?playlog=-']);
  });

  test('failures are counted and named, and the code is 1', async () => {
    statuses = { '/is/image/bad': 403, '/is/image/gone': 0, '/is/image/same': 304 };
    const names = ['good', 'bad', 'gone', 'same'];
    const path = await log(names.map((name) => ({ url: `/is/image/${name}` })));
    const { code, out, err } = await play(['--json', '-x', '', '-p', `${origin}/is`, '--concurrency', '2', path]);
    expect(code).toBe(1);
    expect(JSON.parse(out) as PlaylogSummary).toEqual({
      ...{ lines: 4, skipped: 0, ok: 2, failed: 2, bytes: 8, statuses: { 200: 1, 304: 1, 403: 1 } },
      seconds: expect.any(Number) as number,
    });
    const lines = err.trim().split('\n').sort();
    expect(lines).toHaveLength(2);
    expect(lines[0]).toBe(`pyramidion: ${origin}/is/image/bad: status 403`);
    expect(lines[1]).toMatch(/\/is\/image\/gone: \S/);
  });
});

describe('options', () => {
  test('columns, separator, match, suffix and prefix of other logs', async () => {
    const path = join(folder(), 'other.log');
    await writeFile(path, 'Request:;post;/image/a?b;7\r\nRequest:;get;/content/c;8\nOther:;get;/image/d;9\n\nshort\n');
    const columns = ['-s', ';', '-o', '2', '-n', '3', '-m', '^Request:', '-x', 'n={4}&m={9}'];
    const { code, out } = await play([...columns, '-p', `${origin}/x/is/`, '-v', '--concurrency', '1', path]);
    expect(code).toBe(0);
    expect(asked).toEqual(['POST /x/is/image/a?b&n=7&m=', 'GET /x/is/content/c?n=8&m=']);
    expect(out).toBe(
      `POST ${origin}${asked[0]?.slice(5)}\nGET ${origin}${asked[1]?.slice(4)}\n${out.split('\n').at(-2)}\n`,
    );
    expect(out).toContain('4 lines, 2 skipped: 2 requests ok');
  });

  test.each([
    ['/is/image/a', '/x/is/image/a'],
    ['/is?a', '/x/is?a'],
    ['/is', '/x/is'],
    ['/image?a', '/x/is/image?a'],
    ['http://other:80/is/image/a', '/x/is/image/a'],
    ['/island/a', '/island/a'],
    ['/images/a', '/images/a'],
    ['/dzi/a.dzi', '/dzi/a.dzi'],
    ['/is/image/é 日', '/x/is/image/%C3%A9%20%E6%97%A5'],
  ])('a prefix takes the place of /is: %s', async (url, target) => {
    await play(['-p', `${origin}/x/is`, '-x', '', await log([{ url }])]);
    expect(asked).toEqual([`GET ${target}`]);
  });

  test('several requests at once, all lines, over as many connections', async () => {
    const urls = Array.from({ length: 500 }, (_, n) => `/is/image/${n}`);
    const path = await log(urls.map((url) => ({ url })));
    expect(await play(['-p', `${origin}/is`, '-x', '', '--concurrency', '8', path])).toMatchObject({
      code: 0,
      err: '',
    });
    expect(asked.sort()).toEqual(urls.map((url) => `GET ${url}`).sort());
    expect(connections).toBeLessThanOrEqual(8);
  });

  test('-h is help', async () => {
    await expect(play(['-h'])).rejects.toMatchObject({ exitCode: 0 });
  });

  test.each([
    ['-p', 'ftp://x/is'],
    ['-p', 'localhost'],
    ['-n', '0'],
    ['-m', '('],
    ['-r', 'put'],
    ['--concurrency', '0'],
  ])('%s %s is refused', async (option, value) => {
    await expect(play([option, value, 'x.log'])).rejects.toMatchObject({ code: 'commander.invalidArgument' });
  });
});

test('a log that cannot be read is named, the others are played', async () => {
  const path = await log([{ url: '/is/image/a' }]);
  const missing = join(folder(), 'missing.log');
  const { code, err } = await play(['-p', `${origin}/is`, missing, folder(), path]);
  expect(code).toBe(1);
  expect(err).toContain(`pyramidion: ${missing}: SOURCE_NOT_FOUND: `);
  expect(err).toContain(`pyramidion: ${folder()}: SOURCE_UNREADABLE: `);
  expect(asked).toEqual(['GET /is/image/a?playlog=-']);
});

test('a stop ends it, without naming what was under way', async () => {
  const path = await log(Array.from({ length: 50 }, (_, n) => ({ url: `/is/image/${n}` })));
  const stop = new AbortController();
  server.removeAllListeners('request');
  server.on('request', (request) => {
    asked.push(String(request.url));
    if (asked.length === 3) stop.abort();
  });
  const { code, err } = await play(['-p', `${origin}/is`, '--concurrency', '3', path], stop.signal);
  expect({ code, err }).toEqual({ code: 1, err: '' });
  expect(asked).toHaveLength(3);
});
