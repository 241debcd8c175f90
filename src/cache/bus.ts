/** Ways for the caches of several processes to hear of one another. */
import cluster, { type Worker } from 'node:cluster';
import type { CacheBus } from './types.js';

/** What marks the cache's messages among others on the same channel. */
const CHANNEL = 'pyramidion cache';

/** A message as it goes through the channel. */
interface Envelope {
  readonly channel: typeof CHANNEL;
  readonly message: unknown;
}

/** What goes wrong with a message that nobody takes any more is no news. */
function ignore(): void {}

/**
 * The bus between the primary and the workers of `node:cluster`, by the channel these have anyway. To be called once in
 * each process; it lasts as long as the process does.
 */
export function clusterBus(): CacheBus {
  if (cluster.isPrimary) {
    return {
      role: 'primary',
      send: (message) => {
        for (const worker of Object.values(cluster.workers ?? {})) {
          if (worker?.isConnected()) worker.send(sealed(message), ignore);
        }
      },
      onMessage: (listener) => {
        cluster.on('message', (_: Worker, envelope: unknown) => unseal(envelope, listener));
      },
    };
  }
  return {
    role: 'member',
    send: (message) => {
      if (process.connected) process.send?.(sealed(message), undefined, undefined, ignore);
    },
    onMessage: (listener) => {
      process.on('message', (envelope) => unseal(envelope, listener));
    },
  };
}

function sealed(message: unknown): Envelope {
  return { channel: CHANNEL, message };
}

function unseal(envelope: unknown, listener: (message: unknown) => void): void {
  const { channel, message } = (envelope ?? {}) as Partial<Envelope>;
  if (channel === CHANNEL) listener(message);
}

/** A bus in this process, for tests: one end of the primary and some of members. Each message arrives later, as a copy. */
export function localBus(members: number): { readonly primary: CacheBus; readonly members: readonly CacheBus[] } {
  const listeners: ((message: unknown) => void)[] = [];
  const deliver = (to: number, message: unknown): void => {
    const copy: unknown = structuredClone(message);
    setImmediate(() => listeners[to]?.(copy));
  };
  const end = (role: CacheBus['role'], at: number, targets: readonly number[]): CacheBus => ({
    role,
    send: (message) => {
      for (const to of targets) deliver(to, message);
    },
    onMessage: (listener) => {
      listeners[at] = listener;
    },
  });
  const numbers = Array.from({ length: members }, (_, index) => index + 1);
  return { primary: end('primary', 0, numbers), members: numbers.map((at) => end('member', at, [0])) };
}
