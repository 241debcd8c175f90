import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { image, writeTiff } from '../pyramid/tiff.js';
import { IMAGE, run } from './fake.js';

let folder: string;
let a: string;
let b: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
  [a, b, out] = [join(folder, 'a.jpg'), join(folder, 'b.jpg'), join(folder, 'out.tif')];
  await writeFile(a, 'a');
  await writeFile(b, 'b');
});
afterEach(() => rm(folder, { recursive: true }));

const broken = (name: string) => (source: string) =>
  source.endsWith(name) ? new PyramidionError('CORRUPT_IMAGE', 'cut short') : undefined;

describe('usage', () => {
  test('--version and --help', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await run(['--version'])).toMatchObject({ code: 0, out: `${version}\n`, err: '' });
    expect(await run(['--help'])).toMatchObject({ code: 0, err: '' });
    const help = await run(['build', '--help']);
    expect(help.out).toContain('<input>... <output.tif | directory/>');
    expect(help.out).toContain('--downsample8x8BicubicSharp');
  });

  test.each([
    [[], 'Usage'],
    [['bild'], "unknown command 'bild'"],
    [['build'], "missing required argument 'paths'"],
    [['build', 'only.jpg'], 'at least one input'],
    [['build', '--colour', 'x', 'a.jpg', 'o.tif'], "unknown option '--colour'"],
    [
      ['build', '--quality', '101', 'a.jpg', 'o.tif'],
      "option '--quality <n>' argument '101' is invalid. Allowed: a whole number",
    ],
    [['build', '--quality', 'high', 'a.jpg', 'o.tif'], "argument 'high' is invalid"],
    [['build', '--tile-size', '100', 'a.jpg', 'o.tif'], 'multiple of 16'],
    [['build', '--compression', 'zip', 'a.jpg', 'o.tif'], 'auto, none, deflate, lzw, jpeg or webp'],
    [['build', '--unsharp', '1,2,999', 'a.jpg', 'o.tif'], 'unsharp.threshold 0…255'],
    [['build', '--autocrop', 'middle,0,0', 'a.jpg', 'o.tif'], 'autocrop.corner ul, ur, ll or lr'],
    [['build', '--strip', 'xmp,colour', 'a.jpg', 'o.tif'], 'profile, xmp, exif, iptc and all'],
    [['build', '--max-memory', '1', 'a.jpg', 'o.tif'], 'at least 10M'],
    [['build', '--overwrite', '--if-exists', 'fail', 'a.jpg', 'o.tif'], 'cannot be used with'],
    [
      ['build', '--quality', '90', '--compression', 'deflate', 'a.jpg', 'o.tif'],
      'INVALID_OPTION: quality must be left out',
    ],
    [['info'], "missing required argument 'file'"],
    [['validate'], 'validate takes files'],
    [['validate', '--type', 'png', 'a.jpg'], 'Allowed choices are any, jpeg, ptif'],
  ])('%j exits 2 and says why', async (words, message) => {
    const result = await run(words);
    expect(result.code).toBe(2);
    expect(result.err).toContain(message);
    expect(result.out).toBe('');
    expect(result.calls).toEqual([]);
  });
});

