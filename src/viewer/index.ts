/** The viewer: pages and the files they load. Whoever serves gives them what they show. */
export { VIEWER_ASSETS, VIEWER_HEADERS, type ViewerAsset, viewerAsset } from './assets.js';
export type { ViewerImage } from './facts.js';
export { type ViewerIndex, viewerIndex } from './index-page.js';
export { type ViewerPage, viewerPage } from './page.js';
