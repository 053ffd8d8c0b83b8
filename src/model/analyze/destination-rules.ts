/** DestinationRules: hosts that do not exist, subsets without pods. */
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
  if (surroundings.services.size === 0 || host.startsWith('*')) return [];
  if (surroundings.services.has(surroundings.fullName(host, namespace))) return [];
  const fix = surroundings.suggestHost(host, namespace);
  return [finding('warning', rule, ['spec', 'host'], `the mesh has no service "${host}"`, fix)];
}

function subsetFindings(rule: DestinationRule, surroundings: Surroundings): Problem[] {
  const service = surroundings.services.get(
    surroundings.fullName(rule.spec.host, rule.metadata.namespace ?? ''),
  );
  if (service === undefined || surroundings.workloads.length === 0) return [];
  const pods = surroundings.workloads
    .filter(({ metadata }) => metadata.namespace === service.metadata.namespace)
    .map(({ spec }) => spec.template.metadata.labels)
    .filter((labels) => selects(service.spec.selector, labels));
  if (pods.length === 0) return [];
  return rule.spec.subsets.flatMap((subset, index) =>
    pods.some((labels) => selects(subset.labels, labels))
      ? []
      : [finding('info', rule, ['spec', 'subsets', index], `no workload is in the subset "${subset.name}"`)],
  );
}