describe('build', () => {
  test('one file', async () => {
    const result = await run(['build', a, out]);
    expect(result).toMatchObject({ code: 0, err: '', closed: 1 });
    expect(result.out).toBe(`${a} -> ${out}  640x480  1 level  jpeg  2.0 KiB  0.25 s\n`);
    expect(result.calls).toMatchObject([{ method: 'build', source: a, target: out }]);
  });

  test('several files into a folder that is made', async () => {
    const result = await run(['build', a, b, join(folder, 'new', 'er/')]);
    expect(result.code).toBe(0);
    expect(existsSync(join(folder, 'new', 'er', 'a.tif'))).toBe(true);
    expect(result.out).toContain('2 built, 0 failed\n');
  });

  test('the first failure stops what has not started, and is named', async () => {
    const result = await run(['build', '--workers', '1', a, b, `${folder}/o/`], { behave: broken('a.jpg') });
    expect(result).toMatchObject({ code: 1, closed: 1 });
    expect(result.err).toBe(`pyramidion: ${a}: CORRUPT_IMAGE: cut short\n`);
    expect(result.out).toBe('0 built, 1 failed, 1 not started\n');
  });

  test('--continue-on-error goes on', async () => {
    const result = await run(['build', '--continueOnError', '--workers', '1', a, b, `${folder}/o/`], {
      behave: broken('a.jpg'),
    });
    expect(result.code).toBe(1);
    expect(result.calls.map(({ source }) => source)).toEqual([a, b]);
  });

  test('--json prints one document and nothing else', async () => {
    const result = await run(['build', '--json', '--workers', '1', '--continue-on-error', a, b, `${folder}/o/`], {
      behave: broken('b.jpg'),
    });
    expect(JSON.parse(result.out)).toMatchObject({
      results: [
        { source: a, status: 'built', path: join(folder, 'o', 'a.tif'), bytes: 2048 },
        { source: b, status: 'failed', error: { code: 'CORRUPT_IMAGE', message: 'cut short' } },
      ],
      built: 1,
      failed: 1,
      skipped: 0,
    });
    expect(result.err).toContain('CORRUPT_IMAGE');
  });

  test('as many at once as there are workers', async () => {
    const inputs = await Promise.all(
      Array.from({ length: 9 }, async (_, i) => {
        const path = join(folder, `${i}.jpg`);
        await writeFile(path, '');
        return path;
      }),
    );
    const result = await run(['build', '--workers', '3', ...inputs, `${folder}/o/`], { delayMs: 5 });
    expect(result.mostRunning).toBe(3);
    expect(result.calls).toHaveLength(9);
  });

  test('progress is drawn on a terminal, and silenced by --quiet', async () => {
    const shown = await run(['build', a, out], { terminal: true });
    expect(shown.err).toContain('file 1 of 1');
    expect(shown.err.endsWith('\r\u001b[2K')).toBe(true);
    expect(await run(['build', '--quiet', a, out], { terminal: true })).toMatchObject({ out: '', err: '' });
    expect((await run(['build', '--progress', a, out])).err).toContain('file 1 of 1');
  });

  test('a stop ends what runs, starts no more, and closes the engine', async () => {
    const result = await run(['build', '--workers', '1', '--continue-on-error', '--json', a, b, `${folder}/o/`], {
      abortAfter: 1,
    });
    expect(result).toMatchObject({ code: 1, closed: 1 });
    expect(JSON.parse(result.out)).toMatchObject({ results: [{ error: { code: 'ABORTED' } }, { status: 'skipped' }] });
  });

  test('options that fit no file exit 2', async () => {
    const behave = () => new PyramidionError('INVALID_OPTION', 'page must be 0', { option: 'page' });
    expect((await run(['build', '--page', '7', a, out], { behave })).code).toBe(2);
  });

  test('warnings are told', async () => {
    const result = await run(['build', a, out], { behave: () => ({ warnings: ['the EXIF block is damaged'] }) });
    expect(result).toMatchObject({ code: 0, err: `pyramidion: ${a}: warning: the EXIF block is damaged\n` });
  });

  test('the log has a line for each file, and progress when asked', async () => {
    const log = join(folder, 'build.log');
    await run(
      ['build', '--logFile', log, '--logLevel', '2', '--workers', '1', '--continue-on-error', a, b, `${folder}/o/`],
      { behave: broken('b.jpg') },
    );
    expect(
      readFileSync(log, 'utf8')
        .split('\n')
        .map((line) => line.replace(/^\S+ /, '').replaceAll(folder, '')),
    ).toEqual([
      '/a.jpg: 50%, 500 bytes',
      '/a.jpg -> /o/a.tif 640x480 jpeg 2048 bytes',
      '/b.jpg: 50%, 500 bytes',
      '/b.jpg failed: CORRUPT_IMAGE: cut short',
      '',
    ]);
    await run(['build', '--log-file', log, '--noLogAppend', a, out]);
    expect(readFileSync(log, 'utf8').split('\n')).toHaveLength(2);
    await run(['build', '--log-file', log, '--log-level', '-1', a, out]);
    expect(readFileSync(log, 'utf8').split('\n')).toHaveLength(2);
    expect(await run(['build', '--log-file', folder, a, out])).toMatchObject({ code: 1, calls: [] });
  });

  test('autocrop reports a rectangle and writes it', async () => {
    const xml = join(folder, 'crop,1.xml');
    const autocrop = { left: 10, top: 20, width: 300, height: 200 };
    const result = await run(['build', '--autocrop', 'LR', '0', '0.05', xml, a, out], { behave: () => ({ autocrop }) });
    expect(result.calls[0]?.options.autocrop).toEqual({ corner: 'lr', mode: 'colour', tolerance: 0.05 });
    expect(result.out).toContain('inside the border 300x200+10+20');
    expect(readFileSync(xml, 'utf8')).toBe(
      '<autocrop width="640" height="480"><rect x="10" y="20" width="300" height="200"/></autocrop>\n',
    );
    await run(['build', '--overwrite', `--autocrop=ul,1,0,${xml}`, a, out]);
    expect(readFileSync(xml, 'utf8')).toBe('<autocrop width="640" height="480"></autocrop>\n');
    expect((await run(['build', `--autocrop=ul,1,0,${xml}`, a, b, `${folder}/o/`])).code).toBe(2);
  });
});

