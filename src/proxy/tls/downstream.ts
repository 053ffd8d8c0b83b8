/**
 * TLS of a listener: one server for each `DownstreamTlsContext`, made on first use and anew when a
 * secret changes, so that tickets of the old one are worth nothing to the new.
 */
import type { Duplex } from 'node:stream';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { RawBufferSchema } from '#xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import { DownstreamTlsContextSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { SecretStore } from '../contract.ts';
import type { DataPathDeps } from '../data-path-deps.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { judgePeer, secureContextOf, type TlsPeer, textsOf } from './context.ts';
import { type NamedSecret, readTlsMaterial, type TlsMaterial } from './material.ts';

export interface DownstreamTls {
  /** Begins the handshake on a raw connection whose bytes have not been read. */
  accept(raw: Duplex): void;
  /** The handshakes in progress and the server itself are let go of. */
  close(): void;
}

export interface TlsEvents {
  onSecure(socket: TLSSocket, peer: TlsPeer): void;
  /** The raw connection is destroyed. */
  onRefused(raw: Duplex, reason: string): void;
}

export interface DownstreamTlsSettings {
  readonly material: TlsMaterial;
  readonly requireClientCertificate: boolean;
}

/** Undefined for a plain listener. */
export function readDownstreamTransport(
  socket: TransportSocket | undefined,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
  secrets: NamedSecret[],
): DownstreamTlsSettings | undefined {
  if (socket === undefined) return undefined;
  const at = `${path}.typed_config`;
  const any = socket.configType.value;
  if (typeNameOf(any) === RawBufferSchema.typeName) return undefined;
  if (any === undefined && socket.name === 'envoy.transport_sockets.raw_buffer') return undefined;
  const context = findings.unpack(at, any, DownstreamTlsContextSchema);
  if (context === undefined) return undefined;
  findings.refuse(`${at}.require_sni`, context.requireSni === true);
  findings.refuse(`${at}.full_scan_certs_on_sni_mismatch`, context.fullScanCertsOnSniMismatch === true);
  findings.refuse(`${at}.session_timeout`, context.sessionTimeout !== undefined);
  const material = readTlsMaterial(
    context.commonTlsContext,
    `${at}.common_tls_context`,
    deps,
    findings,
    secrets,
  );
  if (material.certificateSecret === '' && material.certificateChainPem === '') {
    findings.error(`${at}.common_tls_context.tls_certificates`, 'a listener needs a certificate');
  }
  const requireClientCertificate = context.requireClientCertificate ?? false;
  if (requireClientCertificate && !material.verifies) {
    findings.error(
      `${at}.common_tls_context.validation_context`,
      'is needed to verify the client certificates required',
    );
  }
  if (material.certificateSecret === '' && material.validationSecret === '' && !findings.failed) {
    tryContext(material, deps.secrets, at, findings);
  }
  return { material, requireClientCertificate };
}

function tryContext(material: TlsMaterial, secrets: SecretStore, path: string, findings: Findings): void {
  try {
    secureContextOf(material, textsOf(material, secrets)!);
  } catch (error) {
    findings.error(`${path}.common_tls_context`, error instanceof Error ? error.message : String(error));
  }
}

export function createDownstreamTls(
  settings: DownstreamTlsSettings,
  secrets: SecretStore,
  events: TlsEvents,
): DownstreamTls {
  const { material, requireClientCertificate } = settings;
  let server: Server | undefined;
  const onChange = (name: string): void => {
    if (name === material.certificateSecret || name === material.validationSecret) server = undefined;
  };
  secrets.on('change', onChange);

  function build(): Server | undefined {
    const texts = textsOf(material, secrets);
    if (texts === undefined) return undefined;
    const made = createServer({
      cert: texts.chain,
      key: texts.key,
      ...(texts.ca === '' ? {} : { ca: texts.ca }),
      minVersion: material.minVersion,
      maxVersion: material.maxVersion,
      ...(material.ciphers === '' ? {} : { ciphers: material.ciphers }),
      ...(material.curves === '' ? {} : { ecdhCurve: material.curves }),
      ...(material.alpn.length === 0 ? {} : { ALPNProtocols: [...material.alpn] }),
      requestCert: material.verifies || requireClientCertificate,
      rejectUnauthorized: requireClientCertificate && !material.acceptUntrusted,
      allowHalfOpen: true,
    });
    made.on('secureConnection', (socket) => {
      const outcome = judgePeer(socket, material, requireClientCertificate);
      if (typeof outcome !== 'string') {
        events.onSecure(socket, outcome);
        return;
      }
      socket.on('error', ignore);
      socket.destroy();
      events.onRefused(socket, outcome);
    });
    made.on('tlsClientError', (error, socket) => {
      socket.on('error', ignore);
      socket.destroy();
      events.onRefused(socket, error.message);
    });
    return made;
  }

  return {
    accept(raw): void {
      try {
        server ??= build();
      } catch (error) {
        raw.destroy();
        events.onRefused(raw, error instanceof Error ? error.message : String(error));
        return;
      }
      if (server === undefined) {
        raw.destroy();
        events.onRefused(raw, 'Secret is not supplied by SDS');
        return;
      }
      server.emit('connection', raw);
    },
    close(): void {
      secrets.off('change', onChange);
      server = undefined;
    },
  };
}

function ignore(): void {}
