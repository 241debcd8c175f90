/** Catalogs, as views know them. */
import type { EncodeDefaults } from '../encode/index.js';
import type { CatalogColour } from './colour.js';

/** What a catalog decides of a view where the request does not say; what is left out is as without a catalog. */
export interface ViewCatalog {
  readonly encode?: EncodeDefaults;
  /** Pixels per inch that the image counts as having when a request scales by them. Else what the file says, else 72. */
  readonly resolution?: number;
  /** Pixels per inch that replies state, before what the file says. */
  readonly printResolution?: number;
  readonly colour?: CatalogColour;
}
