/** Replies that suit the client (§11, smart imaging): `bfc=on` by what it accepts, `network=on` by what it says of its line. */
import type { ImageRequest, OutputRequest } from '../../region/request.js';

/** What a request asks for, and what the client's headers say. Headers that are not there are ''. */
export interface NegotiationFacts {
  readonly bfc: boolean;
  readonly network: boolean;
  /** `Accept`, `Save-Data` and `Downlink` (megabits per second). */
  readonly accept: string;
  readonly saveData: string;
  readonly downlink: string;
  /** 1…100, for requests that state no quality. */
  readonly jpegQuality: number;
}

/** A request as it is rendered for this client. */
export interface Negotiated {
  readonly request: ImageRequest;
  /** Names of the headers it depends on, for `Vary`. */
  readonly vary: readonly string[];
}

/**
 * Formats that look alike, the smaller first: the quality that matches a JPEG's 0, 50, 60, 70, 80 and 100, from published
 * comparisons by structural dissimilarity; the last is ours.
 */
const EQUIVALENTS = {
  avif: [0, 48, 51, 56, 64, 90],
  webp: [0, 55, 64, 72, 82, 100],
} as const;
const JPEG_QUALITIES = [0, 50, 60, 70, 80, 100] as const;

/** Part of the quality that is kept below so many megabits per second. */
const SLOW = [
  { belowMbps: 0.5, kept: 0.5 },
  { belowMbps: 1.5, kept: 0.7 },
  { belowMbps: 5, kept: 0.85 },
] as const;
const SAVING = 0.7;

const LOSSY = ['jpeg', 'pjpeg', 'webp', 'webp-alpha', 'avif', 'avif-alpha'];

/**
 * The request with its format and quality changed, or as it is. JPEG becomes AVIF or WebP, PNG becomes lossless WebP (a
 * lossless AVIF is seldom smaller). A reply that has to be what the others cannot be stays: gray, CMYK, in a named
 * profile, with its profile or XMP in it, of a given size.
 */
export function negotiateFormat(request: ImageRequest, facts: NegotiationFacts): Negotiated {
  const vary: string[] = [];
  let { output, view } = request;
  if (facts.network) {
    vary.push('Save-Data', 'Downlink');
    const kept = keptQuality(facts);
    if (kept < 1) {
      view = { ...view, dpr: null };
      if (LOSSY.includes(output.format))
        output = { ...output, quality: Math.max(1, Math.round((output.quality ?? facts.jpegQuality) * kept)) };
    }
  }
  if (facts.bfc && isReplaceable(output)) {
    vary.push('Accept');
    output = replace(output, facts);
  }
  return { request: output === request.output && view === request.view ? request : { ...request, output, view }, vary };
}

function isReplaceable(output: OutputRequest): boolean {
  const { format, pixelType, icc, iccEmbed, xmpEmbed, jpegSize } = output;
  const isPlain = (pixelType === null || pixelType === 'rgb') && icc === null && !iccEmbed && !xmpEmbed;
  return isPlain && (format.startsWith('png') ? !format.startsWith('png8') : isJpeg(format) && jpegSize === 0);
}

function isJpeg(format: string): boolean {
  return format === 'jpeg' || format === 'pjpeg';
}

function replace(output: OutputRequest, { accept, jpegQuality }: NegotiationFacts): OutputRequest {
  const weights = { avif: weightOf(accept, 'image/avif'), webp: weightOf(accept, 'image/webp') };
  if (!isJpeg(output.format)) {
    const format = output.format === 'png-alpha' ? 'webp-alpha' : 'webp';
    return weights.webp > 0 ? { ...output, format, compression: 'lossless' } : output;
  }
  const format = weights.avif >= weights.webp ? 'avif' : 'webp';
  if (weights[format] === 0) return output;
  const quality = Math.max(1, Math.round(equivalent(output.quality ?? jpegQuality, EQUIVALENTS[format])));
  return { ...output, format, compression: 'lossy', quality };
}

/** The quality between the two of the table that are next to it. */
function equivalent(quality: number, table: readonly number[]): number {
  const above = Math.max(
    1,
    JPEG_QUALITIES.findIndex((known) => known >= quality),
  );
  const [low = 0, high = 100] = JPEG_QUALITIES.slice(above - 1, above + 1);
  const [from = 0, to = 100] = table.slice(above - 1, above + 1);
  return from + ((quality - low) / (high - low)) * (to - from);
}

/** Weight of a type an `Accept` header names itself; ranges such as image/* say nothing of new formats. */
function weightOf(accept: string, type: string): number {
  for (const item of accept.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    if (name !== type) continue;
    const weight = parameters.find((parameter) => /^q\s*=/.test(parameter))?.replace(/^q\s*=\s*/, '') ?? '1';
    return /^[01](?:\.\d*)?$/.test(weight) ? Math.min(1, Number(weight)) : 0;
  }
  return 0;
}

function keptQuality({ saveData, downlink }: NegotiationFacts): number {
  const mbps = /^\d+(?:\.\d*)?$/.test(downlink.trim()) ? Number(downlink) : Number.POSITIVE_INFINITY;
  const line = SLOW.find(({ belowMbps }) => mbps < belowMbps)?.kept ?? 1;
  return Math.min(line, saveData.trim().toLowerCase() === 'on' ? SAVING : 1);
}
