import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pyramidion-install-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Puts programs that print `text` on the only folder of the PATH. */
function provide(programs: readonly string[], text = ''): void {
  for (const program of programs) {
    writeFileSync(join(folder, program), `#!/bin/sh\necho '${text}'\n`);
    chmodSync(join(folder, program), 0o755);
  }
}

/** Runs the install script with that PATH. */
function install(script = 'scripts/build-native.mjs'): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [script], { encoding: 'utf8', env: { PATH: folder } });
}

describe.skipIf(process.platform !== 'linux')('the install script names what is missing and how to mend it', () => {
  it('every tool, in one command', () => {
    provide(['apt-get']);
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain('a C++17 compiler (g++ or clang++); make (or ninja); CMake 3.18 or newer');
    expect(stderr).toContain('Mend it with:\n\n  apt-get install -y g++ make cmake\n');
  });

  it.each([
    ['apk', 'apk add g++'],
    ['dnf', 'dnf install -y gcc-c++'],
    ['pacman', 'pacman -S --noconfirm gcc'],
  ])('the compiler, with %s', (manager, command) => {
    provide(['make', manager]);
    provide(['cmake'], 'cmake version 3.25.1');
    expect(install().stderr).toContain(`a C++17 compiler (g++ or clang++).\nMend it with:\n\n  ${command}\n`);
  });

  it.each(['3.17.5', '2.8.12'])('CMake, when it is %s', (version) => {
    provide(['g++', 'ninja', 'apt-get']);
    provide(['cmake'], `cmake version ${version}`);
    expect(install().stderr).toContain('CMake 3.18 or newer.\nMend it with:\n\n  apt-get install -y cmake\n');
  });

  it('without a package manager it knows', () => {
    provide(['g++', 'make']);
    expect(install().stderr).toContain('install cmake with the package manager of this system');
  });

  it('a package that npm left out', () => {
    provide(['g++', 'make']);
    provide(['cmake'], 'cmake version 3.25.1');
    const root = join(folder, 'package');
    mkdirSync(root);
    cpSync('scripts', join(root, 'scripts'), { recursive: true });
    const { status, stderr } = install(join(root, 'scripts/build-native.mjs'));
    expect(status).toBe(1);
    expect(stderr).toContain(
      'the npm package detect-libc is not installed.\nMend it with:\n\n  npm install --include=optional\n',
    );
  });
});
