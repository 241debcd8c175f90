/** URLs whose replies are known: what a cached reply needs to go out again without being understood again. */
import { LRUCache } from 'lru-cache';
import type { ResponseCache } from '../cache/cache.js';
import type { CachedReply } from '../cache/types.js';
import { type Condition, cacheControl, expires, isUnchanged, type Lifetime, maxAgeOf } from '../reply/headers.js';
import { Trace } from './trace.js';

/** What a URL led to. It may be kept only where nothing but the URL decides the reply. */
export interface Memo {
  readonly key: string;
  /** Of the catalogs that it was understood by. */
  readonly generation: number;
  readonly lifetime: Lifetime;
  readonly lastModifiedMs: number | null;
  readonly requestType: string;
  readonly rootId: string;
  readonly pathBasedAccess: boolean;
}

/** A reply ready to be sent. */
export interface KnownReply {
  readonly status: number;
  /** Names and values in turn. */
  readonly head: readonly string[];
  readonly body: Uint8Array;
  readonly size: number;
  readonly mediaType: string;
  readonly trace: Trace;
}

interface Entry {
  readonly memo: Memo;
  /** What the head below was made for. */
  reply: CachedReply | null;
  head: string[];
  trace: Trace;
}

/** URLs that are remembered, and the characters they may have in all. */
const MAX_URLS = 100_000;
const MAX_CHARACTERS = 16 << 20;
/** A longer one is not remembered: there is none that many ask for. */
const LONGEST_URL = 2048;
const EMPTY = new Uint8Array(0);

/** Remembers URLs. The replies themselves are the cache's, which says whether they are fresh. */
export class Recall {
  readonly #cache: Pick<ResponseCache, 'peek'>;
  readonly #entries = new LRUCache<string, Entry>({
    max: MAX_URLS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_, url) => url.length,
  });

  constructor(cache: Pick<ResponseCache, 'peek'>) {
    this.#cache = cache;
  }

  remember(url: string, memo: Memo): void {
    if (url.length > LONGEST_URL) return;
    this.#entries.set(url, { memo, reply: null, head: [], trace: new Trace() });
  }

  /** The reply to a GET or HEAD of a URL; null where it is not known, or not fresh. */
  find(url: string, generation: number, condition: Condition, nowMs: number): KnownReply | null {
    const entry = this.#entries.get(url);
    if (entry === undefined) return null;
    const { memo } = entry;
    if (memo.generation !== generation) {
      this.#entries.delete(url);
      return null;
    }
    const found = this.#cache.peek(memo.key);
    if (found === null) return null;
    const { reply } = found;
    if (entry.reply !== reply) prepare(entry, reply);
    const { lifetime, lastModifiedMs } = memo;
    entry.head[EXPIRES] = expires(nowMs, maxAgeOf(lifetime));
    const { head, trace } = entry;
    const known = { size: reply.body.length, mediaType: reply.mediaType, trace };
    if (condition.ifNoneMatch !== undefined || condition.ifModifiedSince !== undefined) {
      const modifiedMs = lastModifiedMs ?? Number.POSITIVE_INFINITY;
      const etag = `"${reply.digest}"`;
      if (isUnchanged(condition, { etag, modifiedMs, isEternal: lifetime.ttlMs < 0 }))
        return { ...known, status: 304, head: head.slice(0, head.length - CONTENT_ONLY), body: EMPTY };
    }
    return { ...known, status: 200, head, body: reply.body };
  }
}

/** Where `expires` stands in a head, and how many of its last texts a 304 goes without. */
const EXPIRES = 5;
const CONTENT_ONLY = 6;

function prepare(entry: Entry, reply: CachedReply): void {
  const { lifetime, lastModifiedMs, key, requestType, rootId, pathBasedAccess } = entry.memo;
  entry.reply = reply;
  entry.head = [
    ...['etag', `"${reply.digest}"`],
    ...['cache-control', cacheControl(lifetime)],
    ...['expires', ''],
    ...(lastModifiedMs === null ? [] : ['last-modified', new Date(lastModifiedMs).toUTCString()]),
    ...['x-content-type-options', 'nosniff'],
    ...['content-type', reply.mediaType],
    ...['content-length', String(reply.body.length)],
  ];
  const trace = new Trace();
  trace.requestType = requestType;
  trace.rootId = rootId;
  trace.cacheUse = 'REUSED';
  trace.cacheKey = key;
  trace.digest = reply.digest;
  trace.context = 'is';
  trace.pathBasedAccess = pathBasedAccess;
  entry.trace = trace;
}
