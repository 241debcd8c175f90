/** A server of files by range that can hold back what it is asked for: views of its images last as long as a test wants. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One read that is held back. */
interface Held {
  readonly response: ServerResponse;
  readonly send: () => void;
}

/** What to hold back: reads of tiles, or also those that open an image or ask whether it is there. */
export type Holding = 'tiles' | 'all';

export class HeldSource {
  readonly #files = new Map<string, Uint8Array>();
  readonly #held = new Set<Held>();
  #holding: Holding | null = null;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const [, first = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      const send = (): void => this.#serve(response, this.#files.get(request.url ?? ''), Number(first), Number(last));
      // Images are opened by their first bytes.
      if (this.#holding === null || (this.#holding === 'tiles' && first === '0')) return send();
      const held = { response, send };
      this.#held.add(held);
      response.on('close', () => this.#held.delete(held));
    });
  }

  /** Serves files by their paths, `/a.tif`. Whoever starts it closes it. */
  static async start(files: Readonly<Record<string, Uint8Array>>): Promise<HeldSource> {
    const source = new HeldSource();
    for (const [path, bytes] of Object.entries(files)) source.#files.set(path, bytes);
    await new Promise<void>((resolve) => {
      source.#server.listen(0, '127.0.0.1', resolve);
    });
    return source;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Reads that are held back now; those whose reader has gone are not among them. */
  get held(): number {
    return this.#held.size;
  }

  hold(what: Holding = 'tiles'): void {
    this.#holding = what;
  }

  /** Answers what is held back, and holds nothing from now on. */
  release(): void {
    this.#holding = null;
    for (const held of [...this.#held]) {
      this.#held.delete(held);
      held.send();
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #serve(response: ServerResponse, bytes: Uint8Array | undefined, first: number, asked: number): void {
    if (bytes === undefined) {
      response.writeHead(404, { 'content-length': 0 }).end();
      return;
    }
    const last = Math.min(asked, bytes.length - 1);
    response
      .writeHead(206, {
        etag: '"held"',
        'content-range': `bytes ${first}-${last}/${bytes.length}`,
        'content-length': last - first + 1,
      })
      .end(bytes.subarray(first, last + 1));
  }
}
