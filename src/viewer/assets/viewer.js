/** The page of one image: the zoom viewer, and the inspector beside it. */
import { regionQuery, renditionQuery, shownRegion } from './queries.js';
import { tileCount, tileQuery } from './tiles.js';

/**
 * What the server put into the page.
 *
 * @typedef {object} PageData
 * @property {string} address of the image, without modifiers
 * @property {string} version
 * @property {readonly [number, number]} maxPix largest reply, pixels a side; 0: any
 * @property {string} tileFormat `fmt` of tiles; '' is the server's default
 * @property {import('./tiles.js').TiledImage} tiles
 */

/** Milliseconds of rest before a rendition is asked for. */
const REST_MS = 350;

/** From this many screen pixels for one of the image on, its pixels are shown as squares. */
const SHARP_ZOOM = 3;

/** @type {PageData} */
const data = JSON.parse(byId('data').textContent ?? '');
const image = data.tiles;
const lastLevel = image.levels.length - 1;
const view = byId('view');

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

/** @param {string} modifiers */
function addressOf(modifiers) {
  return modifiers === '' ? data.address : `${data.address}?${modifiers}`;
}

const fixed = `${data.tileFormat && `&fmt=${data.tileFormat}`}&id=${encodeURIComponent(data.version)}`;

/** OpenSeadragon counts levels from the smallest one. @param {number} level */
const ours = (level) => lastLevel - level;

const source = new OpenSeadragon.TileSource({
  width: image.width,
  height: image.height,
  tileSize: image.tileSize,
  tileOverlap: 0,
  minLevel: 0,
  maxLevel: lastLevel,
});
Object.assign(source, {
  /** @param {number} level */
  getNumTiles(level) {
    const { columns, rows } = tileCount(image, ours(level));
    return new OpenSeadragon.Point(columns, rows);
  },
  /** @param {number} level @param {number} column @param {number} row */
  getTileUrl(level, column, row) {
    return addressOf(tileQuery(image, ours(level), column, row) + fixed);
  },
});

// OpenSeadragon adds a style sheet unless it finds its own: the page allows none but those of files, and has that rule.
const mark = document.createElementNS('urn:openseadragon', 'style');
mark.setAttribute('data-openseadragon-mobile-css', '');
document.head.append(mark);

const viewer = new OpenSeadragon.Viewer({
  element: view,
  tileSources: [source],
  drawer: 'canvas',
  showNavigationControl: false,
  showNavigator: true,
  navigatorPosition: 'TOP_RIGHT',
  navigatorSizeRatio: 0.16,
  navigatorBackground: '#0c0f14',
  navigatorOpacity: 1,
  navigatorBorderColor: '#262e3b',
  navigatorDisplayRegionColor: '#f0b44c',
  gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
  maxZoomPixelRatio: 16,
  minZoomImageRatio: 0.8,
  visibilityRatio: 0.6,
  animationTime: 0.7,
  imageLoaderLimit: 8,
  placeholderFillStyle: 'transparent',
});
viewer.navigator.element.style.margin = '12px';
// Keys are heard on the whole page, not only where OpenSeadragon has the focus.
viewer.addHandler('canvas-key', (event) => {
  event.preventDefaultAction = true;
});
viewer.addHandler('tile-load-failed', (event) => {
  const notice = byId('notice');
  notice.textContent = `Some tiles could not be loaded: ${event.message}`;
  notice.hidden = false;
});

/** Screen pixels for one of the image. @param {number} zoom as OpenSeadragon counts it */
function zoomOf(zoom) {
  return viewer.world.getItemAt(0)?.viewportToImageZoom(zoom) ?? 1;
}

let smooth = true;

/** What the viewer shows, in whole pixels of the image; null when it shows nothing of it. */
function shown() {
  const item = viewer.world.getItemAt(0);
  if (item === undefined) return null;
  return shownRegion(item.viewportToImageRectangle(viewer.viewport.getBounds()), image);
}

/** Shows an address, where it can be copied and opened. @param {string} id @param {string} address */
function showAddress(id, address) {
  const { href } = new URL(address, location.href);
  byId(id).textContent = href;
  /** @type {HTMLAnchorElement} */ (byId(`${id}-open`)).href = href;
}

function showView() {
  const region = shown();
  const zoom = zoomOf(viewer.viewport.getZoom(true));
  const level = Math.min(lastLevel, Math.max(0, Math.floor(-Math.log2(zoom * devicePixelRatio) + 1e-6)));
  byId('zoom').textContent = `${Number((zoom * 100).toPrecision(3))} %`;
  byId('level').textContent = `level ${level} of ${lastLevel}`;
  if (region === null) {
    byId('region').textContent = 'beside the image';
    return;
  }
  const { x, y, width, height } = region;
  byId('region').textContent = `${width} × ${height} at ${x}, ${y}`;
  const [most] = data.maxPix;
  const wanted = Math.min(width, Math.round(view.clientWidth * devicePixelRatio), most || Number.POSITIVE_INFINITY);
  const part = regionQuery(region, image);
  showAddress('view-url', addressOf(`${part && `${part}&`}wid=${wanted}`));
}

