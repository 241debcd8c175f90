/** What happens in a server, as its log tells it. */
import type { LibraryEvent } from '../library/library.js';
import type { AlertEvent } from '../log/alerts.js';
import type { ServerLog } from '../log/server-log.js';
import type { AccessEntry } from '../log/types.js';
import type { ServiceEvent } from './context.js';

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

export function tellService(log: ServerLog, event: ServiceEvent): void {
  if (event.kind === 'error') log.error('a request failed', event.error, { url: event.url });
  else log.trace(1, 'message', { text: event.text });
}

export function tellAlert(log: ServerLog, { name, isActive, value, limit }: AlertEvent): void {
  log.warn(`alert ${name} ${isActive ? 'begins' : 'ends'}`, null, { value, limit });
}

export function traceRequest(log: ServerLog, { method, url, status, sentBytes, totalMs, cacheUse }: AccessEntry): void {
  log.trace(3, 'request', { method, url, status, sentBytes, totalMs, cacheUse });
}
