import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readExifBlock } from '../../src/ingest/exif.js';
import {
  dateTime,
  MAX_BLOCK_BYTES,
  makeTags,
  TAG,
  type TagRequest,
  withUprightXmp,
} from '../../src/ingest/metadata.js';
import { readResources, writeResources } from '../../src/ingest/photoshop.js';
import type { TiffTag } from '../../src/native/contract.js';
import { type Directory, type Field, writeTiff } from '../pyramid/tiff.js';

const ascii = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'));
const exifPrefix = ascii('Exif\0\0');

/** An EXIF block whose sub-directories lie where the chain of directories has them: offsets are known after a first run. */
function exifBlock(
  first: readonly Field[],
  exif: readonly Field[],
  gps: readonly Field[],
  littleEndian: boolean,
): Uint8Array {
  const chain = (exifAt: number, gpsAt: number): Directory[] => [
    { fields: [...first, { tag: 34665, type: 4, values: [exifAt] }, { tag: 34853, type: 4, values: [gpsAt] }] },
    { fields: exif },
    { fields: gps },
  ];
  const offsets = (bytes: Uint8Array): number[] => {
    const data = new DataView(bytes.buffer);
    const found = [data.getUint32(4, littleEndian)];
    for (let i = 0; i < 2; i++) {
      const at = found.at(-1) ?? 0;
      found.push(data.getUint32(at + 2 + 12 * data.getUint16(at, littleEndian), littleEndian));
    }
    return found;
  };
  const [, exifAt = 0, gpsAt = 0] = offsets(writeTiff(chain(0, 0), { littleEndian }));
  return writeTiff(chain(exifAt, gpsAt), { littleEndian });
}

const request = (rest: Partial<TagRequest> = {}): TagRequest => ({
  source: { xmp: null, iptc: null, photoshop: [], exif: null },
  keep: { xmp: true, exif: true, iptc: true },
  profile: null,
  width: 640,
  height: 480,
  orientation: 1,
  turned: false,
  dpi: null,
  modified: new Date('2024-05-06T07:08:09.999Z'),
  software: 'Pyramidion 0.0.0',
  record: { a: 1 },
  ...rest,
});
const textOf = (tag: TiffTag | undefined) => Buffer.from(tag?.value ?? []).toString('latin1');
const find = (tags: readonly TiffTag[] | undefined, tag: number) => tags?.find((field) => field.tag === tag);

describe('readExifBlock', () => {
  describe.each([true, false])('little-endian %s', (littleEndian) => {
    const block = exifBlock(
      [
        { tag: 271, type: 2, values: 'A maker' },
        { tag: 274, type: 3, values: [6] },
        { tag: 282, type: 5, values: [72, 1] },
      ],
      [
        { tag: 33434, type: 5, values: [1, 250] },
        { tag: 37500, type: 7, values: Uint8Array.of(9, 8, 7, 6, 5) },
        { tag: 40962, type: 3, values: [6000] },
        { tag: 59932, type: 7, values: new Uint8Array(64) },
      ],
      [{ tag: 0, type: 1, values: Uint8Array.of(2, 3, 0, 0) }],
      littleEndian,
    );

    test.each([
      ['with its prefix', Buffer.concat([exifPrefix, block])],
      ['without', block],
    ])('%s', async (_, bytes) => {
      const fields = await readExifBlock(bytes);
      expect(fields.descriptive.map(({ tag }) => tag)).toEqual([271]);
      expect(fields.exif.map(({ tag }) => tag)).toEqual([33434, 37500, 40962]);
      expect([...(find(fields.exif, 33434)?.value ?? [])]).toEqual([1, 0, 0, 0, 250, 0, 0, 0]);
      expect([...(find(fields.exif, 37500)?.value ?? [])]).toEqual([9, 8, 7, 6, 5]);
      expect(fields.gps.map(({ tag }) => tag)).toEqual([0]);
    });

    test('damaged, it yields what is sound, or CORRUPT_IMAGE', async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(block.length - 1), fc.nat(255), async (at, value) => {
          try {
            const fields = await readExifBlock(block.with(at, value));
            for (const { value: bytes, count } of [...fields.descriptive, ...fields.exif, ...fields.gps]) {
              expect(bytes.length).toBeGreaterThanOrEqual(count);
            }
          } catch (error) {
            expect(error).toMatchObject({ code: 'CORRUPT_IMAGE' });
          }
        }),
      );
    });
  });
});

