/** Policies of one host that do not go together: rules that are joined, places without health, checks that cannot be made. */
import type { Problem } from '#core/problem.ts';
import type { DestinationRule } from '../destination-rule.ts';
import { keyOf } from '../kinds.ts';
import { portProtocol } from '../port-protocol.ts';
import type { ResiliencePolicy } from '../resilience-policy.ts';
import type { PortTrafficPolicy } from '../traffic-policy.ts';
import { finding } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

export function analyzeDestinationPolicies(surroundings: Surroundings): readonly Problem[] {
  const hostOf = ({ metadata, spec }: DestinationRule | ResiliencePolicy): string =>
    surroundings.fullName(spec.host, metadata.namespace ?? '');
  const bySelector = Map.groupBy(
    [...surroundings.destinationRules].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)),
    (rule) => {
      const { matchLabels } = rule.spec.workloadSelector ?? {};
      const selector = matchLabels && Object.entries(matchLabels).sort();
      return JSON.stringify([rule.metadata.namespace, hostOf(rule), selector]);
    },
  );
  return [
    ...[...bySelector.values()].flatMap(joinFindings),
    ...surroundings.destinationRules.flatMap((rule) => failoverFindings(rule, hostOf(rule), surroundings)),
    ...surroundings.resiliencePolicies.flatMap((policy) =>
      resilienceFindings(policy, hostOf(policy), surroundings),
    ),
  ];
}

/** @param rules of one host, in the order in which they are joined */
function joinFindings(rules: readonly DestinationRule[]): Problem[] {
  const subsets = new Map<string, DestinationRule>();
  let policy: DestinationRule | undefined;
  return rules.flatMap((rule) => {
    const found: Problem[] = [];
    if (rule.spec.trafficPolicy !== undefined) {
      if (policy !== undefined) {
        const message = `has no effect: ${keyOf(policy)} has one for the same host`;
        found.push(
          finding(
            'HED0018',
            'warning',
            rule,
            ['spec', 'trafficPolicy'],
            message,
            'write one rule for the host',
          ),
        );
      }
      policy ??= rule;
    }
    for (const [index, { name }] of rule.spec.subsets.entries()) {
      const first = subsets.get(name);
      if (first === undefined) subsets.set(name, rule);
      else if (first !== rule) {
        const message = `has no effect: ${keyOf(first)} has a subset "${name}" of the same host`;
        found.push(finding('HED0018', 'warning', rule, ['spec', 'subsets', index], message));
      }
    }
    return found;
  });
}

/** Nobody goes on to the next place where nobody finds out that the first one is ill. */
function failoverFindings(rule: DestinationRule, host: string, surroundings: Surroundings): Problem[] {
  const isChecked = surroundings.resiliencePolicies.some(
    ({ spec, metadata }) =>
      spec.healthCheck !== undefined && surroundings.fullName(spec.host, metadata.namespace ?? '') === host,
  );
  if (isChecked) return [];
  const { trafficPolicy, subsets } = rule.spec;
  const inherited = trafficPolicy?.outlierDetection;
  const places = [
    { policy: trafficPolicy, path: ['spec', 'trafficPolicy'], inherited: undefined },
    ...subsets.map(({ trafficPolicy: policy }, index) => ({
      policy,
      path: ['spec', 'subsets', index, 'trafficPolicy'],
      inherited,
    })),
  ];
  return places.flatMap(({ policy, path, inherited: detection }) => [
    ...failoverFinding(rule, policy, path, detection),
    ...(policy?.portLevelSettings ?? []).flatMap((settings, index) =>
      failoverFinding(rule, settings, [...path, 'portLevelSettings', index], undefined),
    ),
  ]);
}

function failoverFinding(
  rule: DestinationRule,
  policy: PortTrafficPolicy | undefined,
  path: readonly (string | number)[],
  inherited: unknown,
): Problem[] {
  const { failover = [], failoverPriority = [] } = policy?.loadBalancer?.localityLbSetting ?? {};
  if (failover.length + failoverPriority.length === 0) return [];
  if (policy?.outlierDetection !== undefined || inherited !== undefined) return [];
  const at = [...path, 'loadBalancer', 'localityLbSetting'];
  const message = 'has no effect: nobody finds out that an endpoint is ill, so all are used alike';
  return [
    finding(
      'HED0019',
      'warning',
      rule,
      at,
      message,
      'add outlierDetection, or a ResiliencePolicy with a healthCheck',
    ),
  ];
}

function resilienceFindings(policy: ResiliencePolicy, host: string, surroundings: Surroundings): Problem[] {
  const { ports, subsets, healthCheck } = policy.spec;
  const known = surroundings.portsOf(host);
  if (surroundings.isEmpty || policy.spec.host.startsWith('*')) return [];
  if (known === undefined) {
    const fix = surroundings.suggestHost(policy.spec.host, policy.metadata.namespace ?? '');
    const message = `the mesh has no service "${policy.spec.host}"`;
    return [finding('IST0101', 'warning', policy, ['spec', 'host'], message, fix)];
  }
  const names = surroundings.destinationRuleFor(host)?.spec.subsets.map(({ name }) => name) ?? [];
  const found = [
    ...ports.flatMap((port, index) =>
      known.includes(port)
        ? []
        : [
            finding(
              'IST0101',
              'warning',
              policy,
              ['spec', 'ports', index],
              `"${policy.spec.host}" has no port ${port}`,
            ),
          ],
    ),
    ...subsets.flatMap((name, index) =>
      names.includes(name)
        ? []
        : [
            finding(
              'IST0101',
              'warning',
              policy,
              ['spec', 'subsets', index],
              `no DestinationRule has a subset "${name}"`,
            ),
          ],
    ),
  ];
  if (healthCheck?.grpc === undefined) return found;
  const http1 = (surroundings.services.get(host)?.spec.ports ?? []).filter(
    (port) => (ports.length === 0 || ports.includes(port.port)) && !portProtocol(port).http2,
  );
  return [
    ...found,
    ...http1.map(({ port }) => {
      const message = `port ${port} is not checked: it is not known to speak gRPC or HTTP/2`;
      const fix = `call the port grpc, or give spec.ports`;
      return finding('HED0020', 'warning', policy, ['spec', 'healthCheck', 'grpc'], message, fix);
    }),
  ];
}
