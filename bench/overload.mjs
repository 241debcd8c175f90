/**
 * More than the image server can do: 500 clients ask for renditions of 2000 × 2000 that nobody asked for before, again and
 * again, while two others ask for a stored tile every 10 ms: always the same, and always another. Told are what came back, how long the tiles took, the memory of the
 * server and how soon it is itself again. `node bench/overload.mjs [seconds] [at-once]`, after `npm run build`; 60 s unless said
 * otherwise. Clients that are put off (503) come again when `Retry-After` says; with `at-once`, at once. Exits with 1 when
 * one of the lines of the table does not hold.
 */
import { spawn } from 'node:child_process';
import { Agent, get } from 'node:http';
import { basename, dirname } from 'node:path';
import sharp from 'sharp';
import { EDGE, percentile, queryOf, TIMEOUT_MS } from './clients.mjs';
import {
  askPicture,
  HEIGHT,
  hangUp,
  kept,
  machine,
  median,
  pyramid,
  random,
  residentBytes,
  startOurs,
  TILE,
  WIDTH,
} from './contenders.mjs';

const CLIENTS = 500;
/** The memory budget the server is told. */
const BUDGET_BYTES = 512 * 1024 ** 2;
const TILE_EVERY_MS = 10;
/** Connections of each client that asks for tiles, as many as a browser has. They are there before the load comes. */
const CONNECTIONS = 6;

/** What has to hold. */
const MAX_TILE_P99_MS = 50;
const MAX_MEMORY = 1.2 * BUDGET_BYTES;
const MAX_RECOVERY_MS = 2000;
/** A rendition takes its normal time when it takes no longer than this, times what the slowest of a few took before. */
const NORMAL = 1.5;

/** @typedef {import('./clients.mjs').Retry} Retry */
/** @typedef {import('./clients.mjs').Replies} Replies */
/** @typedef {{ text: string, value: string, limit: string, holds: boolean }} Line */

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const seconds = Number(process.argv[2] ?? 60);
  const retry = process.argv[3] === 'at-once' ? 'at once' : 'as told';
  console.log(`${machine()}; \`node bench/overload.mjs ${process.argv.slice(2).join(' ')}\`\n`);
  const { lines, notes } = await overload({ seconds, retry });
  console.log(
    `| ${CLIENTS} clients, ${seconds} s, put off ones come again ${retry} | | has to be | |\n| --- | --- | --- | --- |`,
  );
  for (const { text, value, limit, holds } of lines)
    console.log(`| ${text} | ${value} | ${limit} | ${holds ? 'holds' : '**does not hold**'} |`);
  for (const [text, value] of notes) console.log(`| ${text} | ${value} | | |`);
  process.exitCode = lines.every(({ holds }) => holds) ? 0 : 1;
}

/**
 * Starts a server, overloads it and looks at it; see the top of the file.
 * @param {{ seconds: number, retry?: Retry, clients?: number }} options
 * @returns {Promise<{ lines: readonly Line[], notes: readonly (readonly [string, string])[] }>} what has to hold, and what is told beside
 */
