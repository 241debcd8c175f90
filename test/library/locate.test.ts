import { describe, expect, it } from 'vitest';
import { DEFAULT_ATTRIBUTES } from '../../src/library/attributes.js';
import { mainCatalog, nameObject } from '../../src/library/locate.js';
import { recordOfJson } from '../../src/library/records.js';
import type { Attributes, Catalog, CatalogSet } from '../../src/library/types.js';

function catalog(rootId: string, ids: readonly string[], attributes: Partial<Attributes> = {}): Catalog {
  return {
    attributes: { ...DEFAULT_ATTRIBUTES, ...attributes, rootId },
    records: new Map(ids.map((id) => [id, recordOfJson(id, { path: `of-${rootId}` }, () => {})])),
    macros: new Map(),
    profiles: new Map(),
    rules: [],
    fileTime: 0,
  };
}

function makeSet(standard: Catalog, ...others: Catalog[]): CatalogSet {
  const byRootId = new Map(others.map((one) => [one.attributes.rootId, one]));
  return { generation: 1, default: standard, byRootId };
}

const standard = catalog('', ['logo', 'Acme/odd']);
const acme = catalog('Acme', ['shoe', 'Beta/mixed', 'shared'], { rootPath: 'acme' });
const beta = catalog('Beta', ['boot', 'shared']);
const deep = catalog('Acme/dam', ['deep']);
const full = catalog('Full', ['hat'], { fullMatch: true, rootPath: 'unused' });
const set = makeSet(standard, acme, beta, deep, full);

describe('the main catalog', () => {
  it.each([
    ['Acme/shoe', acme, 'shoe'],
    ['Acme', acme, ''],
    ['Acme/dam/deep', deep, 'deep'],
    ['Acme/dams/deep', acme, 'dams/deep'],
    ['acme/shoe', standard, 'acme/shoe'],
    ['other/Acme/shoe', standard, 'other/Acme/shoe'],
    ['', standard, ''],
  ])('of %s', (path, expected, rest) => {
    const found = mainCatalog(set, path.split('/'));
    expect(found.catalog).toBe(expected);
    expect(found.rest.join('/')).toBe(rest);
  });

  it('is the default one where there is no other, and of no elements', () => {
    expect(mainCatalog(makeSet(standard), ['Acme', 'x'])).toEqual({ catalog: standard, rest: ['Acme', 'x'] });
    expect(mainCatalog(set, [])).toEqual({ catalog: standard, rest: [] });
  });
});

describe('an object', () => {
  const recordOf = (main: Catalog, object: string) => {
    const named = nameObject(set, main, object);
    return named.kind === 'record' ? [named.catalog, named.record.id] : null;
  };
  const pathOf = (main: Catalog, object: string) => {
    const named = nameObject(set, main, object);
    return named.kind === 'path' ? [named.catalog, named.path] : null;
  };

  it('is a record of the main catalog, as a whole', () => {
    expect(recordOf(acme, 'shoe')).toEqual([acme, 'shoe']);
    expect(recordOf(acme, 'Beta/mixed')).toEqual([acme, 'Beta/mixed']);
    expect(recordOf(acme, 'shared')).toEqual([acme, 'shared']);
    expect(recordOf(standard, 'Acme/odd')).toEqual([standard, 'Acme/odd']);
  });

  it('is a record of the catalog that it begins with', () => {
    expect(recordOf(acme, 'Beta/boot')).toEqual([beta, 'boot']);
    expect(recordOf(standard, 'Acme/dam/deep')).toEqual([deep, 'deep']);
    expect(recordOf(acme, 'Acme/shoe')).toEqual([acme, 'shoe']);
  });

  it('is no record of a catalog that was not named', () => {
    expect(recordOf(acme, 'logo')).toBeNull();
    expect(recordOf(standard, 'shoe')).toBeNull();
    expect(recordOf(acme, 'SHOE')).toBeNull();
  });

  it('is else a path, below the main catalog or the one that it begins with', () => {
    expect(pathOf(acme, 'a/b.jpg')).toEqual([acme, 'a/b.jpg']);
    expect(pathOf(acme, 'Beta/b.jpg')).toEqual([beta, 'b.jpg']);
    expect(pathOf(standard, 'a/b.jpg')).toEqual([standard, 'a/b.jpg']);
  });

  it('is a whole path of the default catalog where full matches are wanted, but not instead of a record', () => {
    expect(pathOf(full, 'a/b.jpg')).toEqual([standard, 'Full/a/b.jpg']);
    expect(pathOf(standard, 'Full/a/b.jpg')).toEqual([standard, 'Full/a/b.jpg']);
    expect(recordOf(full, 'hat')).toEqual([full, 'hat']);
  });

  it('may not be a path where the catalog does not allow it, be there a file or not', () => {
    const refused = { code: 'REQUEST_REFUSED' };
    const closed = catalog('Closed', ['in'], { allowDirectAccess: new Set(['STATIC']) });
    const closedFull = catalog('Both', [], { fullMatch: true, allowDirectAccess: new Set() });
    const some = makeSet(standard, closed, closedFull, full);
    expect(() => nameObject(some, closed, 'a.jpg')).toThrow(expect.objectContaining(refused));
    expect(() => nameObject(some, standard, 'Closed/a.jpg')).toThrow(expect.objectContaining(refused));
    expect(() => nameObject(some, closedFull, 'a.jpg')).toThrow(expect.objectContaining(refused));
    expect(nameObject(some, closed, 'in').kind).toBe('record');
    const shut = makeSet(catalog('', [], { allowDirectAccess: new Set() }), full);
    expect(() => nameObject(shut, full, 'a.jpg')).toThrow(expect.objectContaining(refused));
  });
});
