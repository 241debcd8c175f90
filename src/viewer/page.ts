/** The page of one image: a zoom viewer and an inspector. Pure: the server gives it what it shows. */
import { imageFacts, tiledImage, type ViewerImage } from './facts.js';
import { encodePath, escapeHtml, escapeJson } from './html.js';
import { icon } from './icons.js';

/** What a page of the viewer is made of. */
export interface ViewerPage {
  readonly image: ViewerImage;
  /** Names of presets that may be called as `?$name$`, in the order they are offered. */
  readonly presets: readonly string[];
  /** Largest reply, pixels a side; 0: any. */
  readonly maxPix: readonly [width: number, height: number];
  /** Where the server is mounted: '' or a path without a slash at its end. */
  readonly root: string;
}

/** Formats on offer; the first is the server's default. */
const FORMATS = [
  'jpeg',
  'pjpeg',
  'png',
  'png-alpha',
  'png8',
  'png8-alpha',
  'webp',
  'webp-alpha',
  'avif',
  'avif-alpha',
  'gif',
  'gif-alpha',
  'tif',
  'tif-alpha',
];

const FITS = ['fit', 'constrain', 'crop', 'wrap', 'stretch', 'hfit', 'vfit'];

/** What keys do, as `assets/viewer.js` has it. */
const KEYS: readonly (readonly [keys: readonly string[], does: string])[] = [
  [['+', '−'], 'zoom'],
  [['←', '↑', '→', '↓'], 'move'],
  [['0'], 'whole image'],
  [['1'], 'pixel for pixel'],
  [['f'], 'full screen'],
  [['i'], 'inspector'],
];

/**
 * The page of an image as a whole HTML document. It loads `<root>/viewer/assets/…` and asks for tiles and renditions at
 * `<root>/is/image/<path>`, and for nothing else; send it with `VIEWER_HEADERS`. Whatever the path holds, it is shown as text.
 */
