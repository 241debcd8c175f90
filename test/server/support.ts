/** Servers in temporary folders, requests to them as they are written, and pictures made and read by code. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { readConfig } from '../../src/config/config.js';
import { Engine } from '../../src/engine.js';
import { ImageServer } from '../../src/server/server.js';

/** Files by their paths. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** What a server is started with. All of it is written to files, as an operator would. */
export interface ServeOptions {
  /** Below the root of images. */
  readonly images?: Files;
  /** Images that are made pyramids of, without loss, below the root of images. */
  readonly pyramids?: Files;
  /** Attribute files and what they name. */
  readonly catalogs?: Files;
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly presets?: Readonly<Record<string, unknown>>;
  /** Settings of the sections `Server` and `ImageServer`. */
  readonly server?: Readonly<Record<string, unknown>>;
  readonly imageServer?: Readonly<Record<string, unknown>>;
}

/** A reply as it came. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** Milliseconds since 1970, before it was asked for and after it came. */
  readonly between: readonly [asked: number, answered: number];
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A server that is there until it is closed. */
export interface Served {
  readonly url: string;
  /** Holds everything of the server: configuration, images, catalogs, cache, logs. */
  readonly folder: string;
  /** Sends a target exactly as it is written. */
  readonly ask: (target: string, options?: AskOptions) => Promise<Answer>;
  readonly close: () => Promise<void>;
}

/** Starts a server on a free port. The cache and the logs are in its folder, which goes when it is closed. */
export async function serve(options: ServeOptions = {}): Promise<Served> {
  const {
    images = {},
    pyramids = {},
    catalogs = {},
    manifest = {},
    presets = {},
    server = {},
    imageServer = {},
  } = options;
  const folder = await mkdtemp(join(tmpdir(), 'pyramidion-server-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await mkdir(join(folder, 'images'));
    await writeAll(join(folder, 'images'), images);
    await writeAll(join(folder, 'catalog'), catalogs);
    await buildAll(join(folder, 'images'), pyramids);
    const settings = { Server: { port: 0, ...server }, ImageServer: imageServer, manifest, presets };
    await writeAll(folder, { 'config.json': JSON.stringify(settings) });
    const config = await readConfig({ file: join(folder, 'config.json'), env: {}, folder });
    const running = await ImageServer.start(config);
    const agent = new Agent({ keepAlive: true });
    const [url = ''] = running.urls;
    return {
      url,
      folder,
      ask: (target, asked) => ask(url, agent, target, asked),
      close: async () => {
        agent.destroy();
        await running.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function writeAll(folder: string, files: Files): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

async function buildAll(folder: string, sources: Files): Promise<void> {
  if (Object.keys(sources).length === 0) return;
  const engine = await Engine.start();
  try {
    for (const [path, bytes] of Object.entries(sources)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await engine.build(Buffer.from(bytes), join(folder, path), { compression: 'deflate' });
    }
  } finally {
    await engine.close();
  }
}

function ask(base: string, agent: Agent, target: string, { method, headers, body }: AskOptions = {}): Promise<Answer> {
  const { hostname, port } = new URL(base);
  const asked = Date.now();
  return new Promise((resolve, reject) => {
    const sent = request({ agent, hostname, port, path: target, method: method ?? 'GET', headers: { ...headers } });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        const whole = Buffer.concat(parts);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: whole,
          text: whole.toString('utf8'),
          between: [asked, Date.now()],
        });
      });
    });
    sent.end(body);
  });
}

/** Whether `Expires` is so many seconds after the moment the reply was made. */
export function expiresIn({ headers, between: [asked, answered] }: Answer, seconds: number): boolean {
  const at = Date.parse(headers.expires ?? '') / 1000 - seconds;
  return at >= Math.floor(asked / 1000) && at <= answered / 1000;
}

/** Decoded pixels, 8 bits each. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Buffer;
  readonly at: (x: number, y: number) => readonly number[];
}

/** The pixels of a picture, as they are stored: no profile is applied. */
export async function decode(body: Uint8Array): Promise<Pixels> {
  const { data, info } = await sharp(body).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return {
    width,
    height,
    channels,
    data,
    at: (x, y) => [...data.subarray((y * width + x) * channels, (y * width + x + 1) * channels)],
  };
}

