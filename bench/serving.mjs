/**
 * The image server beside others, over HTTP on loopback, asked by wrk at concurrency 1, 8 and 64: (a) stored tiles of a
 * 192-MP JPEG pyramid, random ones of 2000 of all its levels; (b) one kept reply of 40 KB, 800 × 600; (c) one of 6 KB.
 * Beside it: nginx with the same bytes as files, iipsrv behind nginx, as many processes as processors, with its caches, and
 * a bare `node:http` server whose reply never changes. All are asked the same, turn about; ratios are round by round.
 * `node bench/serving.mjs [rounds] [a b c …]`, after `npm run build`. `SECONDS_EACH` (3) is how long a round of one
 * contender takes, `IIPSRV` where its program is. A run in which anything but the right reply comes fails.
 */
import { execFile } from 'node:child_process';
import cluster from 'node:cluster';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Engine } from '../dist/index.js';
import {
  ask,
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
  startNginx,
  startNode,
  startOurs,
  TILE,
  temporaryFolder,
  WIDTH,
} from './contenders.mjs';

const SECONDS = Number(process.env.SECONDS_EACH ?? 3);
const CONCURRENCY = [1, 8, 64];
const TILES = 2000;
/** Tiles that are looked at before anything is timed. */
const SAMPLE = 24;
/**
 * Code that is new to a process is slow: before it is measured each contender runs for so many seconds, and again until it was
 * asked for each tile so often, but no more than so many times.
 */
const WARM_UP_S = 2;
const WARM_UP_EACH = 20;
const WARM_UP_LOADS = 10;

/** @typedef {'a' | 'b' | 'c'} Question */
/** @typedef {import('./contenders.mjs').Server} Server */
/** A server and the paths it is asked for, in the order of the question. @typedef {{ who: string, server: Server, paths: readonly string[] }} Contender */
/** @typedef {{ rate: number, p50: number, p99: number, cpu: number, bytes: number }} Run */
/** A comparison: `left`'s requests/s over `right`'s, and what is hoped for. @typedef {{ left: string, right: string, aim: number }} Aim */

/** @type {Readonly<Record<Question, { title: string, aims: readonly Aim[] }>>} */
const QUESTIONS = {
  a: {
    title: `stored tiles, ${TILES} of them at random`,
    aims: [
      { left: 'ours', right: 'iipsrv', aim: 1.5 },
      { left: 'ours, kept', right: 'iipsrv', aim: 1.5 },
      { left: 'ours × 2', right: 'iipsrv', aim: 2.4 },
      { left: 'ours × 2, kept', right: 'iipsrv', aim: 2.4 },
    ],
  },
  b: { title: 'a kept reply, 800 × 600', aims: [{ left: 'ours, kept', right: 'bare', aim: 0.8 }] },
  c: { title: 'a kept reply, 240 × 180', aims: [{ left: 'ours, kept', right: 'bare', aim: 0.8 }] },
};
/** The renditions of (b) and (c): of 40 and 6 KB. */
const RENDITIONS = { b: { wid: 800, hei: 600, qlt: 40 }, c: { wid: 240, hei: 180, qlt: 40 } };

