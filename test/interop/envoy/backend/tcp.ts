/** An upstream that speaks no HTTP: by itself it echoes, and does what the first words ask for. */
import { createServer, type Server, type Socket } from 'node:net';
import tls from 'node:tls';
import type { Certificates } from '../harness/certificates.ts';
import { shown } from '../wire/volatile.ts';
import { type Backend, type BackendKind, closeServer, listenOn, type Seen } from './backend.ts';
import type { Answers, TcpAnswer } from './exchange.ts';
import type { BackendPlace } from './http1.ts';
import { Tunnel } from './tunnel.ts';

class TcpConnection implements Seen {
  readonly id = '';
  readonly tunnel: Tunnel;
  reset = false;
  readonly #name: string;
  readonly #facts: readonly string[];

  constructor(name: string, tunnel: Tunnel, facts: readonly string[]) {
    this.#name = name;
    this.tunnel = tunnel;
    this.#facts = facts;
  }

  lines(): string[] {
    const end = this.reset ? ' reset' : this.tunnel.ended ? ' end' : '';
    const { text } = this.tunnel;
    // What a TLS client says first is of its library.
    const told = text.startsWith('\x16\x03') ? 'a hello of TLS' : shown(text);
    return [...this.#facts, `${told}${end}`].map((line) => `${this.#name}| ${line}`);
  }
}

export function tcp({ host = '127.0.0.1', tls: options }: BackendPlace = {}): BackendKind {
  return async (name, certificates) => {
    const sockets = new Set<Socket>();
    const seen: TcpConnection[] = [];
    const backend: { answers: Answers | undefined } = { answers: undefined };
    const onSocket = (socket: Socket): void => {
      sockets.add(socket);
      socket.setEncoding('latin1');
      socket.setNoDelay(true);
      const tunnel = new Tunnel(socket);
      const connection = new TcpConnection(name, tunnel, factsOf(socket));
      seen.push(connection);
      socket.on('data', (text: string) => tunnel.take(text));
      socket.on('end', () => tunnel.finish());
      socket.on('error', () => {
        connection.reset = true;
        tunnel.finish();
      });
      socket.on('close', () => {
        sockets.delete(socket);
        tunnel.finish();
      });
      const { answers } = backend;
      void (typeof answers === 'object' && 'tcp' in answers ? answers.tcp : byItself(name))(tunnel);
    };
    const server: Server =
      options === undefined
        ? createServer({ allowHalfOpen: true }, onSocket)
        : tls.createServer(
            { ...options((await certificates()) as Certificates), allowHalfOpen: true },
            onSocket,
          );
    server.on('tlsClientError', () => {});
    const port = await listenOn(server, host);
    return Object.assign(backend, {
      port,
      seen,
      pumped: 0,
      clear: () => void seen.splice(0),
      cue: () => {},
      reset: () => void seen.at(-1)?.tunnel.socket.resetAndDestroy(),
      closeConnections: () => {
        for (const socket of sockets) socket.end();
      },
      close: () => closeServer(server, sockets),
    }) satisfies Backend;
  };
}

/** Of a TLS connection: what was asked for, and who asks. */
function factsOf(socket: Socket): string[] {
  if (!(socket instanceof tls.TLSSocket)) return [];
  const { servername, alpnProtocol } = socket as tls.TLSSocket & { readonly servername?: string };
  const peer = socket.getPeerCertificate();
  return [
    `tls ${socket.getProtocol()} sni=${servername || '-'} alpn=${alpnProtocol || '-'} from=${peer.subject?.CN ?? '-'}`,
  ];
}

/** `who` is answered with the name, `end` and `reset` with just that, and all else with an echo. */
const byItself =
  (name: string): TcpAnswer =>
  async (tunnel) => {
    // Words may come in pieces.
    const text = await tunnel.until(/^(?:who|end|reset)|^.{5}/s);
    if (text.startsWith('reset')) tunnel.socket.resetAndDestroy();
    else if (text.startsWith('end')) tunnel.end();
    else {
      tunnel.write(text.startsWith('who') ? name : `echo ${text}`);
      for (let told = text.length; !tunnel.ended; told = tunnel.text.length) {
        await tunnel.until(new RegExp(`^[\\s\\S]{${told + 1}}`));
        if (tunnel.text.length > told) tunnel.write(tunnel.text.slice(told));
      }
      tunnel.end();
    }
  };
