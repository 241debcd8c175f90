/** `/viewer/…`: the pages of the zoom viewer and the files they load. */
import type { Engine } from '../engine.js';
import { PyramidionError, toPyramidionError } from '../errors.js';
import { listImages } from '../library/listing.js';
import { readUrl } from '../protocol/image-serving/url.js';
import { outcomeOf } from '../reply/status.js';
import type { Reply } from '../reply/types.js';
import { VIEWER_HEADERS, viewerAsset, viewerIndex, viewerPage } from '../viewer/index.js';
import { type Asked, admit, ask, type Lookup, resolve } from './resolution.js';
import { Trace } from './trace.js';

/** What the pages are made of. */
export interface ViewerContext {
  readonly engine: Engine;
  readonly lookup: Lookup;
  readonly prepare: (file: string, signal: AbortSignal | undefined) => Promise<{ readonly file: string }>;
  /** Roots whose images are listed. */
  readonly roots: readonly string[];
  /** As for the service: see `AdmissionSettings`. */
  readonly allowDefaultCatalog: boolean;
}

/** Where the pages are. */
export const VIEWER_PREFIX = '/viewer/';

const MAX_LISTED = 500;
const ASSETS = 'assets/';

/**
 * Answers a GET for a URL below {@link VIEWER_PREFIX}: a file, the page of an image, or the list of images. A client sees no page where the
 * service would not answer it: of the image, or of the default catalog. Rejects when a file of ours or a root cannot be read.
 */
export async function viewerReply(url: string, remoteAddress: string, context: ViewerContext): Promise<Reply> {
  const path = url.slice(VIEWER_PREFIX.length).replace(/\?.*$/s, '');
  if (path.startsWith(ASSETS)) {
    const asset = await viewerAsset(path.slice(ASSETS.length));
    if (asset === null) return plain(404, 'Not found');
    return page(200, asset.bytes, { 'content-type': asset.mediaType, 'cache-control': 'public, max-age=3600' });
  }
  try {
    const asked = askFor(path, remoteAddress, context);
    return page(200, path === '' ? await index(context, null) : await imagePage(asked, context));
  } catch (thrown) {
    const error = toPyramidionError(thrown);
    const { status, message } = outcomeOf(error, '', 1);
    // Nothing is listed for whoever may not see it.
    if (error.code === 'REQUEST_REFUSED') return plain(status, message);
    return page(status === 403 ? 404 : status, await index(context, message));
  }
}

function askFor(path: string, remoteAddress: string, { lookup, allowDefaultCatalog }: ViewerContext): Asked {
  const url = readUrl(`/is/image/${path}`);
  if (url === null) throw new PyramidionError('SOURCE_NOT_FOUND', 'there is no such image');
  return admit(ask(url, remoteAddress, lookup, new Trace()), { allowDefaultCatalog });
}

async function imagePage(asked: Asked, { engine, lookup, prepare }: ViewerContext): Promise<string> {
  const { located, main, url } = await resolve(asked, lookup, new Trace());
  if (located.file === null) throw new PyramidionError('SOURCE_NOT_FOUND', 'there is no such image');
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

function plain(status: number, text: string): Reply {
  return page(status, `${text}\n`, { 'content-type': 'text/plain; charset=utf-8' });
}
