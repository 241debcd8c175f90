/** What each request for properties tells (§9.1). */
import type { AssetRecord, Attributes } from '../../library/types.js';
import type { Kernel } from '../../native/contract.js';
import type { RequestColour, ThumbnailRequest } from '../../region/request.js';
import { formatColour } from './colour.js';

/** Names to values, for `formatProperties`. */
export type Properties = ReadonlyMap<string, string>;

/** Ids that change with the image, and with what else its record says. */
export interface VersionFacts {
  readonly imageVersion: string;
  readonly metadataVersion: string;
}

/** What is known of the reply that `req=img` would have. */
export interface ViewFacts extends VersionFacts {
  /** Of the reply, pixels. */
  readonly width: number;
  readonly height: number;
  readonly bgc: RequestColour;
  readonly iccEmbed: boolean;
  /** Description of the profile of its pixels; '' is none. */
  readonly iccProfile: string;
  /** Bytes of the reply; null: it is not in the cache. */
  readonly length: number | null;
  readonly hasAlpha: boolean;
  readonly space: RequestColour['space'];
  /** Pixels per inch. */
  readonly printRes: number;
  /** 1…100 */
  readonly quality: number;
  readonly mediaType: string;
  readonly xmpEmbed: boolean;
}

/** `req=props`. */
export function viewProperties(facts: ViewFacts): Properties {
  return list('image', {
    bgc: formatColour(facts.bgc),
    height: facts.height,
    iccEmbed: facts.iccEmbed,
    iccProfile: facts.iccProfile,
    length: facts.length ?? 0,
    mask: facts.hasAlpha,
    pathEmbed: false,
    pixTyp: PIXEL_TYPES[facts.space],
    printRes: facts.printRes,
    quality: facts.quality,
    type: facts.mediaType,
    version: facts.imageVersion,
    width: facts.width,
    xmpEmbed: facts.xmpEmbed,
  }).set('metadata.version', facts.metadataVersion);
}

/** What is known of an object and its image. */
export interface SourceFacts {
  /** At full resolution, turned upright, pixels. */
  readonly width: number;
  readonly height: number;
  readonly record: Pick<AssetRecord, 'anchor' | 'modifier' | 'postModifier' | 'thumbRes' | 'thumbType'> | null;
  readonly attributes: Pick<Attributes, 'thumbRes' | 'thumbType'>;
  /** How long clients may keep pictures of it, milliseconds; −1 for ever. */
  readonly expirationMs: number;
  /** Description of the profile of its pixels, embedded or assumed; '' is none. */
  readonly iccProfile: string;
  readonly hasIccProfile: boolean;
  readonly hasXmp: boolean;
  readonly photoshopPathNames: readonly string[];
  readonly mask: 'none' | 'premultiplied' | 'alpha' | 'separate';
  readonly space: RequestColour['space'];
  /** Pixels per inch: what replies state, and what the object has. */
  readonly printRes: number;
  readonly resolution: number;
  /** Milliseconds since 1970. */
  readonly timeStamp: number;
  /** The object it was found as. */
  readonly translatedId: string;
}

/** `req=imageprops`. */
export function imageProperties(facts: SourceFacts): Properties {
  const { record, attributes, width, height } = facts;
  const anchor = record?.anchor ?? { x: Math.floor(width / 2), y: Math.floor(height / 2) };
  return list('image', {
    anchor: `${anchor.x},${anchor.y}`,
    embeddedIccProfile: facts.hasIccProfile,
    embeddedPhotoshopPaths: facts.photoshopPathNames.length > 0,
    embeddedXmpData: facts.hasXmp,
    expiration: hours(facts.expirationMs),
    height,
    iccProfile: facts.iccProfile,
    mask: MASKS.indexOf(facts.mask),
    modifier: record?.modifier ?? '',
    photoshopPathNames: facts.photoshopPathNames.join(),
    pixTyp: PIXEL_TYPES[facts.space],
    postModifier: record?.postModifier ?? '',
    printRes: facts.printRes,
    resolution: facts.resolution,
    thumbRes: record?.thumbRes ?? attributes.thumbRes,
    thumbType: 1 + THUMB_TYPES.indexOf(record?.thumbType ?? attributes.thumbType),
    timeStamp: facts.timeStamp,
    translatedId: facts.translatedId,
    width,
  });
}

