/**
 * The addresses of services: what a manifest says (`clusterIP`), and where it says nothing one of our own, which
 * nobody listens on: sidecars take what is sent there. The same services have the same addresses after every start,
 * and whoever asks: of two that come to the same one the first by name has it.
 */
import { fnv1a } from '#core/fnv1a.ts';
import { formatIp, parseIp } from '#core/ip-address.ts';
import { isHeadless, type Service } from '#model/service.ts';

/** Kubernetes' usual range of service addresses, 10.96.0.0/16. */
const NETWORK: readonly [number, number] = [10, 96];
/** The first ones are well known: 10.96.0.1 is the API server, 10.96.0.10 the DNS. */
const FIRST = 16;
const COUNT = 65_535 - FIRST;

/** What `resolv.conf` of a Pod names; the sidecar answers. */
export const DNS_SERVICE_ADDRESS = '10.96.0.10';

/**
 * @param services by full host name
 * @returns the address of each that has one: headless ones and names of something elsewhere have none
 */
export function serviceAddresses(services: ReadonlyMap<string, Service>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const taken = new Set<string>();
  const inOrder = [...services].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [host, { spec }] of inOrder) {
    const said = spec.clusterIP ?? '';
    if (spec.type === 'ExternalName' || said === '' || parseIp(said) === undefined) continue;
    found.set(host, said);
    taken.add(said);
  }
  for (const [host, { spec }] of inOrder) {
    if (found.has(host) || isHeadless({ spec }) || spec.type === 'ExternalName') continue;
    const address = free(host, taken);
    if (address === undefined) continue;
    found.set(host, address);
    taken.add(address);
  }
  return found;
}

/** The one that the name is hashed to, or the next that nobody has; undefined where all are taken. */
function free(host: string, taken: ReadonlySet<string>): string | undefined {
  const preferred = fnv1a(host) % COUNT;
  for (let i = 0; i < COUNT; i++) {
    const at = FIRST + ((preferred + i) % COUNT);
    const address = formatIp([...NETWORK, at >>> 8, at & 0xff]);
    if (!taken.has(address)) return address;
  }
  return undefined;
}
