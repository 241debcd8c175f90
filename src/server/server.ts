/** One process of the image server: what answers requests, and the ports it listens on. */
import type { Config } from '../config/config.js';
import type { MetricsSnapshot } from '../log/families.js';
import { createApp, createServiceServer } from './app.js';
import { Closers } from './closers.js';
import { type CoreOptions, ImageCore } from './core.js';
import { drain, listen, readTls } from './listening.js';

/** A running server. Start it with {@link ImageServer.start}, and close it. */
export class ImageServer {
  /** Where it listens, as URLs without a path: the main one first. */
  readonly urls: readonly string[];
  readonly #core: ImageCore;
  readonly #closers: Closers;

  private constructor(urls: readonly string[], core: ImageCore, closers: Closers) {
    this.urls = urls;
    this.#core = core;
    this.#closers = closers;
  }

  /**
   * Starts a server: when it resolves, requests are answered.
   *
   * Errors: those of `ImageCore.open`; `INVALID_OPTION` for a port that is taken, or a certificate that cannot be read.
   */
  static async start(config: Config, options: CoreOptions = {}): Promise<ImageServer> {
    const { server, imageServer } = config;
    const closers = new Closers();
    try {
      const tls = server.tls === null ? null : await readTls(server.tls);
      const core = closers.opened(await ImageCore.open(config, options));
      let isReady = true;
      const { face, viewer } = core;
      const onError = (error: unknown): void => core.log.error('a page could not be made', error);
      const http = { face, viewer, isReady: () => isReady, onError, keepAliveMs: server.keepAliveMs, tls };
      const app = createApp({ ...http, exposition: () => core.exposition() });
      const stops: (() => Promise<void>)[] = [];
      // All at once: one that waits for its requests keeps no other listening.
      closers.push(async () => {
        isReady = false;
        await Promise.all(stops.map((stop) => stop()));
      });
      const urls = [await listen(app.server, app, server.port, server.host, tls !== null)];
      stops.push(() => drain(app.server, () => app.close(), server.drainMs));
      if (imageServer.tcpPort !== null) {
        const inner = createServiceServer(face, http);
        urls.push(await listen(inner, null, imageServer.tcpPort, imageServer.tcpHost, tls !== null));
        const stop = (): Promise<void> => new Promise((resolve) => inner.close(() => resolve()));
        stops.push(() => drain(inner, stop, server.drainMs));
      }
      core.log.trace(1, 'started', { urls: urls.join(' '), roots: server.roots.join(' ') });
      return new ImageServer(urls, core, closers);
    } catch (error) {
      await closers.close();
      throw error;
    }
  }

  /** The metrics of this process. */
  metrics(): Promise<MetricsSnapshot> {
    return this.#core.metrics();
  }

  /**
   * Takes no more requests, waits for those under way as long as `drainMs` says, and lets go of everything. A second call
   * yields the same promise.
   */
  close(): Promise<void> {
    this.#core.log.trace(1, 'stopping');
    return this.#closers.close();
  }
}
