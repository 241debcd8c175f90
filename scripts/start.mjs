/** `npm start`: builds a sample pyramid with the command line, prints what `info` says of it, and makes a view of it. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { samplePng } from './sample-png.mjs';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
/** Left to be looked at; git ignores the folder. */
const shown = fileURLToPath(new URL('../build/view.jpg', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pyramidion-'));

/** @param {string[]} args */
function pyramidion(...args) {
  console.log(`\n$ pyramidion ${args.map((arg) => (/[&,]/.test(arg) ? `'${arg}'` : arg)).join(' ')}`);
  const { status } = spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit', cwd: folder });
  if (status !== 0) process.exitCode = status ?? 1;
}

try {
  writeFileSync(join(folder, 'sample.png'), samplePng(3000, 2000));
  pyramidion('build', 'sample.png', 'sample.tif');
  pyramidion('info', 'sample.tif');
  pyramidion('render', 'sample.tif', 'view.jpg', 'wid=800&rotate=10&bgc=ffffff');
  if (existsSync(join(folder, 'view.jpg'))) {
    mkdirSync(dirname(shown), { recursive: true });
    copyFileSync(join(folder, 'view.jpg'), shown);
    console.log(`\nThe view is kept as ${relative(process.cwd(), shown)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
