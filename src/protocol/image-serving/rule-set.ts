/** Files of rules (§12.4), read strictly: a file with anything in it that is not known is refused as a whole. */
import { PyramidionError, shown } from '../../errors.js';
import type { Rule } from '../../library/types.js';
import { readNetworks } from './addresses.js';
import { compileExpression, ExpressionError } from './rule-expression.js';
import { type Element, readXml } from './xml.js';

/** Headers that belong to whoever sends the reply. */
const RESERVED = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Attributes of a rule that override a catalog's: what their text is, and what becomes of it. */
const ATTRIBUTES = {
  DefaultImageMode: { allowed: '0 or 1', read: (text) => flag(text, { defaultImageMode: 0 }, { defaultImageMode: 1 }) },
  ErrorImage: { allowed: 'text', read: (text) => ({ errorImage: text }) },
  Expiration: {
    allowed: 'hours from 0, or -1 for never',
    read: (text) => {
      const hours = /^(?:-1|\d+(?:\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
      const expirationMs = hours === -1 ? -1 : Math.round(hours * 3_600_000);
      return Number.isSafeInteger(expirationMs) ? { expirationMs } : null;
    },
  },
  MaxPix: {
    allowed: 'two whole numbers w,h from 0',
    read: (text) => {
      const [, width, height] = /^\s*(\d{1,10})\s*,\s*(\d{1,10})\s*$/.exec(text) ?? [];
      return width === undefined || height === undefined ? null : { maxPix: [Number(width), Number(height)] };
    },
  },
  RequestLock: { allowed: '0 or 1', read: (text) => flag(text, { requestLock: false }, { requestLock: true }) },
  RequestObfuscation: {
    allowed: '0 or 1',
    read: (text) => flag(text, { requestObfuscation: false }, { requestObfuscation: true }),
  },
  RootUrl: { allowed: 'text', read: (text) => ({ rootUrl: text }) },
  SavePath: { allowed: 'text', read: (text) => ({ savePath: text }) },
  WaterMark: { allowed: 'text', read: (text) => ({ watermark: text }) },
} satisfies Record<string, { allowed: string; read: (text: string) => Rule['attributes'] | null }>;

/** Words of a rule's other attributes, the default first. */
const ON_MATCH = ['break', 'continue', 'error'] as const;
const REPLACE = ['first', 'all'] as const;
const REQUEST_TYPES = ['is', 'ir', 'static'] as const;
const ACTION = ['set', 'add'] as const;

/**
 * The rules of a file, in order. Names, words and attributes are told apart by case. Throws `INVALID_OPTION` (`ruleSet`)
 * that names the line and, where it is in one, the rule.
 */
export function parseRuleSet(xml: string): readonly Rule[] {
  const root = readXml(xml, fail);
  if (root.name !== 'ruleset') return refuse(root, `<${root.name}> is not <ruleset>`);
  checkAttributes(root, []);
  return elementsOf(root, ['rule']).map((element, index) => readRule(element, index + 1));
}

function readRule(element: Element, number: number): Rule {
  const name = element.attributes.get('Name') || `rule ${number}`;
  const within = `in ${name}: `;
  checkAttributes(element, ['OnMatch', 'Replace', 'RequestType', 'Name', ...Object.keys(ATTRIBUTES)], within);
  const children = elementsOf(element, ['expression', 'substitution', 'addressfilter', 'header'], within);
  const only = (child: string): Element | undefined => {
    const [first, second] = children.filter((one) => one.name === child);
    if (second !== undefined) refuse(second, `${within}<${child}> stands there twice`);
    return first;
  };
  const text = (child: Element | undefined): string | null => {
    if (child === undefined) return null;
    checkAttributes(child, [], within);
    return textOf(child, within);
  };
  const filter = only('addressfilter');
  const rule: Rule = {
    name,
    onMatch: word(element, 'OnMatch', ON_MATCH, within),
    replace: word(element, 'Replace', REPLACE, within),
    requestTypes: requestTypes(element, within),
    expression: text(only('expression')) || null,
    substitution: text(only('substitution')),
    addressFilter: filter === undefined ? null : networks(filter, text(filter) ?? '', within),
    headers: children.filter((child) => child.name === 'header').map((header) => readHeader(header, within)),
    attributes: overrides(element, within),
  };
  try {
    compileExpression(rule.expression, rule.substitution);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return refuse(element, `${within}${error.message}`);
  }
  return rule;
}

function requestTypes(element: Element, within: string): Rule['requestTypes'] {
  const text = element.attributes.get('RequestType');
  const words = text === undefined ? ['is'] : text.split(',').map((item) => item.trim());
  return new Set(words.map((item) => oneOf(element, 'RequestType', item, REQUEST_TYPES, within)));
}

function readHeader(element: Element, within: string): Rule['headers'][number] {
  checkAttributes(element, ['Name', 'Action'], within);
  const name = element.attributes.get('Name') ?? '';
  if (!isHeaderName(name)) refuse(element, `${within}<header> may not set ${shown(name)}`);
  const value = textOf(element, within);
  if (!isHeaderValue(value)) refuse(element, `${within}<header> may not have the value ${shown(value)}`);
  return { name, value, action: word(element, 'Action', ACTION, within) };
}

/** Whether a rule may give a header this name. Variables in it look like a part of it. */
export function isHeaderName(name: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) && !RESERVED.has(name.toLowerCase());
}

/** Whether HTTP allows this as a header's value: one line of visible characters, spaces and tabs. */
export function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

function networks(element: Element, text: string, within: string): readonly string[] {
  try {
    return readNetworks(text, 'addressfilter');
  } catch (error) {
    return refuse(element, within + (error instanceof Error ? error.message : String(error)));
  }
}

function overrides(element: Element, within: string): Rule['attributes'] {
  let all: Rule['attributes'] = {};
  for (const [name, { allowed, read }] of Object.entries(ATTRIBUTES)) {
    const text = element.attributes.get(name);
    if (text === undefined) continue;
    all = { ...all, ...(read(text) ?? refuse(element, `${within}${name} must be ${allowed}; got ${shown(text)}`)) };
  }
  return all;
}

function flag<Off, On>(text: string, off: Off, on: On): Off | On | null {
  return text === '0' ? off : text === '1' ? on : null;
}

/** The word of an attribute; the first of `words` where it is left out. */
function word<const Word extends string>(
  element: Element,
  name: string,
  words: readonly [Word, ...Word[]],
  within: string,
): Word {
  const text = element.attributes.get(name);
  return text === undefined ? words[0] : oneOf(element, name, text, words, within);
}

function oneOf<const Word extends string>(
  element: Element,
  name: string,
  text: string,
  words: readonly Word[],
  within: string,
): Word {
  const found = words.find((one) => one === text);
  return found ?? refuse(element, `${within}${name} must be one of ${words.join(', ')}; got ${shown(text)}`);
}

/** The elements in another, which may hold no text. */
function elementsOf(element: Element, names: readonly string[], within = ''): readonly Element[] {
  return element.children.flatMap((child) => {
    if (typeof child === 'string') {
      if (child.trim() !== '')
        refuse(element, `${within}<${element.name}> may hold no text; got ${shown(child.trim())}`);
      return [];
    }
    return names.includes(child.name) ? [child] : refuse(child, `${within}<${child.name}> is not known there`);
  });
}

/** The text of an element, which may hold no other; white space around it does not count. */
function textOf(element: Element, within: string): string {
  const texts = element.children.map((child) =>
    typeof child === 'string' ? child : refuse(child, `${within}<${element.name}> may hold text only`),
  );
  return texts.join('').trim();
}

function checkAttributes(element: Element, names: readonly string[], within = ''): void {
  for (const name of element.attributes.keys())
    if (!names.includes(name)) refuse(element, `${within}<${element.name}> has no attribute ${name}`);
}

function refuse(element: Element, reason: string): never {
  throw fail(element.line, reason);
}

function fail(line: number, reason: string): PyramidionError {
  return new PyramidionError('INVALID_OPTION', `the rule set, line ${line}: ${reason}`, { option: 'ruleSet' });
}
