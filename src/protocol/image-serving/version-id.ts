/** Ids of versions (§9.1): opaque, and others as soon as what they stand for is another. */
import { createHash } from 'node:crypto';

/** 128 bits over the parts and where each ends, in 22 characters that need no encoding in a URL. */
export function versionId(...parts: readonly (string | number | boolean | null)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16).toString('base64url');
}
