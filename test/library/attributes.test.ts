import { describe, expect, it } from 'vitest';
import {
  ATTRIBUTES,
  DEFAULT_ATTRIBUTES,
  inherit,
  readAttributes,
  readManifest,
  withProfiles,
} from '../../src/library/attributes.js';
import { parseIni } from '../../src/library/ini.js';
import type { Attributes } from '../../src/library/types.js';

const rgb = (...samples: number[]) => ({ space: 'rgb', samples, alpha: 1, source: false });

/** Of each attribute: its default, texts with what they stand for, and texts that are not allowed. */
const CASES: {
  readonly [Key in keyof Attributes]: {
    readonly fallback: unknown;
    readonly valid: readonly (readonly [text: string, value: unknown])[];
    readonly invalid: readonly string[];
  };
} = {
  rootId: {
    fallback: '',
    valid: [
      ['Acme', 'Acme'],
      ['content/dam', 'content/dam'],
    ],
    invalid: ['a,b', '/a', 'a//b', '..', 'a/.b', '1/2/3/4/5/6/7/8/9'],
  },
  rootPath: { fallback: '', valid: [['acme/images', 'acme/images']], invalid: ['a/../b', '..\\b', 'a\u0000'] },
  rootUrl: { fallback: '', valid: [['https://a.example/b/', 'https://a.example/b/']], invalid: ['ftp://a', 'a/b'] },
  staticContentRootPath: { fallback: '', valid: [['static', 'static']], invalid: ['../static'] },
  fullMatch: { fallback: false, valid: [['1', true]], invalid: ['2', 'yes'] },
  allowDirectUrls: { fallback: false, valid: [['TRUE', true]], invalid: ['-1'] },
  allowDirectAccess: {
    fallback: new Set(['IS', 'STATIC', 'SVG', 'FXG', 'FLA', 'IR_VNT', 'IR_MAT']),
    valid: [
      ['include:IS,STATIC', new Set(['IS', 'STATIC'])],
      ['is, svg', new Set(['IS', 'SVG'])],
      ['include:', new Set()],
      ['exclude:IS,IR_VNT,IR_MAT', new Set(['STATIC', 'SVG', 'FXG', 'FLA'])],
      ['exclude', new Set(['IS', 'STATIC', 'SVG', 'FXG', 'FLA', 'IR_VNT', 'IR_MAT'])],
    ],
    invalid: ['include:PNG', 'all'],
  },
  defaultExt: { fallback: '', valid: [['.tif', '.tif']], invalid: ['tif', '.', '.a/b'] },
  defaultPix: { fallback: [300, 300], valid: [['0,500', [0, 500]]], invalid: ['300', '1,2,3', '-1,5', '1.5,2', 'a,b'] },
  defaultThumbPix: { fallback: [100, 100], valid: [['50, 60', [50, 60]]], invalid: ['50'] },
  maxPix: { fallback: [2000, 2000], valid: [['0,0', [0, 0]]], invalid: ['2000x2000'] },
  bkgColor: {
    fallback: rgb(1, 1, 1),
    valid: [
      ['ff0033', rgb(1, 0, 0.2)],
      ['0x00FF00', rgb(0, 1, 0)],
    ],
    invalid: ['#FF0000', 'FFF', 'red', 'FFFFFFFF'],
  },
  thumbBkgColor: { fallback: rgb(1, 1, 1), valid: [['000000', rgb(0, 0, 0)]], invalid: ['0,0,0'] },
  jpegQuality: {
    fallback: { quality: 80, fullChroma: false },
    valid: [
      ['95', { quality: 95, fullChroma: false }],
      ['60, 1', { quality: 60, fullChroma: true }],
    ],
    invalid: ['0', '101', '80,2', '80,1,1'],
  },
  resMode: {
    fallback: 'sharp2',
    valid: [
      ['1', 'sharp2'],
      ['2', 'bilin'],
      ['3', 'bicub'],
      ['4', 'sharp2'],
      ['5', 'bisharp'],
      ['BILIN', 'bilin'],
      ['bicub', 'bicub'],
      ['BISHARP', 'bisharp'],
    ],
    invalid: ['0', '6', 'nearest', 'constructor'],
  },
  resolution: { fallback: 72, valid: [['299.5', 299.5]], invalid: ['0', '-1', 'x', '1e9'] },
  thumbRes: { fallback: 72, valid: [['150', 150]], invalid: ['0'] },
  printResolution: { fallback: 72, valid: [['300', 300]], invalid: ['0', '72.5'] },
  thumbType: {
    fallback: 'fit',
    valid: [
      ['1', 'crop'],
      ['2', 'fit'],
      ['texture', 'texture'],
    ],
    invalid: ['4'],
  },
  thumbHorizAlign: {
    fallback: 'centre',
    valid: [
      ['1', 'left'],
      ['2', 'centre'],
      ['3', 'right'],
      ['center', 'centre'],
    ],
    invalid: ['0', 'top'],
  },
  thumbVertAlign: {
    fallback: 'centre',
    valid: [
      ['1', 'top'],
      ['3', 'bottom'],
    ],
    invalid: ['left'],
  },
  expirationMs: {
    fallback: 36_000_000,
    valid: [
      ['10', 36_000_000],
      ['0.1', 360_000],
      ['-1', -1],
      ['0', 0],
    ],
    invalid: ['-2', '-0.5', 'never'],
  },
  defaultExpirationMs: { fallback: 3_600_000, valid: [['2', 7_200_000]], invalid: ['1h'] },
  nonImgExpirationMs: { fallback: 360_000, valid: [['0', 0]], invalid: ['-3'] },
  cacheValidationPolicy: { fallback: 0, valid: [['1', 1]], invalid: ['2'] },
  useLastModified: { fallback: false, valid: [['1', true]], invalid: ['x'] },
  timeStamp: {
    fallback: 0,
    valid: [
      ['1700000000000', 1_700_000_000_000],
      ['07/04/2023 12:00:00 GMT', Date.UTC(2023, 6, 4, 12)],
      ['07/04/2023 12:00:00 PDT', Date.UTC(2023, 6, 4, 19)],
      ['7/4/2023 12:00:00 GMT+02:30', Date.UTC(2023, 6, 4, 9, 30)],
      ['07/04/2023 12:00:00 GMT -8', Date.UTC(2023, 6, 4, 20)],
      ['07/04/2023 12:00:00 +0100', Date.UTC(2023, 6, 4, 11)],
    ],
    invalid: [
      ...['07/04/2023 12:00:00', '02/30/2023 12:00:00 GMT', '13/01/2023 12:00:00 GMT', '07/04/2023 24:00:00 GMT'],
      ...['07/04/2023 12:00:00 XYZ', '2023-07-04T12:00:00Z', '-5', '07/04/2023 12:00:00 GMT+15'],
    ],
  },
  defaultImage: { fallback: '', valid: [['Acme/none', 'Acme/none']], invalid: ['a\u0001b'] },
  defaultImageMode: { fallback: 0, valid: [['1', 1]], invalid: ['2'] },
  errorImage: { fallback: '', valid: [['err?wid=9', 'err?wid=9']], invalid: ['a\u0007'] },
  errorDetail: { fallback: 0, valid: [['3', 3]], invalid: ['4'] },
  watermark: { fallback: '', valid: [['mark', 'mark']], invalid: ['\u0001'] },
  iccProfileRgb: { fallback: '', valid: [['sRGB', 'sRGB']], invalid: ['a\u0001'] },
  iccProfileCmyk: { fallback: '', valid: [['press', 'press']], invalid: ['a\u0001'] },
  iccProfileGray: { fallback: '', valid: [['gray', 'gray']], invalid: ['a\u0001'] },
  iccProfileSrcRgb: { fallback: '', valid: [['sRGB', 'sRGB']], invalid: ['a\u0001'] },
  iccProfileSrcCmyk: { fallback: '', valid: [['press', 'press']], invalid: ['a\u0001'] },
  iccProfileSrcGray: { fallback: '', valid: [['gray', 'gray']], invalid: ['a\u0001'] },
  iccRenderIntent: {
    fallback: 'relative',
    valid: [
      ['0', 'perceptual'],
      ['1', 'relative'],
      ['2', 'saturation'],
      ['3', 'absolute'],
      ['Saturation', 'saturation'],
    ],
    invalid: ['4', 'colorimetric'],
  },
  iccBlackPointCompensation: { fallback: true, valid: [['0', false]], invalid: ['2'] },
  iccDither: { fallback: false, valid: [['true', true]], invalid: ['on'] },
  requestLock: { fallback: false, valid: [['1', true]], invalid: ['2'] },
  requestObfuscation: { fallback: false, valid: [['1', true]], invalid: ['2'] },
  clientAddressFilter: {
    fallback: [],
    valid: [
      ['10.0.0.0/8, 192.168.1.7', ['10.0.0.0/8', '192.168.1.7/32']],
      ['2001:db8::/32,::1', ['2001:db8::/32', '::1/128']],
      ['10.0.0.0/255.255.0.0', ['10.0.0.0/16']],
    ],
    invalid: ['10/8', '10.0.0.0/33', '10.0.0.300', '::1/129', 'example.com', '10.0.0.1/8/8', '010.0.0.1', '1.1.1.1/'],
  },
  bfc: { fallback: false, valid: [['true', true]], invalid: ['auto'] },
  savePath: { fallback: '', valid: [['saved', 'saved']], invalid: ['/saved', '../saved', 'C:saved'] },
  publishInfo: { fallback: '', valid: [['by x', 'by x']], invalid: ['a\u0001'] },
  thumbnailTime: {
    fallback: '1%,11%,21%,31%,41%,51%,61%,71%,81%,91%',
    valid: [['0%, 50.5%,100%', '0%,50.5%,100%']],
    invalid: ['101%', '5', '5%,,6%'],
  },
};

