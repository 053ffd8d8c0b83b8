/** The smallest mesh worth the name, in a folder of its own: an application that says who it is. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SmallMesh {
  readonly folder: string;
  readonly manifest: string;
  /** Writes `mesh.yaml` anew: whole, as an editor that replaces the file. */
  write(change?: MeshChange): void;
}

export interface MeshChange {
  readonly replicas?: number;
  /** An environment variable of the application, which its answers show. */
  readonly greeting?: string;
  readonly sidecar?: 'heddle' | 'none';
  /** Put before everything else, to break it or add to it. */
  readonly more?: string;
}

const application = `
import http from 'node:http';
const { HOSTNAME, HOST, PORT, GREETING } = process.env;
const server = http.createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ pod: HOSTNAME, pid: process.pid, greeting: GREETING, path: request.url, headers: request.headers }));
});
server.listen(Number(PORT), HOST, () => console.log('echo listens on', HOST, PORT));
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeIdleConnections(); });
`;

export function smallMesh(parent: string, change: MeshChange = {}): SmallMesh {
  const folder = join(parent, 'echo-mesh');
  const manifest = join(folder, 'mesh.yaml');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'echo.mjs'), application);
  const mesh: SmallMesh = {
    folder,
    manifest,
    write: (next = {}) => writeFileSync(manifest, yaml(next)),
  };
  mesh.write(change);
  return mesh;
}

function yaml({ replicas = 2, greeting = 'hello', sidecar = 'heddle', more = '' }: MeshChange): string {
  return `${more}
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: echo-mesh}
images:
  example.com/echo:1: {command: [node, echo.mjs]}
workloads:
  echo-v1: {sidecar: ${sidecar}}
---
${workload({
  name: 'echo',
  deployment: 'echo-v1',
  replicas,
  container: `image: example.com/echo:1
env: [{name: GREETING, value: ${greeting}}]
ports: [{containerPort: 9080}]`,
})}${ingressTo('echo', 'retries: {attempts: 3, retryOn: "connect-failure,refused-stream,unavailable,reset"}')}`;
}

export interface Workload {
  /** Of the Service, the account and the container. */
  readonly name: string;
  /** Its name; absent: the same. */
  readonly deployment?: string;
  readonly replicas?: number;
  /** Of the Service, as YAML; absent: HTTP at 9080. */
  readonly ports?: string;
  /** Of the Service: it has an address of IPv6 too. */
  readonly dualStack?: boolean;
  /** Of the Pods, as YAML. */
  readonly annotations?: string;
  /** What the one container is, as lines of YAML. */
  readonly container: string;
}

/** Documents of a Service and of the Deployment behind it, with an account of its own; each ends with `---`. */
export function workload({
  name,
  deployment = name,
  replicas = 1,
  ports = '[{name: http, port: 9080}]',
  dualStack = false,
  annotations = '{}',
  container,
}: Workload): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  selector: {app: ${name}}
  ports: ${ports}
  ipFamilyPolicy: ${dualStack ? 'PreferDualStack' : 'SingleStack'}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ${name}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${deployment}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}, version: v1}, annotations: ${annotations}}
    spec:
      serviceAccountName: ${name}
      containers:
      - name: ${name}
${container.replaceAll(/^(?=.)/gm, '        ')}
---
`;
}

/** Documents by which the ingress gateway sends all requests to a service. @param more of the route */
export function ingressTo(host: string, more = ''): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: all}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all}
spec:
  hosts: ["*"]
  gateways: [all]
  http:
  - route: [{destination: {host: ${host}}}]
    ${more}
`;
}
