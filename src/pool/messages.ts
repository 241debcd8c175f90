/** What the pool and its worker threads say to each other: plain data that survives the trip between threads. */
import type { ErrorRecord } from '../errors.js';
import type { BuildJob, BuildResult, Capabilities, ProbeJob, ProbeResult, VerifyJob } from '../native/contract.js';

/** The native calls a worker makes: what each takes and yields. */
export interface Tasks {
  capabilities: { job: null; value: Capabilities };
  probe: { job: ProbeJob; value: ProbeResult };
  verify: { job: VerifyJob; value: undefined };
  build: { job: BuildJob; value: BuildResult };
}

/** The name of a native call. */
export type TaskName = keyof Tasks;

/** Pool → worker. */
export interface WorkerRequest<Name extends TaskName = TaskName> {
  readonly task: Name;
  readonly job: Tasks[Name]['job'];
  /** One shared number: the worker sets it to 1 when it takes the request up. */
  readonly begun: Int32Array;
}

/** Worker → pool. An error travels as data, because its class and code would be lost. */
export type WorkerAnswer<Name extends TaskName = TaskName> =
  | { readonly value: Tasks[Name]['value'] }
  | { readonly error: ErrorRecord };