const KEYS = Object.keys(CASES) as (keyof Attributes)[];

function readIni(text: string): { values: Partial<Attributes>; warnings: string[] } {
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  return { values: readAttributes(parseIni(text, warn).values(), warn).values, warnings };
}

describe.each(KEYS)('%s', (key) => {
  const { name, manifestKind, kind } = ATTRIBUTES[key];
  const { fallback, valid, invalid } = CASES[key];

  it('has its default', () => {
    expect(DEFAULT_ATTRIBUTES[key]).toEqual(fallback);
  });

  it.each(valid)('may be %j', (text, value) => {
    const { values, warnings } = readIni(`${name.toUpperCase()} = ${text}`);
    expect(values).toEqual({ [key]: value });
    expect(warnings).toEqual([]);
  });

  it.each(invalid)('may not be %j', (text) => {
    const { values, warnings } = readIni(`${name} = ${text}`);
    expect(values).toEqual({});
    expect(warnings).toEqual([`${name} must be ${kind.allowed}; got ${JSON.stringify(text)}`]);
  });

  it('is a property of the manifest in lower case only, if it is one', () => {
    const value = key.endsWith('Ms') ? '-1' : (valid[0]?.[0] ?? '');
    const warnings: string[] = [];
    const lower = readManifest({ [name.toLowerCase()]: value }, (message) => warnings.push(message));
    if (key === 'rootId') expect(warnings).toEqual(['there is no property "rootid"']);
    else {
      expect(lower).toEqual({ [key]: manifestKind.read(value) });
      expect(readManifest({ [name]: value }, (message) => warnings.push(message))).toEqual({});
      expect(warnings).toEqual([`there is no property "${name}"`]);
    }
  });
});

