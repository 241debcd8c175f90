/** How long clients may keep what they are answered, and what they say of what they have. */
import type { Condition, Lifetime } from '../reply/headers.js';
import { headerOf, type ServiceRequest } from './request.js';
import type { Resolved } from './resolution.js';

/** The lifetime of what is the object's own: its record's time counts before `fallbackMs`, the catalog's. */
export function lifetimeOf({ modifiers, located }: Resolved, fallbackMs: number): Lifetime {
  const ttlMs = located.record?.expirationMs ?? fallbackMs;
  // Who says for ever does not let clients say otherwise.
  return { ttlMs, isOff: !modifiers.delivery.cache.client && ttlMs >= 0 };
}

/** When the object was last modified, milliseconds since 1970; null where its catalog does not tell. */
export function lastModifiedOf({ attributes, located }: Resolved): number | null {
  return attributes.useLastModified ? (located.record?.timeStamp ?? attributes.timeStamp) : null;
}

/** What a client says that it has. */
export function conditionOf(request: ServiceRequest): Condition {
  return {
    ifNoneMatch: headerOf(request, 'if-none-match'),
    ifModifiedSince: headerOf(request, 'if-modified-since'),
  };
}
