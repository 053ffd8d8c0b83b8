/** One try of a probe, from outside the container: whether it went well, and if not, why. */
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { devNull } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { hostPort } from '#core/ip-address.ts';
import { HEDDLE_VERSION } from '#core/version.ts';
import { Relay, throughDoorway } from '#host/network/doorway.ts';
import { Child, type ChildSpec, describeEnd } from '#host/process.ts';
import type { Watchdog } from '#host/watchdog.ts';
import type { HookPlan, PlannedAction } from './probe-plan.ts';

/** Where the container is, or whatever else is probed. */
export interface ProbedContainer {
  readonly address: string;
  /** By which its network is reached; absent: from here. */
  readonly doorway?: string;
  /** How its commands run; absent: they do not. */
  readonly commands?: CommandPlace | undefined;
}

export interface CommandPlace {
  /** A command that runs where the container does. */
  inPlace(spec: ChildSpec): ChildSpec;
  readonly env: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly watchdog: Watchdog;
}

/** How long one try may take, and who may give it up before. */
export interface TryLimit {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** '' where all is well; else what is wrong, in a few words. */
export type ProbeOutcome = string;

const WELL = '';
const GIVEN_UP = 'given up';

/** Never rejects: what cannot even be tried, such as a path with a space in it, is an outcome too. */
export async function performProbe(
  action: PlannedAction,
  container: ProbedContainer,
  limit: TryLimit,
): Promise<ProbeOutcome> {
  try {
    return await begin(action, container, limit);
  } catch (error) {
    return (error as Error).message;
  }
}

/** What is done once in the life of a container; waits as long as that takes. */
export function performHook(
  action: HookPlan,
  container: ProbedContainer,
  limit: TryLimit,
): Promise<ProbeOutcome> {
  return action.kind === 'sleep' ? sleeps(action.ms, limit) : performProbe(action, container, limit);
}

function begin(action: PlannedAction, container: ProbedContainer, limit: TryLimit): Promise<ProbeOutcome> {
  switch (action.kind) {
    case 'httpGet':
      return getsAnswer(action, container, limit);
    case 'tcpSocket':
      return isAccepted(action.host ?? container.address, action.port, container, limit);
    case 'exec':
      if (container.commands === undefined) return Promise.resolve('commands are not run here');
      return runs(action.command, container.commands, limit);
    case 'grpc':
      return isServing(action, container, limit);
  }
}

/**
 * One try within its limit.
 * @param start is given what ends the try, and returns what lets go of all it has begun; the outcome waits for that
 */
function limited(
  { timeoutMs, signal }: TryLimit,
  start: (end: (outcome: ProbeOutcome) => void) => () => unknown,
): Promise<ProbeOutcome> {
  if (signal.aborted) return Promise.resolve(GIVEN_UP);
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
  const giveUp = (): void => resolve(GIVEN_UP);
  signal.addEventListener('abort', giveUp);
  const timer = setTimeout(() => resolve(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
  const ended = promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  });
  let letGo: () => unknown;
  try {
    letGo = start(resolve);
  } catch (error) {
    resolve((error as Error).message);
    return ended;
  }
  return ended.finally(letGo);
}

function sleeps(milliseconds: number, limit: TryLimit): Promise<ProbeOutcome> {
  return limited(limit, (end) => {
    const timer = setTimeout(() => end(WELL), Math.min(milliseconds, limit.timeoutMs));
    return () => clearTimeout(timer);
  });
}

/** For `http.request`: a connection from the other side of a doorway. */
function leadThrough(doorway: string, scheme: 'HTTP' | 'HTTPS'): RequestOptions['createConnection'] {
  return ({ host, port }, created) => {
    throughDoorway(doorway, host!, Number(port)).then(
      (socket) =>
        created(null, scheme === 'HTTP' ? socket : connectTls({ socket, rejectUnauthorized: false })),
      (error: Error) => created(error, undefined as never),
    );
    return undefined;
  };
}

/** 200 to 399 is well, as in a kubelet; who follows a redirection is not asked. The certificate is not judged. */
function getsAnswer(
  { scheme, host, port, path, headers }: Extract<PlannedAction, { kind: 'httpGet' }>,
  { address, doorway }: ProbedContainer,
  limit: TryLimit,
): Promise<ProbeOutcome> {
  const given = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
  const options: RequestOptions & { readonly rejectUnauthorized: boolean } = {
    host: host ?? address,
    port,
    path: requestPath(path),
    ...(doorway === undefined ? { agent: false } : { createConnection: leadThrough(doorway, scheme) }),
    headers: {
      'user-agent': `heddle-probe/${HEDDLE_VERSION}`,
      accept: '*/*',
      connection: 'close',
      ...given,
    },
    rejectUnauthorized: false,
  };
  return limited(limit, (end) => {
    const request = scheme === 'HTTPS' ? httpsRequest(options) : httpRequest(options);
    request.on('response', ({ statusCode = 0 }) =>
      end(statusCode >= 200 && statusCode < 400 ? WELL : `HTTP status ${statusCode}`),
    );
    request.on('error', (error) => end(error.message));
    request.end();
    return () => request.destroy();
  });
}

/** Begins with a slash, and what a request line cannot hold is percent-encoded, as a kubelet does. */
function requestPath(path: string): string {
  const encoded = path.replaceAll(/[^\x21-\x7e]/gu, encodeURIComponent);
  return encoded.startsWith('/') ? encoded : `/${encoded}`;
}

function isAccepted(
  host: string,
  port: number,
  { doorway }: ProbedContainer,
  limit: TryLimit,
): Promise<ProbeOutcome> {
  if (doorway !== undefined) {
    return limited(limit, (end) => {
      const asked = throughDoorway(doorway, host, port, limit.timeoutMs);
      asked.then(
        (socket) => {
          socket.destroy();
          end(WELL);
        },
        (error: Error) => end(error.message),
      );
      return () => {};
    });
  }
  return limited(limit, (end) => {
    const socket = connect({ host, port });
    socket.once('connect', () => end(WELL));
    socket.on('error', (error) => end(error.message));
    return () => socket.destroy();
  });
}

function runs(
  command: readonly string[],
  { env, workingDirectory, watchdog, inPlace }: CommandPlace,
  limit: TryLimit,
): Promise<ProbeOutcome> {
  return limited(limit, (end) => {
    const child = new Child(inPlace({ command, env, workingDirectory, logPath: devNull }), watchdog);
    void child.ended.then((how) => end(how.code === 0 ? WELL : describeEnd(how)));
    return () => {
      if (child.end === undefined) child.signal('SIGKILL');
      return child.ended;
    };
  });
}

const SERVING = 1;
/** `grpc.health.v1.HealthCheckRequest.service` and `HealthCheckResponse.status`. */
const FIELD = 1;

/** gRPC's health checking protocol (grpc.health.v1), without TLS, as a kubelet speaks it. */
async function isServing(
  { port, service }: Extract<PlannedAction, { kind: 'grpc' }>,
  { address, doorway }: ProbedContainer,
  limit: TryLimit,
): Promise<ProbeOutcome> {
  const { Client, credentials } = await import('@grpc/grpc-js');
  const authority = hostPort(address, port);
  const relay = doorway === undefined ? undefined : await Relay.open(doorway, address, port);
  const outcome = limited(limit, (end) => {
    const client = new Client(
      relay === undefined ? authority : `unix:${relay.path}`,
      credentials.createInsecure(),
      {
        'grpc.default_authority': authority,
        'grpc.enable_http_proxy': 0,
        'grpc.use_local_subchannel_pool': 1,
      },
    );
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      (name: string) =>
        Buffer.from(new BinaryWriter().tag(FIELD, WireType.LengthDelimited).string(name).finish()),
      statusOf,
      service,
      { deadline: Date.now() + limit.timeoutMs },
      (error, status = 0) => {
        if (error !== null) end(error.details === '' ? error.message : error.details);
        else end(status === SERVING ? WELL : `the service says that its status is ${status}`);
      },
    );
    return () => client.close();
  });
  return outcome.finally(() => relay?.close());
}

function statusOf(bytes: Uint8Array): number {
  const reader = new BinaryReader(bytes);
  let status = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === FIELD && type === WireType.Varint) status = reader.int32();
    else reader.skip(type, field);
  }
  return status;
}
