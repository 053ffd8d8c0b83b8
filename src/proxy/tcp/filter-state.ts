/**
 * Notes about a connection that one network filter leaves for those after it (Envoy, "Filter state"):
 * texts under keys that Envoy defines, or that the configuration makes up.
 */

/** Keys that tcp_proxy reads. */
export const stateKeys = {
  /** The cluster, instead of the one configured. */
  cluster: 'envoy.tcp_proxy.cluster',
  /** Milliseconds. */
  idleTimeout: 'envoy.tcp_proxy.per_connection_idle_timeout_ms',
  /** `true`: the bytes go as they are where a tunnel is configured. */
  disableTunneling: 'envoy.tcp_proxy.disable_tunneling',
  /** The host and port of a `dynamic_forward_proxy` cluster. */
  dynamicHost: 'envoy.upstream.dynamic_host',
  dynamicPort: 'envoy.upstream.dynamic_port',
} as const;

export interface StateNote {
  readonly text: string;
  /** Whether a hash policy may use it. */
  readonly hashable: boolean;
}

export class FilterState {
  #notes: Map<string, StateNote> | undefined;

  set(key: string, note: StateNote): void {
    this.#notes ??= new Map();
    this.#notes.set(key, note);
  }

  text(key: string): string | undefined {
    return this.#notes?.get(key)?.text;
  }

  hashable(key: string): string | undefined {
    const note = this.#notes?.get(key);
    return note?.hashable === true ? note.text : undefined;
  }
}
