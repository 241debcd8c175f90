/** One range of bytes from an HTTP server (RFC 9110, section 14): asked for, checked and read into memory. */
import { setMaxListeners } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { PyramidionError } from '../errors.js';
import { SOFTWARE } from '../version.js';
import { abortedBy } from './abort.js';

/** Connections to one server at a time; further reads wait for one of them. */
const MAX_SOCKETS = 32;

/** An idle connection is given up after so many milliseconds: what lies between may have forgotten it silently. */
const IDLE_MS = 15_000;

/** Body of a refusal that is read to its end, so that its connection can be used again. */
const SMALL_BYTES = 16 << 10;

/** Connections that are kept open between requests. Close them when done. */
export class HttpAgents {
  readonly #plain = new http.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_MS });
  readonly #secure = new https.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_MS });
  readonly #stop = new AbortController();

  /** Is aborted by {@link close}. */
  get closed(): AbortSignal {
    return this.#stop.signal;
  }

  /** The agent for the scheme of a URL. */
  agentFor(url: URL): http.Agent {
    return url.protocol === 'https:' ? this.#secure : this.#plain;
  }

  /** Ends all connections: requests under way, and later ones, reject with `ENGINE_CLOSED`. */
  close(): void {
    this.#stop.abort(new PyramidionError('ENGINE_CLOSED', 'the connections are closed or being closed'));
    this.#plain.destroy();
    this.#secure.destroy();
  }
}

/** What the head of a reply says of the whole that the range is a part of. */
export interface Representation {
  /** Bytes. */
  readonly size: number;
  /** Tells one state of it from another: a strong ETag, else what there is of ETag and Last-Modified; '' is nothing. */
  readonly validator: string;
  readonly modified: Date | null;
}

/** What is asked for. */
export interface RangeRequest {
  readonly url: URL;
  /** What messages call it. */
  readonly name: string;
  readonly from: number;
  /** Is filled from its start with what there is of as many bytes as it has; written to until the promise settles. */
  readonly target: Uint8Array;
  /** From asking, a wait for a connection included, to the last byte. */
  readonly timeoutMs: number;
  readonly agents: HttpAgents;
  readonly signal: AbortSignal | undefined;
}

/**
 * Asks for a range and reads it into the target; the part of it that lies within the whole has come when this resolves.
 * `accept` sees what the reply says of the whole before its body is read, and may throw.
 *
 * Errors: `SOURCE_NOT_FOUND` for status 404 and 410; `SOURCE_UNREADABLE` for every other status, for a server that does
 * not serve ranges, a redirect, a coding, a body of another length than was promised, a failed connection, and when the
 * time is up; what `accept` throws; `ABORTED`; `ENGINE_CLOSED`. No message names the host.
 *
 * @param isRetry whether a connection that was kept open turned out to be closed: now a new one is taken
 */
export function requestRange(
  asked: RangeRequest,
  accept: (found: Representation) => void,
  isRetry = false,
): Promise<Representation> {
  const { url, name, from, target, timeoutMs, agents, signal } = asked;
  const stops = signal === undefined ? [agents.closed] : [agents.closed, signal];
  return new Promise((resolve, reject) => {
    for (const stop of stops) if (stop.aborted) throw abortedBy(stop);
    const request = (url.protocol === 'https:' ? https : http).get(url, {
      agent: isRetry ? false : agents.agentFor(url),
      headers: {
        'accept-encoding': 'identity',
        range: `bytes=${from}-${from + target.length - 1}`,
        'user-agent': SOFTWARE.replace(' ', '/'),
      },
    });
    /** How it ends when the body of a reply that is no range has been read. */
    let outcome: (() => void) | null = null;
    let hasReply = false;
    let isSettled = false;
    const settle = (end: () => void): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      for (const stop of stops) stop.removeEventListener('abort', onAbort);
      end();
    };
    const fail = (error: PyramidionError): void => {
      settle(outcome ?? (() => reject(error)));
      request.destroy();
    };
    const onAbort = (event: Event): void => fail(abortedBy(event.target as AbortSignal));
    const onError = (error: Error): void => fail(failedError(name, error));
    const timer = setTimeout(() => fail(timeoutError(name, timeoutMs)), timeoutMs);
    // Any number of reads may be under way: that is no leak.
    setMaxListeners(0, ...stops);
    for (const stop of stops) stop.addEventListener('abort', onAbort);
    request.on('error', (error) => {
      // The server had closed the connection while it was idle: that says nothing of this request.
      if (request.reusedSocket && !hasReply) settle(() => resolve(requestRange(asked, accept, true)));
      else onError(error);
    });
    request.on('response', (reply) => {
      hasReply = true;
      reply.on('error', onError);
      let length = 0;
      try {
        const found = readHead(reply, asked);
        accept(found);
        if (reply.statusCode === 206) length = Math.min(target.length, found.size - from);
        else if (found.size > 0) throw unreadable(name, 'a range that is there was refused (HTTP 416)');
        outcome = () => resolve(found);
      } catch (error) {
        outcome = () => reject(error);
      }
      if (length > 0) {
        const done = outcome;
        outcome = null;
        readBody(reply, target.subarray(0, length), (received) => {
          if (received === length) settle(done);
          else fail(unreadable(name, `the reply has ${received < length ? 'fewer' : 'more'} than its ${length} bytes`));
        });
      } else if (Number(reply.headers['content-length']) <= SMALL_BYTES) {
        reply.resume().on('end', () => settle(outcome ?? (() => {})));
      } else {
        settle(outcome);
        request.destroy();
      }
    });
  });
}

