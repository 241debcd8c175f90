/** What the caches of the processes of one server say to each other: plain data. */
import type { Candidate } from './keeper.js';
import type { PurgeFilter } from './types.js';

/** Who asks, so that an answer that all hear finds its way; and which of its questions it was. */
export interface Asker {
  readonly from: string;
  readonly id: number;
}

/** From a member to the primary. */
export type ToPrimary =
  /** Asks for the counts. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'use'; readonly keys: readonly string[] }
  | ({ readonly kind: 'admit'; readonly candidate: Candidate } & Asker)
  | { readonly kind: 'remove'; readonly key: string; readonly from: string }
  | ({ readonly kind: 'purge'; readonly filter: PurgeFilter } & Asker);

/** What the primary says of: answers, and what is news for everyone else. */
export type News =
  | { readonly kind: 'counts' }
  | ({ readonly kind: 'admitted'; readonly key: string; readonly done: boolean } & Asker)
  | { readonly kind: 'removed'; readonly key: string; readonly from: string }
  /** Told when it begins, with `count` null, and when it is done. */
  | ({ readonly kind: 'purged'; readonly filter: PurgeFilter; readonly count: number | null } & Asker);

/** From the primary to all members. */
export type ToMembers = News & { readonly entries: number; readonly bytes: number };