/** wrk's script: asks for the paths of a file at random, always in the same order; says what came of it as JSON. */
const SCRIPT = `
local requests = {}
function init(args)
  math.randomseed(42)
  for path in io.lines(args[1]) do requests[#requests + 1] = wrk.format('GET', path) end
end
function request() return requests[math.random(#requests)] end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%d,"us":%d,"bytes":%d,"p50":%d,"p99":%d,"errors":%d}\\n', summary.requests,
    summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;

if (process.argv[2] === '--bare') {
  bare(Number(process.argv[3]), String(process.argv[4]), Number(process.argv[5]));
} else if (!skips([IIPSRV, 'nginx', 'wrk'])) {
  const questions = /** @type {Question[]} */ (process.argv.length > 3 ? process.argv.slice(3) : ['a', 'b', 'c']);
  await measure(Number(process.argv[2] ?? 5), questions);
}

/**
 * A server that answers everything with one reply, of a folder's `head` and `body`.
 * @param {number} port @param {string} folder @param {number} processes
 */
function bare(port, folder, processes) {
  if (processes > 1 && cluster.isPrimary) {
    for (let i = 0; i < processes; i++) cluster.fork();
    return;
  }
  const head = JSON.parse(readFileSync(join(folder, 'head'), 'utf8'));
  const body = readFileSync(join(folder, 'body'));
  createServer((_, response) => {
    response.writeHead(200, head);
    response.end(body);
  }).listen(port, '127.0.0.1');
}

/** @param {number} rounds @param {readonly Question[]} questions */
async function measure(rounds, questions) {
  const path = await pyramid();
  const folder = temporaryFolder('serving');
  writeFileSync(join(folder, 'wrk.lua'), SCRIPT);
  /** @type {Map<string, Server>} */
  const servers = new Map();
  try {
    const root = dirname(path);
    servers.set('ours', await startOurs(root, { PlatformServer: { 'Cache enabled': false } }));
    servers.set('ours × 2', await startOurs(root, { PlatformServer: { 'Cache enabled': false } }, 2));
    servers.set('ours, kept', await startOurs(root, {}));
    servers.set('ours × 2, kept', await startOurs(root, {}, 2));
    servers.set('ours, kept and logged', await startOurs(root, { Log: { folder: join(folder, 'logs') } }));
    servers.set('iipsrv', await startIipsrv({ caches: true }));
    servers.set('nginx', await startFiles(folder));
    const name = await serverName(Number(servers.get('iipsrv')?.port), `/?FIF=${encodeURI(path)}&JTL=0,0`);
    const { stderr, stdout } = await promisify(execFile)('nginx', ['-v']);
    const nginx = `${stdout}${stderr}`.trim().replace(/^.*: /, '');
    console.log(
      `${machine()}, ${name} × ${availableParallelism()} behind nginx, ${nginx} × ${availableParallelism()} with files; wrk with one thread on the same machine; ${rounds} rounds of ${SECONDS} s, turn about; medians; \`SECONDS_EACH=${SECONDS} node bench/serving.mjs ${rounds} ${questions.join(' ')}\``,
    );
    for (const question of questions) {
      const contenders =
        question === 'a' ? await tiles(path, servers, folder) : await rendition(question, path, servers, folder);
      await table(question, contenders, rounds, folder);
    }
  } finally {
    hangUp();
    for (const server of servers.values()) await server.close();
  }
}

/** nginx with the files that are written to `folder/files`. @param {string} folder */
function startFiles(folder) {
  mkdirSync(join(folder, 'files'));
  return startNginx({
    workers: availableParallelism(),
    beside: `types { image/jpeg jpg; } sendfile on; tcp_nopush on; open_file_cache max=${2 * TILES}; open_file_cache_valid 1h;`,
    server: `root ${join(folder, 'files')}; expires 10h;`,
  });
}

/**
 * The contenders of (a), after a look at what they answer: our tiles are the stored bytes, those of nginx the same, and
 * those of iipsrv the same picture.
 * @param {string} path @param {ReadonlyMap<string, Server>} servers @param {string} folder @returns {Promise<readonly Contender[]>}
 */
async function tiles(path, servers, folder) {
  const list = chooseTiles();
  const ours = list.map(
    ({ level, column, row }) =>
      `/is/image/${basename(path)}?scl=${2 ** level}&rect=${column * TILE},${row * TILE},${TILE},${TILE}`,
  );
  const engine = await Engine.start();
  /** @type {readonly string[]} */
  const theirs = await engine.use(path, async ({ info }) =>
    list.map(({ level, column, row }) => {
      const across = Math.ceil(Number(info.levels[level]?.width) / TILE);
      return `/?FIF=${encodeURI(path)}&JTL=${info.levels.length - 1 - level},${row * across + column}`;
    }),
  );
  const files = list.map((_, i) => `/tile-${i}.jpg`);
  const contenders = contendersOf(servers, { ours, iipsrv: theirs, nginx: files });
  const port = Number(servers.get('ours')?.port);
  let bytes = 0;
  let apart = 0;
  let isPassed = true;
  for (const [i, tile] of list.entries()) {
    const body = await askPicture(port, String(ours[i]));
    writeFileSync(join(folder, 'files', `tile-${i}.jpg`), body);
    bytes += body.length;
    if (i >= SAMPLE) continue;
    const stored = await engine.use(path, (picture) => picture.tile(tile));
    if (!body.subarray(-512).equals(stored.bytes.subarray(-512))) throw new Error(`${ours[i]} is not the stored tile`);
    const other = await askPicture(Number(servers.get('iipsrv')?.port), String(theirs[i]));
    apart = Math.max(apart, await distance(body, other));
    isPassed &&= body.subarray(-512).equals(other.subarray(-512));
  }
  await engine.close();
  if (apart > 6) throw new Error(`our tiles and iipsrv's are ${apart.toFixed(1)} apart: not the same pictures`);
  const way = isPassed ? 'passes the stored tiles on' : 'decodes them and encodes them again';
  console.log(
    `\na: tiles of ${(bytes / TILES / 1000).toFixed(1)} KB; iipsrv ${way}, its pixels are ${apart.toFixed(2)} apart`,
  );
  const reply = await ask(port, String(ours[0]));
  return [
    ...contenders,
    ...(await bareOnes(reply.headers, Buffer.alloc(Math.round(bytes / TILES), 1), servers, folder, 'a')),
  ];
}

