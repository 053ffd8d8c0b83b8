/** A proxy's end of an ADS stream, message by message, with the bytes that came over the wire counted. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { CONTROL_PLANE_DNS_NAME } from '#identity/control-plane-name.ts';
import type { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import { eventually } from './eventually.ts';

export interface AdsClientOptions {
  /** `host:port`. */
  readonly address: string;
  /** Absent: plaintext. */
  readonly tls?: {
    readonly rootPem: string;
    readonly certificateChainPem?: string;
    readonly privateKeyPem?: string;
  };
  readonly token?: string;
}

export type NodeInit = MessageInitShape<typeof NodeSchema>;

/** What came, and how the stream ended. */
interface Stream<Request extends DescMessage, Response> {
  send(request: MessageInitShape<Request>): void;
  /** Every response so far, in order. */
  readonly received: readonly Response[];
  /** Bytes of all responses. */
  bytes(): number;
  /** Waits for the next response that was not yet given. */
  next(): Promise<Response>;
  /** Set when the stream has ended with an error. */
  failure(): ServiceError | undefined;
  /** Waits until the stream has ended with an error. */
  failed(): Promise<ServiceError>;
  close(): void;
}

export type DeltaStream = Stream<typeof DeltaDiscoveryRequestSchema, DeltaDiscoveryResponse>;
export type SotwStream = Stream<typeof DiscoveryRequestSchema, DiscoveryResponse>;

export function openDelta(options: AdsClientOptions): DeltaStream {
  return open(options, 'DeltaAggregatedResources', DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema);
}

export function openSotw(options: AdsClientOptions): SotwStream {
  return open(options, 'StreamAggregatedResources', DiscoveryRequestSchema, DiscoveryResponseSchema);
}

/** The node of a sidecar, such as `nodeOf('reviews-v1-0.default')`. */
export function nodeOf(name: string, more: NodeInit = {}): NodeInit {
  const namespace = name.split('.').at(-1)!;
  return {
    id: `sidecar~127.0.0.1~${name}~${namespace}.svc.cluster.local`,
    cluster: name,
    userAgentName: 'heddle',
    metadata: { NAMESPACE: namespace, INTERCEPTION_MODE: 'NONE' },
    ...more,
  };
}

export function typeUrl(kind: ResourceKind): string {
  return resourceTypes[kind].typeUrl;
}

function open<Request extends DescMessage, Response extends DescMessage>(
  { address, tls, token }: AdsClientOptions,
  method: string,
  requestSchema: Request,
  responseSchema: Response,
): Stream<Request, MessageShape<Response>> {
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  const client = new Client(
    address,
    tls === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(pem(tls.rootPem), pem(tls.privateKeyPem), pem(tls.certificateChainPem)),
    {
      'grpc.ssl_target_name_override': CONTROL_PLANE_DNS_NAME,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
    },
  );
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const received: MessageShape<Response>[] = [];
  let bytes = 0;
  let given = 0;
  let failure: ServiceError | undefined;
  const call: ClientDuplexStream<MessageShape<Request>, Buffer> = client.makeBidiStreamRequest(
    `/envoy.service.discovery.v3.AggregatedDiscoveryService/${method}`,
    (message) => Buffer.from(toBinary(requestSchema, message)),
    (buffer) => buffer,
    metadata,
  );
  call.on('data', (buffer: Buffer) => {
    bytes += buffer.length;
    received.push(fromBinary(responseSchema, buffer));
  });
  call.on('error', (error: ServiceError) => {
    failure ??= error;
  });
  return {
    send: (request) => void call.write(create(requestSchema, request)),
    received,
    bytes: () => bytes,
    failure: () => failure,
    next: () =>
      eventually(
        () => {
          if (failure !== undefined) throw failure;
          const response = received[given];
          if (response === undefined) throw new Error(`no response number ${given + 1}`);
          given++;
          return response;
        },
        { everyMs: 2 },
      ),
    failed: () =>
      eventually(
        () => {
          if (failure === undefined) throw new Error('the stream has not failed');
          return failure;
        },
        { everyMs: 5 },
      ),
    close(): void {
      call.cancel();
      client.close();
    },
  };
}
