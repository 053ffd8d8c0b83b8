/**
 * TLS of a filter chain: looks at the ClientHello, gives the connection to the server that fits, and
 * judges the peer when the handshake is done. Secrets that change make new servers; connections that
 * are there go on.
 */
import type { Duplex } from 'node:stream';
import type { Server, TLSSocket } from 'node:tls';
import type { Clock } from '#core/clock.ts';
import type { Scope } from '#observe/metrics-contract.ts';
import type { SecretStore } from '../contract.ts';
import type { LineSink } from '../data-path-deps.ts';
import type { TlsPeer } from './context.ts';
import { agreedCurve } from './curves.ts';
import type { DownstreamTlsSettings } from './downstream-settings.ts';
import { failureText, isTlsFault, refusalText, type TlsFailure, verifyFailureText } from './failure-text.ts';
import { Handshake } from './handshake.ts';
import type { HelloFacts } from './hello.ts';
import type { VerifyFault } from './judge.ts';
import { KeyLog } from './key-log.ts';
import { PresentedChains } from './presented-chains.ts';
import { HandshakeWire } from './record/handshake-wire.ts';
import { countOpen, LEAN_AFTER } from './record/lean-rule.ts';
import type { SecureSocket } from './record/secure-socket.ts';
import { Takeover } from './record/takeover.ts';
import { namesSecret, resolveMaterial } from './resolved-material.ts';
import { ServerSet } from './server-set.ts';
import { processTicketSecret } from './ticket-keys.ts';
import { TlsStats } from './tls-stats.ts';
import { chainRefusal } from './verify-text.ts';

export interface DownstreamTls<Owner> {
  /**
   * Begins the handshake on a raw connection whose bytes have not been read.
   *
   * @param owner comes back with what becomes of it
   */
  accept(raw: Duplex, owner: Owner): void;
  /** No more handshakes begin. */
  close(): void;
}

/** A connection after its handshake: one of Node's, or one whose records are sealed here. */
export type SecuredSocket = TLSSocket | SecureSocket;

export interface TlsEvents<Owner> {
  onSecure(owner: Owner, socket: SecuredSocket, peer: TlsPeer): void;
  /** The connection is destroyed. @param reason as Envoy writes it, '' where the other side just went away */
  onRefused(owner: Owner, reason: string): void;
}

export interface DownstreamTlsDeps {
  readonly secrets: SecretStore;
  readonly clock: Clock;
  /** Of the listener. */
  readonly scope: Scope;
  openLog(path: string): LineSink;
  /** For session tickets where no keys are given; absent: one of this process. */
  readonly ticketSecret?: Uint8Array | undefined;
  /** Whether the peers' chains are asked for. */
  readonly keepsChains?: boolean;
  /** So many connections of a thread keep their records with OpenSSL; absent: {@link LEAN_AFTER}. */
  readonly leanAfter?: number | undefined;
}

/** A server that is asked to do one handshake: what it emits comes with that. */
interface HandshakeServer<Owner> extends Server {
  handshake: Handshake<Owner>;
}

/** As OpenSSL calls the part of it whose errors are those of TLS. */
const TLS_LIBRARY = 'SSL routines';
const BAD_SIGNATURE = 'CERT_SIGNATURE_FAILURE';
const NO_SECRETS = 'TLS error: Secret is not supplied by SDS';

/** @throws the system's error where the key log cannot be opened. */
export function createDownstreamTls<Owner>(
  settings: DownstreamTlsSettings,
  deps: DownstreamTlsDeps,
  events: TlsEvents<Owner>,
): DownstreamTls<Owner> {
  return new ChainTls(settings, deps, events);
}

class ChainTls<Owner> implements DownstreamTls<Owner> {
  readonly #settings: DownstreamTlsSettings;
  readonly #deps: DownstreamTlsDeps;
  readonly #events: TlsEvents<Owner>;
  readonly #stats: TlsStats;
  readonly #keyLog: KeyLog | undefined;
  readonly #onSecret: (name: string) => void;
  readonly #chains = new PresentedChains();
  #servers: ServerSet | undefined;

