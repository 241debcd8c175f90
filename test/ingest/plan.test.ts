import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { srgbProfile } from '../../src/colour/generated.js';
import type { Profile } from '../../src/colour/parse.js';
import { parseProfile } from '../../src/colour/parse.js';
import { makeTags } from '../../src/ingest/metadata.js';
import type { BuildOptions } from '../../src/ingest/types.js';
import { type Differences, plan } from './support.js';

/** A profile by its facts alone. */
function profile(pixelSpace: Profile['pixelSpace'], rest: Partial<Profile> = {}): Profile {
  const bytes = Uint8Array.from(Buffer.from(`profile ${pixelSpace} ${JSON.stringify(rest)}`));
  const space = { gray: 'GRAY', rgb: 'RGB ', cmyk: 'CMYK' }[pixelSpace ?? 'gray'];
  const facts = { bytes, id: Buffer.from(bytes).toString('hex'), description: `a ${pixelSpace} profile` };
  return { ...parseProfile(srgbProfile()), ...facts, space, pixelSpace, canRead: true, canWrite: true, ...rest };
}

const rgba: Differences = { info: { bands: 4, alpha: 'straight', format: 'png' } };
const deep: Differences = { info: { bitDepth: 16, format: 'png' } };
const gray: Differences = { info: { bands: 1 } };
const cmyk: Differences = { info: { bands: 4, colourSpace: 'cmyk' }, pixelSpace: 'cmyk' };
const lab: Differences = { info: { colourSpace: 'lab', format: 'tiff', bitDepth: 16 }, viaSrgb: true };
const flat: Differences = { content: 'flat', info: { format: 'png' } };

const iccOf = ({ job }: ReturnType<typeof plan>) => job.tags.find(({ tag }) => tag === 34675)?.value ?? null;
const fieldOf = ({ job }: ReturnType<typeof plan>, tag: number) => job.tags.find((field) => field.tag === tag);

describe('compression', () => {
  test.each<[string, Differences, BuildOptions, string]>([
    ['an opaque 8-bit photograph', {}, {}, 'jpeg'],
    ['a gray photograph', gray, {}, 'jpeg'],
    ['a CMYK photograph', cmyk, {}, 'jpeg'],
    ['a photograph with alpha', rgba, {}, 'deflate'],
    ['a photograph whose alpha is removed', rgba, { alpha: 'remove' }, 'jpeg'],
    ['flat graphics', flat, {}, 'deflate'],
    ['16 bits reduced to 8', deep, {}, 'jpeg'],
    ['16 bits kept', deep, { bits: 'source' }, 'deflate'],
    ['16 bits wanted', {}, { bits: 16 }, 'deflate'],
    ['8 bits kept', {}, { bits: 'source' }, 'jpeg'],
  ])('auto: %s', (_, image, options, kind) => {
    expect(plan(image, options).job.coding.kind).toBe(kind);
  });

  test('has the documented defaults', () => {
    expect(plan().job.coding).toEqual({ kind: 'jpeg', quality: 95, subsample: true });
    expect(plan({}, { chroma: '4:4:4', quality: 70 }).job.coding).toEqual({
      kind: 'jpeg',
      quality: 70,
      subsample: false,
    });
    expect(plan({}, { compression: 'deflate' }).job.coding).toEqual({ kind: 'deflate', level: 4, predictor: true });
    expect(plan({}, { compression: 'lzw', predictor: false }).job.coding).toEqual({ kind: 'lzw', predictor: false });
    expect(plan({}, { compression: 'webp' }).job.coding).toEqual({
      kind: 'webp',
      quality: 90,
      lossless: false,
      effort: 4,
    });
    expect(plan({}, { compression: 'none' }).job.coding).toEqual({ kind: 'none' });
  });

  test.each<[string, Differences, BuildOptions, string]>([
    ['JPEG has no alpha', rgba, { compression: 'jpeg', quality: 50 }, 'deflate'],
    ['WebP has no CMYK', cmyk, { compression: 'webp', effort: 0 }, 'deflate'],
  ])('%s: another is used, with a warning', (_, image, options, kind) => {
    const made = plan(image, options);
    expect(made.job.coding).toMatchObject({ kind, level: expect.any(Number) });
    expect(made.warnings).toHaveLength(1);
  });

  test('WebP of gray is RGB', () => {
    const made = plan(gray, { compression: 'webp' });
    expect(made.job.pixels.space).toBe('rgb');
    expect(made.warnings).toEqual([expect.stringContaining('RGB')]);
  });

  test('lossy codings reduce to 8 bits, and say so', () => {
    for (const compression of ['jpeg', 'webp'] as const) {
      const made = plan(deep, { compression, bits: 'source' });
      expect(made.job.pixels.bits).toBe(8);
      expect(made.warnings).toEqual([expect.stringContaining('8 bits')]);
    }
  });
});

