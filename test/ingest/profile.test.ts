import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { isSameProfile, parseProfile } from '../../src/ingest/profile.js';
import { srgbProfile } from '../../src/ingest/srgb.js';

/** The corpus of this project, where it is at hand. */
const CORPUS = process.env.PYRAMIDION_CORPUS ?? fileURLToPath(new URL('../../../shared/corpus', import.meta.url));

/** A version 4 profile with the given `mluc` records. */
function v4(records: readonly (readonly [language: string, text: string])[]): Uint8Array {
  const texts = records.map(([, text]) => Buffer.from(text, 'utf16le').swap16());
  const head = Buffer.alloc(16 + 12 * records.length);
  head.write('mluc', 'latin1');
  head.writeUInt32BE(records.length, 8);
  head.writeUInt32BE(12, 12);
  let at = head.length;
  records.forEach(([language], index) => {
    head.write(`${language}XX`, 16 + 12 * index, 'latin1');
    head.writeUInt32BE(texts[index]?.length ?? 0, 20 + 12 * index);
    head.writeUInt32BE(at, 24 + 12 * index);
    at += texts[index]?.length ?? 0;
  });
  const desc = Buffer.concat([head, ...texts]);
  const profile = Buffer.alloc(144 + desc.length);
  profile.writeUInt32BE(profile.length, 0);
  profile.write('mntrCMYKLab ', 12, 'latin1');
  profile.write('acsp', 36, 'latin1');
  profile.writeUInt32BE(1, 128);
  profile.write('desc', 132, 'latin1');
  profile.writeUInt32BE(144, 136);
  profile.writeUInt32BE(desc.length, 140);
  profile.set(desc, 144);
  return profile;
}

describe('parseProfile', () => {
  test('our own sRGB', () => {
    const profile = parseProfile(srgbProfile());
    expect(profile).toMatchObject({
      description: 'sRGB IEC61966-2.1',
      space: 'RGB ',
      pixelSpace: 'rgb',
      canRead: true,
      canWrite: true,
    });
  });

  test('descriptions of version 4: English, else the first', () => {
    expect(
      parseProfile(
        v4([
          ['de', 'Gestrichen'],
          ['en', 'Coated'],
        ]),
      ),
    ).toMatchObject({ description: 'Coated', pixelSpace: 'cmyk', canRead: false, canWrite: false });
    expect(parseProfile(v4([['fr', 'Couché ①']])).description).toBe('Couché ①');
    expect(parseProfile(v4([])).description).toBe('');
  });

  test.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['too short', (bytes) => bytes.subarray(0, 100)],
    ['cut short', (bytes) => bytes.subarray(0, bytes.length - 50)],
    ['without its signature', (bytes) => bytes.with(36, 0)],
    ['with a tag outside', (bytes) => bytes.with(136, 255)],
    ['with too many tags', (bytes) => bytes.with(130, 255)],
    ['without tags', (bytes) => bytes.with(131, 0)],
  ])('a profile %s is PROFILE_INVALID', (_, damage) => {
    expect(() => parseProfile(damage(srgbProfile()))).toThrowError(
      expect.objectContaining({ code: 'PROFILE_INVALID' }),
    );
  });

  test('whatever the bytes, it yields a profile or PROFILE_INVALID', () => {
    const bytes = v4([['en', 'A name']]);
    fc.assert(
      fc.property(
        fc.nat(bytes.length - 1),
        fc.nat(255),
        fc.nat(bytes.length - 1),
        fc.nat(255),
        (at, value, other, second) => {
          try {
            parseProfile(bytes.map((byte, index) => (index === at ? value : index === other ? second : byte)));
          } catch (error) {
            expect(error).toBeInstanceOf(PyramidionError);
            expect(error).toMatchObject({ code: 'PROFILE_INVALID' });
          }
        },
      ),
    );
  });

  test.skipIf(!existsSync(CORPUS))('every profile of the corpus is parsed or refused', () => {
    for (const name of readdirSync(join(CORPUS, 'icc'))) {
      const bytes = readFileSync(join(CORPUS, 'icc', name));
      try {
        const profile = parseProfile(bytes);
        expect(profile.description.length, name).toBeGreaterThan(0);
      } catch (error) {
        expect(error, name).toMatchObject({ code: 'PROFILE_INVALID' });
      }
    }
  });
});

describe('srgbProfile', () => {
  test('is the same bytes each time', () => {
    expect(isSameProfile(parseProfile(srgbProfile()), parseProfile(srgbProfile().slice()))).toBe(true);
  });

  test('means what libvips calls sRGB: a conversion changes no sample by more than one step', async () => {
    const pixels = Buffer.from(Array.from({ length: 3 * 4096 }, (_, i) => (i * 7919 + (i >> 3)) % 256));
    const raw = { width: 64, height: 64, channels: 3 as const };
    const tagged = await sharp(pixels, { raw }).keepIccProfile().png().toBuffer();
    const png = await sharp(tagged)
      .withIccProfile(await profileFile(), { attach: true })
      .png()
      .toBuffer();
    // Decoded with its own profile and brought to libvips' sRGB again.
    const back = await sharp(png).toColourspace('srgb').raw().toBuffer();
    let worst = 0;
    back.forEach((value, index) => {
      worst = Math.max(worst, Math.abs(value - (pixels[index] ?? 0)));
    });
    expect(worst).toBeLessThanOrEqual(1);
  });
});

async function profileFile(): Promise<string> {
  const { mkdtemp, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const path = join(await mkdtemp(join(tmpdir(), 'pyramidion-icc-')), 'srgb.icc');
  await writeFile(path, srgbProfile());
  return path;
}
