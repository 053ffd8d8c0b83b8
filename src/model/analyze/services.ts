/** Services: protocols that are found out, and selectors that select nothing. */
import type { Problem } from '#core/problem.ts';
import { selects } from '../metadata.ts';
import { portProtocol } from '../port-protocol.ts';
import type { Service } from '../service.ts';
import { finding } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

export function analyzeServices(surroundings: Surroundings): readonly Problem[] {
  return [...surroundings.services.values()].flatMap((service) => [
    ...portFindings(service),
    ...selectorFindings(service, surroundings),
  ]);
}

function portFindings(service: Service): Problem[] {
  return service.spec.ports.flatMap((port, index) => {
    const path = ['spec', 'ports', index];
    if (port.protocol !== 'TCP') {
      return [finding('HED0010', 'warning', service, path, `${port.protocol} is not carried by the mesh`)];
    }
    if (portProtocol(port).carriedAs !== 'AUTO') return [];
    const fix = 'name it "http", "tcp-…", or set appProtocol';
    const what = port.name === undefined ? 'has no name' : `is named "${port.name}"`;
    const how = 'the first bytes of each connection say whether it is HTTP';
    return [finding('IST0118', 'info', service, path, `the port ${what}: ${how}`, fix)];
  });
}

function selectorFindings(service: Service, surroundings: Surroundings): Problem[] {
  const { selector } = service.spec;
  if (surroundings.instances.length === 0 || Object.keys(selector).length === 0) return [];
  const inReach = surroundings.instancesIn(service.metadata.namespace);
  if (inReach.some(({ labels }) => selects(selector, labels))) return [];
  return [finding('HED0007', 'warning', service, ['spec', 'selector'], 'selects no workload')];
}
