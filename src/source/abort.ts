import { PyramidionError } from '../errors.js';

/** The error of a job that a signal has stopped: the signal's reason where that is one of ours, else `ABORTED`. */
export function abortedBy(signal: AbortSignal): PyramidionError {
  if (signal.reason instanceof PyramidionError) return signal.reason;
  return new PyramidionError('ABORTED', 'the job was aborted', { cause: signal.reason });
}

/**
 * What `promise` yields, or `ABORTED` at once: what it stands for goes on, for others that wait for it or because it
 * cannot be stopped.
 */
export function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortedBy(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
