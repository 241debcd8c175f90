/** What is known of a request when its reply has gone: the columns of the access log, and what metrics count. */
import type { CacheUse } from '../cache/types.js';

/** 0 well; 1 image not found; 2 usage or content; 3 another fault of the server; 4 refused by overload. */
export type ProcessingStatus = 0 | 1 | 2 | 3 | 4;

/** One answered request. Empty text and null stand for what there is not. */
export interface AccessEntry {
  /** When it was sent, milliseconds since 1970. */
  readonly sentAt: number;
  readonly remoteAddress: string;
  /** Left out where nobody asks for it: only patterns with `%A` do. */
  readonly localAddress?: string | undefined;
  readonly localPort: number;
  readonly method: string;
  /** The URL as it came, query and all. */
  readonly url: string;
  readonly httpVersion: string;
  readonly status: number;
  readonly processingStatus: ProcessingStatus;
  /** Bytes of the body, also of a 304's. */
  readonly size: number;
  /** Bytes of the body that were sent. */
  readonly sentBytes: number;
  /** From arrival to the last byte handed over; to the plan; from there to the reply; and for sending it. Milliseconds, with fractions. */
  readonly totalMs: number;
  readonly parseMs: number;
  readonly fetchMs: number;
  readonly sendMs: number;
  /** Requests under way when it ended, itself included. */
  readonly overlap: number;
  /** `img`, `props` …; '' where it could not be told. */
  readonly requestType: string;
  readonly rootId: string;
  readonly cacheUse: CacheUse;
  readonly cacheKey: string;
  readonly digest: string;
  readonly mediaType: string;
  /** Code and message of the error. */
  readonly exception: string;
  /** `is` for `/is/image` … */
  readonly context: string;
  /** The URL after rules; '' when they did nothing. */
  readonly transformedUrl: string;
  readonly pathBasedAccess: boolean;
  /** Request headers, where they were sent. */
  readonly referer: string;
  readonly host: string;
  readonly forwardedFor: string;
  readonly ifNoneMatch: string;
  readonly ifMatch: string;
  readonly ifModifiedSince: string;
  /** All headers by their names in lower case, for patterns that name others than these. Left out, such columns are empty. */
  readonly requestHeaders?: LoggedHeaders | undefined;
  /** Names in lower case and values in turn, as they were sent. Left out, columns of reply headers are empty. */
  readonly replyHeaders?: readonly string[] | undefined;
}

/** Headers as `node:http` has them; a reference to them is enough. */
export type LoggedHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;
