/**
 * Pyramidion beside iipsrv, over HTTP, on the same JPEG pyramid: (a) stored tiles, (b) tiles encoded again, and
 * (c) 800 × 600 renditions of 3000 × 2250 regions. Ours is one process of `node:http` around the engine; iipsrv is as many
 * processes as there are processors (each has one thread) behind nginx, without its cache. Both are asked the same, turn about;
 * ratios are round by round. `node bench/iipsrv.mjs [rounds] [a b c …]`, after `npm ci`. `SECONDS_EACH` (5) is how long
 * a round of one contender takes, `IIPSRV` where its program is.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';
import sharp from 'sharp';
import { Engine } from '../dist/index.js';
import {
  askPicture,
  cpuSeconds,
  distance,
  freePorts,
  HEIGHT,
  hangUp,
  IIPSRV,
  machine,
  median,
  pyramid,
  random,
  serverName,
  skips,
  startIipsrv,
  startNode,
  TILE,
  WIDTH,
} from './contenders.mjs';

const QUALITY = 80;
const FLIGHT = 8;
const SECONDS = Number(process.env.SECONDS_EACH ?? 5);

/** @typedef {'a' | 'b' | 'c'} Work */
/** @typedef {'ours' | 'bilin' | 'iipsrv'} Who */
/** @typedef {{ rate: number, p50: number, p99: number, cpu: number, bytes: number }} Run */
/** @typedef {import('./contenders.mjs').Server} Server */

/** @type {Readonly<Record<Work, readonly Who[]>>} */
const CONTENDERS = { a: ['ours', 'iipsrv'], b: ['ours', 'iipsrv'], c: ['ours', 'bilin', 'iipsrv'] };
/** Size of every reply. */
const SIZES = { a: [TILE, TILE], b: [TILE, TILE], c: [800, 600] };

if (process.argv[2] === '--serve') {
  await serve(String(process.argv[3]), Number(process.argv[4]));
} else if (!skips([IIPSRV, 'nginx'])) {
  const works = /** @type {Work[]} */ (process.argv.length > 3 ? process.argv.slice(3) : ['a', 'b', 'c']);
  await table(Number(process.argv[2] ?? 5), works);
}

