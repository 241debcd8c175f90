/** Which images a library has, for people to choose from. */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { isHttpUrl } from '../source/http.js';

/** What was found. */
export interface Listing {
  /** Objects as requests name them, without a leading slash, in order. */
  readonly paths: readonly string[];
  /** More than these were there, and were not looked for. */
  readonly isCut: boolean;
}

const EXTENSIONS = new Set(['.tif', '.tiff', '.jpg', '.jpeg', '.png', '.webp', '.gif', '.avif']);
const RENDITIONS = 'renditions';
/** How deep folders are looked into. */
const MAX_DEPTH = 16;

/**
 * The images of the roots that are folders, up to `limit`: plain files and folders of renditions. Links and hidden
 * names are passed over.
 */
export async function listImages(roots: readonly string[], limit: number): Promise<Listing> {
  const found = new Set<string>();
  const search = async (folder: string, path: string, depth: number): Promise<void> => {
    const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => []);
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (found.size > limit) return;
      const { name } = entry;
      if (name.startsWith('.')) continue;
      const below = path === '' ? name : `${path}/${name}`;
      if (entry.isFile() && EXTENSIONS.has(extname(name).toLowerCase())) found.add(below);
      else if (entry.isDirectory() && name === RENDITIONS && path !== '')
        found.add(path.replace(/\/_?jcr[:_]content$/, ''));
      else if (entry.isDirectory() && depth < MAX_DEPTH) await search(join(folder, name), below, depth + 1);
    }
  };
  for (const root of roots) if (!isHttpUrl(root)) await search(root, '', 0);
  return { paths: [...found].slice(0, limit), isCut: found.size > limit };
}
