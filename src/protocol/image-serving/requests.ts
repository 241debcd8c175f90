/** Requests whose answer is text (§9): which forms each has, and the answers of records. */
import { refusedRequest } from '../../region/request.js';
import type { RequestType } from './commands.js';
import type { Modifiers } from './modifiers.js';
import {
  ENCODINGS,
  type Encoding,
  type FormatOptions,
  formatProperties,
  formatText,
  PROPERTY_FORMS,
  type PropertyForm,
  type TextBody,
} from './properties.js';
import { parsePropertyData, splitPropertyData } from './property-data.js';

/** What is to be answered, and in what form. */
export interface RequestOptions {
  readonly type: RequestType;
  readonly form: PropertyForm;
  /** Of XML. */
  readonly encoding: Encoding;
}

/** Forms of a type of request, its default first; and whether its XML comes in several encodings. */
interface Forms {
  readonly forms: readonly PropertyForm[];
  readonly isEncoded?: true;
}

const PICTURE: Forms = { forms: [] };
const TEXT: Forms = { forms: ['text'] };
const PROPERTIES: Forms = { forms: PROPERTY_FORMS };

/** null: we know the type and do not have it. */
const FORMS: Readonly<Record<RequestType, Forms | null>> = {
  img: PICTURE,
  tmb: PICTURE,
  mask: null,
  props: PROPERTIES,
  imageprops: PROPERTIES,
  exists: PROPERTIES,
  userdata: { forms: ['text', 'xml', 'json'], isEncoded: true },
  catalogprops: PROPERTIES,
  ctx: { forms: ['json'] },
  xmp: PICTURE,
  loadcache: TEXT,
  resolve: TEXT,
  validate: PROPERTIES,
  message: TEXT,
  saveToFile: null,
  map: TEXT,
  targets: { forms: ['text', 'xml', 'json'], isEncoded: true },
  imageset: { forms: PROPERTY_FORMS, isEncoded: true },
  set: null,
  mbrSet: null,
  xlate: null,
};

/**
 * The words behind a request's type. Throws `INVALID_REQUEST` (`req`) for types we do not have, and for words that do not
 * go with the type.
 */
export function readRequestOptions({ type, options }: Modifiers['req']): RequestOptions {
  const known = FORMS[type];
  if (known === null) throw refusedRequest('req', type, `${type} is not supported`);
  let form: PropertyForm | undefined;
  let encoding: Encoding | undefined;
  for (const option of options) {
    const word = option.toUpperCase();
    const asForm = known.forms.find((one) => one.toUpperCase() === word);
    const asEncoding = known.isEncoded && form === 'xml' ? ENCODINGS.find((one) => one === word) : undefined;
    if (asForm !== undefined && form === undefined) form = asForm;
    else if (asEncoding !== undefined && encoding === undefined) encoding = asEncoding;
    else
      throw refusedRequest('req', option, `${type} cannot be answered so; got ${JSON.stringify(option.slice(0, 60))}`);
  }
  return { type, form: form ?? known.forms[0] ?? 'text', encoding: encoding ?? 'UTF-8' };
}

/** Requests that are answered with a field of the object's record, as it was written. */
export type RecordRequest = 'userdata' | 'targets' | 'imageset' | 'map';

/**
 * The answer to a {@link RecordRequest}. `text` is the record's field, null where there is none. As text it is what was
 * written, `??` become line ends, and a line end. Throws `INVALID_REQUEST` (`req`) for property data as XML or JSON that is
 * none.
 */
export function formatRecordText(
  type: RecordRequest,
  text: string | null,
  { form, encoding }: Pick<RequestOptions, 'form' | 'encoding'>,
  options: Omit<FormatOptions, 'encoding' | 'date'> = {},
): TextBody {
  const isData = type === 'userdata' || type === 'targets';
  if (form === 'text') return formatText(`${(isData ? splitPropertyData(text ?? '') : [text ?? '']).join('\r\n')}\r\n`);
  const properties = isData ? parsePropertyData(text ?? '') : new Map([[FIELDS[type], text ?? '']]);
  if (properties === null) throw refusedRequest('req', type, `${type} of this object is not made of name=value pairs`);
  return formatProperties(properties, form, { ...options, encoding });
}

const FIELDS = { imageset: 'IMAGE_SET', map: 'MAP' } as const;
