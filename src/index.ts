/** Pyramidion as a library. */
export { Engine, type EngineEvents, type ProbeOptions, type VerifyOptions } from './engine.js';
export { ERROR_CODES, type ErrorCode, type ErrorContext, isErrorCode, PyramidionError } from './errors.js';
export type {
  BuildOptions,
  BuildProgress,
  BuildReport,
  EngineOptions,
  EstimateRule,
  ImageInfo,
  SourceInput,
} from './ingest/types.js';
export type {
  AutocropJob,
  BuiltLevel,
  Capabilities,
  Kernel,
  NativeRect,
  PixelType,
  ReductionFilter,
  SourceFormat,
  UnsharpMask,
} from './native/contract.js';
export type { ViewCatalog } from './picture/catalog.js';
export type { CatalogColour, ColourSettings, ProfileSettings } from './picture/colour.js';
export type { RenderLimits } from './picture/limits.js';
export {
  type PartialRequest,
  type Picture,
  type PictureInfo,
  type PictureLevel,
  type RegionAddress,
  type RegionPixels,
  requestOf,
  type TileAddress,
  type TileOptions,
  type ViewOptions,
} from './picture/picture.js';
export type { Rendition, ViewPlan } from './pipeline.js';
export type { BudgetSnapshot } from './pool/budget.js';
export type { RenderSnapshot } from './pool/renders.js';
export { type PyramidInfo, type PyramidLevel, readPyramid } from './pyramid/pyramid.js';
export type { TileIndex } from './pyramid/tile-index.js';
export {
  type AnchorRequest,
  type CropRequest,
  canonical,
  type ExtendRequest,
  type FitMode,
  type Flip,
  type IccRequest,
  type ImageRequest,
  type LayerRequest,
  type LayerScale,
  type OutputRequest,
  type QuantizeRequest,
  type RequestColour,
  type RequestRect,
  type SharpenRequest,
  type ThumbnailRequest,
  type ViewRequest,
} from './region/request.js';
export { VERSION } from './version.js';
