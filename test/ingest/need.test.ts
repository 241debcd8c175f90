import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodedNeed, type NeedFacts, type NeedPlan, peakNeed, verifyPeak } from '../../src/ingest/need.js';
import { jpegFrame, plan, probed, tiffFacts } from './support.js';

const MIB = 1 << 20;
const side = fc.integer({ min: 1, max: 40_000 });
const formats = ['jpeg', 'png', 'tiff', 'webp', 'gif', 'heif'] as const;

const facts = (width: number, height: number, rest: Partial<NeedFacts> = {}): NeedFacts =>
  probed({ info: { width, height, format: rest.format ?? 'jpeg' }, facts: rest }).facts;
const levelsOf = (width: number, height: number): NeedPlan => ({
  pixels: { space: 'rgb', bits: 8, alpha: 'none' },
  levels: [
    { width, height },
    { width: Math.ceil(width / 2), height: Math.ceil(height / 2) },
  ],
  tileSize: 256,
  coding: { kind: 'jpeg', quality: 95, subsample: true },
  unsharpRadius: null,
  converts: false,
  threads: 2,
});

describe('peakNeed', () => {
  test('is a whole number of bytes, and never less for a larger image', () => {
    fc.assert(
      fc.property(side, side, fc.constantFrom(...formats), (width, height, format) => {
        const of = (w: number, h: number) => peakNeed(facts(w, h, { format, jpeg: jpegFrame(w, h) }), levelsOf(w, h));
        const need = of(width, height);
        expect(Number.isSafeInteger(need)).toBe(true);
        expect(of(width + 100, height)).toBeGreaterThanOrEqual(need);
        expect(of(width, height + 100)).toBeGreaterThanOrEqual(need);
      }),
    );
  });

  test('of a source read by rows it grows with the width, not with the height', () => {
    const rows: readonly Partial<NeedFacts>[] = [
      { format: 'jpeg', jpeg: jpegFrame(10_000, 10_000) },
      { format: 'png' },
      { format: 'tiff', tiff: tiffFacts(10_000, 10_000, 16) },
    ];
    for (const rest of rows) {
      const low = peakNeed(facts(10_000, 2_000, rest), levelsOf(10_000, 2_000));
      const high = peakNeed(facts(10_000, 200_000, rest), levelsOf(10_000, 200_000));
      // The index of the tiles is all that grows.
      expect(high - low, rest.format).toBeLessThan(10 * MIB);
    }
  });

  test('counts what decoders hold whole', () => {
    const [width, height] = [10_000, 10_000];
    const of = (rest: Partial<NeedFacts>) => peakNeed(facts(width, height, rest), levelsOf(width, height));
    const streaming = of({ format: 'png' });
    const raw = 3 * width * height;
    expect(of({ format: 'png', interlaced: true }) - streaming).toBeGreaterThanOrEqual(raw);
    // 4:2:0 has 1.5 samples a pixel, of two bytes as coefficients: as much as the pixels.
    expect(
      of({ jpeg: jpegFrame(width, height, true) }) - of({ jpeg: jpegFrame(width, height) }),
    ).toBeGreaterThanOrEqual(raw);
    expect(of({ format: 'webp' })).toBeGreaterThan(streaming + raw);
    expect(of({ format: 'webp', pages: 2 })).toBeGreaterThan(of({ format: 'webp' }));
    expect(of({ format: 'gif', pages: 2 })).toBeGreaterThan(of({ format: 'gif' }));
    expect(of({ format: 'heif', bitDepth: 10 })).toBeGreaterThan(of({ format: 'heif' }) + raw);
  });

  test('knows which strips are read by rows and which are held whole', () => {
    const [width, height] = [10_000, 10_000];
    const of = (tiff: NonNullable<NeedFacts['tiff']>) =>
      peakNeed(facts(width, height, { format: 'tiff', tiff }), levelsOf(width, height));
    const strip = { largestBytes: 1_000_000 };
    const one = tiffFacts(width, height, height);
    const whole = { ...one, chunks: { ...one.chunks, ...strip } };
    expect(of(whole)).toBeLessThan(200 * MIB);
    expect(of({ ...whole, photometric: 6 })).toBeGreaterThan(3 * width * height);
    expect(of({ ...whole, separate: true })).toBeGreaterThan(3 * width * height);
    // The stored bytes of a strip are held, however it is read; not those of an uncompressed one.
    expect(of(one) - of(whole)).toBeGreaterThan(200 * MIB);
    expect(of({ ...one, compression: 1 })).toBeLessThanOrEqual(of(whole));
  });

  test('counts what the source itself holds', () => {
    const base = peakNeed(facts(100, 100), levelsOf(100, 100));
    expect(peakNeed(facts(100, 100, { heldBytes: 50 * MIB }), levelsOf(100, 100))).toBe(base + 50 * MIB);
  });

  test('wide masks hold more rows, 16 bits twice as much, and one thread less', () => {
    const base = plan().need;
    expect(plan({}, { unsharp: { radius: 100 } }).need).toBeGreaterThan(base);
    expect(plan({}, { bits: 16 }).need).toBeGreaterThan(plan({}, { compression: 'deflate' }).need);
    expect(plan({}, {}, { threads: 1 }).need).toBeLessThan(base);
  });
});

test('verifyPeak is less than a build needs', () => {
  fc.assert(
    fc.property(side, side, fc.constantFrom(...formats), (width, height, format) => {
      fc.pre(width > 256);
      const image = facts(width, height, { format });
      expect(verifyPeak(image, 2)).toBeLessThanOrEqual(peakNeed(image, levelsOf(width, height)));
    }),
  );
});

test('decodedNeed is the documented rule', () => {
  const rule = (width: number, height: number, bands: number, bitDepth: number) =>
    decodedNeed({ size: { width, height }, bands, bitDepth });
  expect(rule(10_000, 10_000, 3, 8)).toBe(0.9e9);
  expect(rule(10_000, 10_000, 4, 16)).toBe(2.4e9);
  expect(rule(20_000, 20_000, 3, 8)).toBe(3.6e9);
});
