import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { readTiffFacts } from '../../src/ingest/tiff-facts.js';
import { TiffReader } from '../../src/ingest/tiff-fields.js';
import { image, writeTiff } from '../pyramid/tiff.js';

const variants = [
  { bigTiff: false, littleEndian: true },
  { bigTiff: false, littleEndian: false },
  { bigTiff: true, littleEndian: true },
  { bigTiff: true, littleEndian: false },
];

describe.each(variants)('a TIFF: %o', (options) => {
  const bytes = writeTiff(
    [
      {
        fields: [
          { tag: 256, type: 3, values: [640] },
          { tag: 257, type: 4, values: [70_000] },
          { tag: 258, type: 3, values: [8, 8, 8, 8, 8] },
          { tag: 270, type: 2, values: 'a picture' },
          { tag: 282, type: 5, values: [3000, 10] },
          { tag: 700, type: 7, values: Uint8Array.of(1, 2, 3) },
        ],
      },
      { fields: [{ tag: 256, type: 3, values: [320] }] },
    ],
    options,
  );

  test('yields its numbers, whatever their type, place and order', async () => {
    const reader = await TiffReader.ofBytes(bytes);
    expect(reader).toMatchObject({ littleEndian: options.littleEndian, big: options.bigTiff });
    const page = await reader.page(0);
    expect(await reader.number(page, 256)).toBe(640);
    expect(await reader.number(page, 257)).toBe(70_000);
    expect(await reader.number(page, 282)).toBe(300);
    expect(await reader.number(page, 999)).toBeUndefined();
    const bits = page.fields.get(258);
    expect(bits && (await reader.numbers(bits))).toEqual([8, 8, 8, 8, 8]);
    expect(bits && (await reader.numbers(bits, 2, 4))).toEqual([8]);
  });

  test('yields values as stored, and with the least significant byte first', async () => {
    const reader = await TiffReader.ofBytes(bytes);
    const page = await reader.page(0);
    const [text, rational, blob] = [270, 282, 700].map((tag) => page.fields.get(tag));
    expect(text && Buffer.from(await reader.bytes(text)).toString('latin1')).toBe('a picture\0');
    expect(blob && [...(await reader.bytes(blob))]).toEqual([1, 2, 3]);
    expect(rational && [...(await reader.littleEndianBytes(rational))]).toEqual([0xb8, 0x0b, 0, 0, 10, 0, 0, 0]);
  });

  test('yields its pages, and an error for one that is not there', async () => {
    const reader = await TiffReader.ofBytes(bytes);
    expect(await reader.number(await reader.page(1), 256)).toBe(320);
    await expect(reader.page(2)).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
  });

  test('a chain that runs in a circle ends', async () => {
    const circle = writeTiff([{ fields: [] }, { fields: [] }], { ...options, loopTo: 0 });
    await expect((await TiffReader.ofBytes(circle)).page(7)).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
  });

  test('a value outside the file, or longer than asked for, is an error only when it is read', async () => {
    const reader = await TiffReader.ofBytes(
      writeTiff(
        [
          {
            fields: [
              { tag: 700, type: 7, values: new Uint8Array(40), count: 1_000_000 },
              { tag: 701, type: 7, values: new Uint8Array(40) },
            ],
          },
        ],
        options,
      ),
    );
    const page = await reader.page(0);
    const [outside, long] = [700, 701].map((tag) => page.fields.get(tag));
    if (!outside || !long) throw new Error('fields are missing');
    await expect(reader.bytes(outside)).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
    await expect(reader.bytes(long, 39)).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
  });

  test('cut short or changed anywhere, it yields data or CORRUPT_IMAGE, and ends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), async (at, value, length) => {
        const damaged = bytes.slice(0, length);
        if (at < length) damaged[at] = value;
        try {
          const reader = await TiffReader.ofBytes(damaged);
          const page = await reader.page(1);
          await readTiffFacts(reader, page, damaged.length);
          for (const field of page.fields.values()) await reader.littleEndianBytes(field);
        } catch (error) {
          expect(error).toBeInstanceOf(PyramidionError);
          expect(error).toMatchObject({ code: 'CORRUPT_IMAGE' });
        }
      }),
    );
  });
});

describe('readTiffFacts', () => {
  const factsOf = async (...args: Parameters<typeof image>) => {
    const bytes = writeTiff([image(...args)]);
    const reader = await TiffReader.ofBytes(bytes);
    return readTiffFacts(reader, await reader.page(0), bytes.length);
  };

  test('strips', async () => {
    expect(
      await factsOf(100, 300, { tile: null, tileLength: 77, extra: [{ tag: 278, type: 4, values: [0xffffffff] }] }),
    ).toMatchObject({
      width: 100,
      height: 300,
      compression: 8,
      photometric: 2,
      separate: false,
      extraSamples: [],
      chunks: { kind: 'strips', width: 100, height: 300, count: 1, largestBytes: 77, totalBytes: 77 },
    });
  });

  test('tiles, alpha, planes', async () => {
    const extra = [
      { tag: 284, type: 3, values: [2] },
      { tag: 338, type: 3, values: [1, 0] },
    ];
    expect(await factsOf(100, 130, { samples: 5, extra })).toMatchObject({
      separate: true,
      samplesPerPixel: 5,
      extraSamples: [1, 0],
      chunks: { kind: 'tiles', width: 64, height: 64, count: 6, largestBytes: 4, totalBytes: 24 },
    });
  });

  test('lengths that are missing or too large are bounded by the file', async () => {
    const facts = await factsOf(100, 100, { tile: null, tileLength: 4_000_000_000 });
    expect(facts.chunks.largestBytes).toBeLessThan(1000);
  });
});