/** Size of the composite that the worked values of the protocol are for. */
export const CELLS = { width: 1000, height: 600, side: 100 } as const;

/** The flat colour of the cell in column `i` and row `j`: no two are the same, and none is white. */
export function cellColour(i: number, j: number): readonly [number, number, number] {
  return [15 + 20 * i, 20 + 35 * j, 120];
}

/** A PNG of 1000 × 600 pixels made of flat cells: where it lies in a reply, and how large, can be read off the colours. */
export function cellsPng(): Promise<Buffer> {
  const { width, height, side } = CELLS;
  return picture(width, height, 3, (x, y) => cellColour(Math.floor(x / side), Math.floor(y / side)));
}

/** A PNG whose samples `sample` says. */
export function picture(
  width: number,
  height: number,
  channels: 1 | 3 | 4,
  sample: (x: number, y: number) => readonly number[],
): Promise<Buffer> {
  const data = Buffer.alloc(width * height * channels);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) data.set(sample(x, y), (y * width + x) * channels);
  return sharp(data, { raw: { width, height, channels } }).png().toBuffer();
}

/** Samples from 0 to 255 that look like noise, and are the same each time. */
export function noise(x: number, y: number): readonly [number, number, number] {
  const hash = Math.imul(Math.imul(x + 1, 0x9e3779b1) ^ Math.imul(y + 1, 0x85ebca6b), 0xc2b2ae35) >>> 0;
  return [hash & 255, (hash >>> 8) & 255, (hash >>> 16) & 255];
}

/** Where the cells lie in a reply: pixels of the reply to one of the image, and the place of the image's corner. */
export interface Placement {
  readonly scale: readonly [x: number, y: number];
  readonly corner: readonly [x: number, y: number];
}

/**
 * Pixels of a reply that are not what they have to be when the cells lie as `placement` says, with `outside` around them. Those within
 * `margin` pixels of an edge are passed over. [] is what a test wants; it yields the first ten.
 */
export function misplaced(
  pixels: Pixels,
  { scale: [sx, sy], corner: [left, top] }: Placement,
  {
    outside = [255, 255, 255],
    margin = 1,
    tolerance = 8,
  }: { outside?: readonly number[]; margin?: number; tolerance?: number } = {},
): string[] {
  const wrong: string[] = [];
  const rowCells = cellsAlong(pixels.height, top, sy, CELLS.height, margin);
  const columnCells = cellsAlong(pixels.width, left, sx, CELLS.width, margin);
  const [right, bottom] = [CELLS.width / CELLS.side, CELLS.height / CELLS.side];
  const { width, channels, data } = pixels;
  for (const [y, j] of rowCells) {
    for (const [x, i] of columnCells) {
      const isOutside = i < 0 || j < 0 || i === right || j === bottom;
      const expected = isOutside ? outside : cellColour(i, j);
      const from = (y * width + x) * channels;
      if (expected.every((value, band) => Math.abs(value - (data[from + band] ?? 0)) <= tolerance)) continue;
      wrong.push(`${x},${y}: ${pixels.at(x, y)} instead of ${expected}`);
      if (wrong.length === 10) return wrong;
    }
  }
  return wrong;
}

/** The pixels of a side of a reply that are `margin` pixels from any edge, with the cell they show; −1 and past the last: outside. */
function cellsAlong(
  length: number,
  corner: number,
  scale: number,
  side: number,
  margin: number,
): [at: number, cell: number][] {
  const cell = (position: number): number =>
    Math.max(-1, Math.min(side / CELLS.side, Math.floor((position - corner) / scale / CELLS.side)));
  const all = Array.from({ length }, (_, at): [number, number] => [at, cell(at - margin)]);
  return all.filter(([at, low]) => low === cell(at + 1 + margin));
}

/** Properties of a reply in the text form: unescaped, without the lines of its head. */
export function propertiesOf({ text }: Answer): Record<string, string> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1).replaceAll(/\\(.)/g, '$1')];
    }),
  );
}

/** A Markdown table. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
