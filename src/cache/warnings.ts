/** Warnings that do not flood the log. */

/** Tells of something that went wrong. */
export type Warn = (message: string, error: unknown) => void;

/** The same message is passed on once in so many milliseconds. */
const AGAIN_AFTER_MS = 60_000;

/** Passes warnings on to `onWarning`, the same message at most once a minute; `now` is the clock, in milliseconds. */
export function seldom(onWarning: Warn, now: () => number): Warn {
  const passedAt = new Map<string, number>();
  return (message, error) => {
    const at = now();
    if (at - (passedAt.get(message) ?? Number.NEGATIVE_INFINITY) < AGAIN_AFTER_MS) return;
    passedAt.set(message, at);
    onWarning(message, error);
  };
}
