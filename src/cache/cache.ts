/** Finished replies, kept in memory and on disk, and made once however many ask. */
import { mkdir } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { PyramidionError } from '../errors.js';
import { sweepStale } from '../ingest/temporary.js';
import { abortedBy } from '../source/abort.js';
import { isPurged } from './account.js';
import { DiskTier } from './disk.js';
import { DiskKeeper } from './disk-keeper.js';
import type { Entry } from './entry-file.js';
import { type Flight, Flights } from './flights.js';
import { type Keeper, type Listener, noDisk } from './keeper.js';
import { isKey, Layout } from './layout.js';
import { MemberKeeper } from './member.js';
import { PrimaryKeeper } from './primary.js';
import type {
  CacheAnswer,
  CachedReply,
  CacheOptions,
  CacheRequest,
  CacheSnapshot,
  CacheUse,
  PurgeFilter,
  ValidationPolicy,
} from './types.js';
import { Uses } from './uses.js';
import { seldom, type Warn } from './warnings.js';

/** What only tests set. */
export interface CacheTuning {
  /** The clock, milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Most bytes that may wait to be written to disk. Default 64 MiB. */
  readonly backlogBytes?: number;
  /** Milliseconds that an answer of the primary may take. Default 2000. */
  readonly answerMs?: number;
}

const DEFAULT_VALIDATE_AFTER_MS = 300_000;
const DEFAULT_BACKLOG_BYTES = 64 * 1024 ** 2;
const DEFAULT_ANSWER_MS = 2000;
/** What an entry in memory is taken to need beside its body: small ones must not add up to much more than was granted. */
const OVERHEAD_BYTES = 1024;
/** An entry may take this part of the memory. */
const LARGEST_PART = 4;

/** How much a request's control asks of a computation that it joins. */
const RANKS = { on: 0, validate: 1, update: 2 } as const;

/** An entry in memory. */
interface Held extends Entry {
  /** See {@link CacheAnswer.freshUntil}: under the policy it was last asked with. */
  freshUntil: number;
  /** The round of uses in which it was last noted. */
  usedIn: number;
}

/** What a computation comes by. */
interface Obtained {
  readonly entry: Entry;
  readonly use: CacheUse;
}

/**
 * A read-through cache of replies in two tiers, both bounded, both least recently used first: memory, and files in one or
 * more folders. What is on disk outlives the process, a killed one too; it is checked as it is read, so that what was
 * damaged is a miss.
 *
 * - A reply is made once for all who ask for its key at the same time, and given out as soon as it is made; it is written
 *   to disk behind that.
 * - An entry counts as of the moment its making began. Under `expiration` it is fresh for `validateAfterMs` from then, under
 *   `catalog` as long as nothing newer than that moment is named. Later its sources are compared: if all are as they were,
 *   it counts as of the moment of the comparison, otherwise it is made anew. If that fails, the old one is dropped.
 * - `update` and `validate` wait for a computation of less effect that is under way, and then do their own; whoever asks
 *   meanwhile joins them. `off` joins nothing but others of its kind.
 * - What was being made when its entry was purged, or replaced by another process, is given to those who waited, and not kept.
 */
