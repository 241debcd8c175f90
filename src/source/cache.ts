/** Open files and URLs, kept open between requests as long as they stay the same. */
import { resolve } from 'node:path';
import { type ErrorCode, PyramidionError } from '../errors.js';
import { fileVersionAt } from './file.js';
import { isHttpUrl } from './http.js';
import type { Source } from './types.js';

/** Codes of work that was stopped, or refused before it read anything. */
const STOPPED: ReadonlySet<ErrorCode> = new Set(['ABORTED', 'BUSY', 'DEADLINE_EXCEEDED', 'ENGINE_CLOSED']);

/** What is kept open: something made of a source, which it closes. */
export interface OpenHandle {
  readonly source: Pick<Source, 'name' | 'version' | 'verifyInPlace' | 'confirmedAt'>;
  close(): Promise<void>;
}

/** How many stay open, and how often their files are looked at. */
export interface HandleCacheOptions<Handle> {
  /** Most files that are kept open while nobody uses them; those in use come on top. Default 64. */
  readonly maxOpen?: number;
  /** Milliseconds after which a file that nobody uses is closed. Default 60 000. */
  readonly idleMs?: number;
  /**
   * For so many milliseconds after a file's path was looked at, it is not looked at again: a replaced file is served
   * until then. Default 0: each use looks.
   */
  readonly maxAgeMs?: number;
  /** Opens the file at a path. What it yields has the version of that file. */
  readonly open: (path: string) => Promise<Handle>;
  /** The version of what is at a path now; null when there is nothing. Default: of files. */
  readonly versionAt?: (path: string) => Promise<string | null>;
}

/** One open file, or one that is being opened. */
interface Entry<Handle> {
  readonly path: string;
  readonly opening: Promise<Handle>;
  uses: number;
  /** When its path was last known to name it, in the milliseconds of `performance.now`. */
  checkedAt: number;
  usedAt: number;
  /** No more handed out: the file was replaced or failed to open. Closed when its last use ends. */
  isRetired: boolean;
}

/**
 * Opens files on demand and keeps them open, the least recently used given up first.
 *
 * A use sees one state of a file, and the newest one when it starts: after the work is done the file is compared with
 * what it was when it was opened, by device, inode, length and modification time. When it was replaced or written to,
 * the work is done again with the new file; what the first attempt yielded is thrown away.
 *
 * A path may also be an `http:` or `https:` URL, if it is opened and looked at as one. What was read from it during a use
 * has told that it is the newest: then its server is not asked again.
 */
