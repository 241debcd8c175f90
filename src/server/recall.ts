/** URLs whose replies are known: what a cached reply needs to go out again without being understood again. */
import { LRUCache } from 'lru-cache';
import type { ResponseCache } from '../cache/cache.js';
import type { CachedReply } from '../cache/types.js';
import { type Condition, cacheControl, expires, isUnchanged, type Lifetime, maxAgeOf } from '../reply/headers.js';
import { Trace } from './trace.js';

/** What an object stands for, as all URLs that show it share it: files and records of folders may change at any time. */
export interface Place {
  /** Differs where the object stands for something else. */
  readonly signature: string;
  /** When it was last looked for, milliseconds since 1970. */
  lookedAt: number;
}

/** What a URL led to. It may be kept only where nothing but the URL decides the reply. */
export interface Memo {
  readonly key: string;
  /** Of the catalogs that it was understood by. */
  readonly generation: number;
  /** Where its object was found: it counts for as long as that does. */
  readonly place: Place;
  readonly lifetime: Lifetime;
  readonly lastModifiedMs: number | null;
  readonly requestType: string;
  readonly rootId: string;
  readonly pathBasedAccess: boolean;
}

/** A reply ready to be sent. */
export interface KnownReply {
  readonly known: KnownHead;
  /** Empty where the status is 304. */
  readonly body: Uint8Array;
}

/** All of a reply but its body. */
export interface KnownHead {
  readonly status: number;
  /** Names and values in turn. */
  readonly head: string[];
  /** Bytes of the body, whether or not it is sent. */
  readonly size: number;
  readonly mediaType: string;
  readonly trace: Trace;
}

/** It holds no body: that is the cache's, which may have let go of it. */
interface Entry {
  readonly memo: Memo;
  /** Of the body that what is below was made for. */
  digest: string;
  whole: KnownHead;
  unchanged: KnownHead;
}

/** URLs that are remembered, and the characters they may have in all. */
const MAX_URLS = 100_000;
const MAX_CHARACTERS = 16 << 20;
/** Objects whose URLs are remembered; those of others are understood anew. */
const MAX_PLACES = 10_000;
/** A longer one is not remembered: there is none that many ask for. */
const LONGEST_URL = 2048;

/**
 * Remembers URLs. The replies themselves are the cache's, which says whether they are fresh. This is the way of nearly all requests of a
 * busy server: whatever can be made once for a reply is, down to its list of headers.
 */
export class Recall {
  readonly #cache: Pick<ResponseCache, 'peek'>;
  readonly #headers: readonly string[];
  readonly #trustMs: number;
  readonly #places = new LRUCache<string, Place>({ max: MAX_PLACES });
  readonly #entries = new LRUCache<string, Entry>({
    max: MAX_URLS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_, url) => url.length,
  });

  /**
   * @param headers names and values in turn, for every reply
   * @param trustMs milliseconds after which an object is looked for anew
   */
  constructor(cache: Pick<ResponseCache, 'peek'>, headers: readonly string[], trustMs: number) {
    this.#cache = cache;
    this.#headers = headers;
    this.#trustMs = trustMs;
  }

  /**
   * The place of an object that was looked for now. URLs that were understood when it stood for something else are forgotten; the others count on.
   *
   * @param object what sets it apart from others
   */
  placeOf(object: string, signature: string, nowMs: number): Place {
    const known = this.#places.get(object);
    if (known?.signature === signature) {
      known.lookedAt = nowMs;
      return known;
    }
    // Whoever has the place as it was may not count on it for the rest of its time.
    if (known !== undefined) known.lookedAt = Number.NEGATIVE_INFINITY;
    const place = { signature, lookedAt: nowMs };
    this.#places.set(object, place);
    return place;
  }

  remember(url: string, memo: Memo): void {
    if (url.length > LONGEST_URL) return;
    this.#entries.set(url, { memo, digest: '', whole: NOTHING, unchanged: NOTHING });
  }

  /**
   * The reply to a GET or HEAD of a URL; null where it is not known, or not fresh. Its head is shared: it goes out before the next one
   * is asked for.
   */
  find(
    url: string,
    generation: number,
    ifNoneMatch: string | undefined,
    ifModifiedSince: string | undefined,
    nowMs: number,
  ): KnownReply | null {
    const entry = this.#entries.get(url);
    if (entry === undefined) return null;
    const { memo } = entry;
    if (memo.generation !== generation) {
      this.#entries.delete(url);
      return null;
    }
    if (nowMs - memo.place.lookedAt >= this.#trustMs) return null;
    const found = this.#cache.peek(memo.key);
    if (found === null) return null;
    const { reply } = found;
    if (entry.digest !== reply.digest) prepare(entry, reply, this.#headers);
    const isConditional = ifNoneMatch !== undefined || ifModifiedSince !== undefined;
    const hasBody = !(isConditional && hasIt({ ifNoneMatch, ifModifiedSince }, entry));
    const known = hasBody ? entry.whole : entry.unchanged;
    known.head[EXPIRES] = expires(nowMs, maxAgeOf(memo.lifetime));
    return { known, body: hasBody ? reply.body : NO_BODY };
  }
}

/** Where the text of `expires` stands in a head. */
const EXPIRES = 5;

const NO_BODY = new Uint8Array(0);

const NOTHING: KnownHead = {
  status: 0,
  head: [],
  size: 0,
  mediaType: '',
  trace: new Trace(),
};

function hasIt(condition: Condition, { memo, digest }: Entry): boolean {
  const { lifetime, lastModifiedMs } = memo;
  const modifiedMs = lastModifiedMs ?? Number.POSITIVE_INFINITY;
  return isUnchanged(condition, { etag: `"${digest}"`, modifiedMs, isEternal: lifetime.ttlMs < 0 });
}

function prepare(entry: Entry, reply: CachedReply, headers: readonly string[]): void {
  const { lifetime, lastModifiedMs, key, requestType, rootId, pathBasedAccess } = entry.memo;
  const { body, digest, mediaType } = reply;
  const trace = new Trace();
  trace.requestType = requestType;
  trace.rootId = rootId;
  trace.cacheUse = 'REUSED';
  trace.cacheKey = key;
  trace.digest = digest;
  trace.context = 'is';
  trace.pathBasedAccess = pathBasedAccess;
  const common = [
    ...['etag', `"${digest}"`],
    ...['cache-control', cacheControl(lifetime)],
    ...['expires', ''],
    ...(lastModifiedMs === null ? [] : ['last-modified', new Date(lastModifiedMs).toUTCString()]),
    ...headers,
  ];
  const content = [
    ...['x-content-type-options', 'nosniff'],
    ...['content-type', mediaType],
    ...['content-length', String(body.length)],
  ];
  const facts = { size: body.length, mediaType, trace };
  entry.digest = digest;
  entry.whole = { status: 200, head: [...common, ...content], ...facts };
  entry.unchanged = { status: 304, head: common, ...facts };
}
