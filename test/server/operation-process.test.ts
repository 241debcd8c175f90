/** `pyramidion serve` as a process: how it ends, and why it does not begin. */
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { Agent, createServer, get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../robust/processes.js';
import { type Child, serve } from './child.js';
import { HeldSource } from './held-source.js';
import { image, isListening } from './settings.js';
import { ask, until, usePlace, writeConfig } from './start.js';

const place = usePlace();
let source: HeldSource;
beforeAll(async () => {
  source = await HeldSource.start({ '/slow.tif': await readFile(join(place.images, 'photo.tif')) });
});
afterAll(() => source.close());

/** A server whose images can be held back. */
async function serveSlowly(rest: Readonly<Record<string, unknown>> = {}): Promise<{ child: Child; folder: string }> {
  const folder = await place.prepare();
  await writeConfig(folder, { Server: { port: 0, roots: [place.images, source.url], ...rest } });
  return { child: await serve('--config', join(folder, 'server.json')), folder };
}

function portOf({ url }: Child): number {
  return Number(new URL(url).port);
}

/** The child's end, or null when it goes on for so long. */
async function endOf(child: Child, withinMs = 10_000): Promise<{ code: number | null; stderr: string } | null> {
  const ended = await Promise.race([child.ended, wait(withinMs, null)]);
  return ended === null ? null : { code: ended.code, stderr: ended.stderr };
}

describe('a server that is told to stop', () => {
  it('finishes what is under way, takes nothing new, and ends with 0', async () => {
    const { child, folder } = await serveSlowly();
    source.hold();
    // A connection that its client keeps for the next request does not keep the server.
    const agent = new Agent({ keepAlive: true });
    const sent = get(`${child.url}${image('slow.tif?wid=300&fmt=png')}`, { agent });
    await until(
      () => source.held,
      (held) => held > 0,
    );
    // One that is in the middle of a request, and sends another behind it.
    const socket = connect({ host: '127.0.0.1', port: portOf(child) });
    let received = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      received += part;
    });
    const before = source.held;
    socket.write(`GET ${image('slow.tif?wid=200&fmt=png')} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await until(
      () => source.held,
      (held) => held > before,
    );

    process.kill(child.pid, 'SIGTERM');
    const isOpen = await until(
      () => isListening('127.0.0.1', portOf(child)),
      (open) => !open,
    );
    expect(isOpen).toBe(false);
    socket.write('GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await endOf(child, 100)).toBeNull();

    source.release();
    const [reply] = (await once(sent, 'response')) as [IncomingMessage];
    const body = Buffer.concat(await reply.toArray());
    expect([reply.statusCode, body.length]).toEqual([200, Number(reply.headers['content-length'])]);
    await until(
      () => received,
      (text) => text.includes('/1.1 503'),
    );
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 503']);
    expect(await endOf(child)).toEqual({ code: 0, stderr: '' });
    agent.destroy();
    socket.destroy();

    const logs = await readdir(join(folder, 'logs'));
    const read = (prefix: string): Promise<string> =>
      readFile(join(folder, 'logs', logs.find((name) => name.startsWith(prefix)) ?? ''), 'utf8');
    expect((await read('access-')).trim().split('\n')).toHaveLength(2);
    expect(await read('ImageServer-')).toMatch(/ started .*\n[\s\S]* stopping\n$/);
  });

  it('ends as well by SIGINT, and while nothing is asked', async () => {
    const { child } = await serveSlowly();
    expect((await ask(child.url, '/is/image')).status).toBe(200);
    await child.stop('SIGINT');
    expect(await endOf(child)).toEqual({ code: 0, stderr: '' });
  });

  it('cuts off what takes longer than it was given', async () => {
    const { child } = await serveSlowly({ drainSeconds: 0.2 });
    source.hold();
    const reply = ask(child.url, image('slow.tif?wid=301&fmt=png')).catch(() => null);
    await until(
      () => source.held,
      (held) => held > 0,
    );
    await child.stop();
    expect(await endOf(child)).toEqual({ code: 0, stderr: '' });
    expect(await reply).toBeNull();
    source.release();
  });
});

describe('a server that cannot be started', () => {
  it('says that its port is taken', async () => {
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const folder = await place.prepare();
    const words = ['serve', '--config', join(folder, 'server.json'), '--port', `${port}`];
    const expected = {
      code: 2,
      stdout: '',
      stderr: `pyramidion: INVALID_OPTION: port ${port} of 127.0.0.1 is taken by another program\n`,
    };
    expect(await runCli(...words)).toMatchObject(expected);
    expect(await runCli(...words, '--processes', '2')).toMatchObject(expected);
    other.close();
  });

  it('says all that is wrong with its configuration, and with its flags', async () => {
    const folder = await place.prepare({
      ImageServer: { MaxMessageSize: 0, WorkerThread: 2 },
      Server: { enabled: 'maybe' },
      manifest: { expiration: 'soon' },
    });
    const { code, stdout, stderr } = await runCli('serve', '--config', join(folder, 'server.json'), '--port', 'many');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const named of ['MaxMessageSize', 'WorkerThread in', 'enabled', 'manifest.expiration', '--port'])
      expect(stderr).toContain(named);
    expect(
      stderr
        .trim()
        .split('\n')
        .every((line) => line.startsWith('pyramidion: INVALID_OPTION: ')),
    ).toBe(true);
  });

  it('says which root is not there', async () => {
    const folder = await place.prepare();
    await writeConfig(folder, { Server: { port: 0, roots: ['nowhere'] } });
    const { code, stderr } = await runCli('serve', '--config', join(folder, 'server.json'));
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^pyramidion: INVALID_OPTION: roots .*nowhere/)]);
  });
});
