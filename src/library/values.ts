/**
 * Values of attributes and record fields as catalogs and manifests write them. A reader yields undefined for what is
 * not allowed.
 */
import ipaddr from 'ipaddr.js';
import type { RequestColour } from '../region/request.js';

/** How one kind of value is read, and what may be written, as messages say it. */
export interface ValueKind<Value> {
  readonly allowed: string;
  readonly read: (text: string) => Value | undefined;
}

/** Largest number in a catalog, as in a request. */
const LARGEST = 2147483648;
const HOUR_MS = 3_600_000;
/** Longest time replies may be kept for: 100 years. */
const MAX_HOURS = 876_000;

/** The kind that `read` makes; the text comes without spaces around it. */
export function kind<Value>(allowed: string, read: (text: string) => Value | undefined): ValueKind<Value> {
  return { allowed, read: (text) => read(text.trim()) };
}

/** One of some words, in any case, each of which stands for a value. */
export function oneOf<Value>(allowed: string, words: Readonly<Record<string, Value>>): ValueKind<Value> {
  return kind(allowed, (text) => {
    const word = text.toLowerCase();
    return Object.hasOwn(words, word) ? words[word] : undefined;
  });
}

/** A real number, the limits included; `above` leaves the lower one out. */
export function real(low: number, high = LARGEST, above = false): ValueKind<number> {
  const allowed = above ? `a number above ${low}, ${high} at most` : `a number from ${low} to ${high}`;
  return kind(allowed, (text) => {
    const number = numberOf(text);
    return number >= low && number <= high && !(above && number === low) ? number : undefined;
  });
}

/** A whole number, the limits included. */
export function whole(low: number, high = LARGEST): ValueKind<number> {
  return kind(`a whole number from ${low} to ${high}`, (text) => {
    const number = numberOf(text);
    return Number.isInteger(number) && number >= low && number <= high ? number : undefined;
  });
}

/** Two numbers of a kind, with a comma between. `numbers` names them in messages: `two whole numbers …` */
export function pair(numbers: string, item: ValueKind<number>): ValueKind<readonly [number, number]> {
  return kind(`${numbers}, with a comma between`, (text) => {
    const [first, second, ...rest] = text.split(',').map((part) => item.read(part));
    return first === undefined || second === undefined || rest.length > 0 ? undefined : [first, second];
  });
}

/** 0 or 1, or the words. */
export const flag = oneOf('0, 1, false or true', { 0: false, 1: true, false: false, true: true });

/** Any text without control characters. */
export const text = kind('text without control characters', (given) => (isPlain(given) ? given : undefined));

/** Text of several lines. */
export const longText: ValueKind<string> = { allowed: 'text', read: (given) => given };

/** A path without `..` among its elements. */
export const path = kind('a path without .. in it', (given) =>
  isPlain(given) && !given.split(/[/\\]/).includes('..') ? given : undefined,
);

/** A path that is not absolute either. */
export const relativePath = kind('a relative path without .. in it', (given) =>
  /^(?:[/\\]|[a-z]:)/i.test(given) ? undefined : path.read(given),
);

/** Opaque RGB: `RRGGBB`, after `0x` or not. */
export const colour = kind('six hexadecimal digits RRGGBB', (given): RequestColour | undefined => {
  const digits = /^(?:0x)?([0-9a-f]{6})$/i.exec(given)?.[1];
  if (digits === undefined) return undefined;
  const samples = [0, 2, 4].map((at) => Number.parseInt(digits.slice(at, at + 2), 16) / 255);
  return { space: 'rgb', samples, alpha: 1, source: false };
});

/** A time in hours, as milliseconds; −1 is never. */
export const hours = kind(`−1 (never) or hours from 0 to ${MAX_HOURS}`, (given) => {
  const number = numberOf(given);
  if (number === -1) return -1;
  return number >= 0 && number <= MAX_HOURS ? Math.round(number * HOUR_MS) : undefined;
});

