/** Entries of access logs for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { AccessEntry } from '../../src/log/types.js';

/** 2026-03-04 12:34:56.789 in the time zone of the machine. */
export const NOON = new Date(2026, 2, 4, 12, 34, 56, 789).getTime();

/** Nothing in it but what there always is. */
export const EMPTY: AccessEntry = {
  sentAt: NOON,
  remoteAddress: '',
  localPort: 8080,
  method: '',
  url: '',
  httpVersion: '1.1',
  status: 200,
  processingStatus: 0,
  size: 0,
  sentBytes: 0,
  totalMs: 0,
  parseMs: 0,
  fetchMs: 0,
  sendMs: 0,
  overlap: 1,
  requestType: '',
  rootId: '',
  cacheUse: 'UNDEFINED',
  cacheKey: '',
  digest: '',
  mediaType: '',
  exception: '',
  context: '',
  transformedUrl: '',
  pathBasedAccess: false,
  referer: '',
  host: '',
  forwardedFor: '',
  ifNoneMatch: '',
  ifMatch: '',
  ifModifiedSince: '',
};

/** Something in every field. */
export const FULL: AccessEntry = {
  sentAt: NOON,
  remoteAddress: '192.0.2.1',
  localAddress: '192.0.2.2',
  localPort: 8081,
  method: 'GET',
  url: '/is/image/Shop/a%20b?wid=200',
  httpVersion: '1.1',
  status: 304,
  processingStatus: 1,
  size: 5000,
  sentBytes: 0,
  totalMs: 41.4,
  parseMs: 1.2,
  fetchMs: 37.6,
  sendMs: 2.5,
  overlap: 7,
  requestType: 'imageprops',
  rootId: 'Shop',
  cacheUse: 'REUSED',
  cacheKey: 'ab/cdef',
  digest: 'd41d8cd98f00b204e9800998ecf8427e',
  mediaType: 'image/jpeg',
  exception: 'INVALID_REQUEST: wid is 50% wrong',
  context: 'is',
  transformedUrl: '/is/image/Shop/c',
  pathBasedAccess: true,
  referer: 'http://example.org/x y',
  host: 'example.org:8081',
  forwardedFor: '198.51.100.1, 198.51.100.2',
  ifNoneMatch: '"one"',
  ifMatch: '"two"',
  ifModifiedSince: 'Wed, 21 Oct 2015 07:28:00 GMT',
  requestHeaders: { 'user-agent': 'test/1 (x)', via: ['a', 'b'] },
  replyHeaders: ['vary', 'Accept', 'cache-control', 'no-cache', 'vary', 'Origin'],
};

/** An empty folder for each test; yields its path. */
export function useFolder(): () => string {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}
