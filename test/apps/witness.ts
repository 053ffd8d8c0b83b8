/** An application that answers each request of HTTP with what it saw of it, and whom the sidecar says it is from. */
import { createHash } from 'node:crypto';
import http from 'node:http';
import { buffer } from 'node:stream/consumers';

http
  .createServer(async (request, response) => {
    const { method, url, headers } = request;
    const body = await buffer(request);
    const sha256 = createHash('sha256').update(body).digest('hex');
    const caller = /URI=([^;]*)/.exec(String(headers['x-forwarded-client-cert']))?.[1];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ method, url, host: headers.host, caller, bytes: body.length, sha256 }));
  })
  .listen(8080);
process.on('SIGTERM', () => process.exit(0));
