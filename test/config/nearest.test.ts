import { expect, test } from 'vitest';
import { nearest } from '../../src/config/nearest.js';

const names = ['port', 'host', 'Cache Max Size', 'Cache Max Entries', 'MaxMessageSize', 'WorkerThreads'];

test.each([
  ['prot', 'port'],
  ['Port', 'port'],
  ['CACHE_MAX_SIZE', 'Cache Max Size'],
  ['cacheMaxSizes', 'Cache Max Size'],
  ['MaxMesageSize', 'MaxMessageSize'],
  ['MaxMessageLength', null],
  ['WorkerThread', 'WorkerThreads'],
  ['Threads', null],
  ['TEST', null],
  ['', null],
])('%j is near to %j', (given, name) => {
  expect(nearest(given, names)).toBe(name);
});
