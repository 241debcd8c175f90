/** Any sequence of requests, changed sources, purges, restarts, crashes and damage, against what may be answered. */
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DiskAccount } from '../../src/cache/account.js';
import type { ResponseCache } from '../../src/cache/cache.js';
import type { CacheRequest } from '../../src/cache/types.js';
import { entryPath, keyOf, onDisk, replyOf, total, World } from './sample.js';

const BOUNDS = { maxBytes: 2000, maxEntries: 4, memoryBytes: 4000, validateAfterMs: 100 };
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

type Step =
  | { readonly kind: 'ask'; readonly names: readonly string[]; readonly control: CacheRequest['control'] }
  | { readonly kind: 'change' | 'damage'; readonly name: string }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'purge'; readonly name: string }
  | { readonly kind: 'restart' | 'crash' | 'purge all' };

const name = fc.constantFrom(...NAMES);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      names: fc.array(name, { minLength: 1, maxLength: 6 }),
      control: fc.constantFrom('on', 'on', 'on', 'on', 'validate', 'update', 'off'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('change' as const), name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('damage' as const), name }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 120 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('purge' as const), name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('restart', 'crash', 'purge all' as const) }) },
);

/** What the source of an entry went through: its version, and when each of the earlier ones was replaced. */
class Source {
  version = 1;
  readonly replacedAt = new Map<number, number>();

  change(now: number): void {
    this.replacedAt.set(this.version, now);
    this.version += 1;
  }
}

/** The body of a version: its length tells nothing about the next one's. */
function bodyOf(name: string, version: number): string {
  return `${name} ${version} `.padEnd(((name.charCodeAt(0) * 211 + version * 977) % 1500) + 12, '.');
}

class Run {
  readonly #world = new World();
  readonly #sources = new Map(NAMES.map((one) => [one, new Source()]));
  /** Purged and not asked for since. */
  readonly #purged = new Set<string>();
  #cache: ResponseCache | null = null;
  #damaged = 0;

  async all(steps: readonly Step[]): Promise<void> {
    try {
      this.#cache = await this.#world.open(BOUNDS);
      for (const one of steps) {
        await this.#do(one, this.#cache);
        this.#checkBounds();
      }
      await this.#cache.close();
      this.#checkBounds();
    } finally {
      await this.#world.end();
    }
    expect(this.#world.warnings).toEqual([]);
  }

  async #do(one: Step, cache: ResponseCache): Promise<void> {
    switch (one.kind) {
      case 'ask':
        await Promise.all(one.names.map((asked) => this.#ask(cache, asked, one.control)));
        return;
      case 'change':
        this.#source(one.name).change(this.#world.now);
        this.#world.versions.set(one.name, String(this.#source(one.name).version));
        return;
      case 'damage':
        await cache.flush();
        this.#damage(one.name);
        return;
      case 'wait':
        this.#world.now += one.ms;
        return;
      case 'purge':
        this.#purged.add(one.name);
        await cache.purge({ subject: one.name });
        return;
      case 'purge all':
        for (const purged of NAMES) this.#purged.add(purged);
        await cache.purge('all');
        expect(onDisk([this.#world.root()]).size).toBe(0);
        return;
      case 'restart':
        await cache.close();
        this.#cache = await this.#world.open(BOUNDS);
        return;
      case 'crash':
        // Whatever the old one still has to write it has written: it is as if it was gone from here on.
        await cache.flush();
        this.#cache = await this.#world.open(BOUNDS);
    }
  }

  async #ask(cache: ResponseCache, asked: string, control: CacheRequest['control']): Promise<void> {
    const source = this.#source(asked);
    const wasPurged = this.#purged.delete(asked);
    const make = async () => {
      this.#checkBounds();
      const { version } = source;
      const sources = [{ id: asked, version: String(version) }];
      return replyOf(bodyOf(asked, version), { sources, subject: asked });
    };
    const { reply, use } = await cache.get({ key: keyOf(asked), control, policy: { kind: 'expiration' }, make });
    const version = Number(reply.sources[0]?.version);
    expect(Buffer.from(reply.body).toString()).toBe(bodyOf(asked, version));
    if (control !== 'on' || wasPurged) expect(version).toBe(source.version);
    const replacedAt = source.replacedAt.get(version) ?? Number.POSITIVE_INFINITY;
    expect(this.#world.now - replacedAt).toBeLessThan(BOUNDS.validateAfterMs);
    if (control === 'off') expect(use).toBe('IGNORED');
    if (wasPurged && control === 'on') expect(use).toBe('CREATED');
  }

  #source(of: string): Source {
    const source = this.#sources.get(of);
    if (source === undefined) throw new Error(`there is no source ${of}`);
    return source;
  }

  #damage(of: string): void {
    const path = entryPath([this.#world.root()], keyOf(of));
    try {
      const bytes = readFileSync(path);
      this.#damaged += 1;
      const at = (this.#damaged * 37) % bytes.length;
      // The bound on bytes is read from the file: leave that alone.
      if (at >= 20 || at < 12) bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
      writeFileSync(path, this.#damaged % 3 === 0 ? bytes.subarray(0, Math.max(20, at)) : bytes);
    } catch {
      // It is not on disk.
    }
  }

  #checkBounds(): void {
    const found = onDisk([this.#world.root()]);
    expect(found.size).toBeLessThanOrEqual(BOUNDS.maxEntries);
    expect(total(found)).toBeLessThanOrEqual(BOUNDS.maxBytes);
    const memory = this.#cache?.snapshot().memory.bytes ?? 0;
    expect(memory).toBeLessThanOrEqual(BOUNDS.memoryBytes);
  }
}

describe('whatever happens', () => {
  test('the bounds hold, no body is wrong, nothing is stale past the policy, and nothing purged comes back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => new Run().all(steps)),
      { numRuns: 150 },
    );
  });

  test('the account is what a list in the order of use says', () => {
    const operation = fc.record({
      kind: fc.constantFrom('set', 'set', 'set', 'use', 'delete'),
      key: fc.constantFrom(...NAMES),
      bytes: fc.integer({ min: 0, max: 100 }),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const account = new DiskAccount(250, 4);
        let list: { key: string; bytes: number }[] = [];
        for (const { kind, key, bytes } of operations) {
          const own = list.find((one) => one.key === key);
          if (kind !== 'set') list = list.filter((one) => one !== own);
          if (kind === 'use') {
            account.use(key);
            if (own !== undefined) list.push(own);
          } else if (kind === 'delete') account.delete(key);
          else {
            for (let victim = account.victim(key, bytes); victim !== null; victim = account.victim(key, bytes)) {
              expect(victim).toBe(list.find((one) => one.key !== key)?.key);
              list = list.filter((one) => one.key !== victim);
              account.delete(victim);
            }
            list = [...list.filter((one) => one.key !== key), { key, bytes }];
            account.set(key, { bytes, subject: key, validatedAt: 0 });
          }
          expect([...account].map(([one, entry]) => ({ key: one, bytes: entry.bytes }))).toEqual(list);
          expect(account.bytes).toBe(list.reduce((sum, one) => sum + one.bytes, 0));
          expect(account.bytes).toBeLessThanOrEqual(250);
          expect(account.size).toBeLessThanOrEqual(4);
        }
      }),
    );
  });
});
