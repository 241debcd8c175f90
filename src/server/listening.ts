/** Beginning to listen, and ending it. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { PyramidionError } from '../errors.js';

/** A certificate and its key as PEM. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** Reads certificate and key. Errors: `INVALID_OPTION` for a file that cannot be read. */
export async function readTls({ certFile, keyFile }: { certFile: string; keyFile: string }): Promise<Tls> {
  const read = (path: string, option: string): Promise<string> =>
    readFile(path, 'utf8').catch((cause: unknown) => {
      throw new PyramidionError('INVALID_OPTION', `${option}: ${path} cannot be read`, { option, value: path, cause });
    });
  return { cert: await read(certFile, 'Server.tlsCert'), key: await read(keyFile, 'Server.tlsKey') };
}

/** Connections that wait to be taken: with fewer, a rush is told to come again in whole seconds. The system may allow less. */
const BACKLOG = 4096;

/** Begins to listen, and yields the URL. A port that is taken is `INVALID_OPTION`. */
export async function listen(
  http: Server,
  app: FastifyInstance | null,
  port: number,
  host: string,
  isTls: boolean,
): Promise<string> {
  try {
    if (app !== null) await app.listen({ port, host, backlog: BACKLOG });
    else {
      http.listen({ port, host, backlog: BACKLOG });
      await once(http, 'listening');
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be listened on (${code})`;
    throw new PyramidionError('INVALID_OPTION', `port ${port} of ${host} ${why}`, {
      option: 'port',
      value: port,
      cause,
    });
  }
  const { address, port: found, family } = http.address() as AddressInfo;
  return `${isTls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${found}`;
}

/** How often connections are looked for that have nothing left to do, in milliseconds. */
const IDLE_MS = 50;

/** Stops listening, and waits for what is under way; what takes too long is cut off. */
export async function drain(http: HttpServer, stop: () => Promise<void>, drainMs: number): Promise<void> {
  // A client keeps its connection for the next request, also when it was busy as the listening ended.
  const sweeper = setInterval(() => http.closeIdleConnections(), IDLE_MS);
  const timer = setTimeout(() => http.closeAllConnections(), drainMs);
  try {
    await stop();
  } finally {
    clearInterval(sweeper);
    clearTimeout(timer);
  }
}
