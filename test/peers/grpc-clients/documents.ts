/** Services of gRPC outside the mesh, which need nothing but a control plane to be called. */
export interface Place {
  readonly port: number;
  readonly version: string;
  readonly locality?: string;
}

interface ServiceOptions {
  /** `trafficPolicy` of all, as YAML. */
  readonly policy?: string;
  /** Of the port; `GRPC`. */
  readonly protocol?: string;
}

/** A ServiceEntry at port 7070, and a DestinationRule with a subset of each version. */
export function service(
  host: string,
  places: readonly Place[],
  { policy, protocol = 'GRPC' }: ServiceOptions = {},
): string {
  const endpoints = places.map(({ port, version, locality }) => {
    const place = locality === undefined ? '' : `, locality: ${locality}`;
    return `{address: 127.0.0.1, ports: {grpc: ${port}}, labels: {version: ${version}}${place}}`;
  });
  const versions = [...new Set(places.map(({ version }) => version))];
  const subsets = versions.map((version) => `{name: ${version}, labels: {version: ${version}}}`);
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${host}}
spec:
  hosts: [${host}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{name: grpc, number: 7070, protocol: ${protocol}}]
  endpoints: [${endpoints.join(', ')}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host}}
spec:
  host: ${host}
  ${policy === undefined ? '' : `trafficPolicy: ${policy}`}
  subsets: [${subsets.join(', ')}]
---
`;
}

/** A VirtualService. @param spec what it has beside `hosts`, as YAML; @param more of its metadata */
export function virtualService(host: string, spec: string, more = ''): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}${more}}
spec:
  hosts: [${host}]
  ${spec}
---
`;
}

/** @param routes of `http`, each as YAML; the last takes everything to v1 */
export function routes(host: string, ...written: readonly string[]): string {
  return virtualService(host, `http: [${[...written, `{route: [${to(host, 'v1')}]}`].join(', ')}]`);
}

/** As YAML: `{destination: ...}` of a subset. */
export function to(host: string, subset: string, weight?: number): string {
  return `{destination: {host: ${host}, subset: ${subset}}${weight === undefined ? '' : `, weight: ${weight}`}}`;
}
