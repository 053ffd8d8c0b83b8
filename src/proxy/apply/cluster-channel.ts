/**
 * A cluster -> where and how gRPC connects to it, for streams to management servers. Read anew for
 * each connection, so that a rotated certificate is used by the next one.
 */
import type { PeerCertificate } from 'node:tls';
import { create } from '@bufbuild/protobuf';
import { formatProblem } from '#core/problem.ts';
import { type Cluster, Cluster_DiscoveryType } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Address } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import {
  type CertificateValidationContext,
  type SubjectAltNameMatcher,
  SubjectAltNameMatcher_SanType,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import {
  type SdsSecretConfig,
  type Secret,
  SecretSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  type CommonTlsContext,
  type UpstreamTlsContext,
  UpstreamTlsContextSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { StringMatcher } from '#xds/gen/envoy/type/matcher/v3/string_pb.js';
import { unpackAny } from '#xds/registry.ts';
import type { SecretMaterial, SecretStore } from '../contract.ts';
import { Findings } from '../findings.ts';
import { readWantedSecret, textOfKey } from '../resource-source.ts';
import type { ChannelTarget, ChannelTls } from './grpc-channel.ts';
import { type DataReader, secretMaterial } from './secret-material.ts';

export interface ChannelDeps {
  readonly secrets: SecretStore;
  readonly reader: DataReader;
}

/**
 * @param nth of all connections: they go to its endpoints in turn
 * @throws Error with what is wrong or not there yet.
 */
export function channelOfCluster(cluster: Cluster, nth: number, deps: ChannelDeps): ChannelTarget {
  const endpoints = cluster.loadAssignment?.endpoints.flatMap(({ lbEndpoints }) => lbEndpoints) ?? [];
  const addresses = endpoints.flatMap(({ hostIdentifier }) =>
    hostIdentifier.case === 'endpoint' && hostIdentifier.value.address ? [hostIdentifier.value.address] : [],
  );
  const address = addresses[nth % addresses.length];
  if (address === undefined)
    throw new Error(`cluster ${cluster.name} has no endpoint in its load_assignment`);
  const uri = uriOf(address, isNamed(cluster));
  const socket = cluster.transportSocket?.configType;
  if (socket?.case !== 'typedConfig') return { uri };
  const unpacked = unpackAny(socket.value);
  if (!unpacked.ok) throw new Error(`transport_socket of cluster ${cluster.name}: ${unpacked.detail}`);
  if (unpacked.schema.typeName !== UpstreamTlsContextSchema.typeName) return { uri };
  return { uri, tls: tlsOf(unpacked.message as UpstreamTlsContext, deps) };
}

function isNamed({ clusterDiscoveryType: type }: Cluster): boolean {
  const { STRICT_DNS, LOGICAL_DNS } = Cluster_DiscoveryType;
  return type.case === 'type' && (type.value === STRICT_DNS || type.value === LOGICAL_DNS);
}

function uriOf({ address }: Address, named: boolean): string {
  switch (address.case) {
    case 'pipe':
      return `unix:${address.value.path}`;
    case 'socketAddress': {
      const { address: host, portSpecifier } = address.value;
      const port = Number(portSpecifier.value ?? 0);
      if (named) return `dns:///${host}:${port}`;
      return host.includes(':') ? `ipv6:[${host}]:${port}` : `ipv4:${host}:${port}`;
    }
    default:
      throw new Error('a management server needs a socket_address or a pipe');
  }
}

function tlsOf({ commonTlsContext: common, sni }: UpstreamTlsContext, deps: ChannelDeps): ChannelTls {
  const certificate = common && certificateOf(common, deps);
  const { rootPem, matchers } = validationOf(common, deps);
  return {
    ...(sni === '' ? {} : { serverName: sni }),
    ...(rootPem === undefined ? {} : { rootPem }),
    ...(certificate?.certificateChainPem === undefined
      ? {}
      : { certificateChainPem: certificate.certificateChainPem }),
    ...(certificate?.privateKeyPem === undefined ? {} : { privateKeyPem: certificate.privateKeyPem }),
    // Envoy checks the names it is told to check, and no other.
    verifyPeer: (peer) =>
      matchers.length === 0 || matchers.some((matcher) => names(peer, matcher))
        ? undefined
        : new Error(NO_WANTED_NAME),
  };
}

const NO_WANTED_NAME = 'the certificate of the management server has none of the wanted names';

function certificateOf(common: CommonTlsContext, deps: ChannelDeps): SecretMaterial | undefined {
  const [inline] = common.tlsCertificates;
  if (inline !== undefined) {
    return readSecret(create(SecretSchema, { type: { case: 'tlsCertificate', value: inline } }), deps);
  }
  const [sds] = common.tlsCertificateSdsSecretConfigs;
  return sds === undefined ? undefined : heldSecret(sds, deps);
}

function validationOf(
  common: CommonTlsContext | undefined,
  deps: ChannelDeps,
): { readonly rootPem: string | undefined; readonly matchers: readonly SubjectAltNameMatcher[] } {
  const type = common?.validationContextType;
  switch (type?.case) {
    case 'validationContext':
      return { rootPem: rootOf(type.value, deps), matchers: type.value.matchTypedSubjectAltNames };
    case 'validationContextSdsSecretConfig':
      return { rootPem: heldSecret(type.value, deps).trustedCaPem, matchers: [] };
    case 'combinedValidationContext': {
      const { defaultValidationContext: given, validationContextSdsSecretConfig: sds } = type.value;
      const rootPem = sds === undefined ? given && rootOf(given, deps) : heldSecret(sds, deps).trustedCaPem;
      return { rootPem, matchers: given?.matchTypedSubjectAltNames ?? [] };
    }
    default:
      return { rootPem: undefined, matchers: [] };
  }
}

function rootOf(context: CertificateValidationContext, deps: ChannelDeps): string | undefined {
  if (context.trustedCa === undefined) return undefined;
  // The names are checked on their own: a secret holds the roots alone.
  const bare = { ...context, matchTypedSubjectAltNames: [], matchSubjectAltNames: [] };
  return readSecret(create(SecretSchema, { type: { case: 'validationContext', value: bare } }), deps)
    .trustedCaPem;
}

function readSecret(secret: Secret, deps: ChannelDeps): SecretMaterial {
  const parsed = secretMaterial(secret, deps.reader);
  if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join('; '));
  return parsed.value;
}

function heldSecret(config: SdsSecretConfig, { secrets }: ChannelDeps): SecretMaterial {
  // Its cluster has been read with it: what is wrong has been said.
  const { key } = readWantedSecret(config, '', new Findings());
  const held = secrets.get(key);
  if (held === undefined) throw new Error(`secret ${textOfKey(key)} is not there yet`);
  return held;
}

/** Labels of Node's `subjectaltname`. */
const sanLabels: Readonly<Partial<Record<SubjectAltNameMatcher_SanType, string>>> = {
  [SubjectAltNameMatcher_SanType.DNS]: 'DNS:',
  [SubjectAltNameMatcher_SanType.URI]: 'URI:',
  [SubjectAltNameMatcher_SanType.EMAIL]: 'email:',
  [SubjectAltNameMatcher_SanType.IP_ADDRESS]: 'IP Address:',
};

function names(certificate: PeerCertificate, { sanType, matcher }: SubjectAltNameMatcher): boolean {
  const label = sanLabels[sanType];
  if (label === undefined || matcher === undefined) return false;
  return (certificate.subjectaltname ?? '')
    .split(', ')
    .some((name) => name.startsWith(label) && matches(name.slice(label.length), matcher));
}

function matches(given: string, { matchPattern: pattern, ignoreCase }: StringMatcher): boolean {
  if (pattern.case === undefined || pattern.case === 'safeRegex') {
    throw new Error('a name of a management server is matched by exact, prefix, suffix or contains only');
  }
  const text = ignoreCase ? given.toLowerCase() : given;
  const wanted = ignoreCase ? pattern.value.toLowerCase() : pattern.value;
  switch (pattern.case) {
    case 'exact':
      return text === wanted;
    case 'prefix':
      return text.startsWith(wanted);
    case 'suffix':
      return text.endsWith(wanted);
    case 'contains':
      return text.includes(wanted);
  }
}
