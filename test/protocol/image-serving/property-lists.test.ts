import { describe, expect, test } from 'vitest';
import type { Attributes } from '../../../src/library/types.js';
import {
  catalogProperties,
  contextProperties,
  existsProperties,
  imageProperties,
  loadcacheProperties,
  type SourceFacts,
  type ViewFacts,
  validProperties,
  viewProperties,
} from '../../../src/protocol/image-serving/property-lists.js';
import { WHITE } from '../../../src/region/request.js';

const versions = { imageVersion: 'i', metadataVersion: 'm' };

describe('viewProperties', () => {
  const facts: ViewFacts = {
    ...versions,
    ...{ width: 300, height: 180, bgc: WHITE, iccEmbed: true, iccProfile: 'sRGB', length: 1234, hasAlpha: false },
    ...{ space: 'rgb', printRes: 72.5, quality: 80, mediaType: 'image/jpeg', xmpEmbed: false },
  };

  test('are those of the reply', () => {
    expect(Object.fromEntries(viewProperties(facts))).toEqual({
      'image.bgc': 'FFFFFF',
      'image.height': '180',
      'image.iccEmbed': '1',
      'image.iccProfile': 'sRGB',
      'image.length': '1234',
      'image.mask': '0',
      'image.pathEmbed': '0',
      'image.pixTyp': 'RGB',
      'image.printRes': '72.5',
      'image.quality': '80',
      'image.type': 'image/jpeg',
      'image.version': 'i',
      'image.width': '300',
      'image.xmpEmbed': '0',
      'metadata.version': 'm',
    });
  });

  test('tell pixel types, masks, and a length of 0 where nothing is cached', () => {
    const of = (changes: Partial<ViewFacts>) => viewProperties({ ...facts, ...changes });
    expect(of({ space: 'gray' }).get('image.pixTyp')).toBe('BW');
    expect(of({ space: 'cmyk' }).get('image.pixTyp')).toBe('CMYK');
    expect(of({ hasAlpha: true }).get('image.mask')).toBe('1');
    expect(of({ length: null }).get('image.length')).toBe('0');
  });
});

describe('imageProperties', () => {
  const facts: SourceFacts = {
    ...{ width: 1001, height: 600, record: null, attributes: { thumbRes: 72, thumbType: 'fit' } },
    ...{ expirationMs: 36_000_000, iccProfile: '', hasIccProfile: false, hasXmp: true, photoshopPathNames: ['a', 'b'] },
    ...{ mask: 'none', space: 'gray', printRes: 72, resolution: 150.5, timeStamp: 1000, translatedId: 'a/b' },
  };

  test('are those of the source', () => {
    expect(Object.fromEntries(imageProperties(facts))).toEqual({
      'image.anchor': '500,300',
      'image.embeddedIccProfile': '0',
      'image.embeddedPhotoshopPaths': '1',
      'image.embeddedXmpData': '1',
      'image.expiration': '10',
      'image.height': '600',
      'image.iccProfile': '',
      'image.mask': '0',
      'image.modifier': '',
      'image.photoshopPathNames': 'a,b',
      'image.pixTyp': 'BW',
      'image.postModifier': '',
      'image.printRes': '72',
      'image.resolution': '150.5',
      'image.thumbRes': '72',
      'image.thumbType': '2',
      'image.timeStamp': '1000',
      'image.translatedId': 'a/b',
      'image.width': '1001',
    });
  });

  test('and of its record', () => {
    const record = {
      ...{
        anchor: { x: 1, y: 2 },
        modifier: 'wid=1',
        postModifier: 'fmt=png',
        thumbRes: 9,
        thumbType: 'texture' as const,
      },
    };
    const found = imageProperties({ ...facts, record, expirationMs: -1, mask: 'separate', photoshopPathNames: [] });
    expect(Object.fromEntries(found)).toMatchObject({
      'image.anchor': '1,2',
      'image.embeddedPhotoshopPaths': '0',
      'image.expiration': '-1',
      'image.mask': '3',
      'image.modifier': 'wid=1',
      'image.postModifier': 'fmt=png',
      'image.thumbRes': '9',
      'image.thumbType': '3',
    });
    const masks = (['none', 'premultiplied', 'alpha'] as const).map((mask) =>
      imageProperties({ ...facts, mask }).get('image.mask'),
    );
    expect(masks).toEqual(['0', '1', '2']);
  });
});

