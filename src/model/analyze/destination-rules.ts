/** DestinationRules: hosts that do not exist, subsets without instances. */
import type { Problem } from '#core/problem.ts';
import type { DestinationRule } from '../destination-rule.ts';
import { selects } from '../metadata.ts';
import { finding } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

export function analyzeDestinationRules(surroundings: Surroundings): readonly Problem[] {
  return surroundings.destinationRules.flatMap((rule) => [
    ...hostFindings(rule, surroundings),
    ...subsetFindings(rule, surroundings),
  ]);
}

function hostFindings(rule: DestinationRule, surroundings: Surroundings): Problem[] {
  const { host } = rule.spec;
  const namespace = rule.metadata.namespace ?? '';
  if (surroundings.isEmpty || host.startsWith('*')) return [];
  if (surroundings.portsOf(surroundings.fullName(host, namespace)) !== undefined) return [];
  const fix = surroundings.suggestHost(host, namespace);
  return [finding('IST0174', 'warning', rule, ['spec', 'host'], `the mesh has no service "${host}"`, fix)];
}

function subsetFindings(rule: DestinationRule, surroundings: Surroundings): Problem[] {
  const service = surroundings.services.get(
    surroundings.fullName(rule.spec.host, rule.metadata.namespace ?? ''),
  );
  if (service === undefined || surroundings.instances.length === 0) return [];
  const instances = surroundings
    .instancesIn(service.metadata.namespace)
    .filter(({ labels }) => selects(service.spec.selector, labels));
  if (instances.length === 0) return [];
  return rule.spec.subsets.flatMap((subset, index) =>
    instances.some(({ labels }) => selects(subset.labels, labels))
      ? []
      : [
          finding(
            'IST0173',
            'info',
            rule,
            ['spec', 'subsets', index],
            `no workload is in the subset "${subset.name}"`,
          ),
        ],
  );
}
