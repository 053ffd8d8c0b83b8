/**
 * The endpoints of an ORIGINAL_DST cluster: the addresses that captured connections were made to, or that a header
 * names; made when first asked for, gone when nobody used them for a while (Envoy, "Original destination").
 */
import { hostPort, parseIp } from '#core/ip-address.ts';
import { Timer, type TimerOwner, type TimerWheel } from '#core/timer-wheel.ts';
import { headerOf } from '#http/header-list.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import { Endpoint, plainTraits } from './endpoint.ts';

export interface OriginalDestinationSettings {
  /** Names the address, lower case; '': the connection alone does. */
  readonly header: string;
  /** Takes the place of the port; 0: none does. */
  readonly port: number;
  /** How long an endpoint stays that nobody asks for. */
  readonly cleanupMs: number;
}

/** Where a connection was made to. */
export interface CapturedConnection {
  readonly localIp: string;
  readonly localPort: number;
  /** Whether that is the address it had before it was redirected, and not the listener's own. */
  readonly localRestored: boolean;
}

export interface OriginalDestinationDeps {
  readonly name: string;
  /** Of a new endpoint. */
  transport(): UpstreamTransport;
  readonly wheel: TimerWheel;
  /** Counts headers that name no address. */
  readonly invalid: Counter;
  /** The endpoints are others than before. */
  onChange(): void;
}

const MAX_PORT = 65_535;

export class OriginalDestinations implements TimerOwner {
  readonly #settings: OriginalDestinationSettings;
  readonly #deps: OriginalDestinationDeps;
  readonly #endpoints = new Map<string, Endpoint>();
  /** Those somebody asked for since the last look. */
  readonly #asked = new Set<Endpoint>();
  readonly #timer = new Timer(this, 0);

  constructor(settings: OriginalDestinationSettings, deps: OriginalDestinationDeps) {
    this.#settings = settings;
    this.#deps = deps;
  }

  /**
   * Undefined where neither says an address.
   *
   * @param headers of the request; undefined where there is none.
   */
  endpointFor(connection: CapturedConnection, headers: readonly string[] | undefined): Endpoint | undefined {
    const { header, port: override } = this.#settings;
    const named = headers === undefined || header === '' ? undefined : headerOf(headers, header);
    const address = named === undefined ? undefined : this.#parse(named);
    if (address !== undefined) return this.#endpoint(address.ip, override || address.port);
    if (!connection.localRestored) return undefined;
    return this.#endpoint(connection.localIp, override || connection.localPort);
  }

  get endpoints(): Iterable<Endpoint> {
    return this.#endpoints.values();
  }

  get size(): number {
    return this.#endpoints.size;
  }

  onTimer(): void {
    let dropped = false;
    for (const [key, endpoint] of this.#endpoints) {
      const { cxActive, rqActive } = endpoint.counts;
      if (this.#asked.has(endpoint) || cxActive > 0 || rqActive > 0) continue;
      this.#endpoints.delete(key);
      endpoint.removed = true;
      endpoint.closePools();
      dropped = true;
    }
    this.#asked.clear();
    if (this.#endpoints.size > 0) this.#deps.wheel.arm(this.#timer, this.#settings.cleanupMs);
    if (dropped) this.#deps.onChange();
  }

  close(): void {
    this.#deps.wheel.disarm(this.#timer);
  }

  #parse(text: string): { ip: string; port: number } | undefined {
    const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
    const ip = match?.[1] ?? match?.[2] ?? '';
    const bytes = parseIp(ip);
    const port = Number(match?.[3]);
    // Brackets are for IPv6, and for that alone.
    if (bytes !== undefined && (bytes.length === 16) === (match?.[1] !== undefined) && port <= MAX_PORT) {
      return { ip, port };
    }
    this.#deps.invalid.inc();
    return undefined;
  }

  #endpoint(ip: string, port: number): Endpoint {
    const address = hostPort(ip, port);
    let endpoint = this.#endpoints.get(address);
    if (endpoint === undefined) {
      endpoint = this.#make(ip, port, address);
      this.#endpoints.set(address, endpoint);
      if (!this.#timer.armed) this.#deps.wheel.arm(this.#timer, this.#settings.cleanupMs);
      this.#deps.onChange();
    }
    this.#asked.add(endpoint);
    return endpoint;
  }

  #make(host: string, port: number, address: string): Endpoint {
    const { name } = this.#deps;
    return new Endpoint(
      { kind: 'tcp', host, port },
      address,
      plainTraits(`${name}${address}`),
      this.#deps.transport(),
    );
  }
}