describe('options of build', () => {
  const optionsOf = async (words: readonly string[], fake: Parameters<typeof run>[1] = {}) => {
    const { calls, code, err } = await run(['build', ...words, a, out], fake);
    expect([code, err]).toEqual([0, '']);
    const { signal, onProgress, ...options } = calls.find(({ method }) => method === 'build')?.options ?? {};
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(onProgress).toBeTypeOf('function');
    return options;
  };
  const keep = { profile: true, xmp: true, exif: true, iptc: true };

  test('none: the library decides', async () => {
    expect(await optionsOf([])).toEqual({ compression: 'auto', keep });
  });

  test('all of them', async () => {
    expect(
      await optionsOf([
        ...[
          '--compression',
          'jpeg',
          '--quality',
          '80',
          '--chroma',
          '4:4:4',
          '--tile-size',
          '512',
          '--layout',
          'subifds',
        ],
        ...[
          '--depth',
          'onepixel',
          '--bigtiff',
          'yes',
          '--bits',
          'source',
          '--alpha',
          'associated',
          '--reduction',
          'mean',
        ],
        ...[
          '--linear-light',
          '--unsharp',
          '1.5,2,3,1',
          '--image-profile',
          '12.icc',
          '--view-profile',
          'out.icc',
          '--intent',
          'perceptual',
        ],
        ...[
          '--no-black-point-compensation',
          '--no-orient',
          '--strip',
          'xmp,exif',
          '--dpi',
          '300',
          '--page',
          '2',
          '--overwrite',
        ],
      ]),
    ).toEqual({
      compression: 'jpeg',
      quality: 80,
      chroma: '4:4:4',
      tileSize: 512,
      layout: 'subifds',
      depth: 'onepixel',
      bigTiff: true,
      bits: 'source',
      alpha: 'associated',
      reduction: 'mean',
      linearLight: true,
      unsharp: { amount: 1.5, radius: 2, threshold: 3, monochrome: true },
      imageProfile: '12.icc',
      viewProfile: 'out.icc',
      intent: 'perceptual',
      blackPointCompensation: false,
      normaliseOrientation: false,
      keep: { profile: true, xmp: false, exif: false, iptc: true },
      dpi: 300,
      page: 2,
      ifExists: 'replace',
    });
    expect(await optionsOf(['--compression', 'webp', '--lossless', '--effort', '6'])).toMatchObject({
      compression: 'webp',
      lossless: true,
      effort: 6,
    });
    expect(
      await optionsOf(['--compression', 'lzw', '--no-predictor', '--bigtiff', 'auto', '--bits', '16']),
    ).toMatchObject({ predictor: false, bigTiff: 'auto', bits: 16 });
    expect(await optionsOf(['--if-exists', 'fail', '--pixel-type', 'gray', '--strip', 'all'])).toMatchObject({
      ifExists: 'fail',
      pixelType: 'gray',
      keep: { profile: false, xmp: false, exif: false, iptc: false },
    });
  });

  test("the converter's own", async () => {
    expect(
      await optionsOf([
        ...[
          '--jpegCompress',
          '--jpegQuality',
          '0',
          '--fullSampleChrominance',
          '--usm',
          '1',
          '2',
          '3',
          '0',
          '--dpi',
          '72',
        ],
        ...[
          '--intentSaturation',
          '--downsample8x8BicubicSharp',
          '--embedXmpData',
          '--embedColorProfile',
          '--maintainPixelType',
        ],
        ...['--forceJPEGDecompress', '--cmsNoDither8'],
      ]),
    ).toEqual({
      compression: 'jpeg',
      quality: 1,
      chroma: '4:4:4',
      unsharp: { amount: 1, radius: 2, threshold: 3, monochrome: false },
      dpi: 72,
      intent: 'saturation',
      reduction: 'bicubic-sharp',
      keep,
    });
  });

  test('--preset ic: deflate, no metadata but what is asked for, what does not apply is ignored', async () => {
    const none = { profile: false, xmp: false, exif: false, iptc: false };
    expect(await optionsOf(['--preset', 'ic', '--jpegQuality', '80', '--fullSampleChrominance'])).toEqual({
      compression: 'deflate',
      keep: none,
    });
    expect(await optionsOf(['--preset', 'ic', '--embedColorProfile', '--embedXmpData'])).toMatchObject({
      keep: { ...none, profile: true, xmp: true },
    });
  });

  test('--preset ic converts CMYK to RGB, unless that is settled otherwise', async () => {
    const cmyk = { behave: () => ({ ...IMAGE, colourSpace: 'cmyk' }) as const };
    expect((await optionsOf(['--preset', 'ic'], cmyk)).pixelType).toBe('rgb');
    expect((await optionsOf(['--preset', 'ic', '--maintainPixelType'], cmyk)).pixelType).toBeUndefined();
    expect((await optionsOf(['--preset', 'ic', '--view-profile', 'x.icc'], cmyk)).pixelType).toBeUndefined();
    expect((await optionsOf(['--preset', 'ic', '--pixel-type', 'gray'], cmyk)).pixelType).toBe('gray');
    expect((await optionsOf([], cmyk)).pixelType).toBeUndefined();
    expect((await optionsOf(['--preset', 'ic'])).pixelType).toBeUndefined();
  });

  test('--preset ic uses no JPEG where there is alpha', async () => {
    const alpha = { behave: () => ({ ...IMAGE, alpha: 'straight' }) as const };
    expect(
      await optionsOf(['--preset', 'ic', '--jpegCompress', '--quality', '80', '--chroma', '4:4:4'], alpha),
    ).not.toHaveProperty('quality');
    expect((await optionsOf(['--preset', 'ic', '--jpegCompress'], alpha)).compression).toBe('deflate');
    expect((await optionsOf(['--preset', 'ic', '--jpegCompress', '--alpha', 'remove'], alpha)).compression).toBe(
      'jpeg',
    );
  });

  test("the engine's", async () => {
    const words = [
      '--max-memory',
      '1.5GB',
      '--estimate',
      'decoded',
      '--workers',
      '3',
      '--threads',
      '8',
      '--max-pixels',
      '1000000',
    ];
    expect((await run(['build', ...words, a, out])).started).toEqual([
      { maxMemory: 1.5 * 1024 ** 3, estimate: 'decoded', workers: 3, threads: 8, maxPixels: 1_000_000 },
    ]);
    expect((await run(['build', '--maxMem', '20000000', a, out])).started).toEqual([{ maxMemory: 20_000_000 }]);
    const [percent] = (await run(['build', '--maxMemPercent', '25', a, out])).started;
    expect(percent?.maxMemory).toBeGreaterThan(0);
    expect((await run(['build', '--maxMemPercent', '25', '--max-memory', '1G', a, out])).code).toBe(2);
  });
});

