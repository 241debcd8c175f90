import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import {
  BUILD_OPTIONS,
  ENGINE_OPTIONS,
  NESTED_OPTIONS,
  type OptionRow,
  resolveBuildOptions,
  resolveEngineOptions,
} from '../../src/ingest/options.js';
import type { BuildOptions, EngineOptions } from '../../src/ingest/types.js';

function refusal(options: unknown, resolve: (options: never) => unknown = resolveBuildOptions): PyramidionError {
  try {
    resolve(options as never);
  } catch (error) {
    if (error instanceof PyramidionError) return error;
  }
  throw new Error(`not refused: ${JSON.stringify(options)}`);
}

describe('resolveBuildOptions', () => {
  test('without options everything has its default', () => {
    const resolved = resolveBuildOptions();
    for (const [name, row] of Object.entries<OptionRow<unknown>>(BUILD_OPTIONS)) {
      expect(resolved[name as keyof typeof resolved], name).toEqual(row.fallback);
    }
    expect(resolveBuildOptions({})).toEqual(resolved);
    expect(resolved.keep).toEqual({ profile: true, xmp: true, exif: true, iptc: true });
  });

  test('undefined is as good as left out', () => {
    const everything = Object.fromEntries(Object.keys(BUILD_OPTIONS).map((name) => [name, undefined]));
    expect(resolveBuildOptions(everything as BuildOptions)).toEqual(resolveBuildOptions());
  });

  test('what is given is taken; nested options are filled up', () => {
    const given: BuildOptions = {
      page: 3,
      compression: 'jpeg',
      quality: 80,
      chroma: '4:4:4',
      tileSize: 512,
      bits: 'source',
      unsharp: { amount: 2 },
      autocrop: { mode: 'alpha' },
      keep: { xmp: false },
      dpi: 300,
    };
    expect(resolveBuildOptions(given)).toMatchObject({
      ...given,
      unsharp: { amount: 2, radius: 1, threshold: 0, monochrome: false },
      autocrop: { corner: 'ul', mode: 'alpha', tolerance: 0 },
      keep: { profile: true, xmp: false, exif: true, iptc: true },
    });
  });

  test.each<[string, unknown]>([
    ['page', -1],
    ['page', 1.5],
    ['compression', 'zip'],
    ['quality', '90'],
    ['quality', Number.NaN],
    ['quality', 101],
    ['lossless', 1],
    ['predictor', 'true'],
    ['chroma', '4:2:2'],
    ['tileSize', 250],
    ['tileSize', 48],
    ['tileSize', 8192],
    ['layout', 'chain'],
    ['depth', 3],
    ['bigTiff', 'yes'],
    ['bits', 12],
    ['pixelType', 'RGB'],
    ['alpha', true],
    ['reduction', 'nearest'],
    ['linearLight', null],
    ['unsharp', 5],
    ['autocrop', []],
    ['normaliseOrientation', 0],
    ['imageProfile', ''],
    ['viewProfile', 12],
    ['intent', 'RELATIVE'],
    ['blackPointCompensation', 'on'],
    ['keep', null],
    ['dpi', 0],
    ['dpi', Number.POSITIVE_INFINITY],
    ['ifExists', 'overwrite'],
    ['signal', {}],
    ['onProgress', 'log'],
  ])('%s: %o is refused, naming option, value and what is allowed', (option, value) => {
    const error = refusal({ [option]: value });
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option, value });
    expect(error.message).toMatch(new RegExp(`^${option} must be .*; got `));
    const { allowed } = BUILD_OPTIONS[option as keyof typeof BUILD_OPTIONS];
    expect(error.message).toContain(allowed);
  });

  test.each([
    ['unsharp.radius', { unsharp: { radius: 251 } }],
    ['unsharp.amount', { unsharp: { amount: -1 } }],
    ['autocrop.corner', { autocrop: { corner: 'top' } }],
    ['autocrop.tolerance', { autocrop: { tolerance: 1.1 } }],
    ['keep.exif', { keep: { exif: 'yes' } }],
  ])('%s is named with its path', (option, options) => {
    expect(refusal(options)).toMatchObject({ code: 'INVALID_OPTION', option });
  });

  test.each([
    ['tilesize', { tilesize: 256 }],
    ['unsharp.amout', { unsharp: { amout: 1 } }],
    ['__proto__x', { __proto__x: 1 }],
    ['toString', { toString: 1 }],
  ])('%s is no option', (option, options) => {
    const error = refusal(options);
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option });
    expect(error.message).toContain('is no option');
  });

  test.each([[null], [42], ['options'], [[]]])('options have to be an object: %o', (options) => {
    expect(refusal(options)).toMatchObject({ code: 'INVALID_OPTION', option: 'options' });
  });

  test.each<[string, BuildOptions]>([
    ['quality', { compression: 'deflate', quality: 90 }],
    ['quality', { compression: 'none', quality: 90 }],
    ['quality', { compression: 'webp', lossless: true, quality: 90 }],
    ['quality', { compression: 'jpeg', quality: 0 }],
    ['quality', { quality: 0 }],
    ['lossless', { lossless: true }],
    ['lossless', { compression: 'jpeg', lossless: true }],
    ['effort', { compression: 'jpeg', effort: 5 }],
    ['effort', { compression: 'lzw', effort: 5 }],
    ['effort', { compression: 'webp', effort: 7 }],
    ['effort', { compression: 'deflate', effort: 0 }],
    ['predictor', { compression: 'jpeg', predictor: false }],
    ['predictor', { compression: 'none', predictor: true }],
    ['chroma', { compression: 'webp', chroma: '4:2:0' }],
    ['bits', { compression: 'jpeg', bits: 16 }],
    ['bits', { compression: 'webp', bits: 16 }],
    ['pixelType', { compression: 'webp', pixelType: 'cmyk' }],
    ['pixelType', { compression: 'webp', pixelType: 'gray' }],
    ['pixelType', { viewProfile: 'a.icc', pixelType: 'rgb' }],
  ])('a combination without sense names %s: %o', (option, options) => {
    const error = refusal(options);
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option });
    expect(error.message).toContain('; got ');
  });

  test.each<[BuildOptions]>([
    [{ quality: 80, effort: 9, chroma: '4:4:4', predictor: false }],
    [{ compression: 'webp', quality: 0, effort: 0 }],
    [{ compression: 'webp', lossless: true, pixelType: 'rgb' }],
    [{ compression: 'deflate', effort: 9, predictor: false, bits: 16 }],
    [{ compression: 'jpeg', bits: 'source' }],
    [{ viewProfile: new Uint8Array(4), pixelType: 'source' }],
  ])('a combination with sense is taken: %o', (options) => {
    expect(resolveBuildOptions(options)).toMatchObject(options);
  });

  test('whatever is given, it is taken or refused with INVALID_OPTION', () => {
    const name = fc.constantFrom(...Object.keys(BUILD_OPTIONS), 'other');
    fc.assert(
      fc.property(
        fc.dictionary(name, fc.anything({ withBigInt: true, withTypedArray: true, withNullPrototype: true })),
        (options) => {
          try {
            resolveBuildOptions(options as BuildOptions);
          } catch (error) {
            expect(error).toMatchObject({ code: 'INVALID_OPTION' });
          }
        },
      ),
    );
  });
});

