/** How much one request may take. */
import { invalidOption } from '../errors.js';
import { defaultLimits, type LimitSettings } from '../region/limits.js';

/** Limits of a request; what passes one is refused with `LIMIT_EXCEEDED`, before work where that can be known. */
export interface RenderLimits extends LimitSettings {
  /** Bytes of a reply, in units of 2²⁰. */
  readonly maxMessageSize: number;
  /** Largest image that is no pyramid, in millions of pixels. */
  readonly maxNonDsfSize: number;
  /** Milliseconds from the call to the reply, waiting included: beyond it is `DEADLINE_EXCEEDED`. 0: any. */
  readonly deadlineMs: number;
}

/** The original's own limits, and half a minute. */
export const DEFAULT_RENDER_LIMITS: RenderLimits = {
  ...defaultLimits,
  maxMessageSize: 16,
  maxNonDsfSize: 4,
  deadlineMs: 30_000,
};

/** The limits with some of them set. Throws `INVALID_OPTION` for what is no limit, or no number from 0. */
export function resolveLimits(
  given: Partial<RenderLimits> = {},
  base: RenderLimits = DEFAULT_RENDER_LIMITS,
): RenderLimits {
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of said) {
    if (!Object.hasOwn(DEFAULT_RENDER_LIMITS, name))
      throw invalidOption(`limits.${name}`, value, 'left out: there is no such limit');
    const numbers: readonly unknown[] = Array.isArray(value) ? value : [value];
    const isPair = Array.isArray(DEFAULT_RENDER_LIMITS[name as keyof RenderLimits]);
    if (numbers.length !== (isPair ? 2 : 1) || isPair !== Array.isArray(value) || !numbers.every(isAmount))
      throw invalidOption(`limits.${name}`, value, isPair ? 'two numbers from 0' : 'a number from 0');
  }
  return { ...base, ...Object.fromEntries(said) };
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