viewer.addHandler('update-viewport', showView);
viewer.addHandler('zoom', ({ zoom }) => {
  const isSmooth = zoomOf(zoom) < SHARP_ZOOM;
  if (isSmooth === smooth) return;
  smooth = isSmooth;
  viewer.drawer.setImageSmoothingEnabled(smooth);
});
/** How far the image's pixels lie beside those of the screen, in viewport units; null where they are not whole ones. */
function misplacement() {
  const item = viewer.world.getItemAt(0);
  const zoom = zoomOf(viewer.viewport.getZoom(true));
  if (item === undefined || zoom < 0.999 || Math.abs(zoom - Math.round(zoom)) > 1e-6) return null;
  const corner = viewer.viewport.pixelFromPoint(item.imageToViewportCoordinates(0, 0), true);
  const aside = new OpenSeadragon.Point(corner.x - Math.round(corner.x), corner.y - Math.round(corner.y));
  return viewer.viewport.deltaPointsFromPixels(aside, true);
}

const isTiny = (/** @type {number} */ length) => Math.abs(length) < 1e-9;

// Tiles are stretched a little, so that no seams show; where they need not be, the screen shows the very pixels.
Object.assign(viewer.drawer, {
  minimumOverlapRequired() {
    const aside = misplacement();
    return aside === null || !isTiny(aside.x) || !isTiny(aside.y);
  },
});

viewer.addHandler('animation-finish', () => {
  const aside = misplacement();
  if (aside !== null && !(isTiny(aside.x) && isTiny(aside.y))) viewer.viewport.panBy(aside, true);
  // Whoever reloads or sends the address sees the same view.
  const { x, y } = viewer.world.getItemAt(0).viewportToImageCoordinates(viewer.viewport.getCenter());
  const place = [x.toFixed(1), y.toFixed(1), zoomOf(viewer.viewport.getZoom()).toPrecision(4)].map(Number).join();
  const isHome = viewer.viewport.getZoom() === viewer.viewport.getHomeZoom();
  history.replaceState(null, '', isHome ? location.pathname : `#at=${place}`);
  if (form.part.value === 'view') preview();
});
viewer.addOnceHandler('open', () => {
  const [, ...numbers] = /^#at=(-?[\d.]+),(-?[\d.]+),([\d.]+)$/.exec(location.hash) ?? [];
  const [x = 0, y = 0, zoom = 0] = numbers.map(Number);
  const item = viewer.world.getItemAt(0);
  if (zoom > 0) {
    viewer.viewport.zoomTo(item.imageToViewportZoom(zoom), undefined, true);
    viewer.viewport.panTo(item.imageToViewportCoordinates(x, y), true);
    viewer.viewport.applyConstraints(true);
  }
  preview();
});

view.addEventListener('pointermove', (event) => {
  const item = viewer.world.getItemAt(0);
  if (item === undefined) return;
  const { left, top } = view.getBoundingClientRect();
  const place = item.viewerElementToImageCoordinates(
    new OpenSeadragon.Point(event.clientX - left, event.clientY - top),
  );
  const [x, y] = [Math.floor(place.x), Math.floor(place.y)];
  const isInside = x >= 0 && y >= 0 && x < image.width && y < image.height;
  byId('place').textContent = isInside ? `${x}, ${y}` : '';
});
view.addEventListener('pointerleave', () => {
  byId('place').textContent = '';
});

/** @param {number} factor */
function zoomBy(factor) {
  viewer.viewport.zoomBy(factor);
  viewer.viewport.applyConstraints();
}

/** A fraction of what is shown. @param {number} x @param {number} y */
function moveBy(x, y) {
  const { width, height } = viewer.viewport.getBounds();
  viewer.viewport.panBy(new OpenSeadragon.Point(x * width, y * height));
  viewer.viewport.applyConstraints();
}

function toggleFullScreen() {
  if (document.fullscreenElement === null) document.documentElement.requestFullscreen?.();
  else document.exitFullscreen();
}

/** @param {boolean} [isOpen] */
function toggleInspector(isOpen = document.body.classList.contains('closed')) {
  document.body.classList.toggle('closed', !isOpen);
  byId('inspector').inert = !isOpen;
  byId('toggle').setAttribute('aria-expanded', String(isOpen));
}

