import { describe, expect, it } from 'vitest';
import type { CachedReply } from '../../src/cache/types.js';
import { Recall } from '../../src/server/recall.js';

const TRUST_MS = 10_000;
const reply: CachedReply = {
  body: Buffer.from('body'),
  mediaType: 'image/jpeg',
  digest: 'd',
  createdAt: 0,
  sources: [],
  subject: '',
  facts: {},
};

function recallOf(): { recall: Recall; remember: (url: string, signature: string, now: number) => void } {
  const recall = new Recall({ peek: () => ({ reply, freshUntil: Number.POSITIVE_INFINITY }) }, ['x', 'y'], TRUST_MS);
  const lifetime = { ttlMs: 1000, isOff: false };
  const common = { key: 'k', generation: 1, lifetime, lastModifiedMs: null, requestType: 'img', rootId: '' };
  return {
    recall,
    remember: (url, signature, now) =>
      recall.remember(url, { ...common, place: recall.placeOf('object', signature, now), pathBasedAccess: true }),
  };
}

const find = (recall: Recall, url: string, now: number, ifNoneMatch?: string) =>
  recall.find(url, 1, ifNoneMatch, undefined, now);

describe('Recall', () => {
  it('has a reply for a URL that is remembered, under the same catalogs, and for no other', () => {
    const { recall, remember } = recallOf();
    remember('/a', 'file', 0);
    expect(find(recall, '/a', 1)).toMatchObject({ known: { status: 200, size: 4 }, body: reply.body });
    expect(find(recall, '/b', 1)).toBeNull();
    expect(find(recall, '/a', 1, '"d"')).toMatchObject({ known: { status: 304 }, body: new Uint8Array(0) });
    expect(recall.find('/a', 2, undefined, undefined, 1)).toBeNull();
    expect(find(recall, '/a', 1)).toBeNull();
  });

  it('counts on an object for as long as it was looked for lately, whichever URL led to that', () => {
    const { recall, remember } = recallOf();
    remember('/a', 'file', 0);
    remember('/b', 'file', TRUST_MS - 1);
    expect(find(recall, '/a', TRUST_MS + 1)).not.toBeNull();
    expect(find(recall, '/a', 2 * TRUST_MS - 1)).toBeNull();
    remember('/b', 'file', 2 * TRUST_MS);
    expect(find(recall, '/a', 2 * TRUST_MS)).not.toBeNull();
  });

  it('forgets all URLs of an object that stands for something else', () => {
    const { recall, remember } = recallOf();
    remember('/a', 'file', 0);
    remember('/b', 'another file', 1);
    expect(find(recall, '/a', 1)).toBeNull();
    expect(find(recall, '/b', 1)).not.toBeNull();
    remember('/c', 'file', 2);
    expect(find(recall, '/a', 2)).toBeNull();
    expect(find(recall, '/b', 2)).toBeNull();
  });
});
