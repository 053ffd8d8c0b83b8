/**
 * recommendations: a gRPC service that is its own proxy. Certificate, trust and who may call come from the
 * control plane over xDS (the bootstrap file named by GRPC_XDS_BOOTSTRAP); there is no sidecar on the call.
 * v1 suggests what sells, v2 what is short.
 */
import type { handleUnaryCall } from '@grpc/grpc-js';
import { listenOnlyOn } from './one-address.ts';
import { loadGrpc, type SuggestReply } from './recommendations-api.ts';
import { address, instance, onStop, version } from './service.ts';

const suggestions =
  version === 'v2'
    ? { reason: 'For one evening', books: [6, 2, 3] }
    : { reason: 'Our readers buy', books: [1, 4, 2] };

const suggest: handleUnaryCall<{ limit: number }, SuggestReply> = (call, callback) => {
  const books = suggestions.books.slice(0, call.request.limit || suggestions.books.length);
  callback(null, { books, reason: suggestions.reason, version, instance });
};

const { grpc, xds, service } = await loadGrpc().catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
const server = new xds.XdsServer();
server.addService(service.service, { suggest });

const { host, port } = address();
// The fallback is for a control plane that asks for plaintext; under STRICT it is never used.
const credentials = new xds.XdsServerCredentials(grpc.ServerCredentials.createInsecure());
server.bindAsync(`${host}:${port}`, credentials, (error) => {
  if (error !== null) throw error;
  console.log(`recommendations ${version} on ${host}:${port}`);
});
listenOnlyOn(server, host, port);
onStop(() => server.tryShutdown(() => process.exit(0)));
