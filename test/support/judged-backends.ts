/** What stands behind the proxies that are compared: servers of this process, which tell what came to them. */
import { once } from 'node:events';
import http, { type IncomingHttpHeaders } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { type Server, type Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import type { Holder } from './certificates.ts';

/** What a backend says of a request. */
export interface Echo {
  readonly who: string;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  /** `1.1`, `2.0`, or over TLS `NAME for CLIENT`. */
  readonly spoken: string;
  readonly headers: IncomingHttpHeaders;
}

/** Requests with the header `x-key` are kept by it, and answered as `x-answers` and `x-replies` say. */
export class JudgedBackends {
  readonly #servers: Server[] = [];
  readonly #seen = new Map<string, Echo[]>();
  readonly #certificate: Holder;
  readonly #root: string;

  constructor(certificate: Holder, root: string) {
    this.#certificate = certificate;
    this.#root = root;
  }

  /** HTTP at 8080, without TLS HTTP/2 at 8081, HTTPS at 8444; TCP at 9000, and TLS at 8443. */
  async add(who: string, address: string): Promise<void> {
    const trust = { ...this.#certificate, ca: this.#root, requestCert: true, rejectUnauthorized: false };
    const answer = this.#answering(who);
    await Promise.all([
      this.#listen(http.createServer(answer), address, 8080),
      this.#listen(http2.createServer(answer as never) as unknown as Server, address, 8081),
      this.#listen(https.createServer(trust, answer), address, 8444),
      this.#listen(net.createServer(saying(who)), address, 9000),
      this.#listen(tls.createServer(this.#certificate, saying(who)), address, 8443),
    ]);
  }

  /** HTTP by itself. @returns its port */
  async addHttp(who: string, address: string, port = 0): Promise<number> {
    return this.#listen(http.createServer(this.#answering(who)), address, port);
  }

  /** What came with a key so far. */
  seen(key: string): readonly Echo[] {
    return this.#seen.get(key) ?? [];
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.close();
      if ('closeAllConnections' in server) (server as http.Server).closeAllConnections();
    }
  }

  async #listen(server: Server, address: string, port: number): Promise<number> {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      socket.unref();
      socket.on('error', () => {});
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.on('tlsClientError', () => {});
    server.listen(port, address);
    await once(server, 'listening');
    server.unref();
    this.#servers.push(server);
    return (server.address() as net.AddressInfo).port;
  }

  #answering(who: string): http.RequestListener {
    return (request, response) => {
      const { method = '', url: path = '', headers, socket } = request;
      const host = String(headers[':authority'] ?? headers.host);
      const echo: Echo = { who, method, path, host, spoken: spokenBy(request, socket), headers };
      const key = String(headers['x-key']);
      const before = this.#seen.get(key) ?? [];
      this.#seen.set(key, [...before, echo]);
      const answers = JSON.parse(String(headers['x-answers'] ?? '{}')) as Record<string, string>;
      const own = answers[who] ?? answers.any ?? '200';
      const turn =
        answers[who] === undefined ? before.length : before.filter((one) => one.who === who).length;
      const word = own.split(',')[turn] ?? own.split(',').at(-1)!;
      if (word === 'wait') return;
      if (word === 'reset') return void socket.destroy();
      for (const [name, value] of Object.entries(JSON.parse(String(headers['x-replies'] ?? '{}'))))
        response.setHeader(name, String(value));
      response.writeHead(Number(word), { 'content-type': 'application/json' });
      response.end(JSON.stringify(echo));
    };
  }
}

function spokenBy({ httpVersion }: http.IncomingMessage, socket: Socket): string {
  if (!(socket instanceof tls.TLSSocket)) return httpVersion;
  const { servername } = socket as TLSSocket & { servername?: string | false };
  const { subject } = socket.getPeerCertificate();
  return `${servername || 'no name'} for ${subject?.CN ?? 'nobody'}`;
}

/** Who it is and what was said, with the name that TLS asked for. */
const saying = (who: string) => (socket: Socket) => {
  let heard = '';
  socket.on('error', () => {});
  socket.setEncoding('latin1').on('data', (more: string) => {
    heard += more;
    if (!heard.includes('hello')) return;
    const { servername } = socket as { servername?: string | false };
    socket.end(`${who} heard ${heard.trim()}${servername ? ` at ${servername}` : ''}`);
  });
};
