/** A reply as it goes out, whatever carries it: HTTP by Fastify, `node:http`, Express, or a test. */

/** Headers by their names in lower case; several of one name as a list. */
export type ReplyHeaders = Readonly<Record<string, string | readonly string[]>>;

/** What is sent. `content-length` is not among the headers: whoever sends adds it. */
export interface Reply {
  readonly status: number;
  readonly headers: ReplyHeaders;
  /** Empty where there is none. Shared: it may lie in a cache. A reply to HEAD has the body of GET; whoever sends leaves it out. */
  readonly body: Uint8Array | string;
}
