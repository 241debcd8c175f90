/** The image service as a handler for a server that is already there: `node:http`, Express, Connect. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config/config.js';
import { type CoreOptions, ImageCore } from './core.js';
import { answerNotFound } from './not-found.js';

/** A handler to mount. */
export interface MountedService {
  /**
   * Answers requests for `/is/…`. Others go to `next`, where there is one, else get 404. In Express the path before the
   * mount point counts, too: mount it at the root.
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void;
  /** The metrics of this process, in Prometheus's text format. */
  exposition(): Promise<string>;
  /** Stops what is under way, and lets go of everything. */
  close(): Promise<void>;
}

/**
 * Opens the image service without a server. Ports, TLS, processes and what else concerns listening is not looked at. Errors:
 * those of `ImageCore.open`.
 */
export async function mountImageServing(config: Config, options: CoreOptions = {}): Promise<MountedService> {
  const core = await ImageCore.open(config, options);
  const { face } = core;
  return {
    handler: (request, response, next) => {
      const { originalUrl } = request as IncomingMessage & { originalUrl?: string };
      const url = originalUrl ?? request.url ?? '';
      if (face.owns(url)) {
        if (!face.answerKnown(request, response, url)) void face.answer(request, response, url);
      } else if (next !== undefined) next();
      else answerNotFound(request, response);
    },
    exposition: () => core.exposition(),
    close: () => core.close(),
  };
}
