/** The endpoints of a dynamic_forward_proxy cluster: made for each host a request names, dropped when unused. */

import { hostPort } from '#core/ip-address.ts';
import type { DnsCache } from '../dns/cache.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import { Endpoint, plainTraits } from './endpoint.ts';

/** Hosts kept at most (Envoy, `max_hosts`). */
const MAX_HOSTS = 1024;
const HTTP_PORT = 80;
const HTTPS_PORT = 443;

export class DynamicHosts {
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #dns: DnsCache;
  readonly #transport: UpstreamTransport;

  constructor(transport: UpstreamTransport, dns: DnsCache) {
    this.#dns = dns;
    this.#transport = transport;
  }

  /** Undefined where the name has not been resolved. */
  endpointFor(authority: string, secure: boolean): Endpoint | undefined {
    const { host, port } = splitAuthority(authority, secure ? HTTPS_PORT : HTTP_PORT);
    const address = isAddress(host) ? host : this.#dns.known(host);
    if (address === undefined) return undefined;
    const key = `${address}|${port}|${host}`;
    let endpoint = this.#endpoints.get(key);
    if (endpoint === undefined) {
      this.#drop();
      endpoint = new Endpoint(
        { kind: 'tcp', host: address, port },
        hostPort(address, port),
        plainTraits(host),
        this.#transport,
      );
      this.#endpoints.set(key, endpoint);
    }
    return endpoint;
  }

  get endpoints(): Iterable<Endpoint> {
    return this.#endpoints.values();
  }

  /** Makes room: the oldest host without connections goes. */
  #drop(): void {
    if (this.#endpoints.size < MAX_HOSTS) return;
    for (const [key, { counts }] of this.#endpoints) {
      if (counts.cxActive > 0) continue;
      this.#endpoints.delete(key);
      return;
    }
  }
}

export function isAddress(host: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host) || host.includes(':');
}

export function splitAuthority(authority: string, defaultPort: number): { host: string; port: number } {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(authority);
  const host = match?.[1] ?? match?.[2] ?? authority;
  return { host, port: match?.[3] === undefined ? defaultPort : Number(match[3]) };
}
