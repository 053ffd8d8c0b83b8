/** An upstream of scripts, and a client that keeps its connection. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { eventually } from '../../support/eventually.ts';

export interface HeldBackend {
  readonly port: number;
  /** Requests for `/hold` that wait for `release`. */
  readonly held: number;
  release(): void;
}

/** Answers with its name: at once, or when it is told to. */
export async function startBackend(t: Pick<TestContext, 'after'>, name: string): Promise<HeldBackend> {
  const held: ServerResponse[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/hold') held.push(response);
    else response.end(name);
  });
  // Connections go when the proxy says so.
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    port: (server.address() as AddressInfo).port,
    get held() {
      return held.length;
    },
    release: () => {
      for (const response of held.splice(0)) response.end(name);
    },
  };
}

/** One connection to a listener, HTTP/1. */
export class Client {
  readonly #socket: Socket;
  #text = '';
  #closed = false;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => (this.#text += text));
    this.#socket.on('close', () => (this.#closed = true));
    this.#socket.on('error', () => {});
  }

  ask(path: string): void {
    this.#text = '';
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: a.example\r\n\r\n`);
  }

  /** The answer in a line: its status, its body, and whether it announces the end of the connection. */
  async answer(): Promise<string> {
    return eventually(() => {
      const [, head, body] = /^([\s\S]*?)\r\n\r\n([\s\S]*)$/.exec(this.#text) ?? [];
      const length = /content-length: (\d+)/i.exec(head ?? '')?.[1];
      const whole = length === undefined ? body?.endsWith('0\r\n\r\n') : body?.length === Number(length);
      if (head === undefined || whole !== true) throw new Error(`not all there: ${this.#text}`);
      const closes = /^connection: close/im.test(head) ? ' close' : '';
      return `${head.split(' ')[1]} ${length === undefined ? body!.split('\r\n')[1] : body}${closes}`;
    });
  }

  /** Resolves when the other side has ended the connection. */
  async closed(): Promise<void> {
    await eventually(() => {
      if (!this.#closed) throw new Error('still open');
    });
  }

  end(): void {
    this.#socket.destroy();
  }
}