describe('attributes of a file', () => {
  it('warn of names without meaning, and of those without effect', () => {
    expect(readIni('Nonsense = 1\nLocaleMap = x').warnings).toEqual([
      'there is no attribute Nonsense',
      'LocaleMap has no effect here',
    ]);
  });

  it('have other names, of which the last counts', () => {
    expect(readIni('TimeStamp = 5\nLastModified = 7').values).toEqual({ timeStamp: 7 });
    expect(readIni('LastModified = 7\nTimeStamp = 5').values).toEqual({ timeStamp: 5 });
  });

  it('name the files of a catalog', () => {
    const entries = [
      { name: 'catalogfile', value: 'a.txt, b.txt,' },
      { name: 'RuleSetFile', value: 'rules.xml' },
    ];
    expect(readAttributes(entries, () => {}).files).toEqual({
      records: ['a.txt', 'b.txt'],
      macros: [],
      profiles: [],
      rules: ['rules.xml'],
    });
  });
});

describe('the manifest', () => {
  it('has texts, numbers, booleans and lists, and times in milliseconds', () => {
    const warnings: string[] = [];
    const properties = {
      expiration: 1000,
      defaultexpiration: '-1',
      maxpix: [640, 480],
      jpegquality: 75,
      iccdither: true,
      iccblackpointcompensation: '0',
      iccrenderintent: 'absolute',
      iccprofilergb: '',
      resmode: null,
    };
    expect(readManifest(properties, (message) => warnings.push(message))).toEqual({
      expirationMs: 1000,
      defaultExpirationMs: -1,
      maxPix: [640, 480],
      jpegQuality: { quality: 75, fullChroma: false },
      iccDither: true,
      iccBlackPointCompensation: false,
      iccRenderIntent: 'absolute',
    });
    expect(warnings).toEqual([]);
  });

  it('names what is not allowed, and what is', () => {
    const warnings: string[] = [];
    const warn = (message: string) => warnings.push(message);
    expect(readManifest({ expiration: 0.5, maxpix: {}, nonsense: 1, catalogfile: 'x' }, warn)).toEqual({});
    expect(warnings).toEqual([
      `expiration must be ${ATTRIBUTES.expirationMs.manifestKind.allowed}; got "0.5"`,
      `maxpix must be ${ATTRIBUTES.maxPix.kind.allowed}; got an object`,
      'there is no property "nonsense"',
      'there is no property "catalogfile"',
    ]);
  });
});