  constructor(settings: DownstreamTlsSettings, deps: DownstreamTlsDeps, events: TlsEvents<Owner>) {
    this.#settings = settings;
    this.#deps = deps;
    this.#events = events;
    this.#stats = new TlsStats(deps.scope, 'server_ssl_socket_factory');
    if (settings.dynamicSecrets > 0) this.#stats.secretUpdates.inc(settings.dynamicSecrets);
    const { keyLog } = settings.material;
    this.#keyLog = keyLog && new KeyLog(keyLog, deps.openLog(keyLog.path));
    this.#onSecret = (name) => {
      if (!namesSecret(settings.material, name) && name !== settings.ticketSecret) return;
      this.#servers = undefined;
      this.#stats.secretUpdates.inc();
      this.#showExpiry();
    };
    deps.secrets.on('change', this.#onSecret);
    this.#showExpiry();
  }

  #showExpiry(): void {
    const { material } = this.#settings;
    try {
      const resolved = resolveMaterial(material, this.#deps.secrets);
      if (resolved !== undefined) this.#stats.setExpiry(material, resolved);
    } catch {
      // What cannot be read refuses connections, and says why then.
    }
  }

  accept(raw: Duplex, owner: Owner): void {
    new Handshake(raw, owner, this.#begin).read();
  }

  close(): void {
    this.#deps.secrets.off('change', this.#onSecret);
    this.#servers = undefined;
  }

  readonly #begin = (handshake: Handshake<Owner>, hello: HelloFacts): void => {
    try {
      this.#servers ??= this.#createServers();
    } catch (error) {
      this.#refuse(handshake, error instanceof Error ? error.message : String(error));
      return;
    }
    const servers = this.#servers;
    if (servers === undefined) {
      this.#refuse(handshake, NO_SECRETS);
      return;
    }
    if (this.#settings.requiresServerName && hello.serverName === '') {
      this.#stats.counters.connection_error.inc();
      this.#refuse(handshake, 'TLS error: the client names no server');
      return;
    }
    const index = servers.chooseCertificate(hello);
    if (!this.#mayShow(servers, hello, index)) {
      this.#refuse(handshake, 'TLS error: the OCSP response of the certificate is missing or has expired');
      return;
    }
    handshake.servers = servers;
    handshake.certificate = servers.certificates[index];
    handshake.curve = agreedCurve(servers.curves, hello);
    const server = Object.create(servers.server(index, hello)) as HandshakeServer<Owner>;
    server.handshake = handshake;
    const wire = this.#wireOf(handshake, hello);
    // Who ends before the handshake is done has nothing more to hear.
    wire.allowHalfOpen = false;
    servers.begin(server, wire, hello.ticketName);
  };

