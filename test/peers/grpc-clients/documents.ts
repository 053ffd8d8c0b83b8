/** Services of gRPC outside the mesh, which need nothing but a control plane to be called. */
export interface Place {
  readonly port: number;
  readonly version: string;
  readonly locality?: string;
  readonly address?: string;
}

/** A ServiceEntry at port 7070, and a DestinationRule with a subset of each version. @param policy of all, as YAML */
export function service(host: string, places: readonly Place[], policy = '{}'): string {
  const endpoints = places.map(
    ({ address = '127.0.0.1', port, version, locality }) =>
      `{address: ${address}, ports: {grpc: ${port}}, labels: {version: ${version}}${locality === undefined ? '' : `, locality: ${locality}`}}`,
  );
  const versions = [...new Set(places.map(({ version }) => version))];
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${host}}
spec:
  hosts: [${host}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{name: grpc, number: 7070, protocol: GRPC}]
  endpoints: [${endpoints.join(', ')}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host}}
spec:
  host: ${host}
  ${policy === '{}' ? '' : `trafficPolicy: ${policy}`}
  subsets: [${versions.map((version) => `{name: ${version}, labels: {version: ${version}}}`).join(', ')}]
---
`;
}

/** @param http its routes, as YAML */
export function routes(host: string, http: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}}
spec:
  hosts: [${host}]
  http: ${http}
---
`;
}

/** As YAML: `{destination: ...}` of a subset. */
export function to(host: string, subset: string, weight?: number): string {
  return `{destination: {host: ${host}, subset: ${subset}}${weight === undefined ? '' : `, weight: ${weight}`}}`;
}
