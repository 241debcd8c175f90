/** Several processes as one server, started from the command line. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { availableProcessors } from '../../src/pool/machine.js';
import { type Child, serve } from './child.js';
import { image, isListening } from './settings.js';
import { ask, metricsOf, until, usePlace, write, writeConfig } from './start.js';

const place = usePlace();

/** A server of two processes, with pictures of its own. */
async function serveByTwo(): Promise<{ child: Child; folder: string }> {
  const folder = await place.prepare();
  await write(join(folder, 'pictures', 'one.png'), await picture('#804020'));
  const own = { port: 0, roots: ['pictures', place.images], processes: 2 };
  // The least memory there can be is not divided.
  await writeConfig(folder, { PTiffManager: { maxMemory: '10M' }, Server: own });
  return { child: await serve('--config', join(folder, 'server.json')), folder };
}

function picture(background: string): Promise<Buffer> {
  return sharp({ create: { width: 80, height: 60, channels: 3, background } })
    .png()
    .toBuffer();
}

/** Lines of the access log by the process that wrote them, as soon as there are so many. */
async function linesByProcess(folder: string, count: number): Promise<Map<number, string[][]>> {
  const read = async (): Promise<string[][]> => {
    const names = await readdir(join(folder, 'logs'));
    const name = names.find((each) => each.startsWith('access-')) ?? '';
    const text = await readFile(join(folder, 'logs', name), 'utf8');
    return text.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ')]));
  };
  const lines = await until(read, (all) => all.length >= count);
  expect(lines).toHaveLength(count);
  const found = new Map<number, string[][]>();
  for (const line of lines) {
    const pid = Number(line[17]?.slice(1, -1));
    found.set(pid, [...(found.get(pid) ?? []), line]);
  }
  return found;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits for the end of processes. */
async function allEnd(pids: readonly number[]): Promise<readonly number[]> {
  return until(
    () => pids.filter(isAlive),
    (left) => left.length === 0,
  );
}

describe('two processes', () => {
  it('share port, cache and metrics; one that is killed is replaced; all end together', async () => {
    const { child, folder } = await serveByTwo();
    const target = image('photo?wid=100');
    for (let i = 0; i < 20; i++) expect((await ask(child.url, target)).status).toBe(200);
    const value = await metricsOf(child.url);
    expect(value('pyramidion_replies_total{status="200"}')).toBe(20);
    expect(value('pyramidion_cache_requests_total{use="CREATED"}')).toBe(1);
    expect(value('pyramidion_cache_requests_total{use="REUSED"}')).toBe(19);
    expect(value('pyramidion_cache_disk_entries')).toBe(1);

    // What one has made, the other finds on disk.
    const lines = await linesByProcess(folder, 20);
    expect(lines.size).toBe(2);
    expect([...lines.values()].map(([first]) => first?.[13]).sort()).toEqual(['CREATED', 'REUSED']);

    const [killed = 0, other = 0] = lines.keys();
    process.kill(killed, 'SIGKILL');
    expect(await allEnd([killed])).toEqual([]);
    for (let i = 0; i < 5; i++) expect((await ask(child.url, target)).status).toBe(200);
    // The one in its place has written nothing yet: it is there when the metrics are those of two again.
    const slots = value('pyramidion_render_slots');
    expect(slots).toBe(2 * Math.min(5, availableProcessors()));
    const counted = async (): Promise<number> => (await metricsOf(child.url))('pyramidion_render_slots');
    await until(counted, (found) => found < slots, 2000);
    expect(await until(counted, (found) => found === slots)).toBe(slots);
    for (let i = 0; i < 15; i++) expect((await ask(child.url, target)).status).toBe(200);
    const later = await linesByProcess(folder, 40);
    const all = [...later.keys()];
    expect(all).toHaveLength(3);
    expect(all).toEqual(expect.arrayContaining([killed, other]));
    expect([...later.values()].flat().filter((line) => line[13] === 'CREATED')).toHaveLength(1);

    const { code, stderr } = await child.stop();
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'pyramidion: a process of the server ended (SIGKILL); another one is started\n',
    });
    expect(all.filter(isAlive)).toEqual([]);
    expect(await isListening('127.0.0.1', Number(new URL(child.url).port))).toBe(false);
  });

  it('know of what another one made anew', async () => {
    const { child, folder } = await serveByTwo();
    const file = join(folder, 'pictures', 'one.png');
    const target = image('one?fmt=png');
    const tagsOf = async (): Promise<unknown[]> => {
      const replies = [];
      for (let i = 0; i < 6; i++) replies.push(await ask(child.url, target));
      return [...new Set(replies.map(({ headers }) => headers.etag))];
    };
    const before = await tagsOf();
    expect(before).toHaveLength(1);
    await write(file, await picture('#208060'));
    expect(await tagsOf()).toEqual(before);

    const updated = await ask(child.url, `${target}&cache=update`);
    expect(updated.headers.etag).not.toBe(before[0]);
    const after = await until(tagsOf, (tags) => tags.length === 1 && tags[0] === updated.headers.etag);
    expect(after).toEqual([updated.headers.etag]);
    const value = await metricsOf(child.url);
    expect(value('pyramidion_request_duration_seconds_count{type="img",cache="UPDATED"}')).toBe(1);
    expect((await child.stop()).code).toBe(0);
  });

  it('end when the first one is killed', async () => {
    const { child, folder } = await serveByTwo();
    for (let i = 0; i < 10; i++) await ask(child.url, '/is/image');
    const pids = [...(await linesByProcess(folder, 10)).keys()];
    expect(pids).toHaveLength(2);
    await child.stop('SIGKILL');
    expect(await allEnd(pids)).toEqual([]);
    expect(await isListening('127.0.0.1', Number(new URL(child.url).port))).toBe(false);
  });
});
