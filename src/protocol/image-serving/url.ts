/** The path of a URL (§1, §2): which part of the protocol it asks, and for which object. */
import { PyramidionError } from '../../errors.js';
import { refusedRequest } from '../../region/request.js';
import { decodePercent, encode } from './query.js';

/** A URL of the protocol, its query still raw. */
export interface IsUrl {
  /** `image` for `/is/image`, `content` for `/is/content`; told apart by case. */
  readonly context: 'image' | 'content';
  /** What follows the context and its slash, as it came: `/Other/Image` where the object is rooted. */
  readonly path: string;
  /** The object's path elements, decoded. None is empty, `.` or `..`, and none has a slash in it. */
  readonly elements: readonly string[];
  /** The elements with `/` between them; '' where the URL names none. */
  readonly object: string;
  /** The object was written with a leading slash (`/is/image//Other/Image`): only the default catalog is asked. */
  readonly isRooted: boolean;
  /** What follows the first `?`, as it came; null where there is none. */
  readonly query: string | null;
}

/** Longest URL that is looked at, in characters. */
export const MAX_URL_LENGTH = 16 * 1024;

/** Most elements a path may have. */
const MAX_ELEMENTS = 64;

const CONTEXT = /^(?:https?:\/\/[^/?#]*)?\/is\/(image|content)(?=$|\/)/;

/**
 * Reads a request's target: a path, or a whole http URL. Empty elements do not count. null: it is none of the
 * protocol's. Throws `INVALID_REQUEST` (`url`) for an object that no one can be called, and `LIMIT_EXCEEDED`
 * (`maxPathElements`).
 */
export function readUrl(rawUrl: string): IsUrl | null {
  const url = encodeBytes(rawUrl);
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const found = CONTEXT.exec(path);
  if (found === null) return null;
  const rest = path.slice(found[0].length);
  const elements = rest.split('/').filter((element) => element !== '');
  if (elements.length > MAX_ELEMENTS) {
    throw new PyramidionError('LIMIT_EXCEEDED', `the path has more than ${MAX_ELEMENTS} elements`, {
      option: 'maxPathElements',
      value: elements.length,
      limit: MAX_ELEMENTS,
    });
  }
  const decoded = elements.map(readElement);
  return {
    context: found[1] === 'image' ? 'image' : 'content',
    path: rest.slice(1),
    elements: decoded,
    object: decoded.join('/'),
    isRooted: rest.startsWith('//') && elements.length > 0,
    query: mark < 0 ? null : url.slice(mark + 1),
  };
}

/** The path that {@link readUrl} reads back. */
export function writePath({ context, elements, isRooted }: Pick<IsUrl, 'context' | 'elements' | 'isRooted'>): string {
  const object = elements.map((element) => encode(element).replaceAll('/', '%2F')).join('/');
  return `/is/${context}${elements.length > 0 ? '/' : ''}${isRooted ? '/' : ''}${object}`;
}

/** Throws `LIMIT_EXCEEDED` (`url`) for a URL of more than `limit` characters. */
export function checkUrlLength(rawUrl: string, limit = MAX_URL_LENGTH): void {
  if (rawUrl.length <= limit) return;
  throw new PyramidionError('LIMIT_EXCEEDED', `the URL has ${rawUrl.length} characters, the limit is ${limit}`, {
    option: 'url',
    value: rawUrl.length,
    limit,
  });
}

function readElement(raw: string): string {
  const element = decodePercent('url', raw);
  if (element === '.' || element === '..') throw refusedRequest('url', element, 'has a . or .. as an element');
  const unwanted = /[/\\,?]/.exec(element)?.[0];
  if (unwanted !== undefined) throw refusedRequest('url', element, `has a ${unwanted} in an element of its path`);
  return element;
}

/** HTTP servers hand out bytes that a client left as they are as characters U+0080…U+00FF. */
function encodeBytes(url: string): string {
  return url.replaceAll(/[\u0080-\u00ff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
}
