/** TLS between proxies: the contexts of both sides, with certificates from the agent beside each. */
import { create } from '@bufbuild/protobuf';
import type { MeshSettings } from '#model/mesh-settings.ts';
import { type TransportSocket, TransportSocketSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { RawBufferSchema } from '#xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import {
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

/** Names by which the agent serves them (Istio's). */
const identitySecret = 'default';
const rootSecret = 'ROOTCA';

/** What a connection between proxies of the mesh carries. `HTTP`: of either version. */
export type CallerSpeech = 'TCP' | 'HTTP' | 'HTTP/1.1' | 'HTTP/2';

/**
 * By these protocols a caller in the mesh says what it carries (Istio's). Of HTTP of either version it names none that the
 * callee could agree to: that goes by the first bytes then.
 */
export const callerProtocols: Readonly<Record<CallerSpeech, readonly string[]>> = {
  TCP: ['istio-peer-exchange', 'istio'],
  HTTP: ['istio-http/1.1', 'istio-h2', 'istio'],
  'HTTP/1.1': ['istio-http/1.1', 'istio', 'http/1.1'],
  'HTTP/2': ['istio-h2', 'istio', 'h2'],
};

/** Those of them that say HTTP; the others may carry anything. A callee chooses the chain by them. */
export const meshHttpProtocols: readonly string[] = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
export const meshOpaqueProtocols: readonly string[] = ['istio-peer-exchange', 'istio'];

/** What tells a caller in the mesh from others. */
export const meshProtocols: readonly string[] = [...meshOpaqueProtocols, ...meshHttpProtocols];

/** What a callee agrees to: proxies go by that to know the version, so the mesh's own names are not among it (Istio). */
const serverProtocols: Readonly<Record<'HTTP' | 'TCP', readonly string[]>> = {
  HTTP: ['h2', 'http/1.1'],
  TCP: ['istio-peer-exchange', 'h2', 'http/1.1'],
};

type SanMatcher = Init<typeof SubjectAltNameMatcherSchema>;

/** @param identities SPIFFE ids, or names of DNS, of which the callee must have one. */
export function upstreamMutualTls(
  identities: readonly string[],
  sni: string,
  speech: CallerSpeech,
): TransportSocket {
  const commonTlsContext = {
    ...commonContext(identities.map((id) => (id.includes('://') ? uriMatcher('exact', id) : dnsMatcher(id)))),
    alpnProtocols: [...callerProtocols[speech]],
    // A caller speaks TLS 1.2 unless it is told otherwise (Envoy).
    tlsParams: {
      tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
      tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
    },
  };
  return tlsSocket(pack(UpstreamTlsContextSchema, { commonTlsContext, sni }));
}

/** Any identity of the mesh may call; who may do what is for policies to say. */
export function downstreamMutualTls(
  { trustDomain, trustDomainAliases, leastTlsVersion, meshCipherSuites }: MeshSettings,
  carriedAs: 'HTTP' | 'TCP',
): TransportSocket {
  const domains = [trustDomain, ...trustDomainAliases];
  const { TLSv1_2, TLSv1_3 } = TlsParameters_TlsProtocol;
  const commonTlsContext = {
    ...commonContext(domains.map((domain) => uriMatcher('prefix', `spiffe://${domain}/`))),
    alpnProtocols: [...serverProtocols[carriedAs]],
    tlsParams: {
      tlsMinimumProtocolVersion: leastTlsVersion === '1.3' ? TLSv1_3 : TLSv1_2,
      cipherSuites: [...meshCipherSuites],
    },
  };
  return tlsSocket(pack(DownstreamTlsContextSchema, { commonTlsContext, requireClientCertificate: true }));
}

export const rawBuffer: TransportSocket = create(TransportSocketSchema, {
  name: 'envoy.transport_sockets.raw_buffer',
  configType: { case: 'typedConfig', value: pack(RawBufferSchema, {}) },
});

/** @param typedConfig an UpstreamTlsContext or a DownstreamTlsContext. */
export function tlsSocket(typedConfig: ReturnType<typeof pack>): TransportSocket {
  return create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: { case: 'typedConfig', value: typedConfig },
  });
}

function commonContext(matchTypedSubjectAltNames: SanMatcher[]): Init<typeof CommonTlsContextSchema> {
  return {
    tlsCertificateSdsSecretConfigs: [{ name: identitySecret, sdsConfig: fromAgent }],
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: { matchTypedSubjectAltNames },
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

function dnsMatcher(value: string): SanMatcher {
  return { sanType: SubjectAltNameMatcher_SanType.DNS, matcher: { matchPattern: { case: 'exact', value } } };
}
