/**
 * The `tls.Server`s of one context: one for each certificate a client can be shown, with ALPN and without,
 * for Node ends a handshake where client and server have no protocol in common and Envoy does not, and one
 * for each cipher of TLS 1.3 that clients like best, which OpenSSL does not take without doing so in TLS 1.2
 * as well. Made on first use. They open each other's tickets: all of them ask the same of their peers.
 */
import { constants } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Clock } from '#core/clock.ts';
import type { PeerCertificate } from '#identity/peer-certificate.ts';
import { CertificateChoice } from './certificate-choice.ts';
import { leafOf } from './certificate-material.ts';
import { contextOptions, digestOf } from './context.ts';
import { curveNumbers } from './curves.ts';
import type { DownstreamTlsSettings } from './downstream-settings.ts';
import type { HelloFacts } from './hello.ts';
import { PeerJudge } from './judge.ts';
import { firstTls13Cipher } from './parameters.ts';
import type { ResolvedMaterial } from './resolved-material.ts';
import { SessionCache } from './session-cache.ts';
import { type StapleChoice, stapleChoice } from './staple-choice.ts';
import { TicketKeys } from './ticket-keys.ts';
import { asksForCertificate } from './validation-rules.ts';

/** What becomes of the handshakes of a set. `this` is the server that was given the connection. */
export interface ServerEvents {
  onSecure(this: Server, socket: TLSSocket): void;
  onFailed(this: Server, error: Error, socket: TLSSocket): void;
  /** A secret of the connection, as a line of a key log. */
  onKeys(this: Server, line: Buffer, socket: TLSSocket): void;
}

/** What a set is made of, besides what was configured. */
export interface ServerSetParts {
  readonly resolved: ResolvedMaterial;
  readonly ticketKeys: readonly Uint8Array[];
  /** For tickets where no keys are given. */
  readonly ticketSecret: Uint8Array;
  readonly clock: Clock;
}

/** More than any configuration has. */
const MAX_CERTIFICATES = 1 << 16;
/** The bytes of a session id context are limited (OpenSSL, SSL_MAX_SID_CTX_LENGTH). */
const SESSION_CONTEXT_CHARS = 32;

export class ServerSet {
  readonly judge: PeerJudge;
  readonly certificates: readonly PeerCertificate[];
  /** Of the curves, the one liked best first. */
  readonly curves: readonly number[];
  readonly #settings: DownstreamTlsSettings;
  readonly #parts: ServerSetParts;
  readonly #events: ServerEvents;
  readonly #choice: CertificateChoice;
  readonly #tickets: TicketKeys;
  readonly #sessions: SessionCache | undefined;
  /** By certificate, ALPN or none, and the cipher of TLS 1.3 the client likes best. */
  readonly #servers = new Map<number, Server>();
  readonly #sessionContext: string;
  #ticketKey: Buffer;

  /** @throws Error where a certificate or a rule cannot be used. */
  constructor(settings: DownstreamTlsSettings, parts: ServerSetParts, events: ServerEvents) {
    this.#settings = settings;
    this.#parts = parts;
    this.#events = events;
    const { certificates, rules } = parts.resolved;
    this.certificates = certificates.map(leafOf);
    this.curves = curveNumbers(settings.material.parameters.curves);
    this.judge = new PeerJudge(rules, 'server', settings.requiresClientCertificate, () =>
      parts.clock.wallMs(),
    );
    this.#choice = new CertificateChoice(this.certificates, settings.fullScan);
    const context = digestOf([
      rules,
      settings.requiresClientCertificate,
      this.certificates.map(({ details }) => [details.subject, details.issuer, details.allNames]),
    ]);
    this.#sessionContext = context.slice(0, SESSION_CONTEXT_CHARS);
    this.#tickets = new TicketKeys(parts.ticketKeys, parts.ticketSecret, context, parts.clock);
    this.#ticketKey = this.#tickets.current;
    this.#sessions = !settings.makesTickets && settings.keepsSessions ? new SessionCache() : undefined;
  }

