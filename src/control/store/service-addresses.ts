/**
 * The addresses of services: what a manifest says (`clusterIP`, `addresses`), and where it says nothing one of our own,
 * which nobody listens on: sidecars take what is sent there. The same services have the same addresses after every
 * start, and whoever asks: of two that come to the same one the first by name has it.
 */
import { fnv1a } from '#core/fnv1a.ts';
import { formatIp, type IpBytes } from '#core/ip-address.ts';
import { familiesOf, familyOf, type IpFamily, isHeadless } from '#model/service.ts';
import { isSingleAddress, isWildcardHost } from '#model/service-entry.ts';
import type { MeshService } from './mesh-service.ts';

/** Addresses to be had: numbers from `first`, in the last 16 bits behind a prefix. */
interface Pool {
  readonly prefix: IpBytes;
  readonly first: number;
  readonly count: number;
}

type Pools = Readonly<Record<IpFamily, Pool>>;

/**
 * Kubernetes' usual range of service addresses, 10.96.0.0/16, and one beside that of Pods, fd48:96::/112. The first ones
 * are well known: 10.96.0.1 is the API server, 10.96.0.10 the DNS.
 */
const forServices: Pools = {
  IPv4: { prefix: [10, 96], first: 16, count: 65_535 - 16 },
  IPv6: { prefix: [0xfd, 0x48, 0, 0x96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], first: 16, count: 65_535 - 16 },
};
/** Istio's of ServiceEntries without addresses, which nobody else uses: 240.240.0.0/16 and 2001:2::/48. */
const forEntries: Pools = {
  IPv4: { prefix: [240, 240], first: 1, count: 65_534 },
  IPv6: { prefix: [0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], first: 1, count: 65_534 },
};

/** What `resolv.conf` of a Pod names; the sidecar answers. */
export const DNS_SERVICE_ADDRESS = '10.96.0.10';

/**
 * @param found by full host name
 * @returns the addresses of each that has one, in the order of its families. None have headless services, names of
 * something elsewhere, and of ServiceEntries without addresses wildcards and what is found by the application (Istio)
 */
export function serviceAddresses(
  found: ReadonlyMap<string, MeshService>,
): ReadonlyMap<string, readonly string[]> {
  const inOrder = [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  const said = new Map(inOrder.map(([host, service]) => [host, saidAddresses(service)]));
  const taken = new Set([...said.values()].flat());
  const addresses = new Map<string, readonly string[]>();
  for (const [host, service] of inOrder) {
    const own = said.get(host) ?? [];
    const [families, pools] = wantedFrom(service);
    const all = families.flatMap((family) => {
      const known = own.filter((address) => familyOf(address) === family);
      if (known.length > 0) return known;
      const given = free(pools[family], host, taken);
      for (const address of given) taken.add(address);
      return given;
    });
    if (all.length > 0) addresses.set(host, all);
  }
  return addresses;
}

function saidAddresses({ spec, entry }: MeshService): readonly string[] {
  if (entry !== undefined) return entry.addresses.filter(isSingleAddress);
  const { type, clusterIP = '', clusterIPs = [clusterIP] } = spec;
  return type === 'ExternalName' ? [] : clusterIPs.filter(isSingleAddress);
}

/** Of which versions of IP it is to have addresses, and out of what those come that nobody has said. */
function wantedFrom(service: MeshService): readonly [readonly IpFamily[], Pools] {
  const { spec, entry } = service;
  if (entry === undefined) {
    const isNowhere = isHeadless(service) || spec.type === 'ExternalName';
    return [isNowhere ? [] : familiesOf(spec), forServices];
  }
  const said = new Set(entry.addresses.flatMap((address) => familyOf(address) ?? []));
  if (entry.addresses.length > 0) return [[...said], forEntries];
  const isFoundByCaller = entry.resolution === 'NONE' || isWildcardHost(entry.host);
  return [isFoundByCaller ? [] : ['IPv4', 'IPv6'], forEntries];
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
