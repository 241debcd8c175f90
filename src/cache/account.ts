/** What is on the disk, in the order it was last used. Bookkeeping only: no file is touched here. */
import type { PurgeFilter } from './types.js';

/** What is noted of an entry. */
export interface AccountEntry {
  /** Length of its body. */
  readonly bytes: number;
  readonly subject: string;
  /** As of when it counted when it was stored, milliseconds since 1970; 0 where that was in an earlier run. */
  readonly validatedAt: number;
}

/** The entries of the disk tier, least recently used first, against its two bounds. */
export class DiskAccount {
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  readonly #entries = new Map<string, AccountEntry>();
  #bytes = 0;

  /** @param maxBytes sum of the bodies, @param maxEntries their number */
  constructor(maxBytes: number, maxEntries: number) {
    this.#maxBytes = maxBytes;
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Sum of the bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Notes a new entry, or one in place of that of the same key, as the last used. */
  set(key: string, entry: AccountEntry): void {
    this.delete(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }

  /** Makes an entry the last used, if there is one. */
  use(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  /** Whether an entry may be noted: it would fit, were it alone, and does not take the place of one that counts as of later. */
  accepts(key: string, { bytes, validatedAt }: AccountEntry): boolean {
    const isOlder = validatedAt < (this.#entries.get(key)?.validatedAt ?? 0);
    return bytes <= this.#maxBytes && this.#maxEntries >= 1 && !isOlder;
  }

  /**
   * The entry that has to go next, before a body of `bytes` fits in under `key`, or without these for the bounds to hold
   * as it is; null when nothing has to go. For an entry that is accepted.
   */
  victim(key?: string, bytes = 0): string | null {
    const replaced = key === undefined ? undefined : this.#entries.get(key);
    const bytesThen = this.#bytes + bytes - (replaced?.bytes ?? 0);
    const sizeThen = this.#entries.size + (key === undefined || replaced !== undefined ? 0 : 1);
    if (bytesThen <= this.#maxBytes && sizeThen <= this.#maxEntries) return null;
    for (const oldest of this.#entries.keys()) if (oldest !== key) return oldest;
    return null;
  }

  /** Keys of the entries that a purge drops. */
  matching(filter: PurgeFilter): string[] {
    const keys: string[] = [];
    for (const [key, { subject }] of this.#entries) if (isPurged(filter, subject)) keys.push(key);
    return keys;
  }

  /** All entries, the least recently used first. */
  [Symbol.iterator](): IterableIterator<[key: string, entry: AccountEntry]> {
    return this.#entries.entries();
  }
}

/** Whether a purge drops entries of a subject. */
export function isPurged(filter: PurgeFilter, subject: string): boolean {
  return filter === 'all' || filter.subject === subject;
}