describe('info', () => {
  test('a pyramid, without an engine', async () => {
    const path = join(folder, 'p.tif');
    await writeFile(
      path,
      writeTiff([
        image(640, 480, {
          samples: 4,
          extra: [
            { tag: 338, type: 3, values: [2] },
            { tag: 305, type: 2, values: 'a\u001bwriter' },
          ],
        }),
        image(320, 240, { samples: 4 }),
      ]),
    );
    const text = await run(['info', path]);
    expect(text).toMatchObject({ code: 0, err: '', started: [] });
    expect(text.out.replace(path, 'p.tif')).toBe(
      [
        'p.tif',
        '  kind        pyramid, levels as pages',
        '  container   TIFF, little-endian, 1.1 KiB',
        '  size        640 × 480',
        '  pixels      4 × 8 bits unsigned, rgb',
        '  alpha       straight',
        '  compression deflate',
        '  software    a\ufffdwriter',
        '',
        '  level  size       scale  tile     tiles   bytes  coding',
        '      0  640 × 480  1:1    64 × 64  10 × 8    320  deflate',
        '      1  320 × 240  1:2    64 × 64  5 × 4      80  deflate',
        '',
      ].join('\n'),
    );
    const json = await run(['info', '--json', path]);
    expect(JSON.parse(json.out)).toMatchObject({
      path,
      kind: 'pyramid',
      width: 640,
      layout: 'pages',
      profile: null,
      levels: [{ width: 640 }, { width: 320, directory: { page: 1, subIfd: null } }],
    });
  });

  test('the tiles of a pyramid', async () => {
    const path = join(folder, 'tiles.tif');
    const lengths = [5, 0, 7, 12];
    await writeFile(
      path,
      writeTiff([
        image(128, 128, { extra: [{ tag: 325, type: 4, values: lengths }], tileOffset: 9 }),
        image(64, 64, { tileOffset: 0 }),
      ]),
    );
    const text = await run(['info', path, '--tiles']);
    expect(text.out).toContain(
      [
        '',
        '  level  tiles  missing  smallest  mean  largest',
        '      0      4        1         5     8       12',
        '      1      1        1         0     0        0',
        '',
      ].join('\n'),
    );
    const json = await run(['info', path, '--tiles', '--json']);
    expect(JSON.parse(json.out).tiles).toEqual([
      { level: 0, count: 4, missing: 1, bytes: { min: 5, mean: 8, max: 12 }, offsets: [9, 9, 9, 9], lengths },
      { level: 1, count: 1, missing: 1, bytes: { min: 0, mean: 0, max: 0 }, offsets: [0], lengths: [0] },
    ]);
    expect(JSON.parse((await run(['info', path, '--json'])).out)).not.toHaveProperty('tiles');
  });

  test('any other image, by a probe', async () => {
    const behave = () => ({
      profile: { description: 'sRGB', bytes: new Uint8Array(3144) },
      dpi: { x: 300, y: 300 },
      metadata: { exif: 120, xmp: 0, iptc: 0, photoshop: 0 },
    });
    const text = await run(['info', a], { behave });
    expect(text).toMatchObject({ code: 0, closed: 1 });
    expect(text.out).toContain('profile     sRGB (3.1 KiB)');
    expect(text.out).toContain('need        4.8 MiB of memory to build');
    const json = await run(['info', a, '--json', '--page', '3'], { behave });
    expect(JSON.parse(json.out)).toMatchObject({
      kind: 'image',
      format: 'jpeg',
      need: 5_000_000,
      profile: { description: 'sRGB', bytes: 3144 },
    });
    expect(json.calls[0]?.options.page).toBe(3);
  });

  test('failures', async () => {
    expect(await run(['info', join(folder, 'none.tif'), '--json'])).toMatchObject({ code: 1, out: '' });
    expect((await run(['info', a], { behave: broken('a.jpg') })).err).toBe(
      `pyramidion: ${a}: CORRUPT_IMAGE: cut short\n`,
    );
  });
});

