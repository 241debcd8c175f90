/** The disk tier: one file an entry, written behind the replies. */
import { basename, join } from 'node:path';
import { temporaryBeside } from '../ingest/temporary.js';
import { isPurged } from './account.js';
import { type Entry, readEntry, refreshEntry, writeEntry } from './entry-file.js';
import type { Keeper } from './keeper.js';
import { inFolder, type Layout } from './layout.js';
import type { PurgeFilter } from './types.js';
import type { Uses } from './uses.js';
import type { Warn } from './warnings.js';

/** What the tier is made of. */
export interface DiskParts {
  /** Without roots nothing is read or written, and whatever is removed is only told to the keeper. */
  readonly layout: Layout;
  readonly keeper: Keeper;
  /** Are passed on before a write, so that what was read last is not what has to go. */
  readonly uses: Uses;
  readonly warn: Warn;
  /** Most bytes of bodies that may wait to be written: what comes on top is not written. */
  readonly backlogBytes: number;
}

/** What the disk shall come to hold for a key. */
interface Change {
  /** null: nothing. */
  readonly entry: Entry | null;
  /** There may be another entry on disk, which must not stay if this one cannot be written. */
  readonly replaces: boolean;
}

/**
 * Reads entries, and carries out changes one after another, behind the replies. Whoever reads a key sees its last change
 * at once, done or not. Nothing rejects: what fails on the disk is warned of, and is a miss or an entry that is not written.
 */
export class DiskTier {
  readonly #layout: Layout;
  readonly #keeper: Keeper;
  readonly #uses: Uses;
  readonly #warn: Warn;
  readonly #backlogBytes: number;
  /** Changes to be carried out, the first first. */
  readonly #changes = new Map<string, Change>();
  /** Sum of the bodies in it. */
  #waitingBytes = 0;
  /** Keys whose old entry could not be removed when it had to be: it is not read any more. */
  readonly #lost = new Set<string>();
  #working: Promise<void> | null = null;
  /** Time stamps that are being set. */
  readonly #refreshing = new Set<Promise<void>>();
  #damaged = 0;
  #skipped = 0;

  constructor({ layout, keeper, uses, warn, backlogBytes }: DiskParts) {
    this.#layout = layout;
    this.#keeper = keeper;
    this.#uses = uses;
    this.#warn = warn;
    this.#backlogBytes = backlogBytes;
  }

  /** Entries that were found damaged when they were read. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Entries that were not written. */
  get skipped(): number {
    return this.#skipped;
  }

  /** The entry of a key; null when there is none, or none that can be read. A damaged one is removed. */
  async read(key: string): Promise<Entry | null> {
    const change = this.#changes.get(key);
    if (change !== undefined) return change.entry;
    if (this.#isOff || this.#lost.has(key)) return null;
    try {
      const found = await readEntry(this.#layout.path(key), key);
      if (found === 'missing') return null;
      if (found !== 'damaged') return found;
      this.#damaged += 1;
      this.remove(key);
    } catch (error) {
      this.#warn('an entry of the cache could not be read', error);
    }
    return null;
  }

  /** Has an entry written. `replaces`: there may be an older one of its key. */
  put(key: string, entry: Entry, replaces: boolean): void {
    const before = this.#changes.get(key);
    const change = { entry, replaces: replaces || before !== undefined };
    const waiting = this.#waitingBytes - bytesOf(before) + entry.reply.body.byteLength;
    if (!this.#isOff && waiting <= this.#backlogBytes) {
      this.#change(key, change);
      return;
    }
    if (!this.#isOff) this.#skipped += 1;
    if (change.replaces) this.remove(key);
  }

  /** Has an entry removed. */
  remove(key: string): void {
    this.#change(key, { entry: null, replaces: true });
  }

  /** Notes that an entry that was read is still good, as of its time stamp. */
  refresh(key: string, entry: Entry): void {
    const change = this.#changes.get(key);
    if (change !== undefined) this.put(key, entry, change.replaces);
    else if (!this.#isOff) this.#track(refreshEntry(this.#layout.path(key), entry.validatedAt));
  }

  /** Has those entries removed that still wait to be written, as far as a purge means them. */
  forget(filter: PurgeFilter): void {
    for (const [key, { entry }] of this.#changes) {
      if (entry !== null && isPurged(filter, entry.reply.subject)) this.remove(key);
    }
  }

  /** Resolves when all changes are carried out. */
  async flush(): Promise<void> {
    while (this.#working !== null || this.#refreshing.size > 0) {
      await Promise.all([this.#working, ...this.#refreshing]);
    }
  }

  get #isOff(): boolean {
    return this.#layout.roots.length === 0;
  }

  #change(key: string, change: Change): void {
    this.#waitingBytes += bytesOf(change) - bytesOf(this.#changes.get(key));
    this.#changes.set(key, change);
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    for (let next = this.#first(); next !== undefined; next = this.#first()) {
      const [key, change] = next;
      if (change.entry === null) await this.#erase(key);
      else if (await this.#write(key, change.entry)) this.#lost.delete(key);
      else {
        this.#skipped += 1;
        if (change.replaces) await this.#erase(key);
      }
      // If another change of the key has come meanwhile, it is still the first and has its turn now.
      if (this.#changes.get(key) !== change) continue;
      this.#changes.delete(key);
      this.#waitingBytes -= bytesOf(change);
    }
    this.#working = null;
  }

  #first(): [key: string, change: Change] | undefined {
    return this.#changes.entries().next().value;
  }

  async #write(key: string, entry: Entry): Promise<boolean> {
    const { body, subject } = entry.reply;
    const root = this.#layout.root(key);
    const part = temporaryBeside(join(root, key));
    try {
      await inFolder(root, () => writeEntry(part.path, key, entry));
      this.#uses.flush();
      const candidate = { key, part: basename(part.path), bytes: body.byteLength, subject };
      return await this.#keeper.admit({ ...candidate, validatedAt: entry.validatedAt });
    } catch (error) {
      this.#warn('an entry of the cache could not be written', error);
      return false;
    } finally {
      await part.release();
    }
  }

  async #erase(key: string): Promise<void> {
    if (await this.#keeper.remove(key)) this.#lost.delete(key);
    else this.#lost.add(key);
  }

  #track(refreshing: Promise<void>): void {
    const done = refreshing
      // A file that has gone meanwhile needs no time stamp.
      .catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') this.#warn('the time stamp of an entry of the cache could not be set', error);
      })
      .finally(() => this.#refreshing.delete(done));
    this.#refreshing.add(done);
  }
}

function bytesOf(change: Change | undefined): number {
  return change?.entry?.reply.body.byteLength ?? 0;
}