describe('resolveEngineOptions', () => {
  test('has defaults for everything', () => {
    const resolved = resolveEngineOptions();
    expect(resolved).toMatchObject({ maxMemory: 3 * 1024 ** 3, estimate: 'peak', maxPixels: 4e9 });
    expect(resolved.workers).toBeGreaterThanOrEqual(1);
    expect(resolved.threads).toBeGreaterThanOrEqual(1);
  });

  test('reads amounts of memory', () => {
    expect(resolveEngineOptions({ maxMemory: '512M' }).maxMemory).toBe(512 * 1024 ** 2);
    expect(resolveEngineOptions({ maxMemory: 20_000_000 }).maxMemory).toBe(20_000_000);
  });

  test.each<[string, unknown]>([
    ['maxMemory', '3 apples'],
    ['maxMemory', 1000],
    ['estimate', 'guess'],
    ['workers', 0],
    ['workers', 65],
    ['threads', 1.5],
    ['maxPixels', 0],
  ])('%s: %o is refused', (option, value) => {
    expect(refusal({ [option]: value }, resolveEngineOptions)).toMatchObject({ code: 'INVALID_OPTION', option, value });
  });

  test('an unknown name is refused', () => {
    expect(refusal({ memory: '3G' } as EngineOptions, resolveEngineOptions)).toMatchObject({ option: 'memory' });
  });
});

describe('docs/options.md', () => {
  const page = readFileSync(new URL('../../docs/options.md', import.meta.url), 'utf8');
  const tables = { BUILD_OPTIONS, ENGINE_OPTIONS, ...NESTED_OPTIONS };

  test.each(Object.entries<Readonly<Record<string, OptionRow<unknown>>>>(tables))(
    'has the rows of %s, in order',
    (_, table) => {
      const rows = Object.entries(table).map(
        ([name, { allowed, shown, effect }]) => `| \`${name}\` | ${allowed} | ${shown} | ${effect} |`,
      );
      expect(page).toContain(rows.join('\n'));
    },
  );
});