describe('validate', () => {
  let pyramid: string;
  beforeEach(async () => {
    pyramid = join(folder, 'p.tif');
    await writeFile(pyramid, writeTiff([image(640, 480, { subIfds: [[image(320, 240)], [image(160, 120)]] })]));
  });

  test('goes on after a bad file, names it, and exits 1', async () => {
    const result = await run(['validate', a, b, pyramid], { behave: broken('b.jpg') });
    expect(result).toMatchObject({
      code: 1,
      out: `${a}: ok\n${pyramid}: ok\n`,
      err: `pyramidion: ${b}: CORRUPT_IMAGE: cut short\n`,
    });
    expect(result.calls.every(({ method }) => method === 'probe')).toBe(true);
    const stopped = await run(['validate', '--stopOnError', '--json', b, pyramid], { behave: broken('b.jpg') });
    expect(JSON.parse(stopped.out)).toMatchObject({
      results: [{ status: 'invalid' }, { status: 'skipped' }],
      valid: 0,
      invalid: 1,
      skipped: 1,
    });
  });

  test('--read-pixels decodes every level', async () => {
    const result = await run(['validate', '--readPixels', a, pyramid]);
    expect(result.code).toBe(0);
    const verified = result.calls
      .filter(({ method }) => method === 'verify')
      .map(({ source, options: { page, subIfd } }) => ({ source, page, subIfd }));
    expect(verified).toEqual([
      { source: a, page: undefined, subIfd: undefined },
      { source: pyramid, page: 0, subIfd: undefined },
      { source: pyramid, page: 0, subIfd: 0 },
      { source: pyramid, page: 0, subIfd: 1 },
    ]);
  });

  test('a damaged pyramid fails by its structure alone', async () => {
    await writeFile(pyramid, readFileSync(pyramid).subarray(0, 300));
    const result = await run(['validate', pyramid]);
    expect(result).toMatchObject({ code: 1, calls: [] });
    expect(result.err).toContain('CORRUPT_IMAGE');
  });

  test('kinds of file', async () => {
    expect((await run(['validate', '--ptif', pyramid])).code).toBe(0);
    expect((await run(['validate', '--ptif', a])).err).toContain('UNSUPPORTED_FORMAT');
    expect((await run(['validate', '--jpeg', a])).code).toBe(0);
    expect((await run(['validate', '--jpeg', a], { behave: () => ({ format: 'png' }) as const })).err).toContain(
      'no JPEG but png',
    );
  });

  test('16 bits and profiles', async () => {
    const deep = { behave: () => ({ bitDepth: 16 }) };
    expect((await run(['validate', a], deep)).code).toBe(0);
    expect((await run(['validate', '--reject16BitPerComponent', a], deep)).err).toContain(
      'UNSUPPORTED_IMAGE: the image has 16 bits',
    );
    const profile = { behave: () => ({ warnings: ['the embedded profile is not used: it is cut short'] }) };
    expect((await run(['validate', a], profile)).code).toBe(0);
    expect((await run(['validate', '--validateColorProfile', a], profile)).err).toContain('PROFILE_INVALID');
  });

  test('--file-list, --verbose and --silent', async () => {
    const list = join(folder, 'list.txt');
    await writeFile(list, `${a}\r\n\n${pyramid}\n`);
    const verbose = await run(['validate', '--fileList', list, '--verbose']);
    expect(verbose.out).toBe(
      `${a}: ok, jpeg, 640x480, 3 x 8 bits\n${pyramid}: ok, pyramid of 3, 640x480, 3 x 8 bits\n`,
    );
    expect(await run(['validate', '--silent', a, b], { behave: broken('b.jpg') })).toMatchObject({
      code: 1,
      out: '',
      err: '',
    });
    expect((await run(['validate', '--file-list', list, a])).code).toBe(2);
    expect((await run(['validate', '--file-list', join(folder, 'none')])).code).toBe(2);
  });
});

test('an engine that cannot start is named and exits 1', async () => {
  const { runProgram } = await import('../../src/cli/program.js');
  const err: string[] = [];
  const context = {
    stdout: { write: () => true },
    stderr: { write: (text: string) => err.push(text) },
    signal: new AbortController().signal,
    startEngine: () => Promise.reject(new PyramidionError('NATIVE_MISSING', 'run npm rebuild')),
  };
  expect(await runProgram(['build', a, out], context)).toBe(1);
  expect(err).toEqual(['pyramidion: NATIVE_MISSING: run npm rebuild\n']);
});
