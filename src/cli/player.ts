/** Sends requests of a log to a server, byte for byte as they were logged. */
import * as http from 'node:http';
import * as https from 'node:https';

/** Methods that the protocol answers alike. */
export type PlayMethod = 'GET' | 'POST' | 'HEAD';

/** Milliseconds without a byte after which a request has failed. */
const TIMEOUT_MS = 120_000;

/** Keeps connections to one server open. `fetch` is not used, as it would rewrite paths (`..`, `|`, `{`). */
export class Player {
  readonly #origin: URL;
  readonly #protocol: typeof http | typeof https;
  readonly #agent: http.Agent;

  /** `concurrency`: connections at once. */
  constructor(origin: URL, concurrency: number) {
    this.#origin = origin;
    this.#protocol = origin.protocol === 'https:' ? https : http;
    this.#agent = new this.#protocol.Agent({ keepAlive: true, maxSockets: concurrency });
  }

  /** Sends a request and reads its reply to the end. Rejects when there is none, whole, or `signal` fires. */
  play(method: PlayMethod, path: string, signal: AbortSignal): Promise<{ status: number; bytes: number }> {
    return new Promise((resolve, reject) => {
      const request = this.#protocol.request(this.#origin, {
        method,
        // What no URL holds as it is, though others may log it so.
        path: path.replace(/[^\x21-\x7e]/gu, encodeURIComponent),
        agent: this.#agent,
        timeout: TIMEOUT_MS,
        signal,
        ...(method === 'POST' ? { headers: { 'content-length': 0 } } : {}),
      });
      request.on('timeout', () => request.destroy(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)));
      request.on('error', reject);
      request.on('response', (response) => {
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
        });
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes }));
      });
      request.end();
    });
  }

  /** Closes the connections. */
  close(): void {
    this.#agent.destroy();
  }
}
