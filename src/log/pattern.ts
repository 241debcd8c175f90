/** The pattern of an access log: from its text to the function that writes a line. */
import { PyramidionError, shown } from '../errors.js';
import { escapeField } from './escape.js';
import { commonStampWriter, stampWriter } from './time.js';
import type { AccessEntry, LoggedHeaders } from './types.js';

/** 34 columns: `%G` and `%R` are three each. */
export const DEFAULT_PATTERN = [
  '%G %a %s %{ProcessingStatus}r %{Size}r %D %{ParseTime}r %{FetchTime}r %O %{ReqType}r',
  "'%{RootId}r' %{CacheUse}r %R [%I] '%{Referer}i' %{Host}i %{X-Forwarded-For}i",
  '%{If-None-Match}i %{If-Match}i %{If-Modified-Since}i %{Digest}r %{ContentType}r %p',
  '%{Exception}r %{CacheKey}r %{PeerServer}r %{SendTime}r %{Context}r %{TransformedUrl}r %{PathBasedAccess}r',
].join(' ');

/** Writes what is in a line of an entry: one column, or several that are set apart by spaces. */
type Column = (entry: AccessEntry) => string;

/** A variable of a pattern, made a column with the text that stands before it. */
type Variable = (before: string) => Column;

/**
 * A column of text. What it wrote last is kept: hosts, referrers and types are mostly those of the line before.
 */
function text(read: (entry: AccessEntry) => string, write: (value: string) => string = escapeField): Variable {
  return (before) => {
    let last = '';
    let written = before + write('');
    return (entry) => {
      const value = read(entry);
      if (value !== last) {
        written = before + write(value);
        last = value;
      }
      return written;
    };
  };
}

/** A column of what has nothing to escape. */
function plain(read: (entry: AccessEntry) => string | number): Variable {
  return (before) => (entry) => before + read(entry);
}

/** A column that is the same in all lines. */
function constant(value: string): Variable {
  return (before) => () => before + value;
}

/** `%x`. */
const LETTERS: Readonly<Record<string, Variable>> = {
  a: text((entry) => entry.remoteAddress),
  A: text((entry) => entry.localAddress ?? ''),
  b: plain((entry) => (entry.sentBytes === 0 ? '-' : entry.sentBytes)),
  B: plain((entry) => entry.sentBytes),
  D: plain((entry) => Math.round(entry.totalMs)),
  G: (before) => {
    const stamp = stampWriter(true);
    return (entry) => before + stamp(entry.sentAt);
  },
  I: constant(String(process.pid)),
  m: text((entry) => entry.method),
  O: plain((entry) => entry.overlap),
  p: plain((entry) => entry.localPort),
  q: text((entry) => splitUrl(entry.url)[1]),
  r: text((entry) => `${entry.method} ${entry.url} HTTP/${entry.httpVersion}`),
  R: (before) => {
    const method = text((entry) => entry.method)(before);
    const url = text((entry) => entry.url)(' ');
    const version = text((entry) => entry.httpVersion)(' HTTP/');
    return (entry) => method(entry) + url(entry) + version(entry);
  },
  s: plain((entry) => entry.status),
  // There are neither sessions nor users.
  S: constant('-'),
  t: (before) => {
    const stamp = commonStampWriter();
    return text((entry) => stamp(entry.sentAt))(before);
  },
  T: plain((entry) => (entry.totalMs / 1000).toFixed(3)),
  u: constant('-'),
  U: text((entry) => splitUrl(entry.url)[0]),
  v: text((entry) => entry.host.replace(/:\d+$/, '')),
};

