/**
 * `ROLE=teller` tells whoever connects who it is: at once on 9000, and on 9443 under TLS, with the name it was called by.
 * Else it asks them, on `/tcp?host=…` and `/tls?host=…&sni=…`, at the addresses in Kubernetes' variables.
 */
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';

const { HOST, PORT, ROLE, CERT, KEY, HOSTNAME = '' } = process.env;
const me = HOSTNAME.replace(/-.*/, '');
const ignore = (): void => {};

function serve(): void {
  createTcpServer((socket) => void socket.on('error', ignore).end(me)).listen(9000, HOST);
  createTlsServer({ cert: CERT ?? '', key: KEY ?? '' }, (socket) => {
    socket.on('error', ignore).end(`${me} ${socket.servername}`);
  }).listen(9443, HOST);
}

function placeOf(service: string, port: number): { readonly host: string; readonly port: number } {
  const variable = `${service.toUpperCase()}_PORT_${port}_TCP`;
  const host = process.env[`${variable}_ADDR`] ?? service;
  return { host, port: Number(process.env[`${variable}_PORT`] ?? port) };
}

function heard(socket: Socket): Promise<string> {
  return text(socket.setTimeout(5000, () => socket.destroy(new Error('silence'))));
}

function ask(url: URL): Promise<string> {
  const host = url.searchParams.get('host') ?? '';
  if (url.pathname === '/tcp') return heard(connect(placeOf(host, 9000)));
  const servername = url.searchParams.get('sni') ?? '';
  return heard(connectTls({ ...placeOf(host, 9443), servername, rejectUnauthorized: false }));
}

if (ROLE === 'teller') serve();
else {
  const server = createServer(({ url = '' }, response) => {
    ask(new URL(url, 'http://me')).then(
      (said) => response.end(said),
      (error: NodeJS.ErrnoException) => response.end(error.code ?? error.message),
    );
  });
  server.listen(Number(PORT), HOST);
}
