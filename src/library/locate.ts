/** Which catalog, and what in it, an object of a request names (is-protocol §2). Pure. */
import { PyramidionError } from '../errors.js';
import { MAX_ROOT_ID_ELEMENTS } from './attributes.js';
import type { AssetRecord, Catalog, CatalogSet } from './types.js';

/** A catalog, and the elements of a path that are left below it. */
export interface MainCatalog {
  readonly catalog: Catalog;
  readonly rest: readonly string[];
}

/** What an object names: a record of a catalog, or a path below its root path. */
export type Named =
  | { readonly kind: 'record'; readonly catalog: Catalog; readonly record: AssetRecord }
  | { readonly kind: 'path'; readonly catalog: Catalog; readonly path: string };

/**
 * The catalog whose RootId a path begins with (the longest one, when several fit), and the elements after it; the
 * default catalog and all elements when there is none.
 */
export function mainCatalog(set: CatalogSet, elements: readonly string[]): MainCatalog {
  const most = set.byRootId.size === 0 ? 0 : Math.min(elements.length, MAX_ROOT_ID_ELEMENTS);
  for (let count = most; count > 0; count--) {
    const catalog = set.byRootId.get(count === 1 ? (elements[0] ?? '') : elements.slice(0, count).join('/'));
    if (catalog !== undefined) return { catalog, rest: elements.slice(count) };
  }
  return { catalog: set.default, rest: elements };
}

/**
 * What an object names that was asked for within the catalog `main`: a record there, whose id is the whole object; else
 * a record of another catalog, whose RootId it begins with; else a path. A path belongs to the catalog that it begins
 * with, or to `main`; where that one wants full matches, to the default catalog, and begins with the RootId.
 *
 * Throws `REQUEST_REFUSED` for a path where the catalog's images may be named by their records only.
 */
export function nameObject(set: CatalogSet, main: Catalog, object: string): Named {
  const record = main.records.get(object);
  if (record !== undefined) return { kind: 'record', catalog: main, record };
  const { catalog: other, rest } = mainCatalog(set, object.split('/'));
  const isOther = other !== set.default;
  const below = isOther ? rest.join('/') : object;
  const otherRecord = isOther ? other.records.get(below) : undefined;
  if (otherRecord !== undefined) return { kind: 'record', catalog: other, record: otherRecord };
  const named = isOther ? other : main;
  const { fullMatch, rootId } = named.attributes;
  const isFull = fullMatch && named !== set.default;
  const catalog = isFull ? set.default : named;
  if (![named, catalog].every(({ attributes }) => attributes.allowDirectAccess.has('IS'))) {
    throw new PyramidionError('REQUEST_REFUSED', 'images of this catalog may not be named by their paths');
  }
  return { kind: 'path', catalog, path: isFull ? `${rootId}/${below}` : below };
}