/** `%{Name}r`, names in lower case. */
const FACTS: Readonly<Record<string, Variable>> = {
  cachekey: text((entry) => entry.cacheKey),
  cacheuse: plain((entry) => entry.cacheUse),
  contenttype: text((entry) => entry.mediaType),
  context: text((entry) => entry.context),
  digest: text((entry) => entry.digest),
  exception: text((entry) => entry.exception),
  fetchtime: plain((entry) => Math.round(entry.fetchMs)),
  parsetime: plain((entry) => Math.round(entry.parseMs)),
  pathbasedaccess: plain((entry) => String(entry.pathBasedAccess)),
  // Nobody but this server answers.
  peerserver: constant('-'),
  processingstatus: plain((entry) => entry.processingStatus),
  reqtype: text(
    (entry) => entry.requestType,
    (type) => escapeField(type).toUpperCase(),
  ),
  rootid: text((entry) => entry.rootId),
  sendtime: plain((entry) => Math.round(entry.sendMs)),
  size: plain((entry) => entry.size),
  transformedurl: text((entry) => entry.transformedUrl),
};

/** Request headers that an entry has as fields, by their names in lower case. */
const HEADERS: Readonly<Record<string, (entry: AccessEntry) => string>> = {
  referer: (entry) => entry.referer,
  host: (entry) => entry.host,
  'x-forwarded-for': (entry) => entry.forwardedFor,
  'if-none-match': (entry) => entry.ifNoneMatch,
  'if-match': (entry) => entry.ifMatch,
  'if-modified-since': (entry) => entry.ifModifiedSince,
};

/**
 * Compiles a pattern: text with variables `%x`, `%{Name}i` (request header), `%{Name}o` (reply header) and `%{Name}r` (a
 * fact of the request), the names of braces in any case; `%%` is a percent sign. The function yields a line and its end.
 * Every variable is one column, `-` where there is nothing, but for `%G` (date, time, offset) and `%R` (method, URL,
 * protocol). Errors: `INVALID_OPTION` when a variable is not known or a control
 * character stands in the pattern.
 */
export function compilePattern(pattern: string): (entry: AccessEntry) => string {
  if (/\p{Cc}/u.test(pattern)) throw refused(pattern, 'control characters cannot stand in it');
  const columns: Column[] = [];
  let literal = '';
  let end = 0;
  for (const match of pattern.matchAll(/%(?:%|\{([^{}]*)\}(.?)|(.?))/gsu)) {
    const [whole, name, kind, letter] = match;
    literal += pattern.slice(end, match.index);
    end = match.index + whole.length;
    if (whole === '%%') {
      literal += '%';
      continue;
    }
    const variable = name === undefined ? own(LETTERS, letter ?? '') : named(name.toLowerCase(), kind);
    if (variable === undefined) throw refused(pattern, `${whole} is no variable`);
    columns.push(variable(literal));
    literal = '';
  }
  const after = `${literal}${pattern.slice(end)}\n`;
  return (entry) => {
    let line = '';
    // By index: this runs for every reply.
    for (let i = 0; i < columns.length; i++) line += (columns[i] as Column)(entry);
    return line + after;
  };
}

function named(name: string, kind: string | undefined): Variable | undefined {
  if (kind === 'r') return own(FACTS, name);
  if (kind === 'o') return text((entry) => sentHeader(entry.replyHeaders, name));
  if (kind !== 'i') return undefined;
  return text(own(HEADERS, name) ?? ((entry) => headerOf(entry.requestHeaders, name)));
}

function headerOf(headers: LoggedHeaders | undefined, name: string): string {
  const value = headers === undefined ? undefined : own(headers, name);
  return typeof value === 'string' ? value : (value?.join(', ') ?? '');
}

function sentHeader(headers: readonly string[] = [], name: string): string {
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1] === name).join(', ');
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function splitUrl(url: string): [path: string, query: string] {
  const mark = url.indexOf('?');
  return mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark)];
}

function refused(pattern: string, reason: string): PyramidionError {
  return new PyramidionError(
    'INVALID_OPTION',
    `the pattern of the access log cannot be used: ${reason}; got ${shown(pattern)}`,
    {
      option: 'pattern',
      value: pattern,
    },
  );
}
