/** What the response cache holds, and how it is asked. */

/** A file that took part in a reply, and the version it had. */
export interface CachedSource {
  /** An absolute path or a URL. */
  readonly id: string;
  /** `Source.version` of it. */
  readonly version: string;
}

/** A finished reply as it is kept. Only replies with status 200 are. Everything is shared: nobody changes it. */
export interface CachedReply {
  readonly body: Uint8Array;
  readonly mediaType: string;
  /** MD5 of the body in lower-case hex: the entity tag, and the check of the body on disk. */
  readonly digest: string;
  /** When it was made, milliseconds since 1970. */
  readonly createdAt: number;
  /** Files it was made of. */
  readonly sources: readonly CachedSource[];
  /** It is as quick to make as to read from a file (a stored tile): it is kept in memory only. */
  readonly isCheap?: boolean;
  /** What it shows: entries are purged by it. */
  readonly subject: string;
  /** Small facts for whoever asks about the reply (`width`, `height`, `quality` …). */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

/** What became of a request in the cache; the values of the access log's `CacheUse`. */
export type CacheUse = 'REUSED' | 'VALIDATED' | 'CREATED' | 'UPDATED' | 'IGNORED' | 'UNDEFINED';

/**
 * When an entry has to be looked at again. `expiration`: some minutes after the last look, by comparing the versions of its
 * sources; `catalog`: it is stale when it was made before `newestMs` (the newest time stamp of records and catalogs).
 */
export type ValidationPolicy =
  | { readonly kind: 'expiration' }
  | { readonly kind: 'catalog'; readonly newestMs: number };

/** How one reply is wanted. */
export interface CacheRequest {
  /** Hex or base64url, at least 128 bits: of all that decides the reply. */
  readonly key: string;
  /** `validate` compares the sources now, `update` makes the entry anew, `off` neither reads nor writes. */
  readonly control: 'on' | 'off' | 'validate' | 'update';
  readonly policy: ValidationPolicy;
  /**
   * Makes the reply. Called at most once at a time for a key, whoever waits; `signal` aborts when the last that waits has
   * left. What rejects is not kept, and everyone who waits has the same error.
   */
  readonly make: (signal: AbortSignal) => Promise<CachedReply>;
  /** The caller's own leaving. */
  readonly signal?: AbortSignal;
}

/** A reply, and where it came from. */
export interface CacheAnswer {
  readonly reply: CachedReply;
  readonly use: CacheUse;
  /**
   * Until when (milliseconds of `Date.now()`) it may be given out without asking again, under the policy it was asked with;
   * `peek` answers with it until then. Infinity for the catalog policy.
   */
  readonly freshUntil: number;
}

/** How large the cache is, and where it lives. */
export interface CacheOptions {
  /** false: nothing is kept, only identical requests under way are joined. */
  readonly enabled: boolean;
  /** Folders of the disk tier; entries are spread evenly. They are made where they are missing. Empty: memory only. */
  readonly roots: readonly string[];
  /** Sum of the bodies on disk in bytes, and their number. */
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** Sum of the entries in memory in bytes; one larger than a quarter of it is kept on disk only. */
  readonly memoryBytes: number;
  /** Milliseconds between two looks at the sources of an entry, for the `expiration` policy. Default 300 000. */
  readonly validateAfterMs?: number;
  /** The version a source has now; null when it is gone. */
  readonly versionOf: (id: string) => Promise<string | null>;
  /** Is told what went wrong with the disk; the cache goes on without. */
  readonly onWarning: (message: string, error: unknown) => void;
  /** Joins the caches of several processes on the same folders; see `bus.ts`. Left out: this process is the only one. */
  readonly bus?: CacheBus;
}

/** Which entries a purge drops: those of one object, as {@link CachedReply.subject} has it, or all. */
export type PurgeFilter = { readonly subject: string } | 'all';

/** Carries small messages (plain data) between the caches of the processes of one server. Delivery is in order, and may fail silently. */
export interface CacheBus {
  /** `primary` keeps the account of the disk and evicts; there is one. Others tell it what they do. */
  readonly role: 'primary' | 'member';
  send(message: unknown): void;
  /** One listener; called for what the others sent. */
  onMessage(listener: (message: unknown) => void): void;
}

/** Counts since the start, and what there is now. */
export interface CacheSnapshot {
  readonly uses: Readonly<Record<CacheUse, number>>;
  readonly joined: number;
  /** An entry counts for its body and 1 KiB more. */
  readonly memory: { readonly entries: number; readonly bytes: number };
  /** As far as this process knows. */
  readonly disk: { readonly entries: number; readonly bytes: number };
  readonly evicted: number;
  /** Entries on disk that were found damaged, and thrown away. */
  readonly damaged: number;
  /** Replies that were not written to disk: too much waited to be written, the disk or the primary failed, or one is larger than the whole. */
  readonly skipped: number;
  readonly inFlight: number;
}
