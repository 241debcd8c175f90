/** `/viewer/…`: the pages of the zoom viewer and the files they load. */
import type { Engine } from '../engine.js';
import { PyramidionError, toPyramidionError } from '../errors.js';
import { listImages } from '../library/listing.js';
import { readUrl } from '../protocol/image-serving/url.js';
import { outcomeOf } from '../reply/status.js';
import type { Reply } from '../reply/types.js';
import { VIEWER_HEADERS, viewerAsset, viewerIndex, viewerPage } from '../viewer/index.js';
import type { Lookup } from './resolution.js';

/** What the pages are made of. */
export interface ViewerContext {
  readonly engine: Engine;
  readonly lookup: Lookup;
  readonly prepare: (file: string, signal: AbortSignal | undefined) => Promise<{ readonly file: string }>;
  /** Roots whose images are listed. */
  readonly roots: readonly string[];
}

/** Where the pages are. */
export const VIEWER_PREFIX = '/viewer/';

const MAX_LISTED = 500;
const ASSETS = 'assets/';

/** Answers a GET for a URL below {@link VIEWER_PREFIX}: a file, the page of an image, or the list of images. Rejects never. */
export async function viewerReply(url: string, context: ViewerContext): Promise<Reply> {
  const path = url.slice(VIEWER_PREFIX.length).replace(/\?.*$/s, '');
  if (path.startsWith(ASSETS)) {
    const asset = await viewerAsset(path.slice(ASSETS.length));
    if (asset === null) return page(404, 'Not found\n', { 'content-type': 'text/plain; charset=utf-8' });
    return page(200, asset.bytes, { 'content-type': asset.mediaType, 'cache-control': 'public, max-age=3600' });
  }
  if (path === '') return page(200, await index(context, null));
  try {
    return page(200, await imagePage(path, context));
  } catch (thrown) {
    const outcome = outcomeOf(toPyramidionError(thrown), '', 1);
    return page(outcome.status === 403 ? 404 : outcome.status, await index(context, outcome.message));
  }
}

async function imagePage(path: string, { engine, lookup, prepare }: ViewerContext): Promise<string> {
  const url = readUrl(`/is/image/${path}`);
  const set = lookup.catalogs;
  const { catalog: main, rest } = lookup.mainCatalog(set, url?.elements ?? []);
  const located = await lookup.locate(set, main, rest.join('/'), { isRooted: false });
  if (located.file === null || url === null) throw new PyramidionError('SOURCE_NOT_FOUND', 'there is no such image');
  const { file } = await prepare(located.file, undefined);
  return engine.use(file, async (picture) => {
    const { name: _, version, ...info } = picture.info;
    const image = { path: url.object, version, info, bytes: null };
    const { maxPix } = located.catalog.attributes;
    return viewerPage({ image, presets: [...main.macros.keys()], maxPix, root: '' });
  });
}

async function index({ roots }: ViewerContext, notice: string | null): Promise<string> {
  const { paths, isCut } = await listImages(roots, MAX_LISTED);
  return viewerIndex({ paths, total: isCut ? paths.length + 1 : paths.length, notice, root: '' });
}

function page(status: number, body: Uint8Array | string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { ...VIEWER_HEADERS, ...headers }, body };
}
