/** What answering a request takes. */
import type { PyramidionError } from '../errors.js';
import type { Pictures } from './pictures.js';
import type { Recall } from './recall.js';
import type { ServiceRequest } from './request.js';
import type { Lookup } from './resolution.js';
import type { Trace } from './trace.js';

/** What a server's log may want to know. */
export type ServiceEvent =
  | { readonly kind: 'error'; readonly url: string; readonly error: PyramidionError }
  | { readonly kind: 'message'; readonly text: string };

/** Given to whatever answers one request. */
export interface AnswerContext {
  readonly pictures: Pictures;
  readonly lookup: Lookup;
  readonly recall: Recall;
  readonly onEvent: (event: ServiceEvent) => void;
  readonly request: ServiceRequest;
  readonly trace: Trace;
  readonly nowMs: number;
}
