/** Opens a connection to an endpoint, by one address after the other where it has several. */
import type { Duplex } from 'node:stream';
import { Timer, type TimerOwner, type TimerWheel } from '#core/timer-wheel.ts';
import type { Endpoint, Target, TcpTarget } from '../cluster/endpoint.ts';
import type { KeepAlive } from '../keep-alive.ts';
import type { TransportOverride } from '../tls/client-handshake.ts';
import type { TlsPeer } from '../tls/context.ts';
import { Dial, type DialHandler } from './dial.ts';
import { type HappyEyeballs, inTurn, NEXT_ATTEMPT_MS } from './happy-eyeballs.ts';
import type { ProxiedConnection } from './proxy-protocol.ts';
import type { SocketReader } from './socket-reader.ts';
import type { UpstreamBinding } from './upstream-binding.ts';

/** Finds the listeners of this process by name. */
export interface InternalListeners {
  /** The near end of a new connection; undefined when there is no such listener. */
  connect(name: string): Duplex | undefined;
}

export interface ConnectDeps {
  readonly wheel: TimerWheel;
  readonly internal: InternalListeners;
  /** Whose connection it is made for, where the endpoint is told. */
  readonly downstream?: ProxiedConnection;
  /** What connections want of TLS for whom they are made. */
  readonly server?: TransportOverride;
}

/** What holds for all connections of a cluster. */
export interface ConnectSettings {
  readonly connectTimeoutMs: number;
  readonly keepAlive: KeepAlive | undefined;
  /** Where connections leave from; undefined: as the system chooses. */
  readonly binding: UpstreamBinding | undefined;
  /** For endpoints with several addresses. */
  readonly happyEyeballs: HappyEyeballs;
}

/** `LOCAL_CONNECT_FAILED`: nobody was asked, as the socket could not be had as it is wanted. */
export type ConnectFailure = 'CONNECT_FAILED' | 'LOCAL_CONNECT_FAILED' | 'CONNECT_TIMEOUT';

/** Told once how it went. */
export interface ConnectHandler {
  /** Another address of the endpoint is tried. */
  onNextAddress?(): void;
  onConnected(socket: Duplex, peer: TlsPeer): void;
  /** @param reason for the access log, such as `delayed connect error: Connection refused`. */
  onConnectFailed(failure: ConnectFailure, reason: string): void;
}

/** What a pool offers by ALPN where the transport socket names no protocol. */
export const offersHttp1: TransportOverride = { protocols: ['http/1.1'] };
export const offersHttp2: TransportOverride = { protocols: ['h2'] };
export const offersBoth: TransportOverride = { protocols: ['h2', 'http/1.1'] };

const TIMEOUT = 0;
const NEXT = 1;

/** One attempt to connect; ends in exactly one call of its handler, unless given up. */
export class Connecting implements DialHandler, TimerOwner {
  readonly #endpoint: Endpoint;
  readonly #settings: ConnectSettings;
  readonly #handler: ConnectHandler;
  readonly #deps: ConnectDeps;
  readonly #reader: SocketReader | undefined;
  readonly #override: TransportOverride | undefined;
  readonly #timer: Timer = new Timer(this, TIMEOUT);
  /** Where there is another address to be tried. */
  #nextTimer: Timer | undefined;
  /** Addresses not tried yet. */
  #rest: TcpTarget[] | undefined;
  /** Sockets that may still make it; almost always one. */
  #dials: Dial[] = [];
  #settled = false;

  /**
   * @param reader takes what a plain connection reads; a secure one emits `data`
   * @param override what this connection wants of its transport
   */
  constructor(
    endpoint: Endpoint,
    settings: ConnectSettings,
    handler: ConnectHandler,
    deps: ConnectDeps,
    reader?: SocketReader,
    override?: TransportOverride,
  ) {
    this.#endpoint = endpoint;
    this.#settings = settings;
    this.#handler = handler;
    this.#deps = deps;
    this.#reader = reader;
    this.#override = deps.server === undefined ? override : { ...override, ...deps.server };
    deps.wheel.arm(this.#timer, settings.connectTimeoutMs);
    const { target, traits } = endpoint;
    let first: Target = target;
    if (traits.additional.length > 0 && target.kind === 'tcp') {
      this.#rest = inTurn([target, ...traits.additional], settings.happyEyeballs);
      first = this.#rest.shift()!;
      this.#nextTimer = new Timer(this, NEXT);
    }
    this.#dial(first);
  }

  #dial(target: Target): void {
    const dial = new Dial(
      this.#endpoint,
      target,
      this.#settings,
      this,
      this.#deps,
      this.#reader,
      this.#override,
    );
    this.#dials.push(dial);
    if (this.#rest !== undefined && this.#rest.length > 0)
      this.#deps.wheel.arm(this.#nextTimer!, NEXT_ATTEMPT_MS);
  }

  /** @returns whether there is another address. */
  #dialNext(): boolean {
    const next = this.#rest?.shift();
    if (next === undefined) return false;
    this.#handler.onNextAddress?.();
    this.#dial(next);
    return true;
  }

  onUp(dial: Dial, socket: Duplex, peer: TlsPeer): void {
    this.#settle(dial);
    this.#handler.onConnected(socket, peer);
  }

  onDown(dial: Dial, failure: ConnectFailure, reason: string): void {
    this.#dials.splice(this.#dials.indexOf(dial), 1);
    if (this.#nextTimer !== undefined) this.#deps.wheel.disarm(this.#nextTimer);
    if (this.#dialNext() || this.#dials.length > 0) return;
    this.#settle(undefined);
    this.#handler.onConnectFailed(failure, reason);
  }

  onTimer(kind: number): void {
    if (kind === NEXT) {
      this.#dialNext();
      return;
    }
    this.#settle(undefined);
    this.#handler.onConnectFailed('CONNECT_TIMEOUT', '');
  }

  /** Nobody waits for it any more. */
  giveUp(): void {
    if (!this.#settled) this.#settle(undefined);
  }

  /** @param winner keeps its socket */
  #settle(winner: Dial | undefined): void {
    this.#settled = true;
    this.#deps.wheel.disarm(this.#timer);
    if (this.#nextTimer !== undefined) this.#deps.wheel.disarm(this.#nextTimer);
    for (const dial of this.#dials) if (dial !== winner) dial.giveUp();
    this.#dials = [];
  }
}