/** The same, written in milliseconds. */
export const milliseconds = kind(`−1 (never) or milliseconds from 0 to ${MAX_HOURS * HOUR_MS}`, (given) => {
  const number = numberOf(given);
  return Number.isInteger(number) && number >= -1 && number <= MAX_HOURS * HOUR_MS ? number : undefined;
});

/** Names of time zones, in hours east of Greenwich. */
const ZONES: Readonly<Record<string, number>> = {
  ...{ GMT: 0, UTC: 0, UT: 0, Z: 0, WET: 0, WEST: 1, CET: 1, CEST: 2, EET: 2, EEST: 3, JST: 9 },
  ...{ EST: -5, EDT: -4, CST: -6, CDT: -5, MST: -7, MDT: -6, PST: -8, PDT: -7, AKST: -9, AKDT: -8, HST: -10 },
};

const TIME_STAMP =
  /^(\d{1,2})\/(\d{1,2})\/(\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})\s+([a-z]{1,4})?\s*(?:([+-])(\d{1,2})(?::?(\d{2}))?)?$/i;

/** Milliseconds since 1970: as such, or a date and time with a time zone or an offset from GMT. */
export const timeStamp = kind(
  'milliseconds since 1970, or mm/dd/yyyy hh:mm:ss with a time zone such as PST or GMT+1:00',
  (given) => {
    if (/^\d{1,15}$/.test(given)) return Number(given);
    const [found, ...parts] = TIME_STAMP.exec(given) ?? [];
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = parts.slice(0, 6).map(Number);
    const [zone, sign, offsetHours = '0', offsetMinutes = '0'] = parts.slice(6);
    if (found === undefined || (zone === undefined && sign === undefined)) return undefined;
    const zoneHours = ZONES[zone?.toUpperCase() ?? 'GMT'];
    if (zoneHours === undefined || hour > 23 || minute > 59 || second > 59) return undefined;
    if (Number(offsetHours) > 14 || Number(offsetMinutes) > 59) return undefined;
    const time = Date.UTC(year, month - 1, day, hour, minute, second);
    const date = new Date(time);
    // A day that its month does not have.
    if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || time < 0) return undefined;
    const offset = Number(offsetHours) * 60 + Number(offsetMinutes);
    return time - zoneHours * HOUR_MS - (sign === '-' ? -offset : offset) * 60_000;
  },
);

/** Networks in CIDR form, in the order they are written; an address alone is a network of its own. */
export const networks = kind(
  'addresses or networks such as 10.0.0.0/8 or 2001:db8::/32, with commas between',
  (given) => {
    const list = given.split(/[\s,;]+/).filter((item) => item !== '');
    const read = list.map(networkOf);
    return read.every((network) => network !== undefined) ? read : undefined;
  },
);

function networkOf(given: string): string | undefined {
  const [address = '', prefix, ...rest] = given.split('/');
  // The package would take `10` and octal numbers too.
  const isIpv4 = ipaddr.IPv4.isValidFourPartDecimal(address);
  if (rest.length > 0 || !(isIpv4 || (address.includes(':') && ipaddr.IPv6.isValid(address)))) return undefined;
  const most = isIpv4 ? 32 : 128;
  const bits = prefix === undefined ? most : bitsOf(prefix, isIpv4);
  return bits <= most ? `${address}/${bits}` : undefined;
}

/** Bits of `24` or, of IPv4, `255.255.255.0`; NaN for anything else. */
function bitsOf(prefix: string, isIpv4: boolean): number {
  if (/^\d{1,3}$/.test(prefix)) return Number(prefix);
  if (!isIpv4 || !ipaddr.IPv4.isValidFourPartDecimal(prefix)) return Number.NaN;
  return ipaddr.IPv4.parse(prefix).prefixLengthFromSubnetMask() ?? Number.NaN;
}

function numberOf(given: string): number {
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,2})?$/i.test(given.trim()) ? Number(given) + 0 : Number.NaN;
}

function isPlain(given: string): boolean {
  return !/\p{Cc}/u.test(given);
}
