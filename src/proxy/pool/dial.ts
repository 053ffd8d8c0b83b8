/** One socket on its way to one address of an endpoint: TCP, Unix socket, or a listener of this process. */
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { hostPort } from '#core/ip-address.ts';
import type { Endpoint, Target } from '../cluster/endpoint.ts';
import type { TransportOverride } from '../tls/client-handshake.ts';
import type { TlsPeer } from '../tls/context.ts';
import type { ConnectDeps, ConnectFailure, ConnectSettings, InternalListeners } from './connect.ts';
import type { SocketReader } from './socket-reader.ts';
import { systemText } from './system-text.ts';
import type { UpstreamBinding } from './upstream-binding.ts';

/** Told once how it went, unless the attempt was given up. */
export interface DialHandler {
  onUp(dial: Dial, socket: Duplex, peer: TlsPeer): void;
  /** @param reason for the access log, such as `delayed connect error: Connection refused`. */
  onDown(dial: Dial, failure: ConnectFailure, reason: string): void;
}

export class Dial {
  readonly #handler: DialHandler;
  readonly #override: TransportOverride | undefined;
  #socket: Duplex | undefined;
  #settled = false;

  constructor(
    endpoint: Endpoint,
    target: Target,
    { keepAlive, binding }: ConnectSettings,
    handler: DialHandler,
    deps: ConnectDeps,
    reader: SocketReader | undefined,
    override: TransportOverride | undefined,
  ) {
    this.#handler = handler;
    this.#override = override;
    const raw = open(endpoint, target, deps.internal, reader, binding);
    if (!(raw instanceof Duplex)) {
      const { failure, reason } = raw;
      queueMicrotask(() => this.#fail(failure, reason));
      return;
    }
    this.#socket = raw;
    if (keepAlive !== undefined && target.kind === 'tcp') {
      (raw as Socket).setKeepAlive(true, keepAlive.idleMs, keepAlive.intervalMs, keepAlive.probes);
    }
    const onError = (error: NodeJS.ErrnoException): void => {
      if (error.syscall === 'bind' && target.kind === 'tcp') {
        this.#fail('LOCAL_CONNECT_FAILED', binding?.failed(error, target.host) ?? '');
      } else this.#fail('CONNECT_FAILED', describe(error, target, endpoint));
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
    if (target.kind === 'internal') queueMicrotask(ready);
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

  giveUp(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#socket?.on('error', ignore);
    this.#socket?.destroy();
  }

  #succeed(socket: Duplex, peer: TlsPeer): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#handler.onUp(this, socket, peer);
  }

  #fail(failure: ConnectFailure, reason: string): void {
    if (this.#settled) return;
    this.giveUp();
    this.#handler.onDown(this, failure, reason);
  }
}

function ignore(): void {}

interface NotOpened {
  readonly failure: ConnectFailure;
  readonly reason: string;
}

function open(
  { transport }: Endpoint,
  target: Target,
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

function describe({ code = '' }: NodeJS.ErrnoException, target: Target, endpoint: Endpoint): string {
  const isImmediate = target.kind === 'pipe' || immediate.has(code);
  const text = systemText(code);
  return isImmediate
    ? `immediate connect error: ${text}|remote address:${target.kind === 'tcp' ? hostPort(target.host, target.port) : endpoint.address}`
    : `delayed connect error: ${text}`;
}
