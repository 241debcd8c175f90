/** Several processes as one server: they share the port and the folders of the cache; the first process keeps the account. */
import cluster, { type Worker } from 'node:cluster';
import { clusterBus } from '../cache/bus.js';
import { ResponseCache } from '../cache/cache.js';
import type { Config } from '../config/config.js';
import { PyramidionError } from '../errors.js';
import type { MetricsSnapshot } from '../log/families.js';
import { mergeSnapshots } from '../log/metrics.js';
import { MIN_BUDGET_BYTES } from '../pool/budget.js';
import type { Siblings } from './core.js';
import { ImageServer } from './server.js';

/** What the processes say to one another, besides what their caches do. */
type Message =
  | { readonly channel: typeof CHANNEL; readonly kind: 'ready'; readonly urls: readonly string[] }
  | { readonly channel: typeof CHANNEL; readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly channel: typeof CHANNEL; readonly kind: 'stop' }
  /** Of a process that is asked for the metrics of all, to the first one; from there to each, and back. */
  | { readonly channel: typeof CHANNEL; readonly kind: 'collect'; readonly id: number; readonly from: number }
  | {
      readonly channel: typeof CHANNEL;
      readonly kind: 'collected';
      readonly id: number;
      readonly from: number;
      readonly snapshot: MetricsSnapshot;
    };

const CHANNEL = 'pyramidion server';
/** A process that ends by itself is started again after this time; one that does so at once would otherwise keep a processor busy. */
const RESTART_MS = 1000;
/** Metrics of a process that does not answer are left out. */
const ANSWER_MS = 1000;

/** A running server, of one process or several. */
export interface RunningServer {
  readonly urls: readonly string[];
  close(): Promise<void>;
}

/**
 * Starts the processes of a server; each runs the program that this one runs, where {@link serveAsMember} has to be called. Resolves when all
 * are listening. Errors: those of `ImageServer.start`, from whichever process.
 */
