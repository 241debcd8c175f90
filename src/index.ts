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
  NativeRect,
  ReductionFilter,
  SourceFormat,
  UnsharpMask,
} from './native/contract.js';
export type { BudgetSnapshot } from './pool/budget.js';
export { VERSION } from './version.js';
