/** Replies of every kind, with their headers. */
import type { CachedReply } from '../cache/types.js';
import { type Condition, cacheControl, expires, isUnchanged, type Lifetime, maxAgeOf } from './headers.js';
import type { ErrorOutcome } from './status.js';
import type { Reply } from './types.js';

/** How a reply goes out that clients may keep. */
export interface TaggedReplyOptions {
  readonly lifetime: Lifetime;
  readonly nowMs: number;
  readonly condition: Condition;
  /** Say when it was last modified, milliseconds since 1970; null: do not say. */
  readonly lastModifiedMs: number | null;
  /** Request headers that the reply depends on. */
  readonly vary: readonly string[];
}

/** What is sent, with the MD5 of its bytes in lower-case hex. */
export interface TaggedBody extends Pick<CachedReply, 'mediaType' | 'digest'> {
  readonly body: Uint8Array | string;
}

/** A reply, or 304 where the client has it. The tag is strong: the digest of the bytes. */
export function taggedReply({ body, mediaType, digest }: TaggedBody, options: TaggedReplyOptions): Reply {
  const { lifetime, nowMs, condition, lastModifiedMs, vary } = options;
  const etag = `"${digest}"`;
  const headers = {
    etag,
    'cache-control': cacheControl(lifetime),
    expires: expires(nowMs, maxAgeOf(lifetime)),
    ...(lastModifiedMs !== null && { 'last-modified': new Date(lastModifiedMs).toUTCString() }),
    ...(vary.length > 0 && { vary: vary.join(', ') }),
  };
  const isEternal = lifetime.ttlMs < 0 && !lifetime.isOff;
  const modifiedMs = lastModifiedMs ?? Number.POSITIVE_INFINITY;
  if (isUnchanged(condition, { etag, modifiedMs, isEternal })) return { status: 304, headers, body: '' };
  return {
    status: 200,
    headers: { ...contentHeaders(mediaType), ...headers },
    body,
  };
}

/** Text that nobody asks for again by its tag. */
export function contentReply(
  body: Uint8Array | string,
  mediaType: string,
  { lifetime, nowMs }: Pick<TaggedReplyOptions, 'lifetime' | 'nowMs'>,
): Reply {
  return {
    status: 200,
    headers: {
      ...contentHeaders(mediaType),
      'cache-control': cacheControl(lifetime),
      expires: expires(nowMs, maxAgeOf(lifetime)),
    },
    body,
  };
}

/** An error, in the form the client can read. Nobody keeps it. */
export function errorReply(
  outcome: Pick<ErrorOutcome, 'status'>,
  { body, mediaType }: { readonly body: Uint8Array | string; readonly mediaType: string },
  { nowMs, retryAfterS }: { readonly nowMs: number; readonly retryAfterS: number },
): Reply {
  return {
    status: outcome.status,
    headers: {
      ...contentHeaders(mediaType),
      'cache-control': 'no-store',
      expires: expires(nowMs, 0),
      ...(outcome.status === 503 && { 'retry-after': String(retryAfterS) }),
    },
    body,
  };
}

/** What a body is, and that it is nothing else: XML, which browsers show, may hold what somebody wrote into an image, scripts among it. */
function contentHeaders(mediaType: string): Readonly<Record<string, string>> {
  return {
    'content-type': mediaType,
    'x-content-type-options': 'nosniff',
    ...(mediaType.startsWith('text/xml') && { 'content-security-policy': 'sandbox' }),
  };
}
