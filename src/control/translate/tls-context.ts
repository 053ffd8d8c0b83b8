/** TLS between workloads: the contexts of both sides, for proxies and for gRPC without a proxy. */
import { create } from '@bufbuild/protobuf';
import { type TransportSocket, TransportSocketSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { RawBufferSchema } from '#xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import {
  type CertificateValidationContextSchema,
  SubjectAltNameMatcher_SanType,
  type SubjectAltNameMatcherSchema,
  TlsParameters_TlsProtocol,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { fromAgent, type Init, pack } from './message.ts';

/** SDS names, and the certificate provider's for gRPC. */
const identitySecret = 'default';
const rootSecret = 'ROOTCA';

/** What a caller in the mesh offers (Istio's); the callee chooses the chain by it. */
export const meshProtocols: readonly string[] = ['istio-peer-exchange', 'istio'];

/** What a callee answers to. No `h2` until the proxy speaks it. */
const serverProtocols: readonly string[] = [...meshProtocols, 'istio-http/1.1', 'http/1.1'];

/** How the certificates come: from the agent, or from the file watcher in a gRPC bootstrap. */
export type Certificates = 'agent' | 'grpc';

type SanMatcher = Init<typeof SubjectAltNameMatcherSchema>;
type Validation = Init<typeof CertificateValidationContextSchema>;
type CommonContext = Init<typeof CommonTlsContextSchema>;

/** @param identities SPIFFE ids of which the callee must have one. */
export function upstreamMutualTls(
  identities: readonly string[],
  sni: string,
  certificates: Certificates,
): TransportSocket {
  const matchers = identities.map((id) => uriMatcher('exact', id));
  const common = commonContext(matchers, certificates);
  if (certificates === 'grpc') return tlsSocket(pack(UpstreamTlsContextSchema, { commonTlsContext: common }));
  const withProtocols = { ...common, alpnProtocols: [...meshProtocols] };
  return tlsSocket(pack(UpstreamTlsContextSchema, { commonTlsContext: withProtocols, sni }));
}

/** Any identity of the mesh may call; who may do what is for policies to say. */
export function downstreamMutualTls(trustDomain: string, certificates: Certificates): TransportSocket {
  // gRPC verifies the chain and has no use for names on the server's side.
  const matchers = certificates === 'grpc' ? [] : [uriMatcher('prefix', `spiffe://${trustDomain}/`)];
  const common = commonContext(matchers, certificates);
  const commonTlsContext: CommonContext =
    certificates === 'grpc'
      ? common
      : {
          ...common,
          alpnProtocols: [...serverProtocols],
          tlsParams: { tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2 },
        };
  return tlsSocket(pack(DownstreamTlsContextSchema, { commonTlsContext, requireClientCertificate: true }));
}

export const rawBuffer: TransportSocket = create(TransportSocketSchema, {
  name: 'envoy.transport_sockets.raw_buffer',
  configType: { case: 'typedConfig', value: pack(RawBufferSchema, {}) },
});

function commonContext(matchers: SanMatcher[], certificates: Certificates): CommonContext {
  const validation: Validation = { matchTypedSubjectAltNames: matchers };
  if (certificates === 'grpc') {
    return {
      tlsCertificateProviderInstance: { instanceName: identitySecret, certificateName: identitySecret },
      validationContextType: {
        case: 'combinedValidationContext',
        value: {
          defaultValidationContext: {
            ...validation,
            caCertificateProviderInstance: { instanceName: identitySecret, certificateName: rootSecret },
          },
        },
      },
    };
  }
  return {
    tlsCertificateSdsSecretConfigs: [{ name: identitySecret, sdsConfig: fromAgent }],
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: validation,
        validationContextSdsSecretConfig: { name: rootSecret, sdsConfig: fromAgent },
      },
    },
  };
}

function uriMatcher(kind: 'exact' | 'prefix', value: string): SanMatcher {
  return {
    sanType: SubjectAltNameMatcher_SanType.URI,
    matcher: { matchPattern: { case: kind, value } },
  };
}

function tlsSocket(typedConfig: ReturnType<typeof pack>): TransportSocket {
  return create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: { case: 'typedConfig', value: typedConfig },
  });
}
