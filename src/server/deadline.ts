/** The time that a request may take. */
import { PyramidionError } from '../errors.js';

/** A signal, and what ends the watching that it takes. */
export interface Limited {
  readonly signal: AbortSignal;
  readonly end: () => void;
}

/** A signal that aborts with the client's, and with `DEADLINE_EXCEEDED` after so many milliseconds; 0 is never. */
export function limitTime(client: AbortSignal | undefined, deadlineMs: number): Limited {
  const stop = new AbortController();
  const onLeave = (): void => stop.abort(client?.reason);
  if (client?.aborted) onLeave();
  client?.addEventListener('abort', onLeave);
  const timer = deadlineMs === 0 ? undefined : setTimeout(() => stop.abort(exceeded(deadlineMs)), deadlineMs);
  return {
    signal: stop.signal,
    end: () => {
      clearTimeout(timer);
      client?.removeEventListener('abort', onLeave);
    },
  };
}

function exceeded(deadlineMs: number): PyramidionError {
  return new PyramidionError(
    'DEADLINE_EXCEEDED',
    `the request was not done within ${deadlineMs / 1000} s (deadlineSeconds)`,
    {
      option: 'deadlineSeconds',
      limit: deadlineMs / 1000,
    },
  );
}
