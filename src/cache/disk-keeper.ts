/** The keeper of the disk tier's account, in the process that has the folders to itself or in the primary of several. */
import { rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type AccountEntry, DiskAccount } from './account.js';
import { removeEntry } from './entry-file.js';
import { takeIndex, writeIndex } from './index-file.js';
import type { Candidate, DiskCounts, Keeper } from './keeper.js';
import { inFolder, type Layout } from './layout.js';
import { scan } from './scan.js';
import type { PurgeFilter } from './types.js';
import type { Warn } from './warnings.js';

/** Files that are removed together. */
const AT_ONCE = 16;

/**
 * Does one thing at a time, so that what is on disk never passes the bounds, not even for a moment: room is made before a
 * file gets its name. Until the folders have been looked through after a crash, nothing is admitted; reading needs no account.
 */
export class DiskKeeper implements Keeper {
  readonly #layout: Layout;
  readonly #account: DiskAccount;
  readonly #warn: Warn;
  /** Settles when all that was asked for is done. Never rejects. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The account is that of the folders. */
  #isComplete = false;
  #isInterrupted = false;
  #isClosed = false;
  #evicted = 0;
  #damaged = 0;

  private constructor(layout: Layout, account: DiskAccount, warn: Warn) {
    this.#layout = layout;
    this.#account = account;
    this.#warn = warn;
  }

  /**
   * Takes the folders over. Where an orderly shutdown left its index this is quick; otherwise it goes on looking through
   * the folders after it has resolved.
   */
  static async open(layout: Layout, maxBytes: number, maxEntries: number, warn: Warn): Promise<DiskKeeper> {
    const keeper = new DiskKeeper(layout, new DiskAccount(maxBytes, maxEntries), warn);
    const entries = await takeIndex(layout).catch((error: unknown) => {
      warn('the index of the cache could not be used', error);
      return null;
    });
    if (entries !== null) await keeper.#begin(entries);
    else keeper.#turn = keeper.#lookThrough();
    return keeper;
  }

  get counts(): DiskCounts {
    const { size, bytes } = this.#account;
    return { entries: size, bytes, evicted: this.#evicted, damaged: this.#damaged };
  }

  get isReady(): boolean {
    return this.#isComplete;
  }

  admit({ key, part, bytes, subject, validatedAt }: Candidate): Promise<boolean> {
    return this.#inTurn(async () => {
      const entry = { bytes, subject, validatedAt };
      if (!this.#isComplete || !this.#account.accepts(key, entry)) return false;
      try {
        await this.#makeRoom(key, bytes);
        const path = this.#layout.path(key);
        await inFolder(dirname(path), () => rename(join(this.#layout.root(key), basename(part)), path));
      } catch (error) {
        this.#warn('an entry of the cache could not be written', error);
        return false;
      }
      this.#account.set(key, entry);
      return true;
    }, false);
  }

  use(keys: readonly string[]): void {
    for (const key of keys) this.#account.use(key);
  }

  remove(key: string): Promise<boolean> {
    return this.#inTurn(() => this.#remove(key), false);
  }

  purge(filter: PurgeFilter): Promise<number> {
    return this.#inTurn(async () => {
      const keys = this.#account.matching(filter);
      let removed = 0;
      for (let at = 0; at < keys.length; at += AT_ONCE) {
        const done = await Promise.all(keys.slice(at, at + AT_ONCE).map((key) => this.#remove(key)));
        removed += done.filter(Boolean).length;
      }
      return removed;
    }, 0);
  }

  interrupt(): void {
    this.#isInterrupted = true;
  }

  async close(): Promise<void> {
    this.interrupt();
    this.#isClosed = true;
    await this.#turn;
    if (!this.#isComplete) return;
    this.#isComplete = false;
    await writeIndex(this.#layout, this.#account).catch((error: unknown) => {
      this.#warn('the index of the cache could not be written', error);
    });
  }

  /** What `work` yields once its turn has come; `refused` where that is after the closing. */
  #inTurn<Result>(work: () => Promise<Result>, refused: Result): Promise<Result> {
    if (this.#isClosed) return Promise.resolve(refused);
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #lookThrough(): Promise<void> {
    const found = await scan(this.#layout, () => this.#isInterrupted, this.#warn);
    if (found === null) return;
    this.#damaged = found.damaged;
    await this.#begin(found.entries);
  }

  async #begin(entries: Iterable<readonly [string, AccountEntry]>): Promise<void> {
    for (const [key, entry] of entries) this.#account.set(key, entry);
    // The bounds may have become narrower since.
    await this.#makeRoom().catch((error: unknown) => this.#warn('an entry of the cache could not be removed', error));
    this.#isComplete = true;
  }

  /** Removes the least recently used entries until a new one fits. Rejects with the file system's error. */
  async #makeRoom(key?: string, bytes = 0): Promise<void> {
    for (;;) {
      const victim = this.#account.victim(key, bytes);
      if (victim === null) return;
      await removeEntry(this.#layout.path(victim));
      this.#account.delete(victim);
      this.#evicted += 1;
    }
  }

  async #remove(key: string): Promise<boolean> {
    try {
      await removeEntry(this.#layout.path(key));
    } catch (error) {
      this.#warn('an entry of the cache could not be removed', error);
      return false;
    }
    this.#account.delete(key);
    return true;
  }
}
