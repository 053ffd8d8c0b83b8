/** A HTTP/1 upstream over a plain socket, so that it can do what no HTTP server would. */
import { createServer, type Server, type Socket } from 'node:net';
import tls from 'node:tls';
import type { Certificates } from '../harness/certificates.ts';
import {
  type Body,
  chunkedBody,
  chunksSoFar,
  headerOf,
  lengthBody,
  noBody,
  shownBody,
} from '../wire/http1-body.ts';
import { shown, steadyLines } from '../wire/volatile.ts';
import { type Backend, type BackendKind, Cues, closeServer, listenOn, type Seen } from './backend.ts';
import type { Answers, Http1Answer, Http1Exchange } from './exchange.ts';
import { answerByPath } from './paths.ts';
import { Tunnel } from './tunnel.ts';

export interface BackendPlace {
  /** Absent: 127.0.0.1. */
  readonly host?: string;
  /** Absent: plaintext. */
  readonly tls?: (certificates: Certificates) => tls.TlsOptions;
}

class Request implements Seen {
  readonly name: string;
  readonly socket: Socket;
  readonly head: string;
  readonly id: string;
  attempt = 1;
  /** The text after the head. */
  rest = '';
  whole: Body | undefined;
  cutOff = false;
  tunnel: Tunnel | undefined;
  readonly complete: Promise<string>;
  #resolve: (text: string) => void = () => {};

  constructor(name: string, socket: Socket, head: string) {
    this.name = name;
    this.socket = socket;
    this.head = head;
    this.id = this.header('x-test') ?? '';
    this.complete = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  header(name: string): string | undefined {
    return headerOf(this.head.split('\r\n').slice(1), name);
  }

  /** @returns what comes after it; undefined while it is not all there. */
  take(text: string): string | undefined {
    this.rest += text;
    const chunked = this.header('transfer-encoding') === 'chunked';
    const length = Number(this.header('content-length') ?? 0);
    this.whole = chunked ? chunkedBody(this.rest) : length === 0 ? noBody : lengthBody(this.rest, length);
    if (this.whole === undefined) return undefined;
    this.#resolve(this.whole.text);
    return this.rest.slice(this.whole.length);
  }

  lines(): string[] {
    const [line = '', ...headers] = this.head.split('\r\n');
    const chunked = this.header('transfer-encoding') === 'chunked';
    const lines = [line, ...steadyLines(headers)];
    if (this.whole === undefined) {
      const text = chunked ? chunksSoFar(this.rest) : this.rest;
      lines.push(`body so far: ${shown(text)}`, ...(this.cutOff ? ['cut off'] : []));
    } else if (this.whole.framing !== 'none') {
      lines.push(`body by ${this.whole.framing}: ${shownBody(this.whole.text, headers)}`);
      lines.push(...steadyLines(this.whole.trailers).map((trailer) => `trailer ${trailer}`));
      lines.push(...this.whole.extensions.map((extension) => `chunk extension ${extension}`));
    }
    if (this.tunnel !== undefined)
      lines.push(`tunnel: ${shown(this.tunnel.text)}${this.tunnel.ended ? ' end' : ''}`);
    return lines.map((text) => `${this.name}| ${text}`);
  }
}

/** One connection: requests one after the other, until one makes a tunnel of it. */
class Connection {
  readonly #socket: Socket;
  readonly #onHead: (head: string, socket: Socket) => Request;
  #text = '';
  #request: Request | undefined;

