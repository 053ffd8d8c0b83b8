/**
 * Envoy's secret discovery service on a Unix socket: how a proxy of another make gets the workload's
 * certificate (`default`) and the roots it is to trust (`ROOTCA`). Whoever can open the socket is the
 * workload: the socket and its folder belong to one user.
 */

import { mkdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type handleUnaryCall, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { listenOnSocket } from '#control/http-api/unix-socket.ts';
import { grpcMethod } from '#control/serve/method.ts';
import type { Logger } from '#observe/log.ts';
import { SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { SecretDiscoveryService } from '#xds/gen/envoy/service/secret/v3/sds_pb.js';
import { resourceTypes } from '#xds/resource-type.ts';
import type { ServerStream } from '#xds/server/contract.ts';
import { createDeltaServerStream } from '#xds/server/delta.ts';
import { createSotwServerStream } from '#xds/server/sotw.ts';
import { emptySnapshot, encodeResource, type Snapshot, snapshotOf } from '#xds/snapshot.ts';
import type { WorkloadCertificate } from './workload-identity.ts';

/** The names that proxies of a mesh ask for (Istio's). */
export const SECRET_NAMES = { certificate: 'default', roots: 'ROOTCA' } as const;

export interface SdsServer {
  /** Told to every stream that asked. */
  set(certificate: WorkloadCertificate): void;
  /** Ends every stream and removes the socket. */
  close(): Promise<void>;
}

interface Requested {
  readonly typeUrl: string;
  readonly errorDetail?: { readonly message: string } | undefined;
}

/** Rejects where another process serves on the socket already, or it cannot be made. */
export async function serveSecrets(socketPath: string, log: Logger): Promise<SdsServer> {
  const streams = new Set<(snapshot: Snapshot) => void>();
  let snapshot = emptySnapshot;

  function serve<Request extends Requested, Response>(
    call: ServerDuplexStream<Request, Response>,
    machine: ServerStream<Request, Response>,
  ): void {
    const send = (responses: readonly Response[]): void => {
      for (const response of responses) call.write(response);
    };
    const offer = (next: Snapshot): void => send(machine.onSnapshot(next));
    const leave = (): void => void streams.delete(offer);
    streams.add(offer);
    call.on('data', (request: Request) => {
      if (request.errorDetail !== undefined)
        log.warn('agent.secret-refused', { error: request.errorDetail.message });
      // A stream of this service may leave out the type (xDS protocol, "Resource types").
      const typeUrl = request.typeUrl === '' ? resourceTypes.secret.typeUrl : request.typeUrl;
      send(machine.onRequest({ ...request, typeUrl }));
    });
    call.on('error', leave);
    call.on('cancelled', leave);
    call.on('end', () => {
      leave();
      call.end();
    });
  }

  const options = { nowMs: Date.now };
  const fetchSecrets: handleUnaryCall<DiscoveryRequest, DiscoveryResponse> = (call, answer) => {
    const machine = createSotwServerStream({ ...options, snapshot });
    const request = { ...call.request, typeUrl: resourceTypes.secret.typeUrl };
    answer(null, machine.onRequest(request)[0] ?? create(DiscoveryResponseSchema));
  };
  const { method } = SecretDiscoveryService;
  const grpc = new Server();
  grpc.addService(
    {
      streamSecrets: grpcMethod(method.streamSecrets),
      deltaSecrets: grpcMethod(method.deltaSecrets),
      fetchSecrets: grpcMethod(method.fetchSecrets),
    },
    {
      streamSecrets: (call: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>) =>
        serve<DiscoveryRequest, DiscoveryResponse>(call, createSotwServerStream({ ...options, snapshot })),
      deltaSecrets: (call: ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>) =>
        serve<DeltaDiscoveryRequest, DeltaDiscoveryResponse>(
          call,
          createDeltaServerStream({ ...options, snapshot }),
        ),
      fetchSecrets,
    },
  );
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket: Socket) => injector.injectConnection(socket));
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 });
  await listenOnSocket(listener, socketPath);

  return {
    set(certificate): void {
      snapshot = secretsOf(certificate, snapshot);
      for (const offer of streams) offer(snapshot);
    },
    async close(): Promise<void> {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      injector.destroy();
      grpc.forceShutdown();
      await closed;
    },
  };
}

function secretsOf(certificate: WorkloadCertificate, previous: Snapshot): Snapshot {
  const secret = (init: MessageInitShape<typeof SecretSchema>): ReturnType<typeof encodeResource> =>
    encodeResource('secret', create(SecretSchema, init));
  const inline = (text: string): { specifier: { case: 'inlineBytes'; value: Uint8Array } } => ({
    specifier: { case: 'inlineBytes', value: Buffer.from(text) },
  });
  return snapshotOf(
    [
      secret({
        name: SECRET_NAMES.certificate,
        type: {
          case: 'tlsCertificate',
          value: {
            certificateChain: inline(certificate.certificateChainPem),
            privateKey: inline(certificate.privateKeyPem),
          },
        },
      }),
      secret({
        name: SECRET_NAMES.roots,
        type: { case: 'validationContext', value: { trustedCa: inline(certificate.rootCaPem) } },
      }),
    ],
    previous,
  );
}
