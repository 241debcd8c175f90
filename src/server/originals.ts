/** Pyramids made on request: an image that is none is ingested into the library when it is first asked for. */
import { join, relative, sep } from 'node:path';
import type { Engine } from '../engine.js';
import { PyramidionError } from '../errors.js';
import { ingestOne } from '../library/ingest.js';
import type { Library } from '../library/library.js';
import { unlessAborted } from '../source/abort.js';
import type { Prepared } from './pictures.js';

/** Where originals are, and where their pyramids go. */
export interface OriginalsOptions {
  readonly engine: Engine;
  readonly library: Library;
  /** Folder of the library; the first of its roots. */
  readonly target: string;
  /** The other roots that are folders. */
  readonly roots: readonly string[];
  /** Is told of each pyramid that was made. */
  readonly onIngest: (path: string) => void;
}

const RENDITIONS = `${sep}renditions${sep}`;

/**
 * Finds the pyramid of an image: the image itself where it is one, else one that is made of it and kept in the library. When the original is
 * replaced, so is its pyramid: at the latest when the replies that show it are looked at again. An original that goes leaves its pyramid.
 */
export class Originals {
  readonly #options: OriginalsOptions;
  /** Versions that originals had when their pyramids were made or found good, by their paths in the library. */
  readonly #versions = new Map<string, string>();
  readonly #underWay = new Map<string, Promise<string>>();

  constructor(options: OriginalsOptions) {
    this.#options = options;
  }

  /** Errors: those of opening and of building. */
  async prepare(file: string, signal: AbortSignal | undefined): Promise<Prepared> {
    const { target } = this.#options;
    const inLibrary = below(target, file);
    const path = inLibrary === null ? this.#pathOf(file) : assetOf(inLibrary);
    if (path === null) return { file, original: null };
    const original = inLibrary === null ? file : await this.#originalOf(path);
    if (original === null) return { file, original: null };
    const version = await this.#options.library.versionOf(original);
    if (version === null) return { file, original: null };
    const source = { id: original, version };
    if (inLibrary !== null && this.#versions.get(path) === version) return { file, original: source };
    if (inLibrary === null && (await this.#isPyramid(original))) return { file, original: null };
    const made = this.#ingest(original, path, version);
    return { file: await (signal === undefined ? made : unlessAborted(made, signal)), original: source };
  }

  /** One ingestion at a time for each; whoever comes meanwhile waits for it, and leaving does not stop it: the next will want it. */
  #ingest(original: string, path: string, version: string): Promise<string> {
    const known = this.#underWay.get(path);
    if (known !== undefined) return known;
    const { engine, target, library, onIngest } = this.#options;
    const made = ingestOne(engine, original, target, path)
      .then((ingested) => {
        this.#versions.set(path, version);
        library.forget();
        if (ingested.report !== null) onIngest(ingested.path);
        return ingested.path;
      })
      .finally(() => this.#underWay.delete(path));
    this.#underWay.set(path, made);
    return made;
  }

  /** Whether it is served as it is. One too large to be decoded whole for each view is no pyramid. */
  #isPyramid(file: string): Promise<boolean> {
    return this.#options.engine
      .use(file, async ({ info }) => info.kind === 'pyramid')
      .catch((error: unknown) => {
        if (error instanceof PyramidionError && error.option === 'maxNonDsfSize') return false;
        throw error;
      });
  }

  /** Path below its root; null for a file of none, and for one whose name is no asset's. */
  #pathOf(file: string): string | null {
    for (const root of this.#options.roots) {
      const path = below(root, file);
      if (path !== null) return path.split(sep).join('/');
    }
    return null;
  }

  async #originalOf(path: string): Promise<string | null> {
    for (const root of this.#options.roots) {
      const file = join(root, path);
      if ((await this.#options.library.versionOf(file)) !== null) return file;
    }
    return null;
  }
}

/** The path of a file below a folder; null when it is not in it. */
function below(folder: string, file: string): string | null {
  const path = relative(folder, file);
  return path === '' || path.startsWith('..') || path.startsWith(sep) || /^[a-z]+:/i.test(path) ? null : path;
}

/** The asset that a file of the library belongs to; null for what is no rendition. */
function assetOf(path: string): string | null {
  const at = path.lastIndexOf(RENDITIONS);
  return at < 0 ? null : path.slice(0, at).split(sep).join('/');
}
