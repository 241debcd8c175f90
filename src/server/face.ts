/** The service behind `node:http`: requests in, replies out, and what is told of them. Fastify, Express and plain servers mount it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { AccessEntry } from '../log/types.js';
import type { Reply } from '../reply/types.js';
import type { ImageService } from './service.js';
import type { Trace } from './trace.js';
import { Turns } from './turns.js';

/** What is told of each request that was answered. */
export type Observer = (entry: AccessEntry) => void;

/** How the service is reached. */
export interface FaceOptions {
  readonly service: ImageService;
  readonly observe: Observer;
  /** Names and values in turn, for every reply: the service knows them, too. */
  readonly headers: readonly string[];
  /** Clients are those that `X-Forwarded-For` names: there is a proxy of ours in front. */
  readonly trustForwardedFor: boolean;
}

const PREFIX = '/is/';

/** What lets pages of another origin read replies; `corsOrigin` is the value of `Access-Control-Allow-Origin`, '' is none. */
export function corsHeaders(corsOrigin: string): readonly string[] {
  if (corsOrigin === '') return [];
  return [
    ...['access-control-allow-origin', corsOrigin],
    ...['access-control-expose-headers', 'ETag, Expires, Cache-Control, Content-Length'],
    ...(corsOrigin === '*' ? [] : ['vary', 'Origin']),
  ];
}

/** Answers requests for the service's URLs. */
export class HttpFace {
  readonly #service: ImageService;
  readonly #observe: Observer;
  readonly #headers: readonly string[];
  readonly #turns = new Turns();
  readonly #trustForwardedFor: boolean;
  /** When each request under way came, on the clock of `performance.now`; the oldest first. */
  readonly #underWay = new Set<{ readonly since: number }>();

  constructor({ service, observe, headers, trustForwardedFor }: FaceOptions) {
    this.#service = service;
    this.#observe = observe;
    this.#headers = headers;
    this.#trustForwardedFor = trustForwardedFor;
  }