/** Different tiles of all levels, none of them cut by an edge, the same ones in every run. */
function chooseTiles() {
  const all = [];
  for (let level = 0; HEIGHT >> level >= TILE; level++)
    for (let row = 0; (row + 1) * TILE <= HEIGHT >> level; row++)
      for (let column = 0; (column + 1) * TILE <= WIDTH >> level; column++) all.push({ level, column, row });
  const next = random();
  return all
    .map((tile) => ({ tile, rank: next() }))
    .sort((left, right) => left.rank - right.rank)
    .slice(0, TILES)
    .map(({ tile }) => tile);
}

/**
 * The contenders of (b) or (c), after a look at what they answer.
 * @param {'b' | 'c'} question @param {string} path @param {ReadonlyMap<string, Server>} servers @param {string} folder
 * @returns {Promise<readonly Contender[]>}
 */
async function rendition(question, path, servers, folder) {
  const { wid, hei, qlt } = RENDITIONS[question];
  const ours = `/is/image/${basename(path)}?wid=${wid}&hei=${hei}&qlt=${qlt}`;
  const theirs = `/?FIF=${encodeURI(path)}&WID=${wid}&HEI=${hei}&QLT=${qlt}&CVT=jpeg`;
  const reply = await ask(Number(servers.get('ours, kept')?.port), ours);
  writeFileSync(join(folder, 'files', `${question}.jpg`), reply.body);
  const apart = await distance(reply.body, await askPicture(Number(servers.get('iipsrv')?.port), theirs));
  if (apart > 6) throw new Error(`our picture and iipsrv's are ${apart.toFixed(1)} apart: not the same`);
  console.log(
    `\n${question}: a reply of ${(reply.body.length / 1000).toFixed(1)} KB with ${reply.headers.length / 2} headers; iipsrv keeps no replies, its pixels are ${apart.toFixed(2)} apart`,
  );
  const kept = new Map([...servers].filter(([who]) => !['ours', 'ours × 2'].includes(who)));
  return [
    ...contendersOf(kept, { ours: [ours], iipsrv: [theirs], nginx: [`/${question}.jpg`] }),
    ...(await bareOnes(reply.headers, reply.body, servers, folder, question)),
  ];
}

/** @param {ReadonlyMap<string, Server>} servers @param {{ ours: readonly string[], iipsrv: readonly string[], nginx: readonly string[] }} paths @returns {Contender[]} */
function contendersOf(servers, paths) {
  return [...servers].flatMap(([who, server]) => {
    if (who.startsWith('bare')) return [];
    return [{ who, server, paths: who === 'nginx' || who === 'iipsrv' ? paths[who] : paths.ours }];
  });
}

/**
 * Bare servers, of one and of two processes, that answer with these bytes and as many headers as ours does.
 * @param {readonly string[]} headers @param {Buffer} body @param {ReadonlyMap<string, Server>} servers @param {string} folder
 * @param {string} name @returns {Promise<Contender[]>}
 */
