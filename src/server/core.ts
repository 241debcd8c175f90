/** Everything that requests are answered with, put together from a configuration: all of a server but its listeners. */
import { mkdir, realpath } from 'node:fs/promises';
import { ResponseCache } from '../cache/cache.js';
import type { CacheBus } from '../cache/types.js';
import { type Config, changedSettings } from '../config/config.js';
import { Engine } from '../engine.js';
import { Library } from '../library/library.js';
import { AccessLog } from '../log/access-log.js';
import { Alerts, watchAlerts } from '../log/alerts.js';
import type { MetricsSnapshot } from '../log/families.js';
import { expositionOf, Metrics } from '../log/metrics.js';
import { ServerLog } from '../log/server-log.js';
import type { ServerStats } from '../log/stats.js';
import { availableProcessors } from '../pool/machine.js';
import { presetModifiers } from '../protocol/image-serving/presets.js';
import { parseRuleSet } from '../protocol/image-serving/rule-set.js';
import type { Reply } from '../reply/types.js';
import { fileVersionAt } from '../source/file.js';
import { isHttpUrl } from '../source/http.js';
import { VERSION } from '../version.js';
import { Closers } from './closers.js';
import { tellAlert, tellLibrary, tellService, traceRequest } from './events.js';
import { corsHeaders, HttpFace } from './face.js';
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

/** What a server may be started with besides its configuration. */
export interface CoreOptions {
  readonly siblings?: Siblings;
  /** Reads the configuration again, when its file has changed: manifest and presets are then taken from it. */
  readonly reread?: () => Promise<Config>;
}

/** Requests are read and known replies sent while pictures are made. */
const NICENESS = 10;
/** Milliseconds for which an image's file is not looked at again: its replies are kept for longer anyway. */
const RECHECK_MS = 1000;

/** What requests are answered with. Open it with {@link ImageCore.open}, and close it. */
export class ImageCore {
  readonly face: HttpFace;
  readonly library: Library;
  readonly log: ServerLog;
  /** The reply to a GET below `/viewer/`, by a client of an address. */
  readonly viewer: (url: string, remoteAddress: string) => Promise<Reply>;
  readonly #metrics: Metrics;
  readonly #siblings: Siblings | null;
  readonly #closers: Closers;

  private constructor(parts: Parts, siblings: Siblings | null, closers: Closers) {
    const { engine, library, prepare, roots, allowDefaultCatalog } = parts;
    this.face = parts.face;
    this.library = library;
    this.log = parts.log;
    const pages = { engine, lookup: library, prepare, roots, allowDefaultCatalog };
    this.viewer = (url, remoteAddress) => viewerReply(url, remoteAddress, pages);
    this.#metrics = parts.metrics;
    this.#siblings = siblings;
    this.#closers = closers;
  }

  /**
   * Opens logs, engine, library and cache. Errors: `INVALID_OPTION` for a configuration that cannot be served (a root or catalog that
   * cannot be used); `OUTPUT_NOT_WRITABLE` for logs; those of `Engine.start`.
   */
  static async open(config: Config, { siblings, reread }: CoreOptions = {}): Promise<ImageCore> {
    const closers = new Closers();
    const { file } = config;
    // Before all else, so that no change of it is missed.
    const version = file === null ? null : await fileVersionAt(file);
    try {
      const parts = await openParts(config, siblings ?? null, closers);
      if (reread !== undefined && file !== null) closers.push(watchConfig(config, { file, version }, reread, parts));
      return new ImageCore(parts, siblings ?? null, closers);
    } catch (error) {
      await closers.close();
      throw error;
    }
  }

  /** The metrics of this process. */
  metrics(): Promise<MetricsSnapshot> {
    return this.#metrics.snapshot();
  }

