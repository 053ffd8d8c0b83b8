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
  /** What is offered to endpoints by ALPN, with commas between, whatever their transport socket names. */
  applicationProtocols: 'envoy.network.application_protocols',
} as const;

/** Keys that tcp_proxy writes. */
export const tunnelKeys = {
  responseHeaders: 'envoy.tcp_proxy.propagate_response_headers',
  responseTrailers: 'envoy.tcp_proxy.propagate_response_trailers',
} as const;

export interface StateNote {
  /** As a JSON value, where it is more than a text. */
  readonly json?: string;
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

  /** @param list name, value, name, value, and so on. */
  setFields(key: string, list: readonly string[]): void {
    const headers: { key: string; value: string }[] = [];
    for (let i = 0; i < list.length; i += 2) headers.push({ key: list[i]!, value: list[i + 1]! });
    this.set(key, { text: '', json: JSON.stringify({ headers }), hashable: false });
  }

  text(key: string): string | undefined {
    return this.#notes?.get(key)?.text;
  }

  /** As an access log shows it. @param plain the text instead of a JSON value */
  shown(key: string, plain: boolean): string | undefined {
    const note = this.#notes?.get(key);
    if (note === undefined) return undefined;
    if (plain) return note.json === undefined ? note.text : undefined;
    return note.json ?? JSON.stringify(note.text);
  }

  hashable(key: string): string | undefined {
    const note = this.#notes?.get(key);
    return note?.hashable === true ? note.text : undefined;
  }
}
