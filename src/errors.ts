/**
 * Every error code Pyramidion can answer with. The list is closed: callers may switch over it, and the compiler asks
 * for a row here before a new code can be thrown. The text says what went wrong in general; the message of an error
 * names the value and the limit.
 */
export const ERROR_CODES = {
  INVALID_OPTION: 'an option is unknown, of the wrong type or out of its range',
  SOURCE_NOT_FOUND: 'the source file does not exist',
  SOURCE_UNREADABLE: 'the source could not be read',
  SOURCE_CHANGED: 'the source became shorter while it was read',
  UNSUPPORTED_FORMAT: 'the bytes are of no format on the allow-list',
  UNSUPPORTED_IMAGE: 'the format is known, but not this variant of it (codec, sample type or layout)',
  CORRUPT_IMAGE: 'the image is damaged or cut short',
  TOO_MANY_PIXELS: 'the image has more pixels than `maxPixels`',
  NOT_A_PYRAMID: 'the file is not a tiled multi-resolution TIFF',
  PROFILE_INVALID: 'an ICC profile cannot be parsed or used',
  PROFILE_MISMATCH: "an ICC profile's colour space does not match the image",
  INVALID_REQUEST: 'a command of a request is malformed, out of its range or contradicts another',
  FORMAT_UNSUPPORTED: 'the reply format is not known or not available, or cannot hold what was asked for',
  LIMIT_EXCEEDED: 'the request is beyond a limit: the error names the setting, the value and the limit',
  SIZE_UNREACHABLE: 'no quality makes the reply as small as was asked for',
  REQUEST_REFUSED: 'the request is not allowed: by its address, its lock, a rule, or what may be named by a path',
  BUSY: 'more requests wait than the queue holds: try again later',
  SERVICE_DISABLED: 'the service is switched off',
  DEADLINE_EXCEEDED: 'the request was not done in the time it was given',
  BUDGET_NEVER_FITS: 'the job needs more memory than the whole budget, so it was refused before it started',
  BUDGET_OVERRUN: 'the job took more memory than it had reserved and was stopped',
  ABORTED: 'the caller aborted the job',
  ENGINE_CLOSED: 'the engine is closed or closing',
  WORKER_DIED: 'the worker thread ended while it ran the job',
  OUTPUT_EXISTS: 'the target exists and overwriting was not asked for',
  OUTPUT_NOT_WRITABLE: 'the target or its folder cannot be written',
  OUTPUT_TOO_LARGE: 'the output does not fit in the chosen TIFF container',
  DISK_FULL: 'the disk has too little free space for the output',
  NATIVE_MISSING: 'the native addon or the libvips base package could not be loaded',
  NATIVE_TOO_OLD: 'the libvips base package is older than the oldest safe one',
  INTERNAL: 'a defect in Pyramidion: please report it',
} as const;

/** One of the closed list of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error carries besides its code and message. */
export interface ErrorContext {
  /** Facts for the log, which may hold paths and library text; never shown to a remote caller. */
  readonly detail?: string | undefined;
  /** The error this one was made from. */
  readonly cause?: unknown;
  /** The option at fault, for `INVALID_OPTION`. */
  readonly option?: string | undefined;
  /** The value that was refused, where there is one. */
  readonly value?: unknown;
  /** The limit it broke, in the unit of the value. */
  readonly limit?: unknown;
}

/** The one error class: whatever Pyramidion rejects or throws is one of these. */
export class PyramidionError extends Error {
  override readonly name = 'PyramidionError';
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly option: string | undefined;
  readonly value: unknown;
  readonly limit: unknown;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.code = code;
    this.detail = context.detail;
    this.option = context.option;
    this.value = context.value;
    this.limit = context.limit;
  }
}

/** The plain form of an error, which survives the trip between threads where class and code do not. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail?: string | undefined;
}

/** Whether `value` is one of {@link ERROR_CODES}. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}

/** Makes a {@link PyramidionError} of anything thrown; what carries no code of ours becomes `INTERNAL`. */
export function toPyramidionError(thrown: unknown): PyramidionError {
  if (thrown instanceof PyramidionError) return thrown;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { code, detail } = error as { code?: unknown; detail?: unknown };
  return new PyramidionError(isErrorCode(code) ? code : 'INTERNAL', error.message, {
    detail: typeof detail === 'string' ? detail : undefined,
    cause: thrown,
  });
}

/** The error for an option: names it, the value, and what is allowed. */
export function invalidOption(option: string, value: unknown, allowed: string): PyramidionError {
  return new PyramidionError('INVALID_OPTION', `${option} must be ${allowed}; got ${shown(value)}`, {
    option,
    value,
    limit: allowed,
  });
}

/** A value as a message shows it: short, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'function') return 'a function';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
