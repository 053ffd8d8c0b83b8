/**
 * The control plane's HTTP API: reading over TCP (15014, loopback), and what changes something over
 * a Unix socket that only the same user can open. The contract is `#api/contract.ts`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIP, type ListenOptions } from 'node:net';
import { apiPaths, type ConfigReport, type ConnectionList, type ProxyStatus } from '#api/contract.ts';
import { prometheusContentType } from '#observe/prometheus.ts';
import type { JoinTokens } from '../ca/join-token.ts';
import { awaitDistribution } from './distribution-request.ts';
import { mintJoinToken } from './join-token-request.ts';
import { listenOnSocket } from './unix-socket.ts';

const JSON_TYPE = 'application/json';

/** What the API shows; asked anew for each request. */
export interface ControlView {
  ready(): boolean;
  /** Prometheus text. */
  metrics(): string;
  proxies(): readonly ProxyStatus[];
  connections(): ConnectionList;
  config(): ConfigReport;
  /** @param proxy `POD.NAMESPACE`; undefined where no such proxy is connected. */
  configDump(proxy: string): unknown;
}

/** What the admin socket changes or waits for. */
export interface ControlActions {
  readonly tokens: JoinTokens;
  /** Reads the Pods now. @returns `POD.NAMESPACE` of proxies that have not accepted their endpoints within the time */
  distribute(timeoutMs: number): Promise<readonly string[]>;
}

export interface ApiServerSettings {
  readonly host: string;
  readonly port: number;
  /** Of a socket that is bound there already. */
  readonly fd: number | undefined;
  /** Path of the Unix socket. */
  readonly socketPath: string;
  readonly view: ControlView;
  readonly actions: ControlActions;
}

export interface ApiServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects where the port is taken, or another control plane answers on the socket. */
export async function openApi(settings: ApiServerSettings): Promise<ApiServer> {
  const { host, port, fd, socketPath, view, actions } = settings;
  const open = createServer((request, response) => send(response, read(view, request)));
  const admin = createServer((request, response) => {
    if (request.method === 'POST' && request.url === apiPaths.joinTokens) {
      void mintJoinToken(actions.tokens, request, response);
    } else if (request.method === 'POST' && request.url === apiPaths.distribution) {
      void awaitDistribution((timeoutMs) => actions.distribute(timeoutMs), request, response);
    } else send(response, failure(404, `no such call: ${request.method} ${request.url}`));
  });
  await listenOnSocket(admin, socketPath);
  try {
    await listen(open, fd === undefined ? { host, port } : { fd });
  } catch (error) {
    await close(admin);
    throw error;
  }
  return {
    port: (open.address() as { port: number }).port,
    async close(): Promise<void> {
      await Promise.all([close(open), close(admin)]);
    },
  };
}

/** What is sent back. */
interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

type Read = (view: ControlView, query: URLSearchParams) => Answer;

const reads: Readonly<Record<string, Read>> = {
  [apiPaths.ready]: (view) =>
    view.ready() ? json({ ready: true }) : failure(503, 'the configuration is not loaded yet'),
  [apiPaths.metrics]: (view) => ({ status: 200, contentType: prometheusContentType, body: view.metrics() }),
  [apiPaths.syncz]: (view) => json(view.proxies()),
  [apiPaths.connections]: (view) => json(view.connections()),
  [apiPaths.configz]: (view) => json(view.config()),
  [apiPaths.configDump]: (view, query) => {
    const proxy = query.get('proxyID');
    if (proxy === null) return failure(400, 'add ?proxyID=POD.NAMESPACE');
    const dump = view.configDump(proxy);
    return dump === undefined ? failure(404, `no proxy called "${proxy}" is connected`) : json(dump);
  },
};

function read(view: ControlView, request: IncomingMessage): Answer {
  if (!isNamedByAddress(request)) return failure(403, 'ask by address, not by a name');
  if (request.method !== 'GET' && request.method !== 'HEAD') return failure(405, 'only GET is taken here');
  const url = new URL(request.url ?? '/', 'http://control');
  const answer = Object.hasOwn(reads, url.pathname) ? reads[url.pathname] : undefined;
  if (answer === undefined) {
    const known = Object.keys(reads).join(', ');
    return failure(404, `no such path: ${url.pathname} (there are ${known})`);
  }
  return answer(view, url.searchParams);
}

/** A page in a browser reaches a loopback address under a name of its own (DNS rebinding): names are refused. */
function isNamedByAddress({ headers: { host = '' } }: IncomingMessage): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return name === '' || name === 'localhost' || isIP(name) !== 0;
}

function json(body: unknown): Answer {
  return { status: 200, contentType: JSON_TYPE, body: `${JSON.stringify(body, undefined, 2)}\n` };
}

function failure(status: number, error: string): Answer {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify({ error })}\n` };
}

function send(response: ServerResponse, { status, contentType, body }: Answer): void {
  response.writeHead(status, { 'content-type': contentType }).end(body);
}

function listen(server: Server, where: ListenOptions | { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
