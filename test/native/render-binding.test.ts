/** What native code says of a view's job, field by field: nothing that TypeScript sends it is believed. */
import { describe, expect, it } from 'vitest';
import type { RenderJob } from '../../src/native/contract.js';
import { loadNative } from '../../src/native/index.js';
import { newControl } from './job.js';

const addon = loadNative();
const WHITE = { samples: [1], alpha: 1 };

/** A view of a gray picture of 4 × 4 in a small TIFF without a tile. */
function job(): RenderJob {
  const axis = { origin: 0, step: 1, first: 0, count: 4, low: 0, high: 4 };
  const whole = { left: 0, top: 0, width: 4, height: 4 };
  return {
    source: {
      kind: 'level',
      tiff: new Uint8Array(0),
      width: 4,
      height: 4,
      tileWidth: 4,
      tileHeight: 4,
      tiles: new Uint32Array(2),
      planes: 1,
      jpeg: null,
    },
    pixels: { space: 'gray', bits: 8, alpha: 'straight' },
    workingBits: 8,
    x: axis,
    y: axis,
    kernel: 'bilin',
    linearLight: false,
    rotate: null,
    turn: 1,
    sharpen: [],
    crop: whole,
    colour: null,
    frame: { ...whole, canvas: whole, canvasColour: { samples: [0], alpha: 0 }, background: WHITE },
    dither: null,
    output: { space: 'gray', bits: 8, alpha: 'none' },
    encode: { saver: 'raw', options: {}, maxBytes: 0, palette: null, icc: null, xmp: null, dpi: 0 },
    control: newControl(),
  };
}

/** The job with a value in one of its fields, `a.b.c`. */
function withField(path: string, value: unknown): RenderJob {
  const changed = structuredClone({ ...job(), control: null }) as unknown as Record<string, unknown>;
  changed.control = newControl();
  const names = path.split('.');
  let at = changed;
  for (const name of names.slice(0, -1)) at = at[name] as Record<string, unknown>;
  at[names.at(-1) ?? ''] = value;
  return changed as unknown as RenderJob;
}

describe('a view job', () => {
  it('with nothing wrong is made: white where no tile is', () => {
    const { bytes, width, height, samples } = addon.render(job());
    expect({ width, height, samples, bytes: [...bytes] }).toEqual({
      ...{ width: 4, height: 4, samples: 1 },
      bytes: new Array(16).fill(255),
    });
  });

  const refused: Readonly<Record<string, readonly unknown[]>> = {
    source: [undefined, 1, []],
    'source.kind': ['file', undefined],
    'source.tiff': [[1], null, new Uint16Array(2)],
    'source.width': [0, -1, 1.5, Number.NaN, '4'],
    'source.tileHeight': [0, 2 ** 31],
    'source.planes': [0, 9],
    'source.tiles': [new Uint32Array(1), new Uint32Array(4), new Float64Array(2), Uint32Array.of(0, 1), null],
    'pixels.bits': [12, '8'],
    workingBits: [12, 24, null],
    'x.step': [0, -1, Number.NaN, Number.POSITIVE_INFINITY],
    'x.count': [-1, 2 ** 25],
    'y.high': [0, -4],
    kernel: ['lanczos', null],
    linearLight: [0, null],
    rotate: [{}, 3],
    turn: [0, 9],
    sharpen: [
      null,
      [1],
      [{ kind: 'blur' }],
      [{ kind: 'unsharp', amount: 9, radius: 1, threshold: 0, monochrome: true }],
    ],
    'crop.width': [-1, 2 ** 31],
    colour: [{}, 1],
    'frame.width': [0, 2 ** 25],
    'frame.background': [null, { samples: [1, 1], alpha: 1 }, { samples: [2], alpha: 1 }, { samples: [1], alpha: 2 }],
    dither: [{}, { x: 0, y: 0, keep: null }],
    'output.space': ['lab', 3],
    'encode.saver': ['', 'a/b', 3],
    'encode.options': [null, { 'a b': 1 }, { a: {} }],
    'encode.maxBytes': [-1, 0.5],
    'encode.palette': [{}, { kind: 'web', diffuse: true, colours: 1, forced: new Uint8Array(0) }],
    'encode.icc': [new Uint8Array(0), 'a'],
    'encode.dpi': [-1, 70_000],
    control: [null, new BigInt64Array(8)],
  };
  for (const [path, values] of Object.entries(refused)) {
    it(`${path}, wrong once`, () => {
      for (const value of values) {
        let thrown: unknown = null;
        try {
          addon.render(withField(path, value));
        } catch (error) {
          thrown = error;
        }
        expect({ path, value, thrown }).toMatchObject({ thrown: { code: 'INVALID_OPTION' } });
      }
    });
  }

  it.each([
    ['crop beyond the picture', 'crop', { left: 1, top: 0, width: 4, height: 4 }],
    ['dithering more than the frame', 'dither', { x: 0, y: 0, keep: { left: 0, top: 0, width: 5, height: 4 } }],
    ['a rotation of what has no alpha', 'pixels', { space: 'gray', bits: 8, alpha: 'none' }],
  ])('%s is INVALID_OPTION', (_, path, value) => {
    const changed = withField(path, value);
    const bounds = { left: 0, top: 0, width: 4, height: 4 };
    const rotate = { width: 4, height: 4, a: 1, b: 0, c: 0, d: 0, e: 1, f: 0, bounds };
    const given = path === 'pixels' ? { ...changed, rotate } : changed;
    expect(() => addon.render(given)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  it('an axis beyond the picture is CORRUPT_IMAGE', () => {
    const beyond = { origin: 2, step: 1, first: 0, count: 4, low: 0, high: 6 };
    expect(() => addon.render(withField('x', beyond))).toThrow(expect.objectContaining({ code: 'CORRUPT_IMAGE' }));
  });
});
