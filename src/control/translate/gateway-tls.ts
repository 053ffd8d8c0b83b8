/** `tls` of a Gateway's server -> the TLS context of its filter chain. */
import { parseIp } from '#core/ip-address.ts';
import { asksForCertificate, type ServerTls, type TlsVersion } from '#model/gateway-tls.ts';
import type { MeshSettings } from '#model/mesh-settings.ts';
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type CertificateValidationContextSchema,
  TlsParameters_TlsProtocol as Protocol,
  SubjectAltNameMatcher_SanType as SanType,
  type SubjectAltNameMatcherSchema,
  CertificateValidationContext_TrustChainVerification as Trust,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { ServerSecrets } from './gateway-secrets.ts';
import { fromAds, fromAgent, type Init, pack } from './message.ts';
import type { ProxyNode } from './node.ts';
import { tlsSocket } from './tls-context.ts';

type ValidationInit = Init<typeof CertificateValidationContextSchema>;
type SanMatcher = Init<typeof SubjectAltNameMatcherSchema>;
type CommonInit = Init<typeof CommonTlsContextSchema>;

export interface GatewayTlsOptions {
  readonly tls: ServerTls;
  readonly carriedAs: 'HTTP' | 'TCP';
  /** Absent: the mesh's own certificate is shown, and asked for. */
  readonly secrets: ServerSecrets | undefined;
  readonly client: ProxyNode['client'];
  readonly settings: Pick<MeshSettings, 'trustDomain' | 'tlsDefaults'>;
}

const protocols: Readonly<Record<TlsVersion, Protocol>> = {
  TLS_AUTO: Protocol.TLS_AUTO,
  TLSV1_0: Protocol.TLSv1_0,
  TLSV1_1: Protocol.TLSv1_1,
  TLSV1_2: Protocol.TLSv1_2,
  TLSV1_3: Protocol.TLSv1_3,
};

export function gatewayTls({
  tls,
  carriedAs,
  secrets,
  client,
  settings: { trustDomain, tlsDefaults },
}: GatewayTlsOptions): TransportSocket {
  const defaults = secrets === undefined ? undefined : tlsDefaults;
  const { minProtocolVersion: least, cipherSuites } = tls;
  const asked = protocols[least === 'TLS_AUTO' ? (defaults?.minProtocolVersion ?? least) : least];
  // Envoy and Istio begin at 1.2; our proxy speaks nothing older.
  const isOlder = asked === Protocol.TLS_AUTO || (client === 'heddle' && asked < Protocol.TLSv1_2);
  const commonTlsContext: CommonInit = {
    tlsParams: {
      tlsMinimumProtocolVersion: isOlder ? Protocol.TLSv1_2 : asked,
      tlsMaximumProtocolVersion: protocols[tls.maxProtocolVersion],
      cipherSuites: [...(cipherSuites.length > 0 ? cipherSuites : (defaults?.cipherSuites ?? []))],
      ecdhCurves: [...(defaults?.ecdhCurves ?? [])],
    },
    alpnProtocols: carriedAs === 'HTTP' ? ['h2', 'http/1.1'] : [],
    ...(secrets === undefined ? meshContext(tls, carriedAs, trustDomain) : writtenContext(tls, secrets)),
  };
  const requireClientCertificate = tls.mode === 'MUTUAL' || tls.mode === 'ISTIO_MUTUAL';
  return tlsSocket(pack(DownstreamTlsContextSchema, { commonTlsContext, requireClientCertificate }));
}

/** Any caller of the mesh, unless names are written. */
function meshContext(tls: ServerTls, carriedAs: 'HTTP' | 'TCP', trustDomain: string): CommonInit {
  const anyone: SanMatcher = {
    sanType: SanType.URI,
    matcher: { matchPattern: { case: 'prefix', value: `spiffe://${trustDomain}/` } },
  };
  const rules = clientRules(tls);
  return {
    tlsCertificateSdsSecretConfigs: [{ name: 'default', sdsConfig: fromAgent }],
    ...(carriedAs === 'TCP' && { alpnProtocols: ['istio-peer-exchange', 'h2', 'http/1.1'] }),
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext:
          tls.subjectAltNames.length > 0 ? rules : { ...rules, matchTypedSubjectAltNames: [anyone] },
        validationContextSdsSecretConfig: { name: 'ROOTCA', sdsConfig: fromAgent },
      },
    },
  };
}

function writtenContext(tls: ServerTls, { certificates, authorities }: ServerSecrets): CommonInit {
  const fromHere = (name: string) => ({ name, sdsConfig: fromAds });
  return {
    tlsCertificateSdsSecretConfigs: certificates.map(fromHere),
    ...(asksForCertificate(tls) &&
      authorities !== undefined && {
        validationContextType: {
          case: 'combinedValidationContext',
          value: {
            defaultValidationContext: clientRules(tls),
            validationContextSdsSecretConfig: fromHere(authorities),
          },
        },
      }),
  };
}

function clientRules(tls: ServerTls): ValidationInit {
  return {
    matchTypedSubjectAltNames: tls.subjectAltNames.map(sanMatcher),
    verifyCertificateSpki: [...tls.verifyCertificateSpki],
    verifyCertificateHash: [...tls.verifyCertificateHash],
    ...(tls.insecureSkipVerify && { trustChainVerification: Trust.ACCEPT_UNTRUSTED }),
  };
}

/** The kind of name is seen in how it is written: Istio does not say. */
function sanMatcher(value: string): SanMatcher {
  const sanType = value.includes('://')
    ? SanType.URI
    : value.includes('@')
      ? SanType.EMAIL
      : parseIp(value) === undefined
        ? SanType.DNS
        : SanType.IP_ADDRESS;
  return { sanType, matcher: { matchPattern: { case: 'exact', value } } };
}
