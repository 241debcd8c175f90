/** What every kind of source offers: bytes by range, and the form in which native code takes it. */
import type { Readable } from 'node:stream';
import type { NativeInput } from '../native/contract.js';

/**
 * An image to read: a path (string or `file:` URL), an `http:` or `https:` URL (as `URL`, never as a string), bytes in
 * memory (borrowed until the call settles: do not change them), or a stream, which is spooled to a temporary file in the target's folder (a probe: in the system's) and is
 * destroyed when the call has settled, if it has not ended.
 */
export type SourceInput = string | URL | Uint8Array | Readable;

/** Reads up to `length` bytes at `offset`; fewer come back only at the end of the source. The caller owns the bytes. */
export type RangeReader = (offset: number, length: number) => Promise<Uint8Array>;

/** An open source. It does not change while it is open, or {@link Source.verifyUnchanged} says so. */
export interface Source {
  readonly kind: 'file' | 'http' | 'bytes' | 'stream';
  /** What messages and default output names call it: the base name of a file or URL, else `bytes` or `stream`. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /** When the source was last modified, where it is a file, or its server says so. */
  readonly modified: Date | null;
  /**
   * Identity of these bytes: what was made from them may be kept under it. A file's changes when it is replaced, and
   * when its length or modification time changes; that of a URL when its server says another length, ETag or (without a
   * strong ETag) Last-Modified. Bytes in memory get a new one each time they are opened.
   */
  readonly version: string;
  /** Rejects with `SOURCE_UNREADABLE`, also when the source is closed. */
  readonly read: RangeReader;
  /**
   * Fills the whole of `target`, which may lie on a `SharedArrayBuffer`, with the bytes from `offset`. The target is
   * written to until the promise settles, and half filled when it rejects: with `SOURCE_CHANGED` when the source ends
   * before, `SOURCE_UNREADABLE` when it cannot be read or is closed; `ABORTED` by the signal, which ends reads that may
   * take long (those of a URL) and leaves others.
   */
  readInto(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>;
  /**
   * Lends a file's descriptor to another thread of the process; null for what is no file, or closed. It stays open until
   * `release`, for which {@link Source.close} waits.
   */
  lend(): { readonly fd: number; release(): void } | null;
  /**
   * The whole source for a native job. The same object each time; valid until `close`. What is behind a URL is read for
   * it, and rejects as reading does, and with `LIMIT_EXCEEDED` when it is too large to be held.
   */
  nativeInput(): Promise<NativeInput>;
  /** Bytes this source itself holds in memory for native jobs, beyond what its caller gave. */
  readonly heldBytes: number;
  /** SHA-256 of all bytes, lower-case hex. Rejects with `SOURCE_UNREADABLE`, `SOURCE_CHANGED` or `ABORTED`. */
  sha256(signal?: AbortSignal): Promise<string>;
  /**
   * The latest time, in the milliseconds of `performance.now`, at which these bytes are known to have been the newest of
   * their name because a read told so; 0 where reading does not tell.
   */
  confirmedAt(): number;
  /** Rejects with `SOURCE_CHANGED` when the bytes may differ from those that were opened. */
  verifyUnchanged(): Promise<void>;
  /**
   * Rejects with `SOURCE_CHANGED` when what was read through this source may be a mixture of two states of it. A file
   * that was replaced under its path is no such case: an open source goes on reading the old one.
   */
  verifyInPlace(): Promise<void>;
  /** Waits for reads in flight, then lets go of handles and temporary files. May be called more than once. */
  close(): Promise<void>;
}
