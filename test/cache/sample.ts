/** Replies, requests and folders for the tests of the cache. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { type CacheTuning, ResponseCache } from '../../src/cache/cache.js';
import { Layout } from '../../src/cache/layout.js';
import type { CachedReply, CacheOptions, CacheRequest } from '../../src/cache/types.js';

/** A key of a name. */
export function keyOf(name: string | number): string {
  return createHash('sha256').update(String(name)).digest('hex').slice(0, 32);
}

/** A reply with this body. */
export function replyOf(body: string | Uint8Array, more: Partial<CachedReply> = {}): CachedReply {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return {
    body: bytes,
    mediaType: 'text/plain',
    digest: createHash('md5').update(bytes).digest('hex'),
    createdAt: Number.MAX_SAFE_INTEGER,
    sources: [{ id: '/images/a.tif', version: '1' }],
    subject: 'a',
    facts: { width: 3, quality: 0.5, isFlat: true, name: 'ä' },
    ...more,
  };
}

/** Something that ends when it is told to. */
export interface Gate<Value> {
  readonly promise: Promise<Value>;
  open(value: Value): void;
  fail(error: unknown): void;
}

export function gate<Value>(): Gate<Value> {
  let open: Gate<Value>['open'] = () => {};
  let fail: Gate<Value>['fail'] = () => {};
  const promise = new Promise<Value>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

/** What caches of a test share: a clock, the versions of sources, and what they warned of. */
export class World {
  now = 1_000_000;
  /** A source that is not among them has version 1. */
  readonly versions = new Map<string, string | null>();
  readonly warnings: string[] = [];
  readonly folder = mkdtempSync(join(tmpdir(), 'pyramidion-cache-'));
  readonly #caches: ResponseCache[] = [];
  /** How often versions were asked for. */
  looks = 0;

  /** A root of this name, which need not be there. */
  root(name = 'cache'): string {
    return join(this.folder, name);
  }

  async open(options: Partial<CacheOptions> = {}, tuning: CacheTuning = {}): Promise<ResponseCache> {
    const cache = await ResponseCache.open(
      {
        enabled: true,
        roots: [this.root()],
        maxBytes: 1e6,
        maxEntries: 1000,
        memoryBytes: 1e6,
        versionOf: async (id) => {
          this.looks += 1;
          const version = this.versions.get(id);
          return version === undefined ? '1' : version;
        },
        onWarning: (message) => {
          this.warnings.push(message);
        },
        ...options,
      },
      { now: () => this.now, ...tuning },
    );
    this.#caches.push(cache);
    return cache;
  }

  async end(): Promise<void> {
    await Promise.all(this.#caches.map((cache) => cache.close()));
    rmSync(this.folder, { recursive: true });
  }
}

/** Worlds of the tests of a file, which end with their test. */
export function worlds(): () => World {
  let made: World[] = [];
  afterEach(async () => {
    await Promise.all(made.map((world) => world.end()));
    made = [];
  });
  return () => {
    const world = new World();
    made.push(world);
    return world;
  };
}

/** A request under the expiration policy, for the body `fresh` where it does not say how it is made. */
export function requestOf(name: string, more: Partial<CacheRequest> = {}): CacheRequest {
  return {
    key: keyOf(name),
    control: 'on',
    policy: { kind: 'expiration' },
    make: async () => replyOf('fresh'),
    ...more,
  };
}

/** Whoever must not be called. */
export async function never(): Promise<CachedReply> {
  throw new Error('it was made again');
}

/** Where the entry of a key lies. */
export function entryPath(roots: readonly string[], key: string): string {
  return new Layout(roots).path(key);
}

/**
 * The bodies' lengths by key, of all entries that are on disk at one moment: what is seen twice was there in between, as
 * at most one file changes its place while this thread does nothing else.
 */
export function onDisk(roots: readonly string[]): Map<string, number> {
  const first = listed(roots);
  const second = listed(roots);
  return new Map([...second].filter(([key]) => first.has(key)));
}

function listed(roots: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const root of roots) {
    for (const folder of names(root).filter((name) => /^[0-9a-f]{2}$/.test(name))) {
      for (const key of names(join(root, folder))) {
        try {
          found.set(key, readFileSync(join(root, folder, key)).readDoubleLE(12));
        } catch {
          // Gone since its folder was read.
        }
      }
    }
  }
  return found;
}

function names(folder: string): string[] {
  return statSync(folder, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(folder);
}

/** Sum of the lengths. */
export function total(entries: ReadonlyMap<string, number>): number {
  return [...entries.values()].reduce((sum, bytes) => sum + bytes, 0);
}
