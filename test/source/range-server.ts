/** A server of files by range, as repositories of images are, and as they should not be. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is served under a path. */
export interface Served {
  readonly bytes: Uint8Array;
  /** Default: a strong one. null: none. */
  readonly etag?: string | null;
  readonly modified?: string;
}

/** Answers instead of the server; false leaves it to the server. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

export class RangeServer {
  readonly files = new Map<string, Served>();
  /** Ranges asked for, `name first-last`. */
  readonly asked: string[] = [];
  answer: Answer = () => false;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const name = (request.url ?? '').slice(1);
      const [, first = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      this.asked.push(`${name} ${first}-${last}`);
      if (!this.answer(request, response)) this.#serve(response, this.files.get(name), Number(first), Number(last));
    });
  }

  static async start(): Promise<RangeServer> {
    const server = new RangeServer();
    await new Promise<void>((resolve) => {
      server.#server.listen(0, '127.0.0.1', resolve);
    });
    return server;
  }

  url(name: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`;
  }

  /** Connections that are open. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #serve(response: ServerResponse, file: Served | undefined, first: number, asked: number): void {
    if (file === undefined) {
      response.writeHead(404, { 'content-length': 4 }).end('none');
      return;
    }
    const { bytes, etag = `"${bytes.length}"`, modified } = file;
    const about = {
      ...(etag === null ? {} : { etag }),
      ...(modified === undefined ? {} : { 'last-modified': modified }),
    };
    if (first >= bytes.length) {
      response.writeHead(416, { ...about, 'content-range': `bytes */${bytes.length}`, 'content-length': 0 }).end();
      return;
    }
    const last = Math.min(asked, bytes.length - 1);
    const range = `bytes ${first}-${last}/${bytes.length}`;
    const head = { ...about, 'content-range': range, 'content-length': last - first + 1 };
    response.writeHead(206, head).end(bytes.subarray(first, last + 1));
  }
}
