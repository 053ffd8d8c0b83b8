/** A control plane that can fail: delta ADS by our own stream machine, on a port that stays the same. */
import { create, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { type handleBidiStreamingCall, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { messageFromDocument } from '#xds/document.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { AggregatedDiscoveryService } from '#xds/gen/envoy/service/discovery/v3/ads_pb.js';
import type { DeltaDiscoveryRequest } from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { DeltaDiscoveryResponseSchema } from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { createDeltaServerStream } from '#xds/server/delta.ts';
import { type EncodedResource, encodeResource, type Snapshot, snapshotOf } from '#xds/snapshot.ts';
import type { Resources } from './bootstrap.ts';
import type { ControlMode } from './scenario.ts';

type Call = Parameters<handleBidiStreamingCall<DeltaDiscoveryRequest, Message>>[0];

const method = AggregatedDiscoveryService.method.deltaAggregatedResources;
const kinds = ['endpoint', 'cluster', 'route', 'listener'] as const;
type Revision = Record<(typeof kinds)[number], number>;

export class ControlPlane {
  #server = new Server();
  #port = 0;
  #snapshot: Snapshot | undefined;
  readonly #streams = new Map<Call, ReturnType<typeof createDeltaServerStream>>();
  readonly #resources: (revision: Revision) => Resources;
  readonly #revision: Revision = { cluster: 0, endpoint: 0, route: 0, listener: 0 };
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  #mode: ControlMode | undefined;

  /** @param resources another revision of a kind is another resource that serves as well. */
  constructor(resources: (revision: Revision) => Resources) {
    this.#resources = resources;
  }

  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    this.#server = new Server();
    this.#server.addService(
      {
        [method.name]: {
          path: `/${method.parent.typeName}/${method.name}`,
          requestStream: true,
          responseStream: true,
          requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
          requestSerialize: (message: DeltaDiscoveryRequest) => Buffer.from(toBinary(method.input, message)),
          responseDeserialize: (bytes: Buffer): Message => fromBinary(method.output, bytes),
          responseSerialize: (message: Message) =>
            Buffer.from(toBinary(DeltaDiscoveryResponseSchema, message as never)),
        },
      },
      { [method.name]: ((call: Call) => this.#serve(call)) as never },
    );
    this.#port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync(`127.0.0.1:${this.#port}`, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
    this.#publish();
  }

  /** Undefined: it is well again, and says what is right. */
  async fail(mode: ControlMode | undefined, everyMs = 0): Promise<void> {
    clearInterval(this.#timer);
    const before = this.#mode;
    this.#mode = mode;
    if (before === 'gone') await this.start();
    if (mode === 'gone') this.#server.forceShutdown();
    if (mode === undefined || mode === 'hang') this.#publish();
    if (mode === 'hang' || mode === 'gone' || mode === undefined) return;
    this.#timer = setInterval(() => this.#disturb(mode), everyMs);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#server.forceShutdown();
  }

  #serve(call: Call): void {
    const stream = createDeltaServerStream({ nowMs: Date.now, snapshot: this.#snapshot });
    this.#streams.set(call, stream);
    call.on('data', (request: DeltaDiscoveryRequest) => {
      if (this.#mode !== 'hang') for (const response of stream.onRequest(request)) call.write(response);
    });
    const gone = (): void => {
      this.#streams.delete(call);
      call.end();
    };
    call.on('error', gone);
    call.on('end', gone);
  }

  #publish(more: readonly EncodedResource[] = []): void {
    this.#snapshot = snapshotOf([...encoded(this.#resources(this.#revision)), ...more], this.#snapshot);
    if (this.#mode === 'hang') return;
    for (const [call, stream] of this.#streams)
      for (const response of stream.onSnapshot(this.#snapshot)) call.write(response);
  }

  #disturb(mode: ControlMode): void {
    this.#turn += 1;
    const kind = kinds[this.#turn % kinds.length]!;
    this.#revision[kind] += 1;
    switch (mode) {
      case 'flap':
        this.#publish();
        for (const call of this.#streams.keys())
          call.emit('error', { code: status.UNAVAILABLE, details: 'away for a moment' });
        break;
      case 'rubbish':
        this.#publish(rubbish(this.#turn));
        break;
      default:
        this.#publish();
    }
  }
}

function encoded({ cluster, endpoint, listener, route }: Resources): EncodedResource[] {
  return [
    encodeResource('cluster', read(ClusterSchema, cluster)),
    encodeResource('endpoint', read(ClusterLoadAssignmentSchema, endpoint)),
    encodeResource('listener', read(ListenerSchema, listener)),
    encodeResource('route', read(RouteConfigurationSchema, route)),
  ];
}

function read<Schema extends Parameters<typeof messageFromDocument>[0]>(
  schema: Schema,
  value: unknown,
): ReturnType<typeof create<Schema>> {
  const message = messageFromDocument(schema, { value: JSON.parse(JSON.stringify(value)) });
  if (!message.ok) throw new Error(JSON.stringify(message.problems));
  return message.value as ReturnType<typeof create<Schema>>;
}

/** Resources beside the right ones: wrong ones that are messages, and bytes that are none. */
function rubbish(turn: number): EncodedResource[] {
  const cluster = encodeResource(
    'cluster',
    create(ClusterSchema, { name: `wrong-${turn % 3}`, altStatName: String(turn) }),
  );
  const listener = encodeResource(
    'listener',
    create(ListenerSchema, { name: 'wrong', statPrefix: String(turn) }),
  );
  const noise = encodeResource('cluster', create(ClusterSchema, { name: 'noise' }));
  const bytes = Uint8Array.from({ length: 40 }, (_, at) => 0xff - ((turn + at) % 7));
  return [cluster, listener, { ...noise, version: `noise-${turn}`, any: { ...noise.any, value: bytes } }];
}
