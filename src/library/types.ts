/**
 * What the library knows of images: catalogs with their attributes and records, and the files that objects stand for.
 */
import type { Kernel } from '../native/contract.js';
import type { ProfileSettings } from '../picture/colour.js';
import type { RequestColour, ThumbnailRequest } from '../region/request.js';

/** Kinds of objects a client may name by their path instead of their record. */
export type AccessType = 'IS' | 'STATIC' | 'SVG' | 'FXG' | 'FLA' | 'IR_VNT' | 'IR_MAT';

/** What an error tells the client: its title; that and object, value and limit; that and a stack trace. */
export type ErrorDetail = 0 | 1 | 2 | 3;

/**
 * Attributes of a catalog, everything inherited and every default applied. Names are the catalog's in lower camel case
 * (`server-settings` §6.2). Times are in milliseconds whatever they are written in; −1 is never.
 */
export interface Attributes extends ProfileSettings {
  /** '' in the default catalog. */
  readonly rootId: string;
  /** Segment of the path between the roots of images and the path of an object; '' is none. */
  readonly rootPath: string;
  readonly rootUrl: string;
  readonly staticContentRootPath: string;
  /** A path below a catalog's id is looked for with that id in it, under the default catalog's attributes. */
  readonly fullMatch: boolean;
  readonly allowDirectUrls: boolean;
  /** What may be named by its path. */
  readonly allowDirectAccess: ReadonlySet<AccessType>;
  /** With its dot; '' is none. */
  readonly defaultExt: string;
  /** Pixels; 0 leaves a side free. */
  readonly defaultPix: readonly [width: number, height: number];
  readonly defaultThumbPix: readonly [width: number, height: number];
  /** Largest reply, pixels a side; 0: any. */
  readonly maxPix: readonly [width: number, height: number];
  readonly bkgColor: RequestColour;
  readonly thumbBkgColor: RequestColour;
  /** 1…100, and whether chroma is kept at full resolution. */
  readonly jpegQuality: { readonly quality: number; readonly fullChroma: boolean };
  readonly resMode: Kernel;
  /** Pixels per inch that objects have where their records do not say. */
  readonly resolution: number;
  readonly thumbRes: number;
  /** Pixels per inch that replies state where neither record nor file does. */
  readonly printResolution: number;
  readonly thumbType: ThumbnailRequest['type'];
  readonly thumbHorizAlign: ThumbnailRequest['horizontal'];
  readonly thumbVertAlign: ThumbnailRequest['vertical'];
  /** How long clients may keep pictures, default images, and replies that are no pictures. */
  readonly expirationMs: number;
  readonly defaultExpirationMs: number;
  readonly nonImgExpirationMs: number;
  /** 0: entries are compared with their files from time to time; 1: with the time stamps of records and catalogs. */
  readonly cacheValidationPolicy: 0 | 1;
  readonly useLastModified: boolean;
  /** Milliseconds since 1970. The catalog's `fileTime` where it does not say. */
  readonly timeStamp: number;
  /** Object that stands for missing images; '' is none. */
  readonly defaultImage: string;
  /** 0: instead of the whole request; 1: instead of the missing source only. */
  readonly defaultImageMode: 0 | 1;
  /** Object, with modifiers after a `?` if need be, that shows errors; '' is none. */
  readonly errorImage: string;
  readonly errorDetail: ErrorDetail;
  readonly watermark: string;
  readonly requestLock: boolean;
  readonly requestObfuscation: boolean;
  /** Networks in CIDR form whose clients are served; empty: all. */
  readonly clientAddressFilter: readonly string[];
  /** Whether JPEG and PNG replies may become AVIF or WebP where the client takes them. */
  readonly bfc: boolean;
  readonly savePath: string;
  readonly publishInfo: string;
  /** Positions of video thumbnails, `1%,11%,…` */
  readonly thumbnailTime: string;
}

