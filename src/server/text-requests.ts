/** Every other kind of request: what is known of pictures, images, records and catalogs, as text. */
import { createHash } from 'node:crypto';
import { PyramidionError } from '../errors.js';
import type { PictureInfo } from '../picture/picture.js';
import { formatProperties, formatText, type TextBody } from '../protocol/image-serving/properties.js';
import {
  catalogProperties,
  contextProperties,
  existsProperties,
  imageProperties,
  loadcacheProperties,
  type Properties,
  type VersionFacts,
  validProperties,
  viewProperties,
} from '../protocol/image-serving/property-lists.js';
import { encode } from '../protocol/image-serving/query.js';
import { formatRecordText, type RequestOptions, readRequestOptions } from '../protocol/image-serving/requests.js';
import { resolvedQuery } from '../protocol/image-serving/resolved.js';
import { versionId } from '../protocol/image-serving/version-id.js';
import { defaultRequest, type ImageRequest } from '../region/request.js';
import { taggedReply } from '../reply/reply.js';
import type { Reply } from '../reply/types.js';
import type { AnswerContext } from './context.js';
import { conditionOf, lastModifiedOf, lifetimeOf } from './keeping.js';
import { policyOf } from './pictures.js';
import { type Resolved, viewCatalogOf } from './resolution.js';

/** Milliseconds clients may keep an answer, by where that is said; none is not kept at all. */
type Keeping = 'catalog' | 'other' | 'none';

interface Text {
  readonly text: TextBody;
  readonly keeping: Keeping;
}

/** Answers in the form that was asked for. Errors: those of the image, and `INVALID_REQUEST` for what we do not have. */
export async function answerText(resolved: Resolved, context: AnswerContext): Promise<Reply> {
  const options = readRequestOptions(resolved.modifiers.req);
  const { text, keeping } = await textOf(resolved, options, context);
  const { attributes, modifiers } = resolved;
  const { trace, request, nowMs } = context;
  const isOff = !modifiers.delivery.cache.client;
  const lifetimes = {
    catalog: lifetimeOf(resolved, attributes.expirationMs),
    other: { ttlMs: attributes.nonImgExpirationMs, isOff: isOff && attributes.nonImgExpirationMs >= 0 },
    none: { ttlMs: 0, isOff: true },
  };
  const digest = createHash('md5').update(text.body).digest('hex');
  trace.cacheUse = 'IGNORED';
  trace.digest = digest;
  return taggedReply(
    { ...text, digest },
    {
      lifetime: lifetimes[keeping],
      nowMs,
      condition: conditionOf(request),
      lastModifiedMs: keeping === 'catalog' ? lastModifiedOf(resolved) : null,
      vary: [],
    },
  );
}

async function textOf(resolved: Resolved, options: RequestOptions, context: AnswerContext): Promise<Text> {
  const { located, modifiers, main, attributes } = resolved;
  const { handler, id } = modifiers.delivery;
  const written = (properties: Properties, keeping: Keeping = 'other'): Text => ({
    text: formatProperties(properties, options.form, { handler, id, encoding: options.encoding, date: context.nowMs }),
    keeping,
  });
  const recordText = (type: Parameters<typeof formatRecordText>[0], field: string | null, keeping: Keeping): Text => ({
    text: formatRecordText(type, field, options, { handler, id }),
    keeping,
  });
  switch (options.type) {
    case 'props':
      return written(await viewProps(resolved, context));
    case 'imageprops':
      return written(await imageProps(resolved, context));
    case 'ctx':
      return written(await contextProps(resolved, context));
    case 'exists':
      return written(existsProperties(located.record !== null || located.file !== null));
    case 'catalogprops':
      return written(catalogProperties({ ...attributes, timeStamp: main.fileTime || attributes.timeStamp }));
    case 'validate':
      return written(validProperties(), 'none');
    case 'userdata':
      return recordText('userdata', located.record?.userData ?? null, 'catalog');
    case 'targets':
      return recordText('targets', located.record?.targets ?? null, 'catalog');
    case 'map':
      return recordText('map', located.record?.map ?? null, 'catalog');
    case 'imageset':
      return recordText('imageset', located.record?.imageSet ?? null, 'other');
    case 'xmp':
      return { text: await xmpText(resolved, context), keeping: 'catalog' };
    case 'loadcache':
      return { ...written(loadcacheProperties(await load(resolved, context)), 'none') };
    case 'resolve':
      return { text: formatText(resolvedText(resolved)), keeping: 'none' };
    case 'message':
      context.onEvent({ kind: 'message', text: modifiers.texts.get('message') ?? '' });
      return { text: formatText(''), keeping: 'none' };
    default:
      throw new PyramidionError('INVALID_REQUEST', `req=${options.type} is not supported`, { option: 'req' });
  }
}

