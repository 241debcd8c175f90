/**
 * The clients of `overload.mjs`, in a process of their own so that their work does not delay what is measured there: each
 * keeps its connection, has one request under way, and leaves when time is up, whatever it waits for.
 * `node bench/clients.mjs <port> </is/image/path> <clients> <seconds> <at once | as told>` prints what they got as JSON.
 */
import { connect } from 'node:net';
import { HEIGHT, random, WIDTH } from './contenders.mjs';

/** Edge of the renditions that are asked for. */
export const EDGE = 2000;
/** Edge of the region one shows, at full resolution. */
const REGION = 4000;
/** Who has waited so long for a reply was left alone. */
export const TIMEOUT_MS = 10_000;
/** After a connection was closed, the next one is opened so much later. */
const REOPEN_MS = 100;

/** When a client that was put off comes again. @typedef {'at once' | 'as told'} Retry */
/**
 * What the clients got. `broken` are replies that ended early or were no whole JPEG, and connections that were refused; `bare`
 * are 503s without `Retry-After`. Times are those of 200s.
 * @typedef {{ done: number, busy: number, other: number, timeouts: number, broken: number, bare: number, p50: number, p99: number, seconds: number }} Replies
 */

/** A query that was not asked before; no cache keeps the reply. @param {() => number} next */
export function queryOf(next) {
  const x = Math.floor(next() * (WIDTH - REGION));
  const y = Math.floor(next() * (HEIGHT - REGION));
  return `rgn=${x},${y},${REGION},${REGION}&wid=${EDGE}&hei=${EDGE}&cache=off`;
}

/** @param {readonly number[]} values @param {number} part */
export function percentile(values, part) {
  const sorted = [...values].sort((x, y) => x - y);
  return Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN);
}

/**
 * @param {number} port @param {string} image @param {number} clients @param {number} seconds @param {boolean} isAtOnce
 * @returns {Promise<Replies>}
 */
async function load(port, image, clients, seconds, isAtOnce) {
  const replies = { done: 0, busy: 0, other: 0, timeouts: 0, broken: 0, bare: 0 };
  /** @type {number[]} */
  const times = [];
  const next = random();
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  let isOver = false;

  const open = () => {
    const socket = connect(port, '127.0.0.1');
    sockets.add(socket);
    const reader = new ReplyReader();
    let asked = 0;
    let isWaiting = true;
    const send = () => {
      if (isOver || socket.destroyed) return;
      asked = performance.now();
      isWaiting = true;
      socket.setTimeout(TIMEOUT_MS);
      socket.write(`GET ${image}?${queryOf(next)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    };
    socket.on('connect', send);
    socket.on('data', (part) => {
      const reply = reader.read(part);
      if (reply === null) return;
      isWaiting = false;
      socket.setTimeout(0);
      if (reply.status === 200 && reply.isJpeg) {
        replies.done += 1;
        times.push(performance.now() - asked);
      } else if (reply.status === 200) replies.broken += 1;
      else if (reply.status === 503) replies.busy += 1;
      else replies.other += 1;
      if (reply.status === 503 && reply.retryS === null) replies.bare += 1;
      if (reply.status === 200 || isAtOnce) send();
      else setTimeout(send, 1000 * (reply.retryS ?? 1));
    });
    socket.on('timeout', () => {
      replies.timeouts += 1;
      isWaiting = false;
      socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      if (isOver) return;
      // A connection may be closed between two requests, but not under one.
      if (isWaiting) replies.broken += 1;
      setTimeout(() => isOver || open(), REOPEN_MS);
    });
  };

  const start = performance.now();
  for (let i = 0; i < clients; i++) open();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  isOver = true;
  for (const socket of sockets) socket.destroy();
  return {
    ...replies,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    seconds: (performance.now() - start) / 1000,
  };
}

/** Reads replies that say their length, one after another, and keeps nothing of their bodies. */
class ReplyReader {
  #head = '';
  #status = 0;
  /** @type {number | null} */
  #retryS = null;
  #left = 0;
  #first = '';
  #last = '';

  /** The reply that this part of the stream completes; null when it completes none. @param {Buffer} part */
  read(part) {
    let body = part;
    if (this.#status === 0) {
      this.#head += part.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return null;
      const head = this.#head.slice(0, end);
      body = Buffer.from(this.#head.slice(end + 4), 'latin1');
      this.#status = Number(head.slice(9, 12));
      this.#left = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
      const retry = /^retry-after: *(\d+)/im.exec(head)?.[1];
      this.#retryS = retry === undefined ? null : Number(retry);
    }
    this.#left -= body.length;
    if (this.#first.length < 4) this.#first += body.toString('hex', 0, 2);
    this.#last = (this.#last + body.toString('hex', Math.max(0, body.length - 2))).slice(-4);
    if (this.#left > 0) return null;
    const reply = {
      status: this.#status,
      retryS: this.#retryS,
      isJpeg: this.#left === 0 && this.#first.startsWith('ffd8') && this.#last === 'ffd9',
    };
    this.#head = this.#first = this.#last = '';
    this.#status = 0;
    return reply;
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [port, image, clients, seconds, retry] = process.argv.slice(2);
  const replies = await load(Number(port), String(image), Number(clients), Number(seconds), retry === 'at once');
  process.stdout.write(JSON.stringify(replies), () => process.exit(0));
}