/** One record of a catalog, or of a folder of renditions. null: not said. */
export interface AssetRecord {
  readonly id: string;
  /** Path of the image, relative to the catalog's root path or absolute below the roots. '' has no image. */
  readonly path: string;
  readonly maskPath: string | null;
  /** Commands before and after those of the request, '' is none. */
  readonly modifier: string;
  readonly postModifier: string;
  /** In pixels of the image from its top left. */
  readonly anchor: { readonly x: number; readonly y: number } | null;
  readonly resolution: number | null;
  readonly printResolution: number | null;
  readonly size: { readonly width: number; readonly height: number } | null;
  readonly expirationMs: number | null;
  /** Milliseconds since 1970. */
  readonly timeStamp: number | null;
  readonly thumbType: ThumbnailRequest['type'] | null;
  readonly thumbRes: number | null;
  /** Property data as written, `??` and all. */
  readonly userData: string | null;
  readonly imageSet: string | null;
  readonly assetType: string | null;
  readonly map: string | null;
  readonly targets: string | null;
}

/** What a rule does to a request that it matches: see `src/protocol/image-serving/rules.ts`, which applies it. */
export interface Rule {
  readonly name: string;
  readonly onMatch: 'break' | 'continue' | 'error';
  readonly replace: 'first' | 'all';
  readonly requestTypes: ReadonlySet<'is' | 'ir' | 'static'>;
  /** null matches all. */
  readonly expression: string | null;
  /** null leaves the URL as it is; '' deletes the match. */
  readonly substitution: string | null;
  /** Networks in CIDR form; null: the rule says nothing of addresses. */
  readonly addressFilter: readonly string[] | null;
  readonly headers: readonly { readonly name: string; readonly value: string; readonly action: 'set' | 'add' }[];
  /** Attributes it overrides for the request. `expirationMs` gives way to a record's own. */
  readonly attributes: Partial<
    Pick<
      Attributes,
      | 'defaultImageMode'
      | 'errorImage'
      | 'expirationMs'
      | 'maxPix'
      | 'requestLock'
      | 'requestObfuscation'
      | 'rootUrl'
      | 'savePath'
      | 'watermark'
    >
  >;
}

/** One catalog as it was loaded. */
export interface Catalog {
  readonly attributes: Attributes;
  /** By id, which is told apart by case. */
  readonly records: ReadonlyMap<string, AssetRecord>;
  /** Names in lower case to query text; those of the default catalog first, then this one's own in the file's order. */
  readonly macros: ReadonlyMap<string, string>;
  /** Names for `icc=` to paths of profiles, absolute. */
  readonly profiles: ReadonlyMap<string, string>;
  /** Empty where there is no rule set. */
  readonly rules: readonly Rule[];
  /**
   * When its attribute file was last modified, milliseconds since 1970; of a default catalog without one, its manifest;
   * 0 where there is neither.
   */
  readonly fileTime: number;
}

/** All catalogs as they stood at one moment: a request uses one set from its start to its end. */
export interface CatalogSet {
  /** Counts up with each reload: what was worked out under an older one may no longer hold. */
  readonly generation: number;
  readonly default: Catalog;
  /** Without the default catalog. */
  readonly byRootId: ReadonlyMap<string, Catalog>;
}

/** What an object of a request stands for. */
export interface Located {
  /** The object as it was asked for, without the leading slash. */
  readonly object: string;
  /** Which catalog supplies its attributes. */
  readonly catalog: Catalog;
  /** The catalog's record, or that beside a folder of renditions. */
  readonly record: AssetRecord | null;
  /**
   * Where the image is read from: an absolute path or an http(s) URL that `Engine.use` opens. null when there is no
   * such file. Always inside one of the roots, links resolved.
   */
  readonly file: string | null;
  /** The object was found by its path and not by a record of a catalog. */
  readonly byPath: boolean;
  /** The file of a record beside renditions; null where there is none. What it says is part of each request, and so of cache keys. */
  readonly recordFile: string | null;
}
