/** The image service: a request in, a reply out. It knows nothing of sockets; `face.ts` puts it behind HTTP. */
import { performance } from 'node:perf_hooks';
import type { ResponseCache } from '../cache/cache.js';
import type { CachedReply } from '../cache/types.js';
import type { Engine } from '../engine.js';
import { PyramidionError, toPyramidionError } from '../errors.js';
import type { Library } from '../library/library.js';
import type { Attributes } from '../library/types.js';
import { isAddressAllowed } from '../protocol/image-serving/addresses.js';
import { formatError, formatProperties, formatText, formOf } from '../protocol/image-serving/properties.js';
import { peekCommand } from '../protocol/image-serving/query.js';
import { ruleHeaders } from '../protocol/image-serving/rules.js';
import { checkUrlLength, type IsUrl, readUrl } from '../protocol/image-serving/url.js';
import { contentReply, errorReply } from '../reply/reply.js';
import { type ErrorOutcome, outcomeOf } from '../reply/status.js';
import type { Reply } from '../reply/types.js';
import { unlessAborted } from '../source/abort.js';
import type { AnswerContext, ServiceEvent } from './context.js';
import { limitTime } from './deadline.js';
import { answerPicture } from './picture-requests.js';
import { type PictureContext, Pictures, policyOf } from './pictures.js';
import { type KnownReply, Recall } from './recall.js';
import type { ServiceRequest } from './request.js';
import { type Asked, admit, ask, inPlaceOf, type Resolved, resolve } from './resolution.js';
import { answerText } from './text-requests.js';
import { Trace } from './trace.js';

/** What the service stands on, and how it is set. */
export interface ServiceOptions {
  readonly engine: Engine;
  readonly library: Library;
  readonly cache: ResponseCache;
  readonly prepare: PictureContext['prepare'];
  readonly edition: PictureContext['edition'];
  readonly onRender: PictureContext['onRender'];
  readonly profileRoots: readonly string[];
  /** Names and values in turn, for every reply. */
  readonly headers: readonly string[];
  /** Milliseconds for which it counts what a URL was understood to mean. */
  readonly recallMs: number;
  /** false: everything is answered by saying so. */
  readonly isEnabled: boolean;
  /** Requests that name no catalog are served. */
  readonly allowDefaultCatalog: boolean;
  /** What an empty request is answered with. */
  readonly copyright: string;
  /** Milliseconds that a request may take, waiting included; 0 is any. */
  readonly deadlineMs: number;
  /** Seconds after which a client that was put off may try again. */
  readonly retryAfterS: number;
  /** Is told of errors that are no client's fault, and of texts that clients send to the log. */
  readonly onEvent: (event: ServiceEvent) => void;
}

/** A reply, and what is known of its request. */
export interface Answer {
  readonly reply: Reply;
  readonly trace: Trace;
}

const METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS'];
/** Drops what is kept of an image, or everything: for whoever runs the server. */
const PURGE = 'PURGE';
const LOOPBACK = ['127.0.0.0/8', '::1'];

/** Answers Image Serving requests. Whoever made engine, library and cache closes them. */
export class ImageService {
  readonly pictures: Pictures;
  readonly #options: ServiceOptions;
  readonly #recall: Recall;

  constructor(options: ServiceOptions) {
    const { engine, cache, prepare, edition, onRender, profileRoots, headers } = options;
    this.#options = options;
    this.pictures = new Pictures({ engine, cache, prepare, edition, onRender, profileRoots });
    this.#recall = new Recall(cache, headers, options.recallMs);
  }

  /** A reply that is known for exactly this URL and still fresh; null where the request has to be answered by {@link handle}. */
  recall(
    method: string,
    url: string,
    ifNoneMatch: string | undefined,
    ifModifiedSince: string | undefined,
  ): KnownReply | null {
    if (method !== 'GET' && method !== 'HEAD') return null;
    const { generation } = this.#options.library.catalogs;
    return this.#recall.find(url, generation, ifNoneMatch, ifModifiedSince, Date.now());
  }

