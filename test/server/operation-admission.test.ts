/** Who waits, who is put off, and who need not wait: one thread, a queue of one, and an image that is as slow as we want. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import { Engine } from '../../src/engine.js';
import { HeldSource } from './held-source.js';
import { image, told, usesOf } from './settings.js';
import { type Answered, type Running, until, usePlace } from './start.js';

const place = usePlace();
let source: HeldSource;
let server: Running;
beforeAll(async () => {
  const tiles = join(place.images, 'tiles.tif');
  const engine = await Engine.start();
  await engine.build(samplePng(1000, 600), tiles, { compression: 'jpeg' });
  await engine.close();
  source = await HeldSource.start({ '/slow.tif': await readFile(tiles) });
  server = await place.start({
    ImageServer: { WorkerThreads: 1 },
    Server: { maxQueue: 1, roots: [place.images, source.url] },
  });
  // It is open from now on: what is held back are its tiles.
  await server.ask(image('slow.tif?scl=1&rgn=0,0,90,90'));
});
afterAll(async () => {
  await server.close();
  await source.close();
});
beforeEach(() => source.release());

let views = 0;
/** A view of the slow image that nobody has asked for. */
function slowView(): string {
  views += 1;
  return image(`slow.tif?scl=1&rgn=${views},10,90,90`);
}

/** Waits until so many views are being read and so many wait for that. */
async function standing(reading: number, waiting: number): Promise<void> {
  const look = async (): Promise<[number, number]> => [
    source.held,
    (await server.metrics())('pyramidion_renders{state="waiting"}'),
  ];
  const seen = await until(look, ([held, queued]) => held === reading && queued === waiting);
  expect(seen).toEqual([reading, waiting]);
}

/** What becomes of a request whose client may leave. */
function leaving(target: string): { readonly leave: () => void; readonly reply: Promise<Answered | null> } {
  const client = new AbortController();
  const reply = server.ask(target, { signal: client.signal }).catch(() => null);
  return { leave: () => client.abort(), reply };
}

/** Views that were made, and what is under way. */
interface Sums {
  readonly renders: number;
  readonly running: number;
  readonly waiting: number;
  readonly inFlight: number;
  readonly underWay: number;
}

async function sums(): Promise<Sums> {
  const value = await server.metrics();
  return {
    renders: value('pyramidion_stage_duration_seconds_count{stage="render"}'),
    running: value('pyramidion_renders{state="running"}'),
    waiting: value('pyramidion_renders{state="waiting"}'),
    inFlight: value('pyramidion_cache_in_flight'),
    underWay: value('pyramidion_requests_in_flight'),
  };
}
const IDLE = { running: 0, waiting: 0, inFlight: 0, underWay: 0 };

/** Waits until nothing is under way. */
async function idle(): Promise<Sums> {
  return until(sums, ({ running, waiting, inFlight, underWay }) => running + waiting + inFlight + underWay === 0);
}

describe('a full queue', () => {
  it('puts further views off, and nothing that needs no rendering', async () => {
    const cached = image('tiles?wid=50');
    await server.ask(cached);
    source.hold();
    const first = [server.ask(slowView()), server.ask(slowView())];
    await standing(2, 0);
    const third = server.ask(slowView());
    await standing(2, 1);

    const refused = await server.ask(slowView());
    expect(await told(refused)).toBe('503 Server is busy');
    expect(refused.headers).toMatchObject({ 'retry-after': '1', 'cache-control': 'no-store' });
    expect(await usesOf(server, cached)).toBe('REUSED');
    expect(await usesOf(server, `${cached}&.again=1`)).toBe('REUSED');
    const tile = await server.ask(image('tiles?scl=1&rect=256,256,256,256'));
    expect([await told(tile), tile.headers['content-type']]).toEqual(['200 256×256', 'image/jpeg']);
    const texts = ['tiles?req=props', 'tiles?req=exists', 'slow.tif?req=imageprops', 'none?wid=10'];
    const statuses = await Promise.all(texts.map(async (text) => (await server.ask(image(text))).status));
    expect(statuses).toEqual([200, 200, 200, 403]);
    expect((await server.ask('/is/image')).status).toBe(200);
    await standing(2, 1);

    source.release();
    expect((await Promise.all([...first, third])).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await server.metrics())('pyramidion_errors_total{code="BUSY"}')).toBe(1);
    expect(await told(await server.ask(slowView()))).toBe('200 90×90');
  });
});

describe('a client that leaves', () => {
  it('takes its view out of the queue, and out of the reading', async () => {
    source.hold();
    const reading = [leaving(slowView()), leaving(slowView())];
    await standing(2, 0);
    const queued = leaving(slowView());
    await standing(2, 1);
    const before = await sums();
    queued.leave();
    await standing(2, 0);
    // Its place in the queue is free again.
    const next = leaving(slowView());
    await standing(2, 1);
    for (const { leave } of reading) leave();
    await standing(1, 0);
    next.leave();
    expect(await idle()).toEqual({ ...IDLE, renders: before.renders });
    expect(source.held).toBe(0);
    expect(await Promise.all([...reading, queued, next].map(({ reply }) => reply))).toEqual([null, null, null, null]);
  });

  it('stops the rendering of its view', async () => {
    // Seconds of work, where nobody stops it.
    const heavy = image('tiles?wid=2000&hei=2000&fit=stretch,1&op_usm=5,250,0&fmt=png');
    const { renders } = await sums();
    const { leave, reply } = leaving(heavy);
    await until(sums, ({ running }) => running === 1);
    leave();
    expect(await idle()).toEqual({ ...IDLE, renders });
    expect(await reply).toBeNull();
  });

  it('does not take the reply from others that wait for the same', async () => {
    source.hold();
    const view = slowView();
    const { leave, reply } = leaving(view);
    await standing(1, 0);
    const before = (await server.metrics())('pyramidion_cache_joined_total');
    const others = [server.ask(view), server.ask(`${view}&.spelt=otherwise`)];
    await until(
      () => server.metrics(),
      (value) => value('pyramidion_cache_joined_total') === before + 2,
    );
    leave();
    expect(await reply).toBeNull();
    await wait(0);
    await standing(1, 0);
    source.release();
    const [one, other] = await Promise.all(others);
    expect([one?.status, other?.status]).toEqual([200, 200]);
    expect(one?.headers.etag).toBe(other?.headers.etag);
    expect(await usesOf(server, view)).toBe('REUSED');
  });
});
