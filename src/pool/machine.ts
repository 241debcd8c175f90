import { readFileSync } from 'node:fs';
import os from 'node:os';

/** Reads a small text file; null when it cannot be read. Given by tests. */
export type ReadText = (path: string) => string | null;

/**
 * Bytes left out of the budget for the process itself, on top of what is resident when the engine starts: the worker
 * threads' JavaScript heaps (about 10 MB each), growth of the main heap, buffers of the C library.
 */
export const PROCESS_RESERVE_BYTES = 64 * 1024 ** 2;

/**
 * Bytes of memory this process may use in all: the machine's, or the least limit of the control groups it is in. It is
 * the size of the machine, not what is free at the moment; swap is not counted. Files that cannot be read, as on other
 * systems than Linux, mean no limit.
 *
 * Control groups of both versions are read: `memory.max` and `memory.high` (beyond which the kernel slows the group to
 * a crawl), and `memory.limit_in_bytes`, from the process's own group up to the root, as a limit on any of them binds.
 */
export function availableMemory(read: ReadText = readText, total: number = os.totalmem()): number {
  let bytes = total;
  for (const folder of controlGroups(read, 'memory')) {
    for (const file of ['memory.max', 'memory.high', 'memory.limit_in_bytes']) {
      bytes = Math.min(bytes, wholeNumber(read(`${folder}/${file}`)) ?? bytes);
    }
  }
  return bytes;
}

/**
 * Processors this process may keep busy, at least 1: those its affinity allows, or the CPU quota of its control groups
 * where that is less. A part of a processor counts as a whole one, so that the quota is used up: 1.5 gives 2.
 */
export function availableProcessors(
  read: ReadText = readText,
  parallelism: number = os.availableParallelism(),
): number {
  let processors = parallelism;
  for (const folder of controlGroups(read, 'cpu')) {
    const [quotaV2, periodV2] = (read(`${folder}/cpu.max`) ?? '').trim().split(/\s+/);
    const quota = wholeNumber(quotaV2 || read(`${folder}/cpu.cfs_quota_us`));
    const period = wholeNumber(periodV2 || read(`${folder}/cpu.cfs_period_us`));
    if (quota !== null && period !== null && period > 0) processors = Math.min(processors, Math.ceil(quota / period));
  }
  return Math.max(1, processors);
}

/**
 * The budget that can be kept: `maxBytes`, or what the machine has less what the process needs for itself — what is
 * resident now and {@link PROCESS_RESERVE_BYTES} — where that is less. 0 when nothing is left: then every job is
 * refused.
 */
export function budgetLimit(
  maxBytes: number,
  available: number = availableMemory(),
  resident: number = process.memoryUsage.rss(),
): number {
  return Math.max(0, Math.min(maxBytes, available - resident - PROCESS_RESERVE_BYTES));
}

const MOUNT = '/sys/fs/cgroup';

/**
 * Folders of the control groups that bind this process, as far as they can exist: version 2 under the mount point (or
 * `unified` beside version 1), version 1 under the controller's name. A container often sees its group's path of the
 * host and its own limits at the root, so the root always counts.
 */
function controlGroups(read: ReadText, controller: string): Set<string> {
  const folders = new Set<string>();
  const add = (mount: string, path: string): void => {
    const names = path.split('/').filter((name) => name !== '');
    // A path out of the visible tree (`/../..`) names no folder here.
    if (names.includes('..')) names.length = 0;
    for (; names.length > 0; names.pop()) folders.add(`${mount}/${names.join('/')}`);
    folders.add(mount);
  };
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === '' && path !== '') {
      add(MOUNT, path);
      add(`${MOUNT}/unified`, path);
    } else if (controllers.split(',').includes(controller)) {
      add(`${MOUNT}/${controller}`, path);
      add(`${MOUNT}/${controllers}`, path);
    }
  }
  add(MOUNT, '/');
  add(`${MOUNT}/${controller}`, '/');
  return folders;
}

/** `max` and −1 say that there is no limit. */
function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text.trim()) ? Number(text) : null;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
