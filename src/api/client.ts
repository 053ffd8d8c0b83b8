/** A client of the control plane's HTTP API: reads over TCP, asks for join tokens over its Unix socket. */
import { request } from 'node:http';
import {
  type ApiFailure,
  apiPaths,
  type ConfigReport,
  type ConnectionList,
  type DistributionReply,
  type DistributionRequest,
  type JoinTokenReply,
  type JoinTokenRequest,
  type ProxyStatus,
} from './contract.ts';

/** The control plane answered with an error, or not at all (`status` is 0). */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** Every call rejects with {@link ApiError}. */
export interface ApiClient {
  ready(): Promise<boolean>;
  metrics(): Promise<string>;
  proxies(): Promise<readonly ProxyStatus[]>;
  connections(): Promise<ConnectionList>;
  config(): Promise<ConfigReport>;
  /** @param proxy `POD.NAMESPACE`. */
  configDump(proxy: string): Promise<unknown>;
}

const TIMEOUT_MS = 10_000;

/** @param apiUrl such as `http://127.7.0.1:15014`. */
export function apiClient(apiUrl: string): ApiClient {
  const get = async (path: string): Promise<string> => send({ url: apiUrl, path, method: 'GET' });
  const json = async <T>(path: string): Promise<T> => JSON.parse(await get(path)) as T;
  return {
    async ready(): Promise<boolean> {
      try {
        await get(apiPaths.ready);
        return true;
      } catch (error) {
        if (error instanceof ApiError) return false;
        throw error;
      }
    },
    metrics: () => get(apiPaths.metrics),
    proxies: () => json(apiPaths.syncz),
    connections: () => json(apiPaths.connections),
    config: () => json(apiPaths.configz),
    configDump: (proxy) => json(`${apiPaths.configDump}?proxyID=${encodeURIComponent(proxy)}`),
  };
}

/** A new join token. @param socketPath of the control plane's admin socket; see `adminSocketPath`. */
export async function requestJoinToken(
  socketPath: string,
  subject: JoinTokenRequest,
): Promise<JoinTokenReply> {
  const body = JSON.stringify(subject);
  const reply = await send({ socketPath, path: apiPaths.joinTokens, method: 'POST', body });
  return JSON.parse(reply) as JoinTokenReply;
}

/** Resolves when every proxy has the endpoints of the Pods as they are now, or the time is up. */
export async function awaitDistribution(
  socketPath: string,
  request: DistributionRequest,
): Promise<DistributionReply> {
  const body = JSON.stringify(request);
  const timeoutMs = request.timeoutMs + TIMEOUT_MS;
  const reply = await send({ socketPath, path: apiPaths.distribution, method: 'POST', body, timeoutMs });
  return JSON.parse(reply) as DistributionReply;
}

interface Call {
  readonly url?: string;
  readonly socketPath?: string;
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly body?: string;
  /** Absent: {@link TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

function send({ url, socketPath, path, method, body, timeoutMs = TIMEOUT_MS }: Call): Promise<string> {
  const place = url === undefined ? {} : { hostname: new URL(url).hostname, port: new URL(url).port };
  const where = url ?? socketPath ?? '';
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(
        new ApiError(`the control plane does not answer at ${where}: ${error.message}`, 0, { cause: error }),
      );
    const call = request({
      ...place,
      ...(socketPath === undefined ? {} : { socketPath }),
      path,
      method,
      agent: false,
      timeout: timeoutMs,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    call.on('error', fail);
    call.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve(text);
        else reject(new ApiError(failureText(text, status), status));
      });
    });
    call.end(body);
  });
}

function failureText(text: string, status: number): string {
  try {
    return (JSON.parse(text) as ApiFailure).error;
  } catch {
    return `the control plane answered ${status}`;
  }
}