async function bareOnes(headers, body, servers, folder, name) {
  const place = join(folder, `bare-${name}`);
  mkdirSync(place);
  // Node adds these by itself.
  const own = ['date', 'connection', 'keep-alive'];
  const head = headers.flatMap((text, i) =>
    i % 2 === 1 || own.includes(text.toLowerCase())
      ? []
      : [text, text.toLowerCase() === 'content-length' ? String(body.length) : String(headers[i + 1])],
  );
  writeFileSync(join(place, 'head'), JSON.stringify(head));
  writeFileSync(join(place, 'body'), body);
  const contenders = [];
  for (const processes of [1, 2]) {
    const [port = 0] = await freePorts(1);
    const server = await startNode(
      [new URL(import.meta.url).pathname, '--bare', String(port), place, String(processes)],
      port,
    );
    /** @type {Map<string, Server>} */ (servers).set(`bare-${name}-${processes}`, server);
    contenders.push({ who: processes === 1 ? 'bare' : `bare × ${processes}`, server, paths: ['/'] });
  }
  return contenders;
}

/** @param {Question} question @param {readonly Contender[]} contenders @param {number} rounds @param {string} folder */
async function table(question, contenders, rounds, folder) {
  const { title, aims } = QUESTIONS[question];
  const base = question === 'a' ? 'ours' : 'ours, kept';
  for (const contender of contenders) {
    for (const path of contender.paths) await askPicture(contender.server.port, path);
    // Until each of its processes has had all of it, so that what keeps replies has them.
    let asked = 0;
    for (let i = 0; i < WARM_UP_LOADS && asked < WARM_UP_EACH * contender.paths.length; i++)
      asked += WARM_UP_S * (await load(contender, 8, WARM_UP_S, folder)).rate;
  }
  console.log(
    `\n| ${title} | clients | requests/s | p50 ms | p99 ms | server CPU µs each | KB each | **${base} over it** | by CPU |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |`,
  );
  /** @type {string[]} */
  const verdicts = [];
  for (const clients of CONCURRENCY) {
    /** @type {Map<string, Run[]>} */
    const runs = new Map(contenders.map(({ who }) => [who, []]));
    for (let round = 0; round < rounds; round++)
      for (const contender of contenders)
        runs.get(contender.who)?.push(await load(contender, clients, SECONDS, folder));
    /** @param {string} left @param {string} right @param {'rate' | 'cpu'} key */
    const ratios = (left, right, key) =>
      (runs.get(left) ?? []).map((run, round) => run[key] / Number(runs.get(right)?.[round]?.[key]));
    for (const [who, list] of runs) {
      const of = (/** @type {keyof Run} */ key) => median(list.map((run) => run[key]));
      console.log(
        `| ${who} | ${clients} | ${of('rate').toFixed(0)} | ${(of('p50') / 1000).toFixed(2)} | ${(of('p99') / 1000).toFixed(2)} | ${of('cpu').toFixed(1)} | ${(of('bytes') / 1000).toFixed(1)} | ${median(ratios(base, who, 'rate')).toFixed(2)} | ${median(ratios(who, base, 'cpu')).toFixed(2)} |`,
      );
    }
    for (const { left, right, aim } of aims) {
      const all = ratios(left, right, 'rate');
      const [low, high] = [Math.min(...all), Math.max(...all)].map((ratio) => ratio.toFixed(2));
      const verdict = median(all) >= aim ? 'reached' : 'missed';
      verdicts.push(
        `${left} over ${right}, ${clients} clients: ${median(all).toFixed(2)} (${low}–${high}), aim ${aim}: ${verdict}`,
      );
    }
  }
  console.log(`\n${verdicts.map((line) => `- ${line}`).join('\n')}`);
}

/**
 * wrk for some seconds.
 * @param {Contender} contender @param {number} clients @param {number} seconds @param {string} folder @returns {Promise<Run>}
 */
async function load({ who, server, paths }, clients, seconds, folder) {
  const list = join(folder, 'paths');
  writeFileSync(list, `${paths.join('\n')}\n`);
  const pids = server.pids();
  const before = cpuSeconds(pids);
  const { stdout } = await promisify(execFile)('wrk', [
    ...['-t1', `-c${clients}`, `-d${seconds}s`, '-s', join(folder, 'wrk.lua')],
    ...[`http://127.0.0.1:${server.port}`, '--', list],
  ]);
  const cpu = cpuSeconds(pids) - before;
  const said = JSON.parse(stdout.slice(stdout.lastIndexOf('\n{')));
  if (said.errors > 0 || said.requests === 0) throw new Error(`${who}: ${said.errors} errors of wrk\n${stdout}`);
  return {
    rate: said.requests / (said.us / 1e6),
    p50: said.p50,
    p99: said.p99,
    cpu: (cpu / said.requests) * 1e6,
    bytes: said.bytes / said.requests,
  };
}