describe('makeTags', () => {
  test('writes software, date, orientation and record whatever the source', () => {
    const { tags, warnings } = makeTags(request());
    expect(tags.map(({ tag }) => tag).sort((a, b) => a - b)).toEqual([
      TAG.orientation,
      TAG.software,
      TAG.dateTime,
      TAG.record,
    ]);
    expect(textOf(find(tags, TAG.dateTime))).toBe('2024:05:06 07:08:09\0');
    expect(textOf(find(tags, TAG.record))).toBe('{"a":1}\0');
    expect(warnings).toEqual([]);
  });

  test('every value is as long as its count says', () => {
    const size: Record<number, number> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1 };
    const { tags } = makeTags(request({ dpi: { x: 300, y: 299.9994 }, profile: ascii('p'), record: { name: 'é' } }));
    for (const { tag, type, count, value } of tags) expect(value.length, `tag ${tag}`).toBe(count * (size[type] ?? 0));
  });

  test('keeps blocks as they are, each by its switch', () => {
    const source = {
      xmp: ascii('<x/>'),
      iptc: Uint8Array.of(0x1c, 2, 5, 0, 1, 65),
      photoshop: [{ id: 2000, name: Uint8Array.of(0, 0), data: ascii('path') }],
      exif: {
        descriptive: [],
        exif: [{ tag: 33434, type: 5, count: 1, value: new Uint8Array(8) }],
        gps: [{ tag: 0, type: 1, count: 4, value: new Uint8Array(4) }],
        interoperability: [],
      },
    };
    const numbers = (keep: Partial<TagRequest['keep']>) =>
      makeTags(request({ source, keep: { xmp: true, exif: true, iptc: true, ...keep } })).tags.map(({ tag }) => tag);
    expect(numbers({})).toEqual(expect.arrayContaining([TAG.xmp, TAG.iptc, TAG.photoshop, TAG.exif, TAG.gps]));
    expect(numbers({ xmp: false })).not.toContain(TAG.xmp);
    expect(numbers({ iptc: false })).not.toContain(TAG.iptc);
    expect(numbers({ iptc: false })).not.toContain(TAG.photoshop);
    expect(numbers({ exif: false })).not.toContain(TAG.exif);
    expect(numbers({ exif: false })).not.toContain(TAG.gps);
  });

  test('EXIF tells the size of the result, and holds its interoperability directory', () => {
    const side = (tag: number) => ({ tag, type: 3, count: 1, value: Uint8Array.of(1, 0) });
    const exif = {
      descriptive: [],
      exif: [side(40962), side(40963)],
      gps: [],
      interoperability: [{ tag: 1, type: 2, count: 4, value: ascii('R98\0') }],
    };
    const { tags } = makeTags(request({ source: { xmp: null, iptc: null, photoshop: [], exif } }));
    const ifd = find(tags, TAG.exif)?.ifd;
    expect(find(ifd, 40962)).toMatchObject({ type: 4, value: Uint8Array.of(128, 2, 0, 0) });
    expect(find(ifd, 40963)).toMatchObject({ type: 4, value: Uint8Array.of(224, 1, 0, 0) });
    expect(textOf(find(find(ifd, 40965)?.ifd, 1))).toBe('R98\0');
  });

  test('leaves out resources that are stored elsewhere, and paths that no longer fit', () => {
    const resource = (id: number) => ({ id, name: Uint8Array.of(0, 0), data: Uint8Array.of(id & 255) });
    const photoshop = [1005, 1028, 1033, 1036, 1039, 1058, 1060, 2000, 2999].map(resource);
    const ids = (turned: boolean) => {
      const { tags, warnings } = makeTags(
        request({ turned, source: { xmp: null, iptc: null, photoshop, exif: null } }),
      );
      const block = find(tags, TAG.photoshop)?.value ?? new Uint8Array(0);
      return { ids: readResources(block).map(({ id }) => id), warnings: warnings.length };
    };
    expect(ids(false)).toEqual({ ids: [1005, 2000, 2999], warnings: 0 });
    expect(ids(true)).toEqual({ ids: [1005], warnings: 1 });
  });

  test('leaves out a block that is too long, with a warning', () => {
    const source = { xmp: new Uint8Array(MAX_BLOCK_BYTES + 1), iptc: null, photoshop: [], exif: null };
    const { tags, warnings } = makeTags(request({ source }));
    expect(find(tags, TAG.xmp)).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('XMP')]);
  });

  test('resolutions are fractions', () => {
    const of = (dpi: number) => {
      const value = Buffer.from(
        find(makeTags(request({ dpi: { x: dpi, y: dpi } })).tags, TAG.xResolution)?.value ?? [],
      );
      return value.readUInt32LE(0) / value.readUInt32LE(4);
    };
    expect(of(300)).toBe(300);
    expect(of(72.009)).toBeCloseTo(72.009, 4);
    fc.assert(
      fc.property(fc.double({ min: 1, max: 100_000, noNaN: true }), (dpi) => {
        expect(Math.abs(of(dpi) - dpi)).toBeLessThan(1e-4);
      }),
    );
  });
});

