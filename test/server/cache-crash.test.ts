/** A server that is killed under load, again and again, with one cache: no reply it has given was wrong, and its bounds hold. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { expect, onTestFinished, test } from 'vitest';
import { entryPath, onDisk, total } from '../cache/sample.js';
import { type Child, serve } from './child.js';
import { type Ask, drive, fileOf, type RawReply, Site } from './hostile.js';

const REPLIES = 100_000;
const KILLS = 8;
const BOUNDS = { bytes: 320_000, entries: 250 };
/** Asked nineteen times of twenty, and once: they do not all fit. */
const HOT = 150;
const ALL = 400;

const FORMATS = [
  'jpeg',
  'png',
  'jpeg&qlt=30',
  'jpeg&flip=lr',
  'png&flip=lr',
  'jpeg,gray',
  'jpeg&qlt=95',
  'jpeg&rotate=90',
];
const TARGETS = Array.from({ length: ALL }, (_, i) => `/is/image/photo?wid=${16 + (i >> 3)}&fmt=${FORMATS[i % 8]}`);

test('among 100 000 replies, over eight crashes', async () => {
  const noise = { type: 'gaussian', mean: 128, sigma: 50 } as const;
  const create = { width: 256, height: 192, channels: 3, background: '#000000', noise } as const;
  const options = { tile: true, pyramid: true, tileWidth: 64, tileHeight: 64 } as const;
  const site = await Site.make({ 'images/photo.tif': await sharp({ create }).tiff(options).toBuffer() });
  onTestFinished(() => site.close());
  const roots = [join(site.folder, 'one'), join(site.folder, 'two')];
  const config = join(site.folder, 'crash.json');
  const cache = { 'Cache roots': roots, 'Cache Max Size': BOUNDS.bytes, 'Cache Max Entries': BOUNDS.entries };
  // What memory does not hold comes from the disk.
  const Server = { roots: [site.root], cacheMemorySize: '350K' };
  await writeFile(config, JSON.stringify(fileOf({ Server, PlatformServer: cache })));
  const start = (): Promise<Child> => serve('--config', config);
  const portOf = ({ url }: Child): number => Number(new URL(url).port);

  let child = await start();
  const right = new Map<string, string>();
  const learn = (target: string, body: Buffer): unknown => right.set(target, md5(body));
  await drive(TARGETS.map((target) => ({ method: 'GET', target: `${target}&cache=off` })).values(), {
    port: portOf(child),
    connections: 4,
    depth: 2,
    onReply: ({ target }, reply) => learn(target.replace('&cache=off', ''), reply?.body ?? Buffer.alloc(0)),
  });
  expect(new Set(right.values()).size).toBe(ALL);
  expect(onDisk(roots).size).toBe(0);

  const wrong: string[] = [];
  const counts = { right: 0, lost: 0 };
  const started = performance.now();
  const samples = fc.sample(fc.tuple(fc.integer({ min: 0, max: 19 }), fc.nat({ max: ALL - 1 })), {
    numRuns: 20_000,
    seed: 4,
  });
  /** Asks until there were so many more replies; then the server goes on, or is killed in the middle of others. */
  const load = async (server: Child, replies: number, isKilled: boolean): Promise<void> => {
    const last = counts.right + replies;
    let isOver = false;
    const onReply = ({ target }: Ask, reply: RawReply | null, problem?: string): void => {
      if (reply === null) {
        counts.lost += 1;
        if (!isOver) wrong.push(`${target}: the connection ended: ${problem}`);
        return;
      }
      const digest = md5(reply.body);
      const isRight =
        reply.status === 200 && digest === right.get(target) && reply.headers.get('etag') === `"${digest}"`;
      if (!isRight) wrong.push(`${target}: ${reply.status} ${digest} ${reply.head}`);
      counts.right += 1;
      if (counts.right < last || isOver) return;
      isOver = true;
      if (isKilled) void server.stop('SIGKILL');
    };
    function* asks(): Generator<Ask> {
      for (let i = counts.right; !isOver; i++) {
        const [dice = 0, any = 0] = samples[i % samples.length] ?? [];
        yield { method: 'GET', target: TARGETS[dice === 0 ? any : any % HOT] ?? '' };
      }
    }
    await drive(asks(), { port: portOf(server), connections: 6, depth: 4, onReply });
  };
  const checkBounds = (): void => {
    const found = onDisk(roots);
    expect(found.size).toBeGreaterThan(50);
    expect(found.size).toBeLessThanOrEqual(BOUNDS.entries);
    expect(total(found)).toBeLessThanOrEqual(BOUNDS.bytes);
  };

  for (let kill = 0; kill < KILLS; kill++) {
    await load(child, 6000 + ((kill * 7919) % 9000), true);
    expect((await child.ended).signal).toBe('SIGKILL');
    checkBounds();
    damage(roots);
    child = await start();
    checkBounds();
  }
  await load(child, Math.max(10_000, REPLIES - counts.right), false);
  expect(wrong.slice(0, 5)).toEqual([]);
  checkBounds();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  expect(await child.stop()).toMatchObject({ code: 0, stderr: '' });
  const found = onDisk(roots);
  child = await start();
  const metrics = await (await fetch(`${child.url}/metrics`)).text();
  const metric = (name: string): number =>
    Number(new RegExp(`^pyramidion_cache_${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
  console.log(
    `${counts.right} replies right, ${wrong.length} wrong, ${counts.lost} cut off by ${KILLS} kills, in ${seconds} s; ` +
      `at the end ${found.size} entries of ${total(found)} bytes on disk (at most ${BOUNDS.entries} of ${BOUNDS.bytes})`,
  );
  expect(counts.right).toBeGreaterThanOrEqual(REPLIES);
  expect([metric('disk_entries'), metric('disk_bytes')]).toEqual([found.size, total(found)]);
  // What the killed ones had begun to write is gone.
  for (const root of roots) expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([]);
}, 300_000);

/** What a power failure may do on top of a crash. */
function damage(roots: readonly string[]): void {
  const keys = [...onDisk(roots).keys()];
  const change = (key: string, by: (bytes: Buffer) => Buffer): void => {
    const path = entryPath(roots, key);
    writeFileSync(path, by(readFileSync(path)));
  };
  for (const key of keys.slice(0, 3)) change(key, (bytes) => bytes.subarray(0, -7));
  for (const key of keys.slice(3, 6)) change(key, (bytes) => bytes.fill(0x20, bytes.length - 9));
  for (const key of keys.slice(6, 8)) change(key, () => Buffer.alloc(0));
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
