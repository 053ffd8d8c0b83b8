/**
 * What every HTTP service of the examples shares: listen where the runner says, answer JSON, call other
 * services through the sidecar, stop politely. Nothing here knows that there is a mesh: names are
 * Kubernetes names, and the way out is the standard http_proxy variable.
 */
import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { hostname } from 'node:os';

/** Which build of the service this process is; the Deployment says so. */
export const version: string = process.env.SERVICE_VERSION ?? 'v1';
/** The instance, as a Pod would be called. */
export const instance: string = process.env.HOSTNAME ?? hostname();

/** Long enough that the sidecar, not the service, decides when a connection is no longer needed. */
const keepAliveTimeoutMs = 75_000;
const callTimeoutMs = 10_000;

/** A proxy cannot know which outgoing call belongs to which incoming one: the service hands these on. */
const handedOn = [
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-tester',
  'end-user',
];

// NODE_USE_ENV_PROXY covers the global agent; an agent of one's own asks for it.
const agent = new http.Agent({ keepAlive: true, proxyEnv: process.env });

/** An answer: a value becomes JSON, a string HTML. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export type Handler = (request: IncomingMessage, url: URL) => Answer | Promise<Answer>;

/** The headers of `incoming` that belong on every call made on its behalf. */
export function contextOf(incoming: IncomingHttpHeaders): Record<string, string> {
  const context: Record<string, string> = {};
  for (const name of handedOn) {
    const value = incoming[name];
    if (typeof value === 'string') context[name] = value;
  }
  return context;
}

/** GET of JSON. Rejects when the service cannot be reached, or answers with anything but 200. */
export function getJson<Body>(url: string, context: Readonly<Record<string, string>>): Promise<Body> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, headers: context, timeout: callTimeoutMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode} ${text.trim()}`));
        else resolve(JSON.parse(text));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`${url}: no answer in ${callTimeoutMs} ms`)));
    request.on('error', (error) => reject(new Error(`${url}: ${error.message}`, { cause: error })));
  });
}

/** Serves `handler` on HOST:PORT until SIGTERM; what is in flight then is finished first. */
export function serve(name: string, handler: Handler): void {
  let stopping = false;
  const server = http.createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    if (stopping) response.setHeader('connection', 'close');
    void answer(name, handler, request, response);
  });
  const { host, port } = address();
  server.listen(port, host, () => console.log(`${name} ${version} on http://${host}:${port}`));
  onStop(() => {
    stopping = true;
    // Idle connections to other services would keep the process.
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}

/** Where to listen: the address that only this instance's sidecar connects to. */
export function address(): { host: string; port: number } {
  return { host: process.env.HOST ?? '0.0.0.0', port: Number(process.env.PORT ?? 9080) };
}

/** Runs `stop` once, on the signal of the runner or of Ctrl-C. */
export function onStop(stop: () => void): void {
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

async function answer(name: string, handler: Handler, request: IncomingMessage, response: ServerResponse) {
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? name}`);
  let reply: Answer;
  try {
    reply = await handler(request, url);
  } catch (error) {
    console.error(error);
    reply = { status: 500, body: { error: error instanceof Error ? error.message : String(error) } };
  }
  const html = typeof reply.body === 'string';
  const body = html ? String(reply.body) : `${JSON.stringify(reply.body)}\n`;
  response.writeHead(reply.status ?? 200, {
    'content-type': html ? 'text/html; charset=utf-8' : 'application/json',
    'content-length': Buffer.byteLength(body),
    ...reply.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** The reply to a path the service does not have. */
export function notFound(url: URL): Answer {
  return { status: 404, body: { error: `no such page: ${url.pathname}` } };
}
