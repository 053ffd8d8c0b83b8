/** The storefront's side of recommendations: gRPC without a proxy, routed by the mesh through xDS. */
import type { Client, ServiceError } from '@grpc/grpc-js';
import { loadGrpc, type SuggestReply } from './recommendations-api.ts';

const target = process.env.RECOMMENDATIONS_TARGET ?? 'xds:///recommendations.default.svc.cluster.local:7070';
const deadlineMs = 5_000;

type Suggest = (
  request: { limit: number },
  metadata: object,
  options: { deadline: number },
  callback: (error: ServiceError | null, reply: SuggestReply) => void,
) => void;

let connecting: Promise<() => Promise<SuggestReply>> | undefined;

/** Suggestions for the page; rejects with a sentence to show when there are none to be had. */
export async function suggestions(): Promise<SuggestReply> {
  connecting ??= connect();
  return (await connecting)();
}

async function connect(): Promise<() => Promise<SuggestReply>> {
  if (process.env.GRPC_XDS_BOOTSTRAP === undefined) {
    throw new Error('recommendations need the mesh: GRPC_XDS_BOOTSTRAP is not set');
  }
  const { grpc, xds, service } = await loadGrpc();
  const credentials = new xds.XdsChannelCredentials(grpc.credentials.createInsecure());
  // Otherwise the target's host would be asked for by CONNECT at the sidecar, like any other gRPC name.
  const options = { 'grpc.enable_http_proxy': 0 };
  const client = new service(target, credentials, options) as unknown as Client & {
    readonly suggest: Suggest;
  };
  await serveAdmin(grpc);
  return () =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + deadlineMs;
      client.suggest({ limit: 3 }, new grpc.Metadata(), { deadline }, (error, reply) => {
        if (error === null) resolve(reply);
        else reject(new Error(`recommendations: ${error.message}`, { cause: error }));
      });
    });
}

/** gRPC's own admin services (channelz, CSDS: what xDS this client has) where GRPC_ADMIN_ADDRESS asks for them. */
async function serveAdmin(grpc: typeof import('@grpc/grpc-js')): Promise<void> {
  const address = process.env.GRPC_ADMIN_ADDRESS;
  if (address === undefined) return;
  const server = new grpc.Server();
  grpc.addAdminServicesToServer(server);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}