  /** Whether a certificate may be shown to that client now. */
  staple(hello: HelloFacts, index: number): StapleChoice {
    if (!hello.takesStaple) return 'omit';
    const certificate = this.#parts.resolved.certificates[index]!;
    return stapleChoice(certificate, this.#settings.staplePolicy, this.#parts.clock.wallMs());
  }

  /** The place of the certificate to show. */
  chooseCertificate(hello: HelloFacts): number {
    return this.#choice.choose(hello, (index) => this.staple(hello, index) !== 'fail');
  }

  /** @throws OpenSSL's error for a certificate or key that cannot be used. */
  server(index: number, hello: HelloFacts): Server {
    this.#renewTicketKey();
    const { alpn } = this.#settings.material;
    const agrees = hello.applicationProtocols.length === 0 || alpn.some(isIn, hello.applicationProtocols);
    const withAlpn = agrees && alpn.length > 0;
    const cipher = firstTls13Cipher(hello.ciphers);
    const key = cipher * MAX_CERTIFICATES + 2 * index + (withAlpn ? 1 : 0);
    let server = this.#servers.get(key);
    if (server === undefined) {
      server = this.#create(index, withAlpn, cipher);
      this.#servers.set(key, server);
    }
    return server;
  }

  #renewTicketKey(): void {
    const { current } = this.#tickets;
    if (current === this.#ticketKey) return;
    this.#ticketKey = current;
    for (const server of this.#servers.values()) server.setTicketKeys(current);
  }

  /**
   * Hands over a connection. A ticket made with an older key is opened with that: OpenSSL reads it with
   * the ClientHello, which is on its way in when the next tick begins.
   *
   * @param server a server of this set, or what inherits from one
   */
  begin(server: Server, raw: Duplex, ticketName: Uint8Array | undefined): void {
    const { hasOlder } = this.#tickets;
    const older = hasOlder && ticketName !== undefined ? this.#tickets.olderKey(ticketName) : undefined;
    if (older !== undefined) process.nextTick(() => server.setTicketKeys(older));
    server.emit('connection', raw);
    if (older !== undefined) process.nextTick(() => server.setTicketKeys(this.#ticketKey));
  }

  #create(index: number, withAlpn: boolean, firstCipher: number): Server {
    const { material, requiresClientCertificate, makesTickets, sessionTimeoutSeconds } = this.#settings;
    const { certificates, rules } = this.#parts.resolved;
    const certificate = certificates[index]!;
    const { secureOptions = 0, ...context } = contextOptions(
      material.parameters,
      [certificate],
      rules,
      firstCipher,
    );
    const server = createServer({
      ...context,
      secureOptions: secureOptions | (makesTickets ? 0 : constants.SSL_OP_NO_TICKET),
      honorCipherOrder: !this.#settings.prefersClientCiphers,
      ...(withAlpn ? { ALPNProtocols: [...material.alpn] } : {}),
      requestCert: requiresClientCertificate || asksForCertificate(rules),
      rejectUnauthorized: requiresClientCertificate && this.judge.followsOpenSsl,
      ticketKeys: this.#ticketKey,
      sessionIdContext: this.#sessionContext,
      ...(sessionTimeoutSeconds === undefined ? {} : { sessionTimeout: sessionTimeoutSeconds }),
    });
    this.#sessions?.attach(server);
    const { ocspStaple } = certificate;
    if (ocspStaple !== undefined) {
      const { clock } = this.#parts;
      const { staplePolicy } = this.#settings;
      server.on('OCSPRequest', (_leaf, _issuer, done) => {
        const choice = stapleChoice(certificate, staplePolicy, clock.wallMs());
        done(null, choice === 'staple' ? Buffer.from(ocspStaple) : (null as unknown as Buffer));
      });
    }
    server.on('secureConnection', this.#events.onSecure);
    server.on('tlsClientError', this.#events.onFailed);
    server.on('keylog', this.#events.onKeys);
    return server;
  }
}

function isIn(this: readonly string[], protocol: string): boolean {
  return this.includes(protocol);
}