export async function startCluster(config: Config, onExit: (message: string) => void): Promise<RunningServer> {
  const { platformServer, server } = config;
  const bus = clusterBus();
  // It serves nothing, and keeps the account of the disk for all.
  const cache = await ResponseCache.open({
    enabled: platformServer.cacheEnabled,
    roots: platformServer.cacheRoots,
    maxBytes: platformServer.cacheMaxBytes,
    maxEntries: platformServer.cacheMaxEntries,
    memoryBytes: 0,
    versionOf: async () => null,
    onWarning: (message) => onExit(message),
    bus,
  });
  let isClosing = false;
  let urls: readonly string[] = [];
  const gone = new Map<Worker, Promise<void>>();
  const start = (): Promise<readonly string[]> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork();
      gone.set(worker, new Promise((exited) => worker.once('exit', () => exited())));
      worker.on('message', (message: Message) => {
        if (message?.channel !== CHANNEL) return;
        if (message.kind === 'ready') resolve(message.urls);
        // It was told before that, when it did not listen yet.
        if (message.kind === 'ready' && isClosing) send(worker, { channel: CHANNEL, kind: 'stop' });
        if (message.kind === 'failed') reject(failureOf(message));
        if (message.kind === 'collect' || message.kind === 'collected') relay(worker, message);
      });
      worker.once('exit', (code, signal) => {
        gone.delete(worker);
        reject(new PyramidionError('WORKER_DIED', `a process of the server ended (${signal ?? code})`));
        if (isClosing || urls.length === 0) return;
        onExit(`a process of the server ended (${signal ?? code}); another one is started`);
        setTimeout(() => {
          if (!isClosing) start().catch((error: Error) => onExit(error.message));
        }, RESTART_MS);
      });
    });
  const close = async (): Promise<void> => {
    isClosing = true;
    const all = [...gone.entries()];
    for (const [worker] of all) send(worker, { channel: CHANNEL, kind: 'stop' });
    await Promise.all(all.map(([, exited]) => exited));
    await cache.close();
  };
  try {
    const started = await Promise.all(Array.from({ length: server.processes }, start));
    urls = started[0] ?? [];
    return { urls, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Passes a question for metrics on to the others, and their answers back to who asked. */
function relay(from: Worker, message: Extract<Message, { kind: 'collect' | 'collected' }>): void {
  if (message.kind === 'collected') send(cluster.workers?.[message.from], message);
  else
    for (const worker of Object.values(cluster.workers ?? {}))
      if (worker !== from) send(worker, { ...message, from: from.id });
}

/** Tells one process something. One that has just ended does not hear it, which its exit tells. */
function send(worker: Worker | undefined, message: Message): void {
  if (worker?.isConnected()) worker.send(message, () => {});
}

function failureOf({ code, message }: { code: string; message: string }): PyramidionError {
  return new PyramidionError(code as PyramidionError['code'], message);
}

/** Whether this process is one that {@link startCluster} started. */
export function isMember(): boolean {
  return cluster.isWorker;
}

/** Serves as one of several processes, until the first one says to stop or is gone. Rejects never: what goes wrong is told to the first one. */
export async function serveAsMember(config: Config, reread: () => Promise<Config>): Promise<void> {
  const tell = (message: Message): void => {
    if (process.connected) process.send?.(message);
  };
  const questions = new Questions(tell, config.server.processes);
  try {
    const siblings: Siblings = { bus: clusterBus(), snapshots: (own) => questions.ask(own) };
    const server = await ImageServer.start(shareOf(config), { siblings, reread });
    const stopped = new Promise<void>((resolve) => {
      process.once('disconnect', resolve);
      process.on('message', (message: Message) => {
        if (message?.channel !== CHANNEL) return;
        if (message.kind === 'stop') resolve();
        if (message.kind === 'collected') questions.answer(message.id, message.snapshot);
        if (message.kind === 'collect') {
          const { id, from } = message;
          void server.metrics().then((snapshot) => tell({ channel: CHANNEL, kind: 'collected', id, from, snapshot }));
        }
      });
    });
    tell({ channel: CHANNEL, kind: 'ready', urls: server.urls });
    await stopped;
    await server.close();
  } catch (thrown) {
    const { code = 'INTERNAL', message } = thrown as PyramidionError;
    tell({ channel: CHANNEL, kind: 'failed', code, message });
  }
  process.disconnect();
}

/** What one of several processes may take: memory and threads are for all of them together. */
function shareOf(config: Config): Config {
  const { ptiffManager, imageServer, server } = config;
  const share = (amount: number, least: number): number => Math.max(least, Math.floor(amount / server.processes));
  return {
    ...config,
    ptiffManager: { ...ptiffManager, maxMemoryBytes: share(ptiffManager.maxMemoryBytes, MIN_BUDGET_BYTES) },
    imageServer: {
      ...imageServer,
      workerThreads: imageServer.workerThreads === 0 ? 0 : share(imageServer.workerThreads, 1),
    },
  };
}

/** Questions to the other processes for their metrics. */
class Questions {
  readonly #tell: (message: Message) => void;
  readonly #processes: number;
  readonly #open = new Map<number, { readonly found: MetricsSnapshot[]; readonly onAll: () => void }>();
  #last = 0;

  constructor(tell: (message: Message) => void, processes: number) {
    this.#tell = tell;
    this.#processes = processes;
  }

  async ask(own: MetricsSnapshot): Promise<MetricsSnapshot> {
    this.#last += 1;
    const id = this.#last;
    const found = [own];
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ANSWER_MS);
      const onAll = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#open.set(id, { found, onAll });
      this.#tell({ channel: CHANNEL, kind: 'collect', id, from: 0 });
    });
    this.#open.delete(id);
    return mergeSnapshots(found);
  }

  answer(id: number, snapshot: MetricsSnapshot): void {
    const question = this.#open.get(id);
    question?.found.push(snapshot);
    if (question?.found.length === this.#processes) question.onAll();
  }
}
