/** Documents for tests of the analysis, short enough to stand in a table. */

export const networking: string = 'networking.istio.io/v1';

export const document = (
  apiVersion: string,
  kind: string,
  name: string,
  rest: string,
  metadata = '',
): string => `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}${metadata}}\n${rest}\n`;
export const istio = (kind: string, name: string, spec: string, metadata = ''): string =>
  document(networking, kind, name, `spec: ${spec}`, metadata);
export const core = (kind: string, name: string, rest = '', metadata = ''): string =>
  document('v1', kind, name, rest, metadata);
export const set = (...documents: readonly string[]): string => documents.join('---\n');

export const reviews: string = core(
  'Service',
  'reviews',
  'spec: {selector: {app: reviews}, ports: [{name: http, port: 80}]}',
);
export const pod = (name: string, labels: string, spec = '{containers: [{name: a, image: b}]}'): string =>
  core('Pod', name, `spec: ${spec}`, `, labels: ${labels}`);
export const ingress: string = '{selector: {istio: ingressgateway}, servers: [SERVER]}';
export const gateway = (name: string, server: string): string =>
  istio('Gateway', name, ingress.replace('SERVER', server));
export const http = (host: string): string =>
  `{port: {number: 80, name: http, protocol: HTTP}, hosts: ["${host}"]}`;
export const https = (tls: string): string =>
  `{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, ${tls}}}`;
export const route = (destination: string): string =>
  `{hosts: [reviews], http: [{route: [{destination: ${destination}}]}]}`;
export const injector = (byDefault: boolean): string =>
  core(
    'ConfigMap',
    'istio-sidecar-injector',
    `data: {values: '{"sidecarInjectorWebhook":{"enableNamespacesByDefault":${byDefault}},"global":{"hub":"h","tag":"2","proxy":{"image":"p"}}}'}`,
    ', namespace: istio-system',
  );
export const injected: string = core('Namespace', 'default', '', ', labels: {istio-injection: enabled}');
export const entry = (name: string, spec: string): string =>
  istio('ServiceEntry', name, `{hosts: [a.com], resolution: DNS, ${spec}}`);
export const webhooks: string = 'admissionregistration.k8s.io/v1';
export const filter = (patch: string): string =>
  document('networking.istio.io/v1alpha3', 'EnvoyFilter', 'f', `spec: {configPatches: [${patch}]}`);
export const deployment = (spec: string, template = ''): string =>
  document(
    'apps/v1',
    'Deployment',
    'd',
    `spec: {selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}${template}}, spec: ${spec}}}`,
  );
export const containers: string = '{containers: [{name: a, image: b}]}';
export const twoServices = (first: string, second: string): string =>
  set(
    deployment(containers),
    core('Service', 'one', `spec: {selector: {app: d}, ports: [${first}]}`),
    core('Service', 'two', `spec: {selector: {app: d}, ports: [${second}]}`),
  );
export const authentication = (spec: string): string =>
  document('security.istio.io/v1', 'RequestAuthentication', 'r', `spec: ${spec}`);
export const telemetry = (name: string, spec: string): string =>
  document('telemetry.istio.io/v1', 'Telemetry', name, `spec: ${spec}`);
