import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { generatedProfile, srgbProfile } from '../../src/colour/generated.js';
import { isSameProfile, parseProfile } from '../../src/colour/parse.js';
import { PyramidionError } from '../../src/errors.js';
import { elementAt, tableProfile } from './profiles.js';

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

  test('tables: the intents of each direction', () => {
    const profile = parseProfile(
      tableProfile({ read: ['perceptual'], write: ['perceptual', 'relative'], intent: 'saturation' }),
    );
    expect(profile).toMatchObject({
      read: { kind: 'tables', intents: ['perceptual'] },
      write: { kind: 'tables', intents: ['perceptual', 'relative', 'absolute'] },
      intent: 'saturation',
      deviceClass: 'prtr',
      connectionSpace: 'Lab ',
      version: '2.1',
      pixelSpace: 'cmyk',
    });
    expect(profile.whitePoint?.[1]).toBe(1);
    expect(profile.blackPoint).toBeNull();
  });

  test('curves know colorimetry only', () => {
    const way = { kind: 'curves', intents: ['relative', 'absolute'] };
    expect(parseProfile(srgbProfile())).toMatchObject({ read: way, write: way });
    expect(parseProfile(generatedProfile('sGray'))).toMatchObject({ read: way, write: way });
  });

  test('an input profile is for output only by tables of its own', () => {
    const scanner = srgbProfile().slice();
    scanner.set(Buffer.from('scnr'), 12);
    expect(parseProfile(scanner)).toMatchObject({ canRead: true, canWrite: false });
    expect(parseProfile(tableProfile({ deviceClass: 'scnr', write: [] }))).toMatchObject({
      canRead: true,
      canWrite: false,
    });
    expect(parseProfile(tableProfile({ deviceClass: 'scnr' }))).toMatchObject({ canRead: true, canWrite: true });
  });

  test.each(['link', 'abst', 'nmcl'])('class %s describes no pixels', (deviceClass) => {
    expect(parseProfile(tableProfile({ deviceClass }))).toMatchObject({ read: null, write: null });
  });

  test('an RGB profile without one of its curves or colorants cannot convert', () => {
    const bytes = srgbProfile().slice();
    const at = Buffer.from(bytes).indexOf('gXYZ', 132, 'latin1');
    bytes.set(Buffer.from('none'), at);
    expect(parseProfile(bytes)).toMatchObject({ canRead: false, canWrite: false });
  });

  const table = tableProfile();
  const lut = elementAt(table, 'A2B1').offset;
  const srgb = srgbProfile();
  const [curve, red] = [elementAt(srgb, 'rTRC').offset, elementAt(srgb, 'rXYZ').offset];
  const flat = srgb.slice();
  flat.set(srgb.subarray(elementAt(srgb, 'gXYZ').offset, elementAt(srgb, 'gXYZ').offset + 20), red);
  test.each<[string, Uint8Array]>([
    ['a table for three channels', table.with(lut + 8, 3)],
    ['a table to four values', table.with(lut + 9, 4)],
    ['a table of one point', table.with(lut + 10, 1)],
    ['a table that ends outside', table.with(lut + 10, 60)],
    ['a table of another type', table.with(lut, 0)],
    ['a curve that ends outside', srgb.with(curve + 10, 0x7f)],
    ['a curve of too many samples', srgb.with(curve + 9, 1)],
    ['a curve of another type', srgb.with(curve, 0)],
    ['a colorant of another type', srgb.with(red, 0)],
    ['colorants on a line', flat],
    ['a version to come', srgb.with(8, 6)],
  ])('a profile with %s is PROFILE_INVALID', (_, bytes) => {
    expect(() => parseProfile(bytes)).toThrowError(expect.objectContaining({ code: 'PROFILE_INVALID' }));
  });

  test('whatever becomes of a table, it yields a profile or PROFILE_INVALID', () => {
    const bytes = tableProfile({ read: ['relative'], write: ['relative'] });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }),
        fc.nat(bytes.length),
        (changes, end) => {
          const changed = bytes.slice(0, end);
          for (const [at, value] of changes) changed[at] = value;
          try {
            parseProfile(changed);
          } catch (error) {
            expect(error).toMatchObject({ code: 'PROFILE_INVALID' });
          }
        },
      ),
    );
  });

  test('the same profile under another intent, flag or ID is the same; another curve is not', () => {
    const own = parseProfile(srgb);
    expect(isSameProfile(own, parseProfile(srgb.with(67, 1).with(47, 1).with(84, 0)))).toBe(true);
    expect(parseProfile(srgb.with(67, 1)).sha256).not.toBe(own.sha256);
    expect(isSameProfile(own, parseProfile(srgb.with(curve + 100, 9)))).toBe(false);
    // What follows the profile is not part of it.
    expect(isSameProfile(own, parseProfile(Uint8Array.from([...srgb, 1, 2, 3])))).toBe(true);
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
