import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { start } from '../robust/processes.js';
import { entryPath, onDisk, total, type World, worlds } from './sample.js';

const world = worlds();
const BOUNDS = { maxBytes: 6_000_000, maxEntries: 400 };
const KILLS = 8;
const REPLIES = 100_000;

/**
 * Runs the writer until it has checked so many replies, and kills it there; 0: it ends by itself after `last` of them.
 * Yields the number of replies it has checked, all of which were right.
 */
async function run(shared: World, seed: number, killAfter: number, last: number): Promise<number> {
  const script = fileURLToPath(new URL('writer.mjs', import.meta.url));
  const library = new URL('../../dist/cache/cache.js', import.meta.url).href;
  const words = [library, shared.root('one'), shared.root('two'), JSON.stringify(BOUNDS), String(seed), String(last)];
  const { child, ended } = start(process.execPath, [script, ...words]);
  let checked = 0;
  if (child.stdout === null) throw new Error('the writer says nothing');
  createInterface(child.stdout).on('line', (line) => {
    checked = Number(line);
    if (killAfter > 0 && checked >= killAfter) child.kill('SIGKILL');
  });
  const { code, signal, stderr } = await ended;
  expect([code, signal, stderr]).toEqual(killAfter > 0 ? [null, 'SIGKILL', ''] : [0, null, '']);
  return checked;
}

describe('a process that is killed while it writes', () => {
  test('leaves nothing that is served wrongly, among 100 000 replies, and no more than the bounds allow', async () => {
    const shared = world();
    const roots = [shared.root('one'), shared.root('two')];
    let checked = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      // Anywhere: the writer's own pace decides what it is at.
      checked += await run(shared, kill, 3000 + ((kill * 7919) % 9000), REPLIES);
      const found = onDisk(roots);
      expect(found.size).toBeGreaterThan(100);
      expect(found.size).toBeLessThanOrEqual(BOUNDS.maxEntries);
      expect(total(found)).toBeLessThanOrEqual(BOUNDS.maxBytes);
      // What a power failure may do on top of it.
      const [cut = '', changed = ''] = found.keys();
      for (const [key, damage] of [
        [cut, (bytes: Buffer) => bytes.subarray(0, -1)],
        [changed, blot],
      ] as const) {
        const path = entryPath(roots, key);
        writeFileSync(path, damage(readFileSync(path)));
      }
    }
    checked += await run(shared, KILLS, 0, REPLIES - checked);
    expect(checked).toBeGreaterThanOrEqual(REPLIES);
    const found = onDisk(roots);
    // The bounds were reached, too.
    expect(Math.max(found.size / BOUNDS.maxEntries, total(found) / BOUNDS.maxBytes)).toBeGreaterThan(0.95);
    const cache = await shared.open({ roots, ...BOUNDS });
    expect(cache.snapshot().disk).toEqual({ entries: found.size, bytes: total(found) });
    for (const root of roots) expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([]);
  }, 180_000);
});

function blot(bytes: Buffer): Buffer {
  const last = bytes.length - 1;
  bytes.writeUInt8(bytes.readUInt8(last) ^ 0xff, last);
  return bytes;
}
