/** What becomes known of a request while it is answered, for the log. */
import type { CacheUse } from '../cache/types.js';
import type { ProcessingStatus } from '../log/types.js';

/** The parts of an access entry that the service knows. Filled in on the way: what fails is told as far as it came. */
export class Trace {
  processingStatus: ProcessingStatus = 0;
  requestType = '';
  rootId = '';
  cacheUse: CacheUse = 'UNDEFINED';
  cacheKey = '';
  digest = '';
  exception = '';
  context = '';
  transformedUrl = '';
  pathBasedAccess = false;
  /** When the request was understood, on the clock of `performance.now`; 0 until then. */
  parsedAt = 0;
}