  /** Requests under way. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** How long the oldest request under way has been, milliseconds; 0 when there is none. */
  oldestPendingMs(): number {
    for (const { since } of this.#underWay) return performance.now() - since;
    return 0;
  }

  /** Whether a URL is one of the service's. */
  owns(url: string): boolean {
    return url.startsWith(PREFIX);
  }

  /**
   * Answers from memory, at once, where the same URL was asked before and its reply is fresh; false: not answered. This is what
   * makes cached replies as cheap as those of a server that does nothing else.
   */
  answerKnown(request: IncomingMessage, response: ServerResponse, url = request.url ?? ''): boolean {
    const started = performance.now();
    const { method = '', headers } = request;
    const recalled = this.#service.recall(method, url, headers['if-none-match'], headers['if-modified-since']);
    if (recalled === null) return false;
    const { known, body } = recalled;
    const { status, head, trace } = known;
    response.writeHead(status, head);
    response.end(method === 'HEAD' ? undefined : body);
    this.#tell(request, trace, {
      url,
      status,
      head,
      size: known.size,
      sentBytes: method === 'HEAD' ? 0 : body.length,
      mediaType: known.mediaType,
      started,
      parsed: started,
      replied: started,
      overlap: this.#underWay.size + 1,
    });
    return true;
  }

  /** Answers any request for one of the service's URLs. Never throws. */
  async answer(request: IncomingMessage, response: ServerResponse, url = request.url ?? ''): Promise<void> {
    const started = performance.now();
    const pending = { since: started };
    this.#underWay.add(pending);
    try {
      await this.#answer(request, response, url, started);
    } finally {
      this.#underWay.delete(pending);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, url: string, started: number): Promise<void> {
    const client = new AbortController();
    const onClose = (): void => client.abort();
    // Whoever mounts the service may have let some time pass before.
    if (response.destroyed) onClose();
    else response.once('close', onClose);
    // A body says nothing here; it is read so that the connection can be used again.
    request.resume();
    const method = request.method ?? '';
    await this.#turns.next(url.includes('rect='));
    const { reply, trace } = await this.#service.handle({
      method,
      url,
      headers: request.headers,
      remoteAddress: this.addressOf(request),
      signal: client.signal,
    });
    const replied = performance.now();
    // Whoever has its reply is not aborted by the end of it.
    response.off('close', onClose);
    const { head, sentBytes } = this.#send(response, reply, method);
    this.#tell(request, trace, {
      url,
      head,
      status: client.signal.aborted ? CLIENT_LEFT : reply.status,
      size: Buffer.byteLength(reply.body),
      sentBytes: client.signal.aborted ? 0 : sentBytes,
      mediaType: String(reply.headers['content-type'] ?? ''),
      started,
      parsed: trace.parsedAt || replied,
      replied,
      overlap: this.#underWay.size,
    });
  }

  /** The address of a client, from its socket, or from the proxy in front. */
  addressOf({ socket, headers }: IncomingMessage): string {
    const forwarded = headers['x-forwarded-for'];
    if (this.#trustForwardedFor && typeof forwarded === 'string') {
      // The last one is what our own proxy saw.
      const last = forwarded.slice(forwarded.lastIndexOf(',') + 1).trim();
      if (last !== '') return last;
    }
    return socket.remoteAddress ?? '';
  }

  #send(response: ServerResponse, { status, headers, body }: Reply, method: string): Pick<Sent, 'head' | 'sentBytes'> {
    // What the service is mounted in did not wait for it: a time limit of its own, say.
    if (response.headersSent) return { head: [], sentBytes: 0 };
    const head: string[] = [];
    for (const name in headers) {
      const value = headers[name];
      if (typeof value === 'string') head.push(name, value);
      else for (const item of value ?? []) head.push(name, item);
    }
    const length = Buffer.byteLength(body);
    const isBare = status === 304 || status === 204;
    if (!isBare) head.push('content-length', String(length));
    head.push(...this.#headers);
    response.writeHead(status, head);
    const isEmpty = isBare || method === 'HEAD';
    response.end(isEmpty ? undefined : body);
    return { head, sentBytes: isEmpty ? 0 : length };
  }

  #tell(request: IncomingMessage, trace: Trace, sent: Sent): void {
    const now = performance.now();
    const { headers, socket } = request;
    this.#observe({
      sentAt: Date.now(),
      remoteAddress: this.addressOf(request),
      localAddress: socket.localAddress,
      localPort: socket.localPort ?? 0,
      method: request.method ?? '',
      url: sent.url,
      httpVersion: request.httpVersion,
      status: sent.status,
      processingStatus: trace.processingStatus,
      size: sent.size,
      sentBytes: sent.sentBytes,
      totalMs: now - sent.started,
      parseMs: sent.parsed - sent.started,
      fetchMs: sent.replied - sent.parsed,
      sendMs: now - sent.replied,
      overlap: sent.overlap,
      requestType: trace.requestType,
      rootId: trace.rootId,
      cacheUse: trace.cacheUse,
      cacheKey: trace.cacheKey,
      digest: trace.digest,
      mediaType: sent.mediaType,
      exception: trace.exception,
      context: trace.context,
      transformedUrl: trace.transformedUrl,
      pathBasedAccess: trace.pathBasedAccess,
      referer: headers.referer ?? '',
      host: headers.host ?? '',
      forwardedFor: text(headers['x-forwarded-for']),
      ifNoneMatch: headers['if-none-match'] ?? '',
      ifMatch: headers['if-match'] ?? '',
      ifModifiedSince: headers['if-modified-since'] ?? '',
      requestHeaders: headers,
      replyHeaders: sent.head,
    });
  }
}

/** What proxies log for a client that did not wait for its reply. */
const CLIENT_LEFT = 499;

/** What was sent, and when, on the clock of `performance.now`. */
interface Sent {
  /** As it came: what mounts the service may have cut that of the request. */
  readonly url: string;
  readonly status: number;
  /** Names and values of headers in turn. */
  readonly head: readonly string[];
  readonly size: number;
  readonly sentBytes: number;
  readonly mediaType: string;
  readonly started: number;
  readonly parsed: number;
  readonly replied: number;
  readonly overlap: number;
}

function text(value: string | readonly string[] | undefined): string {
  return typeof value === 'object' ? value.join(', ') : (value ?? '');
}
