import type { ServicePort } from '#model/service.ts';
import type { WorkloadEntrySpec } from '#model/workload-entry.ts';

/** The port of an endpoint that a ServiceEntry names, which may have each port elsewhere. */
export function endpointPortOf({ ports }: Pick<WorkloadEntrySpec, 'ports'>, port: ServicePort): number {
  const target = typeof port.targetPort === 'number' ? port.targetPort : port.port;
  return (port.name === undefined ? undefined : ports[port.name]) ?? target;
}
