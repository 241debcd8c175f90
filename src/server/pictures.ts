/** Pictures for requests, through the response cache: what decides a reply is its key, and it is made once. */
import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { ResponseCache } from '../cache/cache.js';
import type { CacheAnswer, CachedReply, CachedSource, CacheRequest, ValidationPolicy } from '../cache/types.js';
import type { Engine } from '../engine.js';
import { PyramidionError } from '../errors.js';
import type { Attributes, Catalog } from '../library/types.js';
import type { ViewCatalog } from '../picture/catalog.js';
import type { CatalogColour } from '../picture/colour.js';
import type { Picture, PictureInfo, ViewOptions } from '../picture/picture.js';
import type { ViewPlan } from '../pipeline.js';
import { canonical, type ImageRequest, type OutputRequest } from '../region/request.js';
import { isHttpUrl } from '../source/http.js';
import { type Resolved, viewCatalogOf } from './resolution.js';

/** What pictures are made with. */
export interface PictureContext {
  readonly engine: Engine;
  readonly cache: ResponseCache;
  /** Folders that the paths of ICC maps are below. */
  readonly profileRoots: readonly string[];
  /** What is shown for a located file. */
  readonly prepare: (file: string, signal: AbortSignal | undefined) => Promise<Prepared>;
  /** What of the program and its settings decides replies: what was made under another one is not shown. */
  readonly edition: string;
  /** Is told how long each rendition took to make, waiting included. */
  readonly onRender: (ms: number) => void;
}

/** The file that is opened for a located one: itself, or a pyramid that was made of it. */
export interface Prepared {
  readonly file: string;
  /** What the pyramid was made of, where the server makes it: the reply depends on that, too. */
  readonly original: CachedSource | null;
}

/** A picture of one file that is wanted. */
export interface Wanted {
  readonly file: string;
  readonly request: ImageRequest;
  readonly attributes: Attributes;
  readonly catalog: ViewCatalog;
}

/** What is known of an image and of a picture of it. */
export interface Inspection {
  readonly info: PictureInfo;
  readonly plan: ViewPlan;
  readonly hasXmp: boolean;
}

/** Finds, makes and describes pictures. */
export class Pictures {
  readonly #context: PictureContext;
  readonly #colours = new WeakMap<Catalog, CatalogColour>();

  constructor(context: PictureContext) {
    this.#context = context;
  }

  /** What is wanted by a request whose object is there, with `request` in place of its own. Throws `SOURCE_NOT_FOUND`. */
  wantedOf(resolved: Resolved, request = resolved.request): Wanted {
    const { located, attributes, set } = resolved;
    if (located.file === null)
      throw new PyramidionError('SOURCE_NOT_FOUND', `there is no image '${located.object}'`, { value: located.object });
    return {
      file: located.file,
      request,
      attributes,
      catalog: {
        ...viewCatalogOf(attributes, located),
        colour: this.#colourOf(located.catalog, set.default, set.byRootId),
      },
    };
  }

  /**
   * The key of a picture: the same for requests that differ in spelling only, another one where anything differs that
   * could change a byte of the reply, the contents of profiles among it. Errors: those of a profile that cannot be found.
   */
  async keyOf({ file, request, attributes, catalog }: Wanted): Promise<string> {
    const colours = await this.#context.engine.colours(catalog.colour);
    const { rootId, maxPix } = attributes;
    const parts = [
      this.#context.edition,
      file,
      rootId,
      canonical({ ...request, output: withQuality(request.output, catalog) }),
      JSON.stringify([catalog.encode, catalog.resolution, catalog.printResolution, maxPix]),
      await colours.identity(request.output),
    ];
    return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
  }

  /** The picture, from the cache or made. Errors: those of `Engine.use` and `Picture.render`. */
  async get(
    wanted: Wanted,
    how: Pick<CacheRequest, 'control'> & {
      readonly policy: ValidationPolicy;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<CacheAnswer & { readonly key: string }> {
    const key = await this.keyOf(wanted);
    const { control, policy, signal } = how;
    const answer = await this.#context.cache.get({
      key,
      control,
      policy,
      make: (stop) => this.#make(wanted, control, stop),
      ...(signal !== undefined && { signal }),
    });
    return { ...answer, key };
  }

