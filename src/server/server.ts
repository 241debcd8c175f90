/** One process of the image server: everything it stands on, put together from its configuration and taken apart again. */
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { ResponseCache } from '../cache/cache.js';
import type { CacheBus } from '../cache/types.js';
import type { Config } from '../config/config.js';
import { Engine } from '../engine.js';
import { Library } from '../library/library.js';
import { AccessLog } from '../log/access-log.js';
import { Alerts, watchAlerts } from '../log/alerts.js';
import type { MetricsSnapshot } from '../log/families.js';
import { expositionOf, Metrics } from '../log/metrics.js';
import { ServerLog, type TraceLevel } from '../log/server-log.js';
import type { ServerStats } from '../log/stats.js';
import { presetModifiers } from '../protocol/image-serving/presets.js';
import { parseRuleSet } from '../protocol/image-serving/rule-set.js';
import { createApp, createServiceServer } from './app.js';
import { tellAlert, tellLibrary, tellService, traceRequest } from './events.js';
import { HttpFace } from './face.js';
import { drain, listen, readTls } from './listening.js';
import { Originals } from './originals.js';
import type { PictureContext } from './pictures.js';
import { ImageService } from './service.js';
import { viewerReply } from './viewer-pages.js';

/** What a process has from those beside it, when there are any. */
export interface Siblings {
  readonly bus: CacheBus;
  /** Metrics of all processes of the server, this one included. */
  readonly snapshots: (own: MetricsSnapshot) => Promise<MetricsSnapshot>;
}

/** Milliseconds for which an image's file is not looked at again: its replies are kept for longer anyway. */
const RECHECK_MS = 1000;

/** A running server. Start it with {@link ImageServer.start}, and close it. */
export class ImageServer {
  /** Where it listens, as URLs without a path: the main one first. */
  readonly urls: readonly string[];
  readonly library: Library;
  readonly #metrics: Metrics;
  readonly #closers: readonly (() => Promise<void>)[];
  readonly #log: ServerLog;
  #closing: Promise<void> | null = null;

  private constructor({ urls, library, metrics, log }: Started, closers: readonly (() => Promise<void>)[]) {
    this.urls = urls;
    this.library = library;
    this.#metrics = metrics;
    this.#log = log;
    this.#closers = closers;
  }

  /**
   * Starts a server: when it resolves, requests are answered. `siblings` joins it with the other processes of one server.
   *
   * Errors: `INVALID_OPTION` for a configuration that cannot be served (a root or catalog that cannot be used, a port that is taken);
   * `OUTPUT_NOT_WRITABLE` for logs; those of `Engine.start`.
   */
  static async start(config: Config, siblings: Siblings | null = null): Promise<ImageServer> {
    const closers: (() => Promise<void>)[] = [];
    try {
      return new ImageServer(await startWith(config, siblings, closers), closers);
    } catch (error) {
      await closeAll(closers);
      throw error;
    }
  }

  /** The metrics of this process. */
  metrics(): Promise<MetricsSnapshot> {
    return this.#metrics.snapshot();
  }

