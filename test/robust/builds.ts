/** What is asked of builds again and again. */
import { expect } from 'vitest';
import type { Engine } from '../../src/engine.js';
import { type ErrorCode, PyramidionError } from '../../src/errors.js';
import { readPyramid } from '../../src/pyramid/pyramid.js';

/** The code something was rejected with; null when it was not. Whatever else is thrown is thrown on. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | null> {
  const error = await errorOf(promise);
  return error?.code ?? null;
}

/** The error something was rejected with; null when it was not. Whatever else is thrown is thrown on. */
export async function errorOf(promise: Promise<unknown>): Promise<PyramidionError | null> {
  try {
    await promise;
    return null;
  } catch (error) {
    if (error instanceof PyramidionError) return error;
    throw error;
  }
}

/** Decodes every level of a pyramid, and looks at the hash in it: a file that was given its name too early fails. */
export async function expectWhole(engine: Engine, path: string): Promise<{ width: number; height: number }> {
  const pyramid = await readPyramid(path);
  for (const level of pyramid.levels) {
    const { page, subIfd } = level.directory;
    await engine.verify(path, subIfd === null ? { page } : { page, subIfd });
    expect(level.missing).toBe(0);
  }
  const { width, height, record } = pyramid;
  expect(record).toMatchObject({ source: { sha256: expect.stringMatching(/^(?!0{64})[0-9a-f]{64}$/) } });
  return { width, height };
}

/** Milliseconds until a promise settles, whichever way. */
export async function settleTime(promise: Promise<unknown>): Promise<number> {
  const before = performance.now();
  await promise.catch(() => {});
  return performance.now() - before;
}

/** The one in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
