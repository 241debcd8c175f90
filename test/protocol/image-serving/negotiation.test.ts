import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseModifiers } from '../../../src/protocol/image-serving/modifiers.js';
import { type NegotiationFacts, negotiateFormat } from '../../../src/protocol/image-serving/negotiation.js';

const BROWSER = 'image/avif,image/webp,image/apng,*/*;q=0.8';
const facts: NegotiationFacts = {
  bfc: true,
  network: false,
  accept: BROWSER,
  saveData: '',
  downlink: '',
  jpegQuality: 80,
};
const negotiate = (query: string, changes: Partial<NegotiationFacts> = {}) => {
  const { request } = parseModifiers(query);
  const { request: changed, vary } = negotiateFormat(request, { ...facts, ...changes });
  const { format, compression, quality } = changed.output;
  return { format, compression, quality, vary, isSame: changed === request, dpr: changed.view.dpr };
};

describe('bfc', () => {
  test('off changes nothing', () => {
    expect(negotiate('', { bfc: false })).toMatchObject({ format: 'jpeg', isSame: true, vary: [] });
  });

  test.each([
    ['', BROWSER, 'avif', 'lossy', 64],
    ['qlt=50', BROWSER, 'avif', 'lossy', 48],
    ['qlt=75,1', BROWSER, 'avif', 'lossy', 60],
    ['fmt=pjpeg&qlt=100', BROWSER, 'avif', 'lossy', 90],
    ['fmt=jpeg,rgb&qlt=1', BROWSER, 'avif', 'lossy', 1],
    ['', 'image/webp', 'webp', 'lossy', 82],
    ['qlt=90', 'image/webp, */*', 'webp', 'lossy', 91],
    ['qlt=100', 'IMAGE/WEBP', 'webp', 'lossy', 100],
    ['', 'image/avif;q=0.5, image/webp', 'webp', 'lossy', 82],
    ['', 'image/avif;q=0, image/webp;q=0.1', 'webp', 'lossy', 82],
    ['fmt=png', BROWSER, 'webp', 'lossless', null],
    ['fmt=png-alpha', BROWSER, 'webp-alpha', 'lossless', null],
  ])('%s for %s: %s, %s, %s', (query, accept, format, compression, quality) => {
    expect(negotiate(query, { accept })).toMatchObject({
      format,
      compression,
      quality,
      vary: ['Accept'],
      isSame: false,
    });
  });

  test.each([
    ['', ''],
    ['', '*/*'],
    ['', 'image/*'],
    ['', 'image/avif;q=0'],
    ['', 'image/avif;q=high'],
    ['', 'image/avifs, ximage/webp'],
    ['fmt=png', 'image/avif'],
  ])('%j for %j stays, but might not have', (query, accept) => {
    expect(negotiate(query, { accept })).toMatchObject({ isSame: true, vary: ['Accept'] });
  });

  test.each([
    'fmt=gif',
    'fmt=png8',
    'fmt=png8-alpha',
    'fmt=tif',
    'fmt=webp',
    'fmt=jpeg,gray',
    'fmt=jpeg,cmyk',
    'icc=sRGB',
    'iccEmbed=1',
    'xmpEmbed=1',
    'jpegSize=20',
    'fmt=png,gray',
  ])('%s stays for everyone', (query) => {
    expect(negotiate(query)).toMatchObject({ isSame: true, vary: [] });
  });

  test('a higher quality never becomes a lower one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), fc.constantFrom('image/avif', 'image/webp'), (quality, accept) => {
        const of = (one: number) => negotiate(`qlt=${one}`, { accept }).quality ?? 0;
        expect(of(quality + 1)).toBeGreaterThanOrEqual(of(quality));
        expect(of(quality)).toBeGreaterThanOrEqual(1);
        expect(of(quality)).toBeLessThanOrEqual(100);
      }),
    );
  });
});

describe('network', () => {
  const network = (query: string, changes: Partial<NegotiationFacts>) =>
    negotiate(query, { bfc: false, network: true, ...changes });
  const vary = ['Save-Data', 'Downlink'];

  test.each([
    ['', { saveData: 'on' }, 56],
    ['qlt=50', { saveData: 'On' }, 35],
    ['', { downlink: '0.4' }, 40],
    ['', { downlink: '1' }, 56],
    ['', { downlink: '2.5' }, 68],
    ['qlt=1', { downlink: '0' }, 1],
    ['fmt=webp', { downlink: '0.4', saveData: 'on' }, 40],
  ])('%s %j: %i', (query, changes, quality) => {
    expect(network(`${query}&dpr=on,2`, changes)).toMatchObject({ quality, vary, dpr: null });
  });

  test.each([{}, { downlink: '10' }, { saveData: 'off' }, { downlink: 'slow' }, { downlink: '-1' }])(
    '%j changes nothing',
    (changes) => {
      expect(network('dpr=on,2', changes)).toMatchObject({ isSame: true, vary, dpr: 2 });
    },
  );

  test('formats without quality keep theirs', () => {
    expect(network('fmt=png&dpr=on,2', { saveData: 'on' })).toMatchObject({ quality: null, dpr: null, vary });
  });

  test('comes before the format', () => {
    expect(negotiate('qlt=100', { network: true, saveData: 'on' })).toMatchObject({
      format: 'avif',
      quality: 56,
      vary: [...vary, 'Accept'],
    });
  });
});

test('any headers will do', () => {
  const bit = fc.constantFrom('image/avif', 'image/webp', ';q=', '1', '0.', ',', ' ', '*/*', ';', 'x');
  const header = fc.oneof(
    fc.array(bit).map((bits) => bits.join('')),
    fc.string(),
  );
  fc.assert(
    fc.property(header, header, header, (accept, saveData, downlink) => {
      const { quality, format } = negotiate('', { network: true, accept, saveData, downlink });
      expect(['jpeg', 'avif', 'webp']).toContain(format);
      expect(quality === null || (Number.isInteger(quality) && quality >= 1 && quality <= 100)).toBe(true);
    }),
  );
});
