/** The listeners in force and those that drain, and the way from one version of a listener to the next. */
import { type Duplex, duplexPair } from 'node:stream';
import { hostPort, parseIp } from '#core/ip-address.ts';
import type { ListenerStatus, ListenerStop, OpenSocket, StagedListener } from '../contract.ts';
import { HeldMetrics } from '../scope-holders.ts';
import type { BindAddress } from './bind-address.ts';
import { drainWithin } from './drain.ts';
import { type ListenerDeps, ListenerRuntime } from './listener.ts';
import { type Accept, type ListeningSocket, openSocket, socketKey } from './listening-socket.ts';
import type { ListenerSettings } from './settings.ts';
import { createTableStats, type TableStats } from './table-stats.ts';

interface ActiveListener {
  readonly runtime: ListenerRuntime;
  readonly sockets: readonly ListeningSocket[];
  /** Of the listener itself. */
  readonly metrics: HeldMetrics;
}

/** How long a replaced or removed listener lets its connections go on, unless told (Envoy, `--drain-time-s`). */
const DRAIN_MS = 600_000;

export class ListenerTable {
  readonly #deps: ListenerDeps;
  readonly #active = new Map<string, ActiveListener>();
  readonly #draining = new Set<ActiveListener>();
  readonly #stats: TableStats;
  readonly #drainTimeMs: number;
  /** By address, for connections that are handed over. */
  #byAddress = new Map<string, ListenerRuntime>();
  #unhealthy = false;

  constructor(deps: Omit<ListenerDeps, 'listenerAt'>) {
    this.#deps = { ...deps, listenerAt: (ip, port) => this.#listenerAt(ip, port) };
    this.#stats = createTableStats(deps);
    this.#drainTimeMs = deps.drainTimeMs ?? DRAIN_MS;
  }

  /**
   * @param ports where other threads listen already, by address.
   * Rejects with the system's error where an address cannot be bound or a log not be opened.
   */
  async stage(settings: ListenerSettings, ports: readonly number[]): Promise<StagedListener> {
    try {
      const before = this.#active.get(settings.name);
      const inPlace = before !== undefined && before.runtime.settings.frame() === settings.frame();
      const staged = inPlace ? this.#stageChains(before, settings) : await this.#stageAll(settings, ports);
      this.#stats.listener_create_success.inc();
      return staged;
    } catch (error) {
      this.#stats.listener_create_failure.inc();
      throw error;
    }
  }

