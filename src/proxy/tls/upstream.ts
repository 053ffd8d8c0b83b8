/** The transport of connections to endpoints: plain, or TLS as an `UpstreamTlsContext` says. */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { toBinary } from '@bufbuild/protobuf';
import type { Scope } from '#observe/metrics-contract.ts';
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { InternalUpstreamTransportSchema } from '#xds/gen/envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream_pb.js';
import { ProxyProtocolUpstreamTransportSchema } from '#xds/gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.js';
import { RawBufferSchema } from '#xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import { UpstreamTlsContextSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { HeadedTransport, type ProxyHeaderWriter, readProxyHeader } from '../pool/proxy-protocol.ts';
import type { Wanted } from '../resource-source.ts';
import { leafOf } from './certificate-material.ts';
import {
  ClientHandshake,
  type ClientState,
  type TransportOverride,
  type TransportTarget,
  type WrapDone,
} from './client-handshake.ts';
import { clientContext } from './context.ts';
import { PeerJudge } from './judge.ts';
import { KeyLog } from './key-log.ts';
import { hasTexts } from './material.ts';
import { noPeer } from './peer.ts';
import { namesSecret, resolveMaterial, secretKeysOf, secretsOf } from './resolved-material.ts';
import { SessionStore } from './session-store.ts';
import { CLIENT_FACTORY, TlsStats } from './tls-stats.ts';
import { readUpstreamSettings, type UpstreamTlsSettings } from './upstream-settings.ts';

export interface UpstreamTransport {
  /** Equal for equal transports. */
  readonly key: string;
  readonly secure: boolean;
  /** Whether it is the mesh's own TLS, in which both ends show a certificate; one with certificates of other origin is not. */
  readonly mutual: boolean;
  /** How many of its secrets come from a server or a file. */
  readonly dynamicSecrets: number;
  /** Their keys. */
  readonly secrets: readonly string[];
  /** Whether reading it again gives the same: files it names may have changed. */
  readonly isReadAgainAlike: boolean;
  /** What a new connection begins with, before all else; written by who opens it. */
  readonly proxyHeader?: ProxyHeaderWriter;
  /** Wraps a connection that is being made. On failure the caller destroys what was returned. */
  wrap(raw: Duplex, done: WrapDone, target?: TransportTarget, override?: TransportOverride): Duplex;
  /** From now on its handshakes are counted there: in the scope of its cluster. */
  open(scope: Scope): void;
  /** Its secrets are no longer followed for the statistics. */
  close(): void;
}

export const plainTransport: UpstreamTransport = {
  key: '',
  secure: false,
  mutual: false,
  dynamicSecrets: 0,
  secrets: [],
  isReadAgainAlike: true,
  wrap(raw, done) {
    done(noPeer, raw);
    return raw;
  },
  open() {},
  close() {},
};

export function readUpstreamTransport(
  socket: TransportSocket | undefined,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
  secrets: Wanted[],
): UpstreamTransport {
  if (socket === undefined) return plainTransport;
  const at = `${path}.typed_config`;
  const any = socket.configType.value;
  switch (typeNameOf(any)) {
    case UpstreamTlsContextSchema.typeName: {
      const context = findings.unpack(at, any, UpstreamTlsContextSchema);
      if (context === undefined) return plainTransport;
      const settings = readUpstreamSettings(context, at, { side: 'client', reader: deps, findings, secrets });
      const key = createHash('sha256').update(toBinary(UpstreamTlsContextSchema, context)).digest('base64');
      return new TlsTransport(key, settings, deps);
    }
    case RawBufferSchema.typeName:
      return plainTransport;
    case InternalUpstreamTransportSchema.typeName: {
      const inner = findings.unpack(at, any, InternalUpstreamTransportSchema);
      return readUpstreamTransport(inner?.transportSocket, `${at}.transport_socket`, deps, findings, secrets);
    }
    case ProxyProtocolUpstreamTransportSchema.typeName: {
      const message = findings.unpack(at, any, ProxyProtocolUpstreamTransportSchema);
      const path = `${at}.transport_socket`;
      const inner = readUpstreamTransport(message?.transportSocket, path, deps, findings, secrets);
      return message === undefined
        ? inner
        : new HeadedTransport(inner, readProxyHeader(message, at, findings));
    }
    default:
      if (any === undefined && socket.name === 'envoy.transport_sockets.raw_buffer') return plainTransport;
      findings.error(at, `transport socket ${any?.typeUrl ?? socket.name} is not supported`);
      return plainTransport;
  }
}

