/**
 * The bootstrap of gRPC's xDS clients and servers (gRFC A27, A29, A36): discovery in plaintext from
 * the control plane on this host, certificates from files that an agent keeps.
 */
import { join } from 'node:path';
import { certificateFileNames } from './certificate-files.ts';
import { type WorkloadPlace, workloadNode } from './workload-node.ts';

export interface GrpcBootstrapPlace extends WorkloadPlace {
  /** `host:port` of plaintext xDS. */
  readonly plaintextXds: string;
  /** Absolute. */
  readonly certificateFolder: string;
}

/** A look at the files costs little, and a certificate may live for minutes only. */
const REFRESH_SECONDS = 10;
/** The name by which listeners and clusters of the mesh refer to the certificates. */
const PROVIDER = 'default';
/** What a server asks for, with its address in place of `%s` (Istio's). */
const SERVER_LISTENER_TEMPLATE = 'xds.istio.io/grpc/lds/inbound/%s';

export function grpcBootstrap(place: GrpcBootstrapPlace): object {
  const file = (name: string): string => join(place.certificateFolder, name);
  return {
    xds_servers: [
      {
        server_uri: place.plaintextXds,
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    node: workloadNode(place, 'grpc'),
    certificate_providers: {
      [PROVIDER]: {
        plugin_name: 'file_watcher',
        config: {
          certificate_file: file(certificateFileNames.chain),
          private_key_file: file(certificateFileNames.key),
          ca_certificate_file: file(certificateFileNames.root),
          refresh_interval: `${REFRESH_SECONDS}s`,
        },
      },
    },
    server_listener_resource_name_template: SERVER_LISTENER_TEMPLATE,
  };
}
