/** Image servers for tests, each in a folder of its own, and requests to them as they are spelled. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import { type Config, readConfig } from '../../src/config/config.js';
import { Engine } from '../../src/engine.js';
import { ImageServer } from '../../src/server/server.js';
import { rasterTiff } from '../colour/colours.js';

/** A configuration as its file has it. */
export type Document = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** A reply that was read to its end. */
export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A server, and where its files are. */
export interface Running {
  /** Folder of its configuration: cache, logs and catalogs are below. */
  readonly folder: string;
  readonly urls: readonly string[];
  ask(target: string, options?: AskOptions): Promise<Answered>;
  /** Values of `/metrics` by their names and labels, as they are written there; 0 for what there is not. */
  metrics(): Promise<(name: string) => number>;
  close(): Promise<void>;
}

/** Where tests of a file have their images and servers. */
export interface Place {
  readonly folder: string;
  /** Images: see {@link writeImages}. */
  readonly images: string;
  /** A folder for one server, with its configuration in `server.json`: a free port, our images, and `document`. */
  prepare(document?: Document): Promise<string>;
  /** Starts a server in a prepared folder, or in a new one. Close it before another is started. */
  start(given?: Document | string, isReread?: boolean): Promise<Running>;
}

/** Makes the folder and the images before the tests of a file, and removes them after. */
export function usePlace(): Place {
  const place = { folder: '', images: '' };
  const open = new Set<Running>();
  let folders = 0;
  beforeAll(async () => {
    place.folder = await realpath(await mkdtemp(join(tmpdir(), 'pyramidion-server-')));
    place.images = join(place.folder, 'images');
    await writeImages(place.images);
  });
  afterAll(async () => {
    for (const server of open) await server.close();
    await rm(place.folder, { recursive: true });
  });
  const prepare = async (document: Document = {}): Promise<string> => {
    folders += 1;
    const folder = join(place.folder, `server-${folders}`);
    await mkdir(folder);
    await writeConfig(folder, { ...document, Server: { port: 0, roots: [place.images], ...document.Server } });
    return folder;
  };
  return {
    get folder() {
      return place.folder;
    },
    get images() {
      return place.images;
    },
    prepare,
    start: async (given = {}, isReread = false) => {
      const folder = typeof given === 'string' ? given : await prepare(given);
      const reread = (): Promise<Config> => readConfig({ file: join(folder, 'server.json'), env: {} });
      const server = await ImageServer.start(await reread(), isReread ? { reread } : {});
      const [url = ''] = server.urls;
      const running: Running = {
        folder,
        urls: server.urls,
        ask: (target, options) => ask(url, target, options),
        metrics: () => metricsOf(url),
        close: async () => {
          open.delete(running);
          await server.close();
        },
      };
      open.add(running);
      return running;
    },
  };
}

/** Writes `server.json`. */
export function writeConfig(folder: string, document: Document): Promise<void> {
  return write(join(folder, 'server.json'), JSON.stringify(document));
}

/** Writes a file, and the folders above it. */
export async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

/**
 * `photo.tif`, a pyramid of 1000 × 600 pixels without a profile; `large.png`, five million pixels; and images of 64 × 64
 * pixels of one colour: `tagged.png` in sRGB, `plain.png`, `gray.png` and `cmyk.tif` without a profile.
 */
async function writeImages(folder: string): Promise<void> {
  await mkdir(folder);
  const at = (name: string): string => join(folder, name);
  const flat = (width: number, height: number, background: string) =>
    sharp({ create: { width, height, channels: 3, background } });
  const cmyk = Array.from({ length: 64 * 64 }, () => [60, 200, 120, 30]).flat();
  await using engine = await Engine.start();
  await Promise.all([
    engine.build(samplePng(1000, 600), at('photo.tif')),
    flat(2500, 2000, '#406080').png({ compressionLevel: 1 }).toFile(at('large.png')),
    flat(64, 64, '#c85050').withIccProfile('srgb').png().toFile(at('tagged.png')),
    flat(64, 64, '#c85050').png().toFile(at('plain.png')),
    flat(64, 64, '#606060').toColourspace('b-w').png().toFile(at('gray.png')),
    writeFile(at('cmyk.tif'), rasterTiff({ width: 64, height: 64, channels: 4, bits: 8, data: cmyk })),
  ]);
}

/** Asks for a target as it is spelled, on a connection of its own, and reads the reply. */
export function ask(
  origin: string,
  target: string,
  { method = 'GET', headers = {}, signal }: AskOptions = {},
): Promise<Answered> {
  const { hostname, port, protocol } = new URL(origin);
  const options = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port,
    path: target,
    method,
    headers,
    agent: false,
  } as const;
  return new Promise((resolve, reject) => {
    const stop = signal === undefined ? {} : { signal };
    const sent =
      protocol === 'https:'
        ? requestTls({ ...options, ...stop, rejectUnauthorized: false })
        : request({ ...options, ...stop });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(parts);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, text: body.toString() });
      });
    });
    sent.end();
  });
}

/** Values of `/metrics`: see {@link Running.metrics}. */
export async function metricsOf(url: string): Promise<(name: string) => number> {
  const { text } = await ask(url, '/metrics');
  const samples = text.split('\n').flatMap((line): [string, number][] => {
    const [, name = '', value] = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    return name === '' ? [] : [[name, Number(value)]];
  });
  const values = new Map(samples);
  return (name) => values.get(name) ?? 0;
}

/** What `look` yields as soon as it is `wanted`, else what it yields at last: after `withinMs`. */
export async function until<Value>(
  look: () => Promise<Value> | Value,
  wanted: (value: Value) => boolean,
  withinMs = 10_000,
): Promise<Value> {
  const end = performance.now() + withinMs;
  for (;;) {
    const value = await look();
    if (wanted(value) || performance.now() >= end) return value;
    await wait(20);
  }
}
