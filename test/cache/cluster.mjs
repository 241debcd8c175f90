/**
 * A primary and two workers on one cache, in the library of the first argument and the folder of the second. The workers
 * take turns; each says how many wrong replies it had, and the primary what is on disk in the end.
 */
import cluster from 'node:cluster';
import { createHash } from 'node:crypto';

const [library = '', root = ''] = process.argv.slice(2);
const { ResponseCache } = await import(`${library}cache.js`);
const { clusterBus } = await import(`${library}bus.js`);

const cache = await ResponseCache.open({
  enabled: true,
  roots: [root],
  maxBytes: 1e6,
  maxEntries: 30,
  memoryBytes: 1e6,
  versionOf: async () => '1',
  onWarning: (/** @type {string} */ message, /** @type {unknown} */ error) => console.error(message, error),
  bus: clusterBus(),
});

/** @param {unknown} value */
const say = (value) => console.log(JSON.stringify(value));
const md5 = (/** @type {string} */ text) => createHash('md5').update(text).digest('hex');

/**
 * The body that a reply has: `made` when it is missing.
 * @param {string} name
 * @param {string} made
 * @param {'on' | 'update'} control
 * @returns {Promise<string>}
 */
async function ask(name, made, control = 'on') {
  const { reply } = await cache.get({
    key: md5(name),
    control,
    policy: { kind: 'expiration' },
    make: async () => ({
      body: Buffer.from(made),
      mediaType: 'text/plain',
      digest: md5(made),
      createdAt: Date.now(),
      sources: [],
      subject: name,
      facts: {},
    }),
  });
  return Buffer.from(reply.body).toString();
}

/** @type {Record<string, (worker: number) => Promise<number>>} */
const parts = {
  /** Writes more entries than there may be. */
  fill: async (worker) => {
    for (let i = 0; i < 100; i++) await ask(`passing ${worker} ${i}`, 'x'.repeat(i));
    await cache.flush();
    return 0;
  },
  /** Writes 10 entries of its own. */
  write: async (worker) => {
    for (let i = 0; i < 10; i++) await ask(`lasting ${worker} ${i}`, `old ${i}`);
    await cache.flush();
    return 0;
  },
  /** Has those of both in memory. */
  read: async () => {
    let wrong = 0;
    for (const other of [1, 2])
      for (let i = 0; i < 10; i++) wrong += Number((await ask(`lasting ${other} ${i}`, '')) !== `old ${i}`);
    return wrong;
  },
  /** Updates those of the other. */
  update: async (worker) => {
    for (let i = 0; i < 10; i++) await ask(`lasting ${3 - worker} ${i}`, `new ${i}`, 'update');
    await cache.flush();
    return 0;
  },
  check: async () => {
    let wrong = 0;
    for (const other of [1, 2])
      for (let i = 0; i < 10; i++) wrong += Number((await ask(`lasting ${other} ${i}`, '')) !== `new ${i}`);
    return wrong;
  },
};

if (cluster.isPrimary) {
  const workers = [cluster.fork(), cluster.fork()];
  /** Has each worker do a part, one after the other; yields their numbers of wrong replies. */
  const all = async (/** @type {string} */ part) => {
    const wrong = [];
    for (const [index, worker] of workers.entries()) {
      /** @type {Promise<number>} */
      const done = new Promise((resolve) => {
        worker.on('message', function take(message) {
          if (typeof message.wrong !== 'number') return;
          worker.off('message', take);
          resolve(message.wrong);
        });
      });
      worker.send({ part, worker: index + 1 });
      wrong.push(await done);
    }
    return wrong;
  };
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
  await all('fill');
  await all('write');
  const first = await all('read');
  await all('update');
  const second = await all('check');
  for (const [index] of workers.entries())
    say({ worker: index + 1, wrong: (first[index] ?? 0) + (second[index] ?? 0) });
  const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  for (const worker of workers) worker.send({ part: 'end' });
  await Promise.all(exits);
  const { disk, evicted } = cache.snapshot();
  say({ ...disk, evicted });
  await cache.close();
} else {
  process.on('message', async (/** @type {{ part?: string, worker?: number }} */ { part = '', worker = 0 }) => {
    const work = parts[part];
    if (work !== undefined) process.send?.({ wrong: await work(worker) });
    if (part !== 'end') return;
    await cache.close();
    process.disconnect();
  });
  process.send?.({ ready: true });
}