describe('inheritance', () => {
  const base = {
    ...DEFAULT_ATTRIBUTES,
    rootId: 'x',
    timeStamp: 5,
    rootPath: 'base',
    publishInfo: 'info',
    iccDither: true,
  };

  it('takes what a catalog does not say, but id and time', () => {
    expect(inherit({ rootId: 'own' }, base, 9)).toEqual({ ...base, rootId: 'own', timeStamp: 9 });
    expect(inherit({}, base, 9)).toMatchObject({ rootId: '', timeStamp: 9 });
  });

  it('of some that are said to be empty is switched off', () => {
    const empty = KEYS.filter((key) => key !== 'rootId').map((key) => `${ATTRIBUTES[key].name} =`);
    const { values, warnings } = readIni(empty.join('\n'));
    expect(values).toEqual({
      ...{ rootPath: '', rootUrl: '', defaultExt: '', defaultImage: '', errorImage: '', watermark: '', savePath: '' },
    });
    expect(warnings).toEqual([]);
    expect(inherit(values, base, 0)).toMatchObject({ rootPath: '', publishInfo: 'info', iccDither: true });
  });

  it('of source profiles falls back on output profiles of the same catalog', () => {
    const inherited = { ...base, iccProfileRgb: 'base', iccProfileSrcGray: 'gray' };
    const own = inherit({ iccProfileRgb: 'own', iccProfileGray: 'other' }, inherited, 0);
    expect(withProfiles(own)).toMatchObject({
      iccProfileSrcRgb: 'own',
      iccProfileSrcGray: 'gray',
      iccProfileSrcCmyk: '',
    });
  });
});
