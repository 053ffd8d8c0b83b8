/** Opens a connection to an endpoint: TCP, Unix socket, or a listener of this process. */
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Timer, TimerWheel } from '#core/timer-wheel.ts';
import { Timer as WheelTimer } from '#core/timer-wheel.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { KeepAlive } from '../keep-alive.ts';
import type { TransportOverride } from '../tls/client-handshake.ts';
import type { TlsPeer } from '../tls/context.ts';
import type { ProxiedConnection } from './proxy-protocol.ts';
import type { SocketReader } from './socket-reader.ts';
import { systemText } from './system-text.ts';
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
}

/** `LOCAL_CONNECT_FAILED`: nobody was asked, as the socket could not be had as it is wanted. */
export type ConnectFailure = 'CONNECT_FAILED' | 'LOCAL_CONNECT_FAILED' | 'CONNECT_TIMEOUT';

/** Told once how it went. */
export interface ConnectHandler {
  onConnected(socket: Duplex, peer: TlsPeer): void;
  /** @param reason for the access log, such as `delayed connect error: Connection refused`. */
  onConnectFailed(failure: ConnectFailure, reason: string): void;
}

/** What a pool offers by ALPN where the transport socket names no protocol. */
export const offersHttp1: TransportOverride = { protocols: ['http/1.1'] };
export const offersHttp2: TransportOverride = { protocols: ['h2'] };
export const offersBoth: TransportOverride = { protocols: ['h2', 'http/1.1'] };

/** One attempt to connect; ends in exactly one call of its handler, unless given up. */
export class Connecting {
  readonly #handler: ConnectHandler;
  readonly #deps: ConnectDeps;
  readonly #timer: Timer;
  readonly #override: TransportOverride | undefined;
  #socket: Duplex | undefined;
  #settled = false;

  /**
   * @param reader takes what a plain connection reads; a secure one emits `data`
   * @param override what this connection wants of its transport
   */
  constructor(
    endpoint: Endpoint,
    { connectTimeoutMs, keepAlive, binding }: ConnectSettings,
    handler: ConnectHandler,
    deps: ConnectDeps,
    reader?: SocketReader,
    override?: TransportOverride,
  ) {
    this.#handler = handler;
    this.#deps = deps;
    this.#override = deps.server === undefined ? override : { ...override, ...deps.server };
    this.#timer = new WheelTimer({ onTimer: () => this.#fail('CONNECT_TIMEOUT', '') }, 0);
    deps.wheel.arm(this.#timer, connectTimeoutMs);
    const raw = open(endpoint, deps.internal, reader, binding);
    if (!(raw instanceof Duplex)) {
      const { failure, reason } = raw;
      queueMicrotask(() => this.#fail(failure, reason));
      return;
    }
    this.#socket = raw;
    if (keepAlive !== undefined && endpoint.target.kind === 'tcp') {
      (raw as Socket).setKeepAlive(true, keepAlive.idleMs, keepAlive.intervalMs, keepAlive.probes);
    }
    const onError = (error: NodeJS.ErrnoException): void => {
      const { target } = endpoint;
      if (error.syscall === 'bind' && target.kind === 'tcp') {
        this.#fail('LOCAL_CONNECT_FAILED', binding?.failed(error, target.host) ?? '');
      } else this.#fail('CONNECT_FAILED', describe(error, endpoint));
    };
    raw.on('error', onError);
    const { secure, proxyHeader } = endpoint.transport;
    if (secure && proxyHeader === undefined) {
      this.#secure(raw, endpoint);
      return;
    }
    const ready = (): void => {
      if (this.#settled) return;
      if (proxyHeader !== undefined) raw.write(proxyHeader.header(deps.downstream));
      if (secure) this.#secure(raw, endpoint);
      else endpoint.transport.wrap(raw, (outcome) => this.#succeed(raw, outcome as TlsPeer));
    };
    if (endpoint.target.kind === 'internal') queueMicrotask(ready);
    else raw.once('connect', ready);
  }

  #secure(raw: Duplex, endpoint: Endpoint): void {
    this.#socket = endpoint.transport.wrap(
      raw,
      (outcome, socket) => {
        if (typeof outcome === 'string') this.#fail('CONNECT_FAILED', outcome);
        else this.#succeed(socket, outcome);
      },
      endpoint,
      this.#override,
    );
  }

  /** Nobody waits for it any more. */
  giveUp(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#deps.wheel.disarm(this.#timer);
    this.#socket?.on('error', ignore);
    this.#socket?.destroy();
  }

  #succeed(socket: Duplex, peer: TlsPeer): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#deps.wheel.disarm(this.#timer);
    this.#handler.onConnected(socket, peer);
  }

  #fail(failure: ConnectFailure, reason: string): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#deps.wheel.disarm(this.#timer);
    this.#socket?.on('error', ignore);
    this.#socket?.destroy();
    this.#handler.onConnectFailed(failure, reason);
  }
}

function ignore(): void {}

interface NotOpened {
  readonly failure: ConnectFailure;
  readonly reason: string;
}

function open(
  { target, transport }: Endpoint,
  internal: InternalListeners,
  reader: SocketReader | undefined,
  binding: UpstreamBinding | undefined,
): Duplex | NotOpened {
  const onread = reader === undefined || transport.secure ? {} : { onread: reader.onread };
  switch (target.kind) {
    case 'tcp': {
      const { host, port } = target;
      if (binding === undefined)
        return connect({ host, port, noDelay: true, allowHalfOpen: true, ...onread });
      try {
        const source = binding.source(host);
        return connect({ host, port, noDelay: true, allowHalfOpen: true, ...onread, ...source });
      } catch (error) {
        return {
          failure: 'LOCAL_CONNECT_FAILED',
          reason: binding.failed(error as NodeJS.ErrnoException, host),
        };
      }
    }
    case 'pipe':
      return connect({ path: target.path, allowHalfOpen: true, ...onread });
    case 'internal':
      return (
        internal.connect(target.listener) ?? {
          failure: 'CONNECT_FAILED',
          reason: 'no such internal listener',
        }
      );
  }
}

/** What the system says at once, and not when a peer has answered. */
const immediate: ReadonlySet<string> = new Set(['ENETUNREACH', 'EADDRNOTAVAIL', 'EACCES', 'EPERM']);

function describe({ code = '' }: NodeJS.ErrnoException, { target, address }: Endpoint): string {
  const isImmediate = target.kind === 'pipe' || immediate.has(code);
  const text = systemText(code);
  return isImmediate
    ? `immediate connect error: ${text}|remote address:${address}`
    : `delayed connect error: ${text}`;
}
