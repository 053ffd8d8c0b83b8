/**
 * An application that calls others in every way an application can, with nothing but the variables it was
 * given: `/http`, `/connect`, `/tcp`, and `/outside?url=…` for a host that no mesh knows. `?host=` names
 * another host than the default.
 */
import http, { type IncomingMessage } from 'node:http';
import net, { type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

const agent = new http.Agent({ keepAlive: true, proxyEnv: process.env });
const proxy = new URL(process.env.http_proxy ?? 'http://no-proxy.invalid');

const responseTo = (request: http.ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', reject);
    request.end();
  });

async function answerOf(request: http.ClientRequest): Promise<string> {
  const response = await responseTo(request);
  return `${response.statusCode} ${await text(response)}`;
}

/** A tunnel through the proxy, and a request inside it. */
async function viaConnect(host: string): Promise<string> {
  const tunnel = await new Promise<Socket>((resolve, reject) => {
    const request = http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: host });
    request.on('connect', (response, socket) => {
      if (response.statusCode === 200) resolve(socket);
      else reject(new Error(`CONNECT ${host}: ${response.statusCode}`));
    });
    request.on('response', (response) => reject(new Error(`CONNECT ${host}: ${response.statusCode}`)));
    request.on('error', reject);
    request.end();
  });
  const inside = http.request({
    createConnection: () => tunnel,
    host,
    path: '/books/1',
    headers: { host, connection: 'close' },
  });
  return answerOf(inside);
}

function viaTcp(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({
      host: process.env.STOCK_SERVICE_HOST ?? '',
      port: Number(process.env.STOCK_SERVICE_PORT),
    });
    socket.on('connect', () => socket.write('GET 5\n'));
    socket.on('data', (chunk) => {
      resolve(chunk.toString());
      socket.end();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed without an answer')));
  });
}

/** Through the proxy whatever no_proxy says: the host is the proxy's to find. */
function viaProxy(url: string): Promise<string> {
  const { host } = new URL(url);
  return answerOf(
    http.request({ host: proxy.hostname, port: proxy.port, path: url, headers: { host }, agent: false }),
  );
}

function call(url: URL): Promise<string> {
  const host = url.searchParams.get('host') ?? 'catalog:9080';
  switch (url.pathname) {
    case '/http':
      return answerOf(http.request(`http://${host}/books/1`, { agent }));
    case '/connect':
      return viaConnect(host);
    case '/tcp':
      return viaTcp();
    case '/outside':
      return viaProxy(url.searchParams.get('url') ?? '');
    default:
      return Promise.reject(new Error(`no such call: ${url.pathname}`));
  }
}

const server = http.createServer((request, response) => {
  call(new URL(request.url ?? '/', 'http://caller')).then(
    (answer) => response.end(answer),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.once('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
  agent.destroy();
});
