/** What every kind of source offers: bytes by range, and the form in which native code takes it. */
import type { Readable } from 'node:stream';
import type { NativeInput } from '../native/contract.js';

/**
 * An image to read: a path (string or `file:` URL), bytes in memory (borrowed until the call settles: do not change
 * them), or a stream, which is spooled to a temporary file in the target's folder (a probe: in the system's) and is
 * destroyed when the call has settled, if it has not ended.
 */
export type SourceInput = string | URL | Uint8Array | Readable;

/** Reads up to `length` bytes at `offset`; fewer come back only at the end of the source. The caller owns the bytes. */
export type RangeReader = (offset: number, length: number) => Promise<Uint8Array>;

/** An open source. It does not change while it is open, or {@link Source.verifyUnchanged} says so. */
export interface Source {
  readonly kind: 'file' | 'bytes' | 'stream';
  /** What messages and default output names call it: a file's base name, else `bytes` or `stream`. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /** When the source was last modified, where it is a file. */
  readonly modified: Date | null;
  /** Rejects with `SOURCE_UNREADABLE`. */
  readonly read: RangeReader;
  /** The whole source for a native job. The same object each time; valid until `close`. */
  nativeInput(): NativeInput;
  /** Bytes this source itself holds in memory for native jobs, beyond what its caller gave. */
  readonly heldBytes: number;
  /** SHA-256 of all bytes, lower-case hex. Rejects with `SOURCE_UNREADABLE`, `SOURCE_CHANGED` or `ABORTED`. */
  sha256(signal?: AbortSignal): Promise<string>;
  /** Rejects with `SOURCE_CHANGED` when the bytes may differ from those that were opened. */
  verifyUnchanged(): Promise<void>;
  /** Lets go of handles and temporary files. May be called more than once. */
  close(): Promise<void>;
}
