/**
 * `ROLE=mixed` serves one protocol on each port: HTTP/1.1 9080, HTTP/2 9081, TLS 9082, an echo 9083, and a greeting 9084
 * that waits for nothing. Else it asks them all, on `/PORT`, at the addresses in Kubernetes' variables.
 */
import { createServer, get } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';

const { HOST, PORT, ROLE, CERT, KEY } = process.env;
const ignore = (): void => {};

interface Asked {
  readonly url?: string | undefined;
  readonly httpVersion: string;
}

function answer({ url, httpVersion }: Asked, { end }: { end(text: string): unknown }): void {
  end(`${httpVersion} ${url}`);
}

function serve(): void {
  const echo = (socket: Socket): void => void socket.on('error', ignore).pipe(socket);
  createServer((request, response) => answer(request, { end: (said) => response.end(said) })).listen(
    9080,
    HOST,
  );
  createHttp2Server((request, response) => answer(request, { end: (said) => response.end(said) })).listen(
    9081,
    HOST,
  );
  createTlsServer({ cert: CERT ?? '', key: KEY ?? '' }, echo).listen(9082, HOST);
  createTcpServer(echo).listen(9083, HOST);
  createTcpServer((socket) => void socket.on('error', ignore).end('welcome')).listen(9084, HOST);
}

function placeOf(port: string): { readonly host: string; readonly port: number } {
  const host = process.env[`MIXED_PORT_${port}_TCP_ADDR`] ?? 'mixed';
  return { host, port: Number(process.env[`MIXED_PORT_${port}_TCP_PORT`] ?? port) };
}

function overHttp1(place: ReturnType<typeof placeOf>): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ ...place, path: '/old', agent: false }, (response) => text(response).then(resolve, reject)).on(
      'error',
      reject,
    );
  });
}

async function overHttp2({ host, port }: ReturnType<typeof placeOf>): Promise<string> {
  const session = connectHttp2(`http://${host}:${port}`);
  try {
    return await text(session.request({ ':path': '/old' }));
  } finally {
    session.close();
  }
}

/** Until as much has come as was said, or all where nothing was. */
function overStream(socket: Socket, said: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    if (said !== '') socket.write(said);
    socket.setEncoding('utf8').on('data', (more) => {
      heard += more;
      if (heard.length === said.length) socket.end();
    });
    socket.on('error', reject).on('close', () => resolve(heard));
  });
}

function ask(port: string): Promise<string> {
  const place = placeOf(port);
  switch (port) {
    case '9080':
      return overHttp1(place);
    case '9081':
      return overHttp2(place);
    case '9082':
      return overStream(connectTls({ ...place, rejectUnauthorized: false }), 'GET 1\n');
    case '9083':
      return overStream(connect(place), 'GET 1\n');
    default:
      return overStream(connect(place), '');
  }
}

if (ROLE === 'mixed') serve();
else {
  const server = createServer(({ url = '' }, response) => {
    ask(url.slice(1)).then(
      (said) => response.end(said),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.listen(Number(PORT), HOST);
}
