/**
 * The transport of room `xds` over gRPC. `@grpc/grpc-js` is loaded with the first stream and never
 * by a proxy without a management server. Each stream has a connection of its own, so that it
 * starts with the certificate in force.
 */

import type { PeerCertificate } from 'node:tls';
import {
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { ChannelCredentials, Client, Metadata, ServiceError, StatusObject } from '@grpc/grpc-js';
import {
  type CallOptions,
  type MessageStream,
  type StreamEvents,
  type Transport,
  TransportError,
  type TransportStatus,
} from '#xds/transport.ts';

type Grpc = typeof import('@grpc/grpc-js');

export interface ChannelTls {
  /** Absent: the server is not verified. */
  readonly rootPem?: string;
  readonly certificateChainPem?: string;
  readonly privateKeyPem?: string;
  /** Sent as SNI, and what the certificate must name unless `verifyPeer` is given. */
  readonly serverName?: string;
  /** Takes the place of the check of the host name; its error refuses the server. */
  readonly verifyPeer?: (certificate: PeerCertificate) => Error | undefined;
}

/** Where to connect now; asked for each connection. */
export interface ChannelTarget {
  /** A gRPC name, such as `ipv4:127.0.0.1:15010`, `unix:/run/sds` or `dns:///control:15010`. */
  readonly uri: string;
  /** Absent: plaintext. */
  readonly tls?: ChannelTls;
}

/** Beyond, a connection is no longer reported as open before its first message. */
const CONNECT_TIMEOUT_MS = 20_000;

const UNKNOWN = 2;
const UNAVAILABLE = 14;

const channelOptions = {
  'grpc.enable_http_proxy': 0, // the proxy variables of the host are not for the mesh
  'grpc.use_local_subchannel_pool': 1, // a connection of one certificate must not serve another
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.max_receive_message_length': -1,
  // A server that vanished without a word is noticed in half a minute.
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

/** @param target may throw: the stream then ends as unavailable, with that reason, and is tried again. */
export function createGrpcTransport(target: () => ChannelTarget): Transport {
  const open = new Set<() => void>();

  async function connect(): Promise<{ grpc: Grpc; client: Client }> {
    const grpc = await import('@grpc/grpc-js');
    const { uri, tls } = target();
    const name = tls?.serverName;
    const options = {
      ...channelOptions,
      ...(name === undefined ? {} : { 'grpc.ssl_target_name_override': name }),
    };
    return { grpc, client: new grpc.Client(uri, credentialsOf(grpc, tls), options) };
  }

  return {
    stream: (method, events, options) => openStream(connect, open, { method, events, options }),
    call: (method, request, options) => unary(connect, { method, request, options }),
    close(): void {
      for (const cancel of [...open]) cancel();
    },
  };
}

function credentialsOf(grpc: Grpc, tls: ChannelTls | undefined): ChannelCredentials {
  if (tls === undefined) return grpc.credentials.createInsecure();
  const { rootPem, privateKeyPem, certificateChainPem, verifyPeer } = tls;
  return grpc.credentials.createSsl(
    rootPem === undefined ? null : Buffer.from(rootPem),
    privateKeyPem === undefined ? null : Buffer.from(privateKeyPem),
    certificateChainPem === undefined ? null : Buffer.from(certificateChainPem),
    {
      ...(rootPem === undefined ? { rejectUnauthorized: false } : {}),
      ...(verifyPeer === undefined
        ? {}
        : { checkServerIdentity: (_host, certificate) => verifyPeer(certificate) }),
    },
  );
}

type Connect = () => Promise<{ readonly grpc: Grpc; readonly client: Client }>;

interface StreamCall<In extends DescMessage, Out extends DescMessage> {
  readonly method: DescMethodBiDiStreaming<In, Out>;
  readonly events: StreamEvents<MessageShape<Out>>;
  readonly options: CallOptions | undefined;
}

function openStream<In extends DescMessage, Out extends DescMessage>(
  connect: Connect,
  open: Set<() => void>,
  { method, events, options }: StreamCall<In, Out>,
): MessageStream<MessageShape<In>> {
  let call: import('@grpc/grpc-js').ClientDuplexStream<MessageShape<In>, MessageShape<Out>> | undefined;
  let connected: Client | undefined;
  let ended = false;
  let finished = false;
  /** What was sent before the connection was there. */
  let early: MessageShape<In>[] = [];

  const end = (status: TransportStatus): void => {
    if (ended) return;
    ended = true;
    open.delete(cancel);
    connected?.close();
    events.onEnd(status);
  };
  const cancel = (): void => {
    call?.cancel();
    end({ code: 1, detail: 'cancelled' });
  };
  open.add(cancel);

  connect().then(
    ({ grpc, client }) => {
      connected = client;
      if (ended) {
        client.close();
        return;
      }
      const running = client.makeBidiStreamRequest<MessageShape<In>, MessageShape<Out>>(
        pathOf(method),
        (message) => Buffer.from(toBinary(method.input, message)),
        (bytes) => fromBinary(method.output, bytes),
        metadataOf(grpc, options),
      );
      call = running;
      // Headers may come with the first message only: a connection that stands is open.
      client.waitForReady(Date.now() + CONNECT_TIMEOUT_MS, (error) => {
        if (error === undefined && !ended) events.onOpen?.();
      });
      running.on('data', (message: MessageShape<Out>) => {
        if (!ended) events.onMessage(message);
      });
      // The status follows and says the same.
      running.on('error', () => {});
      running.on('status', ({ code, details }: StatusObject) => end({ code, detail: details }));
      for (const message of early) running.write(message);
      early = [];
      if (finished) running.end();
    },
    (error: unknown) =>
      end({ code: UNAVAILABLE, detail: error instanceof Error ? error.message : String(error) }),
  );

  return {
    send(message): void {
      if (ended) return;
      if (call === undefined) early.push(message);
      else call.write(message);
    },
    finish(): void {
      finished = true;
      call?.end();
    },
    cancel,
  };
}

interface UnaryCall<In extends DescMessage, Out extends DescMessage> {
  readonly method: DescMethodUnary<In, Out>;
  readonly request: MessageShape<In>;
  readonly options: (CallOptions & { readonly timeoutMs?: number }) | undefined;
}

async function unary<In extends DescMessage, Out extends DescMessage>(
  connect: Connect,
  { method, request, options }: UnaryCall<In, Out>,
): Promise<MessageShape<Out>> {
  const { grpc, client } = await connect();
  const deadline = options?.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest<MessageShape<In>, MessageShape<Out>>(
        pathOf(method),
        (message) => Buffer.from(toBinary(method.input, message)),
        (bytes) => fromBinary(method.output, bytes),
        request,
        metadataOf(grpc, options),
        deadline,
        (error: ServiceError | null, response?: MessageShape<Out>) => {
          if (response !== undefined && error === null) resolve(response);
          else
            reject(
              new TransportError({ code: error?.code ?? UNKNOWN, detail: error?.details ?? 'no answer' }),
            );
        },
      );
    });
  } finally {
    client.close();
  }
}

function pathOf(method: { readonly parent: { readonly typeName: string }; readonly name: string }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function metadataOf(grpc: Grpc, options: CallOptions | undefined): Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(options?.metadata ?? {})) metadata.set(name, value);
  return metadata;
}
