/** Entries and groups: what would be known and yet never called. */
import { parseIp } from '#core/ip-address.ts';
import type { Problem } from '#core/problem.ts';
import { selects } from '../metadata.ts';
import { labelsOfEntry, type WorkloadEntry } from '../workload-entry.ts';
import { finding } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

export function analyzeWorkloadEntries({ workloadEntries, services }: Surroundings): readonly Problem[] {
  return workloadEntries.flatMap((entry) => {
    const labels = labelsOfEntry(entry);
    const service = [...services.values()].find(
      ({ metadata, spec }) =>
        metadata.namespace === entry.metadata.namespace &&
        Object.keys(spec.selector).length > 0 &&
        selects(spec.selector, labels),
    );
    return [
      ...(service === undefined ? [] : addressFindings(entry, service.metadata.name)),
      ...tlsFindings(entry),
    ];
  });
}

function addressFindings(entry: WorkloadEntry, service: string): Problem[] {
  const { address } = entry.spec;
  if (address !== undefined && parseIp(address) !== undefined) return [];
  const what = address === undefined ? 'it has no address' : `${address} is no IP address`;
  const message = `${what}, so it is no endpoint of the Service ${service}`;
  return [finding('HED0012', 'warning', entry, ['spec', 'address'], message)];
}

function tlsFindings(entry: WorkloadEntry): Problem[] {
  const { 'security.istio.io/tlsMode': mode } = labelsOfEntry(entry);
  if (mode !== 'istio' || entry.spec.serviceAccount !== undefined) return [];
  const message = 'is needed where the label security.istio.io/tlsMode is istio: callers accept nobody else';
  return [finding('HED0013', 'warning', entry, ['spec', 'serviceAccount'], message)];
}
