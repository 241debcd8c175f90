/** Rules at work (§12.4): they rewrite a URL before anything else is made of it, and may say how it is answered. */
import type { Rule } from '../../library/types.js';
import { substitute } from './query.js';
import { compileExpression, type RuleExpression } from './rule-expression.js';
import { isHeaderName, isHeaderValue } from './rule-set.js';
import { MAX_URL_LENGTH } from './url.js';

/** A request as rules see it. */
export interface RuleRequest {
  /** Path (below the context, without the slash before it) and query, raw. */
  readonly url: string;
  /** `is` for `/is/image`, `static` for `/is/content`. */
  readonly requestType: 'is' | 'ir' | 'static';
  /** Most characters the URL may come to have. */
  readonly maxLength?: number;
}

/** What rules made of a request. */
export interface RuleOutcome {
  /** The URL, whether or not it was changed. */
  readonly url: string;
  /** What holds instead of the catalog's attributes. `expirationMs` gives way to a record's own. */
  readonly attributes: Rule['attributes'];
  /** For the reply, in order, variables not yet in place: see {@link ruleHeaders}. */
  readonly headers: Rule['headers'];
  /** Networks instead of the catalog's; null: no rule says. Empty: all addresses. */
  readonly addressFilter: readonly string[] | null;
  /** Name of the rule that refuses the request; null: none does. */
  readonly refusedBy: string | null;
  /** Names of the rules that matched, in order. */
  readonly matched: readonly string[];
}

/** Rules stay the same from request to request. */
const COMPILED = new WeakMap<Rule, RuleExpression>();

/**
 * Applies rules in order, each to the URL as the one before it left it, until one that ends it matches. Of several that
 * set the same attribute, or filter addresses, the last counts. Throws `LIMIT_EXCEEDED` (`url`) for a URL that becomes
 * too long.
 */
export function applyRules(rules: readonly Rule[], request: RuleRequest): RuleOutcome {
  const maxLength = request.maxLength ?? MAX_URL_LENGTH;
  const matched: string[] = [];
  const headers: Rule['headers'][number][] = [];
  let { url } = request;
  let attributes: Rule['attributes'] = {};
  let addressFilter: readonly string[] | null = null;
  let refusedBy: string | null = null;
  for (const rule of rules) {
    if (!rule.requestTypes.has(request.requestType)) continue;
    const changed = expressionOf(rule).apply(url, { all: rule.replace === 'all', maxLength });
    if (changed === null) continue;
    url = changed;
    matched.push(rule.name);
    attributes = { ...attributes, ...rule.attributes };
    headers.push(...rule.headers);
    addressFilter = rule.addressFilter ?? addressFilter;
    if (rule.onMatch === 'error') refusedBy = rule.name;
    if (rule.onMatch !== 'continue') break;
  }
  return { url, attributes, headers, addressFilter, refusedBy, matched };
}

/**
 * The headers of a reply with those of rules among them, names in lower case: `set` replaces, `add` adds a value.
 * Variables are put in place in names and values. What HTTP does not allow as a name or value is left out: variables
 * come from clients.
 */
export function ruleHeaders(
  base: Readonly<Record<string, string | readonly string[]>>,
  headers: Rule['headers'],
  variables: ReadonlyMap<string, string>,
): Readonly<Record<string, string | readonly string[]>> {
  const all = new Map(Object.entries(base));
  for (const header of headers) {
    const name = substitute(header.name, variables).toLowerCase();
    const value = substitute(header.value, variables).trim();
    if (!isHeaderName(name) || !isHeaderValue(value)) continue;
    const before = header.action === 'add' ? [all.get(name) ?? []].flat() : [];
    all.set(name, before.length === 0 ? value : [...before, value]);
  }
  return Object.fromEntries(all);
}

function expressionOf(rule: Rule): RuleExpression {
  let expression = COMPILED.get(rule);
  if (expression === undefined) {
    expression = compileExpression(rule.expression, rule.substitution);
    COMPILED.set(rule, expression);
  }
  return expression;
}
