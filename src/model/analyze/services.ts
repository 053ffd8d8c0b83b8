/** Services: protocols that are guessed, and selectors that select nothing. */
import type { Problem } from '#core/problem.ts';
import { selects } from '../metadata.ts';
import { portProtocol } from '../port-protocol.ts';
import type { Service } from '../service.ts';
import { labelsOfPods } from '../workload.ts';
import { finding } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

export function analyzeServices({ services, workloads }: Surroundings): readonly Problem[] {
  return [...services.values()].flatMap((service) => [
    ...portFindings(service),
    ...selectorFindings(service, workloads),
  ]);
}

function portFindings(service: Service): Problem[] {
  return service.spec.ports.flatMap((port, index) => {
    const path = ['spec', 'ports', index];
    const { known } = portProtocol(port);
    if (port.protocol !== 'TCP') {
      return [finding('warning', service, path, `${port.protocol} is not carried by the mesh`)];
    }
    if (!known) {
      const fix = 'name it "http", "tcp-…", or set appProtocol';
      const what = port.name === undefined ? 'has no name' : `is named "${port.name}"`;
      return [finding('warning', service, path, `the port ${what}, so its protocol is taken to be TCP`, fix)];
    }
    return [];
  });
}

function selectorFindings(service: Service, workloads: Surroundings['workloads']): Problem[] {
  const { selector } = service.spec;
  if (workloads.length === 0 || Object.keys(selector).length === 0) return [];
  const inReach = workloads.filter(({ metadata }) => metadata.namespace === service.metadata.namespace);
  if (inReach.some((workload) => selects(selector, labelsOfPods(workload)))) return [];
  return [finding('warning', service, ['spec', 'selector'], 'selects no workload')];
}
