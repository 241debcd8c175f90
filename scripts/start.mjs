/** `npm start`: builds a sample pyramid with the command line, and prints what `info` says of it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { samplePng } from './sample-png.mjs';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pyramidion-'));

/** @param {string[]} args */
function pyramidion(...args) {
  console.log(`$ pyramidion ${args.join(' ')}`);
  const { status } = spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit', cwd: folder });
  if (status !== 0) process.exitCode = status ?? 1;
}

try {
  writeFileSync(join(folder, 'sample.png'), samplePng(3000, 2000));
  pyramidion('build', 'sample.png', 'sample.tif');
  pyramidion('info', 'sample.tif');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
