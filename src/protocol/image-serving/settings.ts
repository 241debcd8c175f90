/** The attributes of a catalog that decide what a query means. */
import type { Kernel } from '../../native/contract.js';
import { type RequestColour, type ThumbnailRequest, WHITE } from '../../region/request.js';

/** Attributes with the names they have in a catalog, in lower camel case. */
export interface RequestSettings {
  /** Bounds of a view whose size is not given, pixels; 0 leaves a side free. */
  readonly defaultPix: readonly [width: number, height: number];
  readonly defaultThumbPix: readonly [width: number, height: number];
  readonly bkgColor: RequestColour;
  readonly thumbBkgColor: RequestColour;
  readonly resMode: Kernel;
  /** Resample in linear light. No command says it. */
  readonly linearLight: boolean;
  readonly thumbType: ThumbnailRequest['type'];
  readonly thumbHorizAlign: ThumbnailRequest['horizontal'];
  readonly thumbVertAlign: ThumbnailRequest['vertical'];
  /** Pixels per inch, for thumbnails of type `texture`. */
  readonly thumbRes: number;
  /** Longest query, and longest value once its variables are in place, in characters. */
  readonly maxQueryLength: number;
}

/** What holds where nothing is configured. */
export const defaultSettings: RequestSettings = {
  defaultPix: [300, 300],
  defaultThumbPix: [100, 100],
  bkgColor: WHITE,
  thumbBkgColor: WHITE,
  resMode: 'sharp2',
  linearLight: false,
  thumbType: 'fit',
  thumbHorizAlign: 'centre',
  thumbVertAlign: 'centre',
  thumbRes: 72,
  maxQueryLength: 16 * 1024,
};
