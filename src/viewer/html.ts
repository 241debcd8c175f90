/** How text gets into a page without becoming part of it. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for an element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** Data for a `<script type="application/json">`: JSON that holds nothing that ends a script or opens a comment. */
export function escapeJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** A path as part of a URL: each segment percent-encoded. Its segments are never dots: such a path names nothing. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
