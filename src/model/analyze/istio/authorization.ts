/** Policies for workloads or of callers that there are not (IST0127, 0101), and where keys are fetched (IST0175). */
import { selects } from '../../metadata.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asObjects, asText, asTexts, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';
import { containersOf, kubernetesGatewayLabel, selectorOf, type World } from '../world.ts';

const istioSecurity = 'security.istio.io';

export const authorizationAnalyzer: Analyzer = {
  name: 'authz.AuthorizationPoliciesAnalyzer',
  description: 'AuthorizationPolicies that select no workload, or name namespaces that do not exist',
  codes: ['IST0127', 'IST0101'],
  analyze: (world) =>
    world
      .of(istioSecurity, 'AuthorizationPolicy')
      .flatMap((policy) => [...workloadMessages(policy, world), ...namespaceMessages(policy, world)]),
};

/** Of the root namespace a policy is for all; without a selector, for its namespace. */
function workloadMessages(policy: AnalysisDocument, world: World): Message[] {
  const { namespace, spec } = policy;
  if (spec.targetRef !== undefined || spec.targetRefs !== undefined) return [];
  const selector = selectorOf(policy);
  const everywhere = namespace === world.rootNamespace;
  if (selector === undefined && everywhere) return [];
  if (world.selected(selector ?? {}, everywhere ? undefined : namespace).length > 0) return [];
  if (selector === undefined)
    return [message('IST0127', policy, ['metadata', 'name'], `there is no workload in ${namespace}`)];
  const text = `selects no workload ${everywhere ? 'of the mesh' : `of ${namespace}`}`;
  return [message('IST0127', policy, ['spec', 'selector'], text)];
}

function namespaceMessages(policy: AnalysisDocument, world: World): Message[] {
  const names = world.of('', 'Namespace').map(({ name }) => name);
  return asObjects(policy.spec.rules).flatMap((rule, r) =>
    asObjects(rule.from).flatMap((from, f) =>
      (['namespaces', 'notNamespaces'] as const).flatMap((field) =>
        asTexts(valueAt(from, 'source', field)).flatMap((pattern, index) => {
          if (names.some((name) => fits(pattern, name))) return [];
          const path = ['spec', 'rules', r, 'from', f, 'source', field, index];
          return [message('IST0101', policy, path, `no Namespace is called ${JSON.stringify(pattern)}`)];
        }),
      ),
    ),
  );
}

/** `*`, `prefix-*`, `*-suffix` or a name. */
function fits(pattern: string, name: string): boolean {
  if (pattern === '*') return true;
  if (pattern.startsWith('*')) return name.endsWith(pattern.slice(1));
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

export const jwksAnalyzer: Analyzer = {
  name: 'authn.BlockedCIDRsAnalyzer',
  description: 'RequestAuthentications whose keys an istiod fetches from wherever they say',
  codes: ['IST0175'],
  analyze(world) {
    const istiods = world.workloads.filter(({ labels }) => labels.app === 'istiod');
    const restricted = istiods.some((istiod) =>
      containersOf(istiod).some((container) =>
        asObjects(container.env).some(
          ({ name, value }) => name === 'BLOCKED_CIDRS_IN_JWKS_URIS' && asText(value) !== undefined,
        ),
      ),
    );
    if (istiods.length === 0 || restricted) return [];
    return world.of(istioSecurity, 'RequestAuthentication').flatMap((one) =>
      asObjects(one.spec.jwtRules).flatMap(({ jwksUri }, index) => {
        if (asText(jwksUri) === undefined) return [];
        const text = 'istiod fetches keys from any address, those of its own network among them';
        const fix = 'set BLOCKED_CIDRS_IN_JWKS_URIS for istiod';
        return [message('IST0175', one, ['spec', 'jwtRules', index, 'jwksUri'], text, fix)];
      }),
    );
  },
};

const selecting: readonly (readonly [group: string, kind: string])[] = [
  [istioSecurity, 'AuthorizationPolicy'],
  [istioSecurity, 'RequestAuthentication'],
  ['telemetry.istio.io', 'Telemetry'],
  ['extensions.istio.io', 'WasmPlugin'],
];

export const ineffectiveSelectorAnalyzer: Analyzer = {
  name: 'k8sgateway.SelectorAnalyzer',
  description: 'Selectors for gateways of the Gateway API, which go by targetRefs alone',
  codes: ['IST0166'],
  analyze: (world) =>
    selecting
      .flatMap(([group, kind]) => world.of(group, kind))
      .flatMap((policy) => {
        const selector = selectorOf(policy);
        if (selector === undefined || policy.spec.targetRefs !== undefined) return [];
        const inReach = policy.namespace === world.rootNamespace ? undefined : policy.namespace;
        const gateway = world
          .selected(selector, inReach)
          .find(({ labels }) => labels[kubernetesGatewayLabel] !== undefined && selects(selector, labels));
        if (gateway === undefined) return [];
        const name = gateway.labels[kubernetesGatewayLabel];
        const text = `selectors have no effect on the Gateway ${name} of the Gateway API`;
        return [message('IST0166', policy, ['spec', 'selector'], text, 'name it under targetRefs')];
      }),
};
