/**
 * Builds the addon into native/build/Release. `npm install` and `npm rebuild` run this as the install script,
 * developers as `npm run build:native`, and binding.gyp forwards here. It first looks for everything the build needs
 * and names what is missing with the command that mends it; then cmake-js drives native/CMakeLists.txt, which compiles
 * only what has changed. Nothing is downloaded.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @typedef {'compiler' | 'make' | 'cmake'} Tool */

const directory = fileURLToPath(new URL('../native', import.meta.url));
const out = join(directory, 'build');
const windows = process.platform === 'win32';
const oldestCMake = { major: 3, minor: 18 };

/** How to install the tools, by the package manager that is found first. */
const installers = [
  { program: 'apt-get', command: 'apt-get install -y', compiler: 'g++', make: 'make', cmake: 'cmake' },
  { program: 'apk', command: 'apk add', compiler: 'g++', make: 'make', cmake: 'cmake' },
  { program: 'dnf', command: 'dnf install -y', compiler: 'gcc-c++', make: 'make', cmake: 'cmake' },
  { program: 'zypper', command: 'zypper install -y', compiler: 'gcc-c++', make: 'make', cmake: 'cmake' },
  { program: 'pacman', command: 'pacman -S --noconfirm', compiler: 'gcc', make: 'make', cmake: 'cmake' },
  { program: 'brew', command: 'brew install', compiler: 'llvm', make: 'make', cmake: 'cmake' },
  { program: 'winget.exe', command: 'winget install', compiler: '', make: '', cmake: 'Kitware.CMake' },
];

/** @param {string} program */
function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

function hasCMake() {
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(String(spawnSync('cmake', ['--version']).stdout)) ?? [];
  const older = Number(major) === oldestCMake.major && Number(minor) < oldestCMake.minor;
  return major !== undefined && Number(major) >= oldestCMake.major && !older;
}

/** What of the tools is not here. On Windows cmake-js itself looks for Visual Studio, which has a make of its own. */
function findMissingTools() {
  /** @type {{ tool: Tool; name: string }[]} */
  const missing = [];
  if (!windows && !onPath('g++') && !onPath('clang++'))
    missing.push({ tool: 'compiler', name: 'a C++17 compiler (g++ or clang++)' });
  if (!windows && !onPath('make') && !onPath('ninja')) missing.push({ tool: 'make', name: 'make (or ninja)' });
  if (!hasCMake()) missing.push({ tool: 'cmake', name: `CMake ${oldestCMake.major}.${oldestCMake.minor} or newer` });
  return missing;
}

/** The command that installs `tools` here. @param {readonly Tool[]} tools */
function installCommand(tools) {
  const installer = installers.find(({ program }) => onPath(program));
  return installer
    ? `${installer.command} ${tools.map((tool) => installer[tool]).join(' ')}`
    : `install ${tools.join(', ')} with the package manager of this system`;
}

/** Ends the process. @param {string} problem @param {string} [remedy] a command */
function fail(problem, remedy) {
  console.error(`\npyramidion: ${problem}`);
  if (remedy) console.error(`Mend it with:\n\n  ${remedy}\n`);
  process.exit(1);
}

/** What a rejected promise says. @param {unknown} reason */
function messageOf(reason) {
  return reason instanceof Error ? reason.message : String(reason);
}

const missing = findMissingTools();
if (missing.length > 0) {
  const names = missing.map(({ name }) => name).join('; ');
  fail(
    `the addon is compiled when it is installed, and this is not here: ${names}.`,
    installCommand(missing.map(({ tool }) => tool)),
  );
}

// Imported only now, so that a package that is not there ends in a message too.
try {
  const { locateParts } = await import('./base.mjs');
  locateParts();
} catch (error) {
  const [name = 'a package'] = /@img\/[\w-]+|node-[\w-]+|detect-libc/.exec(messageOf(error)) ?? [];
  const optionalOnWindows = name.startsWith('@img/sharp-libvips-win32');
  fail(
    `the npm package ${name} is not installed.`,
    optionalOnWindows ? `npm install ${name}@^1.3.3` : 'npm install --include=optional',
  );
}

const { BuildSystem } = await import('cmake-js');
const build = new BuildSystem({ directory, out, parallel: availableParallelism() });
try {
  await build.configure().catch(() => {
    // Most likely the build folder of another place or generator: once more, from nothing.
    rmSync(out, { recursive: true, force: true });
    return build.configure();
  });
  await build.build();
} catch (error) {
  fail(`the native build failed (${messageOf(error)}); its output above says why.`);
}