  constructor(socket: Socket, onHead: (head: string, socket: Socket) => Request) {
    this.#socket = socket;
    this.#onHead = onHead;
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('data', (text: string) => this.#take(text));
    const end = (): void => {
      if (this.#request === undefined) return;
      if (this.#request.whole === undefined) this.#request.cutOff = true;
      this.#request.tunnel?.finish();
    };
    socket.on('end', () => {
      end();
      // Half-open as far as the case goes: a tunnel may still answer.
      if (this.#request?.tunnel === undefined) socket.end();
    });
    socket.on('close', end);
  }

  #take(text: string): void {
    const tunnel = this.#request?.tunnel;
    if (tunnel !== undefined) {
      tunnel.take(text);
      return;
    }
    this.#text += text;
    for (;;) {
      if (this.#request === undefined || this.#request.whole !== undefined) {
        const end = this.#text.indexOf('\r\n\r\n');
        if (end === -1) return;
        this.#request = this.#onHead(this.#text.slice(0, end), this.#socket);
        this.#text = this.#text.slice(end + 4);
      }
      const given = this.#text;
      this.#text = '';
      const rest = this.#request.take(given);
      if (rest === undefined) return;
      this.#text = rest;
      if (rest === '') return;
    }
  }
}

/** Requests one after the other on each connection. */
export function http1({ host = '127.0.0.1', tls: options }: BackendPlace = {}): BackendKind {
  return async (name, certificates) => {
    const sockets = new Set<Socket>();
    const seen: Request[] = [];
    const attempts = new Map<string, number>();
    const cues = new Cues();
    const backend = {
      answers: undefined as Answers | undefined,
      get pumped(): number {
        return cues.pumped;
      },
    };
    const onSocket = (socket: Socket): void => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('close', () => sockets.delete(socket));
      new Connection(socket, (head, from) => {
        const request = new Request(name, from, head);
        request.attempt = (attempts.get(request.id) ?? 0) + 1;
        attempts.set(request.id, request.attempt);
        seen.push(request);
        // Probes are answered plainly whatever the case is about.
        void answerOf(request.id === 'probe' ? undefined : backend.answers)(exchangeOf(request, cues));
        return request;
      });
    };
    const server: Server =
      options === undefined
        ? createServer({ allowHalfOpen: true }, onSocket)
        : tls.createServer(options((await certificates()) as Certificates), onSocket);
    server.on('tlsClientError', () => {});
    const port = await listenOn(server, host);
    return Object.assign(backend, {
      port,
      seen,
      clear: () => {
        seen.splice(0);
        cues.clear();
      },
      cue: () => cues.give(),
      reset: (id: string) => void seen.findLast((request) => request.id === id)?.socket.resetAndDestroy(),
      closeConnections: () => {
        for (const socket of sockets) socket.end();
      },
      close: () => closeServer(server, sockets),
    }) satisfies Backend;
  };
}

function exchangeOf(request: Request, cues: Cues): Http1Exchange {
  const { socket, name, head, attempt } = request;
  const [method = '', path = ''] = head.split(' ');
  return {
    name,
    method,
    path,
    head,
    attempt,
    header: (of) => request.header(of),
    body: () => request.complete,
    write: (text) => {
      if (!socket.destroyed) socket.write(text, 'latin1');
    },
    end: () => socket.end(),
    reset: () => socket.resetAndDestroy(),
    cue: () => cues.wait(),
    pump: (bytes) => pump(socket, bytes, cues),
    tunnel: () => {
      request.tunnel ??= new Tunnel(socket);
      return request.tunnel;
    },
  };
}

const PUMP_BYTES = 65_536;

async function pump(socket: Socket, bytes: number, cues: Cues): Promise<void> {
  const chunk = Buffer.alloc(PUMP_BYTES, 'x');
  for (let left = bytes; left > 0 && !socket.destroyed; left -= PUMP_BYTES) {
    const some = chunk.subarray(0, Math.min(left, PUMP_BYTES));
    if (!socket.write(some)) await drained(socket);
    cues.pumped += some.length;
  }
}

/** Or closed. */
const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const over = (): void => {
      socket.off('drain', over).off('close', over);
      resolve();
    };
    socket.on('drain', over).on('close', over);
  });

function answerOf(answers: Answers | undefined): Http1Answer {
  if (answers === undefined) return answerByPath;
  if (typeof answers === 'object') return 'http1' in answers ? answers.http1 : answerByPath;
  return async (exchange) => {
    await exchange.body();
    exchange.write(answers);
  };
}
