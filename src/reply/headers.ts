/** What replies say of how long they may be kept, and whether a client has them already (RFC 9110, RFC 9111). */

/** How a client may keep a reply. */
export interface Lifetime {
  /** Milliseconds; −1: for ever; 0: not at all without asking. */
  readonly ttlMs: number;
  /** The client said that it keeps nothing (`cache=off`). */
  readonly isOff: boolean;
}

/** A year: no cache has to keep anything longer. */
const LONGEST_S = 365 * 24 * 3600;

/** Seconds a client may keep a reply. */
export function maxAgeOf({ ttlMs, isOff }: Lifetime): number {
  if (isOff) return 0;
  return ttlMs < 0 ? LONGEST_S : Math.min(LONGEST_S, Math.floor(ttlMs / 1000));
}

/** `Cache-Control` of a reply. */
export function cacheControl(lifetime: Lifetime): string {
  return lifetime.isOff ? 'no-cache' : `public, max-age=${maxAgeOf(lifetime)}`;
}

/** `Expires`, so many seconds from `nowMs`. The text of one second is made once. */
export function expires(nowMs: number, maxAgeS: number): string {
  const second = Math.floor(nowMs / 1000) + maxAgeS;
  const slot = second % DATES.length;
  const known = DATES[slot];
  if (known?.second === second) return known.text;
  const text = new Date(second * 1000).toUTCString();
  DATES[slot] = { second, text };
  return text;
}

/** The last dates that were written: replies of a few lifetimes are made at a time. */
const DATES: ({ readonly second: number; readonly text: string } | undefined)[] = new Array(64).fill(undefined);

/** What a client has, by its own words. */
export interface Condition {
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
}

/**
 * Whether the client has the reply already: by its tags, which count alone where there are any, else by its date.
 * `isEternal` replies are never checked: whoever asks with a condition has them.
 */
export function isUnchanged(
  { ifNoneMatch, ifModifiedSince }: Condition,
  reply: { readonly etag: string; readonly modifiedMs: number; readonly isEternal: boolean },
): boolean {
  if (ifNoneMatch === undefined && ifModifiedSince === undefined) return false;
  if (reply.isEternal) return true;
  if (ifNoneMatch !== undefined) return matchesTag(ifNoneMatch, reply.etag);
  const since = Date.parse(ifModifiedSince ?? '');
  return Number.isFinite(since) && Math.floor(reply.modifiedMs / 1000) * 1000 <= since;
}

/** Whether a list of entity tags has this one; weak ones compare by what they tag (RFC 9110, 13.1.2). */
function matchesTag(list: string, etag: string): boolean {
  if (list === etag) return true;
  return list.split(',').some((item) => {
    const tag = item.trim();
    return tag === '*' || tag === etag || (tag.startsWith('W/') && tag.slice(2) === etag);
  });
}
