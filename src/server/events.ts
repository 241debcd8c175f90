/** What happens in a server, as its log tells it. */
import type { LibraryEvent } from '../library/library.js';
import type { AlertEvent } from '../log/alerts.js';
import type { ServerLog } from '../log/server-log.js';
import type { AccessEntry } from '../log/types.js';
import type { ServiceEvent } from './context.js';

/** What the library tells: what is left aside, what cannot be used, what is refused, what counts anew. */
export function tellLibrary(log: ServerLog, event: LibraryEvent): void {
  switch (event.kind) {
    case 'warning':
      log.warn(event.message, null, { path: event.path });
      break;
    case 'error':
      log.error('a file of the library cannot be used', event.error);
      break;
    case 'refused':
      log.trace(2, 'path refused', { path: event.path, reason: event.reason });
      break;
    case 'loaded':
      log.trace(1, 'catalogs loaded', { generation: event.generation, changed: event.changed.join(' ') });
      break;
  }
}

/** What requests tell: errors that are no client's fault, and texts of `req=message`. */
export function tellService(log: ServerLog, event: ServiceEvent): void {
  if (event.kind === 'error') log.error('a request failed', event.error, { url: event.url });
  else log.trace(1, 'message', { text: event.text });
}

/** An alert that begins or ends. */
export function tellAlert(log: ServerLog, { name, isActive, value, limit }: AlertEvent): void {
  log.warn(`alert ${name} ${isActive ? 'begins' : 'ends'}`, null, { value, limit });
}

/** A request that was answered, at trace level 3. */
export function traceRequest(log: ServerLog, { method, url, status, sentBytes, totalMs, cacheUse }: AccessEntry): void {
  log.trace(3, 'request', { method, url, status, sentBytes, totalMs, cacheUse });
}