/** Fills `target` with the body; `onEnd` is told its length, once, or a larger one as soon as there is too much. */
function readBody(reply: http.IncomingMessage, target: Uint8Array, onEnd: (received: number) => void): void {
  let received = 0;
  const take = (chunk: Uint8Array): void => {
    if (received + chunk.length <= target.length) target.set(chunk, received);
    received += chunk.length;
    if (received > target.length) finish();
  };
  const finish = (): void => {
    reply.off('data', take).off('end', finish);
    onEnd(received);
  };
  reply.on('data', take).on('end', finish);
}

/** Checks status and headers of a reply. A whole of no bytes has no range: status 416, or 200 with nothing in it. */
function readHead({ statusCode = 0, headers }: http.IncomingMessage, asked: RangeRequest): Representation {
  const { name, from, target } = asked;
  if (statusCode === 404 || statusCode === 410) {
    throw new PyramidionError('SOURCE_NOT_FOUND', `${name} does not exist (HTTP ${statusCode})`, { value: name });
  }
  const isEmpty = statusCode === 200 && headers['content-length'] === '0';
  if (statusCode === 200 && !isEmpty) throw unreadable(name, 'its server does not serve ranges of bytes (HTTP 200)');
  if (statusCode >= 300 && statusCode < 400) {
    throw unreadable(name, `its server redirects (HTTP ${statusCode}), which is not followed`);
  }
  if (statusCode !== 206 && statusCode !== 416 && !isEmpty) throw unreadable(name, `HTTP ${statusCode}`);
  const { 'content-encoding': coding = 'identity', 'content-range': range = '' } = headers;
  const about = { validator: validatorOf(headers), modified: dateOf(headers['last-modified']) };
  if (statusCode !== 206) return { ...about, size: Number(/^bytes \*\/(\d+)$/.exec(range)?.[1] ?? 0) };

  if (coding !== 'identity') throw unreadable(name, `its server encodes it (${coding}), so that ranges mean nothing`);
  const [, first, last, total] = (/^bytes (\d+)-(\d+)\/(\d+)$/.exec(range) ?? []).map(Number);
  if (total === undefined || !Number.isSafeInteger(total)) {
    throw unreadable(name, 'its server does not say which range it sends of how many bytes');
  }
  if (first !== from || last !== Math.min(from + target.length, total) - 1) {
    throw unreadable(
      name,
      `its server sent bytes ${first}–${last} of ${total} where ${target.length} from ${from} were asked for`,
    );
  }
  return { ...about, size: total };
}

function validatorOf({ etag, 'last-modified': modified }: http.IncomingHttpHeaders): string {
  if (etag?.startsWith('"')) return etag;
  // A weak ETag may stay while bytes change.
  return [etag, modified].filter((part) => part !== undefined).join(' ');
}

function dateOf(text: string | undefined): Date | null {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? null : new Date(time);
}

function unreadable(name: string, why: string): PyramidionError {
  return new PyramidionError('SOURCE_UNREADABLE', `${name} cannot be read: ${why}`, { value: name });
}

function failedError(name: string, error: Error): PyramidionError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  return new PyramidionError('SOURCE_UNREADABLE', `${name} cannot be read (${code})`, {
    cause: error,
    detail: error.message,
    value: name,
  });
}

function timeoutError(name: string, timeoutMs: number): PyramidionError {
  return new PyramidionError(
    'SOURCE_UNREADABLE',
    `${name} cannot be read: no whole answer within ${timeoutMs} ms (readTimeoutMs, the setting randomAccessUrlTimeout)`,
    { option: 'randomAccessUrlTimeout', value: name, limit: timeoutMs },
  );
}
