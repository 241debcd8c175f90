/** Queries that the inspector writes. Each is what the protocol reads. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseModifiers } from '../../src/protocol/image-serving/modifiers.js';
import { regionQuery, renditionQuery, shownRegion } from '../../src/viewer/assets/queries.js';

const image = { width: 4000, height: 3000 };
const form = {
  preset: '',
  wid: '',
  hei: '',
  fit: 'fit',
  fmt: '',
  qlt: '',
  sharpen: '',
  usm: '1,0.8,2,0',
  more: '',
};

describe('the region that is shown', () => {
  test('holds every pixel that is touched, and none outside of the image', () => {
    expect(shownRegion({ x: 10.2, y: -5, width: 100.5, height: 50 }, image)).toEqual({
      x: 10,
      y: 0,
      width: 101,
      height: 45,
    });
    expect(shownRegion({ x: -100, y: -100, width: 9000, height: 9000 }, image)).toEqual({ x: 0, y: 0, ...image });
    expect(shownRegion({ x: 4000, y: 0, width: 10, height: 10 }, image)).toBe(null);
  });

  test('is always a region of the image', () => {
    const place = fc.double({ min: -1e4, max: 1e4, noNaN: true });
    const length = fc.double({ min: 0.01, max: 1e4, noNaN: true });
    fc.assert(
      fc.property(place, place, length, length, (x, y, width, height) => {
        const region = shownRegion({ x, y, width, height }, image);
        if (region === null) return;
        expect(Object.values(region).every(Number.isInteger)).toBe(true);
        expect(region.x >= 0 && region.y >= 0 && region.width > 0 && region.height > 0).toBe(true);
        expect(region.x + region.width <= image.width && region.y + region.height <= image.height).toBe(true);
      }),
    );
  });

  test('is not said where it is the whole', () => {
    expect(regionQuery({ x: 0, y: 0, ...image }, image)).toBe('');
    expect(regionQuery({ x: 1, y: 2, width: 30, height: 40 }, image)).toBe('rgn=1,2,30,40');
  });
});

describe('a rendition', () => {
  test.each([
    [{}, '', ''],
    [{ wid: '600' }, '', 'wid=600'],
    [{ wid: '600', hei: '400', fit: 'crop' }, '', 'wid=600&hei=400&fit=crop'],
    [{ hei: '400', fit: 'crop' }, '', 'hei=400'],
    [{ fmt: 'webp', qlt: '70' }, '', 'fmt=webp&qlt=70'],
    [{ fmt: 'png', qlt: '70' }, '', 'fmt=png'],
    [{ qlt: '70' }, '', 'qlt=70'],
    [{ sharpen: 'simple' }, '', 'op_sharpen=1'],
    [{ sharpen: 'usm' }, '', 'op_usm=1,0.8,2,0'],
    [{ preset: 'web', wid: '300' }, 'rgn=1,2,3,4', '$web$&rgn=1,2,3,4&wid=300'],
    [{ wid: '300', more: '?rotate=15' }, '', 'wid=300&rotate=15'],
    [{ more: '&flip=lr' }, '', 'flip=lr'],
  ])('%j of %j is %j', (set, region, expected) => {
    const query = renditionQuery({ ...form, ...set }, region);
    expect(query).toBe(expected);
    if (!query.includes('$')) expect(() => parseModifiers(query)).not.toThrow();
  });
});
