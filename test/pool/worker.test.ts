import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transferableSymbol, valueSymbol } from 'piscina';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuildJob, CONTROL, type NativeAddon, STOP } from '../../src/native/contract.js';
import { BEGUN, type TaskName, type Tasks } from '../../src/pool/messages.js';
import { createHandler } from '../../src/pool/worker.js';
import { buildJob, probeJob } from './fake.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pyramidion-worker-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const missing = (): never => {
  throw new Error('not called here');
};

/** Makes one request of an addon that has `functions`; yields the answer and what is moved with it. */
function ask(
  functions: Partial<NativeAddon>,
  task: TaskName,
  job: Tasks[TaskName]['job'],
  state: number = BEGUN.waits,
): { answer: unknown; moved: unknown; begun: number } {
  const addon = {
    capabilities: missing,
    probe: missing,
    build: missing,
    verify: missing,
    render: missing,
    ...functions,
  };
  const begun = new Int32Array([state]);
  const reply: unknown = createHandler(() => addon)({ task, job, begun });
  const wrapped = reply as { [valueSymbol]?: unknown; [transferableSymbol]?: unknown };
  return { answer: wrapped[valueSymbol] ?? reply, moved: wrapped[transferableSymbol], begun: begun[0] ?? 0 };
}

function build(stop: number = STOP.run): BuildJob {
  const control = new BigInt64Array(CONTROL.length);
  control[CONTROL.stop] = BigInt(stop);
  return { ...buildJob({ ms: 0 }), threads: 1, control, output: join(folder, 'out.tif') };
}

describe('the worker', () => {
  it('answers what the addon yields, and marks the request as begun', () => {
    const result = { levels: [], bytes: 5, autocrop: null, warnings: [] };
    expect(ask({ build: () => result }, 'build', build())).toEqual({ answer: { value: result }, moved: [], begun: 1 });
    expect(ask({ verify: () => {} }, 'verify', { ...build(), subIfd: -1 }).answer).toEqual({ value: undefined });
    const capabilities = { libvips: '8', zlib: '1', simd: 'baseline', formats: [] };
    expect(ask({ capabilities: () => capabilities }, 'capabilities', null).answer).toEqual({ value: capabilities });
  });

  it('leaves a request alone that was withdrawn: its bytes may be gone', () => {
    const { answer, begun } = ask({}, 'build', build(), BEGUN.withdrawn);
    expect(answer).toMatchObject({ error: { code: 'ABORTED' } });
    expect(begun).toBe(BEGUN.withdrawn);
  });

  it('moves the blocks of a probe that have a buffer to themselves', () => {
    const icc = new Uint8Array(3000);
    const part = new Uint8Array(new ArrayBuffer(64), 8, 8);
    const twin = new Uint8Array(icc.buffer);
    const probe = (): never => ({ width: 1, icc, exif: part, xmp: twin }) as never;
    const { answer, moved } = ask({ probe }, 'probe', probeJob({ ms: 0 }));
    expect(moved).toEqual([icc.buffer]);
    expect(answer).toEqual({ value: { width: 1, icc, exif: part, xmp: twin } });
  });

  it('answers errors as data', () => {
    const failing = (error: unknown) => () => {
      throw error;
    };
    const coded = Object.assign(new Error('cut short'), { code: 'CORRUPT_IMAGE', detail: 'libjpeg says' });
    expect(ask({ build: failing(coded) }, 'build', build()).answer).toEqual({
      error: { code: 'CORRUPT_IMAGE', message: 'cut short', detail: 'libjpeg says' },
    });
    expect(ask({ build: failing(new TypeError('odd')) }, 'build', build()).answer).toMatchObject({
      error: { code: 'INTERNAL', message: 'odd', detail: expect.stringContaining('TypeError') },
    });
    expect(ask({ build: failing('text') }, 'build', build()).answer).toMatchObject({ error: { message: 'text' } });
    const load = failing(Object.assign(new Error('none'), { code: 'NATIVE_MISSING', detail: '' }));
    expect(createHandler(load)({ task: 'capabilities', job: null, begun: new Int32Array(1) })).toEqual({
      error: { code: 'NATIVE_MISSING', message: 'none', detail: '' },
    });
  });

  it.each([
    [STOP.aborted, 'ABORTED'],
    [STOP.overBudget, 'BUDGET_OVERRUN'],
  ])('does not start a job that is told to stop: %d', (stop, code) => {
    expect(ask({}, 'build', build(stop)).answer).toMatchObject({ error: { code } });
    expect(ask({}, 'verify', { ...build(stop), subIfd: -1 }).answer).toMatchObject({ error: { code } });
  });

  it('removes the output of a build that succeeds although it was told to stop', () => {
    const job = build();
    const late = (): never => {
      writeFileSync(job.output, 'whole');
      job.control[CONTROL.stop] = BigInt(STOP.aborted);
      return {} as never;
    };
    expect(ask({ build: late }, 'build', job).answer).toMatchObject({ error: { code: 'ABORTED' } });
    expect(existsSync(job.output)).toBe(false);
  });
});
