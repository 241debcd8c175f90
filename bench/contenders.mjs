/**
 * What the benchmarks over HTTP share: the pyramid they serve, servers to measure ours against, and the measuring of a
 * server from outside. Servers are processes of their own and do not outlive this one.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { connect, createServer } from 'node:net';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { Engine, VERSION } from '../dist/index.js';
import { source } from './sources.mjs';

export const WIDTH = 16000;
export const HEIGHT = 12000;
export const TILE = 256;
/** Quality of the stored tiles. */
export const STORED = 90;
/** iipsrv's program. */
export const IIPSRV = process.env.IIPSRV ?? '/usr/lib/iipimage-server/iipsrv.fcgi';

/** A server under measure; `pids` are all its processes. @typedef {{ port: number, pids: () => readonly number[], close: () => Promise<void> }} Server */

/** Clock ticks of `/proc` in a second. */
const TICKS = 100;
/** How long a server may take to listen. */
const START_MS = 20_000;

/** Servers that run. @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
/** Folders to remove. @type {Set<string>} */
const folders = new Set();

process.once('exit', () => {
  for (const child of running) child.kill('SIGTERM');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

/** Whether there is such a program. @param {string} program */
export function found(program) {
  const places = ['', ...(process.env.PATH ?? '').split(delimiter)];
  return places.some((place) => existsSync(place === '' ? resolve('/', program) : join(place, program)));
}

/** Says which of these programs are missing, and with which Debian packages they come; false when none is. @param {readonly string[]} programs */
export function skips(programs) {
  const missing = programs.filter((program) => !found(program));
  if (missing.length > 0)
    console.log(`skipped: ${missing.join(' and ')} not found (Debian has iipimage-server, nginx and wrk)`);
  return missing.length > 0;
}

/** Processors, memory and versions, in a line. */
export function machine() {
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${cpus().length} × ${cpus()[0]?.model}, ${memory} GiB; Node ${process.version}, pyramidion ${VERSION}`;
}

/** A 192-MP JPEG pyramid of ours, made when it is not there yet. @returns its path */
export async function pyramid() {
  const input = await source('jpeg', WIDTH, HEIGHT);
  const path = input.replace(/\.jpg$/, '-pyramid.tif');
  if (!existsSync(path)) {
    const engine = await Engine.start();
    await engine.build(input, path, { compression: 'jpeg', quality: STORED, keep: { profile: false } });
    await engine.close();
  }
  return path;
}

/** A folder that goes when this process does. @param {string} name */
export function temporaryFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `pyramidion-${name}-`));
  folders.add(folder);
  return folder;
}

/**
 * Runs one of our servers, which listens at `port`.
 * @param {readonly string[]} args of `node` @param {number} port @returns {Promise<Server>}
 */
export async function startNode(args, port) {
  const child = kept(spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] }));
  // What a server says of itself is not ours to show; what goes wrong is.
  createInterface({ input: child.stderr }).on(
    'line',
    (line) => / (INFO|STATS) | alert /.test(line) || console.error(line),
  );
  const close = () => end(child);
  await reachableOrClosed([child], port, close);
  return { port, pids: () => family(Number(child.pid)), close };
}

const CLI = new URL('../dist/cli.js', import.meta.url).pathname;

/**
 * `pyramidion serve` of a folder. Its caches and logs are in a folder of its own; it writes no logs unless `settings` say so.
 * @param {string} root @param {Readonly<Record<string, Readonly<Record<string, unknown>>>>} settings by section, as in docs/settings.md
 * @param {number} processes @returns {Promise<Server>}
 */
export async function startOurs(root, settings, processes = 1) {
  const folder = temporaryFolder('ours');
  const config = join(folder, 'config.json');
  writeFileSync(
    config,
    JSON.stringify({
      ...settings,
      PlatformServer: { 'Cache roots': [join(folder, 'cache')], ...settings.PlatformServer },
      Server: { catalogFolder: join(folder, 'catalog'), ...settings.Server },
      Log: { folder: '', ...settings.Log },
    }),
  );
  const [port = 0] = await freePorts(1);
  const args = ['serve', root, '--port', String(port), '--processes', String(processes), '--config', config];
  const server = await startNode([CLI, ...args], port);
  const close = async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...server, close };
}

/**
 * nginx with what a `server` block may hold and what stands beside it.
 * @param {{ workers: number, server: string, beside?: string }} parts @returns {Promise<Server>}
 */
export async function startNginx({ workers, server, beside = '' }) {
  const folder = temporaryFolder('nginx');
  const [port = 0] = await freePorts(1);
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes ${workers}; pid ${folder}/nginx.pid; error_log stderr crit;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; tcp_nodelay on;
  client_body_temp_path ${folder}/body; fastcgi_temp_path ${folder}/fastcgi; proxy_temp_path ${folder}/proxy;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  ${beside}
  server {
    listen 127.0.0.1:${port} backlog=1024;
    ${server}
  }
}
`,
  );
  const child = kept(
    spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: ['ignore', 'ignore', 'inherit'] }),
  );
  const close = async () => {
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  await reachableOrClosed([child], port, close);
  return { port, pids: () => family(Number(child.pid)), close };
}

