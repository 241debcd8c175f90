import { describe, expect, it } from 'vitest';
import { RECORD_COLUMNS, recordOfJson, recordOfRow } from '../../src/library/records.js';
import type { AssetRecord } from '../../src/library/types.js';

const EMPTY: AssetRecord = {
  id: 'a',
  path: '',
  maskPath: null,
  modifier: '',
  postModifier: '',
  anchor: null,
  resolution: null,
  printResolution: null,
  size: null,
  expirationMs: null,
  timeStamp: null,
  thumbType: null,
  thumbRes: null,
  userData: null,
  imageSet: null,
  assetType: null,
  map: null,
  targets: null,
};

type Field = Exclude<keyof AssetRecord, 'id'>;

/** Of each field: its column, a cell, what that stands for, and cells that are not allowed. */
const CASES: { readonly [Key in Field]: readonly [string, cell: string, value: unknown, ...invalid: string[]] } = {
  path: ['Path', 'a/b.tif', 'a/b.tif', '../b.tif', 'a\\..\\..\\b.tif'],
  maskPath: ['MaskPath', 'a/m.tif', 'a/m.tif', 'a/../m.tif'],
  modifier: ['Modifier', 'wid=5&qlt=9', 'wid=5&qlt=9'],
  postModifier: ['PostModifier', 'fmt=png', 'fmt=png'],
  anchor: ['Anchor', '10,-20', { x: 10, y: -20 }, '10', '1.5,2'],
  resolution: ['Resolution', '150.5', 150.5, '-1', 'x'],
  printResolution: ['PrintResolution', '300', 300, '72.5'],
  size: ['Size', '640,480', { width: 640, height: 480 }, '0,480', '640'],
  expirationMs: ['Expiration', '0.5', 1_800_000, '-3', 'x'],
  timeStamp: ['TimeStamp', '07/04/2023 12:00:00 GMT', Date.UTC(2023, 6, 4, 12), 'yesterday'],
  thumbType: ['ThumbType', '3', 'texture', '4'],
  thumbRes: ['ThumbRes', '96', 96, '-5'],
  userData: ['UserData', 'a=1??b=2\r\nc=3', 'a=1??b=2\r\nc=3'],
  imageSet: ['ImageSet', 'a,b,c', 'a,b,c'],
  assetType: ['AssetType', 'SPINSET', 'SPINSET', 'a\u0001'],
  map: ['Map', '<AREA shape="rect">', '<AREA shape="rect">'],
  targets: ['Targets', 'Target.1.rect=0,0,9,9', 'Target.1.rect=0,0,9,9'],
};

const FIELDS = Object.entries(CASES) as [Field, (typeof CASES)[Field]][];

function ofRow(cells: Readonly<Record<string, string>>): { record: AssetRecord; warnings: string[] } {
  const warnings: string[] = [];
  const record = recordOfRow(
    'a',
    (column) => cells[column] ?? '',
    (message) => warnings.push(message),
  );
  return { record, warnings };
}

function ofJson(fields: Readonly<Record<string, unknown>>): { record: AssetRecord; warnings: string[] } {
  const warnings: string[] = [];
  return { record: recordOfJson('a', fields, (message) => warnings.push(message)), warnings };
}

describe('records of catalogs', () => {
  it('say nothing in empty cells', () => {
    expect(ofRow({})).toEqual({ record: EMPTY, warnings: [] });
  });

  it.each(FIELDS)('have %s', (field, [column, cell, value, ...invalid]) => {
    expect(RECORD_COLUMNS.others).toContain(column);
    expect(ofRow({ [column]: cell })).toEqual({ record: { ...EMPTY, [field]: value }, warnings: [] });
    for (const bad of invalid) {
      const { record, warnings } = ofRow({ [column]: bad });
      expect(record).toEqual(EMPTY);
      expect(warnings).toEqual([expect.stringMatching(`^${column} must be .*; got "`)]);
    }
  });

  it('take what stands for the attribute as nothing', () => {
    const { record, warnings } = ofRow({ Resolution: '0', PrintResolution: '0', ThumbRes: '0', Expiration: '-2' });
    expect({ record, warnings }).toEqual({ record: EMPTY, warnings: [] });
    expect(ofRow({ Expiration: '-1' }).record.expirationMs).toBe(-1);
  });
});

describe('record.json', () => {
  it('has the names of the fields, numbers and pairs', () => {
    const { record, warnings } = ofJson({
      userData: 'a=1',
      expirationMs: 1000,
      anchor: [5, 6],
      resolution: 150,
      printResolution: 0,
      timeStamp: 1_700_000_000_000,
      thumbType: 'crop',
      modifier: '',
      size: null,
      source: { name: 'x.png', sha256: '0' },
    });
    expect(warnings).toEqual([]);
    expect(record).toEqual({
      ...EMPTY,
      userData: 'a=1',
      expirationMs: 1000,
      anchor: { x: 5, y: 6 },
      resolution: 150,
      timeStamp: 1_700_000_000_000,
      thumbType: 'crop',
    });
  });

  it('warns of names without meaning, and of what is not allowed', () => {
    const { record, warnings } = ofJson({ Modifier: 'wid=5', expirationMs: 0.5, anchor: { x: 1, y: 2 }, toString: 1 });
    expect(record).toEqual(EMPTY);
    expect(warnings).toEqual([
      'there is no field "Modifier"',
      'there is no field "toString"',
      'anchor must be two whole numbers of pixels, with a comma between; got an object',
      expect.stringMatching('^expirationMs must be .*; got 0.5$'),
    ]);
  });
});