  /** Answers a request. Resolves always: whatever goes wrong is a reply. */
  async handle(request: ServiceRequest): Promise<Answer> {
    const trace = new Trace();
    const seen: Seen = { asked: null, resolved: null };
    // Finding and opening an image may take long, too, where it lies on another server.
    const { signal, end } = limitTime(request.signal, this.#options.deadlineMs);
    try {
      const answering = this.#answer({ ...request, signal }, trace, seen);
      return { reply: await unlessAborted(answering, signal), trace };
    } catch (thrown) {
      return { reply: await this.#fail(request, toPyramidionError(thrown), trace, seen), trace };
    } finally {
      end();
    }
  }

  async #answer(request: ServiceRequest, trace: Trace, seen: Seen): Promise<Reply> {
    const { isEnabled, allowDefaultCatalog, copyright, library } = this.#options;
    const nowMs = Date.now();
    if (!METHODS.includes(request.method) && request.method !== PURGE) {
      trace.processingStatus = 2;
      return plain(405, `Method ${request.method} is not allowed`, { allow: METHODS.join(', ') });
    }
    checkUrlLength(request.url);
    const url = readUrl(request.url);
    if (url === null || url.context !== 'image') return plain(404, 'Not found');
    trace.context = 'is';
    if (request.method === 'OPTIONS') return preflight();
    if (isEmpty(url) && request.method !== PURGE)
      return isEnabled ? probeReply(copyright, nowMs) : disabledReply(nowMs);
    if (!isEnabled) throw new PyramidionError('SERVICE_DISABLED', 'the service is switched off');
    if (request.method === PURGE) return this.#purge(url, request, trace);
    seen.asked = ask(url, request.remoteAddress, library, trace);
    seen.asked = admit(seen.asked, { allowDefaultCatalog });
    const resolved = await resolve(seen.asked, library, trace);
    seen.resolved = resolved;
    const { type } = resolved.modifiers.req;
    const context: AnswerContext = {
      pictures: this.pictures,
      lookup: library,
      recall: this.#recall,
      onEvent: this.#options.onEvent,
      request,
      trace,
      nowMs,
    };
    const isPicture = type === 'img' || type === 'tmb';
    const reply = isPicture ? await answerPicture(resolved, context) : await answerText(resolved, context);
    const headers = ruleHeaders(reply.headers, resolved.ruled.headers, resolved.modifiers.variables);
    return { ...reply, headers };
  }

  /** Drops the replies that show an image, whatever it was called in their URLs; without an image, all of them. */
  async #purge(url: IsUrl, { remoteAddress, headers }: ServiceRequest, trace: Trace): Promise<Reply> {
    // What a proxy of this machine passes on may come from anywhere.
    const isDirect = headers['x-forwarded-for'] === undefined && headers.forwarded === undefined;
    if (!isDirect || !isAddressAllowed(remoteAddress, LOOPBACK))
      throw new PyramidionError('REQUEST_REFUSED', 'only this machine may purge the cache');
    const { library, cache } = this.#options;
    const { main, object } = ask(url, remoteAddress, library, trace);
    const { file } = await library.locate(library.catalogs, main, object, { isRooted: url.isRooted });
    if (file === null && object !== '')
      throw new PyramidionError('SOURCE_NOT_FOUND', `there is no image '${object}'`, { value: object });
    return plain(200, `purged ${await cache.purge(file === null ? 'all' : { subject: file })}`);
  }

  async #fail(request: ServiceRequest, error: PyramidionError, trace: Trace, seen: Seen): Promise<Reply> {
    const { retryAfterS, onEvent, library } = this.#options;
    const nowMs = Date.now();
    const { asked, resolved } = seen;
    const { attributes } = resolved ?? asked ?? library.catalogs.default;
    const outcome = outcomeOf(error, asked?.object ?? '', attributes.errorDetail);
    trace.processingStatus = outcome.processing;
    trace.exception = `${error.code}: ${error.message}`;
    if (trace.parsedAt === 0) trace.parsedAt = performance.now();
    if (outcome.processing === 3) onEvent({ kind: 'error', url: request.url, error });
    // What could not be understood is answered in the form that it seems to ask for.
    const [type = '', ...options] = peekCommand(asked?.query ?? '', 'req')?.split(',') ?? ['img'];
    const { req, delivery } = resolved?.modifiers ?? { req: { type, options }, delivery: null };
    const isPicture = req.type === 'img' || req.type === 'tmb';
    const isShown = isPicture && outcome.status === 403;
    const shown = isShown ? await this.#errorImage(request, asked, attributes, outcome, trace) : null;
    if (shown !== null) return errorReply({ status: 200 }, shown, { nowMs, retryAfterS });
    const id = delivery?.id ?? peekCommand(asked?.query ?? '', 'id') ?? '';
    const text = formatError(outcome, formOf(req), { id });
    return errorReply({ status: text.status ?? outcome.status }, text, { nowMs, retryAfterS });
  }

  /** The picture that shows errors, if there is one and it can be made: it never fails a second time. */
  async #errorImage(
    request: ServiceRequest,
    asked: Asked | null,
    { errorImage }: Attributes,
    { title, message }: ErrorOutcome,
    trace: Trace,
  ): Promise<CachedReply | null> {
    if (errorImage === '' || asked === null) return null;
    const { pictures } = this;
    const own = new Trace();
    try {
      const [path = '', query = ''] = errorImage.split(/\?(.*)/s);
      const variables = new Map([
        ['error.title', title],
        ['error.message', message],
      ]);
      const resolved = await resolve(inPlaceOf(asked, path, query), this.#options.library, own, variables);
      const { reply, key, use } = await pictures.get(pictures.wantedOf(resolved), {
        control: 'on',
        policy: policyOf(resolved),
        signal: request.signal,
      });
      Object.assign(trace, { cacheUse: use, cacheKey: key, digest: reply.digest });
      return reply;
    } catch {
      return null;
    }
  }
}

/** How far a request came. */
interface Seen {
  asked: Asked | null;
  resolved: Resolved | null;
}

/** `/is/image` by itself: what monitors ask to know that the server is there. */
function isEmpty({ elements, query }: IsUrl): boolean {
  return elements.length === 0 && (query === null || query === '');
}

function probeReply(copyright: string, nowMs: number): Reply {
  const { body, mediaType } = formatProperties(new Map([['copyright', copyright]]), 'text', { date: nowMs });
  return contentReply(body, mediaType, { lifetime: { ttlMs: 0, isOff: true }, nowMs });
}

function disabledReply(nowMs: number): Reply {
  const { body, mediaType } = formatText('Image Serving is disabled\n');
  return contentReply(body, mediaType, { lifetime: { ttlMs: 0, isOff: true }, nowMs });
}

/** What a browser asks before a request of another origin that is not a plain GET. */
function preflight(): Reply {
  const headers = {
    allow: METHODS.join(', '),
    'access-control-allow-methods': METHODS.join(', '),
    'access-control-allow-headers': '*',
    'access-control-max-age': '86400',
  };
  return { status: 204, headers, body: '' };
}

function plain(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: `${text}\n`,
  };
}
