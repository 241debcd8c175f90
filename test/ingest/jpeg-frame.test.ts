import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { chromaName, readJpegFrame } from '../../src/ingest/jpeg-frame.js';
import { isLosslessWebp } from '../../src/ingest/webp-frame.js';

const readerOf = (bytes: Uint8Array) => async (offset: number, length: number) => bytes.slice(offset, offset + length);
const frameOf = (bytes: Uint8Array) => readJpegFrame(readerOf(bytes), bytes.length);
const picture = (channels: 3 | 4 = 3) => sharp({ create: { width: 40, height: 24, channels, background: '#8a4' } });

describe('readJpegFrame', () => {
  test.each([
    [false, '4:2:0'],
    [true, '4:2:0'],
    [false, '4:4:4'],
  ])('progressive %s, %s', async (progressive, chromaSubsampling) => {
    const frame = await frameOf(await picture().jpeg({ progressive, chromaSubsampling }).toBuffer());
    expect(frame).toMatchObject({ width: 40, height: 24, precision: 8, multiScan: progressive, photoshop: null });
    expect(chromaName(frame?.components ?? [])).toBe(chromaSubsampling);
  });

  test('gray has no chroma', async () => {
    const frame = await frameOf(await picture().toColourspace('b-w').jpeg().toBuffer());
    expect(frame?.components).toHaveLength(1);
    expect(chromaName(frame?.components ?? [])).toBe(null);
  });

  test('skips long headers, and puts Photoshop segments together', async () => {
    const jpeg = await picture().jpeg().toBuffer();
    const segment = (marker: number, data: Buffer) =>
      Buffer.concat([Buffer.from([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255]), data]);
    const photoshop = (text: string) => segment(0xed, Buffer.from(`Photoshop 3.0\0${text}`));
    const filler = Array.from({ length: 20 }, () => segment(0xe2, Buffer.alloc(60_000)));
    const frame = await frameOf(
      Buffer.concat([jpeg.subarray(0, 2), photoshop('8BIM'), ...filler, photoshop('rest'), jpeg.subarray(2)]),
    );
    expect(frame).toMatchObject({ width: 40, height: 24 });
    expect(Buffer.from(frame?.photoshop ?? []).toString()).toBe('8BIMrest');
  });

  test('one component per scan means several scans, progressive or not', async () => {
    const jpeg = await picture().jpeg().toBuffer();
    const scan = jpeg.indexOf(Buffer.from([0xff, 0xda]));
    jpeg[scan + 4] = 1;
    expect(await frameOf(jpeg)).toMatchObject({ multiScan: true });
  });

  test('names of unusual samplings', () => {
    const factors = (...list: string[]) =>
      list.map((text) => ({ horizontal: Number(text[0]), vertical: Number(text[2]) }));
    expect(chromaName(factors('2x1', '1x1', '1x1'))).toBe('4:2:2');
    expect(chromaName(factors('4x1', '1x1', '1x1'))).toBe('4:1:1');
    expect(chromaName(factors('2x2', '1x1', '1x1', '2x2'))).toBe('4:2:0');
    expect(chromaName(factors('2x2', '1x2', '2x1'))).toBe('2x2,1x2,2x1');
  });

  test('damaged headers yield null or a frame, and end', async () => {
    const jpeg = await picture().jpeg().toBuffer();
    await fc.assert(
      fc.asyncProperty(fc.nat(400), fc.nat(255), fc.nat(jpeg.length), async (at, value, length) => {
        const damaged = jpeg.subarray(0, length).map((byte, index) => (index === at ? value : byte));
        await frameOf(damaged);
      }),
    );
  });
});

test('isLosslessWebp tells the two codings apart, alone, with metadata and animated', async () => {
  for (const lossless of [false, true]) {
    const plain = await picture(4).webp({ lossless }).toBuffer();
    expect(await isLosslessWebp(readerOf(plain))).toBe(lossless);
    const extended = await picture().withMetadata().webp({ lossless }).toBuffer();
    expect(await isLosslessWebp(readerOf(extended))).toBe(lossless);
    const frames = [await picture().png().toBuffer(), await picture().negate().png().toBuffer()];
    const animated = await sharp(frames, { join: { animated: true } })
      .webp({ lossless })
      .toBuffer();
    expect(await isLosslessWebp(readerOf(animated))).toBe(lossless);
  }
  expect(await isLosslessWebp(readerOf(new Uint8Array(20)))).toBe(false);
});
