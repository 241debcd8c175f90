/** A request as the service takes it, from whatever carries HTTP. */

/** What is asked, as it came. */
export interface ServiceRequest {
  readonly method: string;
  /** Path and query as they came, not decoded. */
  readonly url: string;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly remoteAddress: string;
  /** Aborts when the client has left. */
  readonly signal?: AbortSignal;
}

/** The value of a header; of several, joined as HTTP joins them. */
export function headerOf({ headers }: ServiceRequest, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'object' ? value.join(', ') : value;
}
