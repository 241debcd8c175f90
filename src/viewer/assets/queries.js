/** Image Serving queries of what the inspector is set to. Runs in browsers; no DOM. */

/** @typedef {{ x: number, y: number, width: number, height: number }} Region in pixels of the image */

/**
 * What a rendition is to be, as its form has it; '' is not said.
 *
 * @typedef {object} RenditionForm
 * @property {string} preset name, without its signs
 * @property {string} wid
 * @property {string} hei
 * @property {string} fit
 * @property {string} fmt
 * @property {string} qlt
 * @property {string} sharpen `''`, `simple` or `usm`
 * @property {string} usm amount, radius and threshold
 * @property {string} more further modifiers
 */

/** Formats whose quality can be chosen. */
export const LOSSY = ['', 'jpeg', 'pjpeg', 'webp', 'webp-alpha', 'avif', 'avif-alpha'];

/**
 * The whole pixels of the image that a rectangle touches.
 *
 * @param {Region} rect of any numbers
 * @param {{ width: number, height: number }} image
 * @returns {Region | null} null when it lies beside the image
 */
export function shownRegion(rect, image) {
  const x = Math.max(0, Math.floor(rect.x));
  const y = Math.max(0, Math.floor(rect.y));
  const width = Math.min(image.width, Math.ceil(rect.x + rect.width)) - x;
  const height = Math.min(image.height, Math.ceil(rect.y + rect.height)) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}

/**
 * `rgn`, or nothing for the whole image.
 *
 * @param {Region} region
 * @param {{ width: number, height: number }} image
 */
export function regionQuery({ x, y, width, height }, image) {
  return width === image.width && height === image.height ? '' : `rgn=${x},${y},${width},${height}`;
}

/**
 * @param {RenditionForm} form
 * @param {string} region from {@link regionQuery}; '' is the whole image
 * @returns {string} modifiers; what is said beside a preset overrides it
 */
export function renditionQuery(form, region) {
  const hasBoth = form.wid !== '' && form.hei !== '';
  return [
    form.preset && `$${form.preset}$`,
    region,
    form.wid && `wid=${form.wid}`,
    form.hei && `hei=${form.hei}`,
    hasBoth && form.fit && `fit=${form.fit}`,
    form.fmt && `fmt=${form.fmt}`,
    LOSSY.includes(form.fmt) && form.qlt && `qlt=${form.qlt}`,
    form.sharpen === 'simple' && 'op_sharpen=1',
    form.sharpen === 'usm' && `op_usm=${form.usm}`,
    form.more.replace(/^[?&]+/, ''),
  ]
    .filter(Boolean)
    .join('&');
}