export async function overload({ seconds, retry = 'as told', clients = CLIENTS }) {
  const path = await pyramid();
  const image = `/is/image/${basename(path)}`;
  const server = await startOurs(dirname(path), { PTiffManager: { maxMemory: BUDGET_BYTES } });
  try {
    const { port, pids } = server;
    const next = random();
    const tile = () => {
      const [column = 0, row = 0] = [WIDTH, HEIGHT].map((edge) => Math.floor(next() * Math.floor(edge / TILE)));
      return `${image}?scl=1&rect=${column * TILE},${row * TILE},${TILE},${TILE}`;
    };
    const rendition = () => `${image}?${queryOf(next)}`;
    const one = tile();
    await askPicture(port, one);
    const shown = await sharp(await askPicture(port, rendition())).metadata();
    if (shown.width !== EDGE || shown.height !== EDGE)
      throw new Error(`a rendition is ${shown.width} × ${shown.height}`);

    // What it can do when it is not asked for more; this warms it up as well.
    const calm = await startLoad(port, image, 4, 5, retry);
    const alone = [];
    for (let i = 0; i < 5; i++) alone.push(await timed(() => askPicture(port, rendition())));
    const normalMs = NORMAL * Math.max(...alone);

    let peakBytes = 0;
    const sampling = setInterval(() => {
      peakBytes = Math.max(peakBytes, residentBytes(pids()));
    }, 100);
    const running = [
      { text: 'a stored tile, the same each time', probe: await startProbe(port, () => one) },
      { text: 'a stored tile, another each time', probe: await startProbe(port, tile) },
    ];
    const replies = await startLoad(port, image, clients, seconds, retry);
    const probes = await Promise.all(running.map(async ({ text, probe }) => ({ text, ...(await probe.stop()) })));
    const recoveryMs = await timed(async () => {
      const stop = performance.now() + 10 * MAX_RECOVERY_MS;
      while (performance.now() < stop) {
        const took = await timed(() => askPicture(port, rendition())).catch(() => Number.POSITIVE_INFINITY);
        if (took <= normalMs) return;
        if (took === Number.POSITIVE_INFINITY) await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    clearInterval(sampling);

    return {
      lines: [
        line('replies that are neither 200 nor 503', replies.other, 0),
        line('time-outs and broken replies', replies.timeouts + replies.broken, 0),
        line('503s that do not say when to come again', replies.bare, 0),
        ...probes.map(({ text, times }) => {
          const p99 = percentile(times, 0.99);
          return {
            text: `${text}, p99`,
            value: `${p99.toFixed(1)} ms`,
            limit: `≤ ${MAX_TILE_P99_MS} ms`,
            holds: p99 <= MAX_TILE_P99_MS,
          };
        }),
        line(
          'tiles that did not come',
          probes.reduce((sum, { failed }) => sum + failed, 0),
          0,
        ),
        {
          text: `most memory, with a budget of ${mebibytes(BUDGET_BYTES)}`,
          value: mebibytes(peakBytes),
          limit: `≤ ${mebibytes(MAX_MEMORY)}`,
          holds: peakBytes <= MAX_MEMORY,
        },
        {
          text: `until a rendition takes its normal time (${normalMs.toFixed(0)} ms) again`,
          value: `${recoveryMs.toFixed(0)} ms`,
          limit: `≤ ${MAX_RECOVERY_MS} ms`,
          holds: recoveryMs <= MAX_RECOVERY_MS,
        },
      ],
      notes: [
        ['replies of 200 and 503', `${replies.done} and ${replies.busy}`],
        ['renditions/s, and with 4 clients', `${rate(replies).toFixed(1)}, ${rate(calm).toFixed(1)}`],
        ['a rendition, p50 and p99', `${replies.p50.toFixed(0)}, ${replies.p99.toFixed(0)} ms`],
        ['a rendition alone', `${median(alone).toFixed(0)} ms`],
        ...probes.map(
          ({ text, times }) =>
            /** @type {const} */ ([
              `${text}: asked for, p50, largest`,
              `${times.length}, ${percentile(times, 0.5).toFixed(1)} ms, ${percentile(times, 1).toFixed(1)} ms`,
            ]),
        ),
        ['memory afterwards', mebibytes(residentBytes(pids()))],
      ],
    };
  } finally {
    hangUp();
    await server.close();
  }
}

/**
 * Clients in a process of their own, so that their work does not delay what is measured here.
 * @param {number} port @param {string} image @param {number} clients @param {number} seconds @param {Retry} retry
 * @returns {Promise<Replies>}
 */
function startLoad(port, image, clients, seconds, retry) {
  const args = [port, image, clients, seconds, retry].map(String);
  const child = kept(
    spawn(process.execPath, [new URL('./clients.mjs', import.meta.url).pathname, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  let text = '';
  child.stdout.on('data', (part) => {
    text += part;
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code) =>
      code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`the clients ended with ${code}`)),
    );
  });
}

/** Asks for tiles at their times, whether or not those before have come. @param {number} port @param {() => string} tile */
async function startProbe(port, tile) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  /** @type {number[]} */
  const times = [];
  /** @type {Set<Promise<void>>} */
  const underWay = new Set();
  let failed = 0;
  const ask = () => {
    const start = performance.now();
    const done = new Promise((resolve) => {
      const fail = () => {
        failed += 1;
        resolve(undefined);
      };
      const request = get({ host: '127.0.0.1', port, path: tile(), agent, timeout: TIMEOUT_MS }, (response) => {
        response.on('error', fail).resume();
        response.on('end', () => {
          if (response.statusCode !== 200) return fail();
          times.push(performance.now() - start);
          resolve(undefined);
        });
      }).on('error', fail);
      request.on('timeout', () => request.destroy(new Error('no reply')));
    }).then(() => {
      underWay.delete(done);
    });
    underWay.add(done);
  };
  for (let i = 0; i < CONNECTIONS; i++) ask();
  await Promise.all(underWay);
  times.length = 0;
  const timer = setInterval(ask, TILE_EVERY_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(underWay);
      agent.destroy();
      return { times, failed };
    },
  };
}

/** How long something takes, in milliseconds. @param {() => Promise<unknown>} work */
async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** @param {string} text @param {number} value @param {number} limit @returns {Line} */
function line(text, value, limit) {
  return { text, value: String(value), limit: limit === 0 ? 'none' : `≤ ${limit}`, holds: value <= limit };
}

/** @param {Replies} replies */
function rate({ done, seconds }) {
  return done / seconds;
}

/** @param {number} bytes */
function mebibytes(bytes) {
  return `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
}
