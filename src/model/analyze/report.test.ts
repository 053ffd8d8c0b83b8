/** What is said of small sets of documents: at least one for each code. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseText } from '../load.ts';
import { analysisCodes, type Code } from './codes.ts';
import { type AnalysisOptions, analyzeTexts } from './report.ts';
import { parseSuppression } from './suppression.ts';

/** `code resource path` of what is found of `codes`. */
function found(text: string, codes: readonly Code[], options: AnalysisOptions = {}): string[] {
  return analyzeTexts([parseText({ file: 'a.yaml', text })], options)
    .findings.filter(({ code }) => codes.includes(code))
    .map(({ code, resource, path }) => [code, resource, path].filter((part) => part !== undefined).join(' '));
}

const networking = 'networking.istio.io/v1';

const document = (apiVersion: string, kind: string, name: string, rest: string, metadata = ''): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}${metadata}}\n${rest}\n`;
const istio = (kind: string, name: string, spec: string, metadata = ''): string =>
  document(networking, kind, name, `spec: ${spec}`, metadata);
const core = (kind: string, name: string, rest = '', metadata = ''): string =>
  document('v1', kind, name, rest, metadata);
const set = (...documents: readonly string[]): string => documents.join('---\n');

const reviews = core(
  'Service',
  'reviews',
  'spec: {selector: {app: reviews}, ports: [{name: http, port: 80}]}',
);
const pod = (name: string, labels: string, spec = '{containers: [{name: a, image: b}]}'): string =>
  core('Pod', name, `spec: ${spec}`, `, labels: ${labels}`);
const ingress = '{selector: {istio: ingressgateway}, servers: [SERVER]}';
const gateway = (name: string, server: string): string =>
  istio('Gateway', name, ingress.replace('SERVER', server));
const http = (host: string): string => `{port: {number: 80, name: http, protocol: HTTP}, hosts: ["${host}"]}`;
const https = (tls: string): string =>
  `{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, ${tls}}}`;
const route = (destination: string): string =>
  `{hosts: [reviews], http: [{route: [{destination: ${destination}}]}]}`;
const injector = (byDefault: boolean): string =>
  core(
    'ConfigMap',
    'istio-sidecar-injector',
    `data: {values: '{"sidecarInjectorWebhook":{"enableNamespacesByDefault":${byDefault}},"global":{"hub":"h","tag":"2","proxy":{"image":"p"}}}'}`,
    ', namespace: istio-system',
  );
const injected = core('Namespace', 'default', '', ', labels: {istio-injection: enabled}');
const entry = (name: string, spec: string): string =>
  istio('ServiceEntry', name, `{hosts: [a.com], resolution: DNS, ${spec}}`);
const webhooks = 'admissionregistration.k8s.io/v1';
const filter = (patch: string): string =>
  document('networking.istio.io/v1alpha3', 'EnvoyFilter', 'f', `spec: {configPatches: [${patch}]}`);
const deployment = (spec: string, template = ''): string =>
  document(
    'apps/v1',
    'Deployment',
    'd',
    `spec: {selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}${template}}, spec: ${spec}}}`,
  );
const containers = '{containers: [{name: a, image: b}]}';
const twoServices = (first: string, second: string): string =>
  set(
    deployment(containers),
    core('Service', 'one', `spec: {selector: {app: d}, ports: [${first}]}`),
    core('Service', 'two', `spec: {selector: {app: d}, ports: [${second}]}`),
  );
const authentication = (spec: string): string =>
  document('security.istio.io/v1', 'RequestAuthentication', 'r', `spec: ${spec}`);
const telemetry = (name: string, spec: string): string =>
  document('telemetry.istio.io/v1', 'Telemetry', name, `spec: ${spec}`);

const cases: readonly [why: string, codes: readonly Code[], text: string, found: readonly string[]][] = [
  [
    'fields with a successor',
    ['IST0002'],
    set(
      istio('VirtualService', 'a', '{hosts: [a], http: [{mirrorPercent: 5, fault: {delay: {percent: 1}}}]}'),
      istio('DestinationRule', 'b', '{host: b, trafficPolicy: {loadBalancer: {simple: LEAST_CONN}}}'),
    ),
    [
      'IST0002 VirtualService default/a spec.http[0].mirrorPercent',
      'IST0002 VirtualService default/a spec.http[0].fault.delay.percent',
      'IST0002 DestinationRule default/b spec.trafficPolicy.loadBalancer.simple',
    ],
  ],
  [
    'a host, a port, a subset and a gateway that are not there',
    ['IST0101'],
    set(
      reviews,
      istio('VirtualService', 'a', route('{host: revews}')),
      istio('VirtualService', 'b', route('{host: reviews, port: {number: 81}, subset: v1}')),
      istio('VirtualService', 'c', '{hosts: [c.com], gateways: [edge], http: []}'),
    ),
    [
      'IST0101 VirtualService default/a spec.http[0].route[0].destination.host',
      'IST0101 VirtualService default/b spec.http[0].route[0].destination.port',
      'IST0101 VirtualService default/b spec.http[0].route[0].destination.subset',
      'IST0101 VirtualService default/c spec.gateways[0]',
    ],
  ],
  [
    'mirrors and routes of TCP count too, and a wildcard of a ServiceEntry',
    ['IST0101'],
    set(
      reviews,
      istio('ServiceEntry', 'e', '{hosts: ["*.b.com"], ports: [{number: 1, name: tcp, protocol: TCP}]}'),
      istio('VirtualService', 'a', '{hosts: [a], tcp: [{route: [{destination: {host: x}}]}]}'),
      istio(
        'VirtualService',
        'b',
        '{hosts: [b], http: [{mirrors: [{destination: {host: y}}, {destination: {host: a.b.com}}]}]}',
      ),
    ),
    [
      'IST0101 VirtualService default/a spec.tcp[0].route[0].destination.host',
      'IST0101 VirtualService default/b spec.http[0].mirrors[0].destination.host',
    ],
  ],
  [
    'a namespace without injection, where the injector is known',
    ['IST0102'],
    set(injector(false), core('Namespace', 'a'), injected),
    ['IST0102 Namespace a metadata.labels'],
  ],
  ['no injector, no namespace without injection', ['IST0102', 'IST0148'], core('Namespace', 'a'), []],
  [
    'injection by default',
    ['IST0148'],
    set(injector(true), core('Namespace', 'a')),
    ['IST0148 Namespace a metadata.labels'],
  ],
  [
    'a Pod without a sidecar, and one that wants none',
    ['IST0103'],
    set(injected, pod('a', '{app: a}'), pod('b', '{sidecar.istio.io/inject: "false"}')),
    ['IST0103 Pod default/a spec.containers'],
  ],
  [
    'an unknown field',
    ['IST0106'],
    istio('Gateway', 'a', '{server: []}'),
    ['IST0106 Gateway default/a spec.servers', 'IST0106 Gateway default/a spec.server'],
  ],
  ['text that is no YAML', ['IST0106'], 'a: [', ['IST0106']],
  [
    'annotations',
    ['IST0107', 'IST0108', 'IST0125', 'IST0135'],
    set(
      core(
        'Service',
        's',
        'spec: {}',
        ', annotations: {sidecar.istio.io/logLevel: debug, networking.istio.io/exportTwo: x}',
      ),
      deployment(
        containers,
        ', annotations: {status.sidecar.istio.io/port: x, sidecar.istio.io/inject: "true"}',
      ),
    ),
    [
      'IST0107 Service default/s metadata.annotations["sidecar.istio.io/logLevel"]',
      'IST0108 Service default/s metadata.annotations["networking.istio.io/exportTwo"]',
      'IST0125 Deployment default/d spec.template.metadata.annotations["status.sidecar.istio.io/port"]',
      'IST0135 Deployment default/d spec.template.metadata.annotations["sidecar.istio.io/inject"]',
    ],
  ],
  [
    'two VirtualServices of one host, by different names of it',
    ['IST0109'],
    set(
      reviews,
      istio('VirtualService', 'a', '{hosts: [reviews], http: []}'),
      istio('VirtualService', 'b', '{hosts: [reviews.default.svc.cluster.local], http: []}'),
      istio('VirtualService', 'c', '{hosts: [reviews], gateways: [edge], http: []}'),
    ),
    ['IST0109 VirtualService default/a spec.hosts[0]', 'IST0109 VirtualService default/b spec.hosts[0]'],
  ],
  [
    'Sidecars for one workload, and for all',
    ['IST0110', 'IST0111'],
    set(
      pod('p', '{app: a}'),
      ...['a', 'b'].map((name) => istio('Sidecar', name, '{workloadSelector: {labels: {app: a}}}')),
      ...['c', 'd'].map((name) => istio('Sidecar', name, '{egress: []}')),
    ),
    [
      'IST0110 Sidecar default/a spec.workloadSelector',
      'IST0110 Sidecar default/b spec.workloadSelector',
      'IST0111 Sidecar default/c metadata.name',
      'IST0111 Sidecar default/d metadata.name',
    ],
  ],
  [
    'several ports and none named',
    ['IST0112'],
    set(
      core('Service', 'reviews', 'spec: {ports: [{name: http, port: 80}, {name: http-b, port: 81}]}'),
      istio('VirtualService', 'a', route('{host: reviews}')),
    ),
    ['IST0112 VirtualService default/a spec.http[0].route[0].destination.port'],
  ],
  [
    'Services that differ in the protocol of a port',
    ['IST0116', 'IST0137'],
    twoServices('{name: http, port: 80}', '{name: tcp, port: 80}'),
    ['IST0116 Deployment default/d spec.template.metadata.labels'],
  ],
  [
    'Services that lead different ports to one',
    ['IST0116', 'IST0137'],
    twoServices('{name: http, port: 80, targetPort: 8080}', '{name: http, port: 81, targetPort: 8080}'),
    ['IST0137 Deployment default/d spec.template.metadata.labels'],
  ],
  [
    'names of ports',
    ['IST0118', 'IST0150'],
    set(
      core('Service', 'a', 'spec: {ports: [{port: 80}, {name: web, port: 81, appProtocol: http}]}'),
      core('Service', 'b', 'spec: {type: ExternalName, externalName: b.com, ports: [{name: web, port: 80}]}'),
    ),
    ['IST0118 Service default/a spec.ports[0]', 'IST0150 Service default/b spec.ports[0]'],
  ],
  [
    'a namespace that is told twice',
    ['IST0123'],
    core('Namespace', 'a', '', ', labels: {istio-injection: enabled, istio.io/rev: canary}'),
    ['IST0123 Namespace a metadata.labels'],
  ],
  [
    'a network of an unknown cluster',
    ['IST0126'],
    set(
      core(
        'ConfigMap',
        'istio',
        'data: {meshNetworks: "networks: {n: {endpoints: [{fromRegistry: east}, {fromRegistry: west}]}}"}',
        ', namespace: istio-system',
      ),
      core('Secret', 's', 'stringData: {east: x}', ', labels: {istio/multiCluster: "true"}'),
    ),
    ['IST0126 ConfigMap istio-system/istio data.meshNetworks'],
  ],
  [
    'a policy for nobody',
    ['IST0127'],
    document('security.istio.io/v1', 'AuthorizationPolicy', 'a', 'spec: {selector: {matchLabels: {app: x}}}'),
    ['IST0127 AuthorizationPolicy default/a spec.selector'],
  ],
  [
    'certificates that nobody checks',
    ['IST0128', 'IST0129'],
    istio(
      'DestinationRule',
      'a',
      '{host: a.com, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 1}, tls: {mode: SIMPLE, caCertificates: x}}, {port: {number: 2}, tls: {mode: SIMPLE}}]}}',
    ),
    [
      'IST0128 DestinationRule default/a spec.trafficPolicy.tls',
      'IST0129 DestinationRule default/a spec.trafficPolicy.portLevelSettings[1].tls',
    ],
  ],
  [
    'rules behind one for everything, and a condition that stands twice',
    ['IST0130', 'IST0131'],
    istio(
      'VirtualService',
      'a',
      '{hosts: [a], http: [{match: [{uri: {exact: /a}}, {name: again, uri: {exact: /a}}]}, {}, {match: [{uri: {exact: /b}}]}]}',
    ),
    [
      'IST0131 VirtualService default/a spec.http[0].match[1]',
      'IST0130 VirtualService default/a spec.http[2]',
    ],
  ],
  [
    'a host that the gateway does not have, and a gateway of Istio itself',
    ['IST0132', 'IST0165'],
    set(
      gateway('edge', http('*.a.com')),
      istio(
        'VirtualService',
        'a',
        '{hosts: [b.com], gateways: [edge, x~istio-autogenerated-k8s-gateway~y], http: []}',
      ),
    ),
    [
      'IST0132 VirtualService default/a spec.gateways[0]',
      'IST0165 VirtualService default/a spec.gateways[1]',
    ],
  ],
  [
    'what is read and not as it looks',
    ['IST0133'],
    istio(
      'VirtualService',
      'a',
      '{hosts: [a], http: [{mirrorPercentage: {value: 1}, route: [{destination: {host: a}}]}]}',
    ),
    ['IST0133 VirtualService default/a spec.http[0].mirrorPercentage'],
  ],
  [
    'TCP without an address',
    ['IST0134'],
    set(
      entry('a', 'ports: [{number: 1, name: tcp, protocol: TCP}, {number: 2, name: http, protocol: HTTP}]'),
    ),
    ['IST0134 ServiceEntry default/a spec.ports[0]'],
  ],
  [
    'one certificate in two Gateways',
    ['IST0138'],
    set(gateway('a', https('credentialName: c')), gateway('b', https('credentialName: c'))),
    [
      'IST0138 Gateway default/a spec.servers[0].tls.credentialName',
      'IST0138 Gateway default/b spec.servers[0].tls.credentialName',
    ],
  ],
  [
    'webhooks',
    ['IST0139', 'IST0163', 'IST0164'],
    set(
      document(
        webhooks,
        'MutatingWebhookConfiguration',
        'istio-sidecar-injector',
        'webhooks: [{clientConfig: {service: {name: istiod, namespace: istio-system}}}]',
      ),
      document(
        webhooks,
        'ValidatingWebhookConfiguration',
        'istio-validator',
        'webhooks: [{clientConfig: {url: "https://10.0.0.1:15017/validate"}}, {clientConfig: {}}]',
      ),
    ),
    [
      'IST0139 MutatingWebhookConfiguration istio-sidecar-injector webhooks[0].clientConfig.service',
      'IST0164 ValidatingWebhookConfiguration istio-validator webhooks[0].clientConfig.url',
      'IST0163 ValidatingWebhookConfiguration istio-validator webhooks[1].clientConfig.url',
    ],
  ],
  [
    "the proxy's user",
    ['IST0144'],
    deployment('{containers: [{name: a, image: b, securityContext: {runAsUser: 1337}}]}'),
    ['IST0144 Deployment default/d spec.template.spec.containers[0].securityContext.runAsUser'],
  ],
  [
    'Gateways of one host and port',
    ['IST0145'],
    set(gateway('a', http('a.com')), gateway('b', http('*/a.com')), gateway('c', http('./a.com'))),
    [
      'IST0145 Gateway default/a spec.servers[0].hosts[0]',
      'IST0145 Gateway default/b spec.servers[0].hosts[0]',
    ],
  ],
  [
    'the image auto where no injector is called',
    ['IST0146', 'IST0147'],
    set(
      document(
        webhooks,
        'MutatingWebhookConfiguration',
        'istio-sidecar-injector',
        'webhooks: [{clientConfig: {url: "https://a.com/"}, namespaceSelector: {matchExpressions: [{key: istio-injection, operator: In, values: [enabled]}]}}]',
      ),
      deployment('{containers: [{name: istio-proxy, image: auto}]}'),
      pod('p', '{app: a}', '{containers: [{name: istio-proxy, image: auto}]}'),
    ),
    ['IST0146 Deployment default/d spec.template.spec.containers', 'IST0147 Pod default/p spec.containers'],
  ],
  [
    'claims of tokens that nobody checks',
    ['IST0149'],
    set(
      gateway('edge', http('a.com')),
      istio(
        'VirtualService',
        'a',
        '{hosts: [a.com], gateways: [edge], http: [{match: [{headers: {"@request.auth.claims.group": {exact: x}}}]}]}',
      ),
    ),
    ['IST0149 VirtualService default/a spec.http[0].match[0].headers["@request.auth.claims.group"]'],
  ],
  [
    'patches',
    ['IST0151', 'IST0152', 'IST0153', 'IST0154', 'IST0155', 'HED0014'],
    filter(
      [
        '{applyTo: HTTP_FILTER, patch: {operation: INSERT_BEFORE}}',
        '{applyTo: CLUSTER, patch: {operation: REPLACE}}',
        '{applyTo: HTTP_ROUTE, patch: {operation: ADD}}',
        '{applyTo: HTTP_ROUTE, patch: {operation: REMOVE}}',
        '{applyTo: HTTP_FILTER, match: {proxy: {proxyVersion: x}}, patch: {operation: REMOVE}}',
        '{applyTo: CLUSTER, patch: {operation: MERGE, value: {connectTimeout: 1s}}}',
      ].join(', '),
    ),
    [
      'IST0151 EnvoyFilter default/f spec.configPatches[0].patch.operation',
      'IST0152 EnvoyFilter default/f spec.configPatches[1].patch.operation',
      'IST0153 EnvoyFilter default/f spec.configPatches[2].patch.operation',
      'IST0154 EnvoyFilter default/f spec.configPatches[3].patch.operation',
      'IST0155 EnvoyFilter default/f spec.configPatches[4].patch.operation',
      'HED0014 EnvoyFilter default/f spec.configPatches[5].patch.value.connectTimeout',
    ],
  ],
  [
    'Telemetries',
    ['IST0157', 'IST0159', 'IST0160'],
    set(
      pod('p', '{app: a}'),
      ...['a', 'b'].map((name) => telemetry(name, '{selector: {matchLabels: {app: a}}}')),
      ...['c', 'd'].map((name) => telemetry(name, '{accessLogging: [{}]}')),
    ),
    [
      'IST0159 Telemetry default/a spec.selector',
      'IST0159 Telemetry default/b spec.selector',
      'IST0160 Telemetry default/c metadata.name',
      'IST0157 Telemetry default/c spec.accessLogging[0]',
      'IST0160 Telemetry default/d metadata.name',
      'IST0157 Telemetry default/d spec.accessLogging[0]',
    ],
  ],
  [
    'a sidecar of another image',
    ['IST0158'],
    set(
      injector(false),
      injected,
      pod('a', '{app: a}', '{containers: [{name: istio-proxy, image: "h/p:1"}]}'),
      pod('b', '{app: a}', '{containers: [{name: istio-proxy, image: "h/p:2-distroless"}]}'),
    ),
    ['IST0158 Namespace default metadata.name'],
  ],
  [
    'a Secret without a key, and one without anything to check clients by',
    ['IST0161'],
    set(
      core(
        'Secret',
        'a',
        'stringData: {tls.crt: "-----BEGIN CERTIFICATE-----"}',
        ', namespace: istio-system',
      ),
      gateway('g', https('credentialName: a')),
    ),
    ['IST0161 Gateway default/g spec.servers[0].tls.credentialName'],
  ],
  [
    'a port that the Service of the gateway lacks',
    ['IST0162'],
    set(
      pod('p', '{istio: ingressgateway}'),
      core('Service', 's', 'spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 8080}]}'),
      gateway('g', http('a.com')),
    ),
    ['IST0162 Gateway default/g spec.servers[0].port.number'],
  ],
  [
    'a selector for a gateway of the Gateway API',
    ['IST0166'],
    set(
      pod('p', '{app: a, gateway.networking.k8s.io/gateway-name: g}'),
      authentication('{selector: {matchLabels: {app: a}}}'),
    ),
    ['IST0166 RequestAuthentication default/r spec.selector'],
  ],
  [
    'conditions that are not met',
    ['IST0171'],
    core(
      'Service',
      'a',
      'spec: {}\nstatus: {conditions: [{type: istio.io/X, status: "False"}, {type: Y, status: "False"}]}',
    ),
    ['IST0171 Service default/a status.conditions[0]'],
  ],
  [
    'a subset without Pods, and hosts that nobody has',
    ['IST0173', 'IST0174'],
    set(
      reviews,
      pod('p', '{app: reviews, version: v1}'),
      istio(
        'DestinationRule',
        'a',
        '{host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}',
      ),
      istio('DestinationRule', 'b', '{host: revews}'),
      istio('DestinationRule', 'c', '{host: "*.com"}'),
    ),
    ['IST0173 DestinationRule default/a spec.subsets[1]', 'IST0174 DestinationRule default/b spec.host'],
  ],
  [
    'keys from wherever it is written',
    ['IST0175'],
    set(
      pod('istiod', '{app: istiod}'),
      authentication('{jwtRules: [{issuer: a, jwksUri: "https://a.com"}]}'),
    ),
    ['IST0175 RequestAuthentication default/r spec.jwtRules[0].jwksUri'],
  ],
  [
    'a definition that is old, and one that is not',
    ['IST0176'],
    set(
      ...[
        ['tlsroutes', 'v1.4.1'],
        ['grpcroutes', 'v1.4.1'],
      ].map(([name, version]) =>
        document(
          'apiextensions.k8s.io/v1',
          'CustomResourceDefinition',
          `${name}.gateway.networking.k8s.io`,
          'spec: {}',
          `, annotations: {gateway.networking.k8s.io/bundle-version: ${version}}`,
        ),
      ),
    ),
    [
      'IST0176 CustomResourceDefinition tlsroutes.gateway.networking.k8s.io metadata.annotations["gateway.networking.k8s.io/bundle-version"]',
    ],
  ],
  [
    'two protocols of one port',
    ['IST0177', 'HED0003'],
    set(
      entry('a', 'ports: [{number: 443, name: https, protocol: HTTPS}]'),
      entry('b', 'ports: [{number: 443, name: tls, protocol: TLS}]'),
    ),
    [
      'IST0177 ServiceEntry default/a spec.ports[0]',
      'HED0003 ServiceEntry default/b spec.hosts[0]',
      'IST0177 ServiceEntry default/b spec.ports[0]',
    ],
  ],
  [
    'what is not supported yet',
    ['HED0001'],
    document('networking.k8s.io/v1', 'NetworkPolicy', 'a', 'spec: {}'),
    ['HED0001 NetworkPolicy default/a kind'],
  ],
  [
    'ServiceEntries',
    ['HED0004', 'HED0005', 'HED0006', 'HED0007', 'HED0008', 'HED0009'],
    set(
      reviews,
      deployment(containers),
      istio('ServiceEntry', 'a', '{hosts: [a.com], resolution: DNS, subjectAltNames: [a.com]}'),
      istio(
        'ServiceEntry',
        'b',
        '{hosts: [b.com], resolution: STATIC, workloadSelector: {labels: {app: x}}, ports: [{number: 80, name: http}]}',
      ),
      istio(
        'ServiceEntry',
        'c',
        '{hosts: [c.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: reviews.default.svc.cluster.local}]}',
      ),
    ),
    [
      'HED0007 Service default/reviews spec.selector',
      'HED0004 ServiceEntry default/a spec',
      'HED0009 ServiceEntry default/a spec.subjectAltNames',
      'HED0006 ServiceEntry default/b spec.workloadSelector',
      'HED0007 ServiceEntry default/b spec.workloadSelector',
      'HED0005 ServiceEntry default/b spec.ports[0]',
      'HED0008 ServiceEntry default/c spec.endpoints[0].address',
    ],
  ],
  [
    'ports of other protocols, and routes nobody looks for',
    ['HED0010', 'HED0011'],
    set(
      core(
        'Service',
        'reviews',
        'spec: {ports: [{name: tcp, port: 80}, {name: dns, port: 53, protocol: UDP}]}',
      ),
      istio('VirtualService', 'a', route('{host: reviews, port: {number: 80}}')),
    ),
    ['HED0010 Service default/reviews spec.ports[1]', 'HED0011 VirtualService default/a spec.hosts[0]'],
  ],
  [
    'WorkloadEntries that nobody calls',
    ['HED0012', 'HED0013'],
    set(
      reviews,
      istio(
        'WorkloadEntry',
        'a',
        '{address: a.com, labels: {app: reviews, security.istio.io/tlsMode: istio}}',
      ),
    ),
    ['HED0013 WorkloadEntry default/a spec.serviceAccount', 'HED0012 WorkloadEntry default/a spec.address'],
  ],
];

describe('findings', () => {
  for (const [why, codes, text, expected] of cases) {
    test(`${codes.join(' ')}: ${why}`, () => assert.deepEqual(found(text, codes), expected));
  }

  test('every code is found somewhere', () => {
    // Nothing that decodes well is remarked on but as a warning so far.
    const told = new Set(cases.flatMap(([, , , all]) => all.map((line) => line.split(' ')[0])));
    const missing = Object.keys(analysisCodes).filter((code) => !told.has(code) && code !== 'HED0002');
    assert.deepEqual(missing, []);
  });
});

describe('suppression', () => {
  const bad = (annotation = ''): string =>
    set(reviews, istio('VirtualService', 'a', route('{host: revews}'), annotation));
  const cases: readonly [why: string, text: string, suppressions: readonly string[], count: number][] = [
    ['nothing', bad(), [], 1],
    ['by name', bad(), ['IST0101=VirtualService a.default'], 0],
    ['by pattern', bad(), ['IST0101=VirtualService *.default'], 0],
    ['of every kind and code', bad(), ['*=* *'], 0],
    ['another code', bad(), ['IST0102=VirtualService a.default'], 1],
    ['another namespace', bad(), ['IST0101=VirtualService a.other'], 1],
    ['by annotation', bad(', annotations: {galley.istio.io/analyze-suppress: "IST0109, IST0101"}'), [], 0],
    ['by annotation of all', bad(', annotations: {galley.istio.io/analyze-suppress: "*"}'), [], 0],
    ['by annotation of another', bad(', annotations: {galley.istio.io/analyze-suppress: IST0109}'), [], 1],
  ];
  for (const [why, text, written, count] of cases) {
    test(why, () => {
      const suppressions = written.map((one) => parseSuppression(one)!);
      assert.equal(found(text, ['IST0101'], { suppressions }).length, count);
    });
  }

  test('what is no suppression', () => {
    for (const written of ['IST0101', 'IST0101=Service', 'x=Service a.b', 'IST0101=Service a b'])
      assert.equal(parseSuppression(written), undefined, written);
  });
});

test('only of a namespace', () => {
  const text = set(
    istio('VirtualService', 'a', '{hosts: [a], http: [{}, {}]}'),
    istio('VirtualService', 'b', '{hosts: [b], http: [{}, {}]}', ', namespace: other'),
  );
  assert.deepEqual(found(text, ['IST0130'], { namespace: 'other' }), [
    'IST0130 VirtualService other/b spec.http[1]',
  ]);
});