test('catalogProperties', () => {
  const attributes: Attributes = {
    ...{ rootId: 'c', rootPath: '', rootUrl: '', staticContentRootPath: '', fullMatch: false, allowDirectUrls: false },
    ...{
      allowDirectAccess: new Set(['IS'] as const),
      defaultExt: '.tif',
      defaultPix: [300, 0],
      defaultThumbPix: [100, 90],
    },
    ...{ maxPix: [2000, 1000], bkgColor: WHITE, thumbBkgColor: { ...WHITE, samples: [0, 0.2, 1] } },
    ...{ jpegQuality: { quality: 85, fullChroma: true }, resMode: 'sharp2', resolution: 72, thumbRes: 36.5 },
    ...{ printResolution: 300, thumbType: 'crop', thumbHorizAlign: 'right', thumbVertAlign: 'centre' },
    ...{ expirationMs: 36_000_000, defaultExpirationMs: -1, nonImgExpirationMs: 360_000, cacheValidationPolicy: 0 },
    ...{
      useLastModified: false,
      timeStamp: 1234,
      defaultImage: '',
      defaultImageMode: 0,
      errorImage: '',
      errorDetail: 0,
    },
    ...{ watermark: 'w', iccProfileRgb: '', iccProfileCmyk: '', iccProfileGray: '', iccProfileSrcRgb: '' },
    ...{ iccProfileSrcCmyk: '', iccProfileSrcGray: '', iccRenderIntent: 'relative', iccBlackPointCompensation: true },
    ...{ iccDither: false, requestLock: false, requestObfuscation: false, clientAddressFilter: [], bfc: false },
    ...{ savePath: '', publishInfo: 'p', thumbnailTime: '1%,50%' },
  };
  expect(Object.fromEntries(catalogProperties(attributes))).toEqual({
    'catalog.bkgColor': 'FFFFFF',
    'catalog.defaultExpiration': '-1',
    'catalog.defaultExt': '.tif',
    'catalog.defaultPix': '300,0',
    'catalog.defaultThumbPix': '100,90',
    'catalog.expiration': '10',
    'catalog.fileTime': '1234',
    'catalog.jpegQuality': '85,1',
    'catalog.maxPix': '2000,1000',
    'catalog.nonImgExpiration': '0.1',
    'catalog.printResolution': '300',
    'catalog.publishInfo': 'p',
    'catalog.resMode': '4',
    'catalog.resolution': '72',
    'catalog.thumbBkgColor': '0033FF',
    'catalog.thumbHorizAlign': '3',
    'catalog.thumbRes': '36.5',
    'catalog.thumbType': '1',
    'catalog.thumbVertAlign': '2',
    'catalog.thumbnailTime': '1%,50%',
    'catalog.watermark': 'w',
  });
});

test('the short lists', () => {
  expect([...contextProperties({ ...versions, width: 5, height: 6 })]).toEqual([
    ['image.rect', '0,0,5,6'],
    ['image.version', 'i'],
    ['metadata.version', 'm'],
  ]);
  expect([...existsProperties(true), ...existsProperties(false)]).toEqual([
    ['catalogRecord.exists', '1'],
    ['catalogRecord.exists', '0'],
  ]);
  expect([...validProperties()]).toEqual([['request.isValid', '1']]);
  expect([...loadcacheProperties(99)]).toEqual([['image.length', '99']]);
});