export class HandleCache<Handle extends OpenHandle> {
  readonly #maxOpen: number;
  readonly #idleMs: number;
  readonly #maxAgeMs: number;
  readonly #open: (path: string) => Promise<Handle>;
  readonly #versionAt: (path: string) => Promise<string | null>;
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry<Handle>>();
  /** Every use and closing that is under way. */
  readonly #busy = new Set<Promise<unknown>>();
  #sweeper: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: HandleCacheOptions<Handle>) {
    const { maxOpen = 64, idleMs = 60_000, maxAgeMs = 0, open, versionAt = fileVersionAt } = options;
    this.#maxOpen = maxOpen;
    this.#idleMs = idleMs;
    this.#maxAgeMs = maxAgeMs;
    this.#open = open;
    this.#versionAt = versionAt;
  }

  /** Files that are open, or being opened, and not retired. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * What `work` makes of the file at `path`, which is open until it settles and no longer. It may be called a second
   * time, with the file as it has become since: it must do no more than read.
   *
   * Errors: those of `work` and of opening (`SOURCE_NOT_FOUND`, `NOT_A_PYRAMID` …); `SOURCE_CHANGED` when the file was
   * written to in place during both attempts; those of looking at it, for a URL; `ENGINE_CLOSED` after {@link close}.
   */
  use<Result>(path: string, work: (handle: Handle) => Promise<Result>): Promise<Result> {
    if (this.#isClosed) {
      return Promise.reject(new PyramidionError('ENGINE_CLOSED', 'the files are closed or being closed'));
    }
    return this.#track(this.#use(isHttpUrl(path) ? path : resolve(path), work));
  }

  /** Tells which version is at a path now: what is open of another one is not handed out any more. */
  async noteVersion(path: string, version: string | null): Promise<void> {
    const entry = this.#entries.get(isHttpUrl(path) ? path : resolve(path));
    const handle = await entry?.opening.catch(() => null);
    if (entry !== undefined && handle != null && handle.source.version !== version) this.#retire(entry);
  }

  /** Refuses further uses, waits for those under way and closes all files. May be called more than once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#sweeper !== null) clearTimeout(this.#sweeper);
    this.#sweeper = null;
    for (const entry of [...this.#entries.values()]) this.#retire(entry);
    while (this.#busy.size > 0) await Promise.allSettled(this.#busy);
  }

  #track<Result>(promise: Promise<Result>): Promise<Result> {
    this.#busy.add(promise);
    const done = (): void => {
      this.#busy.delete(promise);
    };
    promise.then(done, done);
    return promise;
  }

  async #use<Result>(path: string, work: (handle: Handle) => Promise<Result>): Promise<Result> {
    const started = performance.now();
    for (let attempt = 1; ; attempt++) {
      const entry = this.#acquire(path);
      try {
        const handle = await entry.opening;
        let result: { readonly value: Result } | null = null;
        let failure: unknown;
        try {
          result = { value: await work(handle) };
        } catch (error) {
          // Whoever has left, or has no more time, need not know what became of the file.
          if (error instanceof PyramidionError && STOPPED.has(error.code)) throw error;
          failure = error;
        }
        const state = await this.#compare(entry, handle, started).catch((error: unknown) => {
          throw result === null ? failure : error;
        });
        if (state === 'same') {
          if (result !== null) return result.value;
          throw failure;
        }
        this.#retire(entry);
        if (attempt === 2) {
          throw new PyramidionError('SOURCE_CHANGED', `${handle.source.name} was changed while it was read`, {
            cause: failure,
          });
        }
      } finally {
        this.#release(entry);
      }
    }
  }

  /** The entry of a path, in use from now on: the open one, or one that is now being opened. */
  #acquire(path: string): Entry<Handle> {
    const now = performance.now();
    let entry = this.#entries.get(path);
    if (entry === undefined) {
      const opening = this.#open(path);
      entry = { path, opening, uses: 0, checkedAt: now, usedAt: now, isRetired: false };
      const opened = entry;
      opening.catch(() => this.#retire(opened));
    }
    this.#entries.delete(path);
    if (!this.#isClosed) this.#entries.set(path, entry);
    else entry.isRetired = true;
    entry.uses += 1;
    entry.usedAt = now;
    return entry;
  }

  /** Whether what was read is one state of the file, and the path's newest one at the time `started`, or near enough. */
  async #compare(entry: Entry<Handle>, handle: Handle, started: number): Promise<'same' | 'changed'> {
    const now = performance.now();
    const confirmedAt = handle.source.confirmedAt();
    entry.checkedAt = Math.max(entry.checkedAt, confirmedAt);
    if (confirmedAt < started && now - entry.checkedAt >= this.#maxAgeMs) {
      const found = await this.#versionAt(entry.path);
      if (found === handle.source.version) {
        entry.checkedAt = Math.max(entry.checkedAt, now);
        return 'same';
      }
      // A file that was opened by this use, or since, was the newest then: that it has been replaced does no harm.
      if (entry.checkedAt < started) return 'changed';
    }
    return handle.source.verifyInPlace().then(
      () => 'same',
      () => 'changed',
    );
  }

  #release(entry: Entry<Handle>): void {
    entry.uses -= 1;
    entry.usedAt = performance.now();
    if (entry.isRetired) this.#closeUnused(entry);
    else if (this.#entries.size > this.#maxOpen) this.#closeLeastUsed();
    if (this.#sweeper === null && this.#entries.size > 0) this.#sweepLater(this.#idleMs);
  }

  /** Takes an entry out of use: now, or when its last use ends. */
  #retire(entry: Entry<Handle>): void {
    if (this.#entries.get(entry.path) === entry) this.#entries.delete(entry.path);
    const isNew = !entry.isRetired;
    entry.isRetired = true;
    if (isNew) this.#closeUnused(entry);
  }

  #closeUnused(entry: Entry<Handle>): void {
    if (entry.uses > 0) return;
    this.#track(
      entry.opening.then(
        (handle) => handle.close(),
        () => {},
      ),
    ).catch(() => {});
  }

  #closeLeastUsed(): void {
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= this.#maxOpen) return;
      if (entry.uses === 0) this.#retire(entry);
    }
  }

  #sweepLater(delayMs: number): void {
    this.#sweeper = setTimeout(() => {
      this.#sweeper = null;
      const now = performance.now();
      let next = Number.POSITIVE_INFINITY;
      for (const entry of this.#entries.values()) {
        const left = entry.uses > 0 ? this.#idleMs : this.#idleMs - (now - entry.usedAt);
        if (left <= 0) this.#retire(entry);
        else next = Math.min(next, left);
      }
      if (this.#entries.size > 0) this.#sweepLater(next);
    }, delayMs);
    this.#sweeper.unref();
  }
}
