/** Values as columns of a line: a value can neither end its column nor its line. */

/** What must not stand in a column as it is: space of any kind, what controls terminals and ends lines, and the escape itself. */
const UNSAFE = /[%\s\p{Cc}]/u;
const EACH_UNSAFE = /[%\s\p{Cc}]/gu;
/** Escapes of one character: ASCII, and the two ranges of UTF-8 that hold the others of {@link UNSAFE}. */
const ESCAPES = /%[0-7][0-9A-F]|%(?:C[2-9A-F]|D[0-9A-F])%[89AB][0-9A-F]|%E[123F](?:%[89AB][0-9A-F]){2}/g;

/** The value as one column: `-` for an empty one, `%20` for a space, `%25` for `%`, and so on as in URLs. */
export function escapeField(value: string): string {
  if (value === '') return '-';
  return UNSAFE.test(value) ? value.replace(EACH_UNSAFE, encodeURIComponent) : value;
}

/**
 * The value that {@link escapeField} was given, but for an empty one. Escapes that it does not write stay as they are, so
 * that logs of others, which escape less, are read too.
 */
export function unescapeField(field: string): string {
  return field.replace(ESCAPES, (written) => {
    const character = decodeURIComponent(written);
    return UNSAFE.test(character) ? character : written;
  });
}
