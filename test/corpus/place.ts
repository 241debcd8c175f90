/** Where the shared corpus of image files is. It is too large for the repository. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The folder of the corpus: `PYRAMIDION_CORPUS`, or `../shared/corpus` beside the repository. */
export const corpus = resolve(root, process.env.PYRAMIDION_CORPUS ?? '../shared/corpus');

export const hasCorpus = existsSync(resolve(corpus, 'manifest.tsv'));
