import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from '#model/load.ts';
import { captureEverything } from './capture-plan.ts';
import { planMesh } from './plan.ts';
import { usualProxy } from './proxy-plan.ts';
import type { MeshPlan } from './workload-plan.ts';

const localMesh = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: shop}
images:
  acme/reviews:1: {command: [node, apps/reviews.ts], env: {COLOUR: red, SIZE: small}}
`;
const deployment = (more = '', template = '', container = ''): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v1}
spec:
  ${more}
  selector: {matchLabels: {app: reviews}}
  template:
    metadata:
      labels: {app: reviews, version: v1}
      ${template}
    spec:
      serviceAccountName: reviews
      containers:
      - name: reviews
        image: acme/reviews:1
        ports: [{containerPort: 9080}]
        ${container}
`;

const settings = { fallbackName: 'folder', lowestPort: 1024, capture: true };

function resourcesOf(...texts: string[]): ReturnType<typeof loadDocuments>['resources'] {
  const { resources, problems } = loadDocuments([{ file: '/shop/mesh.yaml', text: texts.join('\n---\n') }]);
  assert.deepEqual(
    problems.filter(({ level }) => level === 'error'),
    [],
  );
  return resources;
}

function load(...texts: string[]): ReturnType<typeof planMesh> {
  return planMesh(resourcesOf(...texts), settings);
}

function plan(...texts: string[]): MeshPlan {
  const planned = load(...texts);
  assert.ok(planned.ok, JSON.stringify(planned.problems));
  return planned.value;
}

