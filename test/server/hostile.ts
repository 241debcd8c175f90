/** Servers to be attacked, and a client that writes what it likes to their sockets. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { readConfig } from '../../src/config/config.js';
import type { MetricsSnapshot } from '../../src/log/families.js';
import { ImageServer } from '../../src/server/server.js';

/** Files by their paths below a folder. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A server over a folder of its own, which holds `images` (the root), `catalog` and whatever else is written there. */
export class Site {
  /** True path of the folder around everything. */
  readonly folder: string;
  readonly root: string;
  #server: ImageServer | null = null;

  private constructor(folder: string) {
    this.folder = folder;
    this.root = join(folder, 'images');
  }

  /** Makes the folder with these files in it. Close it. */
  static async make(files: Files = {}): Promise<Site> {
    const site = new Site(await realpath(await mkdtemp(join(tmpdir(), 'pyramidion-hostile-'))));
    await mkdir(site.root);
    for (const [path, content] of Object.entries(files)) await site.write(path, content);
    return site;
  }

  /** Writes a file below the folder, and the folders above it. */
  async write(path: string, content: string | Uint8Array): Promise<void> {
    const file = join(this.folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }

  /** Starts the server, with settings as the file of a configuration has them. Without others it has no disk cache. */
  async start(settings: Settings = {}): Promise<void> {
    const file = join(this.folder, 'server.json');
    await writeFile(file, JSON.stringify(fileOf(settings)));
    const reread = () => readConfig({ file, env: {} });
    this.#server = await ImageServer.start(await reread(), { reread });
  }

  /** Changes what is written in the file of the configuration of a running server. */
  configure(settings: Settings): Promise<void> {
    return writeFile(join(this.folder, 'server.json'), JSON.stringify(fileOf(settings)));
  }

  get port(): number {
    return Number(new URL(this.#running.urls[0] ?? '').port);
  }

  metrics(): Promise<MetricsSnapshot> {
    return this.#running.metrics();
  }

  /** The value of a metric with these labels; 0 where there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const family = (await this.metrics()).find((each) => each.values.some(isAsked) || each.name === name);
    function isAsked(value: { metricName?: string }): boolean {
      return value.metricName === name;
    }
    const values = family?.values.filter(
      (value) =>
        (value.metricName ?? family.name) === name &&
        Object.entries(labels).every(([label, wanted]) => String(value.labels[label]) === wanted),
    );
    return (values ?? []).reduce((sum, { value }) => sum + value, 0);
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  get #running(): ImageServer {
    if (this.#server === null) throw new Error('the server does not run');
    return this.#server;
  }
}

/** What a test sets; see docs/settings.md. */
export type Settings = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export function fileOf({ Server, PlatformServer, Log, ...others }: Settings): Settings {
  return {
    Server: { port: 0, roots: ['images'], catalogRefreshMs: 100, catalogWaitMs: 0, ...Server },
    PlatformServer: { 'Cache roots': [], ...PlatformServer },
    Log: { folder: 'logs', traceLevel: 1, ...Log },
    ...others,
  };
}

/** A pyramid of one colour, or of noise that no other seed has. */
export function pyramid(
  width: number,
  height: number,
  background: string,
  compression: 'jpeg' | 'deflate' = 'deflate',
): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .tiff({ tile: true, pyramid: true, tileWidth: 64, tileHeight: 64, compression })
    .toBuffer();
}

/** A reply as it came. */
export interface RawReply {
  readonly status: number;
  /** Status line and headers, as text. */
  readonly head: string;
  /** By names in lower case; of several the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** What is to be sent. */
export interface Ask {
  readonly method: string;
  /** Characters are bytes. */
  readonly target: string;
  /** Lines. `Host` is there in any case. */
  readonly headers?: readonly string[];
  /** Nothing else is under way on its connection, nor comes after it. */
  readonly isAlone?: boolean;
}

/** Takes replies out of what comes. What is not as HTTP says throws. */
export class ReplyReader {
  #chunks: Buffer = Buffer.alloc(0);

  /** Bytes that belong to no reply yet. */
  get rest(): Buffer {
    return this.#chunks;
  }

  feed(bytes: Buffer): void {
    this.#chunks = this.#chunks.length === 0 ? bytes : Buffer.concat([this.#chunks, bytes]);
  }

  /** The next reply, to a request of this method; null while it is not there as a whole. */
  next(method: string): RawReply | null {
    for (;;) {
      const end = this.#chunks.indexOf('\r\n\r\n');
      if (end < 0) return null;
      const head = this.#chunks.toString('latin1', 0, end);
      const [first = '', ...lines] = head.split('\r\n');
      const status = Number(/^HTTP\/1\.1 (\d{3}) [ -~]*$/.exec(first)?.[1]);
      if (!(status >= 100)) throw new Error(`no status line: ${JSON.stringify(head.slice(0, 200))}`);
      const headers = new Map<string, string>();
      for (const line of lines) {
        const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+): ?([\t -~\x80-\xff]*)$/.exec(line) ?? [];
        if (name === undefined || value === undefined) throw new Error(`no header: ${JSON.stringify(line)}`);
        headers.set(name.toLowerCase(), value);
      }
      if (status < 200) {
        this.#chunks = this.#chunks.subarray(end + 4);
        continue;
      }
      if (headers.has('transfer-encoding')) throw new Error(`a reply in chunks: ${head}`);
      const hasNone = method === 'HEAD' || status === 204 || status === 304;
      const length = headers.get('content-length');
      if (!hasNone && !/^\d+$/.test(length ?? '') && headers.get('connection') !== 'close')
        throw new Error(`a reply without its length: ${head}`);
      const size = hasNone ? 0 : Number(length ?? this.#chunks.length - end - 4);
      if (this.#chunks.length < end + 4 + size) return null;
      const body = Buffer.from(this.#chunks.subarray(end + 4, end + 4 + size));
      this.#chunks = this.#chunks.subarray(end + 4 + size);
      return { status, head, headers, body };
    }
  }
}

/** How asks are driven through a server. */
export interface DriveOptions {
  readonly port: number;
  readonly connections: number;
  /** Requests under way on each connection. */
  readonly depth: number;
  /** Is told of each reply; null: the connection ended without one. `problem`: it was no HTTP. */
  readonly onReply: (ask: Ask, reply: RawReply | null, problem?: string) => void;
}

/** Sends everything, pipelined over connections that are kept alive, and resolves when all is answered. */
export async function drive(asks: Iterator<Ask>, options: DriveOptions): Promise<void> {
  const shared = { asks, isDone: false };
  await Promise.all(Array.from({ length: options.connections }, () => lane(shared, options)));
}

interface Shared {
  readonly asks: Iterator<Ask>;
  isDone: boolean;
}

async function lane(shared: Shared, options: DriveOptions): Promise<void> {
  let next: Ask | null = null;
  const peek = (): Ask | null => {
    if (next !== null || shared.isDone) return next;
    const { value, done } = shared.asks.next();
    if (done === true) shared.isDone = true;
    else next = value;
    return next;
  };
  const take = (): void => {
    next = null;
  };
  while (peek() !== null) await connection(peek, take, options);
}

/** One connection, until it ends or there is nothing left to ask. */
function connection(peek: () => Ask | null, take: () => void, { port, depth, onReply }: DriveOptions): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    const reader = new ReplyReader();
    const pending: Ask[] = [];
    let isEnded = false;
    const fill = (): void => {
      let written = '';
      while (pending.length < depth) {
        const ask = peek();
        if (ask === null || pending.some(({ isAlone }) => isAlone)) break;
        if (ask.isAlone && pending.length > 0) break;
        take();
        pending.push(ask);
        written += textOf(ask);
      }
      if (written !== '') socket.write(written, 'latin1');
      if (pending.length === 0 && peek() === null) socket.end();
    };
    const onEnd = (problem?: string): void => {
      if (isEnded) return;
      isEnded = true;
      socket.destroy();
      const [first, ...others] = pending;
      if (first !== undefined) onReply(first, null, problem);
      for (const ask of others) onReply(ask, null);
      resolve();
    };
    socket.on('connect', () => fill());
    socket.on('data', (bytes) => {
      reader.feed(bytes);
      try {
        for (let ask = pending[0]; ask !== undefined; ask = pending[0]) {
          const reply = reader.next(ask.method);
          if (reply === null) return;
          pending.shift();
          onReply(ask, reply);
          // What HTTP itself refuses ends the connection, whether or not it says so.
          if (ask.isAlone) return onEnd();
          if (reply.headers.get('connection') === 'close')
            return onEnd(`ended by the reply to ${textOf(ask)}: ${reply.head}`);
        }
        if (reader.rest.length > 0)
          return onEnd(`bytes that nobody asked for: ${reader.rest.toString('latin1', 0, 80)}`);
      } catch (error) {
        return onEnd(String(error));
      }
      fill();
    });
    socket.on('error', () => onEnd());
    socket.on('close', () => onEnd());
  });
}

/** A request as bytes. */
export function textOf({ method, target, headers = [] }: Ask): string {
  return `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** Sends one request on a connection of its own. */
export async function ask(port: number, target: string, more: Partial<Ask> = {}): Promise<RawReply> {
  const all: (RawReply | null)[] = [];
  await drive([{ method: 'GET', target, ...more }].values(), {
    port,
    connections: 1,
    depth: 1,
    onReply: (_, reply) => all.push(reply),
  });
  const [reply] = all;
  if (reply == null) throw new Error(`no reply to ${target}`);
  return reply;
}

/** Sends bytes as they are, and yields what came when the server ended the connection, or when there are so many replies. */
export function sendRaw(
  port: number,
  bytes: string | readonly string[],
  count = Number.POSITIVE_INFINITY,
): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = createConnection({ port, host: '127.0.0.1' });
    const reader = new ReplyReader();
    let text = '';
    let found = 0;
    const end = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.on('connect', () => {
      for (const part of [bytes].flat()) socket.write(part, 'latin1');
    });
    socket.on('data', (part) => {
      text += part.toString('latin1');
      if (count === Number.POSITIVE_INFINITY) return;
      reader.feed(part);
      while (reader.next('GET') !== null) found += 1;
      if (found >= count) end();
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}
