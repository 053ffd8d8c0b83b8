/** How callers of a cluster encrypt, and tell who calls: its transport sockets (`tls` and `proxyProtocol`). */
import { create } from '@bufbuild/protobuf';
import { parseIp } from '#core/ip-address.ts';
import type { ClientTls } from '#model/client-tls.ts';
import type { TlsDefaults } from '#model/tls-defaults.ts';
import type { HostTrafficPolicy } from '#model/traffic-policy.ts';
import type { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { type TransportSocket, TransportSocketSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { ProxyProtocolConfig_Version } from '#xds/gen/envoy/config/core/v3/proxy_protocol_pb.js';
import { ProxyProtocolUpstreamTransportSchema } from '#xds/gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.js';
import {
  type CertificateValidationContextSchema,
  SubjectAltNameMatcher_SanType,
  type SubjectAltNameMatcherSchema,
  TlsParameters_TlsProtocol,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import {
  type CommonTlsContextSchema,
  UpstreamTlsContextSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { clientSecretNames } from './gateway-secrets.ts';
import { fromAds, type Init, pack } from './message.ts';
import { rawBuffer, tlsSocket } from './tls-context.ts';

type Sockets = Pick<Init<typeof ClusterSchema>, 'transportSocket' | 'transportSocketMatches'>;
type SanMatcher = Init<typeof SubjectAltNameMatcherSchema>;
type Validation = Init<typeof CertificateValidationContextSchema>;

/** Where most systems keep the roots that they trust: for an Envoy, which cannot be asked for them. */
const systemRoots = '/etc/ssl/certs/ca-certificates.crt';

/** What a server must be called; it is asked for by the name of the request where nothing else is said. */
export interface ExpectedServer {
  /** Of the host, where the rule names none. */
  readonly names: readonly string[];
  readonly http2: boolean;
}

/** `SIMPLE` and `MUTUAL`. */
export function originatedTls(
  tls: ClientTls,
  { names, http2 }: ExpectedServer,
  { minProtocolVersion: least, cipherSuites = [], ecdhCurves = [] }: TlsDefaults,
): TransportSocket {
  const { TLSv1_2, TLSv1_3 } = TlsParameters_TlsProtocol;
  const commonTlsContext: Init<typeof CommonTlsContextSchema> = {
    ...certificate(tls),
    ...validation(tls, tls.subjectAltNames.length > 0 ? tls.subjectAltNames : names),
    ...(http2 && { alpnProtocols: ['h2'] }),
    // A caller speaks TLS 1.2 at most unless it is told otherwise (Envoy).
    tlsParams: {
      tlsMinimumProtocolVersion: least === 'TLSV1_3' ? TLSv1_3 : TLSv1_2,
      tlsMaximumProtocolVersion: TLSv1_3,
      cipherSuites: [...cipherSuites],
      ecdhCurves: [...ecdhCurves],
    },
  };
  const { sni = '' } = tls;
  return tlsSocket(pack(UpstreamTlsContextSchema, { commonTlsContext, ...(sni !== '' && { sni }) }));
}

function certificate(
  tls: ClientTls,
): Pick<Init<typeof CommonTlsContextSchema>, 'tlsCertificates' | 'tlsCertificateSdsSecretConfigs'> {
  const { mode, clientCertificate, privateKey, credentialName } = tls;
  const { certificate: named } = clientSecretNames(tls);
  if (credentialName !== undefined)
    return named === undefined
      ? {}
      : { tlsCertificateSdsSecretConfigs: [{ name: named, sdsConfig: fromAds }] };
  if (mode !== 'MUTUAL' || clientCertificate === undefined || privateKey === undefined) return {};
  return { tlsCertificates: [{ certificateChain: file(clientCertificate), privateKey: file(privateKey) }] };
}

function validation(
  tls: ClientTls,
  names: readonly string[],
): Pick<Init<typeof CommonTlsContextSchema>, 'validationContextType'> {
  if (tls.insecureSkipVerify === true) return {};
  const matchTypedSubjectAltNames = names.flatMap(matchersOf);
  const { authorities: named } = clientSecretNames(tls);
  if (tls.credentialName !== undefined && named !== undefined) {
    const value = {
      defaultValidationContext: { matchTypedSubjectAltNames },
      validationContextSdsSecretConfig: { name: named, sdsConfig: fromAds },
    };
    return { validationContextType: { case: 'combinedValidationContext', value } };
  }
  const value: Validation = {
    trustedCa: file(tls.caCertificates ?? systemRoots),
    ...(tls.caCrl !== undefined && { crl: file(tls.caCrl) }),
    matchTypedSubjectAltNames,
  };
  return { validationContextType: { case: 'validationContext', value } };
}

/** A name of a host, an address, or a URI such as a SPIFFE id. */
function matchersOf(name: string): SanMatcher[] {
  const { URI, DNS, IP_ADDRESS } = SubjectAltNameMatcher_SanType;
  const sanType = name.includes('://') ? URI : parseIp(name) === undefined ? DNS : IP_ADDRESS;
  return [{ sanType, matcher: { matchPattern: { case: 'exact', value: name } } }];
}

function file(path: string) {
  return { specifier: { case: 'filename' as const, value: path } };
}

/** Every socket tells first who calls, where the policy asks for that. */
export function announced(sockets: Sockets, { proxyProtocol }: HostTrafficPolicy): Sockets {
  if (proxyProtocol === undefined) return sockets;
  const version = ProxyProtocolConfig_Version[proxyProtocol.version];
  const around = (transportSocket: TransportSocket): TransportSocket =>
    create(TransportSocketSchema, {
      name: 'envoy.transport_sockets.upstream_proxy_protocol',
      configType: {
        case: 'typedConfig',
        value: pack(ProxyProtocolUpstreamTransportSchema, { config: { version }, transportSocket }),
      },
    });
  const { transportSocket, transportSocketMatches } = sockets;
  if (transportSocketMatches === undefined)
    return { transportSocket: around((transportSocket as TransportSocket | undefined) ?? rawBuffer) };
  return {
    transportSocketMatches: transportSocketMatches.map((match) => ({
      ...match,
      transportSocket: around(match.transportSocket as TransportSocket),
    })),
  };
}
