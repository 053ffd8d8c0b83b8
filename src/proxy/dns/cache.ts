/** Names looked up for requests: one look-up at a time for each, kept for a while. */
import type { Clock } from '#core/clock.ts';
import { isAddress } from '../cluster/dynamic-hosts.ts';

/** How long an answer is used (Envoy's `dns_refresh_rate` of the DNS cache). */
const FRESH_MS = 60_000;
const MAX_NAMES = 4096;

interface Entry {
  addresses: readonly string[];
  untilMs: number;
  pending: Promise<readonly string[]> | undefined;
}

export class DnsCache {
  readonly #entries = new Map<string, Entry>();
  readonly #lookUp: (host: string) => Promise<readonly string[]>;
  readonly #clock: Clock;

  constructor(lookUp: (host: string) => Promise<readonly string[]>, clock: Clock) {
    this.#lookUp = lookUp;
    this.#clock = clock;
  }

  /** The first address last found; undefined for a name never found. */
  known(host: string): string | undefined {
    return this.#entries.get(host.toLowerCase())?.addresses[0];
  }

  /** Rejects where the name has no address. */
  resolve(host: string): Promise<readonly string[]> {
    const bare = host.replace(/^\[|\]$/g, '');
    if (isAddress(bare)) return Promise.resolve([bare]);
    const name = bare.toLowerCase();
    const entry: Entry = this.#entries.get(name) ?? { addresses: [], untilMs: 0, pending: undefined };
    if (entry.untilMs > this.#clock.nowMs()) return Promise.resolve(entry.addresses);
    if (entry.pending !== undefined) return entry.pending;
    this.#entries.set(name, entry);
    if (this.#entries.size > MAX_NAMES) this.#entries.delete(this.#entries.keys().next().value!);
    const pending = this.#lookUp(name).then(
      (addresses) => {
        entry.pending = undefined;
        entry.addresses = addresses;
        entry.untilMs = this.#clock.nowMs() + FRESH_MS;
        return addresses;
      },
      (error: unknown) => {
        entry.pending = undefined;
        throw error;
      },
    );
    entry.pending = pending;
    return pending;
  }
}
