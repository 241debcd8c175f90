/** Settings that are changed one at a time, and what a client sees of it: the rows of the tables that tests print. */
import { access, readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { HeldSource } from './held-source.js';
import { type Answered, type Document, type Place, type Running, until } from './start.js';

/** What a row is looked at with. */
export interface Given {
  readonly server: Running;
  readonly place: Place;
  /** What the setting was changed to, which may be known only when the test runs. */
  readonly value: unknown;
}

/** One setting. */
export interface Row {
  /** As in `Section.name`, or `manifest.property`. */
  readonly setting: string;
  readonly value: unknown;
  /** How the value is shown, where it differs from run to run. */
  readonly shown?: string;
  /** What is set in both cases. */
  readonly beside?: (place: Place) => Document;
  /** What has to be set together with the value. */
  readonly with?: (place: Place) => Document;
  /** What is written into the folder of the server before it starts. */
  readonly prepare?: (folder: string) => Promise<void>;
  /** It closes the server, or changes it: nobody else may look at it. */
  readonly isAlone?: boolean;
  /** Intervals pass as the row says: what happens every few minutes need not be waited for. */
  readonly hasFakeIntervals?: boolean;
  /** What is asked, as the table tells it. */
  readonly request: string;
  readonly look: (given: Given) => Promise<string>;
  /** What is seen by default, and with the value. */
  readonly byDefault: string;
  readonly seen: string;
}

/**
 * Tests of all rows, and the table that they make. Rows that need nothing beside them share a server as it is by default.
 */
export function testSettings(place: Place, rows: readonly Row[]): void {
  const before = new Map<Row, string>();
  const table: string[] = [];
  const lookBy = async (row: Row, document: Document, value: unknown): Promise<string> => {
    const folder = await place.prepare(document);
    await row.prepare?.(folder);
    if (row.hasFakeIntervals) vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const server = await place.start(folder, true);
    try {
      return await row.look({ server, place, value });
    } finally {
      await server.close();
      vi.useRealTimers();
    }
  };
  beforeAll(async () => {
    const server = await place.start();
    try {
      for (const row of rows) {
        if (isPlain(row)) before.set(row, await row.look({ server, place, value: row.value }));
      }
    } finally {
      await server.close();
    }
  });
  it.each(rows.map((row) => [row.setting, row] as const))('%s', async (_, row) => {
    const value = typeof row.value === 'function' ? await row.value(place) : row.value;
    const beside = row.beside?.(place) ?? {};
    const byDefault = before.get(row) ?? (await lookBy(row, beside, value));
    const seen = await lookBy(row, withSetting({ ...beside, ...row.with?.(place) }, row.setting, value), value);
    table.push(lineOf([row.setting, row.shown ?? shownValue(value), row.request, byDefault, seen]));
    expect({ byDefault, seen }).toEqual({ byDefault: row.byDefault, seen: row.seen });
    expect(seen).not.toBe(byDefault);
  });
  afterAll(() => {
    const head = ['Setting', 'Changed to', 'Request', 'Seen by default', 'Seen with it'];
    console.log([lineOf(head), lineOf(head.map(() => '---')), ...table].join('\n'));
  });
}

function isPlain({ beside, prepare, isAlone, hasFakeIntervals }: Row): boolean {
  return beside === undefined && prepare === undefined && !isAlone && !hasFakeIntervals;
}

function withSetting(document: Document, setting: string, value: unknown): Document {
  const dot = setting.indexOf('.');
  const [section, name] = [setting.slice(0, dot), setting.slice(dot + 1)];
  return { ...document, [section]: { ...document[section], [name]: value } };
}

function shownValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** `/is/image/` and what is asked of it. */
export function image(target: string): string {
  return `/is/image/${target}`;
}

/** Status, and the size of a picture or the text of what is none. */
export async function told({ status, headers, body, text }: Answered): Promise<string> {
  if (!/^image\//.test(String(headers['content-type'] ?? ''))) return `${status} ${text.trim()}`;
  const { width, height } = await sharp(body).metadata();
  return `${status} ${width}×${height}`;
}

/** Looks at the reply to one request. */
export function asked(target: string, show: (reply: Answered) => Promise<string> | string = told): Row['look'] {
  return async ({ server }) => show(await server.ask(target));
}

/** A property of a reply of text. */
export function property(name: string): (reply: Answered) => string {
  return ({ text }) => text.split('\n').find((line) => line.startsWith(`${name}=`)) ?? text;
}

/** The first samples of a picture. */
export async function colourOf({ body }: Answered): Promise<string> {
  const { data, info } = await sharp(body).raw().toBuffer({ resolveWithObject: true });
  return [...data.subarray(0, info.channels)].join(',');
}

/** Which of the commands leads to the same bytes as the request without any of them; they all differ. */
export function sameAs(target: string, ...commands: readonly string[]): Row['look'] {
  return async ({ server }) => {
    const tagOf = async (query: string): Promise<string> => {
      const { status, headers, text } = await server.ask(query);
      return status === 200 ? String(headers.etag) : text;
    };
    const tags = await Promise.all(commands.map((command) => tagOf(`${target}&${command}`)));
    expect(new Set(tags).size).toBe(commands.length);
    const own = await tagOf(target);
    const found = commands.find((_, at) => tags[at] === own);
    return found === undefined ? 'as none of them' : `as ${found}`;
  };
}

const USES = ['CREATED', 'UPDATED', 'VALIDATED', 'REUSED', 'IGNORED', 'UNDEFINED'];

/** What becomes of requests in the cache, one after the other. */
export async function usesOf(server: Running, ...targets: readonly string[]): Promise<string> {
  const count = async (): Promise<number[]> => {
    const value = await server.metrics();
    return USES.map((use) => value(`pyramidion_request_duration_seconds_count{type="img",cache="${use}"}`));
  };
  const uses: string[] = [];
  for (const target of targets) {
    const earlier = await count();
    await server.ask(target);
    const later = await count();
    uses.push(USES.filter((_, at) => later[at] !== earlier[at]).join('+'));
  }
  return uses.join(', ');
}

/** Who gets at a port: an address of this machine that others see is tried where there is one, else it is told by the address. */
export async function whoReaches(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const outer = outerAddress();
  const isOpen = outer === null ? hostname !== '127.0.0.1' : await isListening(outer, Number(port));
  return `${hostname === '127.0.0.1' ? '127.0.0.1' : 'any address'}: ${isOpen ? 'everyone' : 'this machine only'}`;
}

function outerAddress(): string | null {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? null;
}

/** Whether somebody answers at a port. */
export function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until the disk tier has as many entries, or lost as many, as were asked for; yields entries and bytes of it. */
export async function onDisk(server: Running, asked: number): Promise<{ entries: number; bytes: number }> {
  const value = await until(
    () => server.metrics(),
    (metric) =>
      metric('pyramidion_cache_disk_entries') +
        metric('pyramidion_cache_evicted_total') +
        metric('pyramidion_cache_skipped_total') >=
      asked,
  );
  return { entries: value('pyramidion_cache_disk_entries'), bytes: value('pyramidion_cache_disk_bytes') };
}

/** Asks for a view of an image that is held back, and waits until it is being read. */
export async function askHeld(source: HeldSource, server: Running): Promise<{ readonly reply: Promise<string> }> {
  source.hold('all');
  const reply = server.ask(image('photo.tif?wid=100')).then(told, () => 'cut off');
  await until(
    () => source.held,
    (held) => held > 0,
  );
  return { reply };
}

/** The log of today; '' where there is none. */
export async function readLog(folder: string, prefix: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const name = names.find((each) => each.startsWith(prefix));
  return name === undefined ? '' : readFile(join(folder, name), 'utf8');
}

/** Lines of a log of a server, which is closed for that: then all of them are there. */
export async function linesOfLog(server: Running, prefix: string): Promise<string[]> {
  await server.close();
  return (await readLog(join(server.folder, 'logs'), prefix)).trim().split('\n');
}

export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
