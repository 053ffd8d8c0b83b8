/** A mesh of many services as documents, for what is measured and for what must not depend on how many there are. */

export interface LargeMesh {
  readonly services: number;
  /** Instances of each. */
  readonly endpoints: number;
}

/** Namespaces that services are dealt out to. */
const NAMESPACES = 10;
/** Ports that services listen on, and so the names of the routes of a captured sidecar. */
const PORTS: readonly number[] = [80, 8080, 9080];
export const routeNames: readonly string[] = PORTS.map(String);

export interface Place {
  readonly name: string;
  readonly namespace: string;
  readonly port: number;
}

export function placeOf(service: number): Place {
  return {
    name: `shop-${String(service).padStart(5, '0')}`,
    namespace: `team-${service % NAMESPACES}`,
    port: PORTS[service % PORTS.length] ?? 80,
  };
}

/** Every second service has versions, with routes and rules for them; every fifth has limits alone. */
function hasVersions(service: number): boolean {
  return service % 2 === 0;
}

function hasRule(service: number): boolean {
  return hasVersions(service) || service % 5 === 0;
}

/** Services with routes of their own. */
export function routedServices({ services }: LargeMesh): number[] {
  return Array.from({ length: services }, (_, service) => service).filter(hasVersions);
}

/** How many resources of endpoints tell of one instance: the service's, and that of its version. */
export function assignmentsOf(service: number): number {
  return hasVersions(service) ? 2 : 1;
}

/** Service, Deployments, and what is said of their traffic. @param said in a header of each response */
export function manifestOf(service: number, said = 'first'): string {
  const { name, namespace, port } = placeOf(service);
  const documents = [
    `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  selector: { app: ${name} }
  ports:
    - { name: http, port: ${port}, targetPort: 8080 }`,
    ...(hasVersions(service) ? ['v1', 'v2'] : ['v1']).map(
      (version) => `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}-${version}, namespace: ${namespace} }
spec:
  replicas: 0
  selector: { matchLabels: { app: ${name}, version: ${version} } }
  template:
    metadata: { labels: { app: ${name}, version: ${version} } }
    spec:
      containers:
        - { name: app, image: shop/app, ports: [{ containerPort: 8080 }] }`,
    ),
    ...(hasRule(service) ? [ruleOf(service)] : []),
    ...(hasVersions(service) ? [routesOf(service, said)] : []),
  ];
  return `${documents.join('\n---\n')}\n`;
}

function ruleOf(service: number): string {
  const { name, namespace } = placeOf(service);
  const subsets = `
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }`;
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  host: ${name}
  trafficPolicy:
    connectionPool: { http: { http2MaxRequests: 1000 } }
    outlierDetection: { consecutive5xxErrors: 5, interval: 10s, baseEjectionTime: 30s }${hasVersions(service) ? subsets : ''}`;
}

function routesOf(service: number, said: string): string {
  const { name, namespace } = placeOf(service);
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  hosts: [${name}]
  http:
    - name: testers
      match:
        - headers: { end-user: { exact: tester } }
      route:
        - destination: { host: ${name}, subset: v2 }
    - name: api
      match:
        - uri: { prefix: /api/ }
      timeout: 3s
      retries: { attempts: 3, perTryTimeout: 1s, retryOn: 5xx }
      headers: { response: { set: { x-said: ${said} } } }
      route:
        - destination: { host: ${name}, subset: v1 }
          weight: 90
        - destination: { host: ${name}, subset: v2 }
          weight: 10
    - route:
        - destination: { host: ${name}, subset: v1 }`;
}

export function podName(service: number, instance: number): string {
  const version = hasVersions(service) && instance % 2 === 1 ? 'v2' : 'v1';
  return `${placeOf(service).name}-${version}-${instance}`;
}

/** @param address absent: one of 10.0.0.0/9, of no other instance */
export function podOf(service: number, instance: number, address?: string): object {
  const { name: app, namespace } = placeOf(service);
  const name = podName(service, instance);
  const version = name.includes('-v2-') ? 'v2' : 'v1';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app, version, 'security.istio.io/tlsMode': 'istio' } },
    spec: {
      serviceAccountName: app,
      containers: [{ name: 'app', image: 'shop/app', ports: [{ containerPort: 8080 }] }],
    },
    status: {
      podIP: address ?? addressOf(service, instance),
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

export function addressOf(service: number, instance: number): string {
  return `10.${service >> 8}.${service & 0xff}.${instance + 1}`;
}