describe('planMesh', () => {
  test('a Deployment becomes processes: entrypoint of the image, environment, folder of the mapping', () => {
    const { name, workloads } = plan(localMesh, deployment('replicas: 3'));
    assert.equal(name, 'shop');
    assert.deepEqual(workloads, [
      {
        key: 'default/reviews-v1',
        name: 'reviews-v1',
        namespace: 'default',
        replicas: 3,
        labels: { app: 'reviews', version: 'v1' },
        annotations: {},
        serviceAccount: 'reviews',
        initContainers: [],
        containers: [
          {
            name: 'reviews',
            image: 'acme/reviews:1',
            command: ['node', 'apps/reviews.ts'],
            workingDirectory: '/shop',
            imageWords: 2,
            env: { COLOUR: 'red', SIZE: 'small' },
            variables: [],
            probes: {},
            lifecycle: {},
            mounts: [],
            ports: [{ containerPort: 9080 }],
          },
        ],
        volumes: [],
        sidecar: 'heddle',
        capture: captureEverything,
        proxy: usualProxy,
        grpcAgent: false,
        graceMs: 10_000,
      },
    ]);
  });

  const commands = [
    {
      why: 'args follow the entrypoint',
      container: 'args: [--fast]',
      command: ['node', 'apps/reviews.ts', '--fast'],
    },
    {
      why: 'command replaces the entrypoint',
      container: 'command: [python3, r.py]',
      command: ['python3', 'r.py'],
    },
    { why: 'both', container: '{command: [python3], args: [r.py]}', command: ['python3', 'r.py'] },
  ];
  for (const { why, container, command } of commands) {
    test(why, () => {
      const written = container.replace(/^\{|\}$/g, '').replace('], args', ']\n        args');
      assert.deepEqual(
        plan(localMesh, deployment('', '', written)).workloads[0]!.containers[0]!.command,
        command,
      );
    });
  }

  test("a container's environment is kept apart from that of the image, and wins", () => {
    const { workloads } = plan(localMesh, deployment('', '', 'env: [{name: COLOUR, value: blue}]'));
    assert.deepEqual(workloads[0]!.containers[0]!.variables, [{ name: 'COLOUR', value: 'blue' }]);
  });

  const sidecars = [
    { why: 'by default', template: '', mesh: '', sidecar: 'heddle', grpcAgent: false },
    {
      why: 'proxyless gRPC',
      template: 'annotations: {inject.istio.io/templates: grpc-agent}',
      mesh: '',
      sidecar: 'none',
      grpcAgent: true,
    },
    {
      why: 'both',
      template: 'annotations: {inject.istio.io/templates: "sidecar,grpc-agent"}',
      mesh: '',
      sidecar: 'heddle',
      grpcAgent: true,
    },
    {
      why: 'not injected',
      template: 'annotations: {sidecar.istio.io/inject: "false"}',
      mesh: '',
      sidecar: 'none',
      grpcAgent: false,
    },
    {
      why: 'a real Envoy',
      template: '',
      mesh: 'workloads: {reviews-v1: {sidecar: envoy}}',
      sidecar: 'envoy',
      grpcAgent: false,
    },
  ];
  for (const { why, template, mesh, sidecar, grpcAgent } of sidecars) {
    test(`sidecar: ${why}`, () => {
      const [workload] = plan(localMesh + mesh, deployment('', template)).workloads;
      assert.equal(workload!.sidecar, sidecar);
      assert.equal(workload!.grpcAgent, grpcAgent);
    });
  }

  test('annotations on what is captured matter where traffic may be captured', () => {
    const unknown = 'annotations: {traffic.sidecar.istio.io/includeEverything: "true"}';
    const resources = resourcesOf(localMesh, deployment('', unknown));
    assert.equal(planMesh(resources, settings).ok, false);
    assert.equal(planMesh(resources, { ...settings, capture: false }).ok, true);
  });

  test('an image without a command is reported with its line and the entry to add', () => {
    const planned = load(localMesh.replace('acme/reviews:1', 'acme/other:1'), deployment());
    assert.ok(!planned.ok);
    const [problem] = planned.problems;
    assert.equal(problem!.message, 'no local command is known for the image acme/reviews:1');
    assert.equal(problem!.path, 'spec.template.spec.containers[0].image');
    assert.equal(problem!.at!.file, '/shop/mesh.yaml');
    assert.equal(problem!.at!.line, 24);
    assert.equal(
      problem!.fix,
      'add to /shop/mesh.yaml: images: {"acme/reviews:1": {command: [node, app.ts]}}',
    );
  });

  const configured = `
apiVersion: v1
kind: ConfigMap
metadata: {name: paint}
data: {colour: red, size: large}
---
apiVersion: v1
kind: Secret
metadata: {name: paint, namespace: other}
stringData: {colour: blue}
`;
  const references = [
    {
      why: 'a key, and all keys under a prefix',
      container:
        'envFrom: [{prefix: P_, configMapRef: {name: paint}}]\n        env: [{name: COLOUR, valueFrom: {configMapKeyRef: {name: paint, key: colour}}}]',
      variables: [
        { name: 'P_colour', value: 'red' },
        { name: 'P_size', value: 'large' },
        { name: 'COLOUR', value: 'red' },
      ],
    },
    {
      why: 'what may be missing',
      container: 'env: [{name: A, valueFrom: {secretKeyRef: {name: paint, key: colour, optional: true}}}]',
      variables: [],
    },
    {
      why: 'a field of the Pod',
      container: 'env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]',
      variables: [{ name: 'A', fieldPath: 'metadata.name' }],
    },
  ];
  for (const { why, container, variables } of references) {
    test(`variables: ${why}`, () => {
      const { workloads } = plan(localMesh, configured, deployment('', '', container));
      assert.deepEqual(workloads[0]!.containers[0]!.variables, variables);
    });
  }

  const wrongReferences = [
    {
      why: 'a Secret of another namespace',
      container: 'env: [{name: A, valueFrom: {secretKeyRef: {name: paint, key: colour}}}]',
      message: 'there is no Secret default/paint',
      fix: 'the one at /shop/mesh.yaml:15 is in the namespace other',
      path: 'spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef.name',
    },
    {
      why: 'a ConfigMap that is called otherwise',
      container: 'envFrom: [{configMapRef: {name: pain}}]',
      message: 'there is no ConfigMap default/pain',
      fix: 'did you mean "paint"?',
      path: 'spec.template.spec.containers[0].envFrom[0].configMapRef.name',
    },
    {
      why: 'a key that is not there',
      container: 'env: [{name: A, valueFrom: {configMapKeyRef: {name: paint, key: weight}}}]',
      message: 'the ConfigMap default/paint has no key "weight"',
      fix: 'add it at /shop/mesh.yaml:10, or write optional: true',
      path: 'spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef.key',
    },
  ];
  for (const { why, container, ...expected } of wrongReferences) {
    test(`variables: ${why} is an error with its place`, () => {
      const planned = load(localMesh, configured, deployment('', '', container));
      assert.ok(!planned.ok);
      const [{ message, fix, path, at } = {} as never] = planned.problems;
      assert.deepEqual({ message, fix, path }, expected);
      assert.ok(at!.line > 20);
    });
  }

  test('a probe by the name of a port', () => {
    const named = deployment('', '', 'readinessProbe: {httpGet: {port: web}}').replace(
      '9080}',
      '9080, name: web}',
    );
    const { readiness } = plan(localMesh, named).workloads[0]!.containers[0]!.probes;
    assert.deepEqual(readiness, {
      action: { kind: 'httpGet', scheme: 'HTTP', path: '/', port: 9080, headers: [] },
      initialDelayMs: 0,
      periodMs: 10_000,
      timeoutMs: 1000,
      successThreshold: 1,
      failureThreshold: 3,
    });
    const planned = load(localMesh, named.replace('port: web}}', 'port: wed}}'));
    assert.ok(!planned.ok);
    const [{ message, fix, path } = {} as never] = planned.problems;
    assert.deepEqual(
      [message, fix, path],
      [
        'the container has no port called "wed"',
        'did you mean "web"?',
        'spec.template.spec.containers[0].readinessProbe.httpGet.port',
      ],
    );
  });

  test('an image with a slip of the finger is asked about', () => {
    const planned = load(localMesh.replace('acme/reviews:1', 'acme/reviews:2'), deployment());
    assert.equal(planned.problems[0]!.fix, 'did you mean "acme/reviews:2"?');
  });

  test('without a LocalMesh the whole document to add is shown', () => {
    const planned = load(deployment());
    assert.match(planned.problems[0]!.fix!, /heddle\.yaml.*kind: LocalMesh.*name: folder/);
  });

  test('a port that only root may bind is an error with its line', () => {
    const planned = load(localMesh, deployment().replace('9080', '80'));
    assert.ok(!planned.ok);
    assert.equal(planned.problems[0]!.message, 'port 80 may only be bound by root');
  });

  test('a workload of the LocalMesh that is not there is an error', () => {
    const planned = load(`${localMesh}workloads: {reviews-v2: {sidecar: none}}`, deployment());
    assert.ok(!planned.ok);
    assert.equal(planned.problems[0]!.fix, 'did you mean "reviews-v1"?');
  });

  test('the line to try follows the first route of the ingress', () => {
    const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]`;
    const virtualService = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ["*"]
  gateways: [shop]
  http:
  - match: [{uri: {exact: /productpage}}]
    route: [{destination: {host: reviews}}]`;
    const planned = plan(localMesh, gateway, virtualService);
    assert.equal(planned.tryPath, '/productpage');
    assert.equal(planned.tryHost, undefined);
    assert.deepEqual(planned.gatewayPorts, [{ number: 8080, scheme: 'http' }]);
  });
});

