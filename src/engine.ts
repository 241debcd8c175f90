/** The library's face: one engine that probes, builds and verifies under the memory budget of the process, and opens images for views. */
import { EventEmitter, setMaxListeners } from 'node:events';
import type { ProfileRegistry } from './colour/registry.js';
import { type ErrorCode, invalidOption, PyramidionError, toPyramidionError } from './errors.js';
import { type BuildContext, buildPyramid, openSpooled, planWith } from './ingest/build.js';
import { type ResolvedEngineOptions, resolveBuildOptions, resolveEngineOptions } from './ingest/options.js';
import { probeSource } from './ingest/probe.js';
import type {
  BuildOptions,
  BuildProgress,
  BuildReport,
  EngineOptions,
  ImageInfo,
  SourceInput,
} from './ingest/types.js';
import { verifyNeed } from './ingest/verify.js';
import type { Capabilities } from './native/contract.js';
import { type CatalogColour, type ColourChooser, openColour, openProfiles } from './picture/colour.js';
import { type OpenImage, openImage } from './picture/image.js';
import { Picture } from './picture/picture.js';
import { abortedError, type BudgetSnapshot } from './pool/budget.js';
import { budgetLimit } from './pool/machine.js';
import { Pool } from './pool/pool.js';
import type { RenderSnapshot } from './pool/renders.js';
import { HandleCache } from './source/cache.js';
import type { HttpOptions } from './source/http.js';
import { HttpAgents } from './source/http-request.js';
import { openLocation, versionAt } from './source/index.js';
import { detectFormat, MAGIC_BYTES } from './source/magic.js';
import { adoptStream } from './source/stream.js';

/** What to look at, and how to stop. */
export interface ProbeOptions {
  /** Page of the source, from 0. Default 0. */
  readonly page?: number;
  readonly signal?: AbortSignal;
}

/** What to decode, and how to stop. */
export interface VerifyOptions extends ProbeOptions {
  /** SubIFD of the page, from 0. Default: the page itself. TIFF only. */
  readonly subIfd?: number;
}

/** What an engine tells of its builds. `job` counts them from 1. A listener that throws does no harm to the build. */
export interface EngineEvents {
  /** The build is planned and waits for its share of the budget. */
  jobqueue: [event: { readonly job: number; readonly target: string; readonly need: number }];
  /** It has begun. */
  jobstart: [event: { readonly job: number; readonly waitSeconds: number }];
  /** At most ten times a second. */
  jobprogress: [event: { readonly job: number } & BuildProgress];
  /** It has ended: with a report, or with the code of its error. Every build that was called for ends once. */
  jobend: [event: { readonly job: number; readonly report: BuildReport | null; readonly code: ErrorCode | null }];
  /** Something of a source is left aside, or an option has no effect; `job` is null for what concerns the engine. */
  warning: [event: { readonly job: number | null; readonly message: string }];
}

/** The pool all engines of this thread share, and what it was started with. */
interface SharedPool {
  readonly pool: Pool;
  readonly options: Pick<ResolvedEngineOptions, (typeof SHARED_OPTIONS)[number]>;
  users: number;
}

let shared: SharedPool | null = null;
/** Settles when the pool before has ended: the budget must not be given out twice. */
let closing: Promise<void> = Promise.resolve();

/**
 * Builds pyramids, and opens them for views. Start one with {@link Engine.start}, and close it.
 *
 * The memory budget, the worker threads and the processors belong to the process: engines that are open at the same
 * time share them. A second engine takes those in force for what its options leave out, and is refused with
 * `INVALID_OPTION` where they ask for others. (Engines in different worker threads of an application know nothing of
 * each other: start engines in one of them.)
 *
 * Everything rejects with a `PyramidionError`; after {@link Engine.close} with `ENGINE_CLOSED`.
 */
export class Engine extends EventEmitter<EngineEvents> {
  /** What the native base can do. */
  readonly capabilities: Capabilities;
  readonly #shared: SharedPool;
  readonly #options: ResolvedEngineOptions;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #agents = new HttpAgents();
  /** Images that {@link Engine.use} opened. */
  readonly #handles: HandleCache<OpenImage>;
  /** Read when a view first asks. */
  #profiles: Promise<ProfileRegistry> | null = null;
  #colours: Promise<ColourChooser> | null = null;
  readonly #catalogColours = new WeakMap<CatalogColour, Promise<ColourChooser>>();
  #jobs = 0;
  #closing: Promise<void> | null = null;

