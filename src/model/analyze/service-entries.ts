/** ServiceEntries: hosts that something else has already, protocols that are guessed, endpoints nobody reaches. */
import type { Problem } from '#core/problem.ts';
import type { DestinationRule } from '../destination-rule.ts';
import { coversHost } from '../host-name.ts';
import { keyOf } from '../kinds.ts';
import { selects } from '../metadata.ts';
import type { ServiceEntry } from '../service-entry.ts';
import { finding } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

export function analyzeServiceEntries(surroundings: Surroundings): readonly Problem[] {
  return [
    ...conflictFindings(surroundings),
    ...surroundings.entries.flatMap((entry) => [
      ...portFindings(entry),
      ...selectorFindings(entry, surroundings),
      ...endpointFindings(entry, surroundings),
      ...nameFindings(entry, surroundings),
    ]),
  ];
}

/** A host is of one document: a Service before all ServiceEntries, and of these the first by namespace and name. */
function conflictFindings({ entries, services }: Surroundings): Problem[] {
  const taken = new Map<string, ServiceEntry>();
  return entries
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    .flatMap((entry) =>
      entry.spec.hosts.flatMap((host, index) => {
        const lower = host.toLowerCase();
        const first = services.get(lower) ?? taken.get(lower);
        if (first === undefined) taken.set(lower, entry);
        if (first === undefined || first === entry) return [];
        const message = `"${host}" is what ${keyOf(first)} says, and nothing of this one`;
        return [finding('HED0003', 'warning', entry, ['spec', 'hosts', index], message, 'put both into one')];
      }),
    );
}

function portFindings(entry: ServiceEntry): Problem[] {
  if (entry.spec.ports.length === 0)
    return [
      finding(
        'HED0004',
        'warning',
        entry,
        ['spec'],
        'there are no ports, so nothing can be sent to the hosts',
      ),
    ];
  return entry.spec.ports.flatMap(({ number, protocol = '' }, index) =>
    protocol !== ''
      ? []
      : [
          finding(
            'HED0005',
            'info',
            entry,
            ['spec', 'ports', index],
            `the port ${number} has no protocol: the first bytes of each connection say whether it is HTTP`,
            'write protocol: HTTP, HTTPS, GRPC, TCP, …',
          ),
        ],
  );
}

function selectorFindings(entry: ServiceEntry, { instances }: Surroundings): Problem[] {
  const { workloadSelector: selector, location } = entry.spec;
  if (selector === undefined) return [];
  const path = ['spec', 'workloadSelector'];
  const problems: Problem[] = [];
  if (location === 'MESH_EXTERNAL') {
    const message = 'workloads of the mesh are called in plain text, as the location is MESH_EXTERNAL';
    problems.push(finding('HED0006', 'warning', entry, path, message, 'write location: MESH_INTERNAL'));
  }
  const inReach = instances.filter(({ namespace }) => namespace === entry.metadata.namespace);
  if (instances.length > 0 && !inReach.some(({ labels }) => selects(selector.labels, labels)))
    problems.push(finding('HED0007', 'warning', entry, path, 'selects no workload'));
  return problems;
}

/** What is looked up is looked up outside: services of the mesh have no address there. */
function endpointFindings(entry: ServiceEntry, { services }: Surroundings): Problem[] {
  return entry.spec.endpoints.flatMap(({ address = '' }, index) => {
    if (!services.has(address.toLowerCase())) return [];
    const message = `"${address}" is a service of the mesh, which has no endpoints outside of it`;
    const fix = 'send there by the route of a VirtualService';
    return [finding('HED0008', 'warning', entry, ['spec', 'endpoints', index, 'address'], message, fix)];
  });
}

/** Names are compared where the proxy begins TLS, and it does so where a DestinationRule says it. */
function nameFindings(entry: ServiceEntry, { destinationRules }: Surroundings): Problem[] {
  const { subjectAltNames, location, hosts } = entry.spec;
  if (subjectAltNames.length === 0 || location === 'MESH_INTERNAL') return [];
  const begun = destinationRules.filter(beginsTls).map(({ spec }) => spec.host);
  if (hosts.some((host) => begun.some((wide) => coversHost(wide, host)))) return [];
  const message = 'no certificate is looked at: the application speaks TLS by itself, or nobody does';
  const fix = 'a DestinationRule with tls for the host makes the sidecar do it';
  return [finding('HED0009', 'warning', entry, ['spec', 'subjectAltNames'], message, fix)];
}

function beginsTls({ spec: { trafficPolicy, subsets } }: DestinationRule): boolean {
  const policies = [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)];
  return policies.some(
    (policy) =>
      policy?.tls !== undefined || policy?.portLevelSettings?.some(({ tls }) => tls !== undefined) === true,
  );
}