/**
 * iipsrv behind nginx: as many processes as there are processors, as each has one thread. Without `caches` it keeps neither
 * tiles nor replies; with them, as much as it does by default.
 * @param {{ caches: boolean }} options @returns {Promise<Server>}
 */
export async function startIipsrv({ caches }) {
  const folder = temporaryFolder('iipsrv');
  // Tiles asked for without a quality are of the stored one, so that a version that passes stored tiles on may do so.
  const env = {
    ...process.env,
    ...(caches ? {} : { MAX_IMAGE_CACHE_SIZE: '0', MEMCACHED_SERVERS: '' }),
    FILESYSTEM_PREFIX: '/',
    MAX_CVT: '20000',
    JPEG_QUALITY: String(STORED),
    ALLOW_UPSCALING: '1',
    INTERPOLATION: '1',
    OMP_NUM_THREADS: '1',
  };
  const ports = await freePorts(availableParallelism());
  const children = ports.map((port) =>
    kept(spawn(IIPSRV, ['--bind', `127.0.0.1:${port}`], { env, stdio: 'ignore', cwd: folder })),
  );
  const closeWorkers = async () => {
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true, force: true });
  };
  for (const port of ports) await reachableOrClosed(children, port, closeWorkers);
  try {
    // A process serves one connection at a time: they must not be kept.
    const nginx = await startNginx({
      workers: 1,
      beside: `upstream iipsrv { least_conn; ${ports.map((port) => `server 127.0.0.1:${port} max_fails=0;`).join(' ')} }`,
      server: `location / {
      fastcgi_pass iipsrv; fastcgi_buffers 64 16k; fastcgi_max_temp_file_size 0;
      fastcgi_param QUERY_STRING $query_string; fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param REQUEST_URI $request_uri; fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param HTTP_HOST $http_host;
    }`,
    });
    return {
      port: nginx.port,
      pids: () => [...nginx.pids(), ...children.map(({ pid }) => Number(pid))],
      close: async () => {
        await nginx.close();
        await closeWorkers();
      },
    };
  } catch (error) {
    await closeWorkers();
    throw error;
  }
}

/** @param {number} count */
export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
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

/** A process and all that descend from it. @param {number} pid @returns {readonly number[]} */
function family(pid) {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(family)];
}

/** CPU seconds that processes have used so far. @param {readonly number[]} pids */
export function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS;
}

/** Bytes of memory that processes hold, shared pages counted once for each. @param {readonly number[]} pids */
export function residentBytes(pids) {
  let kilobytes = 0;
  for (const pid of pids)
    kilobytes += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
  return kilobytes * 1024;
}

/** @typedef {{ status: number, headers: readonly string[], body: Buffer }} Reply */

const agent = new Agent({ keepAlive: true, maxSockets: 8 });

/** Any reply, whatever its status; `headers` are names and values in turn. @param {number} port @param {string} path @returns {Promise<Reply>} */
export function ask(port, path) {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      /** @type {Buffer[]} */
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () =>
        resolve({ status: Number(response.statusCode), headers: response.rawHeaders, body: Buffer.concat(parts) }),
      );
      response.on('error', reject);
    }).on('error', reject);
  });
}

/** The bytes of a reply that has to be a picture. @param {number} port @param {string} path */
export async function askPicture(port, path) {
  const { status, headers, body } = await ask(port, path);
  const type = String(headers[headers.findIndex((name) => name.toLowerCase() === 'content-type') + 1]);
  if (status !== 200 || !type.startsWith('image/'))
    throw new Error(`${status} ${type} for ${path}: ${body.toString('latin1').slice(0, 200)}`);
  return body;
}

/** What a server calls itself. @param {number} port @param {string} path */
export async function serverName(port, path) {
  const { headers } = await ask(port, path);
  return String(headers[headers.findIndex((name) => name.toLowerCase() === 'server') + 1]);
}

/** Closes the connections of {@link ask}. */
export function hangUp() {
  agent.destroy();
}

/** Mean distance of the pixels of two pictures of one size. @param {Buffer} left @param {Buffer} right */
export async function distance(left, right) {
  const [x, y] = await Promise.all([left, right].map((bytes) => sharp(bytes).raw().toBuffer()));
  if (x === undefined || y === undefined || x.length !== y.length) throw new Error('replies differ in size');
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.abs(Number(x[i]) - Number(y[i]));
  return sum / x.length;
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((x, y) => x - y);
  return Number(sorted[sorted.length >> 1]);
}

/** Numbers from 0 to 1, the same in every run. */
export function random() {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * A process that does not outlive this one.
 * @template {import('node:child_process').ChildProcess} Child
 * @param {Child} child
 */
export function kept(child) {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** @param {import('node:child_process').ChildProcess} child */
export async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 3000);
  await gone;
  clearTimeout(force);
}

/** Until a port answers, or one of the processes behind it ends. @param {readonly import('node:child_process').ChildProcess[]} children @param {number} port @param {() => Promise<void>} close */
async function reachableOrClosed(children, port, close) {
  const stop = performance.now() + START_MS;
  while (performance.now() < stop && children.every(({ exitCode }) => exitCode === null)) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.once('connect', () => socket.end());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await close();
  throw new Error(`nothing listens at port ${port}`);
}