export function viewerPage({ image, presets, maxPix, root }: ViewerPage): string {
  const { path, version, info } = image;
  const name = path.split('/').at(-1) ?? path;
  const address = `${root}/is/image/${encodePath(path)}`;
  const data = {
    address,
    version,
    maxPix,
    // Tiles with alpha let the ground of the viewer show through.
    tileFormat: info.pixels.alpha === 'none' ? '' : 'png-alpha',
    tiles: tiledImage(info),
  };
  const facts = imageFacts(image)
    .map(([term, value]) => `<dt>${escapeHtml(term)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('');
  return pageOf(
    name,
    root,
    `<body class="viewer">
<header>
<a class="brand" href="${escapeHtml(root)}/viewer/" title="All images">${icon('images')}<span>Pyramidion</span></a>
<h1 title="${escapeHtml(path)}">${escapeHtml(name)}</h1>
${button('panel', 'toggle', 'Inspector (i)', 'aria-expanded="true" aria-controls="inspector"')}
</header>
<main>
<section id="stage" aria-label="Image">
<div id="view" class="${data.tileFormat === '' ? '' : 'checked'}"></div>
<div class="tools" role="toolbar" aria-label="Zoom">
${button('in', 'zoom-in', 'Zoom in (+)')}
${button('out', 'zoom-out', 'Zoom out (−)')}
${button('home', 'home', 'Whole image (0)')}
${button('actual', 'actual', 'Pixel for pixel (1)')}
${button('full', 'full', 'Full screen (f)')}
</div>
<p class="status"><span id="zoom">–</span><span id="level"></span><span id="place"></span></p>
<p id="notice" role="alert" hidden></p>
<noscript><img src="${escapeHtml(address)}?wid=1200" alt="${escapeHtml(name)}"><p>Zooming needs JavaScript.</p></noscript>
</section>
<aside id="inspector" aria-label="Inspector">
<section>
<h2>Image</h2>
<dl>${facts}</dl>
</section>
<section>
<h2>View</h2>
<dl><dt>Region</dt><dd id="region">–</dd></dl>
${addressField('view-url', 'Address of this view')}
</section>
<section>
<h2>Rendition</h2>
<form id="rendition" autocomplete="off">
${presets.length === 0 ? '<input type="hidden" name="preset" value="">' : select('preset', 'Preset', ['', ...presets], 'none', 'wide')}
${select('part', 'Part', ['image', 'view'], null, 'wide', { image: 'the whole image', view: 'what the viewer shows' })}
${number('wid', 'Width', 1, 'auto', '600')}
${number('hei', 'Height', 1, 'auto', '')}
${select('fit', 'Fit', FITS, null)}
${select('fmt', 'Format', ['', ...FORMATS.slice(1)], FORMATS[0] ?? '')}
${number('qlt', 'Quality', 1, 'default', '', 100)}
${select('sharpen', 'Sharpening', ['', 'simple', 'usm'], 'none', '', { usm: 'unsharp mask' })}
<div id="usm" hidden>
${number('amount', 'Amount', 0, '', '1', 5, '0.1')}
${number('radius', 'Radius', 0, '', '0.8', 250, '0.1')}
${number('threshold', 'Threshold', 0, '', '2', 255)}
</div>
<label class="wide">More modifiers<input name="more" spellcheck="false" placeholder="rotate=15&amp;bgc=ffffff"></label>
</form>
${addressField('rendition-url', 'Address of this rendition')}
<figure>
<div class="preview"><img id="preview" alt="The rendition" hidden><p id="preview-note">…</p></div>
<figcaption><dl id="reply" aria-live="polite"></dl></figcaption>
</figure>
</section>
<p class="keys">${KEYS.map(([keys, does]) => `<span>${keys.map((key) => `<kbd>${key}</kbd>`).join(' ')} ${does}</span>`).join(' ')}</p>
</aside>
</main>
<script type="application/json" id="data">${escapeJson(data)}</script>
<script defer src="${escapeHtml(root)}/viewer/assets/openseadragon.js"></script>
<script type="module" src="${escapeHtml(root)}/viewer/assets/viewer.js"></script>
</body>`,
  );
}

/** An HTML document around a body. */
export function pageOf(title: string, root: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="dark">
<title>${escapeHtml(title)} · Pyramidion</title>
<link rel="icon" type="image/svg+xml" href="${escapeHtml(root)}/viewer/assets/icon.svg">
<link rel="stylesheet" href="${escapeHtml(root)}/viewer/assets/viewer.css">
</head>
${body}
</html>
`;
}

function button(shape: Parameters<typeof icon>[0], id: string, label: string, attributes = ''): string {
  return `<button type="button" id="${id}" title="${label}" aria-label="${label}" ${attributes}>${icon(shape)}</button>`;
}

function addressField(id: string, label: string): string {
  return `<div class="address"><code id="${id}" aria-label="${label}"></code>
<button type="button" data-copy="${id}" title="Copy" aria-label="Copy: ${label}">${icon('copy')}</button>
<a id="${id}-open" target="_blank" rel="noopener" title="Open" aria-label="Open: ${label}">${icon('open')}</a></div>`;
}

/** `empty` is what the value '' is called. */
function select(
  name: string,
  label: string,
  values: readonly string[],
  empty: string | null,
  className = '',
  labels: Readonly<Record<string, string>> = {},
): string {
  const options = values
    .map(
      (value) =>
        [value, value === '' ? (empty ?? '') : Object.hasOwn(labels, value) ? (labels[value] ?? '') : value] as const,
    )
    .map(([value, text]) => `<option value="${escapeHtml(value)}">${escapeHtml(text)}</option>`)
    .join('');
  return `<label class="${className}">${label}<select name="${name}">${options}</select></label>`;
}

function number(
  name: string,
  label: string,
  min: number,
  empty: string,
  value: string,
  max: number | null = null,
  step = '1',
): string {
  const most = max === null ? '' : ` max="${max}"`;
  return `<label>${label}<input type="number" name="${name}" min="${min}"${most} step="${step}" placeholder="${empty}" value="${value}"></label>`;
}
