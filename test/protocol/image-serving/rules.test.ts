import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Rule } from '../../../src/library/types.js';
import { parseRuleSet } from '../../../src/protocol/image-serving/rule-set.js';
import { applyRules, ruleHeaders } from '../../../src/protocol/image-serving/rules.js';
import { attempt } from './fuzz.js';

/** A rule of its expression and substitution, as written in a file. */
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const element = (name: string, text: string | null) => (text === null ? '' : `<${name}>${escaped(text)}</${name}>`);
const rule = (expression: string | null, substitution: string | null, attributes = '', rest = '') =>
  `<rule ${attributes}>${element('expression', expression)}${element('substitution', substitution)}${rest}</rule>`;
const parse = (...rules: string[]) => parseRuleSet(`<?xml version="1.0"?>\n<ruleset>\n${rules.join('\n')}\n</ruleset>`);
const apply = (url: string, ...rules: string[]) => applyRules(parse(...rules), { url, requestType: 'is' });
const rewritten = (url: string, ...rules: string[]) => apply(url, ...rules).url;
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'INVALID_OPTION', option: 'ruleSet', message: expect.stringMatching(message) });

describe('parseRuleSet', () => {
  test('reads all there is', () => {
    const [all, none] = parseRuleSet(`\uFEFF<?xml version="1.0" encoding="UTF-8"?>
      <!-- rules -->
      <ruleset>
        <rule OnMatch="continue" Replace="all" RequestType="is, static" Name="All" DefaultImageMode="1" ErrorImage="Err?wid=9"
              Expiration="0.5" MaxPix="100, 0" RequestLock="1" RequestObfuscation="0" RootUrl="http://a/" SavePath="s" WaterMark="w">
          <header Name="X-A">a &amp; b</header>
          <header Name="X-$v$" Action="add"><![CDATA[$v$ &amp;]]></header>
          <addressfilter>10.0.0.0/8, ::1</addressfilter>
          <substitution>&lt;&#x41;&#66;&gt;</substitution>
          <expression> a<!-- no -->b </expression>
        </rule>
        <rule/>
      </ruleset>`);
    expect(all).toEqual({
      name: 'All',
      onMatch: 'continue',
      replace: 'all',
      requestTypes: new Set(['is', 'static']),
      expression: 'ab',
      substitution: '<AB>',
      addressFilter: ['10.0.0.0/8', '::1'],
      headers: [
        { name: 'X-A', value: 'a & b', action: 'set' },
        { name: 'X-$v$', value: '$v$ &amp;', action: 'add' },
      ],
      attributes: {
        defaultImageMode: 1,
        errorImage: 'Err?wid=9',
        expirationMs: 1_800_000,
        maxPix: [100, 0],
        requestLock: true,
        requestObfuscation: false,
        rootUrl: 'http://a/',
        savePath: 's',
        watermark: 'w',
      },
    } satisfies Rule);
    expect(none).toEqual({
      name: 'rule 2',
      onMatch: 'break',
      replace: 'first',
      requestTypes: new Set(['is']),
      expression: null,
      substitution: null,
      addressFilter: null,
      headers: [],
      attributes: {},
    });
  });

  test('an empty element is not a missing one, but for the expression', () => {
    const [empty] = parse('<rule><expression/><substitution></substitution><addressfilter/></rule>');
    expect(empty).toMatchObject({ expression: null, substitution: '', addressFilter: [] });
    expect(parse('<rule Expiration="-1"/>')[0]?.attributes).toEqual({ expirationMs: -1 });
    expect(parse()).toEqual([]);
  });

  test.each([
    ['', /line 1: Start tag expected/],
    ['text', /line 1: /],
    ['<ruleset>', /line 1: /],
    ['<ruleset></rules>', /line 1: Expected closing tag/],
    ['<ruleset/><ruleset/>', /line 1: there is more than one root/],
    ['<rules/>', /line 1: <rules> is not <ruleset>/],
    ['<ruleset a="1"/>', /line 1: <ruleset> has no attribute a/],
    ['<!DOCTYPE r [<!ENTITY e "x">]><ruleset/>', /line 1: document types/],
    ['<ruleset>\nx</ruleset>', /line 1: <ruleset> may hold no text; got "x"/],
    ['<ruleset>\n<Rule/></ruleset>', /line 2: <Rule> is not known there/],
    ['<ruleset>\n<rule/>\n<rule onMatch="break"/></ruleset>', /line 3: in rule 2: <rule> has no attribute onMatch/],
    [
      '<ruleset><rule Name="N" OnMatch="stop"/></ruleset>',
      /in N: OnMatch must be one of break, continue, error; got "stop"/,
    ],
    ['<ruleset><rule Replace="All"/></ruleset>', /Replace must be one of first, all; got "All"/],
    ['<ruleset><rule RequestType="is,x"/></ruleset>', /RequestType must be one of is, ir, static; got "x"/],
    ['<ruleset><rule RequestType=""/></ruleset>', /RequestType/],
    ['<ruleset><rule MaxPix="5"/></ruleset>', /MaxPix must be two whole numbers/],
    ['<ruleset><rule MaxPix="-5,1"/></ruleset>', /MaxPix/],
    ['<ruleset><rule Expiration="-2"/></ruleset>', /Expiration must be hours/],
    ['<ruleset><rule Expiration="soon"/></ruleset>', /Expiration/],
    ['<ruleset><rule Expiration="99999999999999999"/></ruleset>', /Expiration/],
    ['<ruleset><rule RequestLock="true"/></ruleset>', /RequestLock must be 0 or 1/],
    ['<ruleset><rule DefaultImageMode="2"/></ruleset>', /DefaultImageMode must be 0 or 1/],
    [
      '<ruleset><rule><expression/>\n<expression/></rule></ruleset>',
      /line 2: in rule 1: <expression> stands there twice/,
    ],
    ['<ruleset><rule><expression a="1"/></rule></ruleset>', /<expression> has no attribute a/],
    ['<ruleset><rule><expression><b/></expression></rule></ruleset>', /<expression> may hold text only/],
    ['<ruleset><rule><header>v</header></rule></ruleset>', /<header> may not set ""/],
    ['<ruleset><rule><header Name="a b">v</header></rule></ruleset>', /<header> may not set "a b"/],
    ['<ruleset><rule><header Name="Content-Length">1</header></rule></ruleset>', /may not set "Content-Length"/],
    ['<ruleset><rule><header Name="A">b\nc</header></rule></ruleset>', /may not have the value/],
    ['<ruleset><rule><header Name="A" Action="append">b</header></rule></ruleset>', /Action must be one of set, add/],
    ['<ruleset><rule><addressfilter>x</addressfilter></rule></ruleset>', /in rule 1: addressfilter must be/],
    ['<ruleset><rule Name="&nope;"/></ruleset>', /&nope; is not known/],
    ['<ruleset><rule><expression>a &amp b</expression></rule></ruleset>', /char '&' is not expected/],
    ['<ruleset><rule><expression>&#x110000;</expression></rule></ruleset>', /&#x110000; is not known/],
    [`<ruleset>${'<rule>'.repeat(2000)}${'</rule>'.repeat(2000)}</ruleset>`, /./],
  ])('%s is refused', (xml, message) => {
    expect(() => parseRuleSet(xml)).toThrow(invalid(message));
  });

  test.each([
    ['look-ahead', '(?=a)b'],
    ['look-behind', '(?<=a)b'],
    ['a reference back', '(a)\\1'],
    ['possessive repetition', 'a++'],
    ['an atomic group', '(?>a)'],
    ['an open group', '(a'],
    ['an open class', '[a'],
    ['an intersection of classes', '[a-z&&[^b]]'],
    ['a union of classes', '[a[b]]'],
  ])('an expression with %s is refused by its name', (_, expression) => {
    expect(() => parse('<rule/>', rule(expression, 'x', 'Name="Mine"'))).toThrow(invalid(/line 4: in Mine: /));
  });

  test('a substitution that names a group that is not there is refused', () => {
    expect(() => parse(rule('(a)', '$2'))).toThrow(invalid(/in rule 1: there is no group for \$2/));
    expect(() => parse(rule(null, '$0'))).toThrow(invalid(/no group for \$0/));
  });

  test('anything else is an error of ours', () => {
    const bit = fc.constantFrom(
      '<ruleset>',
      '</ruleset>',
      '<rule>',
      '<rule ',
      '</rule>',
      'Name="a"',
      '>',
      '/>',
      '<expression>',
      '</expression>',
      '&amp;',
      '&',
      '<![CDATA[',
      ']]>',
      '<!--',
      '-->',
      '(',
      '[',
      '\\',
      'x',
      '<?xml?>',
      '<__proto__/>',
      '"',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(bit).map((bits) => bits.join('')),
          fc.string(),
        ),
        (xml) => {
          expect(attempt(['INVALID_OPTION'], () => parseRuleSet(xml)) ?? []).toBeInstanceOf(Array);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('applyRules', () => {
  test('replaces the first match, or all', () => {
    expect(rewritten('a/b?wid=1&wid=2', rule('wid=', 'hei='))).toBe('a/b?hei=1&wid=2');
    expect(rewritten('a/b?wid=1&wid=2', rule('wid=', 'hei=', 'Replace="all"'))).toBe('a/b?hei=1&hei=2');
  });

  test('puts groups in place', () => {
    expect(rewritten('thumb/a.jpg?x', rule('^thumb/(.*?)(\\?(.*))?$', '$1?$small$&$3'))).toBe('a.jpg?$small$&x');
    expect(rewritten('abc', rule('(b)', '[$0$1\\$1$10\\\\$]'))).toBe('a[bb$1b0\\$]c');
    expect(rewritten('ac', rule('a(b)?', '<$1>'))).toBe('<>c');
  });

  test('an absent or empty expression matches all, and its substitution comes behind', () => {
    expect(rewritten('a?wid=1', rule(null, '&fmt=png'))).toBe('a?wid=1&fmt=png');
    expect(rewritten('a?wid=1', rule('', '&$p$'))).toBe('a?wid=1&$p$');
    expect(apply('a', rule(null, null))).toMatchObject({ url: 'a', matched: ['rule 1'] });
  });

  test('an empty substitution deletes, an absent one leaves', () => {
    expect(rewritten('a?wid=1&fmt=png', rule('&fmt=\\w+', ''))).toBe('a?wid=1');
    expect(rewritten('a?wid=1&fmt=png', rule('&fmt=\\w+', null))).toBe('a?wid=1&fmt=png');
  });

  test('goes on to the next rule where it says so, with the URL as it is by then', () => {
    const first = rule('a', 'b', 'OnMatch="continue" Name="one"');
    expect(apply('a', first, rule('b', 'c', 'Name="two"'), rule('c', 'd'))).toMatchObject({
      url: 'c',
      matched: ['one', 'two'],
      refusedBy: null,
    });
    expect(rewritten('a', rule('a', 'b'), rule('b', 'c'))).toBe('b');
    expect(rewritten('x', rule('a', 'b'), rule('x', 'y'))).toBe('y');
  });

  test('an error ends it', () => {
    expect(apply('a', rule('a', null, 'OnMatch="error" Name="no"'), rule(null, 'x'))).toMatchObject({
      url: 'a',
      refusedBy: 'no',
      matched: ['no'],
    });
  });

  test('is for requests of its types', () => {
    const rules = parse(rule(null, 'x'), rule(null, 'y', 'RequestType="static,ir"'));
    expect(applyRules(rules, { url: '', requestType: 'is' }).url).toBe('x');
    expect(applyRules(rules, { url: '', requestType: 'static' }).url).toBe('y');
  });

  test('of attributes and address filters the last counts, headers add up', () => {
    const header = (name: string) => `<header Name="${name}">v</header>`;
    const filter = (text: string) => `<addressfilter>${text}</addressfilter>`;
    const outcome = apply(
      'a',
      rule(null, null, 'OnMatch="continue" MaxPix="1,1" Expiration="1"', filter('10.0.0.0/8') + header('A')),
      rule('no', null, 'OnMatch="continue" MaxPix="9,9"', filter('11.0.0.0/8') + header('B')),
      rule(null, null, 'OnMatch="continue" MaxPix="2,2"', filter('') + header('C')),
      rule(null, null),
    );
    expect(outcome.attributes).toEqual({ maxPix: [2, 2], expirationMs: 3_600_000 });
    expect(outcome.addressFilter).toEqual([]);
    expect(outcome.headers.map(({ name }) => name)).toEqual(['A', 'C']);
    expect(apply('a', rule(null, null)).addressFilter).toBeNull();
    expect(applyRules([], { url: 'a', requestType: 'is' })).toEqual({
      url: 'a',
      attributes: {},
      headers: [],
      addressFilter: null,
      refusedBy: null,
      matched: [],
    });
  });

  test('a URL cannot grow without end', () => {
    const tooLong = expect.objectContaining({ code: 'LIMIT_EXCEEDED', option: 'url', limit: 16384 });
    const long = 'x'.repeat(500);
    expect(() => apply('a'.repeat(900), rule('a', long, 'Replace="all"'))).toThrow(tooLong);
    expect(() => apply('a'.repeat(16384), rule(null, 'x'))).toThrow(tooLong);
    expect(() => apply('a'.repeat(1001), rule('a', 'b', 'Replace="all"'))).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED', limit: 1000 }),
    );
    expect(() => applyRules(parse(rule(null, 'x')), { url: 'ab', requestType: 'is', maxLength: 2 })).toThrow(
      expect.objectContaining({ limit: 2, value: 3 }),
    );
  });

  test('an expression that would take others for ever is done at once', () => {
    expect(rewritten('a'.repeat(16000), rule('(a*)*(a|aa)+b', 'x'))).toBe('a'.repeat(16000));
  });

  test('any URL: it is as String.replace has it, or an error of ours', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', '/', '?', '&', '=', '$', '\u00ff', '\ud800') }),
        (url) => {
          expect(rewritten(url, rule('([ab]+)([?&])', '<$2$1>'))).toBe(url.replace(/([ab]+)([?&])/, '<$2$1>'));
          expect(rewritten(url, rule('[ab]*', '-', 'Replace="all"'))).toHaveLength(
            url.replaceAll(/[ab]*/g, '-').length,
          );
        },
      ),
    );
  });
});

describe('ruleHeaders', () => {
  const header = (name: string, value: string, action: 'set' | 'add' = 'set') => ({ name, value, action });
  const variables = new Map([
    ['v', 'no-store'],
    ['bad', 'a\r\nSet-Cookie: b'],
    ['length', 'Content-Length'],
  ]);

  test('set replaces, add adds', () => {
    const base = { 'cache-control': 'a', vary: 'Accept', link: ['1', '2'] };
    const all = [
      header('Cache-Control', 'b'),
      header('Vary', 'Origin', 'add'),
      header('Link', '3', 'add'),
      header('X-New', '1', 'add'),
      header('X-Twice', '1'),
      header('X-Twice', '2', 'add'),
    ];
    expect(ruleHeaders(base, all, new Map())).toEqual({
      'cache-control': 'b',
      vary: ['Accept', 'Origin'],
      link: ['1', '2', '3'],
      'x-new': '1',
      'x-twice': ['1', '2'],
    });
  });

  test('variables are put in place, in names too; what is no header is left out', () => {
    const all = [
      header('Edge-Control', '$V$'),
      header('X-$v$', '$none$'),
      header('X-Bad', '$bad$'),
      header('$bad$', 'x'),
      header('$length$', '5'),
      header('X-Wide', '\u0100'),
    ];
    expect(ruleHeaders({ a: 'b' }, all, variables)).toEqual({
      a: 'b',
      'edge-control': 'no-store',
      'x-no-store': '$none$',
    });
  });
});
