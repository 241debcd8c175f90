/** The part of Express that tests mount the service in; the package has no types of its own. */
declare module 'express' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  type Handler = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;
  interface Express {
    (request: IncomingMessage, response: ServerResponse): void;
    use(handler: Handler): this;
    use(path: string, handler: Handler): this;
    get(path: string, handler: Handler): this;
  }
  export default function express(): Express;
}
