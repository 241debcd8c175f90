/** What the pages know of an image, and how they say it. */
import { ceilDiv, orientedSize } from '../geometry.js';
import type { PictureInfo } from '../picture/picture.js';

/** An image that a page shows. */
export interface ViewerImage {
  /** Its object, as in `/is/image/<path>`: decoded, without a leading slash. */
  readonly path: string;
  /** Changes with the image: goes into the addresses of tiles as `id`. */
  readonly version: string;
  readonly info: Pick<
    PictureInfo,
    'kind' | 'width' | 'height' | 'orientation' | 'levels' | 'pixels' | 'profile' | 'dpi'
  >;
  /** Bytes of the file; null where they are not known. */
  readonly bytes: number | null;
}

/** A picture that is cut into tiles, as `assets/tiles.js` takes it. */
export interface TiledImage {
  readonly width: number;
  readonly height: number;
  readonly tileSize: number;
  /** Each about half of the one before; the last fits one tile. */
  readonly levels: readonly { readonly width: number; readonly height: number }[];
}

/** Tiles of images that have none of their own, or of no use: strips and the like. */
const DEFAULT_TILE = 256;
const SMALLEST_TILE = 64;
const LARGEST_TILE = 1024;

/** The tiles a viewer asks for: the stored ones where the image has them, else halvings that the server makes. */
export function tiledImage({ kind, width, height, orientation, levels }: ViewerImage['info']): TiledImage {
  const { tileWidth = 0, tileHeight = 0 } = levels[0] ?? {};
  const isUsable =
    kind === 'pyramid' && tileWidth === tileHeight && tileWidth >= SMALLEST_TILE && tileWidth <= LARGEST_TILE;
  const tileSize = isUsable ? tileWidth : DEFAULT_TILE;
  const sizes = [{ width, height }];
  for (let scale = 2; ; scale *= 2) {
    const { width: w, height: h } = sizes.at(-1) ?? { width: 1, height: 1 };
    if (w <= tileSize && h <= tileSize) break;
    const stored = levels.find(({ downsample: { x, y } }) => Math.round(x) === scale && Math.round(y) === scale);
    const halved = { width: ceilDiv(width, scale), height: ceilDiv(height, scale) };
    const size = stored === undefined ? halved : orientedSize(stored, orientation);
    sizes.push({ width: size.width, height: size.height });
  }
  return { width, height, tileSize, levels: sizes };
}

/** Names and values for people, in the order they are shown. */
export function imageFacts({ info, bytes }: ViewerImage): readonly (readonly [name: string, value: string])[] {
  const { kind, width, height, levels, pixels, profile, dpi } = info;
  const { tileWidth, tileHeight } = levels[0] ?? {};
  const facts: (readonly [string, string] | null)[] = [
    ['Size', `${width} × ${height} px`],
    ['Pixels', `${Number((width * height * 1e-6).toPrecision(3))} million`],
    ['Stored as', kind === 'pyramid' ? `pyramid, ${levels.length} levels` : 'plain image'],
    kind === 'pyramid' ? ['Tiles', `${tileWidth} × ${tileHeight} px`] : null,
    ['Colour', `${SPACES[pixels.space]}, ${pixels.bits} bits${pixels.alpha === 'none' ? '' : ', alpha'}`],
    ['Profile', profile?.description ?? 'none'],
    dpi === null ? null : ['Resolution', `${Math.round(dpi.x)} ppi, ${printSize(width, height, dpi)}`],
    bytes === null ? null : ['File', formatBytes(bytes)],
  ];
  return facts.filter((fact) => fact !== null);
}

const SPACES = { gray: 'gray', rgb: 'RGB', cmyk: 'CMYK' } as const;

function printSize(width: number, height: number, dpi: { readonly x: number; readonly y: number }): string {
  const centimetres = (length: number, perInch: number): string => ((length / perInch) * 2.54).toFixed(1);
  return `${centimetres(width, dpi.x)} × ${centimetres(height, dpi.y)} cm`;
}

/** `1.2 MB`: powers of 1000, three digits. */
export function formatBytes(bytes: number): string {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${['bytes', 'kB', 'MB', 'GB', 'TB'][power]}`;
}
