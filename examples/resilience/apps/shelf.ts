/** Says who it is and where. `/healthz` says whether it is well, which `/ill` and `/well` change; `?wait=MS` takes as long. */
import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

const { HOSTNAME, PLACE, HOST, PORT } = process.env;
let isWell = true;

createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://shelf');
  if (pathname === '/ill') isWell = false;
  if (pathname === '/well') isWell = true;
  if (searchParams.get('slow') === PLACE) await wait(5000);
  response.writeHead(pathname === '/healthz' && !isWell ? 503 : 200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ instance: HOSTNAME, place: PLACE, isWell })}\n`);
}).listen(Number(PORT ?? 9080), HOST);
process.on('SIGTERM', () => process.exit());