describe('how proxies run', () => {
  const meshConfig = `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    trustDomain: prod.example
    defaultConfig:
      concurrency: 1
      terminationDrainDuration: 1500ms
      interceptionMode: TPROXY
      proxyMetadata: {A: mesh, B: mesh}
`;
  const proxyConfig = `
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: reviews}
spec: {selector: {matchLabels: {app: reviews}}, concurrency: 2, environmentVariables: {B: config}}
`;
  const annotated =
    'annotations: {proxy.istio.io/config: "{concurrency: 0, proxyMetadata: {C: annotation}}"}';

  test('without a word, as usual', () => {
    assert.deepEqual(plan(localMesh, deployment()).workloads[0]?.proxy, usualProxy);
  });

  test("the mesh's, its ProxyConfig's, and the annotation's, the later ones first", () => {
    const { settings, workloads } = plan(localMesh, meshConfig, proxyConfig, deployment('', annotated));
    assert.equal(settings.trustDomain, 'prod.example');
    assert.equal(workloads[0]?.capture.mode, 'TPROXY');
    assert.deepEqual(workloads[0]?.proxy, {
      threads: 0,
      drainSeconds: 2,
      interceptionMode: 'TPROXY',
      env: { A: 'mesh', B: 'config', C: 'annotation' },
    });
    const [other] = plan(localMesh, proxyConfig.replace('app: reviews', 'app: x'), deployment()).workloads;
    assert.deepEqual(other?.proxy, usualProxy);
  });

  test('an annotation of capture wins', () => {
    const own = 'annotations: {sidecar.istio.io/interceptionMode: REDIRECT}';
    const [workload] = plan(localMesh, meshConfig, deployment('', own)).workloads;
    assert.equal(workload?.capture.mode, 'REDIRECT');
  });

  test('what is wrong in the annotation', () => {
    const planned = load(localMesh, deployment('', 'annotations: {proxy.istio.io/config: "concurrancy: 1"}'));
    assert.equal(planned.ok, false);
    assert.match(planned.problems[0]?.message ?? '', /there is no such field/);
    assert.equal(
      planned.problems[0]?.path,
      'spec.template.metadata.annotations["proxy.istio.io/config"].concurrancy',
    );
  });
});