export class ResponseCache {
  readonly #isEnabled: boolean;
  readonly #validateAfterMs: number;
  readonly #largestBytes: number;
  readonly #versionOf: CacheOptions['versionOf'];
  readonly #now: () => number;
  readonly #memory: LRUCache<string, Held>;
  readonly #flights = new Flights<Obtained>();
  readonly #keeper: Keeper;
  readonly #uses: Uses;
  readonly #disk: DiskTier;
  readonly #counts: Record<CacheUse, number> = {
    REUSED: 0,
    VALIDATED: 0,
    CREATED: 0,
    UPDATED: 0,
    IGNORED: 0,
    UNDEFINED: 0,
  };
  #joined = 0;
  #isClosed = false;

  private constructor(options: CacheOptions, parts: CacheParts) {
    const { layout, keeperFor, warn, now, tuning } = parts;
    this.#isEnabled = options.enabled;
    this.#validateAfterMs = options.validateAfterMs ?? DEFAULT_VALIDATE_AFTER_MS;
    this.#largestBytes = options.memoryBytes / LARGEST_PART;
    this.#versionOf = options.versionOf;
    this.#now = now;
    this.#memory = new LRUCache({ maxSize: Math.max(1, Math.floor(options.memoryBytes)) });
    this.#keeper = keeperFor({
      onChange: (key) => this.#onChange(key),
      onPurge: (filter) => {
        this.#forget(filter);
      },
    });
    this.#uses = new Uses((keys) => this.#keeper.use(keys));
    this.#disk = new DiskTier({
      layout,
      keeper: this.#keeper,
      uses: this.#uses,
      warn,
      backlogBytes: tuning.backlogBytes ?? DEFAULT_BACKLOG_BYTES,
    });
  }

  /**
   * Opens the cache; one per process and set of folders. In the primary of a cluster it keeps the account for the members,
   * whether or not it is asked for replies; it is opened before theirs and closed after them. Trouble with the folders
   * is a warning. After an orderly shutdown the entries are there at once; after a crash they can be read at once, and new
   * ones are written when the folders have been looked through.
   */
  static async open(options: CacheOptions, tuning: CacheTuning = {}): Promise<ResponseCache> {
    const { enabled, bus, maxBytes, maxEntries } = options;
    const now = tuning.now ?? Date.now;
    const warn = seldom(options.onWarning, now);
    const layout = new Layout(enabled ? options.roots : []);
    for (const root of layout.roots) {
      await mkdir(root, { recursive: true }).catch((error: unknown) => {
        warn('a folder of the cache could not be made', error);
      });
      await sweepStale(root);
    }
    const answerMs = tuning.answerMs ?? DEFAULT_ANSWER_MS;
    let keeperFor: CacheParts['keeperFor'];
    if (bus?.role === 'member') {
      keeperFor = (listener) => new MemberKeeper({ layout, bus, listener, warn, answerMs });
    } else {
      const isOnDisk = layout.roots.length > 0;
      const disk = isOnDisk ? await DiskKeeper.open(layout, maxBytes, maxEntries, warn) : noDisk;
      keeperFor = (listener) => (bus === undefined ? disk : new PrimaryKeeper(disk, bus, listener));
    }
    return new ResponseCache(options, { layout, keeperFor, warn, now, tuning });
  }

  /**
   * The reply of a key when it is in memory and fresh, under the policy it was last asked with; otherwise null, whatever is on
   * disk or under way. Counts as `REUSED`.
   */
  peek(key: string): { readonly reply: CachedReply; readonly freshUntil: number } | null {
    const held = this.#memory.get(key);
    if (held === undefined) return null;
    const now = this.#now();
    if (now >= held.freshUntil || now < held.validatedAt) return null;
    this.#noteUse(key, held);
    this.#counts.REUSED += 1;
    return held;
  }

  /**
   * The reply of a request: kept, looked at again, or made. Rejects as `request.make` does; with `ABORTED` at once when the
   * caller's signal fires; with `ENGINE_CLOSED` after {@link close}. Who joined a computation has the same `use` as who began it.
   */
  async get(request: CacheRequest): Promise<CacheAnswer> {
    try {
      const { entry, use } = await this.#answer(request);
      this.#counts[use] += 1;
      const freshUntil = use === 'IGNORED' ? 0 : this.#freshUntil(entry, request.policy);
      return { reply: entry.reply, use, freshUntil };
    } catch (error) {
      this.#counts.UNDEFINED += 1;
      throw error;
    }
  }

  /**
   * Drops entries, here and in the other processes, and resolves when they are gone from disk. What is being made meanwhile is
   * not kept. Yields how many there were, on disk or in this memory, whichever are more.
   */
  async purge(filter: PurgeFilter): Promise<number> {
    const inMemory = this.#forget(filter);
    const onDisk = await this.#keeper.purge(filter);
    // Until now a file could still be read that was about to go.
    this.#forget(filter);
    await this.#disk.flush();
    return Math.max(inMemory, onDisk);
  }

  snapshot(): CacheSnapshot {
    const { entries, bytes, evicted, damaged } = this.#keeper.counts;
    return {
      uses: { ...this.#counts },
      joined: this.#joined,
      memory: { entries: this.#memory.size, bytes: this.#memory.calculatedSize },
      disk: { entries, bytes },
      evicted,
      damaged: damaged + this.#disk.damaged,
      skipped: this.#disk.skipped,
      inFlight: this.#flights.size,
    };
  }

  /** Resolves when what was to be written to disk is written. */
  async flush(): Promise<void> {
    this.#uses.flush();
    await this.#disk.flush();
  }

  /**
   * Finishes pending writes and leaves the index for the next start. Requests under way end as they would, without being
   * kept; later ones are refused. May be called more than once.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#keeper.interrupt();
    await this.flush();
    await this.#keeper.close();
    this.#memory.clear();
  }

  async #answer(request: CacheRequest): Promise<Obtained> {
    const { key, policy, signal } = request;
    if (signal?.aborted) throw abortedBy(signal);
    if (this.#isClosed) throw new PyramidionError('ENGINE_CLOSED', 'the cache is closed');
    if (!isKey(key)) throw new PyramidionError('INTERNAL', 'a key of the cache is no file name', { value: key });
    const control = this.#isEnabled ? request.control : 'off';
    if (control === 'off') return this.#join(`off ${key}`, 0, (flight) => this.#bypass(request, flight), signal).value;
    for (let isFirst = true; ; isFirst = false) {
      const held = control === 'on' ? this.#memory.get(key) : undefined;
      if (held !== undefined && this.#isFresh(held, policy)) {
        held.freshUntil = this.#freshUntil(held, policy);
        this.#noteUse(key, held);
        return { entry: held, use: 'REUSED' };
      }
      const { joined, value } = this.#join(key, RANKS[control], (flight) => this.#obtain(request, flight), signal);
      const obtained = await value;
      // One that was begun before this request came may have been content with less; the next one was begun after.
      if (!joined || !isFirst || control !== 'on' || this.#isFresh(obtained.entry, policy)) return obtained;
    }
  }

  #join(...[key, rank, compute, signal]: Parameters<Flights<Obtained>['join']>): ReturnType<Flights<Obtained>['join']> {
    const flight = this.#flights.join(key, rank, compute, signal);
    if (flight.joined) this.#joined += 1;
    return flight;
  }

  async #bypass(request: CacheRequest, { signal }: Flight): Promise<Obtained> {
    return { entry: { reply: await request.make(signal), validatedAt: 0 }, use: 'IGNORED' };
  }

  /** What a computation does: finds the entry, looks at it again, makes it. */
  async #obtain(request: CacheRequest, flight: Flight): Promise<Obtained> {
    const { key, control, policy } = request;
    const found = control === 'update' ? null : (this.#memory.get(key) ?? (await this.#disk.read(key)));
    if (found !== null) {
      if (control === 'on' && this.#isFresh(found, policy)) {
        if (!flight.isOutdated) this.#hold(key, found, policy);
        return { entry: found, use: 'REUSED' };
      }
      const lookedAt = this.#now();
      if (await this.#isUnchanged(found)) {
        const entry: Entry = { reply: found.reply, validatedAt: lookedAt };
        if (!flight.isOutdated) {
          this.#hold(key, entry, policy);
          if (!this.#isClosed && found.reply.isCheap !== true) this.#disk.refresh(key, entry);
        }
        return { entry, use: 'VALIDATED' };
      }
    }
    return this.#make(request, flight, found !== null || control === 'update');
  }

  async #make({ key, policy, make }: CacheRequest, flight: Flight, replaces: boolean): Promise<Obtained> {
    if (flight.signal.aborted) throw abortedBy(flight.signal);
    const begunAt = this.#now();
    let reply: CachedReply;
    try {
      reply = await make(flight.signal);
    } catch (error) {
      if (replaces) this.#drop(key);
      throw error;
    }
    const entry: Entry = { reply, validatedAt: Math.min(begunAt, reply.createdAt) };
    if (!flight.isOutdated) {
      this.#hold(key, entry, policy);
      if (reply.isCheap !== true) {
        if (!this.#isClosed) this.#disk.put(key, entry, replaces);
      } else if (replaces) this.#disk.remove(key);
    }
    return { entry, use: replaces ? 'UPDATED' : 'CREATED' };
  }

  /** Whether all sources have the versions they had. One that cannot be told has changed: to make it anew says what is wrong. */
  async #isUnchanged({ reply }: Entry): Promise<boolean> {
    try {
      const versions = await Promise.all(reply.sources.map(({ id }) => this.#versionOf(id)));
      return reply.sources.every(({ version }, index) => version === versions[index]);
    } catch {
      return false;
    }
  }

  #isFresh(entry: Entry, policy: ValidationPolicy): boolean {
    if (policy.kind === 'catalog') return entry.validatedAt >= policy.newestMs;
    const now = this.#now();
    // An entry from the future tells of a clock that was put back.
    return entry.validatedAt <= now && now < entry.validatedAt + this.#validateAfterMs;
  }

  #freshUntil(entry: Entry, policy: ValidationPolicy): number {
    return policy.kind === 'catalog' ? Number.POSITIVE_INFINITY : entry.validatedAt + this.#validateAfterMs;
  }

  /** Keeps an entry in memory, in place of any other of its key. */
  #hold(key: string, { reply, validatedAt }: Entry, policy: ValidationPolicy): void {
    const bytes = reply.body.byteLength;
    const held = { reply, validatedAt, freshUntil: 0, usedIn: 0 };
    held.freshUntil = this.#freshUntil(held, policy);
    this.#noteUse(key, held);
    if (bytes > this.#largestBytes || !this.#isEnabled || this.#isClosed) this.#memory.delete(key);
    else this.#memory.set(key, held, { size: bytes + OVERHEAD_BYTES });
  }

  /** Notes that an entry was read, once a round. */
  #noteUse(key: string, held: Held): void {
    if (held.usedIn === this.#uses.round) return;
    held.usedIn = this.#uses.round;
    this.#uses.note(key);
  }

  #drop(key: string): void {
    this.#memory.delete(key);
    if (!this.#isClosed) this.#disk.remove(key);
  }

  #onChange(key: string): void {
    this.#memory.delete(key);
    this.#flights.outdate(key);
  }

  /** Drops what a purge means from memory and from what waits to be written; yields how many were in memory. */
  #forget(filter: PurgeFilter): number {
    let dropped = 0;
    this.#flights.outdate();
    this.#disk.forget(filter);
    for (const [key, { reply }] of [...this.#memory.entries()]) {
      if (isPurged(filter, reply.subject) && this.#memory.delete(key)) dropped += 1;
    }
    return dropped;
  }
}

/** What {@link ResponseCache.open} has prepared. */
interface CacheParts {
  readonly layout: Layout;
  readonly keeperFor: (listener: Listener) => Keeper;
  readonly warn: Warn;
  readonly now: () => number;
  readonly tuning: CacheTuning;
}
