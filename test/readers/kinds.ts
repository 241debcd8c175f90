/** One file of every kind the engine writes. */
import type { BuildOptions } from '../../src/ingest/types.js';
import type { SourceKind, Space } from './sources.js';

/** A source, the options, and what the result must be. */
export interface Kind {
  readonly name: string;
  readonly source: SourceKind & { readonly orientation: number };
  readonly options: BuildOptions;
  readonly compression: 'none' | 'deflate' | 'lzw' | 'jpeg' | 'webp';
  readonly lossless: boolean;
  readonly alpha: 'none' | 'straight' | 'associated';
  readonly layout: 'pages' | 'subifds';
  readonly bigTiff: boolean;
  readonly tileSize: number;
}

type Changes = Partial<Pick<Kind, 'layout' | 'bigTiff' | 'tileSize' | 'alpha'>> & {
  readonly space?: Space;
  readonly bits?: 8 | 16;
  readonly width?: number;
  readonly height?: number;
  readonly orientation?: number;
};

function kind(compression: Kind['compression'], changes: Changes = {}, options: BuildOptions = {}): Kind {
  const { space = 'rgb', bits = 8, alpha = 'none', layout = 'pages', bigTiff = false, tileSize = 256 } = changes;
  const { width = 601, height = 433, orientation = 1 } = changes;
  const extra = Object.entries(options).map(([name, value]) => `${name} ${value}`);
  const name = [
    `${space} ${bits}`,
    ...(alpha === 'none' ? [] : [`${alpha} alpha`]),
    [compression, ...extra].join(' '),
    `${width}×${height} in ${tileSize}`,
    layout,
    bigTiff ? 'BigTIFF' : 'classic',
    ...(orientation === 1 ? [] : [`orientation ${orientation}`]),
  ].join(', ');
  return {
    name,
    source: { width, height, space, bits, alpha: alpha !== 'none', orientation },
    options: {
      compression,
      bits: 'source',
      alpha: alpha === 'none' ? 'straight' : alpha,
      layout,
      bigTiff,
      tileSize,
      ...options,
    },
    compression,
    lossless: compression !== 'jpeg' && (compression !== 'webp' || options.lossless === true),
    alpha,
    layout,
    bigTiff,
    tileSize,
  };
}

const GEOMETRIES = [
  { width: 601, height: 433, tileSize: 128 },
  { width: 433, height: 601, tileSize: 256 },
  { width: 601, height: 433, tileSize: 512 },
  { width: 100, height: 75, tileSize: 256 },
  { width: 257, height: 129, tileSize: 128 },
] as const;

const CONTAINERS = [
  { layout: 'pages', bigTiff: false },
  { layout: 'subifds', bigTiff: true },
  { layout: 'pages', bigTiff: true },
  { layout: 'subifds', bigTiff: false },
] as const;

/** Every pixel type with every lossless coding; geometries and containers take turns, and meet in all ways. */
function losslessKinds(): Kind[] {
  const kinds: Kind[] = [];
  for (const compression of ['none', 'deflate', 'lzw'] as const) {
    for (const space of ['gray', 'rgb', 'cmyk'] as const) {
      for (const bits of [8, 16] as const) {
        for (const alpha of ['none', 'straight', 'associated'] as const) {
          const turn = kinds.length;
          kinds.push(
            kind(compression, {
              space,
              bits,
              alpha,
              ...GEOMETRIES[turn % GEOMETRIES.length],
              ...CONTAINERS[turn % CONTAINERS.length],
            }),
          );
        }
      }
    }
  }
  return kinds;
}

/** JPEG and WebP, each as a small classic file of pages and as a BigTIFF of SubIFDs with small tiles. */
function lossyKinds(): Kind[] {
  const ways = [
    ['jpeg', { space: 'gray' }, {}],
    ['jpeg', { space: 'rgb' }, { chroma: '4:2:0' }],
    ['jpeg', { space: 'rgb' }, { chroma: '4:4:4' }],
    ['jpeg', { space: 'cmyk' }, {}],
    ['webp', { space: 'rgb' }, { lossless: false }],
    ['webp', { space: 'rgb' }, { lossless: true, effort: 1 }],
    ['webp', { space: 'rgb', alpha: 'straight' }, { lossless: false }],
    ['webp', { space: 'rgb', alpha: 'straight' }, { lossless: true, effort: 1 }],
    ['webp', { space: 'rgb', alpha: 'associated' }, { lossless: true, effort: 1 }],
  ] as const;
  return ways.flatMap(([compression, pixels, options]) => [
    kind(compression, pixels, options),
    kind(compression, { ...pixels, layout: 'subifds', bigTiff: true, tileSize: 128 }, options),
  ]);
}

/** What the others leave out. */
const more: readonly Kind[] = [
  kind('deflate', {}, { predictor: false, effort: 9 }),
  kind('lzw', { bits: 16, layout: 'subifds' }, { predictor: false }),
  kind('deflate', { bits: 16 }, { bits: 8 }),
  kind('jpeg', { bits: 16 }),
  kind('jpeg', { width: 100, height: 75 }),
  kind('jpeg', { width: 1, height: 1, tileSize: 64 }),
  kind('deflate', { width: 1, height: 333, tileSize: 64, layout: 'subifds' }),
  kind('deflate', {}, { depth: 'onepixel' }),
  kind('jpeg', { layout: 'subifds' }, { depth: 'onepixel' }),
  kind('deflate', {}, { depth: 'one' }),
  kind('deflate', { orientation: 6 }),
  kind('lzw', { orientation: 6, space: 'gray', bits: 16, layout: 'subifds', tileSize: 128 }),
  kind('none', { orientation: 6, alpha: 'straight', bigTiff: true, tileSize: 512 }),
  kind('jpeg', { orientation: 6, tileSize: 128 }),
  kind('jpeg', { orientation: 6, space: 'cmyk', layout: 'subifds' }),
  kind('webp', { orientation: 6 }, { lossless: true, effort: 1 }),
];

export const kinds: readonly Kind[] = [...losslessKinds(), ...lossyKinds(), ...more];
