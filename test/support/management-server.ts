/** A management server that says what a test has it say, over every variant and service of xDS, and notes what it is asked. */
import type { TestContext } from 'node:test';
import {
  create,
  type DescMethodBiDiStreaming,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf';
import { type handleBidiStreamingCall, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { discoveryMethods, type StreamScope } from '#proxy/apply/discovery-method.ts';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  type DiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';

export type ManagementRequest = DiscoveryRequest | DeltaDiscoveryRequest;

/** A stream that a client has opened. */
export interface ManagementStream {
  readonly scope: StreamScope;
  readonly protocol: 'sotw' | 'delta';
  readonly requests: ManagementRequest[];
  send(
    response: MessageInitShape<typeof DiscoveryResponseSchema | typeof DeltaDiscoveryResponseSchema>,
  ): void;
  end(): void;
}

export interface ManagementServer {
  readonly port: number;
  /** All there were, in order. */
  readonly streams: readonly ManagementStream[];
  /** The newest of that kind which is open. @throws Error where there is none */
  stream(scope: StreamScope): ManagementStream;
  close(): void;
}

/** @param port absent: any. @param heard is called with each request. */
export async function startManagementServer(
  t: Pick<TestContext, 'after'>,
  {
    port = 0,
    heard,
  }: { port?: number; heard?(stream: ManagementStream, request: ManagementRequest): void } = {},
): Promise<ManagementServer> {
  const server = new Server();
  const streams: ManagementStream[] = [];
  const open = new Set<ManagementStream>();
  for (const [scope, methods] of Object.entries(discoveryMethods)) {
    const { service, handlers } = serviceOf(methods, (protocol, method, call) => {
      const { output } = method;
      const stream: ManagementStream = {
        scope: scope as StreamScope,
        protocol,
        requests: [],
        send: (response) => void call.write(create(output, response as never)),
        end: () => call.emit('error', { code: status.UNAVAILABLE, details: 'away for a moment' }),
      };
      streams.push(stream);
      open.add(stream);
      call.on('data', (request: ManagementRequest) => {
        stream.requests.push(request);
        heard?.(stream, request);
      });
      const over = (): void => void open.delete(stream);
      call.on('error', over);
      call.on('cancelled', over);
      call.on('end', () => {
        over();
        call.end();
      });
    });
    server.addService(service, handlers);
  }
  t.after(() => server.forceShutdown());
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, number) =>
      error === null ? resolve(number) : reject(error),
    ),
  );
  return {
    port: bound,
    streams,
    stream(scope) {
      const found = [...open].findLast((one) => one.scope === scope);
      if (found === undefined) throw new Error(`no stream of ${scope} is open`);
      return found;
    },
    close: () => server.forceShutdown(),
  };
}

type Call = Parameters<handleBidiStreamingCall<Message, Message>>[0];

function serviceOf(
  methods: (typeof discoveryMethods)[StreamScope],
  handle: (protocol: 'sotw' | 'delta', method: DescMethodBiDiStreaming, call: Call) => void,
): { service: Parameters<Server['addService']>[0]; handlers: Record<string, (call: Call) => void> } {
  const entries = (['sotw', 'delta'] as const).flatMap((protocol) => {
    const method = methods[protocol] as unknown as DescMethodBiDiStreaming | undefined;
    if (method === undefined) return [];
    const definition = {
      path: `/${method.parent.typeName}/${method.name}`,
      requestStream: true,
      responseStream: true,
      requestDeserialize: (bytes: Buffer): Message => fromBinary(method.input, bytes),
      requestSerialize: (message: Message): Buffer => Buffer.from(toBinary(method.input, message)),
      responseDeserialize: (bytes: Buffer): Message => fromBinary(method.output, bytes),
      responseSerialize: (message: Message): Buffer => Buffer.from(toBinary(method.output, message)),
    } as const;
    return [[method.name, definition, (call: Call): void => handle(protocol, method, call)] as const];
  });
  return {
    service: Object.fromEntries(entries.map(([name, definition]) => [name, definition])),
    handlers: Object.fromEntries(entries.map(([name, , handler]) => [name, handler])),
  };
}

export function isDelta(request: ManagementRequest): request is DeltaDiscoveryRequest {
  return request.$typeName === DeltaDiscoveryRequestSchema.typeName;
}
