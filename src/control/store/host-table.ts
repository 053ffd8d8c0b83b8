/** Values by the host they are for; a wildcard is for all that have no value of their own. */
import { coversHost } from '#model/host-name.ts';

export class HostTable<Value> {
  readonly #exact = new Map<string, Value>();
  readonly #wildcards: [host: string, value: Value][] = [];

  /** Of two values for one host the first stays. */
  add(host: string, value: Value): void {
    if (!host.startsWith('*')) {
      if (!this.#exact.has(host)) this.#exact.set(host, value);
      return;
    }
    this.#wildcards.push([host, value]);
    // Most specific first; the sort keeps the order of equals.
    this.#wildcards.sort(([a], [b]) => b.length - a.length);
  }

  /** The value of the most specific host that covers `host`. */
  find(host: string): Value | undefined {
    return this.#exact.get(host) ?? this.#wildcards.find(([wide]) => coversHost(wide, host))?.[1];
  }
}
