/**
 * What runs in a worker thread: makes one native call at a time and answers with plain data. Like
 * `../native/index.js` it is JavaScript and imports no TypeScript, so that a thread can load it from `src/` and from
 * `dist/` alike.
 */
import { readSync, rmSync } from 'node:fs';
import { setPriority } from 'node:os';
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { loadNative } from '../native/index.js';

/** @typedef {import('../native/contract.js').NativeAddon} NativeAddon */
/** @typedef {import('./messages.js').WorkerRequest} WorkerRequest */
/** @typedef {import('./messages.js').WorkerAnswer} WorkerAnswer */
/** @typedef {typeof import('../native/contract.js').CONTROL} Control */
/** @typedef {typeof import('../native/contract.js').STOP} Stop */
/** @typedef {typeof import('./messages.js').BEGUN} Begun */

// The values of `contract.ts` and `messages.ts`, which cannot be imported here; the compiler compares them.
/** @satisfies {Pick<Control, 'stop'>} */
const CONTROL = { stop: /** @type {const} */ (0) };
/** @satisfies {Pick<Stop, 'run' | 'overBudget'>} */
const STOP = { run: /** @type {const} */ (0), overBudget: /** @type {const} */ (2) };
/** @satisfies {Begun} */
const BEGUN = {
  waits: /** @type {const} */ (0),
  taken: /** @type {const} */ (1),
  withdrawn: /** @type {const} */ (2),
};

/**
 * The function that answers requests with the addon that `load` yields. `load` is called for every request, so that
 * a missing addon is the answer to each of them and not the death of the thread.
 *
 * An answer never is an exception: whatever goes wrong is in its `error`. The metadata blocks of a probe and the
 * bytes of a rendition are moved to the other thread rather than copied.
 *
 * @param {() => NativeAddon} load
 * @returns {(request: WorkerRequest) => WorkerAnswer}
 */
export function createHandler(load) {
  return (request) => {
    try {
      if (Atomics.compareExchange(request.begun, 0, BEGUN.waits, BEGUN.taken) === BEGUN.withdrawn)
        throw failure('ABORTED', 'the job was withdrawn');
      return moved({ value: call(load(), request) });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      const { code = 'INTERNAL', detail = error.stack } =
        /** @type {{ code?: import('../errors.js').ErrorCode, detail?: string }} */ (error);
      return { error: { code, message: error.message, detail } };
    }
  };
}

/**
 * @param {NativeAddon} native
 * @param {WorkerRequest} request
 */
function call(native, { task, job }) {
  switch (task) {
    case 'capabilities':
      return native.capabilities();
    case 'probe':
      return native.probe(/** @type {import('../native/contract.js').ProbeJob} */ (job));
    case 'verify':
      return verify(native, /** @type {import('../native/contract.js').VerifyJob} */ (job));
    case 'build':
      return build(native, /** @type {import('../native/contract.js').BuildJob} */ (job));
    case 'render':
      return render(native, /** @type {import('../native/contract.js').RenderJob} */ (job));
  }
}

/**
 * @param {NativeAddon} native
 * @param {import('../native/contract.js').VerifyJob} job
 */
function verify(native, job) {
  stopIfTold(job.control);
  native.verify(job);
  return undefined;
}

/**
 * @param {NativeAddon} native
 * @param {import('../native/contract.js').RenderJob} job
 */
function render(native, job) {
  stopIfTold(job.control);
  const { source, control } = job;
  if (source?.kind !== 'level' || source.reads === undefined) return native.render(job);
  return native.render({ ...job, source: { ...source, tiff: readWhole(source.tiff, source.reads, control) } });
}

/** Room for the stored bytes of one view after another; a larger one has room of its own. */
const SCRATCH_BYTES = 4 << 20;
/** @type {Buffer | null} */
let scratch = null;

/**
 * The bytes at hand with the ranges of the file behind them; valid until the next call.
 * @param {Uint8Array} head
 * @param {import('../native/contract.js').FileReads} reads
 * @param {BigInt64Array} control
 */
function readWhole(head, { fd, bytes, runs }, control) {
  scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  const whole = bytes <= SCRATCH_BYTES ? scratch.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);
  whole.set(head);
  for (let i = 0; i < runs.length; i += 3) {
    const [position = 0, length = 0, offset = 0] = runs.subarray(i, i + 3);
    for (let filled = 0; filled < length; ) {
      stopIfTold(control);
      const got = readSome(fd, whole, position + filled, Math.min(length - filled, MOST_READ), offset + filled);
      if (got === 0) throw failure('SOURCE_CHANGED', 'the source became shorter while it was read');
      filled += got;
    }
  }
  return whole;
}

/** @param {number} fd @param {Buffer} into @param {number} at @param {number} length @param {number} offset */
function readSome(fd, into, at, length, offset) {
  try {
    return readSync(fd, into, at, length, offset);
  } catch (thrown) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (thrown);
    throw Object.assign(failure('SOURCE_UNREADABLE', `the source cannot be read (${code})`), { detail: message });
  }
}

/** Bytes of one call to the system: between two of them a view can be stopped. */
const MOST_READ = 4 << 20;

/** @param {import('../errors.js').ErrorCode} code @param {string} message */
function failure(code, message) {
  return Object.assign(new Error(message), { code, detail: '' });
}

/**
 * @param {NativeAddon} native
 * @param {import('../native/contract.js').BuildJob} job
 */
function build(native, job) {
  stopIfTold(job.control);
  const result = native.build(job);
  try {
    // Told at the last moment, the native code may have missed it; nobody waits for the file any more.
    stopIfTold(job.control);
  } catch (stopped) {
    rmSync(job.output, { force: true });
    throw stopped;
  }
  return result;
}

/** @param {BigInt64Array} control */
function stopIfTold(control) {
  const stop = Number(Atomics.load(control, CONTROL.stop));
  if (stop === STOP.run) return;
  const code = stop === STOP.overBudget ? 'BUDGET_OVERRUN' : 'ABORTED';
  throw failure(code, 'the job was told to stop');
}

/**
 * @param {{ value: object | undefined }} answer
 * @returns {WorkerAnswer}
 */
function moved(answer) {
  /** @type {Set<ArrayBuffer>} */
  const buffers = new Set();
  for (const block of Object.values(answer.value ?? {})) {
    const whole = block instanceof Uint8Array && block.byteLength === block.buffer.byteLength;
    if (whole && block.buffer instanceof ArrayBuffer) buffers.add(block.buffer);
  }
  const transferable = { [transferableSymbol]: [...buffers], [valueSymbol]: answer };
  // piscina's types know its symbols as plain ones, and what is moved arrives as `answer`.
  return /** @type {WorkerAnswer} */ (
    /** @type {unknown} */ (move(/** @type {Parameters<typeof move>[0]} */ (/** @type {unknown} */ (transferable))))
  );
}

// Threads that make views may have to stand back; on other systems than Linux this is not a thread's own.
const niceness = Number(workerData?.niceness ?? 0);
if (niceness > 0 && process.platform === 'linux') setPriority(niceness);

export default createHandler(loadNative);
