/** Nodes that golden cases name instead of writing them, each with the Deployment whose Pod it is. */
import type { JsonValue } from '@bufbuild/protobuf';

export interface CaseNode {
  readonly id: string;
  readonly userAgentName: string;
  readonly metadata: Record<string, JsonValue>;
}

interface NamedNode {
  readonly node: CaseNode;
  /** Documents of YAML. */
  readonly workload: string;
}

const caller = workload('caller', 'default', 'app: caller');
const gateway = workload('gateway', 'istio-system', 'istio: ingressgateway');
const callerId = 'sidecar~127.9.1.1~caller-0.default~default.svc.cluster.local';

/** Beside the Pod `caller-0` of `default`, whose label is `app: caller` and whose container has the port 8080; or a gateway. */
const nodes: Readonly<Record<string, NamedNode>> = {
  captured: sidecar({ INTERCEPTION_MODE: 'REDIRECT' }),
  tproxy: sidecar({ INTERCEPTION_MODE: 'TPROXY' }),
  uncaptured: sidecar({ INTERCEPTION_MODE: 'NONE' }),
  grpc: sidecar({ INTERCEPTION_MODE: 'NONE', GENERATOR: 'grpc' }),
  gateway: {
    node: {
      id: 'router~127.9.1.1~gateway-0.istio-system~istio-system.svc.cluster.local',
      userAgentName: 'envoy',
      metadata: { INTERCEPTION_MODE: 'NONE' },
    },
    workload: gateway,
  },
};

/** @throws RangeError if there is none of that name */
export function namedNode(name: string): NamedNode {
  const found = nodes[name];
  if (found === undefined)
    throw new RangeError(`no node ${JSON.stringify(name)}: ${Object.keys(nodes).join(', ')}`);
  return found;
}

function sidecar(metadata: CaseNode['metadata']): NamedNode {
  return { node: { id: callerId, userAgentName: 'envoy', metadata }, workload: caller };
}

function workload(name: string, namespace: string, label: string): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  selector: {matchLabels: {${label}}}
  template:
    metadata: {labels: {${label}}}
    spec: {serviceAccountName: ${name}, containers: [{name: app, image: none, ports: [{containerPort: 8080}]}]}
`;
}
