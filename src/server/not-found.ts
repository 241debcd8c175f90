/** The reply to requests for what is none of ours. */
import type { IncomingMessage, ServerResponse } from 'node:http';

const BODY = 'Not found\n';

/** Says that there is nothing of that name; a body of the request is passed over. */
export function answerNotFound(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response
    .writeHead(404, { 'content-type': 'text/plain; charset=utf-8', 'content-length': BODY.length })
    .end(request.method === 'HEAD' ? undefined : BODY);
}
