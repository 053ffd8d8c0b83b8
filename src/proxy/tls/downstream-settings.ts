/** A `DownstreamTlsContext`, read once. */
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { RawBufferSchema } from '#xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import {
  type DownstreamTlsContext,
  DownstreamTlsContextSchema,
  DownstreamTlsContext_OcspStaplePolicy as Policy,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';
import type { Wanted } from '../resource-source.ts';
import { type CertificateMaterial, leafOf } from './certificate-material.ts';
import type { DataReader } from './data-source.ts';
import { noteSecret, readTlsMaterial, type TlsMaterial } from './material.ts';
import { readTicketKeys } from './ticket-key-sources.ts';

/** What a certificate is worth whose OCSP response is missing (`must`) or has expired (both). */
export type StaplePolicy = 'lenient' | 'strict' | 'must';

export interface DownstreamTlsSettings {
  readonly material: TlsMaterial;
  readonly requiresClientCertificate: boolean;
  readonly requiresServerName: boolean;
  /** Whether all certificates are looked at where the name of the server is that of none. */
  readonly fullScan: boolean;
  /** Given in the configuration itself; empty: the process makes its own. */
  readonly ticketKeys: readonly Uint8Array[];
  /** Name of the secret they come from; '' for none. */
  readonly ticketSecret: string;
  readonly makesTickets: boolean;
  /** Whether sessions are kept here where there are no tickets. */
  readonly keepsSessions: boolean;
  /** Undefined: as OpenSSL has it. */
  readonly sessionTimeoutSeconds: number | undefined;
  readonly staplePolicy: StaplePolicy;
  readonly prefersClientCiphers: boolean;
  /** How many secrets come from a server or a file, and not from the bootstrap. */
  readonly dynamicSecrets: number;
}

const policies: Readonly<Record<number, StaplePolicy>> = {
  [Policy.LENIENT_STAPLING]: 'lenient',
  [Policy.STRICT_STAPLING]: 'strict',
  [Policy.MUST_STAPLE]: 'must',
};

/** Undefined for a plain listener. */
export function readDownstreamTransport(
  socket: TransportSocket | undefined,
  path: string,
  reader: DataReader,
  findings: Findings,
  secrets: Wanted[],
): DownstreamTlsSettings | undefined {
  if (socket === undefined) return undefined;
  const at = `${path}.typed_config`;
  const any = socket.configType.value;
  if (typeNameOf(any) === RawBufferSchema.typeName) return undefined;
  if (any === undefined && socket.name === 'envoy.transport_sockets.raw_buffer') return undefined;
  const context = findings.unpack(at, any, DownstreamTlsContextSchema);
  return context && readContext(context, at, reader, findings, secrets);
}

function readContext(
  context: DownstreamTlsContext,
  at: string,
  reader: DataReader,
  findings: Findings,
  secrets: Wanted[],
): DownstreamTlsSettings {
  const common = `${at}.common_tls_context`;
  const reading = { side: 'server', reader, findings, secrets } as const;
  const material = readTlsMaterial(context.commonTlsContext, common, reading);
  const { sessionTicketKeysType: tickets } = context;
  const requiresClientCertificate = context.requireClientCertificate ?? false;
  const staplePolicy = policies[context.ocspStaplePolicy] ?? 'lenient';
  const isWithout = (context.commonTlsContext?.tlsCertificates.length ?? 0) === 0;
  if (isWithout && material.certificateSecrets.length === 0) {
    findings.error(`${common}.tls_certificates`, 'a listener needs a certificate');
  }
  if (requiresClientCertificate && !material.verifies) {
    findings.error(`${common}.validation_context`, 'is needed to verify the client certificates required');
  }
  const timeoutMs = findings.durationMs(`${at}.session_timeout`, context.sessionTimeout);
  material.certificates.forEach((certificate, i) => {
    checkStaple(certificate, staplePolicy, `${common}.tls_certificates[${i}].ocsp_staple`, findings);
  });
  return {
    material,
    requiresClientCertificate,
    requiresServerName: context.requireSni ?? false,
    fullScan: context.fullScanCertsOnSniMismatch ?? false,
    ticketKeys:
      tickets.case === 'sessionTicketKeys'
        ? readTicketKeys(tickets.value, `${at}.session_ticket_keys`, reader, findings)
        : [],
    ticketSecret:
      tickets.case === 'sessionTicketKeysSdsSecretConfig'
        ? noteSecret(tickets.value, `${at}.session_ticket_keys_sds_secret_config`, { findings, secrets })
        : '',
    makesTickets: tickets.case !== 'disableStatelessSessionResumption' || !tickets.value,
    keepsSessions: !context.disableStatefulSessionResumption,
    sessionTimeoutSeconds: timeoutMs === undefined ? undefined : Math.floor(timeoutMs / 1000),
    staplePolicy,
    prefersClientCiphers: context.preferClientCiphers,
    dynamicSecrets:
      material.dynamicSecrets +
      (tickets.case === 'sessionTicketKeysSdsSecretConfig' && tickets.value.sdsConfig !== undefined ? 1 : 0),
  };
}

/** A certificate that may not be shown without a response needs one. */
function checkStaple(
  certificate: CertificateMaterial,
  policy: StaplePolicy,
  path: string,
  findings: Findings,
): void {
  if (certificate.ocspStaple !== undefined) return;
  if (policy === 'must' || leafOf(certificate).details.mustStaple) {
    findings.error(path, 'is missing: the certificate must not be shown without it');
  }
}
