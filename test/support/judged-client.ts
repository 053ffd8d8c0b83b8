/** Somebody who asks proxies that are compared, beside a sidecar or outside of a gateway. */
import http from 'node:http';
import https from 'node:https';
import net, { type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import tls from 'node:tls';
import { httpProxyPort } from '#control/translate/outbound.ts';
import type { Connection, Request } from '../peers/configurations/configuration.ts';
import type { Holder } from './certificates.ts';
import type { Echo, JudgedBackends } from './judged-backends.ts';

export interface Judged {
  readonly make: 'heddle' | 'envoy';
  readonly kind: 'sidecar' | 'gateway';
  readonly address: string;
}

/** What came of a request or a connection. */
export interface Seen {
  readonly status: number | 'closed';
  readonly got: Readonly<Record<string, string>>;
  /** Absent where no backend answered. */
  readonly echo?: Echo;
  readonly body: string;
  readonly tookMs: number;
  /** At all backends so far. */
  requests(): readonly Echo[];
}

export interface JudgedClientSettings {
  readonly backends: JudgedBackends;
  readonly ca: string;
  readonly clients: Readonly<Record<'alice' | 'bob', Holder>>;
}

const patienceMs = 20_000;

export class JudgedClient {
  readonly #settings: JudgedClientSettings;
  #agent = new http.Agent({ keepAlive: true });
  #asked = 0;

  constructor(settings: JudgedClientSettings) {
    this.#settings = settings;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Begins new connections: those there are stay with what was in force when they began. */
  renew(): void {
    this.#agent.destroy();
    this.#agent = new http.Agent({ keepAlive: true });
  }

  /** @param ask with its host */
  async ask(to: Judged, ask: Request & { readonly host: string }): Promise<Seen> {
    const { get = '/', headers = {}, answers, replies } = ask;
    const [method = 'GET', path = '/'] = get.includes(' ') ? get.split(' ') : ['GET', get];
    const key = `${++this.#asked}`;
    const begunMs = performance.now();
    const { url, ...options } = this.#way(to, ask, path);
    const answer = await new Promise<Omit<Seen, 'tookMs' | 'requests'>>((resolve) => {
      const asking = (options.secure === undefined ? http : https).request({
        ...{ host: to.address, port: options.port, path: url, method, setHost: false, timeout: patienceMs },
        ...(options.secure === undefined ? { agent: this.#agent } : options.secure),
        headers: {
          host: options.authority,
          'x-key': key,
          ...(answers !== undefined && { 'x-answers': JSON.stringify(answers) }),
          ...(replies !== undefined && { 'x-replies': JSON.stringify(replies) }),
          ...headers,
        },
      });
      const closed = (): void => resolve({ status: 'closed', got: {}, body: '' });
      asking.on('error', closed).on('timeout', () => asking.destroy());
      asking.on('response', async (response) => {
        const body = await text(response).catch(() => undefined);
        if (body === undefined) return closed();
        const got = Object.fromEntries(
          Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
        );
        const echo = /^\{"who"/.test(body) ? { echo: JSON.parse(body) as Echo } : {};
        resolve({ status: response.statusCode ?? 0, got, body, ...echo });
      });
      asking.end();
    });
    return {
      ...answer,
      tookMs: performance.now() - begunMs,
      requests: () => this.#settings.backends.seen(key),
    };
  }

  #way(
    { kind }: Judged,
    { host, port, direct, tls: secure }: Request & { readonly host: string },
    path: string,
  ) {
    if (direct !== undefined) return { authority: host, port: direct, url: path };
    if (kind === 'sidecar') {
      const authority = port === undefined ? host : `${host}:${port}`;
      return { authority, port: httpProxyPort, url: `http://${authority}${path}` };
    }
    const { client, name = host, most } = secure ?? {};
    const ca = this.#settings.ca;
    return {
      ...{ authority: host, port: port ?? (secure === undefined ? 8080 : 8443), url: path },
      ...(secure !== undefined && {
        secure: {
          ...{ ca, servername: name, agent: false, ...(client && this.#settings.clients[client]) },
          ...(most !== undefined && { maxVersion: most }),
        },
      }),
    };
  }

  /** Says `hello`. */
  async call(to: Judged, call: Connection & { readonly host: string }): Promise<Seen> {
    const begunMs = performance.now();
    const body = await this.#hear(to, call).catch(() => '');
    const status = body === '' ? 'closed' : 200;
    return { status, got: {}, body, tookMs: performance.now() - begunMs, requests: () => [] };
  }

  async #hear(
    { kind, address }: Judged,
    { host, port, name }: Connection & { readonly host: string },
  ): Promise<string> {
    const socket =
      kind === 'gateway' ? net.connect({ host: address, port }) : await connected(address, `${host}:${port}`);
    socket.on('error', () => {});
    const { ca } = this.#settings;
    const spoken: Socket =
      name === undefined
        ? socket
        : tls.connect({ socket, servername: name, ca, checkServerIdentity: () => undefined });
    spoken.setTimeout(patienceMs, () => spoken.destroy());
    spoken.write('hello\n');
    return answerOf(spoken);
  }
}

/** Up to its end, or to that of what a backend says: a tunnel in HTTP/1.1 stays open for another second. */
async function answerOf(socket: Socket): Promise<string> {
  let heard = '';
  for await (const more of socket.setEncoding('latin1')) {
    heard += more as string;
    if (/hello(?: at \S+)?$/.test(heard)) break;
  }
  return heard;
}

/** A tunnel through the sidecar's HTTP proxy. */
function connected(address: string, path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    http
      .request({ host: address, port: httpProxyPort, method: 'CONNECT', path, timeout: patienceMs })
      .on('connect', ({ statusCode }, socket, head) => {
        socket.unshift(head);
        if (statusCode === 200) return resolve(socket as Socket);
        socket.destroy();
        reject(new Error(`CONNECT ${statusCode}`));
      })
      .on('error', reject)
      .end();
  });
}
