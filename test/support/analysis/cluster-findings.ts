/** Findings about workloads, Services, policies and what is around them. */
import {
  authentication,
  containers,
  core,
  deployment,
  document,
  injected,
  injector,
  pod,
  set,
  telemetry,
  twoServices,
  webhooks,
} from './documents.ts';
import type { FindingCase } from './finding-case.ts';

export const clusterFindings: readonly FindingCase[] = [
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
    'what is not supported yet',
    ['HED0001'],
    document('networking.k8s.io/v1', 'NetworkPolicy', 'a', 'spec: {}'),
    ['HED0001 NetworkPolicy default/a kind'],
  ],
];
