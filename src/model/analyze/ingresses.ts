/** Ingresses: backends that are not there, and those that nobody serves. */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Problem } from '#core/problem.ts';
import type { Path } from '../decode/decoder.ts';
import { type Ingress, type IngressBackend, ingressClassOf, isServed } from '../ingress.ts';
import { finding } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

export function analyzeIngresses(surroundings: Surroundings): readonly Problem[] {
  return surroundings.ingresses.flatMap((ingress) => {
    if (ingressClassOf(ingress) === undefined) {
      const fix = 'write ingressClassName: istio';
      return [
        finding('HED0017', 'info', ingress, ['spec'], 'no class says who serves it, so nobody does', fix),
      ];
    }
    if (!isServed(ingress)) return [];
    return backendsOf(ingress).flatMap(({ backend, path }) =>
      backendFindings(ingress, backend, path, surroundings),
    );
  });
}

interface BackendPlace {
  readonly backend: IngressBackend;
  readonly path: Path;
}

function backendsOf({ spec }: Ingress): readonly BackendPlace[] {
  const { defaultBackend, rules } = spec;
  const ofRules = rules.flatMap(({ http }, i) =>
    (http?.paths ?? []).map(({ backend }, k) => ({
      backend,
      path: ['spec', 'rules', i, 'http', 'paths', k, 'backend'],
    })),
  );
  if (defaultBackend === undefined) return ofRules;
  return [...ofRules, { backend: defaultBackend, path: ['spec', 'defaultBackend'] }];
}

function backendFindings(
  ingress: Ingress,
  { service: { name, port } }: IngressBackend,
  path: Path,
  { services, isEmpty }: Surroundings,
): readonly Problem[] {
  if (isEmpty) return [];
  const { namespace } = ingress.metadata;
  const here = [...services.values()].filter(({ metadata }) => metadata.namespace === namespace);
  const service = here.find(({ metadata }) => metadata.name === name);
  if (service === undefined) {
    const fix = didYouMean(
      name,
      here.map(({ metadata }) => metadata.name),
    );
    const message = `there is no Service ${name} in ${namespace}, so nothing is led there`;
    return [finding('IST0101', 'warning', ingress, [...path, 'service', 'name'], message, fix)];
  }
  const { ports } = service.spec;
  const isThere = ports.some((one) =>
    port.name === undefined ? one.port === port.number : one.name === port.name,
  );
  if (isThere) return [];
  const asked = port.name === undefined ? port.number : JSON.stringify(port.name);
  const fix = `it has ${ports.map((one) => `${one.port}${one.name === undefined ? '' : ` ("${one.name}")`}`).join(', ')}`;
  return [
    finding(
      'IST0101',
      'warning',
      ingress,
      [...path, 'service', 'port'],
      `the Service ${name} has no port ${asked}`,
      fix,
    ),
  ];
}