describe('pixels', () => {
  test.each<[Differences, BuildOptions, object]>([
    [{}, {}, { space: 'rgb', bits: 8, alpha: 'none' }],
    [gray, {}, { space: 'gray' }],
    [cmyk, {}, { space: 'cmyk' }],
    [lab, { bits: 'source' }, { space: 'rgb', bits: 16 }],
    [deep, {}, { bits: 8 }],
    [rgba, {}, { alpha: 'straight' }],
    [rgba, { alpha: 'associated' }, { alpha: 'associated' }],
    [{ info: { bands: 4, alpha: 'associated' } }, {}, { alpha: 'straight' }],
    [{ info: { bands: 4, alpha: 'associated' } }, { alpha: 'source' }, { alpha: 'associated' }],
    [{}, { alpha: 'associated' }, { alpha: 'none' }],
    [cmyk, { pixelType: 'rgb' }, { space: 'rgb' }],
    [{}, { pixelType: 'gray' }, { space: 'gray' }],
  ])('%o with %o', (image, options, pixels) => {
    expect(plan(image, options).job.pixels).toMatchObject(pixels);
  });
});

describe('colour', () => {
  const view = profile('cmyk');
  const own = profile('rgb');

  test('without a view profile the pixels and their profile stay', () => {
    const made = plan({ profile: own });
    expect(made.job.colour).toBe(null);
    expect(iccOf(made)).toBe(own.bytes);
    expect(iccOf(plan({ profile: own }, { keep: { profile: false } }))).toBe(null);
  });

  test('a view profile converts, decides the pixel type, and is kept', () => {
    const made = plan({ profile: own }, { intent: 'perceptual' }, { viewProfile: view });
    expect(made.job.colour).toEqual({
      inputProfile: own.bytes,
      outputProfile: view.bytes,
      intent: 'perceptual',
      blackPointCompensation: true,
    });
    expect(made.job.pixels.space).toBe('cmyk');
    expect(iccOf(made)).toBe(view.bytes);
    expect(
      plan({ profile: own }, { intent: 'absolute' }, { viewProfile: view }).job.colour?.blackPointCompensation,
    ).toBe(false);
  });

  test('imageProfile comes before the embedded one, and stays when nothing is converted', () => {
    const given = profile('rgb', { description: 'given' });
    expect(plan({ profile: own }, {}, { viewProfile: view, imageProfile: given }).job.colour?.inputProfile).toBe(
      given.bytes,
    );
    expect(iccOf(plan({ profile: own }, {}, { imageProfile: given }))).toBe(given.bytes);
  });

  test('a view profile without any other does nothing, with a warning', () => {
    const made = plan({}, {}, { viewProfile: view });
    expect(made.job.colour).toBe(null);
    expect(made.job.pixels.space).toBe('rgb');
    expect(iccOf(made)).toBe(null);
    expect(made.warnings).toEqual([expect.stringContaining('viewProfile has no effect')]);
  });

  test('the same profile on both sides converts nothing', () => {
    const made = plan({ profile: own }, {}, { viewProfile: { ...own } });
    expect(made.job.colour).toBe(null);
    expect(made.warnings).toEqual([]);
    expect(iccOf(made)).toEqual(own.bytes);
  });

  test('CMYK to RGB goes by its profile to sRGB, else by the formulas', () => {
    const managed = plan({ ...cmyk, profile: view }, { pixelType: 'rgb' });
    expect(managed.job.colour).toMatchObject({ inputProfile: view.bytes, outputProfile: srgbProfile() });
    expect(iccOf(managed)).toEqual(srgbProfile());
    const plain = plan(cmyk, { pixelType: 'rgb' });
    expect(plain.job.colour).toBe(null);
    expect(iccOf(plain)).toBe(null);
  });

  test('other changes of pixel type leave the profile out, with a warning', () => {
    const made = plan({ profile: own }, { pixelType: 'gray' });
    expect(made.job.colour).toBe(null);
    expect(iccOf(made)).toBe(null);
    expect(made.warnings).toEqual([expect.stringContaining('not kept')]);
  });

  test('LAB becomes sRGB and says so; from there it can be converted', () => {
    expect(iccOf(plan(lab))).toEqual(srgbProfile());
    expect(plan(lab, {}, { viewProfile: view }).job.colour?.inputProfile).toEqual(srgbProfile());
  });

  test.each<[string, string, Differences, Partial<{ imageProfile: Profile; viewProfile: Profile }>]>([
    ['PROFILE_MISMATCH', 'imageProfile', {}, { imageProfile: view }],
    ['PROFILE_MISMATCH', 'imageProfile', lab, { imageProfile: own }],
    ['PROFILE_INVALID', 'imageProfile', {}, { imageProfile: profile('rgb', { canRead: false }) }],
    ['PROFILE_INVALID', 'viewProfile', {}, { viewProfile: profile(null) }],
    ['PROFILE_INVALID', 'viewProfile', { profile: own }, { viewProfile: profile('cmyk', { canWrite: false }) }],
  ])('%s names %s', (code, option, image, profiles) => {
    expect(() => plan(image, {}, profiles)).toThrowError(expect.objectContaining({ code, option }));
  });

  test('an embedded profile that cannot be read from is kept but converts nothing', () => {
    const made = plan({ profile: profile('rgb', { canRead: false }) }, {}, { viewProfile: view });
    expect(made.job.colour).toBe(null);
    expect(made.warnings).toEqual([expect.stringContaining('viewProfile has no effect')]);
  });

  test('our sRGB profile is one that can be used on either side', () => {
    expect(parseProfile(srgbProfile())).toMatchObject({ canRead: true, canWrite: true });
  });
});