/**
 * `req=catalogprops`. Words of the attribute file stand as their numbers, times as hours. `thumbnailTime`, which is in manifests only, is
 * there for whoever makes thumbnails of videos.
 */
export function catalogProperties(attributes: Attributes): Properties {
  const { quality, fullChroma } = attributes.jpegQuality;
  return list('catalog', {
    bkgColor: formatColour(attributes.bkgColor),
    defaultExpiration: hours(attributes.defaultExpirationMs),
    defaultExt: attributes.defaultExt,
    defaultPix: attributes.defaultPix.join(),
    defaultThumbPix: attributes.defaultThumbPix.join(),
    expiration: hours(attributes.expirationMs),
    fileTime: attributes.timeStamp,
    jpegQuality: `${quality},${fullChroma ? 1 : 0}`,
    maxPix: attributes.maxPix.join(),
    nonImgExpiration: hours(attributes.nonImgExpirationMs),
    printResolution: attributes.printResolution,
    publishInfo: attributes.publishInfo,
    resMode: RES_MODES[attributes.resMode],
    resolution: attributes.resolution,
    thumbBkgColor: formatColour(attributes.thumbBkgColor),
    thumbHorizAlign: 1 + HORIZONTAL.indexOf(attributes.thumbHorizAlign),
    thumbRes: attributes.thumbRes,
    thumbType: 1 + THUMB_TYPES.indexOf(attributes.thumbType),
    thumbVertAlign: 1 + VERTICAL.indexOf(attributes.thumbVertAlign),
    thumbnailTime: attributes.thumbnailTime,
    watermark: attributes.watermark,
  });
}

/** `req=ctx`, which zoom viewers ask. The size is the image's, at full resolution. */
export function contextProperties(facts: VersionFacts & Pick<SourceFacts, 'width' | 'height'>): Properties {
  return new Map([
    ['image.rect', `0,0,${facts.width},${facts.height}`],
    ['image.version', facts.imageVersion],
    ['metadata.version', facts.metadataVersion],
  ]);
}

/** `req=exists`. */
export function existsProperties(exists: boolean): Properties {
  return list('catalogRecord', { exists });
}

/** `req=validate` of a request that is well formed. */
export function validProperties(): Properties {
  return list('request', { isValid: true });
}

/** `req=loadcache`: bytes of the reply that is in the cache now. */
export function loadcacheProperties(length: number): Properties {
  return list('image', { length });
}

const PIXEL_TYPES = { cmyk: 'CMYK', rgb: 'RGB', gray: 'BW' } as const;
const MASKS: readonly SourceFacts['mask'][] = ['none', 'premultiplied', 'alpha', 'separate'];
const THUMB_TYPES: readonly ThumbnailRequest['type'][] = ['crop', 'fit', 'texture'];
const HORIZONTAL: readonly ThumbnailRequest['horizontal'][] = ['left', 'centre', 'right'];
const VERTICAL: readonly ThumbnailRequest['vertical'][] = ['top', 'centre', 'bottom'];
const RES_MODES: Readonly<Record<Kernel, number>> = { bilin: 2, bicub: 3, sharp2: 4, bisharp: 5 };

/** −1 stays what it is. */
function hours(ms: number): number {
  return ms < 0 ? -1 : ms / 3_600_000;
}

function list(group: string, values: Readonly<Record<string, string | number | boolean>>): Map<string, string> {
  const text = (value: string | number | boolean): string =>
    typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
  return new Map(Object.entries(values).map(([name, value]) => [`${group}.${name}`, text(value)]));
}
