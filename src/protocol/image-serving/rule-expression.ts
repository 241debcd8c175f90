/** Expressions and substitutions of rules: written as for java.util.regex, matched in linear time by RE2. */
import { RE2JS } from 're2js';
import { PyramidionError } from '../../errors.js';

/** Most matches of one rule that are replaced: each may look at all of the rest. */
const MAX_MATCHES = 1000;

/** How often a URL is to be changed, and how long it may become. */
export interface ReplaceOptions {
  readonly all: boolean;
  /** Characters. */
  readonly maxLength: number;
}

/** A rule's expression with its substitution. */
export interface RuleExpression {
  /**
   * The URL after the rule; null where the rule does not match. Without a substitution it is the URL as it was. Throws
   * `LIMIT_EXCEEDED` (`url`) where it becomes too long.
   */
  apply(url: string, options: ReplaceOptions): string | null;
}

/** Text, or the number of a group. */
type Part = string | number;

/** Why an expression cannot be used: `Error.message` says it. */
export class ExpressionError extends Error {}

/**
 * Makes an expression ready. null or '' as the expression matches all, and the substitution is put behind the URL. Throws
 * {@link ExpressionError} for what RE2 does not know (look-around, references back, possessive repetition) or reads in
 * another way than Java (classes within classes), and for references to groups that are not there.
 */
export function compileExpression(expression: string | null, substitution: string | null): RuleExpression {
  if (expression === null || expression === '') {
    const tail = textOf(parseSubstitution(substitution ?? '', -1), () => '');
    return { apply: (url, { maxLength }) => checked(url + tail, maxLength) };
  }
  checkClasses(expression);
  const pattern = compile(expression);
  const parts = substitution === null ? null : parseSubstitution(substitution, pattern.groupCount());
  return {
    apply(url, { all, maxLength }) {
      const matcher = pattern.matcher(url);
      if (!matcher.find()) return null;
      if (parts === null) return url;
      let result = '';
      let from = 0;
      let count = 0;
      do {
        if (++count > MAX_MATCHES) throw tooMany();
        result += url.slice(from, matcher.start()) + textOf(parts, (group) => matcher.group(group) ?? '');
        from = matcher.end();
        checked(result, maxLength);
      } while (all && matcher.find());
      return checked(result + url.slice(from), maxLength);
    },
  };
}

function compile(expression: string): RE2JS {
  try {
    return RE2JS.compile(expression);
  } catch (error) {
    throw new ExpressionError(error instanceof Error ? error.message : String(error));
  }
}

/** Java takes `[` and `&&` in a class for further classes, RE2 for characters. */
function checkClasses(expression: string): void {
  let isInside = false;
  for (let i = 0; i < expression.length; i++) {
    const character = expression.charAt(i);
    if (character === '\\') {
      // What is quoted by \Q…\E is passed over; else the next character.
      const end = expression.charAt(i + 1) === 'Q' ? expression.indexOf('\\E', i) : i;
      i = end < 0 ? expression.length : end + 1;
    } else if (isInside) {
      if (character === '[' || expression.startsWith('&&', i))
        throw new ExpressionError('classes of characters within others are not supported');
      isInside = character !== ']';
    } else if (character === '[') {
      isInside = true;
      if (expression.charAt(i + 1) === '^') i++;
      // A bracket that comes first is a character.
      if (expression.charAt(i + 1) === ']') i++;
    }
  }
}

/**
 * Parts of a substitution. `$n` is a group, of as many digits as name one; `\` takes the next character as it is; any
 * other `$` is itself, as in `$macro$`. `groups` is how many there are, −1: not even the whole match.
 */
function parseSubstitution(substitution: string, groups: number): readonly Part[] {
  const parts: Part[] = [];
  const token = /\\([\s\S])|\$(\d+)|[^\\$]+|[\s\S]/g;
  for (const [text, escaped, digits] of substitution.matchAll(token)) {
    if (escaped !== undefined) parts.push(escaped);
    else if (digits === undefined) parts.push(text);
    else {
      let length = digits.length;
      while (length > 0 && Number(digits.slice(0, length)) > groups) length--;
      if (length === 0) throw new ExpressionError(`there is no group for ${text}`);
      parts.push(Number(digits.slice(0, length)), digits.slice(length));
    }
  }
  return parts;
}

function textOf(parts: readonly Part[], group: (index: number) => string): string {
  return parts.map((part) => (typeof part === 'string' ? part : group(part))).join('');
}

function checked(url: string, maxLength: number): string {
  if (url.length <= maxLength) return url;
  throw new PyramidionError('LIMIT_EXCEEDED', `rules make the URL longer than ${maxLength} characters`, {
    option: 'url',
    value: url.length,
    limit: maxLength,
  });
}

function tooMany(): PyramidionError {
  return new PyramidionError('LIMIT_EXCEEDED', `a rule matches the URL more than ${MAX_MATCHES} times`, {
    option: 'url',
    limit: MAX_MATCHES,
  });
}