/** Our server: `/view?<query>` and `/tile?<level>,<column>,<row>` of one file, as in docs/serving.md. @param {string} path @param {number} port */
async function serve(path, port) {
  const engine = await Engine.start();
  const server = createServer(async (request, response) => {
    const client = new AbortController();
    response.on('close', () => client.abort());
    const [route = '', query = ''] = (request.url ?? '').split(/\?(.*)/s);
    try {
      await engine.use(path, async (picture) => {
        const hash = createHash('sha256').update(`${picture.info.version} ${request.url}`).digest('base64url');
        const headers = { etag: `"${hash}"`, 'cache-control': 'public, max-age=3600' };
        const [level = 0, column = 0, row = 0] = query.split(',').map(Number);
        const { bytes, mediaType } =
          route === '/tile'
            ? await picture.tile({ level, column, row })
            : await picture.render(query, { signal: client.signal });
        response.writeHead(200, { ...headers, 'content-type': mediaType, 'content-length': bytes.length }).end(bytes);
      });
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  process.once('SIGTERM', () => {
    server.close(() => engine.close());
    server.closeAllConnections();
  });
  server.listen(port, '127.0.0.1');
}

/** @param {string} path @returns {Promise<Server>} */
async function startOurs(path) {
  const [port = 0] = await freePorts(1);
  return startNode([new URL(import.meta.url).pathname, '--serve', path, String(port)], port);
}

/**
 * Path and query of a request.
 * @param {Who} who @param {Work} work @param {string} path @param {number} last number of the largest resolution
 * @param {number} u @param {number} v
 */
function target(who, work, path, last, u, v) {
  if (work === 'c') {
    const left = Math.floor(u * (WIDTH - 3000));
    const top = Math.floor(v * (HEIGHT - 2250));
    if (who !== 'iipsrv') {
      const kernel = who === 'bilin' ? 'bilin' : 'sharp2';
      return `/view?rgn=${left},${top},3000,2250&wid=800&hei=600&qlt=${QUALITY}&resMode=${kernel}`;
    }
    const region = [left / WIDTH, top / HEIGHT, 3000 / WIDTH, 2250 / HEIGHT].map((part) => part.toFixed(8));
    return `/?FIF=${encodeURI(path)}&RGN=${region}&WID=800&HEI=600&QLT=${QUALITY}&CVT=jpeg`;
  }
  const column = Math.floor(u * Math.floor(WIDTH / TILE));
  const row = Math.floor(v * Math.floor(HEIGHT / TILE));
  if (who === 'iipsrv') {
    const tile = `${last},${row * Math.ceil(WIDTH / TILE) + column}`;
    return `/?FIF=${encodeURI(path)}${work === 'b' ? `&QLT=${QUALITY}` : ''}&JTL=${tile}`;
  }
  return work === 'a'
    ? `/tile?0,${column},${row}`
    : `/view?scl=1&rect=${column * TILE},${row * TILE},${TILE},${TILE}&qlt=${QUALITY}`;
}

/** @param {Server} server @param {(u: number, v: number) => string} path @param {Work} work @returns {Promise<Run>} */
async function one(server, path, work) {
  const next = random();
  const [width, height] = SIZES[work];
  /** @type {number[]} */
  const times = [];
  /** @type {Buffer[]} */
  const sample = [];
  let bytes = 0;
  /** @param {number} seconds */
  const run = async (seconds) => {
    const stop = performance.now() + seconds * 1000;
    const lane = async () => {
      while (performance.now() < stop) {
        const start = performance.now();
        const reply = await askPicture(server.port, path(next(), next()));
        times.push(performance.now() - start);
        bytes += reply.length;
        if (times.length % 97 === 1 && sample.length < 40) sample.push(reply);
      }
    };
    await Promise.all(Array.from({ length: FLIGHT }, lane));
  };
  // Code that is new to the process is slow at first, ours more than theirs; neither is what a server does all day.
  await run(Math.max(1, SECONDS / 5));
  times.length = 0;
  bytes = 0;
  const before = cpuSeconds(server.pids());
  const start = performance.now();
  await run(SECONDS);
  const seconds = (performance.now() - start) / 1000;
  const cpu = 1000 * (cpuSeconds(server.pids()) - before);
  for (const reply of sample) {
    const is = await sharp(reply).metadata();
    if (is.format !== 'jpeg' || is.width !== width || is.height !== height)
      throw new Error(`a reply is ${is.format} of ${is.width} × ${is.height}, not of ${width} × ${height}`);
  }
  times.sort((x, y) => x - y);
  return {
    rate: times.length / seconds,
    p50: Number(times[times.length >> 1]),
    p99: Number(times[Math.floor(times.length * 0.99)]),
    cpu: cpu / times.length,
    bytes: bytes / times.length,
  };
}

/** @param {number} rounds @param {readonly Work[]} works */
async function table(rounds, works) {
  const path = await pyramid();
  const engine = await Engine.start();
  const last = await engine.use(path, async ({ info }) => info.levels.length - 1);
  await engine.close();
  const ours = await startOurs(path);
  /** @type {Server | undefined} */
  let iipsrv;
  try {
    iipsrv = await startIipsrv({ caches: false });
    const servers = { ours, bilin: ours, iipsrv };
    const version = await serverName(iipsrv.port, target('iipsrv', 'b', path, last, 0, 0));
    console.log(
      `${machine()}, ${version} × ${availableParallelism()} behind nginx; ${FLIGHT} in flight, ${rounds} rounds of ${SECONDS} s, turn about; medians`,
    );
    for (const work of works) {
      const replies = await Promise.all(
        CONTENDERS[work].map((who) => askPicture(servers[who].port, target(who, work, path, last, 0.3, 0.7))),
      );
      const [first, theirs] = [replies[0], replies.at(-1)];
      if (first === undefined || theirs === undefined) throw new Error('nobody replied');
      const apart = await distance(first, theirs);
      if (apart > 6)
        throw new Error(`${work}: ours and iipsrv's pixels are ${apart.toFixed(1)} apart: not the same picture`);
      const stored = work === 'a' && first.subarray(-512).equals(theirs.subarray(-512));
      const note =
        work !== 'a' ? '' : stored ? '; iipsrv passes the stored tile on' : '; iipsrv decodes it and encodes it again';
      console.log(`${work}: pixels of ours and iipsrv's are ${apart.toFixed(2)} of 255 apart on average${note}`);
    }
    console.log(
      '\n| work | who | a second | p50 ms | p99 ms | server CPU ms each | KB each | **ours over it** | by CPU |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    );
    for (const work of works) {
      /** @type {Map<Who, Run[]>} */
      const runs = new Map(CONTENDERS[work].map((who) => [who, []]));
      for (let round = 0; round < rounds; round++)
        for (const [who, list] of runs)
          list.push(await one(servers[who], (u, v) => target(who, work, path, last, u, v), work));
      const base = runs.get('ours') ?? [];
      for (const [who, list] of runs) {
        const of = (/** @type {keyof Run} */ key) => median(list.map((run) => run[key]));
        const ratio = median(list.map((run, round) => Number(base[round]?.rate) / run.rate));
        const byCpu = median(list.map((run, round) => run.cpu / Number(base[round]?.cpu)));
        console.log(
          `| ${work} | ${who} | ${of('rate').toFixed(0)} | ${of('p50').toFixed(2)} | ${of('p99').toFixed(2)} | ${of('cpu').toFixed(2)} | ${(of('bytes') / 1000).toFixed(1)} | ${ratio.toFixed(2)} | ${byCpu.toFixed(2)} |`,
        );
      }
    }
  } finally {
    hangUp();
    await iipsrv?.close();
    await ours.close();
  }
}