  /** Takes no more requests, waits for those under way as long as `drainMs` says, and lets go of everything. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#log.trace(1, 'stopping');
    await closeAll(this.#closers);
  }
}

/** What a server that was started is known by. */
interface Started {
  readonly urls: readonly string[];
  readonly library: Library;
  readonly metrics: Metrics;
  readonly log: ServerLog;
}

/** The last that was opened is closed first. */
async function closeAll(closers: readonly (() => Promise<void>)[]): Promise<void> {
  for (const close of [...closers].reverse()) await close();
}

async function startWith(
  config: Config,
  siblings: Siblings | null,
  closers: (() => Promise<void>)[],
): Promise<Started> {
  const { server, imageServer, platformServer } = config;
  const opened = <Part extends { close(): Promise<unknown> }>(part: Part): Part => {
    closers.push(async () => {
      await part.close();
    });
    return part;
  };
  const logFolder = config.log.folder === '' ? null : config.log.folder;
  const log = opened(
    await ServerLog.open({
      folder: logFolder,
      port: server.port,
      maxDays: config.log.maxDays,
      traceLevel: config.log.traceLevel as TraceLevel,
      format: config.log.serverLog,
    }),
  );
  const warn = (message: string, error: unknown = null): void => log.warn(message, error);
  const { prefix, maxDays, pattern } = config.log;
  const accessLog =
    logFolder === null
      ? null
      : opened(await AccessLog.open({ folder: logFolder, prefix, maxDays, pattern, onWarning: warn }));

  const processors = availableParallelism();
  const { maxRenderRgnPixels, maxMessageSize, maxNonDsfSize, workerThreads } = imageServer;
  const { maxDecodedPixels, deadlineMs } = server;
  const engine = opened(
    await Engine.start({
      maxMemory: config.ptiffManager.maxMemoryBytes,
      // More threads than processors would only take turns.
      renders: Math.min(workerThreads === 0 ? processors : workerThreads, processors),
      maxQueue: server.maxQueue,
      limits: { maxRenderRgnPixels, maxMessageSize, maxNonDsfSize, maxDecodedPixels, deadlineMs },
      colour: { profileFolders: server.profileFolders },
      readTimeoutMs: imageServer.randomAccessUrlTimeoutMs,
      recheckMs: RECHECK_MS,
    }),
  );
  engine.on('warning', ({ message }) => warn(message));

  if (server.library !== null) await mkdir(server.library, { recursive: true });
  const roots = server.library === null ? server.roots : [server.library, ...server.roots];
  const library = opened(
    await Library.open({
      roots,
      catalogFolder: server.catalogFolder,
      settingsFolder: platformServer.catalogRoot,
      manifest: config.manifest,
      presets: config.presets,
      readPreset: presetModifiers,
      readRules: parseRuleSet,
      remoteVersion: (url) => engine.versionOf(url),
      refreshIntervalMs: server.catalogRefreshMs,
      modificationWaitMs: server.catalogWaitMs,
      onEvent: (event) => tellLibrary(log, event),
    }),
  );
  const cache = opened(
    await ResponseCache.open({
      enabled: platformServer.cacheEnabled,
      roots: platformServer.cacheRoots,
      maxBytes: platformServer.cacheMaxBytes,
      maxEntries: platformServer.cacheMaxEntries,
      memoryBytes: server.cacheMemoryBytes,
      validateAfterMs: server.cacheValidateMs,
      versionOf: (id) => engine.versionOf(id),
      onWarning: warn,
      ...(siblings !== null && { bus: siblings.bus }),
    }),
  );

  const metrics: Metrics = new Metrics({ stats: () => stats(), alerts: () => alerts.active });
  const { alertIntervalMs, ...limits } = config.alerts;
  const alerts = new Alerts(limits);
  const prepare = prepareOf(config, engine, library, (path) => log.trace(2, 'ingested', { path }));
  const service = new ImageService({
    engine,
    library,
    cache,
    prepare,
    onRender: (ms) => metrics.observeStage('render', ms),
    profileRoots: roots,
    isEnabled: server.enabled,
    allowDefaultCatalog: server.allowDefaultCatalogRequests,
    copyright: server.copyright,
    retryAfterS: server.retryAfterSeconds,
    onEvent: (event) => tellService(log, event),
  });
  const tracesRequests = log.traces(3);
  const face = new HttpFace({
    service,
    observe: (entry) => {
      metrics.observe(entry);
      accessLog?.write(entry);
      if (tracesRequests) traceRequest(log, entry);
    },
    corsOrigin: server.corsOrigin,
    trustForwardedFor: server.trustForwardedFor,
  });
  const stats = (): ServerStats => ({
    residentBytes: process.memoryUsage.rss(),
    budget: engine.snapshot(),
    renders: engine.renderSnapshot(),
    cache: cache.snapshot(),
    inFlight: face.underWay,
    rejections: metrics.rejections(),
    lostLines: log.lost + (accessLog?.lost ?? 0),
    stages: metrics.stages(),
  });
  log.startStats(stats, config.log.statsIntervalMs / 1000);
  const stopAlerts = watchAlerts({
    alerts,
    intervalMs: alertIntervalMs,
    totals: () => metrics.totals(),
    oldestPendingMs: () => face.oldestPendingMs(),
    onEvent: (event) => tellAlert(log, event),
  });
  closers.push(async () => stopAlerts());

  let isReady = true;
  const http = {
    face,
    viewer: (url: string) => viewerReply(url, { engine, lookup: library, prepare, roots }),
    exposition: async () => {
      const own = await metrics.snapshot();
      return expositionOf(siblings === null ? own : await siblings.snapshots(own));
    },
    isReady: () => isReady,
    keepAliveMs: server.keepAliveMs,
    tls: server.tls === null ? null : await readTls(server.tls),
  };
  const app = createApp(http);
  const urls = [await listen(app.server, app, server.port, server.host, http.tls !== null)];
  closers.push(() => drain(app.server, () => app.close(), server.drainMs));
  if (imageServer.tcpPort !== null) {
    const inner = createServiceServer(face, http);
    urls.push(await listen(inner, null, imageServer.tcpPort, imageServer.tcpHost, http.tls !== null));
    const stop = (): Promise<void> => new Promise((resolve) => inner.close(() => resolve()));
    closers.push(() => drain(inner, stop, server.drainMs));
  }
  closers.push(async () => {
    isReady = false;
  });
  log.trace(1, 'started', { urls: urls.join(' '), roots: roots.join(' ') });
  return { urls, library, metrics, log };
}

function prepareOf(
  { server }: Config,
  engine: Engine,
  library: Library,
  onIngest: (path: string) => void,
): PictureContext['prepare'] {
  if (!server.ingestOnRequest || server.library === null) return async (file) => ({ file, original: null });
  const originals = new Originals({ engine, library, target: server.library, roots: server.roots, onIngest });
  return (file, signal) => originals.prepare(file, signal);
}
