import { expect } from 'vitest';
import { type ErrorCode, PyramidionError } from '../../../src/errors.js';

/** What `work` yields; undefined when it throws one of these errors of ours. Anything else it throws fails the test. */
export function attempt<Result>(codes: readonly ErrorCode[], work: () => Result): Result | undefined {
  try {
    return work();
  } catch (error) {
    expect(error).toBeInstanceOf(PyramidionError);
    expect(codes).toContain((error as PyramidionError).code);
    return undefined;
  }
}
