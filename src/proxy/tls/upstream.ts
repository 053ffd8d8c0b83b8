/** The transport of connections to endpoints: plain, or TLS as an `UpstreamTlsContext` says. */

import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { toBinary } from '@bufbuild/protobuf';
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { InternalUpstreamTransportSchema } from '#xds/gen/envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream_pb.js';
import { RawBufferSchema } from '#xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import { UpstreamTlsContextSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { judgePeer, secureContextOf, type TlsPeer, textsOf } from './context.ts';
import { type NamedSecret, readTlsMaterial, type TlsMaterial } from './material.ts';

export interface UpstreamTransport {
  /** Equal for equal transports. */
  readonly key: string;
  readonly secure: boolean;
  /** Whether it shows a certificate of ours and verifies the other's. */
  readonly mutual: boolean;
  /**
   * Wraps a connection that is being made. `done` is called once with the peer, or with the reason
   * there is none (the raw connection is destroyed then).
   */
  wrap(raw: Duplex, done: (outcome: TlsPeer | string, socket: Duplex) => void): Duplex;
}

const noPeer: TlsPeer = { uri: '', presented: false, validated: false, ownUri: '' };

export const plainTransport: UpstreamTransport = {
  key: '',
  secure: false,
  mutual: false,
  wrap(raw, done) {
    done(noPeer, raw);
    return raw;
  },
};

export function readUpstreamTransport(
  socket: TransportSocket | undefined,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
  secrets: NamedSecret[],
): UpstreamTransport {
  if (socket === undefined) return plainTransport;
  const at = `${path}.typed_config`;
  const any = socket.configType.value;
  switch (typeNameOf(any)) {
    case UpstreamTlsContextSchema.typeName: {
      const context = findings.unpack(at, any, UpstreamTlsContextSchema);
      if (context === undefined) return plainTransport;
      findings.refuse(`${at}.auto_host_sni`, context.autoHostSni);
      findings.refuse(`${at}.auto_sni_san_validation`, context.autoSniSanValidation);
      findings.refuse(`${at}.allow_renegotiation`, context.allowRenegotiation);
      const material = readTlsMaterial(
        context.commonTlsContext,
        `${at}.common_tls_context`,
        deps,
        findings,
        secrets,
      );
      const key = createHash('sha256').update(toBinary(UpstreamTlsContextSchema, context)).digest('base64');
      return new TlsTransport(key, material, context.sni, deps);
    }
    case RawBufferSchema.typeName:
      return plainTransport;
    case InternalUpstreamTransportSchema.typeName: {
      const inner = findings.unpack(at, any, InternalUpstreamTransportSchema);
      return readUpstreamTransport(inner?.transportSocket, `${at}.transport_socket`, deps, findings, secrets);
    }
    default:
      if (any === undefined && socket.name === 'envoy.transport_sockets.raw_buffer') return plainTransport;
      findings.error(at, `transport socket ${any?.typeUrl ?? socket.name} is not supported`);
      return plainTransport;
  }
}

class TlsTransport implements UpstreamTransport {
  readonly key: string;
  readonly secure = true;
  readonly mutual: boolean;
  readonly #material: TlsMaterial;
  readonly #serverName: string;
  readonly #deps: DataPathDeps;

  constructor(key: string, material: TlsMaterial, serverName: string, deps: DataPathDeps) {
    this.key = key;
    this.#material = material;
    this.#serverName = serverName;
    this.mutual =
      material.verifies && (material.certificateSecret !== '' || material.certificateChainPem !== '');
    this.#deps = deps;
  }

  wrap(raw: Duplex, done: (outcome: TlsPeer | string, socket: Duplex) => void): Duplex {
    const material = this.#material;
    let settled = false;
    const settle = (outcome: TlsPeer | string, socket: Duplex): void => {
      if (settled) return;
      settled = true;
      done(outcome, socket);
    };
    const texts = textsOf(material, this.#deps.secrets);
    if (texts === undefined) {
      settle('TLS error: Secret is not supplied by SDS', raw);
      return raw;
    }
    let socket: TLSSocket;
    try {
      socket = connectTls({
        socket: raw,
        secureContext: secureContextOf(material, texts),
        ...(this.#serverName === '' ? {} : { servername: this.#serverName }),
        ...(material.alpn.length === 0 ? {} : { ALPNProtocols: [...material.alpn] }),
        // The verdict is ours, below: with roots of our own and names instead of host names.
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
      });
    } catch (error) {
      settle(`TLS error: ${error instanceof Error ? error.message : String(error)}`, raw);
      return raw;
    }
    socket.once('secureConnect', () => {
      const outcome = judgePeer(socket, material, true);
      settle(typeof outcome === 'string' ? `TLS error: ${outcome}` : outcome, socket);
    });
    socket.once('error', (error) => settle(`TLS error: ${error.message}`, socket));
    socket.once('close', () => settle('TLS error: connection closed', socket));
    return socket;
  }
}
