/** Locked and obfuscated queries (§12.1, §12.2). Neither keeps a secret: they keep URLs from being made by hand. */
import { PyramidionError } from '../../errors.js';

const LOCK = /^(.*)&([0-9a-f]{4})$/is;

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The lock of raw modifiers (encoded, without `?`): four hexadecimal digits, to be put behind them after an `&`. */
export function lockOf(modifiers: string): string {
  let hash = 0;
  for (const byte of Buffer.from(modifiers, 'utf8')) hash = (hash * 131 + byte) & 0xffff;
  return hash.toString(16).padStart(4, '0');
}

/** The modifiers without their lock. Throws `REQUEST_REFUSED` where it is missing or not theirs. */
export function unlock(locked: string): string {
  const [, modifiers, lock] = LOCK.exec(locked) ?? [];
  if (
    modifiers === undefined ||
    lock === undefined ||
    Number.parseInt(lock, 16) !== Number.parseInt(lockOf(modifiers), 16)
  )
    throw new PyramidionError('REQUEST_REFUSED', 'the request is not locked, or was changed after it was');
  return modifiers;
}

/** Modifiers in base64, for URLs of servers that take nothing else. */
export function obfuscate(modifiers: string): string {
  return Buffer.from(modifiers, 'utf8').toString('base64');
}

/**
 * The modifiers in a query of base64: either alphabet, with or without padding, and with the characters that clients
 * like to encode encoded. Throws `REQUEST_REFUSED` where it is not base64.
 */
export function deobfuscate(query: string): string {
  const text = query.replaceAll(/%(2b|2f|3d)/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const digits = /^([\w+/-]*)(={0,2})$/.exec(text);
  const isWhole = digits?.[2] === '' ? text.length % 4 !== 1 : text.length % 4 === 0;
  if (digits === null || !isWhole) throw new PyramidionError('REQUEST_REFUSED', 'the request is not base64');
  const bytes = Buffer.from(text, 'base64');
  try {
    return UTF_8.decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}
