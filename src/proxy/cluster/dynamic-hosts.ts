/** The endpoints of a dynamic_forward_proxy cluster: made for each host a request names, gone with its name in the cache. */

import { hostPort } from '#core/ip-address.ts';
import type { HostCache } from '../dns/cache.ts';
import { isAddress, keyOf, splitAuthority } from '../dns/named-host.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import { Endpoint, plainTraits, type Target } from './endpoint.ts';

const HTTP_PORT = 80;
const HTTPS_PORT = 443;

export class DynamicHosts {
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #cache: HostCache;
  readonly #transport: () => UpstreamTransport;
  /** Of hosts that are named without a port. */
  readonly defaultPort: number;
  readonly #unfollow: () => void;

  /** @param transport is asked for each host */
  constructor(transport: () => UpstreamTransport, isSecure: boolean, cache: HostCache) {
    this.#cache = cache;
    this.#transport = transport;
    this.defaultPort = isSecure ? HTTPS_PORT : HTTP_PORT;
    this.#unfollow = cache.follow((key) => this.#drop(key));
  }

  /** Undefined where the name has not been resolved. */
  endpointFor(authority: string): Endpoint | undefined {
    const name = splitAuthority(authority, this.defaultPort);
    const { host, port } = name;
    const known = this.#cache.addressesOf(name);
    const [address, ...others] = known.length === 0 && isAddress(host) ? [host] : known;
    if (address === undefined) return undefined;
    const key = keyOf(name);
    const text = hostPort(address, port);
    const target: Target = { kind: 'tcp', host: address, port };
    let endpoint = this.#endpoints.get(key);
    if (endpoint === undefined) {
      endpoint = new Endpoint(target, text, plainTraits(host), this.#transport());
      this.#endpoints.set(key, endpoint);
    } else if (endpoint.address !== text) endpoint.moveTo(target, text);
    endpoint.traits.additional = others.map((other) => ({ kind: 'tcp', host: other, port }));
    return endpoint;
  }

  get endpoints(): Iterable<Endpoint> {
    return this.#endpoints.values();
  }

  close(): void {
    this.#unfollow();
  }

  /** Its connections end with what they carry. */
  #drop(key: string): void {
    const endpoint = this.#endpoints.get(key);
    if (endpoint === undefined) return;
    this.#endpoints.delete(key);
    endpoint.removed = true;
    endpoint.drainPools();
  }
}
