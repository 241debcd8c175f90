/** The page that lists images. */
import { encodePath, escapeHtml } from './html.js';
import { icon } from './icons.js';
import { pageOf } from './page.js';

/** What the list is made of. */
export interface ViewerIndex {
  /** Objects as in `/is/image/<path>`: decoded, without a leading slash; in the order they are shown. */
  readonly paths: readonly string[];
  /** How many there are in all, where `paths` holds the first of them only. */
  readonly total: number;
  /** What went wrong, when the page is shown instead of another: plain text. */
  readonly notice: string | null;
  /** Where the server is mounted: '' or a path without a slash at its end. */
  readonly root: string;
}

/** The list of images as a whole HTML document; its links lead to `<root>/viewer/<path>`. Send it with `VIEWER_HEADERS`. */
export function viewerIndex({ paths, total, notice, root }: ViewerIndex): string {
  const cards = paths
    .map((path) => {
      const at = path.lastIndexOf('/') + 1;
      const place = encodePath(path);
      return `<li><a href="${escapeHtml(`${root}/viewer/${place}`)}">
<img src="${escapeHtml(`${root}/is/image/${place}?wid=480&hei=320&fit=crop,1&qlt=82`)}" width="480" height="320" loading="lazy" alt="">
<b>${escapeHtml(path.slice(at))}</b><small>${escapeHtml(path.slice(0, at))}</small></a></li>`;
    })
    .join('\n');
  const counted = `${total} ${total === 1 ? 'image' : 'images'}${paths.length < total ? `, the first ${paths.length} of them` : ''}`;
  return pageOf(
    'Images',
    root,
    `<body class="index">
<header>
<a class="brand" href="${escapeHtml(root)}/viewer/">${icon('images')}<span>Pyramidion</span></a>
<h1>${counted}</h1>
</header>
<main>
${notice === null ? '' : `<p class="notice" role="alert">${escapeHtml(notice)}</p>`}
${paths.length === 0 ? '<p class="empty">There are no images yet. <code>pyramidion ingest &lt;file&gt; --library &lt;root&gt;</code> adds some.</p>' : `<ul>\n${cards}\n</ul>`}
</main>
</body>`,
  );
}