  #createServers(): ServerSet | undefined {
    const { secrets, clock, ticketSecret = processTicketSecret() } = this.#deps;
    const { material, ticketSecret: secretName } = this.#settings;
    const resolved = resolveMaterial(material, secrets);
    const ticketKeys =
      secretName === '' ? this.#settings.ticketKeys : secrets.get(secretName)?.sessionTicketKeys;
    if (resolved === undefined || resolved.certificates.length === 0 || ticketKeys === undefined)
      return undefined;
    const chain = this;
    const keyLog = this.#keyLog;
    const parts = { resolved, ticketKeys, ticketSecret, clock };
    return new ServerSet(this.#settings, parts, {
      onSecure(socket) {
        chain.#onSecure((this as HandshakeServer<Owner>).handshake, socket);
      },
      onFailed(error, socket) {
        chain.#onFailed((this as HandshakeServer<Owner>).handshake, error, socket);
      },
      onKeys(line, socket) {
        const { raw, takeover } = (this as HandshakeServer<Owner>).handshake;
        takeover?.note(line, socket);
        keyLog?.write(line, raw);
      },
    });
  }

  /** What the handshake runs over. */
  #wireOf(handshake: Handshake<Owner>, hello: HelloFacts): Duplex {
    const { maxVersion } = this.#settings.material.parameters;
    const isLean = countOpen(handshake.raw) > (this.#deps.leanAfter ?? LEAN_AFTER);
    if (!isLean || !hello.speaksTls13 || maxVersion !== 'TLSv1.3') return handshake.raw;
    const wire = new HandshakeWire(handshake.raw);
    handshake.takeover = new Takeover(wire);
    return wire;
  }

  /** Counts as Envoy does. */
  #mayShow(servers: ServerSet, hello: HelloFacts, index: number): boolean {
    if (!hello.takesStaple) return true;
    const { counters } = this.#stats;
    const choice = servers.staple(hello, index);
    counters.ocsp_staple_requests.inc();
    if (choice === 'staple') counters.ocsp_staple_responses.inc();
    else if (choice === 'omit') counters.ocsp_staple_omitted.inc();
    else counters.ocsp_staple_failed.inc();
    return choice !== 'fail';
  }

  #onSecure(handshake: Handshake<Owner>, socket: TLSSocket): void {
    handshake.raw.allowHalfOpen = true;
    socket.allowHalfOpen = true;
    const { servers, certificate, curve, owner, takeover } = handshake;
    const leaves = takeover?.begin(socket) === true;
    let verdict: ReturnType<ServerSet['judge']['judge']>;
    try {
      verdict = servers!.judge.judge(socket, certificate);
    } catch (error) {
      this.#stats.counters.fail_verify_error.inc();
      this.#drop(owner, socket, verifyFailureText((error as Error).message));
      return;
    }
    const { refusal } = verdict;
    let { peer } = verdict;
    if (refusal !== undefined) this.#stats.counters[refusal.fault].inc();
    if (peer === undefined) {
      this.#drop(owner, socket, refusal === undefined ? '' : refusalText(refusal));
      return;
    }
    this.#stats.secured(socket, peer, curve);
    if (this.#deps.keepsChains === true) peer = { ...peer, chainPem: this.#chains.of(socket, peer) };
    if (!leaves) {
      this.#handOn(owner, socket, peer);
      return;
    }
    takeover.finish(socket, (secured) => {
      if (secured === undefined) this.#events.onRefused(owner, '');
      else this.#handOn(owner, secured, peer);
    });
  }

  #handOn(owner: Owner, socket: SecuredSocket, peer: TlsPeer): void {
    socket.on('error', this.#onLateFault);
    this.#events.onSecure(owner, socket, peer);
  }

  /** After the handshake: records that cannot be opened, and alerts. Envoy counts them as it reads and as it closes. */
  readonly #onLateFault = (error: Error): void => {
    if (isTlsFault(error)) this.#stats.counters.connection_error.inc(2);
  };

  #onFailed({ owner }: Handshake<Owner>, error: Error, socket: TLSSocket): void {
    const { counters } = this.#stats;
    const fault = faultOf(error, socket);
    if (fault !== undefined) {
      counters[fault].inc();
      const detail = chainRefusal(String(socket.authorizationError ?? BAD_SIGNATURE));
      this.#drop(
        owner,
        socket,
        fault === 'fail_verify_error' ? verifyFailureText(detail) : failureText(error),
      );
      return;
    }
    if (isTlsFault(error)) counters.connection_error.inc();
    this.#drop(owner, socket, isTlsFault(error) ? failureText(error) : '');
  }

  #drop(owner: Owner, socket: TLSSocket, reason: string): void {
    socket.on('error', ignore);
    socket.destroy();
    this.#events.onRefused(owner, reason);
  }

  #refuse({ raw, owner }: Handshake<Owner>, reason: string): void {
    raw.destroy();
    this.#events.onRefused(owner, reason);
  }
}

/** What OpenSSL itself ended the handshake for, if it was the certificate. */
function faultOf({ code, library }: TlsFailure, socket: TLSSocket): VerifyFault | undefined {
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'fail_verify_no_cert';
  // Where the rest of the handshake is still to come, Node takes the first signature that OpenSSL found wrong
  // for a fault of the connection.
  if (library !== undefined && library !== TLS_LIBRARY) return 'fail_verify_error';
  return socket.authorizationError instanceof Error || typeof socket.authorizationError === 'string'
    ? 'fail_verify_error'
    : undefined;
}

function ignore(): void {}
