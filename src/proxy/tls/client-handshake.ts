/** One handshake with an endpoint, and the sessions that come of it. */
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { PeerCertificate } from '#identity/peer-certificate.ts';
import type { SecretMaterial } from '../contract.ts';
import { curveName } from './curves.ts';
import { failureText, isTlsFault, refusalText, type TlsFailure, verifyFailureText } from './failure-text.ts';
import type { PeerJudge } from './judge.ts';
import type { KeyLog } from './key-log.ts';
import type { TlsPeer } from './peer.ts';
import type { SessionStore } from './session-store.ts';
import type { TlsStats } from './tls-stats.ts';
import type { UpstreamTlsSettings } from './upstream-settings.ts';

/** What of an endpoint matters to its transport. */
export interface TransportTarget {
  /** Whose sessions are resumed: connections to other addresses never share them. */
  readonly address: string;
  /** '' for none. */
  readonly hostname: string;
}

/** What one connection wants otherwise than its cluster (`auto_sni`, `auto_san_validation`), or besides. */
export interface TransportOverride {
  /** Sent as the name of the server. */
  readonly serverName?: string;
  /** One of them must stand in the certificate. */
  readonly names?: readonly string[];
  /** Offered by ALPN where the context names none. */
  readonly protocols?: readonly string[];
  /** Offered by ALPN whatever the context names. */
  readonly offers?: readonly string[];
}

/** Told once how the handshake went: with the peer, or with the reason there is none, as Envoy writes it. */
export type WrapDone = (outcome: TlsPeer | string, socket: Duplex) => void;

/** What connections are made with while no secret changes. */
export interface ClientState {
  /** The secrets it is made of. */
  readonly sources: readonly (SecretMaterial | undefined)[];
  readonly context: SecureContext;
  readonly judge: PeerJudge;
  /** The certificate we show. */
  readonly own: PeerCertificate | undefined;
  readonly sessions: SessionStore;
}

export class ClientHandshake {
  readonly #settings: UpstreamTlsSettings;
  readonly #state: ClientState;
  readonly #done: WrapDone;
  readonly #stats: TlsStats | undefined;
  readonly #keyLog: KeyLog | undefined;
  #sessionKey = '';
  /** The one it tries to resume. */
  #session: Buffer | undefined;
  #settled = false;
  /** Whether the peer was let in: sessions of others are not kept. */
  #accepted = false;

  constructor(
    settings: UpstreamTlsSettings,
    state: ClientState,
    done: WrapDone,
    stats: TlsStats | undefined,
    keyLog: KeyLog | undefined,
  ) {
    this.#settings = settings;
    this.#state = state;
    this.#done = done;
    this.#stats = stats;
    this.#keyLog = keyLog;
  }

  begin(raw: Duplex, target: TransportTarget | undefined, override: TransportOverride | undefined): Duplex {
    const { material } = this.#settings;
    const { context, sessions } = this.#state;
    const serverName = this.#serverName(target, override);
    this.#sessionKey = `${target?.address ?? ''}|${serverName}`;
    const session = target === undefined ? undefined : sessions.newest(this.#sessionKey);
    const named = material.alpn.length > 0 ? material.alpn : undefined;
    const protocols = override?.offers ?? named ?? override?.protocols ?? [];
    const socket = connect({
      socket: raw,
      secureContext: context,
      ...(serverName === '' ? {} : { servername: serverName }),
      ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
      ...(session === undefined ? {} : { session }),
      // The verdict is ours, below: with roots of our own and names instead of host names.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    this.#session = session;
    const sent = this.#settings.verifiesSentName && serverName !== '' ? [serverName] : undefined;
    const names = override?.names ?? sent;
    socket.once('secureConnect', () => this.#onSecure(socket, names, names === sent));
    socket.once('error', (error) => this.#onError(error, socket));
    socket.once('close', () => this.#settle('', socket));
    if (sessions.isUsed && target !== undefined) {
      socket.on('session', (offered) => {
        if (this.#accepted) sessions.keep(this.#sessionKey, offered);
      });
    }
    const keyLog = this.#keyLog;
    if (keyLog !== undefined) socket.on('keylog', (line) => keyLog.write(line, socket));
    return socket;
  }

  #serverName(target: TransportTarget | undefined, override: TransportOverride | undefined): string {
    const { serverName, sendsHostname } = this.#settings;
    const name = override?.serverName ?? ((sendsHostname && target?.hostname) || serverName);
    // RFC 6066 §3: addresses are not sent.
    return isIP(name) === 0 ? name : '';
  }

  /** @param names of which the certificate must have one @param instead of those that the rules say */
  #onSecure(socket: TLSSocket, names: readonly string[] | undefined, instead: boolean): void {
    const { judge, own } = this.#state;
    const counters = this.#stats?.counters;
    if (this.#session !== undefined && !socket.isSessionReused())
      this.#state.sessions.drop(this.#sessionKey, this.#session);
    try {
      const { peer, refusal } = judge.judge(socket, own, names, instead && names !== undefined);
      if (refusal !== undefined) counters?.[refusal.fault].inc();
      if (peer === undefined) {
        this.#settle(refusal === undefined ? '' : refusalText(refusal), socket);
        return;
      }
      this.#accepted = true;
      this.#stats?.secured(socket, peer, curveOf(socket));
      this.#settle(peer, socket);
    } catch (error) {
      counters?.fail_verify_error.inc();
      this.#settle(verifyFailureText((error as Error).message), socket);
    }
  }

  #onError(error: Error, socket: TLSSocket): void {
    const failure: TlsFailure & { readonly syscall?: string } = error;
    // After the handshake Envoy counts it as it reads and as it closes.
    if (isTlsFault(failure)) this.#stats?.counters.connection_error.inc(this.#settled ? 2 : 1);
    // An end without a fault has no reason.
    const isReason = isTlsFault(failure) || failure.syscall !== undefined;
    this.#settle(isReason ? failureText(failure) : '', socket);
  }

  #settle(outcome: TlsPeer | string, socket: TLSSocket): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#done(outcome, socket);
  }
}

function curveOf(socket: TLSSocket): string {
  const info = socket.getEphemeralKeyInfo() as { readonly name?: string } | null;
  return curveName(info?.name ?? '');
}
