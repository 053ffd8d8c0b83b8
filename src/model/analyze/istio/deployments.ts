/** Workloads behind several Services (IST0116, 0137), and those that run as the proxy does (IST0144). */
import { selects } from '../../metadata.ts';
import { portProtocol } from '../../port-protocol.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asLabels, asNumber, asObjects, asText, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';
import type { Workload, World } from '../world.ts';

interface Exposed {
  readonly service: string;
  readonly port: number;
  /** Number or name of the container's port. */
  readonly target: string;
  readonly protocol: string;
}

export const serviceAssociationAnalyzer: Analyzer = {
  name: 'deployment.ServiceAssociationAnalyzer',
  description: 'Deployments behind several Services that differ in what a port is',
  codes: ['IST0116', 'IST0137'],
  analyze: (world) =>
    world.workloads
      .filter(({ document }) => document.kind === 'Deployment')
      .flatMap((workload) => associationMessages(workload, world)),
};

function associationMessages({ document, labels, namespace }: Workload, world: World): Message[] {
  const exposed = world
    .servicesIn(namespace)
    .filter(({ spec }) => {
      const selector = asLabels(spec.selector);
      return Object.keys(selector).length > 0 && selects(selector, labels);
    })
    .flatMap(portsOf);
  const path = ['spec', 'template', 'metadata', 'labels'];
  return [
    ...[...Map.groupBy(exposed, ({ port }) => port)].flatMap(([port, same]) => {
      const protocols = new Set(same.map(({ protocol }) => protocol));
      if (protocols.size < 2) return [];
      const text = `the Services ${names(same)} take port ${port} to be ${[...protocols].join(' and ')}`;
      return [message('IST0116', document, path, text)];
    }),
    ...[...Map.groupBy(exposed, ({ target }) => target)].flatMap(([target, same]) => {
      const ports = new Set(same.map(({ port }) => port));
      if (ports.size < 2 || new Set(same.map(({ service }) => service)).size < 2) return [];
      const text = `the Services ${names(same)} lead different ports, ${[...ports].join(' and ')}, to ${target}`;
      return [message('IST0137', document, path, text)];
    }),
  ];
}

function names(exposed: readonly Exposed[]): string {
  return [...new Set(exposed.map(({ service }) => service))].join(' and ');
}

function portsOf({ name: service, spec }: AnalysisDocument): Exposed[] {
  return asObjects(spec.ports).flatMap((written) => {
    const port = asNumber(written.port);
    if (port === undefined) return [];
    const name = asText(written.name);
    const appProtocol = asText(written.appProtocol);
    const { protocol } = portProtocol({
      port,
      ...(name !== undefined && { name }),
      ...(appProtocol !== undefined && { appProtocol }),
    });
    return [{ service, port, protocol, target: String(written.targetPort ?? port) }];
  });
}

/** User of Istio's proxy, whose connections are not captured. */
const PROXY_USER = 1337;

export const applicationUidAnalyzer: Analyzer = {
  name: 'deployment.ApplicationUIDAnalyzer',
  description: "Workloads that run as the proxy's user, past which their connections go",
  codes: ['IST0144'],
  analyze: (world) =>
    world.workloads.flatMap(({ document, spec, path }): Message[] => {
      const found = ['containers', 'initContainers']
        .flatMap((field) => asObjects(spec[field]).map((container, index) => ({ container, field, index })))
        .filter(({ container }) => container.name !== 'istio-proxy')
        .find(({ container }) => valueAt(container, 'securityContext', 'runAsUser') === PROXY_USER);
      const inPod = valueAt(spec, 'securityContext', 'runAsUser') === PROXY_USER;
      if (found === undefined && !inPod) return [];
      const place = inPod || found === undefined ? [] : [found.field, found.index];
      const text = `the user ${PROXY_USER} is the proxy's: what it sends goes past the mesh`;
      const at = [...path, ...place, 'securityContext', 'runAsUser'];
      return [message('IST0144', document, at, text, 'take another user')];
    }),
};
