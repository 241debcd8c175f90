/** The sample library of `npm start`: pictures that are the same wherever they are drawn, and addresses that ask for what is there. */
import { describe, expect, test } from 'vitest';
import { groups } from '../../scripts/sample/addresses.mjs';
import { juliaBands } from '../../scripts/sample/julia.mjs';
import { moonscape } from '../../scripts/sample/moon.mjs';
import { pictures } from '../../scripts/sample/pictures.mjs';
import { MANIFEST, PRESETS, SAMPLES } from '../../scripts/sample/settings.mjs';
import { rowBytes, tiffHead } from '../../scripts/sample/tiff.mjs';
import { resolveBuildOptions } from '../../src/ingest/options.js';
import { readManifest } from '../../src/library/attributes.js';
import { isMacroName } from '../../src/library/presets.js';
import { parseModifiers } from '../../src/protocol/image-serving/modifiers.js';
import { decodeStored } from '../readers/sources.js';

describe('the Julia set', () => {
  const size = { width: 96, height: 64 };

  /** The whole picture, drawn in bands of so many rows. */
  function drawn(rows: number): Uint8Array {
    const picture = new Uint8Array(size.width * size.height * 3);
    for (let top = 0; top < size.height / 2; top += rows) {
      const { upper, lower, lowerTop } = juliaBands(size, top, rows);
      picture.set(upper, top * size.width * 3);
      picture.set(lower, lowerTop * size.width * 3);
    }
    return picture;
  }

  test('is the same in bands of any height', () => {
    for (const rows of [1, 4, 16]) expect(Buffer.compare(drawn(rows), drawn(32))).toBe(0);
  });

  test('is its own mirror in the middle, but for the light', () => {
    const picture = drawn(32);
    const last = size.width * size.height - 1;
    const lightness = (pixel: number): number =>
      [0, 1, 2].reduce((sum, channel) => sum + (picture[pixel * 3 + channel] ?? 0), 0);
    for (let pixel = 0; pixel <= last; pixel++) {
      const [one, other] = [lightness(pixel), lightness(last - pixel)];
      // Light is 0.66 to 1.06 of a colour, which ends at 255.
      expect(Math.min(one, other) + 3).toBeGreaterThan(Math.max(one, other) * 0.6);
    }
  });

  test('has light and dark', () => {
    const picture = drawn(32);
    expect(Math.min(...picture)).toBeLessThan(10);
    expect(Math.max(...picture)).toBeGreaterThan(240);
  });
});

test('the moon is always the same, and uses its 16 bits', () => {
  const size = { width: 160, height: 120 };
  const samples = moonscape(size);
  expect(samples).toEqual(moonscape(size));
  expect(samples.length).toBe(160 * 120);
  expect(new Set(samples).size).toBeGreaterThan(5000);
  expect(Math.max(...samples) - Math.min(...samples)).toBeGreaterThan(40_000);
});

test.each([
  { space: 'gray', bits: 8, alpha: false },
  { space: 'gray', bits: 16, alpha: false },
  { space: 'rgb', bits: 8, alpha: false },
  { space: 'rgb', bits: 8, alpha: true },
  { space: 'cmyk', bits: 8, alpha: false },
] as const)('another reader finds the samples in the TIFF: %j', async (kind) => {
  const samples = { width: 21, height: 37, ...kind };
  const bytes = Uint8Array.from({ length: rowBytes(samples) * 37 }, (_, i) => (i * 37) % 251);
  const tiff = Buffer.concat([tiffHead(samples), bytes]);
  const decoded = await decodeStored(tiff, kind, {}, { left: 0, top: 0, width: 21, height: 37 });
  expect(decoded).toEqual(kind.bits === 8 ? Buffer.from(bytes) : new Uint16Array(bytes.buffer));
});

describe('pictures', () => {
  test('have names of their own, at least one 100 megapixels, and options there are', () => {
    expect(new Set(pictures.map(({ name }) => name)).size).toBe(pictures.length);
    expect(Math.max(...pictures.map(({ samples: { width, height } }) => width * height))).toBeGreaterThanOrEqual(100e6);
    for (const { options } of pictures) expect(() => resolveBuildOptions(options)).not.toThrow();
  });

  test('of many parts are covered by them', () => {
    for (const { samples, parts, draw } of pictures.filter(({ parts }) => parts > 1)) {
      const [first, last] = [draw(0), draw(parts - 1)].map((runs) =>
        runs.map(({ row, bytes }) => [row, row + bytes.length / rowBytes(samples)]),
      );
      const { height } = samples;
      const rows = height / 2 / parts;
      expect(first).toEqual([
        [0, rows],
        [height - rows, height],
      ]);
      expect(last).toEqual([
        [height / 2 - rows, height / 2],
        [height / 2, height / 2 + rows],
      ]);
    }
  });

  /** A pixel of a picture that is drawn in one part. */
  const drawn = (name: string) => {
    const picture = pictures.find((each) => each.name === name);
    const [run] = picture?.draw(0) ?? [];
    if (picture === undefined || run === undefined) throw new Error(`there is no ${name}`);
    const { width, height } = picture.samples;
    const channels = rowBytes(picture.samples) / width;
    expect(run.bytes.length).toBe(width * height * channels);
    return (x: number, y: number) => [
      ...run.bytes.subarray((y * width + x) * channels, (y * width + x + 1) * channels),
    ];
  };

  test('the rosette is transparent around its petals', () => {
    const at = drawn('Rosette');
    expect(at(0, 0)).toEqual([0, 0, 0, 0]);
    expect(at(900, 900)[3]).toBe(0);
    const [red = 0, , blue = 0, alpha] = at(1340, 900);
    expect(red).toBeGreaterThan(blue);
    expect(alpha).toBeGreaterThan(80);
  });

  test('the press sheet has each ink by itself, and paper', () => {
    const at = drawn('Press-Sheet');
    expect(at(400, 300)).toEqual([0, 0, 0, 0]);
    expect(at(760, 400)).toEqual([255, 0, 0, 0]);
    expect(at(1640, 400)).toEqual([0, 255, 0, 0]);
    expect(at(1200, 1200)).toEqual([0, 0, 255, 0]);
    expect(at(2110, 1640)).toEqual([0, 0, 0, 255]);
    expect(at(1200, 640)).toEqual([255, 255, 255, 0]);
  });
});

describe('settings and addresses', () => {
  const macros = new Map(Object.entries(PRESETS));

  test('presets and manifest are as the library reads them', () => {
    for (const [name, query] of macros) {
      expect(isMacroName(name)).toBe(true);
      expect(parseModifiers(query).ignored).toEqual([]);
    }
    const complaints: string[] = [];
    expect(readManifest(MANIFEST, (message) => complaints.push(message))).toMatchObject({ defaultPix: [800, 800] });
    expect(complaints).toEqual([]);
  });

  const addresses = groups.flatMap(({ addresses }) => addresses.map(([path]) => path));

  test('there are a dozen and more, all different', () => {
    expect(addresses.length).toBeGreaterThan(12);
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  test.each(addresses)('%s asks for what is there', (address) => {
    const [path = '', query = ''] = address.split(/\?(.*)/s);
    if (['/viewer/', '/healthz', '/metrics'].includes(path)) return;
    const names = pictures.map(({ name }) => `${name}.tif`);
    const [, name] = new RegExp(`^/(?:is/image|viewer)/${SAMPLES}/(.*)$`).exec(path) ?? [];
    expect(names).toContain(name);
    expect(parseModifiers(query, undefined, { macros }).ignored).toEqual([]);
  });
});
