/** From a request to what it means: rules, address, lock, catalog, object, commands (is-protocol §3). */
import { performance } from 'node:perf_hooks';
import { PyramidionError } from '../errors.js';
import type { Attributes, Catalog, CatalogSet, Located } from '../library/types.js';
import type { ViewCatalog } from '../picture/catalog.js';
import { isAddressAllowed } from '../protocol/image-serving/addresses.js';
import { deobfuscate, unlock } from '../protocol/image-serving/lock.js';
import { joinModifiers, type Modifiers, parseModifiers } from '../protocol/image-serving/modifiers.js';
import { peekCommand } from '../protocol/image-serving/query.js';
import { applyRules, type RuleOutcome } from '../protocol/image-serving/rules.js';
import { defaultSettings, type RequestSettings } from '../protocol/image-serving/settings.js';
import { type IsUrl, readUrl } from '../protocol/image-serving/url.js';
import type { ImageRequest } from '../region/request.js';
import type { Trace } from './trace.js';

/** What the service looks things up in. */
export interface Lookup {
  readonly catalogs: CatalogSet;
  mainCatalog(
    set: CatalogSet,
    elements: readonly string[],
  ): { readonly catalog: Catalog; readonly rest: readonly string[] };
  locate(set: CatalogSet, main: Catalog, object: string, options: { readonly isRooted: boolean }): Promise<Located>;
}

/** A request before its object is looked for: whose it is. */
export interface Asked {
  readonly set: CatalogSet;
  readonly main: Catalog;
  /** Of the main catalog, with what rules override. */
  readonly attributes: Attributes;
  /** As rules left it. */
  readonly url: IsUrl;
  /** The object below the main catalog. '' where none was named. */
  readonly object: string;
  /** Commands: as they were sent; once the request is let in, without lock and obfuscation. */
  readonly query: string;
  /** What rules say; the variables in their headers are not yet in place. */
  readonly ruled: RuleOutcome;
  readonly remoteAddress: string;
  /** Networks that are served; empty: all. */
  readonly networks: readonly string[];
}

/** A request that is understood. Its attributes are those of the catalog that it counts for. */
export interface Resolved extends Asked {
  readonly located: Located;
  readonly modifiers: Modifiers;
  /** With what the record says where the request does not. */
  readonly request: ImageRequest;
}

/** What a request is let in by, besides its catalog. */
export interface AdmissionSettings {
  /** Requests that name no catalog are served. */
  readonly allowDefaultCatalog: boolean;
}

/** Finds the main catalog of a URL, and applies its rules. Errors: `INVALID_REQUEST`, `LIMIT_EXCEEDED` for what rules make of it. */
export function ask(url: IsUrl, remoteAddress: string, lookup: Lookup, trace: Trace): Asked {
  const set = lookup.catalogs;
  const written = writtenOf(url);
  const first = mainOf(url, set, lookup);
  const ruled = applyRules(first.catalog.rules.length > 0 ? first.catalog.rules : set.default.rules, {
    url: written,
    requestType: 'is',
  });
  const isRewritten = ruled.url !== written;
  const ruledUrl = isRewritten ? rewritten(ruled.url) : url;
  if (isRewritten) trace.transformedUrl = CONTEXT + ruled.url;
  const { catalog: main, rest } = isRewritten ? mainOf(ruledUrl, set, lookup) : first;
  trace.rootId = main.attributes.rootId;
  return {
    set,
    main,
    attributes: { ...main.attributes, ...ruled.attributes },
    url: ruledUrl,
    object: rest.join('/'),
    query: ruledUrl.query ?? '',
    ruled,
    remoteAddress,
    networks: ruled.addressFilter ?? main.attributes.clientAddressFilter,
  };
}

/** Lets a request in, by rules, address, obfuscation and lock: it comes with its query in clear. Errors: `REQUEST_REFUSED`. */
export function admit(asked: Asked, { allowDefaultCatalog }: AdmissionSettings): Asked {
  const { ruled, remoteAddress, networks, attributes, main, set } = asked;
  if (ruled.refusedBy !== null) throw new PyramidionError('REQUEST_REFUSED', 'a rule refuses the request');
  if (!isAddressAllowed(remoteAddress, networks))
    throw new PyramidionError('REQUEST_REFUSED', 'clients of this address are not served');
  let { query } = asked;
  if (attributes.requestObfuscation) query = deobfuscate(query);
  if (attributes.requestLock) query = unlock(query);
  const isAboutCatalog = /^catalogprops(?:,|$)/i.test(peekCommand(query, 'req') ?? '');
  if (!allowDefaultCatalog && main === set.default && !isAboutCatalog)
    throw new PyramidionError('REQUEST_REFUSED', 'requests have to name a catalog');
  return { ...asked, query };
}

