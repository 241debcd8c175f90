/** XML documents as plain trees: no document types, no entities but the five that every document has. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';

/** An element. */
export interface Element {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Elements and texts in order, references in them read; comments are left out. */
  readonly children: readonly (Element | string)[];
  /** Where it begins, from 1. */
  readonly line: number;
}

/** Largest document, in characters. */
const MAX_LENGTH = 4 * 1024 * 1024;

/** Texts stay texts, and in order; references are read below, as CDATA has none. */
const PARSER = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  processEntities: false,
  cdataPropName: '#cdata',
  captureMetaData: true,
});

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** The root of a document. Throws what `fail` makes of a line and a reason where it is not well formed. */
export function readXml(text: string, fail: (line: number, reason: string) => Error): Element {
  const xml = text.replace(/^\uFEFF/, '');
  if (xml.length > MAX_LENGTH) throw fail(1, `the document has more than ${MAX_LENGTH} characters`);
  const doctype = xml.indexOf('<!DOCTYPE');
  if (doctype >= 0) throw fail(lineAt(xml, doctype), 'document types are not supported');
  const validity = XMLValidator.validate(xml);
  if (validity !== true) throw fail(validity.err.line, validity.err.msg);
  let nodes: unknown;
  try {
    nodes = PARSER.parse(xml);
  } catch (error) {
    throw fail(1, error instanceof Error ? error.message : String(error));
  }
  const [root, second] = contents(nodes, xml, 1, fail);
  if (root === undefined || typeof root === 'string') throw fail(1, 'there is no element');
  if (second !== undefined) throw fail(typeof second === 'string' ? 1 : second.line, 'there is more than one root');
  return root;
}

/** The parser's nodes: objects with one name to the children, `:@` to the attributes, and a symbol to the place. */
function contents(
  nodes: unknown,
  xml: string,
  line: number,
  fail: (line: number, reason: string) => Error,
): (Element | string)[] {
  if (!Array.isArray(nodes)) return [];
  return nodes.map((node: Readonly<Record<string | symbol, unknown>>) => {
    const name = Object.keys(node).find((key) => key !== ':@') ?? '';
    if (name === '#text') return decode(String(node[name]), line, fail);
    if (name === '#cdata') return cdata(node[name]);
    const at = lineAt(xml, startOf(node));
    const attributes = Object.entries(node[':@'] ?? {});
    return {
      name,
      attributes: new Map(attributes.map(([key, value]) => [key, decode(String(value), at, fail)])),
      children: contents(node[name], xml, at, fail),
      line: at,
    };
  });
}

function cdata(nodes: unknown): string {
  return Array.isArray(nodes)
    ? nodes.map((node: Readonly<Record<string, unknown>>) => node['#text'] ?? '').join('')
    : '';
}

/** The parser's types call the symbol `Symbol`, which indexes nothing. */
const PLACE = XMLParser.getMetaDataSymbol() as unknown as symbol;

function startOf(node: Readonly<Record<symbol, unknown>>): number {
  const place = node[PLACE] as { readonly startIndex?: number } | undefined;
  return place?.startIndex ?? 0;
}

function decode(text: string, line: number, fail: (line: number, reason: string) => Error): string {
  return text.replaceAll(/&([^;&\s]{0,32});?/g, (reference: string, name: string) => {
    const [, hex, decimal] = /^#(?:x([0-9a-f]{1,6})|([0-9]{1,7}))$/i.exec(name) ?? [];
    const code = hex !== undefined ? Number.parseInt(hex, 16) : Number(decimal ?? Number.NaN);
    const character = Object.hasOwn(ENTITIES, name)
      ? ENTITIES[name]
      : code <= 0x10ffff
        ? String.fromCodePoint(code)
        : null;
    if (character === undefined || character === null || !reference.endsWith(';'))
      throw fail(line, `${reference} is not known`);
    return character;
  });
}

function lineAt(xml: string, index: number): number {
  let line = 1;
  for (let at = xml.indexOf('\n'); at >= 0 && at < index; at = xml.indexOf('\n', at + 1)) line += 1;
  return line;
}
