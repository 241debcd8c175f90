/**
 * Pyramidion beside iipsrv, over HTTP, on the same JPEG pyramid: (a) stored tiles, (b) tiles encoded again, and
 * (c) 800 × 600 renditions of 3000 × 2250 regions. Ours is one process of `node:http` around the engine; iipsrv is as many
 * processes as there are processors (each has one thread) behind nginx, without its cache. Both are asked the same, turn about;
 * ratios are round by round. `node bench/iipsrv.mjs [rounds] [a b c …]`, after `npm ci`. `SECONDS_EACH` (5) is how long
 * a round of one contender takes, `IIPSRV` where its program is.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, get } from 'node:http';
import { connect, createServer as listener } from 'node:net';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import sharp from 'sharp';
import { Engine, VERSION } from '../dist/index.js';
import { source } from './sources.mjs';

const WIDTH = 16000;
const HEIGHT = 12000;
const TILE = 256;
const QUALITY = 80;
/** That of the stored tiles. */
const STORED = 90;
const FLIGHT = 8;
const SECONDS = Number(process.env.SECONDS_EACH ?? 5);
const IIPSRV = process.env.IIPSRV ?? '/usr/lib/iipimage-server/iipsrv.fcgi';

/** @typedef {'a' | 'b' | 'c'} Work */
/** @typedef {'ours' | 'bilin' | 'iipsrv'} Who */
/** @typedef {{ rate: number, p50: number, p99: number, cpu: number, bytes: number }} Run */
/** @typedef {{ port: number, pids: () => readonly number[], close: () => Promise<void> }} Server */

/** @type {Readonly<Record<Work, readonly Who[]>>} */
const CONTENDERS = { a: ['ours', 'iipsrv'], b: ['ours', 'iipsrv'], c: ['ours', 'bilin', 'iipsrv'] };
/** Size of every reply. */
const SIZES = { a: [TILE, TILE], b: [TILE, TILE], c: [800, 600] };

const agent = new Agent({ keepAlive: true, maxSockets: FLIGHT });
/** Servers that run. @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

if (process.argv[2] === '--serve') {
  await serve(String(process.argv[3]));
} else {
  const missing = [IIPSRV, 'nginx'].filter((program) => !found(program));
  process.once('exit', () => {
    for (const child of running) child.kill('SIGTERM');
  });
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  if (missing.length > 0) {
    console.log(`skipped: ${missing.join(' and ')} not found (Debian has them as iipimage-server and nginx)`);
  } else {
    const works = /** @type {Work[]} */ (process.argv.length > 3 ? process.argv.slice(3) : ['a', 'b', 'c']);
    await table(Number(process.argv[2] ?? 5), works);
  }
}

/** Whether there is such a program. @param {string} program */
function found(program) {
  const folders = ['', ...(process.env.PATH ?? '').split(delimiter)];
  return folders.some((folder) => existsSync(folder === '' ? resolve('/', program) : join(folder, program)));
}

/** A 192-MP JPEG pyramid of ours, made when it is not there yet. */
async function pyramid() {
  const input = await source('jpeg', WIDTH, HEIGHT);
  const path = input.replace(/\.jpg$/, '-pyramid.tif');
  if (!existsSync(path)) {
    const engine = await Engine.start();
    await engine.build(input, path, { compression: 'jpeg', quality: STORED, keep: { profile: false } });
    await engine.close();
  }
  return path;
}

/** Our server: `/view?<query>` and `/tile?<level>,<column>,<row>` of one file, as in docs/serving.md. @param {string} path */
async function serve(path) {
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
  server.listen(0, '127.0.0.1', () =>
    console.log(/** @type {import('node:net').AddressInfo} */ (server.address()).port),
  );
}

