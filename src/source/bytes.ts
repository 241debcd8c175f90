import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { PyramidionError } from '../errors.js';
import type { NativeInput } from '../native/contract.js';
import { sha256Of } from './hash.js';
import type { Source } from './types.js';

/**
 * A source of bytes in memory. They are borrowed until the source is closed. For native jobs they are copied once into
 * shared memory: any other way each job would copy them again on its way to a worker, together with whatever else lies
 * in the same `ArrayBuffer`.
 */
export function openBytes(bytes: Uint8Array): Source {
  const size = bytes.byteLength;
  let input: NativeInput | null = null;

  const read = async (offset: number, length: number): Promise<Uint8Array> => bytes.slice(offset, offset + length);

  return {
    kind: 'bytes',
    name: 'bytes',
    size,
    modified: null,
    heldBytes: size,
    version: `bytes-${randomUUID()}`,
    read,
    readInto: async (target, offset) => {
      if (offset + target.byteLength > size) {
        throw new PyramidionError('SOURCE_CHANGED', `the source ends before byte ${offset + target.byteLength}`);
      }
      target.set(bytes.subarray(offset, offset + target.byteLength));
    },
    lend: () => null,
    nativeInput: async () => {
      if (input === null) {
        const shared = new Uint8Array(new SharedArrayBuffer(size));
        shared.set(bytes);
        input = { bytes: shared };
      }
      return input;
    },
    sha256: (signal) =>
      sha256Of(
        async (_buffer, offset, length) => {
          await setImmediate();
          return bytes.subarray(offset, offset + length);
        },
        size,
        signal,
      ),
    confirmedAt: () => 0,
    verifyUnchanged: async () => {},
    verifyInPlace: async () => {},
    close: async () => {
      input = null;
    },
  };
}
