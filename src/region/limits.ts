/** How much one request may ask for. */
import { PyramidionError } from '../errors.js';
import type { Size } from '../geometry.js';

/** Limits of one request. */
export interface LimitSettings {
  /** Largest reply, pixels a side; 0: any. */
  readonly maxPix: readonly [width: number, height: number];
  /** Pixels of the reply and of any picture that is held whole on the way, in millions (10⁶). */
  readonly maxRenderRgnPixels: number;
  /** Pixels of the stored tiles that are decoded, in millions (10⁶). */
  readonly maxDecodedPixels: number;
}

/**
 * 2000 × 2000, 16 and 128 million pixels. The last leaves room for a reply of 16 million at the most unfavourable
 * scale, which decodes four stored pixels for one, and for tiles it only touches.
 */
export const defaultLimits: LimitSettings = { maxPix: [2000, 2000], maxRenderRgnPixels: 16, maxDecodedPixels: 128 };

/** Refuses a reply above `maxPix` or `maxRenderRgnPixels`: `LIMIT_EXCEEDED`. Equal is fine. */
export function checkReply(size: Size, limits: LimitSettings): void {
  if (exceeds(size, limits)) {
    const [width, height] = limits.maxPix;
    throw limitExceeded(
      'maxPix',
      [size.width, size.height],
      limits.maxPix,
      `the reply would have ${size.width} × ${size.height} pixels, the limit is ${width || 'any'} × ${height || 'any'}`,
    );
  }
  checkHeld(size, limits, 'the reply');
}

/** Whether a reply has a side above `maxPix`. */
export function exceeds(size: Size, limits: LimitSettings): boolean {
  const [width, height] = limits.maxPix;
  return (width > 0 && size.width > width) || (height > 0 && size.height > height);
}

/** Refuses a picture above `maxRenderRgnPixels`: `LIMIT_EXCEEDED`. */
export function checkHeld(size: Size, limits: LimitSettings, what: string): void {
  checkPixels('maxRenderRgnPixels', size.width * size.height, limits.maxRenderRgnPixels, what);
}

/** Refuses to decode more than `maxDecodedPixels`: `LIMIT_EXCEEDED`. */
export function checkDecoded(pixels: number, limits: LimitSettings): void {
  checkPixels('maxDecodedPixels', pixels, limits.maxDecodedPixels, 'what the request needs to decode');
}

/** The `LIMIT_EXCEEDED` of a setting. */
export function limitExceeded(setting: string, value: unknown, limit: unknown, message: string): PyramidionError {
  return new PyramidionError('LIMIT_EXCEEDED', `${message} (${setting})`, { option: setting, value, limit });
}

function checkPixels(setting: string, pixels: number, millions: number, what: string): void {
  if (pixels <= millions * 1e6) return;
  throw limitExceeded(
    setting,
    pixels,
    millions * 1e6,
    `${what} would have ${pixels} pixels, the limit is ${millions} million`,
  );
}