/** @param {string} path @returns {Promise<Server>} */
async function startOurs(path) {
  const child = kept(
    spawn(process.execPath, [new URL(import.meta.url).pathname, '--serve', path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  const port = await new Promise((resolve, reject) => {
    child.stdout.once('data', (data) => resolve(Number(data)));
    child.once('exit', (code) => reject(new Error(`our server ended with ${code}`)));
  });
  return { port, pids: () => [Number(child.pid)], close: () => end(child) };
}

/** @returns {Promise<Server>} */
async function startIipsrv() {
  const folder = mkdtempSync(join(tmpdir(), 'pyramidion-iipsrv-'));
  const ports = await freePorts(availableParallelism() + 1);
  const [port, ...workers] = ports;
  // No cache of its own, and none by memcached, as we have none. Tiles asked for without a quality are of the stored
  // one, so that a version that passes stored tiles on may do so.
  const env = {
    ...process.env,
    FILESYSTEM_PREFIX: '/',
    MAX_IMAGE_CACHE_SIZE: '0',
    MEMCACHED_SERVERS: '',
    MAX_CVT: '20000',
    JPEG_QUALITY: String(STORED),
    ALLOW_UPSCALING: '1',
    INTERPOLATION: '1',
    OMP_NUM_THREADS: '1',
  };
  const children = workers.map((worker) =>
    kept(spawn(IIPSRV, ['--bind', `127.0.0.1:${worker}`], { env, stdio: 'ignore', cwd: folder })),
  );
  // A process serves one connection at a time: they must not be kept.
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body; fastcgi_temp_path ${folder}/fastcgi; proxy_temp_path ${folder}/proxy;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream iipsrv { least_conn; ${workers.map((worker) => `server 127.0.0.1:${worker} max_fails=0;`).join(' ')} }
  server {
    listen 127.0.0.1:${port};
    location / {
      fastcgi_pass iipsrv; fastcgi_buffers 64 16k; fastcgi_max_temp_file_size 0; tcp_nodelay on;
      fastcgi_param QUERY_STRING $query_string; fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param REQUEST_URI $request_uri; fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param HTTP_HOST $http_host;
    }
  }
}
`,
  );
  const nginx = kept(
    spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  );
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  const close = async () => {
    await Promise.all([nginx, ...children].map(end));
    remove();
  };
  try {
    await Promise.all(ports.map(reachable));
  } catch (error) {
    await close();
    throw error;
  }
  const pids = () => {
    const id = Number(nginx.pid);
    const inner = readFileSync(`/proc/${id}/task/${id}/children`, 'latin1')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
    return [id, ...inner, ...children.map(({ pid }) => Number(pid))];
  };
  return { port: Number(port), pids, close };
}

/**
 * A server that does not outlive this process.
 * @template {import('node:child_process').ChildProcess} Child
 * @param {Child} child
 */
function kept(child) {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** @param {import('node:child_process').ChildProcess} child */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 3000);
  await gone;
  clearTimeout(force);
}

/** @param {number} count */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = listener();
      await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      await new Promise((resolve) => server.close(resolve));
      return port;
    }),
  );
}

/** @param {number} port */
async function reachable(port) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.once('connect', () => socket.end());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens at port ${port}`);
}

/** Numbers from 0 to 1 that are the same for every contender. */
function random() {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
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

/** @param {number} port @param {string} path @returns {Promise<Buffer>} */
function ask(port, path) {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      /** @type {Buffer[]} */
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(parts);
        if (response.statusCode === 200 && bytes.readUInt16BE(0) === 0xffd8) resolve(bytes);
        else reject(new Error(`${path}: ${response.statusCode}, ${bytes.toString('latin1', 0, 200)}`));
      });
    }).on('error', reject);
  });
}

/** Processor time of processes in ms, from their start. @param {readonly number[]} pids */
function used(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  // Linux counts these in hundredths of a second on all its usual platforms.
  return ticks * 10;
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
        const reply = await ask(server.port, path(next(), next()));
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
  const before = used(server.pids());
  const start = performance.now();
  await run(SECONDS);
  const seconds = (performance.now() - start) / 1000;
  const cpu = used(server.pids()) - before;
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

/** Mean distance of the pixels of two JPEGs of one size. @param {Buffer} left @param {Buffer} right */
async function distance(left, right) {
  const [x, y] = await Promise.all([left, right].map((bytes) => sharp(bytes).raw().toBuffer()));
  if (x === undefined || y === undefined || x.length !== y.length) throw new Error('replies differ in size');
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.abs(Number(x[i]) - Number(y[i]));
  return sum / x.length;
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
    iipsrv = await startIipsrv();
    const servers = { ours, bilin: ours, iipsrv };
    const version = await serverHeader(iipsrv.port, target('iipsrv', 'b', path, last, 0, 0));
    console.log(
      `${cpus().length} × ${cpus()[0]?.model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}, pyramidion ${VERSION}, ${version} × ${availableParallelism()} behind nginx; ${FLIGHT} in flight, ${rounds} rounds of ${SECONDS} s, turn about; medians`,
    );
    for (const work of works) {
      const replies = await Promise.all(
        CONTENDERS[work].map((who) => ask(servers[who].port, target(who, work, path, last, 0.3, 0.7))),
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
    agent.destroy();
    await iipsrv?.close();
    await ours.close();
  }
}

/** What a server calls itself. @param {number} port @param {string} path @returns {Promise<string>} */
function serverHeader(port, path) {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path }, (response) => {
      response.resume();
      resolve(String(response.headers.server));
    }).on('error', reject);
  });
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = [...values].sort((x, y) => x - y);
  return Number(sorted[sorted.length >> 1]);
}
