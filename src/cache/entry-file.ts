/**
 * One entry of the disk tier as a file. Numbers are little-endian:
 *
 * | Bytes | Holds |
 * | --- | --- |
 * | 0–3 | `PYRC` |
 * | 4–7 | version of this form |
 * | 8–11 | length of the header |
 * | 12–19 | length of the body, a 64-bit float |
 * | 20–23 | CRC-32 of bytes 0–19 and the header |
 * | 24– | header: JSON in UTF-8; then the body, whose MD5 the header holds |
 *
 * The time of modification is when the entry's sources were last looked at, so that to look again writes nothing else.
 */
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, open, unlink, utimes } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { CachedReply } from './types.js';

/** A reply, and when its sources were last known to be as they were when it was made. */
export interface Entry {
  readonly reply: CachedReply;
  /** Milliseconds since 1970. */
  readonly validatedAt: number;
}

/** What the account of the disk has to know of an entry. */
export interface ListedEntry {
  /** Length of the body. */
  readonly bytes: number;
  readonly subject: string;
  /** When it was last read or looked at, as far as the file system tells; milliseconds since 1970. */
  readonly usedAt: number;
}

const MAGIC = 0x43525950;
const VERSION = 1;
const START_BYTES = 24;
const CRC_AT = 20;
/** Read at once: the start, nearly every header, and small bodies with it. */
const FIRST_BYTES = 16 * 1024;
/** Read and hashed at once: to hash it takes a millisecond or two. */
const CHUNK_BYTES = 1024 ** 2;

type Header = Omit<CachedReply, 'body'> & { readonly key: string };

/** Writes a new file. Rejects where that fails; what is there then is the caller's to remove. */
export async function writeEntry(path: string, key: string, { reply, validatedAt }: Entry): Promise<void> {
  const { body, ...facts } = reply;
  const header = Buffer.from(JSON.stringify({ key, ...facts } satisfies Header));
  const start = Buffer.alloc(START_BYTES);
  start.writeUInt32LE(MAGIC, 0);
  start.writeUInt32LE(VERSION, 4);
  start.writeUInt32LE(header.length, 8);
  start.writeDoubleLE(body.byteLength, 12);
  start.writeUInt32LE(crc32(header, crc32(start.subarray(0, CRC_AT))), CRC_AT);
  const file = await open(path, 'wx');
  try {
    const { bytesWritten } = await file.writev([start, header, body]);
    if (bytesWritten !== start.length + header.length + body.byteLength)
      throw new Error('the file was not written whole');
    await file.utimes(validatedAt / 1000, validatedAt / 1000);
  } finally {
    await file.close();
  }
}

/** Notes that the entry's sources were looked at, at `validatedAt` (milliseconds since 1970). Rejects with the file system's error. */
export function refreshEntry(path: string, validatedAt: number): Promise<void> {
  return utimes(path, validatedAt / 1000, validatedAt / 1000);
}

/** Removes a file, if it is there. Rejects with the file system's error. */
export async function removeEntry(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/**
 * Reads the entry of a key, whole and checked, or says why there is none: no such file, or not the bytes that were
 * written for this key. Rejects with the file system's error. The body is the caller's.
 */
export function readEntry(path: string, key: string): Promise<Entry | 'missing' | 'damaged'> {
  return withFile(path, async (file) => {
    const opened = await readHeader(file, key);
    if (opened === null) return 'damaged';
    const { header, bodyBytes, bodyAt, first, stats } = opened;
    const body = Buffer.allocUnsafeSlow(bodyBytes);
    const hash = createHash('md5');
    let filled = first.copy(body, 0, bodyAt);
    hash.update(body.subarray(0, filled));
    while (filled < bodyBytes) {
      const { bytesRead } = await file.read(body, filled, Math.min(CHUNK_BYTES, bodyBytes - filled), bodyAt + filled);
      if (bytesRead === 0) return 'damaged';
      hash.update(body.subarray(filled, filled + bytesRead));
      filled += bytesRead;
    }
    if (hash.digest('hex') !== header.digest) return 'damaged';
    const { key: _, ...facts } = header;
    return { reply: { body, ...facts }, validatedAt: Math.round(stats.mtimeMs) };
  });
}

/** What the account has to know of the entry of a key; its body is not looked at, only whether it is as long as it should be. */
export function listEntry(path: string, key: string): Promise<ListedEntry | 'missing' | 'damaged'> {
  return withFile(path, async (file) => {
    const opened = await readHeader(file, key);
    if (opened === null) return 'damaged';
    const { header, bodyBytes, stats } = opened;
    return { bytes: bodyBytes, subject: header.subject, usedAt: Math.max(stats.atimeMs, stats.mtimeMs) };
  });
}

interface OpenedEntry {
  readonly header: Header;
  readonly bodyBytes: number;
  readonly bodyAt: number;
  /** The file's first bytes. */
  readonly first: Buffer;
  readonly stats: Stats;
}

/** null: damaged, cut short, or another key's. */
async function readHeader(file: FileHandle, key: string): Promise<OpenedEntry | null> {
  const stats = await file.stat();
  let first = await readStart(file, FIRST_BYTES);
  if (first.length < START_BYTES) return null;
  if (first.readUInt32LE(0) !== MAGIC || first.readUInt32LE(4) !== VERSION) return null;
  const bodyAt = START_BYTES + first.readUInt32LE(8);
  const bodyBytes = first.readDoubleLE(12);
  if (bodyAt + bodyBytes !== stats.size) return null;
  if (bodyAt > first.length) first = await readStart(file, bodyAt);
  const text = first.subarray(START_BYTES, bodyAt);
  if (crc32(text, crc32(first.subarray(0, CRC_AT))) !== first.readUInt32LE(CRC_AT)) return null;
  // The checksum says that it is what writeEntry wrote.
  const header = JSON.parse(text.toString('utf8')) as Header;
  return header.key === key ? { header, bodyBytes, bodyAt, first, stats } : null;
}

/** The first bytes of a file, or all of it where it is shorter. */
async function readStart(file: FileHandle, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await file.read(buffer, filled, bytes - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

async function withFile<Result>(
  path: string,
  work: (file: FileHandle) => Promise<Result>,
): Promise<Result | 'missing'> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'missing';
    throw error;
  }
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}