  /** The metrics of all processes, in Prometheus's text format. */
  async exposition(): Promise<string> {
    const own = await this.metrics();
    return expositionOf(this.#siblings === null ? own : await this.#siblings.snapshots(own));
  }

  /** Lets go of everything; what is under way is stopped. */
  close(): Promise<void> {
    return this.#closers.close();
  }
}

interface Parts {
  readonly log: ServerLog;
  readonly engine: Engine;
  readonly library: Library;
  readonly face: HttpFace;
  readonly metrics: Metrics;
  readonly prepare: PictureContext['prepare'];
  readonly roots: readonly string[];
  readonly allowDefaultCatalog: boolean;
}

async function openParts(config: Config, siblings: Siblings | null, closers: Closers): Promise<Parts> {
  const { server } = config;
  const { log, accessLog } = await openLogs(config, closers);
  const warn = (message: string, error: unknown = null): void => log.warn(message, error);
  const engine = closers.opened(await startEngine(config));
  engine.on('warning', ({ message }) => warn(message));
  const { target, originals } = await realRoots(server);
  const roots = target === null ? originals : [target, ...originals];
  const library = closers.opened(await openLibrary(config, roots, engine, log));
  const cache = closers.opened(await openCache(config, engine, warn, siblings));
  const prepare = prepareOf({ target, originals }, config, engine, library, (path) =>
    log.trace(2, 'ingested', { path }),
  );

  const { alertIntervalMs, ...limits } = config.alerts;
  const alerts = new Alerts(limits);
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
  const metrics = new Metrics({ stats, alerts: () => alerts.active });
  const headers = corsHeaders(server.corsOrigin);
  const allowDefaultCatalog = server.allowDefaultCatalogRequests;
  const service = new ImageService({
    engine,
    library,
    cache,
    prepare,
    edition: editionOf(config),
    onRender: (ms) => metrics.observeStage('render', ms),
    // Maps of profiles name files beside them.
    profileRoots: [...roots, server.catalogFolder],
    headers,
    recallMs: server.catalogRefreshMs,
    isEnabled: server.enabled,
    allowDefaultCatalog,
    copyright: server.copyright,
    deadlineMs: server.deadlineMs,
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
    headers,
    trustForwardedFor: server.trustForwardedFor,
  });
  log.startStats(stats, config.log.statsIntervalMs / 1000);
  closers.push(
    watchAlerts({
      alerts,
      intervalMs: alertIntervalMs,
      totals: () => metrics.totals(),
      oldestPendingMs: () => face.oldestPendingMs(),
      onEvent: (event) => tellAlert(log, event),
    }),
  );
  return { log, engine, library, face, metrics, prepare, roots, allowDefaultCatalog };
}

/** Another version may make other bytes of the same request, and other limits refuse it. */
function editionOf({ imageServer, server }: Config): string {
  const { maxRenderRgnPixels, maxMessageSize, maxNonDsfSize } = imageServer;
  return JSON.stringify([VERSION, maxRenderRgnPixels, maxMessageSize, maxNonDsfSize, server.maxDecodedPixels]);
}

async function openLogs(
  { log, server }: Config,
  closers: Closers,
): Promise<{ log: ServerLog; accessLog: AccessLog | null }> {
  const { folder, maxDays, prefix, pattern } = log;
  const serverLog = closers.opened(
    await ServerLog.open({
      folder,
      port: server.port,
      maxDays,
      traceLevel: log.traceLevel,
      format: log.serverLog,
    }),
  );
  const onWarning = (message: string, error: unknown): void => serverLog.warn(message, error);
  const accessLog =
    folder === null ? null : closers.opened(await AccessLog.open({ folder, prefix, maxDays, pattern, onWarning }));
  return { log: serverLog, accessLog };
}

function startEngine({ ptiffManager, imageServer, server }: Config): Promise<Engine> {
  const processors = availableProcessors();
  const { maxRenderRgnPixels, maxMessageSize, maxNonDsfSize, workerThreads } = imageServer;
  const { maxDecodedPixels, deadlineMs } = server;
  return Engine.start({
    maxMemory: ptiffManager.maxMemoryBytes,
    // More threads than processors would only take turns.
    renders: Math.min(workerThreads === 0 ? processors : workerThreads, processors),
    maxQueue: server.maxQueue,
    niceness: NICENESS,
    limits: { maxRenderRgnPixels, maxMessageSize, maxNonDsfSize, maxDecodedPixels, deadlineMs },
    colour: { profileFolders: server.profileFolders },
    readTimeoutMs: imageServer.randomAccessUrlTimeoutMs,
    recheckMs: RECHECK_MS,
  });
}

async function openLibrary(config: Config, roots: readonly string[], engine: Engine, log: ServerLog): Promise<Library> {
  const { server, platformServer, manifest, presets } = config;
  return Library.open({
    roots,
    catalogFolder: server.catalogFolder,
    settingsFolder: platformServer.catalogRoot,
    manifest,
    presets,
    readPreset: presetModifiers,
    readRules: parseRuleSet,
    remoteVersion: (url) => engine.versionOf(url),
    refreshIntervalMs: server.catalogRefreshMs,
    modificationWaitMs: server.catalogWaitMs,
    onEvent: (event) => tellLibrary(log, event),
  });
}

function openCache(
  { platformServer, server }: Config,
  engine: Engine,
  onWarning: (message: string, error: unknown) => void,
  siblings: Siblings | null,
): Promise<ResponseCache> {
  return ResponseCache.open({
    enabled: platformServer.cacheEnabled,
    roots: platformServer.cacheRoots,
    maxBytes: platformServer.cacheMaxBytes,
    maxEntries: platformServer.cacheMaxEntries,
    memoryBytes: server.cacheMemoryBytes,
    validateAfterMs: server.cacheValidateMs,
    versionOf: (id) => engine.versionOf(id),
    onWarning,
    ...(siblings !== null && { bus: siblings.bus }),
  });
}

/** The library, which is made where it is missing, and the other roots, with links resolved: as files are found. */
async function realRoots({ library, roots }: Config['server']): Promise<RealRoots> {
  if (library !== null) await mkdir(library, { recursive: true });
  // What is not there, and what is no folder, is for the library to refuse.
  const real = (path: string): Promise<string> =>
    isHttpUrl(path) ? Promise.resolve(path) : realpath(path).catch(() => path);
  return { target: library === null ? null : await real(library), originals: await Promise.all(roots.map(real)) };
}

interface RealRoots {
  readonly target: string | null;
  readonly originals: readonly string[];
}

function prepareOf(
  { target, originals }: RealRoots,
  { server }: Config,
  engine: Engine,
  library: Library,
  onIngest: (path: string) => void,
): PictureContext['prepare'] {
  if (!server.ingestOnRequest || target === null) return async (file) => ({ file, original: null });
  const made = new Originals({ engine, library, target, roots: originals, onIngest });
  return (file, signal) => made.prepare(file, signal);
}

/** Looks from time to time whether the file of the configuration has changed, until what it yields is called. */
function watchConfig(
  config: Config,
  { file, version }: { readonly file: string; readonly version: string | null },
  reread: () => Promise<Config>,
  { library, log }: Pick<Parts, 'library' | 'log'>,
): () => void {
  let seen = version;
  const look = async (): Promise<void> => {
    const now = await fileVersionAt(file);
    if (now === seen) return;
    seen = now;
    try {
      const changed = await reread();
      await library.configure({ manifest: changed.manifest, presets: changed.presets });
      const waiting = changedSettings(config, changed);
      if (waiting.length > 0) log.warn(`${waiting.join(', ')} count from the next start on`);
    } catch (error) {
      log.error('the configuration cannot be used: what it said before goes on to count', error);
    }
  };
  const timer = setInterval(() => void look(), config.server.catalogRefreshMs).unref();
  return () => clearInterval(timer);
}
