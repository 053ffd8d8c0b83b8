/** An `UpstreamTlsContext`, read once. */
import { isIP } from 'node:net';
import type { UpstreamTlsContext } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { type MaterialReading, readTlsMaterial, type TlsMaterial } from './material.ts';

export interface UpstreamTlsSettings {
  readonly material: TlsMaterial;
  /** Sent as the name of the server; '' for none. */
  readonly serverName: string;
  /** Whether the name of the endpoint is sent instead, where it has one. */
  readonly sendsHostname: boolean;
  /** Whether the certificate must name what was sent, instead of what the rules say. */
  readonly verifiesSentName: boolean;
  /** Sessions that are kept for each server; 0: none is resumed. */
  readonly maxSessions: number;
}

/** Envoy's default. */
const SESSIONS = 1;
const MAX_NAME_BYTES = 255;

export function readUpstreamSettings(
  context: UpstreamTlsContext,
  path: string,
  reading: MaterialReading,
): UpstreamTlsSettings {
  const { findings } = reading;
  const { sni } = context;
  findings.refuse(`${path}.allow_renegotiation`, context.allowRenegotiation);
  if (context.enforceRsaKeyUsage !== undefined) {
    findings.warn(`${path}.enforce_rsa_key_usage`, 'has no effect: the use of keys is always enforced');
  }
  if (sni.length > MAX_NAME_BYTES) findings.error(`${path}.sni`, `is longer than ${MAX_NAME_BYTES} bytes`);
  if (isIP(sni) !== 0) findings.error(`${path}.sni`, 'is an address: RFC 6066 §3 knows names only');
  const material = readTlsMaterial(context.commonTlsContext, `${path}.common_tls_context`, reading);
  if (context.autoSniSanValidation && !material.verifies) {
    findings.error(`${path}.auto_sni_san_validation`, 'needs a validation context');
  }
  return {
    material,
    serverName: sni,
    sendsHostname: context.autoHostSni,
    verifiesSentName: context.autoSniSanValidation,
    maxSessions: context.maxSessionKeys ?? SESSIONS,
  };
}
