/** What the pool and its worker threads say to each other: plain data that survives the trip between threads. */
import { type ErrorRecord, isErrorCode, PyramidionError } from '../errors.js';
import type {
  BuildJob,
  BuildResult,
  Capabilities,
  ProbeJob,
  ProbeResult,
  RenderJob,
  RenderResult,
  VerifyJob,
} from '../native/contract.js';

/** The native calls a worker makes: what each takes and yields. */
export interface Tasks {
  capabilities: { job: null; value: Capabilities };
  probe: { job: ProbeJob; value: ProbeResult };
  verify: { job: VerifyJob; value: undefined };
  build: { job: BuildJob; value: BuildResult };
  render: { job: RenderJob; value: RenderResult };
}

/** The name of a native call. */
export type TaskName = keyof Tasks;

/** Pool → worker. */
export interface WorkerRequest<Name extends TaskName = TaskName> {
  readonly task: Name;
  readonly job: Tasks[Name]['job'];
  /** One shared number of {@link BEGUN}: who changes it first, the worker or the pool, has the request. */
  readonly begun: Int32Array;
}

/** What becomes of a request: it waits, a worker has taken it up, or the pool has given it up and no worker may. */
export const BEGUN = { waits: 0, taken: 1, withdrawn: 2 } as const;

/** Worker → pool. An error travels as data, because its class and code would be lost. */
export type WorkerAnswer<Name extends TaskName = TaskName> =
  | { readonly value: Tasks[Name]['value'] }
  | { readonly error: ErrorRecord };

/** The error of a worker, as it was before the trip. */
export function rebuilt({ code, message, detail }: ErrorRecord): PyramidionError {
  return new PyramidionError(isErrorCode(code) ? code : 'INTERNAL', message, { detail });
}

/** A worker answers errors as data, so whatever piscina itself rejects with means that no answer will come. */
export function lostError(thrown: unknown): PyramidionError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const detail = error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
  return error.name === 'DataCloneError'
    ? new PyramidionError('INTERNAL', 'the job cannot be handed to a worker thread', { detail, cause: thrown })
    : new PyramidionError('WORKER_DIED', 'the worker thread ended while it ran the job', { detail, cause: thrown });
}
