/** Values by the host they are for; a wildcard is for all that have no value of their own. */
import { coversHost } from '#model/host-name.ts';

export class HostTable<Value> {
  readonly #exact = new Map<string, readonly Value[]>();
  readonly #wildcards: [host: string, value: Value][] = [];

  /** Of two values for one host the first counts. */
  add(host: string, value: Value): void {
    if (!host.startsWith('*')) {
      this.#exact.set(host, [...(this.#exact.get(host) ?? []), value]);
      return;
    }
    this.#wildcards.push([host, value]);
    // Most specific first; the sort keeps the order of equals.
    this.#wildcards.sort(([a], [b]) => b.length - a.length);
  }

  /** The value of the most specific host that covers `host`. @param fits whether a value counts; absent: any does */
  find(host: string, fits: (value: Value) => boolean = () => true): Value | undefined {
    const exact = this.#exact.get(host)?.find(fits);
    return exact ?? this.#wildcards.find(([wide, value]) => coversHost(wide, host) && fits(value))?.[1];
  }
}
