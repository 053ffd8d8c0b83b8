/**
 * A connection that was accepted: what is known of it, from its first byte to its last. It is one
 * object for the listener, its filters and what serves it in the end.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  createTimer,
  type Timer,
  type TimerOwner,
  type TimerScale,
  type TimerWheel,
} from '#core/timer-wheel.ts';
import type { FilterMetadata } from '#observe/access-record.ts';
import type { LimitedCount } from '../cluster/limited-count.ts';
import type { ClientCertificate } from '../hcm/client-cert.ts';
import type { DataGuard, DownstreamFacts } from '../hcm/runtime.ts';
import type { OriginalSource } from '../pool/original-source.ts';
import type { TlsPeer } from '../tls/context.ts';
import type { SecuredSocket } from '../tls/downstream.ts';
import type { Chain } from './chain.ts';
import type { ChainFilters } from './chain-filters.ts';
import type { ConnectionTraits } from './chain-match.ts';
import { clientCertificateOf } from './client-certificate.ts';
import type { Tlv } from './proxy-header.ts';

/** The listener a connection belongs to. */
export interface ConnectionOwner {
  /** The raw connection is closed. */
  onClosed(connection: AcceptedConnection): void;
  /** What it was given time for has not happened. */
  onLate(connection: AcceptedConnection): void;
}

/** What takes the connection in the end. */
export interface Served {
  /** Ends it when idle; a busy one ends with what is under way. */
  drain(): void;
  destroy(): void;
}

/** The way from a raw connection to what is known of it. */
interface OwnedSocket extends Duplex {
  accepted: AcceptedConnection;
}

/** `filters`: they look at it; `limited`: it is held to be closed; `handshake`; `served`. */
export type Phase = 'filters' | 'limited' | 'handshake' | 'served' | 'closed';

const noPeer: TlsPeer = { uri: '', presented: false, validated: false, ownUri: '' };
const noProtocols: readonly string[] = [];

export class AcceptedConnection implements DownstreamFacts, ConnectionTraits, TimerOwner {
  readonly socket: Duplex;
  readonly connectionId: number;
  /** Monotonic. */
  readonly startMs: number;
  owner: ConnectionOwner;
  phase: Phase = 'filters';
  chain: Chain | undefined = undefined;
  /** Those of its chain when it came. */
  filters: ChainFilters | undefined = undefined;
  /** How many gates among them have let it in. */
  admitted = 0;
  served: Served | undefined = undefined;
  #timer: Timer | undefined = undefined;
  /** Places it holds, until it is closed. */
  globalCount: LimitedCount | undefined = undefined;
  listenerCount: LimitedCount | undefined = undefined;
  /** Whether another listener accepted it. */
  handedOver = false;
  /** Envoy's response flags; '' for none. */
  flags = '';

  remoteIp: string;
  remotePort: number;
  localIp: string;
  localPort: number;
  /** Of a Unix socket; '' else. */
  readonly path: string;
  /** As the socket has them, where a filter found others. */
  #direct: { remote: string; remoteIp: string; local: string } | undefined = undefined;
  #remoteAddress = '';
  #localAddress = '';
  /** Whether a filter found where the connection was made to. */
  localRestored = false;

  serverName = '';
  transportProtocol: 'tls' | 'raw_buffer' = 'raw_buffer';
  applicationProtocols: readonly string[] = noProtocols;
  /** Of a PROXY header, as far as they are handed on. */
  tlvs: readonly Tlv[] | undefined = undefined;
  metadata: FilterMetadata | undefined = undefined;
  originalSource: OriginalSource | undefined = undefined;

  /** Undefined while it is plain. */
  tls: SecuredSocket | undefined = undefined;
  tlsVersion = '';
  peer: TlsPeer = noPeer;
  certificate: ClientCertificate | undefined = undefined;
  guard: DataGuard | undefined = undefined;
  #whenClosed: (() => void)[] | undefined = undefined;
  /** Why the handshake failed; '' while it has not. */
  transportFailure = '';