describe('withUprightXmp', () => {
  const xmp = (text: string) =>
    ascii(`<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" ${text}>\xe2\x82\xac</rdf:Description>`);

  test.each([
    ['tiff:Orientation="6"', 'tiff:Orientation="1"'],
    ["tiff:Orientation = '8'", "tiff:Orientation = '1'"],
    ['><tiff:Orientation>3</tiff:Orientation><x', '><tiff:Orientation>1</tiff:Orientation><x'],
    ['tiff:Orientation="1"', 'tiff:Orientation="1"'],
    ['tiff:Orientation="16"', 'tiff:Orientation="16"'],
    ['exif:Orientation="6"', 'exif:Orientation="6"'],
  ])('%s → %s', (before, after) => {
    expect(Buffer.from(withUprightXmp(xmp(before)))).toEqual(Buffer.from(xmp(after)));
  });

  test('changes the length of nothing, ever', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(withUprightXmp(bytes)).toHaveLength(bytes.length);
      }),
    );
  });

  test('stays quick on hostile text', () => {
    const started = performance.now();
    withUprightXmp(ascii(`tiff:Orientation${' '.repeat(20)}=`.repeat(200_000)));
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('Photoshop resources', () => {
  test('what is written is read again', () => {
    const name = fc.string({ maxLength: 20, unit: fc.constantFrom('a', 'b') }).map((text) => {
      const pascal = Uint8Array.of(text.length, ...Buffer.from(text));
      return pascal.length % 2 ? Uint8Array.of(...pascal, 0) : pascal;
    });
    const resource = fc.record({
      id: fc.integer({ min: 1, max: 65535 }),
      name,
      data: fc.uint8Array({ maxLength: 50 }),
    });
    fc.assert(
      fc.property(fc.array(resource, { maxLength: 8 }), (resources) => {
        expect(readResources(writeResources(resources))).toEqual(resources);
      }),
    );
  });

  test('whatever the bytes, reading ends', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(Array.isArray(readResources(Buffer.concat([Buffer.from('8BIM'), bytes])))).toBe(true);
      }),
    );
  });
});

test('dates are in UTC', () => {
  expect(dateTime(new Date('1999-12-31T23:59:59+05:00'))).toBe('1999:12:31 18:59:59');
});

test('docs/metadata.md has a row for every tag that is written', () => {
  const page = readFileSync(new URL('../../docs/metadata.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => /^\| \d/.test(line));
  for (const [name, tag] of Object.entries(TAG)) {
    expect(
      rows.some((line) => (line.split('|')[1] ?? '').includes(String(tag))),
      `${name} ${tag}`,
    ).toBe(true);
  }
});
