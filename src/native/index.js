/**
 * Finds and loads the native addon. It runs unchanged from `src/` and from `dist/` and imports no TypeScript, so that
 * a worker thread can load it from either. What it throws has the shape of the addon's own errors: an `Error` with
 * `code` and `detail`.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { familySync, MUSL } from 'detect-libc';

/** Oldest libvips base package without known memory-safety advisories. */
const OLDEST_BASE = '1.3.3';

const require = createRequire(import.meta.url);
const addonPath = fileURLToPath(new URL('../../native/build/Release/pyramidion.node', import.meta.url));
const basePackage = `@img/sharp-libvips-${process.platform}${familySync() === MUSL ? MUSL : ''}-${process.arch}`;

/**
 * @param {'NATIVE_MISSING' | 'NATIVE_TOO_OLD'} code
 * @param {string} message
 * @param {unknown} [cause]
 */
function failure(code, message, cause) {
  return Object.assign(new Error(message, { cause }), { code, detail: cause instanceof Error ? cause.message : '' });
}

/**
 * Whether version `a` comes before version `b`; both are `major.minor.patch`, a prerelease counts as its release.
 *
 * @param {string} a
 * @param {string} b
 */
function isOlder(a, b) {
  return a.localeCompare(b, 'en', { numeric: true }) < 0;
}

function checkBase() {
  /** @type {string} */
  let version;
  try {
    ({ version } = require(`${basePackage}/package`));
  } catch (error) {
    const remedy = process.platform === 'win32' ? `npm install ${basePackage}` : 'npm install --include=optional';
    throw failure(
      'NATIVE_MISSING',
      `the libvips base package ${basePackage} is not installed; mend it with: ${remedy}`,
      error,
    );
  }
  if (isOlder(version, OLDEST_BASE)) {
    throw failure(
      'NATIVE_TOO_OLD',
      `the libvips base package ${basePackage} is ${version}, and ${OLDEST_BASE} is the oldest safe one; ` +
        `mend it with: npm install ${basePackage}@^${OLDEST_BASE}`,
    );
  }
}

/** @type {import('./contract.js').NativeAddon | undefined} */
let addon;

/**
 * Loads the addon, once a thread however often it is called.
 *
 * @returns {import('./contract.js').NativeAddon} the addon; libvips starts with its first call
 * @throws {Error} `NATIVE_MISSING` when the base package or the built addon is not there or does not load,
 *   `NATIVE_TOO_OLD` when the base package is older than the oldest safe one; the message has the command that mends it
 */
export function loadNative() {
  addon ??= load();
  return addon;
}

/** @returns {import('./contract.js').NativeAddon} */
function load() {
  checkBase();
  if (!existsSync(addonPath)) {
    throw failure('NATIVE_MISSING', 'the native addon has not been built; mend it with: npm rebuild pyramidion');
  }
  try {
    return require(addonPath);
  } catch (error) {
    throw failure(
      'NATIVE_MISSING',
      'the native addon does not load here; mend it with: npm rebuild pyramidion --foreground-scripts',
      error,
    );
  }
}
