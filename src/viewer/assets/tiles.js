/**
 * The image as tiles of Image Serving. A tile is a `rect` of a view that has the size of a stored level: where the rect
 * is a stored tile of the image, the server sends it as it is stored. Runs in browsers; no DOM.
 */

/**
 * @typedef {object} TiledImage
 * @property {number} width in pixels
 * @property {number} height
 * @property {number} tileSize in pixels
 * @property {readonly { width: number, height: number }[]} levels each about half of the one before; the first is the full image
 */

/**
 * The view that shows a level pixel for pixel.
 *
 * @param {TiledImage} image
 * @param {number} level 0 is the full image
 * @returns {string} modifiers
 */
export function levelQuery({ width, height, levels }, level) {
  const scale = 2 ** level;
  const size = levels[level] ?? { width: 0, height: 0 };
  const isRounded = Math.round(width / scale) === size.width && Math.round(height / scale) === size.height;
  // `scl` rounds half up; levels of odd sides are often rounded otherwise.
  return isRounded ? `scl=${scale}` : `wid=${size.width}&hei=${size.height}&fit=stretch`;
}

/**
 * How many tiles a level has.
 *
 * @param {TiledImage} image
 * @param {number} level 0 is the full image
 */
export function tileCount({ levels, tileSize }, level) {
  const { width, height } = levels[level] ?? { width: 0, height: 0 };
  return { columns: Math.ceil(width / tileSize), rows: Math.ceil(height / tileSize) };
}

/**
 * One tile; those at the right and lower edge are cut off there.
 *
 * @param {TiledImage} image
 * @param {number} level 0 is the full image
 * @param {number} column
 * @param {number} row
 * @returns {string} modifiers
 */
export function tileQuery(image, level, column, row) {
  const { levels, tileSize } = image;
  const size = levels[level] ?? { width: 0, height: 0 };
  const [left, top] = [column * tileSize, row * tileSize];
  const width = Math.min(tileSize, size.width - left);
  const height = Math.min(tileSize, size.height - top);
  return `${levelQuery(image, level)}&rect=${left},${top},${width},${height}`;
}
