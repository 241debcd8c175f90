/** Local time as logs write it. */

/** A moment's date, `yyyy-mm-dd`. */
export function localDate(ms: number): string {
  const date = new Date(ms);
  return `${String(date.getFullYear()).padStart(4, '0')}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** The first moment of the day that is `days` after the one of `ms`, milliseconds since 1970. */
export function localMidnight(ms: number, days: number): number {
  const date = new Date(ms);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days).getTime();
}

/**
 * A writer of moments, made of how a second and the offset from UTC (`+0200`) are written; milliseconds come between them
 * where `withMs` says so. It keeps the second it wrote last: neighbouring lines share it.
 */
function writer(before: (date: Date) => string, after: (date: Date) => string, withMs: boolean) {
  let second = Number.NaN;
  let head = '';
  let tail = '';
  return (ms: number): string => {
    const floor = Math.floor(ms / 1000);
    if (floor !== second) {
      const date = new Date(ms);
      second = floor;
      head = before(date);
      tail = after(date);
    }
    return withMs ? `${head}.${String(1000 + Math.floor(ms - floor * 1000)).slice(1)}${tail}` : head + tail;
  };
}

/** A writer of `yyyy-mm-dd hh:mm:ss.sss`, and of the offset from UTC after it where it is wanted: ` +0200`. */
export function stampWriter(withOffset: boolean): (ms: number) => string {
  return writer(
    (date) => `${localDate(date.getTime())} ${timeOf(date)}`,
    (date) => (withOffset ? ` ${offsetOf(date)}` : ''),
    true,
  );
}

/** A writer of `[dd/Mon/yyyy:hh:mm:ss +0200]`, the time of the common log format. */
export function commonStampWriter(): (ms: number) => string {
  return writer(
    (date) => `[${pad(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}:${timeOf(date)}`,
    (date) => ` ${offsetOf(date)}]`,
    false,
  );
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function timeOf(date: Date): string {
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

function offsetOf(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