/** How the protocols begin that proxies of a mesh offer each other, and nobody else (Istio). */
const OF_MESH = 'istio';

const NO_SECRETS = 'TLS error: Secret is not supplied by SDS';

class TlsTransport implements UpstreamTransport {
  readonly key: string;
  readonly secure = true;
  readonly mutual: boolean;
  readonly #settings: UpstreamTlsSettings;
  readonly #deps: DataPathDeps;
  #state: ClientState | undefined;
  #stats: TlsStats | undefined;
  #keyLog: KeyLog | undefined;
  /** Of a cluster that runs. */
  #onSecret: ((name: string) => void) | undefined;

  constructor(key: string, settings: UpstreamTlsSettings, deps: DataPathDeps) {
    this.key = key;
    this.#settings = settings;
    this.#deps = deps;
    const { material } = settings;
    const shows = material.certificates.length + material.certificateSecrets.length > 0;
    this.mutual = material.verifies && shows && material.alpn.some((name) => name.startsWith(OF_MESH));
  }

  get dynamicSecrets(): number {
    return this.#settings.material.dynamicSecrets;
  }

  get secrets(): readonly string[] {
    return secretKeysOf(this.#settings.material);
  }

  get isReadAgainAlike(): boolean {
    const { material } = this.#settings;
    return !hasTexts(material) && material.keyLog === undefined;
  }

  open(scope: Scope): void {
    const { material } = this.#settings;
    const stats = new TlsStats(scope, CLIENT_FACTORY);
    this.#stats = stats;
    if (material.dynamicSecrets > 0) stats.secretUpdates.inc(material.dynamicSecrets);
    if (material.keyLog !== undefined) {
      this.#keyLog = new KeyLog(material.keyLog, this.#deps.openLog(material.keyLog.path));
    }
    this.#onSecret = (name) => {
      if (namesSecret(material, name)) stats.secretUpdates.inc();
    };
    this.#deps.secrets.on('change', this.#onSecret);
  }

  close(): void {
    if (this.#onSecret !== undefined) this.#deps.secrets.off('change', this.#onSecret);
  }

  wrap(raw: Duplex, done: WrapDone, target?: TransportTarget, override?: TransportOverride): Duplex {
    try {
      const state = this.#currentState();
      if (state === undefined) {
        done(NO_SECRETS, raw);
        return raw;
      }
      const handshake = new ClientHandshake(this.#settings, state, done, this.#stats, this.#keyLog);
      return handshake.begin(raw, target, override);
    } catch (error) {
      done(`TLS error: ${error instanceof Error ? error.message : String(error)}`, raw);
      return raw;
    }
  }

  /** Undefined while a secret has never been there. New secrets make a new state, whose sessions are none yet. */
  #currentState(): ClientState | undefined {
    const { material, maxSessions } = this.#settings;
    const sources = secretsOf(material, this.#deps.secrets);
    if (this.#state?.sources.every((source, i) => source === sources[i]) === true) return this.#state;
    const resolved = resolveMaterial(material, this.#deps.secrets);
    // A secret that nothing names any more is let go of, while a cluster that is gone may still connect.
    if (resolved === undefined) return this.#state;
    const { certificates, rules } = resolved;
    this.#state = {
      sources,
      context: clientContext(material.parameters, certificates, rules),
      judge: new PeerJudge(rules, 'client', true, () => this.#deps.clock.wallMs()),
      own: certificates[0] && leafOf(certificates[0]),
      sessions: new SessionStore(maxSessions),
    };
    this.#stats?.setExpiry(material, resolved);
    return this.#state;
  }
}