/** The same request for another object, whose name may begin with a slash, and with other commands. */
export function inPlaceOf(asked: Asked, name: string, query: string): Asked {
  const url = { ...asked.url, isRooted: name.startsWith('/') };
  return { ...asked, url, object: name.replace(/^\/+/, ''), query };
}

const CONTEXT = '/is/image/';

/** A URL as rules see it: what follows the context. */
function writtenOf(url: IsUrl): string {
  return url.query === null ? url.path : `${url.path}?${url.query}`;
}

function rewritten(text: string): IsUrl {
  const url = readUrl(CONTEXT + text);
  if (url === null) throw new PyramidionError('INTERNAL', 'a rule made a URL of another kind');
  return url;
}

function mainOf(url: IsUrl, set: CatalogSet, lookup: Lookup): ReturnType<Lookup['mainCatalog']> {
  return url.isRooted ? { catalog: set.default, rest: url.elements } : lookup.mainCatalog(set, url.elements);
}

/**
 * Finds the object and reads the commands: those of its record around those of the request. Errors: `INVALID_REQUEST`,
 * `LIMIT_EXCEEDED`, `REQUEST_REFUSED` for an object that may not be named by its path. An object that is not there is no error.
 */
export async function resolve(
  asked: Asked,
  lookup: Lookup,
  trace: Trace,
  variables: ReadonlyMap<string, string> = new Map(),
): Promise<Resolved> {
  const { set, object, query, url } = asked;
  const located = await lookup.locate(set, asked.main, object, { isRooted: url.isRooted });
  trace.pathBasedAccess = located.byPath;
  const networks = checkForeign(located.catalog, asked);
  const { main, attributes } = standing(asked, located);
  const modifiers = parseModifiers(
    joinModifiers(located.record?.modifier ?? '', query, located.record?.postModifier ?? ''),
    settingsOf(attributes, located),
    { macros: main.macros, variables: new Map([...variables, ['object', object]]) },
  );
  trace.requestType = modifiers.req.type;
  trace.parsedAt = performance.now();
  return { ...asked, attributes, networks, located, modifiers, request: withRecord(modifiers.request, located) };
}

/**
 * What a request counts for: its main catalog, or the default one where that leaves a path to it (`FullMatch`). How long clients may keep
 * a picture is for the catalog of the object to say; rules come before all of them.
 */
function standing(
  { set, main, ruled }: Asked,
  { catalog, byPath }: Located,
): { main: Catalog; attributes: Attributes } {
  const own = byPath && main.attributes.fullMatch && catalog === set.default ? catalog : main;
  const { expirationMs } = catalog.attributes;
  return { main: own, attributes: { ...own.attributes, expirationMs, ...ruled.attributes } };
}

/**
 * An object may be of another catalog than the request. What protects that one protects its images on this way, too. Yields the networks
 * that decide, of both.
 */
function checkForeign(
  { attributes }: Catalog,
  { main, attributes: own, remoteAddress, networks }: Asked,
): readonly string[] {
  if (attributes.rootId === main.attributes.rootId) return networks;
  if (!isAddressAllowed(remoteAddress, attributes.clientAddressFilter))
    throw new PyramidionError('REQUEST_REFUSED', 'clients of this address are not served');
  if (attributes.requestLock && !own.requestLock)
    throw new PyramidionError('REQUEST_REFUSED', 'requests for this catalog have to be locked');
  return attributes.clientAddressFilter.length > 0 ? attributes.clientAddressFilter : networks;
}

/** What a query means by itself, by the attributes of its catalog and the record of its object. */
export function settingsOf(attributes: Attributes, { record }: Pick<Located, 'record'>): RequestSettings {
  const { defaultPix, defaultThumbPix, bkgColor, thumbBkgColor, resMode, thumbHorizAlign, thumbVertAlign } = attributes;
  return {
    ...defaultSettings,
    defaultPix,
    defaultThumbPix,
    bkgColor,
    thumbBkgColor,
    resMode,
    thumbHorizAlign,
    thumbVertAlign,
    thumbType: record?.thumbType ?? attributes.thumbType,
    thumbRes: record?.thumbRes ?? attributes.thumbRes,
  };
}

/** What a catalog and a record decide of a view. */
export function viewCatalogOf(attributes: Attributes, { record, catalog }: Located): ViewCatalog {
  const { jpegQuality, printResolution } = attributes;
  const stated = record?.printResolution ?? 0;
  return {
    encode: { jpegQuality: jpegQuality.quality, fullChroma: jpegQuality.fullChroma, printResolution },
    // 0 stands for the attribute's.
    resolution: record?.resolution || catalog.attributes.resolution,
    ...(stated > 0 && { printResolution: stated }),
  };
}

function withRecord(request: ImageRequest, { record }: Located): ImageRequest {
  if (record?.anchor == null || request.layer.anchor !== null) return request;
  return { ...request, layer: { ...request.layer, anchor: { unit: 'pixels', ...record.anchor } } };
}