describe('geometry', () => {
  const turned: Differences = {
    info: { width: 3000, height: 4000, storedWidth: 4000, storedHeight: 3000, orientation: 6, dpi: { x: 200, y: 100 } },
  };

  test('the orientation is undone, and 1 is stored', () => {
    const made = plan(turned);
    expect(made.size).toEqual({ width: 3000, height: 4000 });
    expect(made.job).toMatchObject({ orientation: 6, levels: 5 });
    expect([...(fieldOf(made, 274)?.value ?? [])]).toEqual([1, 0]);
    expect([...(fieldOf(made, 282)?.value ?? [])]).toEqual([200, 0, 0, 0, 1, 0, 0, 0]);
  });

  test('or kept as a field, with the sizes and the resolution as stored', () => {
    const made = plan(turned, { normaliseOrientation: false });
    expect(made.size).toEqual({ width: 4000, height: 3000 });
    expect(made.job.orientation).toBe(1);
    expect([...(fieldOf(made, 274)?.value ?? [])]).toEqual([6, 0]);
    expect([...(fieldOf(made, 282)?.value ?? [])]).toEqual([100, 0, 0, 0, 1, 0, 0, 0]);
  });

  test.each<[BuildOptions, number]>([
    [{}, 5],
    [{ tileSize: 512 }, 4],
    [{ depth: 'onepixel' }, 13],
    [{ depth: 'one' }, 1],
  ])('%o has %d levels', (options, levels) => {
    expect(plan({}, options).job.levels).toBe(levels);
  });
});

