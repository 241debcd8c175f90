/** Files that the pages load, and what they are allowed to load. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A file as it is sent. */
export interface ViewerAsset {
  /** Shared: not to be changed. */
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

const SCRIPT = 'text/javascript; charset=utf-8';

/** What there is, by its name below `/viewer/assets/`. Our own files are the same under `src/` and beside `dist/`. */
const FILES: Readonly<Record<string, { readonly find: () => string; readonly mediaType: string }>> = {
  'openseadragon.js': {
    find: () => createRequire(import.meta.url).resolve('openseadragon/build/openseadragon/openseadragon.min.js'),
    mediaType: SCRIPT,
  },
  'viewer.js': { find: () => own('viewer.js'), mediaType: SCRIPT },
  'tiles.js': { find: () => own('tiles.js'), mediaType: SCRIPT },
  'queries.js': { find: () => own('queries.js'), mediaType: SCRIPT },
  'viewer.css': { find: () => own('viewer.css'), mediaType: 'text/css; charset=utf-8' },
  'icon.svg': { find: () => own('icon.svg'), mediaType: 'image/svg+xml' },
};

/** Names of all files. */
export const VIEWER_ASSETS: readonly string[] = Object.keys(FILES);

function own(name: string): string {
  return fileURLToPath(new URL(`../../src/viewer/assets/${name}`, import.meta.url));
}

const held = new Map<string, Promise<ViewerAsset>>();

/** A file by its name below `/viewer/assets/`, read once; null when there is none of that name. */
export async function viewerAsset(name: string): Promise<ViewerAsset | null> {
  const file = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
  if (file === undefined) return null;
  const asset = held.get(name) ?? readFile(file.find()).then((bytes) => ({ bytes, mediaType: file.mediaType }));
  held.set(name, asset);
  // A shared promise that rejects is forgotten.
  asset.catch(() => held.delete(name));
  return asset;
}

/** Headers of the pages: nothing but our own files and replies is loaded, nothing inline runs, nobody else frames them. */
export const VIEWER_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cache-control': 'no-cache',
};
