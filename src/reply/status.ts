/** What an error is to a client: the only place that knows HTTP statuses. */
import type { ErrorCode, PyramidionError } from '../errors.js';
import type { ErrorDetail } from '../library/types.js';
import type { ProcessingStatus } from '../log/types.js';

interface Outcome {
  readonly status: number;
  readonly processing: ProcessingStatus;
  /** What a client is told in any case. */
  readonly title: string;
  /** The message speaks of the request alone, and may be told; others may name files of ours. */
  readonly isAboutRequest: boolean;
}

const SOURCE = (title: string): Outcome => ({ status: 403, processing: 1, title, isAboutRequest: false });
const USAGE = (title: string): Outcome => ({ status: 403, processing: 2, title, isAboutRequest: true });
const FAULT = (title: string): Outcome => ({ status: 500, processing: 3, title, isAboutRequest: false });
const LATER = (title: string): Outcome => ({ status: 503, processing: 4, title, isAboutRequest: true });

/** As the documentation of the protocol has it (403 for nearly all that is wrong with a request), and 503 for what may go well later. */
const OUTCOMES: Readonly<Record<ErrorCode, Outcome>> = {
  SOURCE_NOT_FOUND: SOURCE('Image not found'),
  SOURCE_UNREADABLE: SOURCE('Image cannot be read'),
  UNSUPPORTED_FORMAT: SOURCE('Image format not supported'),
  UNSUPPORTED_IMAGE: SOURCE('Image format not supported'),
  CORRUPT_IMAGE: SOURCE('Image is damaged'),
  NOT_A_PYRAMID: SOURCE('Image is no pyramid'),
  TOO_MANY_PIXELS: SOURCE('Image is too large'),
  INVALID_REQUEST: USAGE('Invalid request'),
  INVALID_OPTION: USAGE('Invalid request'),
  FORMAT_UNSUPPORTED: USAGE('Reply format not supported'),
  LIMIT_EXCEEDED: USAGE('Limit exceeded'),
  SIZE_UNREACHABLE: USAGE('Reply size cannot be reached'),
  PROFILE_INVALID: USAGE('Colour profile cannot be used'),
  PROFILE_MISMATCH: USAGE('Colour profile does not match'),
  REQUEST_REFUSED: USAGE('Request refused'),
  SOURCE_CHANGED: { ...LATER('Image is being changed'), isAboutRequest: false },
  BUSY: LATER('Server is busy'),
  DEADLINE_EXCEEDED: LATER('Server is busy'),
  ENGINE_CLOSED: LATER('Server is stopping'),
  ABORTED: LATER('Request was given up'),
  SERVICE_DISABLED: LATER('Image Serving is disabled'),
  BUDGET_NEVER_FITS: SOURCE('Image is too large'),
  BUDGET_OVERRUN: FAULT('Server error'),
  WORKER_DIED: FAULT('Server error'),
  OUTPUT_EXISTS: FAULT('Server error'),
  OUTPUT_NOT_WRITABLE: FAULT('Server error'),
  OUTPUT_TOO_LARGE: FAULT('Server error'),
  DISK_FULL: FAULT('Server error'),
  NATIVE_MISSING: FAULT('Server error'),
  NATIVE_TOO_OLD: FAULT('Server error'),
  INTERNAL: FAULT('Server error'),
};

/** Titles of limits, by the setting that is passed. */
const LIMIT_TITLES: Readonly<Record<string, string>> = {
  maxPix: 'Image size limit exceeded',
  maxRenderRgnPixels: 'Image size limit exceeded',
  maxDecodedPixels: 'Image size limit exceeded',
  maxMessageSize: 'Reply size limit exceeded',
  maxNonDsfSize: 'Source image size limit exceeded',
  maxQueryLength: 'Request is too long',
  url: 'Request is too long',
  maxCommands: 'Request is too long',
  maxPathElements: 'Request is too long',
};

/** What an error is to a client. */
export interface ErrorOutcome {
  readonly status: number;
  readonly processing: ProcessingStatus;
  readonly title: string;
  /** One line, unless a stack trace was asked for. Up to detail 2 it holds no path of ours. */
  readonly message: string;
}

/**
 * Status, title and message of an error. `subject` is the object that was asked for.
 *
 * @param detail 0 and 1 tell the title, 2 what was asked, the value and the limit, 3 all that and the stack
 */
export function outcomeOf(error: PyramidionError, subject: string, detail: ErrorDetail): ErrorOutcome {
  const known = OUTCOMES[error.code];
  const status = error.code === 'LIMIT_EXCEEDED' && error.option === 'url' ? 414 : known.status;
  const title = (error.code === 'LIMIT_EXCEEDED' && LIMIT_TITLES[error.option ?? '']) || known.title;
  const about = [title, known.isAboutRequest ? error.message : '', subject].filter((part) => part !== '');
  const message = detail < 2 ? title : oneLine(about.join(': '));
  return {
    status,
    processing: known.processing,
    title,
    message: detail < 3 ? message : `${message}\n${error.stack ?? ''}`,
  };
}

/** Text without line ends and other control characters. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}
