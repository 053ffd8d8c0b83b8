/**
 * The addresses of services: what a manifest says (`clusterIP`, `addresses`), and where it says nothing one of our own,
 * which nobody listens on: sidecars take what is sent there. The same services have the same addresses after every
 * start, and whoever asks: of two that come to the same one the first by name has it.
 */
import { fnv1a } from '#core/fnv1a.ts';
import { formatIp, type IpBytes, parseIp } from '#core/ip-address.ts';
import { isHeadless } from '#model/service.ts';
import { isSingleAddress, isWildcardHost } from '#model/service-entry.ts';
import type { MeshService } from './mesh-service.ts';

/** Addresses to be had: numbers from `first`, in the last 16 bits behind a prefix. */
interface Pool {
  readonly prefix: IpBytes;
  readonly first: number;
  readonly count: number;
}

/**
 * Kubernetes' usual range of service addresses, 10.96.0.0/16. The first ones are well known: 10.96.0.1 is the API server,
 * 10.96.0.10 the DNS.
 */
const services: Pool = { prefix: [10, 96], first: 16, count: 65_535 - 16 };
/** Istio's of ServiceEntries without addresses, which nobody else uses: 240.240.0.0/16 and 2001:2::/48. */
const entries: readonly Pool[] = [
  { prefix: [240, 240], first: 1, count: 65_534 },
  { prefix: [0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], first: 1, count: 65_534 },
];

/** What `resolv.conf` of a Pod names; the sidecar answers. */
export const DNS_SERVICE_ADDRESS = '10.96.0.10';

/**
 * @param found by full host name
 * @returns the addresses of each that has one, IPv4 before IPv6. None have headless services, names of something
 * elsewhere, and of ServiceEntries without addresses wildcards and what is found by the application (Istio)
 */
export function serviceAddresses(
  found: ReadonlyMap<string, MeshService>,
): ReadonlyMap<string, readonly string[]> {
  const addresses = new Map<string, readonly string[]>();
  const taken = new Set<string>();
  const inOrder = [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [host, service] of inOrder) {
    const said = saidAddresses(service);
    if (said.length === 0) continue;
    addresses.set(host, said);
    for (const address of said) taken.add(address);
  }
  for (const [host, service] of inOrder) {
    if (addresses.has(host)) continue;
    const given = poolsFor(service).flatMap((pool) => free(pool, host, taken));
    if (given.length === 0) continue;
    addresses.set(host, given);
    for (const address of given) taken.add(address);
  }
  return addresses;
}

function saidAddresses({ spec, entry }: MeshService): readonly string[] {
  if (entry !== undefined) return entry.addresses.filter(isSingleAddress);
  const { type, clusterIP = '' } = spec;
  return type !== 'ExternalName' && parseIp(clusterIP) !== undefined ? [clusterIP] : [];
}

function poolsFor(service: MeshService): readonly Pool[] {
  const { spec, entry } = service;
  if (entry === undefined) return isHeadless(service) || spec.type === 'ExternalName' ? [] : [services];
  const isFoundByCaller = entry.resolution === 'NONE' || isWildcardHost(entry.host);
  return isFoundByCaller || entry.addresses.length > 0 ? [] : entries;
}

/** The one that the name is hashed to, or the next that nobody has; none where all are taken. */
function free({ prefix, first, count }: Pool, host: string, taken: ReadonlySet<string>): readonly string[] {
  const preferred = fnv1a(host) % count;
  for (let i = 0; i < count; i++) {
    const at = first + ((preferred + i) % count);
    const address = formatIp([...prefix, at >>> 8, at & 0xff]);
    if (!taken.has(address)) return [address];
  }
  return [];
}