describe('the rest', () => {
  test('what has no effect is said', () => {
    const warn = (image: Differences, options: BuildOptions) => plan(image, options).warnings;
    expect(warn({}, { unsharp: { amount: 1 }, depth: 'one' })).toEqual([expect.stringContaining('unsharp')]);
    expect(warn(cmyk, { linearLight: true })).toEqual([expect.stringContaining('linearLight')]);
    expect(warn(gray, { chroma: '4:4:4' })).toEqual([expect.stringContaining('chroma')]);
    expect(warn({}, { autocrop: { mode: 'alpha' } })).toEqual([expect.stringContaining('autocrop')]);
    expect(warn({}, { reduction: 'flashpix' })).toEqual([expect.stringContaining('lanczos')]);
    expect(warn({ info: { warnings: ['found'] } }, {})).toEqual(['found']);
  });

  test('an unsharp mask of no strength is none', () => {
    expect(plan({}, { unsharp: { amount: 0 } }).job.unsharp).toBe(null);
    expect(plan({}, { unsharp: { radius: 0 } }).job.unsharp).toBe(null);
    expect(plan({}, { unsharp: {} }).job.unsharp).toEqual({ amount: 1, radius: 1, threshold: 0, monochrome: false });
  });

  test('BigTIFF when the result could pass 4 GiB, and as told', () => {
    const side = (pixels: number): Differences => ({ info: { width: pixels, height: pixels }, facts: { jpeg: null } });
    expect(plan(side(20_000)).job.bigTiff).toBe(false);
    expect(plan(side(30_000), { compression: 'deflate' }).job.bigTiff).toBe(false);
    expect(plan(side(34_000), { compression: 'deflate' }).job.bigTiff).toBe(true);
    expect(plan(side(34_000)).job.bigTiff).toBe(false);
    expect(plan(side(100_000)).job.bigTiff).toBe(true);
    expect(plan(side(100), { bigTiff: true }).job.bigTiff).toBe(true);
    expect(plan(side(100_000), { bigTiff: false }).job.bigTiff).toBe(false);
  });

  test('what is typical is less than what is possible', () => {
    const options = fc.record({
      compression: fc.constantFrom('none', 'deflate', 'lzw', 'jpeg', 'webp'),
      tileSize: fc.constantFrom(64, 256, 1024),
    });
    const side = fc.integer({ min: 1, max: 60_000 });
    fc.assert(
      fc.property(side, side, options, (width, height, given) => {
        const made = plan({ info: { width, height } }, given as BuildOptions);
        expect(made.typicalBytes).toBeLessThan(made.largestBytes);
        expect(made.largestBytes).toBeGreaterThan(0);
      }),
    );
  });

  test('the need is by the rule asked for', () => {
    const peak = plan({}).need;
    expect(plan({}, {}, { estimate: 'decoded' }).need).toBe(4000 * 3000 * 3 * 3);
    expect(plan(deep, {}, { estimate: 'decoded' }).need).toBe(4000 * 3000 * 3 * 3 * 2);
    expect(plan(rgba, {}, { estimate: 'decoded' }).need).toBe(4000 * 3000 * 4 * 3);
    expect(plan({}, {}, { estimate: (image) => image.need + image.width }).need).toBe(peak + 4000);
    for (const bad of [-1, 1.5, Number.NaN, '5' as unknown as number]) {
      expect(() => plan({}, {}, { estimate: () => bad })).toThrowError(
        expect.objectContaining({ code: 'INVALID_OPTION', option: 'estimate' }),
      );
    }
  });

  test('the record names no paths and is ASCII', () => {
    const made = plan({ profile: profile('rgb', { description: 'Couché ①' }) }, { imageProfile: '/home/me/x.icc' });
    const text = Buffer.from(fieldOf(made, 65330)?.value ?? []).toString('latin1');
    expect(text).toMatch(/^[\x20-\x7e]+\0$/);
    expect(text).not.toContain('/home/me');
    const record = JSON.parse(text.slice(0, -1));
    expect(record).toMatchObject({
      source: { bytes: 5_000_000, format: 'jpeg', page: 0 },
      options: { profile: 'Couché ①' },
    });
    expect(record.source.sha256).toHaveLength(64);
  });

  test('no tag occurs twice', () => {
    const field = { tag: 270, type: 2, count: 1, value: Uint8Array.of(0) };
    const { tags } = makeTags({
      source: {
        xmp: null,
        iptc: null,
        photoshop: [],
        exif: { descriptive: [field], exif: [], gps: [], interoperability: [] },
      },
      keep: { xmp: true, exif: true, iptc: true },
      profile: null,
      width: 1,
      height: 1,
      orientation: 1,
      turned: false,
      dpi: { x: 300, y: 300 },
      modified: new Date(0),
      software: 'x',
      record: {},
    });
    expect(new Set(tags.map(({ tag }) => tag)).size).toBe(tags.length);
  });
});
