/** `req=img` and `req=tmb`: the picture of a request, or the one that stands for it when it is missing. */
import { PyramidionError } from '../errors.js';
import { negotiateFormat } from '../protocol/image-serving/negotiation.js';
import type { ImageRequest } from '../region/request.js';
import { taggedReply } from '../reply/reply.js';
import type { Reply } from '../reply/types.js';
import type { AnswerContext } from './context.js';
import { conditionOf, lastModifiedOf, lifetimeOf } from './keeping.js';
import { policyOf } from './pictures.js';
import { headerOf } from './request.js';
import { inPlaceOf, type Resolved, resolve } from './resolution.js';

/**
 * Answers with a picture. A missing one is replaced by the default image, if there is one. Errors: those of rendering, and
 * `SOURCE_NOT_FOUND`.
 */
export async function answerPicture(resolved: Resolved, context: AnswerContext): Promise<Reply> {
  if (resolved.object === '') throw new PyramidionError('INVALID_REQUEST', 'the URL names no image');
  try {
    return await answerWith(resolved, false, context);
  } catch (error) {
    const isMissing = error instanceof PyramidionError && error.code === 'SOURCE_NOT_FOUND';
    const replacement = isMissing ? await defaultOf(resolved, context) : null;
    if (replacement === null) throw error;
    context.trace.processingStatus = 1;
    return answerWith(replacement, true, context);
  }
}

async function answerWith(
  resolved: Resolved,
  isDefault: boolean,
  { pictures, request, trace, nowMs, recall }: AnswerContext,
): Promise<Reply> {
  const { modifiers, attributes } = resolved;
  const { delivery } = modifiers;
  const negotiated = negotiateFormat(resolved.request, {
    bfc: delivery.bfc ?? attributes.bfc,
    network: delivery.network,
    accept: headerOf(request, 'accept') ?? '',
    saveData: headerOf(request, 'save-data') ?? '',
    downlink: headerOf(request, 'downlink') ?? '',
    jpegQuality: attributes.jpegQuality.quality,
  });
  const get = (picture: ImageRequest): ReturnType<typeof pictures.get> =>
    pictures.get(pictures.wantedOf(resolved, picture), {
      control: delivery.cache.server,
      policy: policyOf(resolved),
      signal: request.signal,
    });
  const { key, reply, use, freshUntil } = await get(negotiated.request).catch((error: unknown) => {
    // The format that suits the client may be too small for the picture.
    const isOurs = error instanceof PyramidionError && error.code === 'FORMAT_UNSUPPORTED';
    if (!isOurs || negotiated.request === resolved.request) throw error;
    return get(resolved.request);
  });
  trace.cacheUse = use;
  trace.cacheKey = key;
  trace.digest = reply.digest;
  const lifetime = lifetimeOf(resolved, isDefault ? attributes.defaultExpirationMs : attributes.expirationMs);
  const lastModifiedMs = lastModifiedOf(resolved);
  // What depends on more than its URL is understood anew each time.
  const isPlain =
    !isDefault &&
    resolved.networks.length === 0 &&
    resolved.ruled.headers.length === 0 &&
    negotiated.vary.length === 0 &&
    delivery.cache.server === 'on' &&
    use !== 'IGNORED' &&
    freshUntil > nowMs;
  if (isPlain) {
    const { rootId } = attributes;
    const { generation } = resolved.set;
    const { requestType, pathBasedAccess } = trace;
    recall.remember(request.url, {
      key,
      generation,
      place: recall.placeOf(...placeOf(resolved), nowMs),
      lifetime,
      lastModifiedMs,
      requestType,
      rootId,
      pathBasedAccess,
    });
  }
  return taggedReply(reply, {
    lifetime,
    nowMs,
    condition: conditionOf(request),
    lastModifiedMs,
    vary: negotiated.vary,
  });
}

/** What sets the object of a request apart from others, and what it stands for now. */
function placeOf({ main, url, object, located }: Resolved): [object: string, signature: string] {
  const { file, record, byPath } = located;
  return [
    `${main.attributes.rootId}\n${url.isRooted ? '/' : ''}${object}`,
    `${file}\n${byPath}\n${record === null ? '' : JSON.stringify(record)}`,
  ];
}

/** The request for the picture that stands for a missing one; null where there is none. */
async function defaultOf(resolved: Resolved, { lookup, trace }: AnswerContext): Promise<Resolved | null> {
  const { modifiers, attributes } = resolved;
  const name = modifiers.delivery.defaultImage ?? attributes.defaultImage;
  if (name === '') return null;
  const replacement = await resolve(inPlaceOf(resolved, name, keptQuery(resolved)), lookup, trace);
  return replacement.located.file === null ? null : replacement;
}

/** Mode 0 keeps size and format of the request and nothing else; thumbnails keep their kind. Mode 1 keeps it all. */
function keptQuery({ attributes, modifiers, query }: Resolved): string {
  if (attributes.defaultImageMode === 1) return query;
  const kept = modifiers.commands.filter(({ name }) => ['wid', 'hei', 'fmt', 'qlt'].includes(name));
  const commands = modifiers.req.type === 'tmb' ? [...kept, { name: 'req', value: 'tmb' }] : kept;
  return commands.map(({ name, value }) => `${name}=${encodeURIComponent(value)}`).join('&');
}
