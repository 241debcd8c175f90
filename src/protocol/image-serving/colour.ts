/** Colours as requests write them (§1.2). */
import type { RequestColour } from '../../region/request.js';
import type { Value } from './values.js';

const EXPECTED = 'a colour: g[,a], r,g,b[,a], c,m,y,k[,a]k, or hexadecimal RRGGBB[AA], 0xGG[AA], CCMMYYKK[AA]k';

/** Samples of each space, and the largest of a decimal sample. */
const SPACES = {
  gray: { samples: 1, largest: 100, suffix: 'g' },
  rgb: { samples: 3, largest: 255, suffix: 'r' },
  cmyk: { samples: 4, largest: 100, suffix: 'k' },
} as const;

type Space = keyof typeof SPACES;

/**
 * Reads a colour. Decimals are told by their count and the suffix `g`, `r` or `k`; one more suffix, `s`, says that they
 * are in the source's space. A hexadecimal colour may be followed by a decimal opacity. Throws `INVALID_REQUEST`.
 */
export function readColour(value: Value): RequestColour {
  const parts = /^(.*?)([grk]?)(s?)$/i.exec(value.text);
  const [, body = '', suffix = '', source = ''] = parts ?? [];
  const space = spaceOf(suffix.toLowerCase());
  const items = body.split(',').map((item) => item.trim());
  const hex = /^(0x)?((?:[0-9a-f]{2})+)$/i.exec(items[0] ?? '');
  const digits = hex?.[2] ?? '';
  const isHex = hex?.[1] !== undefined || (digits.length >= 6 && items.length <= 2);
  const colour = isHex ? readHex(value, digits, items, space) : readDecimals(value, items, space);
  return { ...colour, source: source !== '' };
}

function readHex(value: Value, digits: string, items: readonly string[], asked: Space | undefined) {
  const samples = [...digits.matchAll(/../g)].map(([pair]) => Number.parseInt(pair, 16) / 255);
  const space = asked ?? (samples.length <= 2 ? 'gray' : 'rgb');
  if (items.length > 2) value.invalid(EXPECTED);
  const alpha = items.length === 2 ? [decimal(value, items[1], SPACES[space].largest)] : [];
  return checked(value, space, [...samples, ...alpha]);
}

function readDecimals(value: Value, items: readonly string[], asked: Space | undefined) {
  const space = asked ?? (items.length <= 2 ? 'gray' : items.length <= 4 ? 'rgb' : undefined);
  if (space === undefined) return value.invalid(EXPECTED);
  return checked(
    value,
    space,
    items.map((item) => decimal(value, item, SPACES[space].largest)),
  );
}

function checked(value: Value, space: Space, all: readonly number[]) {
  const { samples } = SPACES[space];
  if (all.length !== samples && all.length !== samples + 1) value.invalid(EXPECTED);
  return { space, samples: all.slice(0, samples), alpha: all[samples] ?? 1 };
}

function decimal(value: Value, item: string | undefined, largest: number): number {
  const number = /^(?:\d+\.?\d*|\.\d+)$/.test(item ?? '') ? Number(item) : Number.NaN;
  if (!(number <= largest)) value.invalid(EXPECTED);
  return number / largest;
}

function spaceOf(suffix: string): Space | undefined {
  return (Object.keys(SPACES) as Space[]).find((space) => SPACES[space].suffix === suffix);
}

/** A colour without its alpha, so that {@link readColour} reads it back: `RRGGBB`, `0xGG` or `CCMMYYKKk`. */
export function formatColour({ space, samples }: RequestColour): string {
  const bytes = samples.map((sample) => Math.round(sample * 255));
  const hex = Buffer.from(bytes).toString('hex').toUpperCase();
  return space === 'gray' ? `0x${hex}` : space === 'cmyk' ? `${hex}k` : hex;
}
