/** Temporary files beside a target: how they are named, and how those of dead processes are found and removed. */
import { createHash, randomBytes } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { lstat, opendir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** The end of every temporary name. */
const SUFFIX = 'pyramidion-part';
const NAME = new RegExp(`^\\..*\\.([0-9a-f]{8})-(\\d+)-[0-9a-f]{16}\\.${SUFFIX}$`);

/** Longest part of the target's name that is repeated: file systems allow 255 bytes in all. */
const MAX_NAME_BYTES = 120;

/** What no process has touched for this long is nobody's, whoever made it. */
const STALE_MS = 24 * 3600 * 1000;
/** A folder is looked through again after this time at the earliest. */
const SWEEP_AGAIN_MS = 60_000;

/**
 * Where a process number means something: this machine, and on Linux this container's own numbering. As a hash, so that
 * file names on a share do not tell the name of the machine.
 */
const HOST = createHash('sha256').update(`${hostname()} ${processNamespace()}`).digest('hex').slice(0, 8);

/** Temporaries of this process that are in use, however many copies of this module it has loaded. */
const live = processWide('live', () => new Set<string>());
/** When each folder was last looked through. */
const swept = processWide('swept', () => new Map<string, number>());

/** A name for one file, in use until it is released. */
export interface Temporary {
  readonly path: string;
  /** Removes the file, if it is still there, and gives the name up. Never rejects. */
  release(): Promise<void>;
}

/** Names a temporary file in the target's folder. The file itself is the caller's to create. */
export function temporaryBeside(target: string): Temporary {
  const name = Buffer.from(basename(target))
    .subarray(0, MAX_NAME_BYTES)
    .toString('utf8')
    .replace(/\ufffd+$/, '');
  const file = `.${name}.${HOST}-${process.pid}-${randomBytes(8).toString('hex')}.${SUFFIX}`;
  const path = join(dirname(target), file);
  live.add(path);
  return {
    path,
    release: async () => {
      await rm(path, { force: true }).catch(() => {});
      live.delete(path);
    },
  };
}

/**
 * Removes temporaries in `folder` whose process is dead (same host) or which nobody has touched for a day. Never
 * rejects: what cannot be read or removed is left for another time. Yields the paths removed.
 */
export async function sweepStale(folder: string, now = Date.now()): Promise<string[]> {
  if (now - (swept.get(folder) ?? Number.NEGATIVE_INFINITY) < SWEEP_AGAIN_MS) return [];
  for (const [other, at] of swept) if (now - at >= SWEEP_AGAIN_MS) swept.delete(other);
  swept.set(folder, now);
  const removed: string[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      const path = join(folder, entry.name);
      if (!entry.isFile() || live.has(path) || !(await isStale(path, now))) continue;
      await rm(path, { force: true }).then(
        () => removed.push(path),
        () => {},
      );
    }
  } catch {
    // A folder that cannot be listed is reported by whoever writes into it.
  }
  return removed;
}

/** Forgets when folders were looked through: for tests. */
export function forgetSweeps(): void {
  swept.clear();
}

async function isStale(path: string, now: number): Promise<boolean> {
  const [, host, pid] = NAME.exec(basename(path)) ?? [];
  if (host === undefined || pid === undefined) return false;
  const isOurs = host === HOST;
  if (isOurs && !isAlive(Number(pid))) return true;
  const found = await lstat(path).catch(() => null);
  if (found === null) return false;
  // A container's first process has the same number each time: what is older than this process was left by another.
  const isOlder = isOurs && Number(pid) === process.pid && found.mtimeMs < now - process.uptime() * 1000 - 1000;
  return isOlder || now - found.mtimeMs > STALE_MS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

function processWide<Value>(name: string, make: () => Value): Value {
  const key = Symbol.for(`pyramidion.temporary.${name}`);
  const registry = globalThis as { [key: symbol]: unknown };
  registry[key] ??= make();
  return registry[key] as Value;
}
