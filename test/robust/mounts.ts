/** Small disks of their own, where root may mount them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const isRoot = process.getuid?.() === 0;

/** Mounts an empty tmpfs on a new folder; null when that is not allowed here. */
export function mountTmpfs(options: string): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'pyramidion-disk-'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'pyramidion-test', folder]).status === 0) return folder;
  rmdirSync(folder);
  return null;
}

/** Changes the options of a mounted tmpfs. */
export function remount(folder: string, options: string): void {
  const { status, stderr } = spawnSync('mount', ['-o', `remount,${options}`, folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`remount ${options}: ${stderr}`);
}

export function unmount(folder: string): void {
  const { status, stderr } = spawnSync('umount', [folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`umount: ${stderr}`);
  rmdirSync(folder);
}

/** Whether disks can be mounted: as root, where the container allows it. */
export const canMount = isRoot && isMountable();

function isMountable(): boolean {
  const folder = mountTmpfs('size=64k');
  if (folder !== null) unmount(folder);
  return folder !== null;
}