  private constructor(sharedPool: SharedPool, options: ResolvedEngineOptions, capabilities: Capabilities) {
    super();
    this.#shared = sharedPool;
    this.#options = options;
    this.capabilities = capabilities;
    this.#handles = new HandleCache({
      maxAgeMs: options.recheckMs,
      open: (location) => this.#openImage(location, 0, this.#stop.signal),
      versionAt: (location) => versionAt(location, this.#http()),
    });
    // Any number of engines may be open, and any number of builds under way: that is no leak.
    sharedPool.pool.setMaxListeners(0);
    setMaxListeners(0, this.#stop.signal);
    sharedPool.pool.on('warning', this.#onPoolWarning);
  }

  /** Starts an engine. Errors: `INVALID_OPTION`, `NATIVE_MISSING`, `NATIVE_TOO_OLD`. */
  static async start(options: EngineOptions = {}): Promise<Engine> {
    const resolved = resolveEngineOptions(options);
    await closing;
    const sharedPool = takePool(options, resolved);
    try {
      return new Engine(sharedPool, resolved, await sharedPool.pool.capabilities());
    } catch (error) {
      await givePoolBack(sharedPool);
      throw error;
    }
  }

  /** Reads the headers of an image. A stream is read to its end. */
  async probe(source: SourceInput, options: ProbeOptions = {}): Promise<ImageInfo> {
    const { page } = resolveBuildOptions(options.page === undefined ? {} : { page: options.page });
    return this.#run(source, options.signal, async (signal) => {
      const opened = await openSpooled(source, null, signal, this.#http());
      try {
        const { pool, maxPixels } = this.#context();
        const probed = await probeSource(opened, pool, { page, maxPixels, signal });
        const plan = await planWith(probed, resolveBuildOptions({ page }), opened, this.#context());
        return { ...probed.info, need: plan.need };
      } finally {
        await opened.close();
      }
    });
  }

  /**
   * Builds the pyramid of `source`. `target` is a file, or a folder (there is one, or it ends with a separator), where the
   * file is called after the source. Nothing partial is ever seen under the final name, and nothing is left of a failure.
   */
  async build(source: SourceInput, target: string, options: BuildOptions = {}): Promise<BuildReport> {
    const resolved = resolveBuildOptions(options);
    this.#jobs += 1;
    const job = this.#jobs;
    // Its share of the budget is given to the next when the end of this one is told: no more are ever seen at work
    // than may be.
    let release = (): void => {};
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    try {
      const report = await this.#run(source, resolved.signal ?? undefined, (signal) =>
        buildPyramid(source, target, resolved, {
          ...this.#context(),
          signal,
          until,
          onQueue: (plan, path) => this.#tell('jobqueue', { job, target: path, need: plan.need }),
          onStart: (waitSeconds) => this.#tell('jobstart', { job, waitSeconds }),
          onProgress: (progress) => {
            this.#tell('jobprogress', { job, ...progress });
            resolved.onProgress?.(progress);
          },
        }),
      );
      for (const message of report.warnings) this.#tell('warning', { job, message });
      this.#tell('jobend', { job, report, code: null });
      return report;
    } catch (thrown) {
      const error = toPyramidionError(thrown);
      this.#tell('jobend', { job, report: null, code: error.code });
      throw error;
    } finally {
      release();
    }
  }

