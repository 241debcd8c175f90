/** Whoever keeps the account of the disk tier, as the others see it. */
import type { PurgeFilter } from './types.js';

/** A finished file that asks to become the entry of its key. */
export interface Candidate {
  readonly key: string;
  /** Name of the file, which lies in the root of the key. */
  readonly part: string;
  /** Length of its body. */
  readonly bytes: number;
  readonly subject: string;
  /** As of when it counts, milliseconds since 1970. */
  readonly validatedAt: number;
}

/** What is on disk, as far as is known. */
export interface DiskCounts {
  readonly entries: number;
  /** Sum of the bodies. */
  readonly bytes: number;
  /** Removed to make room, since the start. */
  readonly evicted: number;
  /** Found damaged when the folders were looked through. */
  readonly damaged: number;
}

/** The only one that gives entries their names and takes them away. Nothing rejects: what fails is warned of. */
export interface Keeper {
  readonly counts: DiskCounts;
  /** The folders have been looked through: until then whoever wants something admitted or removed has to wait. */
  readonly isReady: boolean;
  /**
   * Makes room and renames the file. false: it was not done, as it does not fit or another process has stored what counts as of
   * later; the file is the caller's to remove.
   */
  admit(candidate: Candidate): Promise<boolean>;
  /** Notes that entries were read, in this order. Keys without an entry do no harm. */
  use(keys: readonly string[]): void;
  /** Removes an entry. false: it is still there. */
  remove(key: string): Promise<boolean>;
  /** Removes the entries of a subject, or all; yields how many these were. */
  purge(filter: PurgeFilter): Promise<number>;
  /** Gives up looking through the folders, if it is at it: it would take too long to be waited for. */
  interrupt(): void;
  /** Waits for what was asked of it; what is asked from then on is refused. */
  close(): Promise<void>;
}

/** What a cache on several processes is told of the doings of the others. */
export interface Listener {
  /** Another replaced or removed an entry. */
  onChange(key: string): void;
  /** Another has begun or done a purge. */
  onPurge(filter: PurgeFilter): void;
}

/** The keeper of a cache that lives in memory only. */
export const noDisk: Keeper = {
  counts: { entries: 0, bytes: 0, evicted: 0, damaged: 0 },
  isReady: true,
  admit: async () => false,
  use: () => {},
  remove: async () => true,
  purge: async () => 0,
  interrupt: () => {},
  close: async () => {},
};
