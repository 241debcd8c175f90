/**
 * Configures, builds and runs the C++ tests of the core with plain CMake. `--sanitize` does so under the address and
 * undefined-behaviour sanitizers and builds the addon that way too, for scripts/sanitize-workers.mjs. Any other
 * argument is a text: only tests whose name holds it are run.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const sanitize = process.argv.includes('--sanitize');
const filter = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const source = fileURLToPath(new URL('../native', import.meta.url));
const build = `${source}/build/${sanitize ? 'sanitize' : 'test'}`;
const targets = sanitize ? ['pyramidion_tests', 'pyramidion'] : ['pyramidion_tests'];

/** @param {string} command @param {readonly string[]} args */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) console.error(error.message);
  if (status !== 0) process.exit(status ?? 1);
}

run('cmake', ['-S', source, '-B', build, '-DPYRAMIDION_TESTS=ON', `-DPYRAMIDION_SANITIZE=${sanitize ? 'ON' : 'OFF'}`]);
run('cmake', ['--build', build, '--parallel', String(availableParallelism()), '--target', ...targets]);
run(`${build}/pyramidion_tests`, filter);