/** What a client would have to ask for to get the same without our catalogs. */
function resolvedText(resolved: Resolved): string {
  const query = resolvedQuery(resolved.modifiers);
  return `${resolved.url.isRooted ? '/' : ''}${encode(subjectOf(resolved))}${query === '' ? '' : `?${query}`}`;
}

/** The object with the catalog that it was asked for in. */
function subjectOf({ located, main }: Resolved): string {
  const { rootId } = main.attributes;
  return rootId === '' ? located.object : `${rootId}/${located.object}`;
}

async function viewProps(resolved: Resolved, context: AnswerContext): Promise<Properties> {
  const { pictures, request } = context;
  const wanted = pictures.wantedOf(resolved);
  const { plan, info } = await pictures.inspect(wanted, request.signal);
  const { encoding, region, colour } = plan;
  const known = await pictures.known(wanted);
  return viewProperties({
    ...versionsOf(resolved, info),
    width: region.size.width,
    height: region.size.height,
    bgc: resolved.request.bgc,
    iccEmbed: encoding.encode.icc !== null,
    iccProfile: colour?.output?.label ?? '',
    length: known?.body.length ?? null,
    hasAlpha: encoding.output.alpha !== 'none',
    space: encoding.output.space,
    printRes: encoding.encode.dpi || printResolutionOf(resolved, info),
    quality: resolved.request.output.quality ?? resolved.attributes.jpegQuality.quality,
    mediaType: encoding.mediaType,
    xmpEmbed: encoding.encode.xmp !== null,
  });
}

async function imageProps(resolved: Resolved, context: AnswerContext): Promise<Properties> {
  const { located, attributes } = resolved;
  const wanted = context.pictures.wantedOf(resolved, SMALLEST);
  const { info, plan, hasXmp } = await context.pictures.inspect(wanted, context.request.signal);
  return imageProperties({
    width: info.width,
    height: info.height,
    record: located.record,
    attributes,
    expirationMs: located.record?.expirationMs ?? attributes.expirationMs,
    iccProfile: plan.colour?.input?.label ?? '',
    hasIccProfile: info.profile !== null,
    hasXmp,
    photoshopPathNames: [],
    mask: maskOf(info),
    space: info.pixels.space,
    printRes: printResolutionOf(resolved, info),
    resolution: viewCatalogOf(attributes, located).resolution ?? attributes.resolution,
    timeStamp: located.record?.timeStamp ?? info.modifiedMs ?? attributes.timeStamp,
    translatedId: located.object,
  });
}

/** What is asked of an image for its own properties: a picture that no limit refuses. */
const SMALLEST: ImageRequest = { ...defaultRequest, view: { ...defaultRequest.view, wid: 1, hei: 1 } };

async function contextProps(resolved: Resolved, { pictures, request }: AnswerContext): Promise<Properties> {
  const { info } = await pictures.inspect(pictures.wantedOf(resolved, SMALLEST), request.signal);
  return contextProperties({ ...versionsOf(resolved, info), width: info.width, height: info.height });
}

async function xmpText(resolved: Resolved, { pictures, request }: AnswerContext): Promise<TextBody> {
  const packet = await pictures.xmp(pictures.wantedOf(resolved), request.signal);
  if (packet === null) throw new PyramidionError('INVALID_REQUEST', 'the image has no XMP', { option: 'req' });
  return { mediaType: 'text/xml; charset=utf-8', body: packet };
}

/** Makes the picture, or finds it, and yields its length in bytes. */
async function load(resolved: Resolved, { pictures, trace, request }: AnswerContext): Promise<number> {
  const { reply, use, key } = await pictures.get(pictures.wantedOf(resolved), {
    control: resolved.modifiers.delivery.cache.server,
    policy: policyOf(resolved),
    signal: request.signal,
  });
  trace.cacheUse = use;
  trace.cacheKey = key;
  return reply.body.length;
}

/** Ids that change with the image and with what its record says of it. */
function versionsOf({ located, attributes }: Resolved, info: PictureInfo): VersionFacts {
  const { record } = located;
  return {
    imageVersion: versionId(info.version, record?.modifier ?? '', record?.postModifier ?? ''),
    metadataVersion: versionId(
      record?.userData ?? null,
      record?.map ?? null,
      record?.targets ?? null,
      record?.timeStamp ?? attributes.timeStamp,
    ),
  };
}

function printResolutionOf({ located, attributes }: Resolved, info: PictureInfo): number {
  return located.record?.printResolution || info.dpi?.x || attributes.printResolution;
}

function maskOf({ pixels }: PictureInfo): 'none' | 'premultiplied' | 'alpha' {
  return pixels.alpha === 'none' ? 'none' : pixels.alpha === 'associated' ? 'premultiplied' : 'alpha';
}
