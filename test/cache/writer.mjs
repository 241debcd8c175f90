/**
 * Asks a cache for replies under load and compares each with what its key must yield: arguments are the library, two
 * roots, the bounds, a seed, and how many replies to ask for. Says every 500 replies how many were right; a wrong one ends it.
 */
import { createHash } from 'node:crypto';

const [library = '', one = '', two = '', bounds = '{}', seed = '0', last = '0'] = process.argv.slice(2);
const { ResponseCache } = await import(library);

/** Keys that are asked for; most of their replies fit on disk, and a few in memory. */
const KEYS = 500;
const CLIENTS = 32;

const pool = Buffer.concat(
  Array.from({ length: 2000 }, (_, index) => createHash('sha256').update(String(index)).digest()),
);
/** What each key must yield: empty up to 30 000 bytes. */
const expected = Array.from({ length: KEYS }, (_, index) => {
  const key = createHash('sha256').update(`key ${index}`).digest('hex').slice(0, 32);
  const length = index === 0 ? 0 : (index * 7919) % 30_000;
  const body = pool.subarray(index * 40, index * 40 + length);
  return { key, body, digest: createHash('md5').update(body).digest('hex') };
});

const cache = await ResponseCache.open({
  enabled: true,
  roots: [one, two],
  ...JSON.parse(bounds),
  memoryBytes: 1_000_000,
  versionOf: async () => '1',
  onWarning: (/** @type {string} */ message, /** @type {unknown} */ error) => console.error(message, error),
});

let state = Number(seed) * 2654435761 + 1;
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

let asked = 0;
let checked = 0;
async function client() {
  while (asked < Number(last)) {
    asked += 1;
    // Some keys are asked for far more often than others.
    const item = expected[Math.floor(random() ** 6 * KEYS)];
    if (item === undefined) throw new Error('there is such a key');
    const { key, body, digest } = item;
    const control = random() < 0.005 ? 'update' : 'on';
    const { reply, use } = await cache.get({
      key,
      control,
      policy: { kind: 'expiration' },
      make: async () => ({
        body,
        mediaType: 'image/jpeg',
        digest,
        createdAt: Date.now(),
        sources: [{ id: '/images/a.tif', version: '1' }],
        subject: `${key.slice(0, 2)}`,
        facts: { width: 1 },
      }),
    });
    if (!body.equals(reply.body) || reply.digest !== digest) throw new Error(`a wrong reply for ${key}`);
    checked += 1;
    if (checked % 500 === 0) process.stdout.write(`${checked}\n`);
    // At the pace of the disk: there is always something being written, and the rest is read from there.
    if (use === 'CREATED' || use === 'UPDATED') await cache.flush();
  }
}
await Promise.all(Array.from({ length: CLIENTS }, client));
await cache.close();
process.stdout.write(`${checked}\n`);