  /** What a picture would be, without making it, and what is known of its image. */
  inspect(wanted: Wanted, signal?: AbortSignal): Promise<Inspection> {
    return this.#use(wanted, signal, async (picture) => ({
      info: picture.info,
      plan: await picture.plan(wanted.request, optionsOf(wanted, signal)),
      hasXmp: (await picture.xmp()) !== null,
    }));
  }

  /** The XMP packet of the image; null where it has none. */
  xmp(wanted: Wanted, signal?: AbortSignal): Promise<Uint8Array | null> {
    return this.#use(wanted, signal, (picture) => picture.xmp());
  }

  /** A finished picture of the cache's memory, where there is a fresh one. */
  async known(wanted: Wanted): Promise<CachedReply | null> {
    return this.#context.cache.peek(await this.keyOf(wanted))?.reply ?? null;
  }

  async #make(wanted: Wanted, control: CacheRequest['control'], signal: AbortSignal): Promise<CachedReply> {
    const render = async (picture: Picture, { file, original }: Prepared): Promise<CachedReply> => {
      const started = performance.now();
      const rendition = await picture.view(wanted.request, optionsOf(wanted, signal));
      this.#context.onRender(performance.now() - started);
      const { bytes, mediaType, width, height, quality } = rendition;
      return {
        body: bytes,
        mediaType,
        digest: createHash('md5').update(bytes).digest('hex'),
        createdAt: Date.now(),
        sources: [{ id: file, version: picture.info.version }, ...(original === null ? [] : [original])],
        subject: wanted.file,
        isCheap: rendition.tile !== null,
        facts: { width, height, ...(quality !== null && { quality }) },
      };
    };
    // What is no part of a view is no stored tile: whether there is room for it is known before anything is opened.
    if (wanted.request.view.rect === null) this.#context.engine.checkPlace();
    // What is kept shall be of the file that is there now. Servers are asked only for those who want it so: that takes its time.
    return this.#use(wanted, signal, render, { look: control !== 'on' || !isHttpUrl(wanted.file) });
  }

  /** `look`: the file is looked at, however lately that was done. */
  async #use<Result>(
    wanted: Wanted,
    signal: AbortSignal | undefined,
    work: (picture: Picture, prepared: Prepared) => Promise<Result>,
    { look = false }: { readonly look?: boolean } = {},
  ): Promise<Result> {
    const prepared = await this.#context.prepare(wanted.file, signal);
    if (look) await this.#context.engine.versionOf(prepared.file);
    return this.#context.engine.use(prepared.file, (picture) => work(picture, prepared));
  }

  /** Profiles as a catalog names them: one object for each, so that its profiles are looked for once. */
  #colourOf(catalog: Catalog, fallback: Catalog, byRootId: ReadonlyMap<string, Catalog>): CatalogColour {
    const known = this.#colours.get(catalog);
    if (known !== undefined) return known;
    const { attributes, profiles } = catalog;
    const made: CatalogColour = {
      settings: {
        // Replies go to browsers, which take RGB for sRGB.
        ...(attributes.iccProfileRgb !== '' && { iccProfileRgb: attributes.iccProfileRgb }),
        iccProfileCmyk: attributes.iccProfileCmyk,
        iccProfileGray: attributes.iccProfileGray,
        iccProfileSrcRgb: attributes.iccProfileSrcRgb,
        iccProfileSrcCmyk: attributes.iccProfileSrcCmyk,
        iccProfileSrcGray: attributes.iccProfileSrcGray,
        iccRenderIntent: attributes.iccRenderIntent,
        iccBlackPointCompensation: attributes.iccBlackPointCompensation,
        iccDither: attributes.iccDither,
      },
      scope: {
        catalogMap: (name) => (name === null ? profiles : byRootId.get(name)?.profiles),
        defaultMap: fallback.profiles,
        roots: this.#context.profileRoots,
      },
    };
    this.#colours.set(catalog, made);
    return made;
  }
}

/** With the catalog's quality where a request does not say one: to write it out is no other request. */
function withQuality(output: OutputRequest, { encode }: ViewCatalog): OutputRequest {
  if (output.quality !== null || encode === undefined) return output;
  return { ...output, quality: encode.jpegQuality, fullChroma: output.fullChroma || encode.fullChroma };
}

/** How a picture of a request is to be looked at again. */
export function policyOf({ located, attributes, main }: Resolved): ValidationPolicy {
  if (attributes.cacheValidationPolicy === 0) return { kind: 'expiration' };
  return { kind: 'catalog', newestMs: located.record?.timeStamp ?? (attributes.timeStamp || main.fileTime) };
}

function optionsOf({ catalog, attributes }: Wanted, signal: AbortSignal | undefined): ViewOptions {
  return { catalog, limits: { maxPix: attributes.maxPix }, ...(signal !== undefined && { signal }) };
}