  /** Decodes every pixel of an image and keeps none: resolves when all of them are sound. Waits its turn like a build. */
  async verify(source: SourceInput, options: VerifyOptions = {}): Promise<void> {
    const { page } = resolveBuildOptions(options.page === undefined ? {} : { page: options.page });
    const { subIfd = -1 } = options;
    if (!Number.isInteger(subIfd) || subIfd < -1) throw invalidOption('subIfd', subIfd, 'a whole number from 0');
    await this.#run(source, options.signal, async (signal) => {
      const opened = await openSpooled(source, null, signal, this.#http());
      try {
        const format = detectFormat(await opened.read(0, MAGIC_BYTES), opened.name);
        const { pool, maxPixels, threads } = this.#context();
        const probed = await probeSource(opened, pool, { page, maxPixels, signal });
        const need = await verifyNeed(opened, probed, subIfd, threads);
        await this.#shared.pool.verify({ input: await opened.nativeInput(), format, page, subIfd }, { signal, need });
        await opened.verifyUnchanged();
      } finally {
        await opened.close();
      }
    });
  }

  /**
   * Opens an image for tiles, regions and views: a pyramid, ours or anyone's, or a plain image of up to
   * `limits.maxNonDsfSize` million pixels. The picture goes on showing the file as it was when it was opened; its caller closes it. Errors: `NOT_A_PYRAMID` never, else those of
   * {@link Engine.probe}; `LIMIT_EXCEEDED`.
   */
  async open(source: SourceInput, options: ProbeOptions = {}): Promise<Picture> {
    const { page } = resolveBuildOptions(options.page === undefined ? {} : { page: options.page });
    return this.#run(source, options.signal, async (signal) => {
      const opened = await openSpooled(source, null, signal, this.#http());
      return this.#picture(await openImage(opened, this.#openContext(page, signal)));
    });
  }

  /**
   * What `work` makes of the image at a path, or behind an `http:` or `https:` URL, as it is now. Files stay open between uses
   * (the 64 used last, for a minute), and a file that was replaced or rewritten since is opened anew: `work` never sees one
   * that was replaced more than `recheckMs` before, nor a mixture, and may be called a second time for that. It does not
   * close the picture. This is how a server reads.
   *
   * URLs have to be the operator's own: whoever chooses one makes this machine ask for it.
   */
  async use<Result>(location: string, work: (picture: Picture) => Promise<Result>): Promise<Result> {
    if (this.#closing !== null) throw closedError();
    return this.#handles.use(location, (image) => work(this.#picture(image)));
  }

  /**
   * The `info.version` that the image at a path, or behind a URL, has now, without opening it; null when there is
   * nothing. Uses that begin later see this version or a newer one, whatever `recheckMs` says. Rejects with `SOURCE_UNREADABLE` when the server of a URL does not answer as it should: nobody knows then.
   */
  async versionOf(location: string): Promise<string | null> {
    if (this.#closing !== null) throw closedError();
    const version = await versionAt(location, this.#http());
    await this.#handles.noteVersion(location, version);
    return version;
  }

  /**
   * What chooses the profiles of views: with the engine's settings, or with those of a catalog. For one catalog object its
   * profiles are looked for once. Rejects never.
   */
  colours(catalog?: CatalogColour): Promise<ColourChooser> {
    if (catalog === undefined) {
      this.#colours ??= this.#openColour({ settings: {}, scope: {} });
      return this.#colours;
    }
    const known = this.#catalogColours.get(catalog) ?? this.#openColour(catalog);
    this.#catalogColours.set(catalog, known);
    return known;
  }

  /** The budget and its queue, as all engines of this thread share them. */
  snapshot(): BudgetSnapshot {
    return this.#shared.pool.snapshot();
  }

  /** Throws `BUSY` when a view that has to be made would be refused now: to be asked before all that leads to it. */
  checkPlace(): void {
    this.#shared.pool.checkPlace();
  }

  /** Views under way and waiting, as all engines of this thread share them. */
  renderSnapshot(): RenderSnapshot {
    return this.#shared.pool.renderSnapshot();
  }

  /**
   * Ends the engine: what waits or runs is stopped and rejects with `ENGINE_CLOSED`. The last engine to close ends the worker
   * threads; when it resolves no thread, handle or temporary file is left. A second call yields the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort(closedError());
    this.#agents.close();
    this.#shared.pool.off('warning', this.#onPoolWarning);
    // The pool waits for native calls; then what our own steps leave is cleared away.
    const running = Promise.allSettled(this.#running);
    await givePoolBack(this.#shared);
    await running;
    await this.#handles.close();
  }

  #context(): Pick<BuildContext, 'pool' | 'estimate' | 'threads' | 'maxPixels' | 'http'> {
    const { estimate, maxPixels } = this.#options;
    const { pool, options } = this.#shared;
    return { pool, estimate, maxPixels, threads: options.threads, http: this.#http() };
  }

  async #openImage(location: string, page: number, signal: AbortSignal): Promise<OpenImage> {
    return openImage(await openLocation(location, this.#http()), this.#openContext(page, signal));
  }

  #http(): HttpOptions {
    return { timeoutMs: this.#options.readTimeoutMs, agents: this.#agents };
  }

  #openContext(page: number, signal: AbortSignal): Parameters<typeof openImage>[1] {
    const { maxNonDsfSize, maxDecodedPixels } = this.#options.limits;
    return { prober: this.#shared.pool, page, maxNonDsfSize, maxBytes: maxDecodedPixels * LARGEST_PIXEL_BYTES, signal };
  }

  async #openColour({ settings, scope }: CatalogColour): Promise<ColourChooser> {
    const onWarning = (message: string): void => this.#tell('warning', { job: null, message });
    this.#profiles ??= openProfiles(this.#options.colour, onWarning);
    return openColour(await this.#profiles, { ...this.#options.colour, ...settings }, onWarning, scope);
  }

  #picture(image: OpenImage): Picture {
    return new Picture(image, {
      renderer: this.#shared.pool,
      limits: this.#options.limits,
      onWarning: (message) => this.#tell('warning', { job: null, message }),
      colours: (catalog) => this.colours(catalog),
      checkOpen: () => {
        if (this.#closing !== null) throw closedError();
      },
      run: (signal, deadlineMs, task) => this.#run(null, signal, task, deadlineMs),
    });
  }

  /**
   * Runs a task, on a source if there is one, under one signal of the caller's, the engine's and a deadline's (0: none), and says which of
   * them stopped it.
   */
  async #run<Value>(
    source: SourceInput | null,
    signal: AbortSignal | undefined,
    task: (signal: AbortSignal) => Promise<Value>,
    deadlineMs = 0,
  ): Promise<Value> {
    const stop = new AbortController();
    const byCaller = (): void => stop.abort(signal?.reason);
    const byEngine = (): void => stop.abort(closedError());
    const letGo = source === null ? null : adoptStream(source);
    const deadline = deadlineMs === 0 ? null : setTimeout(() => stop.abort(deadlineError(deadlineMs)), deadlineMs);
    let running: Promise<Value> | null = null;
    try {
      if (this.#closing !== null) throw closedError();
      if (signal?.aborted) throw abortedError(signal);
      if (signal !== undefined) setMaxListeners(0, signal);
      signal?.addEventListener('abort', byCaller);
      this.#stop.signal.addEventListener('abort', byEngine);
      running = task(stop.signal).catch((thrown: unknown) => {
        const error = toPyramidionError(thrown);
        throw error.code === 'ABORTED' && this.#stop.signal.aborted ? closedError() : error;
      });
      this.#running.add(running);
      return await running;
    } finally {
      if (running !== null) this.#running.delete(running);
      signal?.removeEventListener('abort', byCaller);
      this.#stop.signal.removeEventListener('abort', byEngine);
      if (deadline !== null) clearTimeout(deadline);
      letGo?.();
    }
  }

  #onPoolWarning = (error: Error): void => this.#tell('warning', { job: null, message: error.message });

  /** Emits an event; what a listener throws becomes a warning of the process. */
  #tell<Name extends keyof EngineEvents>(name: Name, event: EngineEvents[Name][0]): void {
    try {
      (this as EventEmitter).emit(name, event);
    } catch (thrown) {
      process.emitWarning(thrown instanceof Error ? thrown : String(thrown));
    }
  }
}

/** Stored bytes of a pixel, at most: five samples of 16 bits. A million pixels times it is a bound for a view's tiles. */
const LARGEST_PIXEL_BYTES = 10e6;

const SHARED_OPTIONS = ['maxMemory', 'workers', 'threads', 'renders', 'maxQueue', 'niceness'] as const;

/** The pool in force, or a new one. */
function takePool(given: EngineOptions, resolved: ResolvedEngineOptions): SharedPool {
  if (shared !== null) {
    for (const name of SHARED_OPTIONS) {
      if (given[name] === undefined || resolved[name] === shared.options[name]) continue;
      throw invalidOption(name, given[name], `${shared.options[name]}, as in the engine that is open, or left out`);
    }
    shared.users += 1;
    return shared;
  }
  const { maxMemory, workers, threads, renders, maxQueue, niceness } = resolved;
  const budgetBytes = budgetLimit(maxMemory);
  const pool = Pool.start({ budgetBytes, workers, threads, renders, maxQueue: maxQueue ?? undefined, niceness });
  shared = { pool, options: { maxMemory, workers, threads, renders, maxQueue, niceness }, users: 1 };
  return shared;
}

/** Ends the pool when this was its last user. */
async function givePoolBack(used: SharedPool): Promise<void> {
  used.users -= 1;
  if (used.users > 0) return;
  if (shared === used) shared = null;
  closing = used.pool.close();
  await closing;
}

function deadlineError(milliseconds: number): PyramidionError {
  return new PyramidionError('DEADLINE_EXCEEDED', `the request was not done within ${milliseconds} ms (deadlineMs)`, {
    option: 'deadlineMs',
    limit: milliseconds,
  });
}

function closedError(): PyramidionError {
  return new PyramidionError('ENGINE_CLOSED', 'the engine is closed or closing');
}
