/** Properties as text, script, XML and JSONP (§9.2), and errors in the same forms. */

/** How properties are written. */
export type PropertyForm = 'text' | 'javascript' | 'xml' | 'json';

/** The forms there are. */
export const PROPERTY_FORMS: readonly PropertyForm[] = ['text', 'javascript', 'xml', 'json'];

/** Encodings of XML. */
export const ENCODINGS = ['UTF-8', 'UTF-16', 'UTF-16LE', 'UTF-16BE', 'ISO-8859-1'] as const;

/** One of {@link ENCODINGS}. */
export type Encoding = (typeof ENCODINGS)[number];

/** A body of text, and what it is. */
export interface TextBody {
  readonly mediaType: string;
  readonly body: string | Uint8Array;
}

/** What a body is made with, besides its properties. */
export interface FormatOptions {
  /** Function that JSONP calls: letters and digits. Default `s7jsonResponse`. */
  readonly handler?: string | undefined;
  /** Handed back by JSONP. Default ''. */
  readonly id?: string | undefined;
  /** Of XML. Default UTF-8. */
  readonly encoding?: Encoding | undefined;
  /** Of text, milliseconds since 1970; null leaves out the lines that say so. Default null. */
  readonly date?: number | null | undefined;
}

/** Properties in the order of their names. */
export function formatProperties(
  properties: ReadonlyMap<string, string>,
  form: PropertyForm,
  options: FormatOptions = {},
): TextBody {
  const sorted = [...properties].sort(([a], [b]) => (a < b ? -1 : 1));
  switch (form) {
    case 'text':
      return formatText(javaProperties(sorted, options.date ?? null));
    case 'javascript':
      return script(sorted.map(([name, value]) => `${name}='${scriptText(value)}'\n`).join(''));
    case 'xml':
      return formatXml(propertyGroups(sorted), options.encoding ?? 'UTF-8');
    case 'json':
      return jsonp(options.handler ?? 's7jsonResponse', Object.fromEntries(sorted), options.id ?? '');
  }
}

/** Text that is nothing but text. */
export function formatText(body: string): TextBody {
  return { mediaType: 'text/plain; charset=utf-8', body };
}

/** A document of XML. `body` is what follows its declaration. */
export function formatXml(body: string, encoding: Encoding): TextBody {
  const document = `<?xml version="1.0" encoding="${encoding}"?>${body}`;
  return { mediaType: `text/xml; charset=${encoding.toLowerCase()}`, body: encodeXml(document, encoding) };
}

/** What a client is told of an error. */
export interface ErrorText {
  readonly title: string;
  readonly message: string;
}

/**
 * An error in the form that was asked for. `status` is what it has to go out with: 200 for JSONP, which no script would
 * see otherwise; null for the error's own.
 */
export function formatError(
  { title, message }: ErrorText,
  form: PropertyForm,
  options: FormatOptions = {},
): TextBody & { readonly status: 200 | null } {
  if (form === 'text') return { ...formatText(message), status: null };
  if (form === 'json') return { ...jsonp('s7jsonError', { message, title }, options.id ?? ''), status: 200 };
  const properties = new Map([
    ['error.message', message],
    ['error.title', title],
  ]);
  return { ...formatProperties(properties, form, options), status: null };
}

/** The form that errors of a request take: that of its answer, or text. */
export function formOf(req: { readonly type: string; readonly options: readonly string[] }): PropertyForm {
  const words = req.options.map((option) => option.toLowerCase());
  return PROPERTY_FORMS.find((form) => words.includes(form)) ?? (req.type === 'ctx' ? 'json' : 'text');
}

/** A file of java.util.Properties: the escapes of its `store`, in ASCII. */
function javaProperties(properties: readonly (readonly [string, string])[], date: number | null): string {
  const head = date === null ? '' : `#S7Z OK\n#${formatDate(date)}\n`;
  const lines = properties.map(([name, value]) => {
    const key = javaText(name).replaceAll(' ', '\\ ');
    return `${key}=${javaText(value).replace(/^ /, '\\ ')}\n`;
  });
  return head + lines.join('');
}

const JAVA_ESCAPES: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r', '\f': '\\f' };

function javaText(text: string): string {
  return text
    .replaceAll(/[\\:=#!]/g, '\\$&')
    .replaceAll(/[^\x20-\x7e]/g, (unit) => JAVA_ESCAPES[unit] ?? `\\u${hexUnit(unit)}`);
}

/** As in `Mon Jul 25 17:28:32 GMT 2014`. */
function formatDate(date: number): string {
  const [day, number, month, year, time] = new Date(date).toUTCString().replace(',', '').split(' ');
  return `${day} ${month} ${number} ${time} GMT ${year}`;
}

function script(body: string): TextBody {
  return { mediaType: 'text/javascript; charset=utf-8', body };
}

/** Text between single quotes, which no script element around it can be closed by. */
function scriptText(text: string): string {
  return text.replaceAll(/[\\']/g, '\\$&').replaceAll(/[^\x20-\x7e]|</g, (unit) => `\\u${hexUnit(unit)}`);
}

function jsonp(handler: string, value: Readonly<Record<string, string>>, id: string): TextBody {
  const json = (part: unknown): string =>
    JSON.stringify(part).replaceAll(/[<>\u2028\u2029]/g, (unit) => `\\u${hexUnit(unit)}`);
  return script(`/*jsonp*/${handler}(${json(value)},${json(id)});`);
}

function hexUnit(unit: string): string {
  return unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
}

/** One group for each word before the first dot of a name; names without one stand beside the groups. */
function propertyGroups(properties: readonly (readonly [string, string])[]): string {
  const groups = new Map<string, string>();
  for (const [name, value] of properties) {
    const dot = name.indexOf('.');
    const group = dot < 0 ? '' : name.slice(0, dot);
    const property = `<property name="${xmlText(name.slice(dot + 1))}" value="${xmlText(value)}"/>`;
    groups.set(group, (groups.get(group) ?? '') + property);
  }
  const inner = [...groups].map(([group, body]) =>
    group === '' ? body : `<prop-group name="${xmlText(group)}">${body}</prop-group>`,
  );
  return `<prop-group>${inner.join('')}</prop-group>`;
}

/** Text in an attribute. What XML cannot hold becomes U+FFFD. */
function xmlText(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll(/[&<>"\t\n\r]/g, (unit) => `&#${unit.charCodeAt(0)};`);
}

function encodeXml(text: string, encoding: Encoding): string | Uint8Array {
  switch (encoding) {
    case 'UTF-8':
      return text;
    case 'UTF-16LE':
      return Buffer.from(text, 'utf16le');
    case 'UTF-16BE':
      return Buffer.from(text, 'utf16le').swap16();
    // Without a word on the order of bytes, a mark has to tell it.
    case 'UTF-16':
      return Buffer.from(`\ufeff${text}`, 'utf16le').swap16();
    case 'ISO-8859-1':
      return Buffer.from(
        text.replaceAll(/[^\0-\xff]/gu, (character) => `&#${character.codePointAt(0)};`),
        'latin1',
      );
  }
}