  /** @param path of the Unix socket it came by; '' for none. */
  constructor(socket: Duplex, owner: ConnectionOwner, connectionId: number, startMs: number, path: string) {
    this.socket = socket;
    this.owner = owner;
    this.connectionId = connectionId;
    this.startMs = startMs;
    const { remoteAddress, remotePort, localAddress, localPort } = socket as Socket;
    this.remoteIp = plainIp(remoteAddress);
    this.remotePort = remotePort ?? 0;
    this.localIp = plainIp(localAddress);
    this.localPort = localPort ?? 0;
    this.path = path;
    (socket as OwnedSocket).accepted = this;
    socket.on('error', ignore);
    socket.on('close', onSocketClose);
  }

  get remoteAddress(): string {
    if (this.#remoteAddress === '') this.#remoteAddress = addressText(this.remoteIp, this.remotePort);
    return this.#remoteAddress;
  }

  get localAddress(): string {
    if (this.#localAddress === '') {
      this.#localAddress = this.localIp === '' ? this.path : addressText(this.localIp, this.localPort);
    }
    return this.#localAddress;
  }

  get directRemoteIp(): string {
    return this.#direct?.remoteIp ?? this.remoteIp;
  }

  get directRemoteAddress(): string {
    return this.#direct?.remote ?? this.remoteAddress;
  }

  get directLocalAddress(): string {
    return this.#direct?.local ?? this.localAddress;
  }

  get chainName(): string {
    return this.chain?.settings.name ?? '';
  }

  get secure(): boolean {
    return this.tls !== undefined;
  }

  get ownUri(): string {
    return this.peer.ownUri;
  }

  /** A filter found who is at the other end of the connection before this one. */
  restoreRemote(ip: string, port: number): void {
    this.#keepDirect();
    this.remoteIp = ip;
    this.remotePort = port;
    this.#remoteAddress = '';
  }

  /** A filter found where the connection was made to. */
  restoreLocal(ip: string, port: number): void {
    this.localRestored = true;
    this.#keepDirect();
    this.localIp = ip;
    this.localPort = port;
    this.#localAddress = '';
  }

  #keepDirect(): void {
    const { remoteAddress: remote, remoteIp, localAddress: local } = this;
    this.#direct ??= { remote, remoteIp, local };
  }

  sawTls(serverName: string, applicationProtocols: readonly string[]): void {
    this.transportProtocol = 'tls';
    this.serverName = serverName;
    this.applicationProtocols = applicationProtocols;
  }

  setMetadata(namespace: string, key: string, value: string): void {
    this.metadata = { ...this.metadata, [namespace]: { ...this.metadata?.[namespace], [key]: value } };
  }

  onceClosed(run: () => void): void {
    this.#whenClosed ??= [];
    this.#whenClosed.push(run);
  }

  /** Tells who asked that it is closed. */
  closed(): void {
    this.guard?.stop();
    for (const run of this.#whenClosed ?? []) run();
  }

  /** The handshake is done. */
  secured(socket: SecuredSocket, peer: TlsPeer): void {
    this.tls = socket;
    this.peer = peer;
    this.tlsVersion = peer.version ?? '';
    if (typeof socket.servername === 'string') this.serverName = socket.servername;
    this.certificate = clientCertificateOf(peer);
  }

  /** Has {@link ConnectionOwner.onLate} called after `delayMs`, unless it is stopped. */
  armTimer(wheel: TimerWheel, delayMs: number, scale?: TimerScale): void {
    this.#timer ??= createTimer(this, 0, scale);
    wheel.arm(this.#timer, delayMs);
  }

  stopTimer(wheel: TimerWheel): void {
    if (this.#timer === undefined) return;
    wheel.disarm(this.#timer);
    this.#timer = undefined;
  }

  onTimer(): void {
    this.#timer = undefined;
    this.owner.onLate(this);
  }
}

/** Shared by all connections: one function each would weigh more than all else here. */
function onSocketClose(this: Duplex): void {
  const { accepted } = this as OwnedSocket;
  accepted.owner.onClosed(accepted);
}

function ignore(): void {}

/** IPv4 addresses of a socket for both versions come as IPv6 ones. */
function plainIp(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

function addressText(ip: string, port: number): string {
  if (ip === '') return '';
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
