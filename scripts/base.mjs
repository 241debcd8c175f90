/**
 * Where the parts of the native build lie, all of them npm packages: libvips for this platform, its headers, and the
 * Node-API headers. `native/CMakeLists.txt` runs this file and reads one `KEY=value` a line.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { familySync, MUSL } from 'detect-libc';

const require = createRequire(import.meta.url);
const libc = familySync() === MUSL ? MUSL : '';

/** Name of the package that holds libvips for this platform. */
export const basePackage = `@img/sharp-libvips-${process.platform}${libc}-${process.arch}`;

/** Finds every part; throws the resolver's error when one is not installed. */
export function locateParts() {
  return {
    BASE_PACKAGE: basePackage,
    VIPS_INCLUDE: require('@img/sharp-libvips-dev/include'),
    VIPS_CPLUSPLUS: require('@img/sharp-libvips-dev/cplusplus'),
    VIPS_LIB: require(`${basePackage}/lib`),
    NODE_API_INCLUDE: require('node-api-headers').include_dir,
    NODE_ADDON_API_INCLUDE: dirname(require.resolve('node-addon-api')),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [key, value] of Object.entries(locateParts())) console.log(`${key}=${value.replaceAll('\\', '/')}`);
}
