import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import type { BuildJob, NativeAddon } from '../../src/native/contract.js';
import { loadNative } from '../../src/native/index.js';
import { buildJob, newControl } from './job.js';

let addon: NativeAddon;
let folder: string;

beforeAll(() => {
  addon = loadNative();
  folder = mkdtempSync(join(tmpdir(), 'pyramidion-binding-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What `call` throws. */
function thrownBy(call: () => unknown): { code?: string; stage?: string; detail?: string; message: string } {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

/** `job` with the field at `path` replaced by `value`, or taken away when it is undefined. */
function withField(job: object, path: string, value: unknown): object {
  const [name = '', ...rest] = path.split('.');
  const inner = (job as Record<string, unknown>)[name];
  const copy: Record<string, unknown> = { ...job };
  if (rest.length > 0) copy[name] = withField(inner as object, rest.join('.'), value);
  else if (value === undefined) delete copy[name];
  else copy[name] = value;
  return copy;
}

/** Every field of a build, each with values it must refuse; `undefined` is: not there. */
const refused: Readonly<Record<string, readonly unknown[]>> = {
  input: [undefined, null, 'photo.png', [], {}],
  'input.bytes': [new Uint8Array(0), new Uint16Array(4), new ArrayBuffer(4), 'bytes', null],
  'input.path': [undefined, '', 'a\0b', 7],
  'input.size': [undefined, -1, 1.5, 2 ** 53, '10', Number.NaN],
  format: [undefined, 'bmp', '', 3, 'JPEG'],
  page: [undefined, -1, 0.5, 100_001, Number.POSITIVE_INFINITY, '0'],
  orientation: [undefined, 0, 9, 1.5, null],
  pixels: [undefined, null, []],
  'pixels.space': [undefined, 'lab'],
  'pixels.bits': [undefined, 7, 12, 32],
  'pixels.alpha': [undefined, true],
  colour: [undefined, true],
  'colour.inputProfile': [undefined, new Uint8Array(0), 'sRGB'],
  'colour.outputProfile': [undefined, new Uint8Array(0)],
  'colour.intent': [undefined, 'colorimetric'],
  'colour.blackPointCompensation': [undefined, 1],
  tileSize: [undefined, 0, 8, 250, 4112, 256.5],
  levels: [undefined, 0, 33],
  layout: [undefined, 'zoomify'],
  bigTiff: [undefined, 0],
  coding: [undefined, null],
  'coding.kind': [undefined, 'zstd'],
  'coding.level': [undefined, 0, 10],
  'coding.predictor': [undefined, 2],
  reduction: [undefined, 'nearest'],
  linearLight: [undefined, 'no'],
  unsharp: [undefined, 1],
  'unsharp.amount': [undefined, -0.1, 5.1, Number.NaN],
  'unsharp.radius': [undefined, -1, 251],
  'unsharp.threshold': [undefined, -1, 256],
  'unsharp.monochrome': [undefined, 0],
  tags: [undefined, null, {}],
  autocrop: [undefined, true],
  'autocrop.corner': [undefined, 'top'],
  'autocrop.mode': [undefined, 'color'],
  'autocrop.tolerance': [undefined, -0.1, 1.1],
  output: [undefined, '', 'a\0b.tif', 1],
  threads: [undefined, 0, 1025],
  control: [undefined, new BigInt64Array(8), new BigInt64Array(new SharedArrayBuffer(56)), new Float64Array(8)],
};

/** A job in which `path` is a field. */
function jobWith(path: string): BuildJob {
  const output = join(folder, 'refused.tif');
  if (path === 'input.path' || path === 'input.size') return buildJob(output, { input: { path: 'x.png', size: 10 } });
  if (path.startsWith('colour.')) {
    const profile = new Uint8Array(8);
    return buildJob(output, {
      colour: { inputProfile: profile, outputProfile: profile, intent: 'relative', blackPointCompensation: true },
    });
  }
  if (path.startsWith('unsharp.'))
    return buildJob(output, { unsharp: { amount: 1, radius: 1, threshold: 0, monochrome: false } });
  if (path.startsWith('autocrop.'))
    return buildJob(output, { autocrop: { corner: 'ul', mode: 'colour', tolerance: 0 } });
  return buildJob(output);
}

describe('every field of a build, wrong once', () => {
  for (const [path, values] of Object.entries(refused)) {
    it(path, () => {
      for (const value of values) {
        const error = thrownBy(() => addon.build(withField(jobWith(path), path, value) as BuildJob));
        expect(error).toMatchObject({ code: 'INVALID_OPTION', stage: 'check' });
        expect(error.message).toMatch(new RegExp(`^${path.replace('.', '\\.')}(\\.\\w+)? must be .+, got `));
      }
      expect(existsSync(join(folder, 'refused.tif'))).toBe(false);
    });
  }

  const codings: readonly (readonly [object, string])[] = [
    [{ kind: 'lzw' }, 'coding.predictor'],
    [{ kind: 'jpeg', quality: 0, subsample: true }, 'coding.quality'],
    [{ kind: 'jpeg', quality: 101, subsample: true }, 'coding.quality'],
    [{ kind: 'jpeg', quality: 90 }, 'coding.subsample'],
    [{ kind: 'webp', quality: -1, lossless: false, effort: 4 }, 'coding.quality'],
    [{ kind: 'webp', quality: 80, effort: 4 }, 'coding.lossless'],
    [{ kind: 'webp', quality: 80, lossless: false, effort: 7 }, 'coding.effort'],
  ];
  for (const [coding, field] of codings) {
    it(`${JSON.stringify(coding)}: ${field}`, () => {
      const job = buildJob(join(folder, 'refused.tif'), { coding: coding as BuildJob['coding'] });
      const error = thrownBy(() => addon.build(job));
      expect(error.code).toBe('INVALID_OPTION');
      expect(error.message).toMatch(new RegExp(`^${field} must be `));
    });
  }

  const value = new Uint8Array(2);
  const tag = { tag: 274, type: 3, count: 1, value };
  const tags: readonly (readonly [unknown, string])[] = [
    [null, 'tags[0]'],
    [{ ...tag, tag: -1 }, 'tags[0].tag'],
    [{ ...tag, tag: 65_536 }, 'tags[0].tag'],
    [{ ...tag, type: 0 }, 'tags[0].type'],
    [{ ...tag, type: 14 }, 'tags[0].type'],
    [{ ...tag, count: -1 }, 'tags[0].count'],
    [{ ...tag, count: 2 }, 'tags[0].value'],
    [{ ...tag, value: [1, 0] }, 'tags[0].value'],
    [{ ...tag, ifd: [] }, 'tags[0].ifd'],
    [{ ...tag, ifd: [tag] }, 'tags[0].value'],
    [{ ...tag, value: new Uint8Array(0), ifd: [{ ...tag, count: 3 }] }, 'tags[0].ifd[0].value'],
  ];
  for (const [wrong, field] of tags) {
    it(`${field} of ${JSON.stringify(wrong)}`, () => {
      const job = buildJob(join(folder, 'refused.tif'), { tags: [wrong as (typeof tags)[0][0] & BuildJob['tags'][0]] });
      const error = thrownBy(() => addon.build(job));
      expect(error.code).toBe('INVALID_OPTION');
      expect(error.message.startsWith(`${field} must be `)).toBe(true);
    });
  }

  it('a job that is no object', () => {
    for (const job of [undefined, null, 3, 'x', [], () => 0]) {
      for (const call of [addon.probe, addon.build, addon.verify] as ((job: unknown) => unknown)[]) {
        expect(thrownBy(() => call(job))).toMatchObject({ code: 'INVALID_OPTION', stage: 'check' });
      }
    }
  });

  it('lets an error of a getter through as it is', () => {
    const job = {
      get input(): never {
        throw new RangeError('from the getter');
      },
    };
    expect(() => addon.probe(job as never)).toThrow(new RangeError('from the getter'));
  });
});

describe('what the calls yield', () => {
  it('capabilities name the base', () => {
    const { libvips, zlib, simd, formats } = addon.capabilities();
    expect(libvips).toMatch(/^8\.\d+\.\d+$/);
    expect(zlib).toMatch(/^1\./);
    expect(['avx2', 'neon', 'baseline']).toContain(simd);
    expect(formats).toEqual(expect.arrayContaining(['jpeg', 'png', 'tiff', 'webp', 'gif']));
  });

  it('a probe of bytes and of a file are the same', () => {
    const bytes = samplePng(300, 200);
    const path = join(folder, 'sample.png');
    writeFileSync(path, bytes);
    const fromBytes = addon.probe({ input: { bytes }, format: 'png', page: 0 });
    expect(fromBytes).toMatchObject({ width: 300, height: 200, bands: 3, sampleType: 'uchar', bitsPerSample: 8 });
    expect(fromBytes.icc).toBeUndefined();
    expect(addon.probe({ input: { path, size: bytes.length }, format: 'png', page: 0 })).toEqual(fromBytes);
  });

  it('metadata blocks own their memory, so that they can move between threads', async () => {
    const { default: sharp } = await import('sharp');
    const bytes = await sharp(samplePng(8, 8)).withIccProfile('p3').jpeg().toBuffer();
    const { icc } = addon.probe({ input: { bytes }, format: 'jpeg', page: 0 });
    expect(icc).toBeInstanceOf(Uint8Array);
    expect(Buffer.from(icc ?? []).toString('latin1', 36, 40)).toBe('acsp');
    const moved = structuredClone(icc, { transfer: [icc?.buffer as ArrayBuffer] });
    expect(moved?.length).toBeGreaterThan(100);
    expect(icc?.length).toBe(0);
  });

  it('a build says what it wrote and keeps the control block', () => {
    const output = join(folder, 'built.tif');
    const control = newControl();
    const result = addon.build(buildJob(output, { control }));
    expect(result.levels.map(({ width, height, tiles }) => [width, height, tiles])).toEqual([
      [300, 200, 20],
      [150, 100, 6],
      [75, 50, 2],
      [38, 25, 1],
    ]);
    expect(result.bytes).toBe(statSync(output).size);
    expect(result.autocrop).toBeNull();
    expect(control[2]).toBe(control[3]);
    expect(control[4]).toBeGreaterThan(0n);
    expect(control[5]).toBe(0n);
  });

  it('verify reads what was built, and refuses it when it is cut short', () => {
    const path = join(folder, 'verified.tif');
    addon.build(buildJob(path));
    const bytes = readFileSync(path);
    const job = { format: 'tiff', page: 1, subIfd: -1, control: newControl() } as const;
    expect(addon.verify({ ...job, input: { path, size: bytes.length } })).toBeUndefined();
    const cut = bytes.subarray(0, Math.floor(bytes.length / 2));
    expect(thrownBy(() => addon.verify({ ...job, page: 0, input: { bytes: cut } })).code).toBe('CORRUPT_IMAGE');
  });
});

describe('failures', () => {
  it('carry code, stage and detail, and no library text or path in the message', () => {
    const path = join(folder, 'absent.png');
    const absent = thrownBy(() => addon.probe({ input: { path, size: 10 }, format: 'png', page: 0 }));
    expect(absent).toMatchObject({ code: 'SOURCE_NOT_FOUND', stage: 'open' });
    expect(absent.message).not.toContain(folder);
    expect(absent.detail).toContain(path);

    const damaged = thrownBy(() =>
      addon.probe({ input: { bytes: samplePng(8, 8).subarray(0, 20) }, format: 'png', page: 0 }),
    );
    expect(damaged.code).toMatch(/^(CORRUPT|UNSUPPORTED)_IMAGE$/);
    expect(damaged.message).not.toMatch(/vips|pngload/i);
  });

  it('a build that was told to stop leaves nothing', () => {
    const control = newControl();
    control[0] = 1n;
    const output = join(folder, 'stopped.tif');
    expect(thrownBy(() => addon.build(buildJob(output, { control }))).code).toBe('ABORTED');
    expect(existsSync(output)).toBe(false);
  });

  it('a target that exists is kept', () => {
    const output = join(folder, 'exists.tif');
    writeFileSync(output, 'mine');
    expect(thrownBy(() => addon.build(buildJob(output))).code).toMatch(/^OUTPUT_/);
    expect(readFileSync(output, 'utf8')).toBe('mine');
  });
});