  /** The listener goes on, with other chains. */
  #stageChains({ runtime, sockets }: ActiveListener, settings: ListenerSettings): StagedListener {
    const update = runtime.prepareUpdate(settings);
    return {
      addresses: sockets.map(({ address }) => address),
      abandon: update.abandon,
      commit: async () => {
        const retired = update.commit();
        this.#stats.listener_modified.inc();
        this.#stats.listener_in_place_updated.inc();
        runtime.setDraining(this.#unhealthy && settings.drainsWhenUnhealthy);
        for (const chain of retired) {
          this.#stats.total_filter_chains_draining.add(1);
          void drainWithin(chain, this.#drainTimeMs, this.#deps.clock).then(() => {
            chain.settings.metrics.release();
            this.#stats.total_filter_chains_draining.add(-1);
          });
        }
      },
    };
  }

  async #stageAll(settings: ListenerSettings, ports: readonly number[]): Promise<StagedListener> {
    const metrics = new HeldMetrics(this.#deps.scopes);
    const runtime = this.#createRuntime(settings, metrics);
    const opened: ListeningSocket[] = [];
    const bound: { readonly address: BindAddress; readonly socket: ListeningSocket }[] = [];
    const abandon = (): void => {
      for (const socket of opened) socket.close();
      runtime.close();
      metrics.release();
    };
    const addresses: string[] = [];
    /** What the version before has open. */
    const inherited = [...(this.#active.get(settings.name)?.sockets ?? [])];
    try {
      for (const [i, asked] of settings.addresses.entries()) {
        const address = withPort(asked, ports[i]);
        if (!settings.binds || this.#isElsewhere(address)) {
          addresses.push(settings.binds ? '' : address.text);
          continue;
        }
        const known = inherited.find(({ key }) => key === socketKey(address));
        if (known !== undefined) inherited.splice(inherited.indexOf(known), 1);
        else this.#checkFree(settings.name, address);
        const handedAs =
          asked.kind === 'tcp' && asked.port === 0 ? `${settings.name} ${asked.text}` : asked.text;
        const socket = known ?? (await this.#open(settings, address, handedAs, runtime));
        if (known === undefined) opened.push(socket);
        if (settings.transparent && address.kind === 'tcp') this.#deps.makeTransparent?.(socket.server);
        bound.push({ address, socket });
        addresses.push(socket.address);
      }
    } catch (error) {
      abandon();
      throw error;
    }
    const commit = async (): Promise<void> => {
      for (const { address, socket } of bound) socket.accept = acceptor(address, runtime);
      this.#commit(settings.name, { runtime, sockets: bound.map(({ socket }) => socket), metrics });
    };
    return { addresses, commit, abandon };
  }

  #createRuntime(settings: ListenerSettings, metrics: HeldMetrics): ListenerRuntime {
    try {
      return new ListenerRuntime(settings, this.#deps, metrics);
    } catch (error) {
      metrics.release();
      throw error;
    }
  }

  /** Values of the runtime have changed. */
  onRuntime(): void {
    for (const { runtime } of [...this.#active.values(), ...this.#draining]) runtime.onRuntime();
  }

  #open(
    settings: ListenerSettings,
    address: BindAddress,
    handedAs: string,
    runtime: ListenerRuntime,
  ): Promise<ListeningSocket> {
    const { backlog, bufferLimitBytes, name } = settings;
    const reusePort = settings.reusePort || (this.#deps.thread?.count ?? 1) > 1;
    const onError = (error: Error): void => {
      this.#deps.log.warn('listen.not-accepted', { listener: name, error: error.message });
    };
    const inherited = this.#deps.inheritedSocket?.(handedAs, this.#deps.thread?.index ?? 0);
    const options = { handedAs, backlog, reusePort, bufferLimitBytes, inherited, onError };
    return openSocket(address, options, acceptor(address, runtime));
  }

  /** Of a path in the file system there is one socket, which the first thread has. */
  #isElsewhere({ kind }: BindAddress): boolean {
    return kind === 'pipe' && (this.#deps.thread?.index ?? 0) > 0;
  }

  /** With `SO_REUSEPORT` two listeners could share a port without a word of the system. */
  #checkFree(name: string, address: BindAddress): void {
    if (address.kind === 'tcp' && address.port === 0) return;
    for (const [other, { sockets }] of this.#active) {
      if (other !== name && sockets.some(({ key }) => key === socketKey(address))) {
        throw new Error(`has duplicate address '${address.text}' as existing listener '${other}'`);
      }
    }
  }

  #commit(name: string, listener: ActiveListener): void {
    const before = this.#active.get(name);
    const { settings } = listener.runtime;
    this.#active.set(name, listener);
    listener.runtime.setDraining(this.#unhealthy && settings.drainsWhenUnhealthy);
    this.#onChanged();
    if (before === undefined) {
      this.#stats.listener_added.inc();
      return;
    }
    this.#stats.listener_modified.inc();
    for (const socket of before.sockets) if (!listener.sockets.includes(socket)) socket.close();
    void this.#drain(before, this.#drainTimeMs);
  }

  async remove(name: string): Promise<void> {
    const listener = this.#active.get(name);
    if (listener === undefined) return;
    this.#active.delete(name);
    this.#onChanged();
    this.#stats.listener_removed.inc();
    for (const socket of listener.sockets) socket.close();
    await this.#drain(listener, this.#drainTimeMs);
  }

  /** No connection is taken any more; those there are go on. */
  async stop({ names, noticeMs, staysOpen }: ListenerStop): Promise<void> {
    const stopped = [...this.#active.values()].filter(
      ({ runtime }) => names === undefined || names.includes(runtime.settings.name),
    );
    if (noticeMs > 0) {
      for (const { runtime } of stopped) runtime.setDraining(true);
      await new Promise<void>((resolve) => this.#deps.clock.after(noticeMs, resolve));
    }
    if (staysOpen) return;
    for (const { sockets } of stopped) {
      for (const socket of sockets) socket.close();
      this.#stats.listener_stopped.inc();
    }
  }

  openSockets(): readonly OpenSocket[] {
    return [...this.#active.values()].flatMap(({ sockets }) =>
      sockets.flatMap(({ handedAs: key, server }) => {
        const fd = this.#deps.duplicateDescriptor?.(server);
        return fd === undefined ? [] : [{ key, fd }];
      }),
    );
  }

  leavePaths(): void {
    for (const { sockets } of this.#active.values()) for (const socket of sockets) socket.leavePath();
  }

  /** Stops accepting, and lets connections finish within the time. */
  async drain(drainTimeMs: number): Promise<void> {
    const all = [...this.#active.values()];
    for (const { sockets } of all) {
      for (const socket of sockets) socket.close();
      this.#stats.listener_stopped.inc();
    }
    await Promise.all(all.map((listener) => this.#drain(listener, drainTimeMs)));
  }

  /** Connections end with their responses while health checks are made to fail (Envoy, `drain_type`). */
  setUnhealthy(unhealthy: boolean): void {
    this.#unhealthy = unhealthy;
    for (const { runtime } of this.#active.values()) {
      if (runtime.settings.drainsWhenUnhealthy) runtime.setDraining(unhealthy);
    }
  }

  close(): void {
    for (const { runtime, sockets } of [...this.#active.values(), ...this.#draining]) {
      for (const socket of sockets) socket.close();
      runtime.close();
    }
    this.#active.clear();
    this.#draining.clear();
    this.#onChanged();
  }

  status(): readonly ListenerStatus[] {
    return [
      ...[...this.#active.values()].map((listener) => statusOf(listener, 'active')),
      ...[...this.#draining].map((listener) => statusOf(listener, 'draining')),
    ];
  }

  /** A connection to an internal listener; undefined when there is none of that name. */
  connectInternal(name: string): Duplex | undefined {
    const listener = this.#active.get(name);
    if (listener === undefined || !listener.runtime.settings.isInternal) return undefined;
    const [near, far] = duplexPair();
    listener.runtime.accept(far);
    return near;
  }

  async #drain(listener: ActiveListener, drainTimeMs: number): Promise<void> {
    this.#draining.add(listener);
    this.#stats.total_listeners_draining.set(this.#draining.size);
    await drainWithin(listener.runtime, drainTimeMs, this.#deps.clock);
    this.#draining.delete(listener);
    this.#stats.total_listeners_draining.set(this.#draining.size);
    // While the process ends, what it has counted stays to be read.
    if (this.#active.get(listener.runtime.settings.name) === listener) return;
    listener.runtime.forget();
    listener.metrics.release();
  }

  #onChanged(): void {
    this.#stats.total_listeners_active.set(this.#active.size);
    this.#byAddress = new Map();
    for (const { runtime } of this.#active.values()) {
      for (const address of runtime.settings.addresses) {
        this.#byAddress.set(address.text, runtime);
        if (address.kind === 'tcp' && address.dualStack && address.host === '::') {
          this.#byAddress.set(`0.0.0.0:${address.port}`, runtime);
        }
      }
    }
  }

  /** The address itself, else the one of all addresses of that port (Envoy, `use_original_dst`). */
  #listenerAt(ip: string, port: number): ListenerRuntime | undefined {
    const any = parseIp(ip)?.length === 4 ? '0.0.0.0' : '::';
    return this.#byAddress.get(hostPort(ip, port)) ?? this.#byAddress.get(hostPort(any, port));
  }
}

function acceptor({ keepAlive }: BindAddress, runtime: ListenerRuntime): Accept {
  if (keepAlive === undefined) return (socket, path) => runtime.accept(socket, path);
  const { idleMs, intervalMs, probes } = keepAlive;
  return (socket, path) => {
    socket.setKeepAlive(true, idleMs, intervalMs, probes);
    runtime.accept(socket, path);
  };
}

function statusOf({ runtime, sockets }: ActiveListener, state: ListenerStatus['state']): ListenerStatus {
  const { name, isInternal, binds, addresses } = runtime.settings;
  const own = binds ? sockets.map(({ address }) => address) : addresses.map(({ text }) => text);
  return {
    name,
    addresses: isInternal ? [`envoy://${name}`] : own,
    state,
    activeConnections: runtime.activeConnections,
  };
}

function withPort(address: BindAddress, port: number | undefined): BindAddress {
  if (address.kind !== 'tcp' || address.port !== 0 || port === undefined) return address;
  return { ...address, port, text: hostPort(address.host, port) };
}
