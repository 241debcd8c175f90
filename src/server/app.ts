/** The HTTP server around the service: routes by Fastify, and the way past it for replies that are known. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { EXPOSITION_TYPE } from '../log/metrics.js';
import type { Reply } from '../reply/types.js';
import type { HttpFace } from './face.js';
import { answerNotFound } from './not-found.js';
import { VIEWER_PREFIX } from './viewer-pages.js';

/** What there is to be served. */
export interface AppOptions {
  readonly face: HttpFace;
  readonly viewer: (url: string, remoteAddress: string) => Promise<Reply>;
  /** Metrics in Prometheus's text format. */
  readonly exposition: () => Promise<string>;
  /** Whether requests are taken: not any more when the server is about to stop. */
  readonly isReady: () => boolean;
  /** Is told what fails beside the service. */
  readonly onError: (error: unknown) => void;
  readonly keepAliveMs: number;
  /** PEM; null: plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

/** A URL of 16 KiB and the headers beside it: what is longer is refused by the service, with the right status. */
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * An app that is ready to listen. Requests whose replies are known are answered before they are routed, which costs a third of what a
 * route and its reply cost.
 */
export function createApp(options: AppOptions): FastifyInstance {
  const { face, viewer, exposition, isReady, onError } = options;
  const app = fastify({
    logger: false,
    forceCloseConnections: 'idle',
    serverFactory: (handler) => createHttp(face, handler, options),
    routerOptions: { ignoreTrailingSlash: false },
    exposeHeadRoutes: false,
    // A URL that cannot be decoded may be one of ours all the same: the service says what is wrong with it.
    frameworkErrors: (_, request, reply) => {
      reply.hijack();
      notRouted(face, request.raw, reply.raw);
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.all('/is/*', (request, reply) => {
    reply.hijack();
    return face.answer(request.raw, reply.raw);
  });
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    notRouted(face, request.raw, reply.raw);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    // A media type that is none says nothing of a body that says nothing either.
    if ((error.statusCode ?? 500) < 500) {
      reply.hijack();
      notRouted(face, request.raw, reply.raw);
      return;
    }
    onError(error);
    reply.code(500).type('text/plain; charset=utf-8').send('Server error\n');
  });
  app.get('/healthz', async (_, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', async (_, reply) => {
    const ready = isReady();
    return reply
      .code(ready ? 200 : 503)
      .type('text/plain')
      .send(ready ? 'ready\n' : 'stopping\n');
  });
  app.get('/metrics', async (_, reply) => reply.type(EXPOSITION_TYPE).send(await exposition()));
  app.get('/', async (_, reply) => reply.redirect(VIEWER_PREFIX, 302));
  app.get('/viewer', async (_, reply) => reply.redirect(VIEWER_PREFIX, 302));
  app.route({
    method: ['GET', 'HEAD'],
    url: `${VIEWER_PREFIX}*`,
    handler: async (request, reply) => {
      const { status, headers, body } = await viewer(request.raw.url ?? '', face.addressOf(request.raw));
      return reply
        .code(status)
        .headers({ ...headers } as Record<string, string>)
        .send(body);
    },
  });
  return app;
}

/** A server for the image service alone, as front ends ask it. */
export function createServiceServer(face: HttpFace, options: Pick<AppOptions, 'keepAliveMs' | 'tls'>): Server {
  return createHttp(face, (request, response) => notRouted(face, request, response), options);
}

function createHttp(
  face: HttpFace,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  { keepAliveMs, tls }: Pick<AppOptions, 'keepAliveMs' | 'tls'>,
): Server {
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    // Proxies may write the whole URL (RFC 9112, 3.2.2).
    if (request.url?.startsWith('/') === false) request.url = request.url.replace(/^https?:\/\/[^/?#]*\/?/i, '/');
    if (!face.answerKnown(request, response)) handler(request, response);
  };
  const settings = { maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: keepAliveMs };
  const server =
    tls === null
      ? createServer(settings, listener)
      : // TLS servers are servers of HTTP, too; their types do not say so.
        (createTlsServer({ ...settings, ...tls }, listener) as unknown as Server);
  // No reply depends on a body. Nobody is told to go on with one, and what may come of it all the same is not read.
  for (const event of ['checkContinue', 'checkExpectation'])
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      response.shouldKeepAlive = false;
      listener(request, response);
    });
  return server;
}

function notRouted(face: HttpFace, request: IncomingMessage, response: ServerResponse): void {
  const { url = '' } = request;
  if (face.owns(url)) {
    void face.answer(request, response);
    return;
  }
  answerNotFound(request, response);
}
