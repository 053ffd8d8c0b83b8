/** TLS for gRPC without a proxy: certificates come from the provider in its bootstrap (gRFC A29). */
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { type Init, pack } from './message.ts';
import { tlsSocket } from './tls-context.ts';

/** The provider's name in the bootstrap, and Istio's names for what it provides. */
const provider = 'default';
const identityName = 'default';
const rootName = 'ROOTCA';

/** @param identities SPIFFE ids of which the callee must have one. */
export function grpcUpstreamTls(identities: readonly string[]): TransportSocket {
  return tlsSocket(pack(UpstreamTlsContextSchema, { commonTlsContext: commonContext(identities) }));
}

/** The chain is verified; gRPC has no use for names on the server's side. */
export function grpcDownstreamTls(): TransportSocket {
  const commonTlsContext = commonContext([]);
  return tlsSocket(pack(DownstreamTlsContextSchema, { commonTlsContext, requireClientCertificate: true }));
}

function commonContext(identities: readonly string[]): Init<typeof CommonTlsContextSchema> {
  return {
    tlsCertificateProviderInstance: { instanceName: provider, certificateName: identityName },
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: {
          caCertificateProviderInstance: { instanceName: provider, certificateName: rootName },
          // The older of Envoy's two fields: gRPC reads this one and would take anybody without it.
          matchSubjectAltNames: identities.map((value) => ({ matchPattern: { case: 'exact', value } })),
        },
      },
    },
  };
}