const actions = {
  'zoom-in': () => zoomBy(1.6),
  'zoom-out': () => zoomBy(1 / 1.6),
  home: () => viewer.viewport.goHome(),
  actual: () => viewer.viewport.zoomTo(viewer.world.getItemAt(0).imageToViewportZoom(1)),
  full: toggleFullScreen,
  toggle: () => toggleInspector(),
};
for (const [id, act] of Object.entries(actions)) byId(id).addEventListener('click', act);

/** @type {Readonly<Record<string, () => void>>} */
const keys = {
  '+': actions['zoom-in'],
  '=': actions['zoom-in'],
  '-': actions['zoom-out'],
  0: actions.home,
  1: actions.actual,
  f: actions.full,
  i: actions.toggle,
  ArrowLeft: () => moveBy(-0.15, 0),
  ArrowRight: () => moveBy(0.15, 0),
  ArrowUp: () => moveBy(0, -0.15),
  ArrowDown: () => moveBy(0, 0.15),
};
document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof Element && event.target.closest('input, select, textarea') !== null;
  const act = keys[event.key];
  if (act === undefined || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});

for (const button of document.querySelectorAll('button[data-copy]')) {
  button.addEventListener('click', async () => {
    const field = byId(button.getAttribute('data-copy') ?? '');
    getSelection()?.selectAllChildren(field);
    // The clipboard is there on safe origins only; elsewhere the old command copies what is selected.
    await (navigator.clipboard?.writeText(field.textContent ?? '') ?? document.execCommand('copy'));
    button.classList.add('done');
    setTimeout(() => button.classList.remove('done'), 1200);
  });
}

const form = /** @type {any} */ (byId('rendition')).elements;
const picture = /** @type {HTMLImageElement} */ (byId('preview'));
let waiting = 0;
let asked = new AbortController();

/** Shows the address of the rendition the form is set to, and soon the rendition. */
function preview() {
  const region = form.part.value === 'view' ? shown() : null;
  byId('usm').hidden = form.sharpen.value !== 'usm';
  form.fit.disabled = form.wid.value === '' || form.hei.value === '';
  const query = renditionQuery(
    {
      preset: form.preset.value,
      wid: form.wid.value,
      hei: form.hei.value,
      fit: form.fit.value,
      fmt: form.fmt.value,
      qlt: form.qlt.value,
      sharpen: form.sharpen.value,
      usm: `${form.amount.value},${form.radius.value},${form.threshold.value},0`,
      more: form.more.value,
    },
    region === null ? '' : regionQuery(region, image),
  );
  const address = addressOf(query);
  showAddress('rendition-url', address);
  clearTimeout(waiting);
  waiting = setTimeout(() => fetchRendition(address), REST_MS);
}

/** @param {string} address */
async function fetchRendition(address) {
  asked.abort();
  const controller = new AbortController();
  asked = controller;
  try {
    const start = performance.now();
    const reply = await fetch(address, { cache: 'no-store', signal: controller.signal });
    const blob = await reply.blob();
    const time = performance.now() - start;
    const text = reply.ok ? '' : `${reply.status}: ${(await blob.text()).slice(0, 400)}`;
    URL.revokeObjectURL(picture.src);
    picture.src = reply.ok ? URL.createObjectURL(blob) : '';
    const isShown =
      reply.ok &&
      (await picture.decode().then(
        () => true,
        () => false,
      ));
    if (controller.signal.aborted) return;
    picture.hidden = !isShown;
    byId('preview-note').textContent = isShown ? '' : text || `This browser does not show ${blob.type}.`;
    showReply([
      ['Size', isShown ? `${picture.naturalWidth} × ${picture.naturalHeight} px` : null],
      ['Bytes', reply.ok ? blob.size.toLocaleString('en') : null],
      ['Time', `${time.toFixed(time < 10 ? 1 : 0)} ms`],
      ['Type', reply.headers.get('content-type')],
      ['Cache-Control', reply.headers.get('cache-control')],
      ['Expires', reply.headers.get('expires')],
      ['ETag', reply.headers.get('etag')],
    ]);
  } catch (error) {
    if (controller.signal.aborted) return;
    picture.hidden = true;
    byId('preview-note').textContent = `The server did not answer: ${error instanceof Error ? error.message : error}`;
    showReply([]);
  }
}

/** @param {readonly [name: string, value: string | null][]} facts */
function showReply(facts) {
  const entries = facts.flatMap(([name, value]) => {
    if (value === null) return [];
    const [term, description] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = name;
    description.textContent = value;
    return [term, description];
  });
  byId('reply').replaceChildren(...entries);
}

byId('rendition').addEventListener('input', preview);
byId('rendition').addEventListener('submit', (event) => event.preventDefault());
// On a small screen the image comes first.
toggleInspector(matchMedia('(min-width: 800px)').matches);
