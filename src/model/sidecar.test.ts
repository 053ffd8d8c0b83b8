/** Sidecars, ProxyConfigs and Istio's MeshConfig: what is taken, and what is complained about where. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '#core/problem.ts';
import { loadDocuments } from './load.ts';
import { meshSettings } from './mesh-settings.ts';
import { configuredOptions, type ProxyConfig } from './proxy-config.ts';

const problemsOf = (text: string): readonly string[] =>
  loadDocuments([{ file: 'x.yaml', text }]).problems.map(formatProblem);

const sidecar = (spec: string): string =>
  `{apiVersion: networking.istio.io/v1alpha3, kind: Sidecar, metadata: {name: x, namespace: a}, spec: ${spec}}`;

describe('Sidecar', () => {
  const good = [
    '{egress: [{hosts: ["./*", "istio-system/*", "~/*"]}]}',
    '{egress: [{hosts: ["*/*"]}]}',
    '{egress: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["a/b.c"]}, {bind: 127.0.0.1, hosts: ["*/x.y"]}]}',
    '{egress: [{port: {protocol: HTTP, name: x}, bind: "unix:///run/x", captureMode: NONE, hosts: ["./*"]}]}',
    '{egress: [{port: {number: 0, protocol: TCP}, bind: "unix://@x", hosts: ["./*"]}]}',
    '{ingress: [{port: {number: 80, protocol: HTTP, name: http}}]}',
    '{ingress: [{port: {number: 80}, defaultEndpoint: "0.0.0.0:1"}, {port: {number: 81}, defaultEndpoint: "[::1]:1"}]}',
    '{ingress: [{port: {number: 80}, defaultEndpoint: ":1"}, {port: {number: 81}, defaultEndpoint: "unix:///run/x"}]}',
    '{outboundTrafficPolicy: {}}',
    '{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: x.y, subset: v1, port: {number: 1}}}}',
    '{inboundConnectionPool: {http: {http2MaxRequests: 1}}}',
  ];
  for (const spec of good) test(`good: ${spec}`, () => assert.deepEqual(problemsOf(sidecar(spec)), []));

  const bad: [spec: string, expected: RegExp][] = [
    ['{}', /spec: says nothing/],
    ['{egress: [{hosts: []}]}', /hosts: must not be empty/],
    ['{egress: [{hosts: [reviews]}]}', /names no namespace \(write "\.\/reviews"/],
    ['{egress: [{hosts: ["A/b"]}]}', /"A" is neither/],
    ['{egress: [{hosts: ["a/b*"]}]}', /"b\*" is not a host name/],
    ['{egress: [{hosts: ["a/b", "a/b"]}]}', /"a\/b" is there twice/],
    ['{egress: [{hosts: ["*/*", "a/b"]}]}', /"\*\/\*" is everything already/],
    ['{egress: [{hosts: ["a/*", "a/b"]}]}', /"a\/\*" is all of it already/],
    [
      '{egress: [{hosts: ["*/*"]}, {port: {number: 1}, hosts: ["*/*"]}]}',
      /egress\[0\]: without a port .*put it last/,
    ],
    [
      '{egress: [{port: {number: 1}, hosts: ["a/b"]}, {port: {number: 1}, hosts: ["a/b"]}]}',
      /another listener has 1/,
    ],
    ['{egress: [{port: {number: 0}, hosts: ["a/b"]}]}', /bind: port 0 stands for a socket of Unix/],
    [
      '{egress: [{port: {number: 1}, bind: "unix:///x", hosts: ["a/b"]}]}',
      /is no IP address \(write port number 0/,
    ],
    ['{egress: [{port: {number: 1, protocol: UDP}, hosts: ["a/b"]}]}', /protocol: one of HTTP/],
    ['{ingress: [{}]}', /ingress\[0\]\.port: this field is required/],
    ['{ingress: [{port: {number: 0}}]}', /must be from 1 to 65535/],
    ['{ingress: [{port: {number: 1}}, {port: {number: 1}}]}', /another listener has port 1/],
    ['{ingress: [{port: {number: 1}, bind: x}]}', /bind: "x" is no IP address/],
    [
      '{ingress: [{port: {number: 1}, defaultEndpoint: "10.0.0.1:80"}]}',
      /no place of the application \(write 127/,
    ],
    ['{ingress: [{port: {number: 1}, defaultEndpoint: "127.0.0.1:99999"}]}', /no place of the application/],
    ['{outboundTrafficPolicy: {egressProxy: {host: x.y}}}', /goes with the mode ALLOW_ANY only/],
    ['{workloadSelector: {labels: {"a*": b}}, outboundTrafficPolicy: {}}', /wildcards are not allowed/],
    ['{egres: []}', /there is no such field \(did you mean "egress"\?\)/],
  ];
  for (const [spec, expected] of bad)
    test(`bad: ${spec}`, () => assert.match(problemsOf(sidecar(spec)).join('\n'), expected));
});

const mesh = (text: string): string => `apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    ${text.replaceAll('\n', '\n    ')}
`;
const localMesh =
  '---\n{apiVersion: heddle.dev/v1alpha1, kind: LocalMesh, metadata: {name: x}, trustDomain: mine.example}\n';

describe('TLS of a sidecar', () => {
  const sidecar = (protocol: string, tls: string): string => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: app}
spec: {ingress: [{port: {number: 8443, name: https, protocol: ${protocol}}, tls: {${tls}}}]}
`;
  const files = 'serverCertificate: c, privateKey: k';

  test('comes from files', () => {
    assert.deepEqual(problemsOf(sidecar('HTTPS', `mode: SIMPLE, ${files}`)), []);
    assert.match(
      problemsOf(sidecar('TLS', 'mode: MUTUAL')).join(),
      /error.*MUTUAL needs a server certificate/,
    );
    const named = problemsOf(sidecar('TLS', 'mode: SIMPLE, credentialName: c'));
    assert.match(named.join(), /error.*tls\.credentialName: is for Gateways: a sidecar takes files/);
  });

  test('and is for ports that have it', () => {
    assert.match(
      problemsOf(sidecar('HTTP', `mode: SIMPLE, ${files}`)).join(),
      /error.*ports of HTTPS and TLS/,
    );
    const message = /error.*tls\.mode: ISTIO_MUTUAL is for Gateways/;
    assert.match(problemsOf(sidecar('HTTPS', 'mode: ISTIO_MUTUAL')).join(), message);
    assert.match(
      problemsOf(sidecar('HTTPS', `mode: SIMPLE, httpsRedirect: true, ${files}`)).join(),
      /httpsRedirect/,
    );
  });
});

describe('MeshConfig', () => {
  test('what is wrong is told where it stands in the file', () => {
    assert.deepEqual(
      problemsOf(mesh('trustDomain: a.b\noutboundTrafficPolicy:\n  mode: ALLOW_NONE\nrootNamspace: x')),
      [
        'x.yaml:8:7: error: ConfigMap istio-system/istio: data.mesh.outboundTrafficPolicy.mode: one of REGISTRY_ONLY, ALLOW_ANY, ALLOW_ANY_DYNAMIC_DNS is expected, not the text "ALLOW_NONE" (did you mean "ALLOW_ANY"?)',
        'x.yaml:9:5: error: ConfigMap istio-system/istio: data.mesh.rootNamspace: there is no such field (did you mean "rootNamespace"?)',
      ],
    );
  });

  test('what cannot be read keeps everything as it was', () => {
    const loaded = loadDocuments([{ file: 'x.yaml', text: mesh('a: [') }]);
    assert.deepEqual(
      loaded.rejected.map(({ guards }) => guards),
      [true],
    );
    assert.match(loaded.problems.map(formatProblem).join(), /data\.mesh: .*line 2 of the text/);
  });

  test('what Istio writes when it is installed', () => {
    const installed = `defaultConfig:
  discoveryAddress: istiod.istio-system.svc:15012
defaultProviders:
  metrics:
  - prometheus
enablePrometheusMerge: true
rootNamespace: istio-system
trustDomain: cluster.local`;
    assert.deepEqual(problemsOf(`${mesh(installed)}  meshNetworks: 'networks: {}'\n`), []);
    assert.match(
      problemsOf(`${mesh(installed)}  meshNetworks: 'networks: {a: {}}'\n`).join(),
      /warning.*meshNetworks/,
    );
  });

  test('another ConfigMap may say what it likes', () => {
    assert.deepEqual(problemsOf(mesh('nonsense: true').replace('istio-system', 'default')), []);
  });

  test('what is left out closes: an error; what only adds: a warning', () => {
    assert.match(
      problemsOf(mesh('serviceEntryVisibility: {applyToSidecars: true}')).join(),
      /error.*serviceEntryVisibility/,
    );
    assert.deepEqual(problemsOf(mesh('serviceEntryVisibility: {defaultVisibility: NAMESPACE}')), []);
    assert.match(problemsOf(mesh('enableTracing: true')).join(), /warning.*enableTracing/);
    assert.deepEqual(problemsOf(mesh('enableTracing: false\nenablePrometheusMerge: true')), []);
  });

  test('curves and ciphers that there are not are left out, and one must be left', () => {
    assert.deepEqual(problemsOf(mesh('tlsDefaults: {ecdhCurves: [P-384, X25519]}')), []);
    assert.match(
      problemsOf(mesh('tlsDefaults: {ecdhCurves: [P-256, P-224, P-256]}')).join('\n'),
      /warning.*ecdhCurves\[1\]: the curve "P-224" is unknown here[\s\S]*ecdhCurves\[2\]: .*twice/,
    );
    assert.match(problemsOf(mesh('tlsDefaults: {ecdhCurves: [P-224]}')).join(), /error.*names no curve/);
    assert.match(problemsOf(mesh('meshMTLS: {cipherSuites: [NONE]}')).join(), /error.*names no cipher suite/);
    assert.match(problemsOf(mesh('meshMTLS: {ecdhCurves: [P-256]}')).join(), /error.*ecdhCurves/);
  });

  test('a traffic policy for all hosts is judged like that of a DestinationRule', () => {
    assert.match(
      problemsOf(mesh('defaultTrafficPolicy: {connectionPool: {}}')).join(),
      /error.*connectionPool: is empty/,
    );
    assert.match(
      problemsOf(
        mesh('localityLbSetting: {distribute: [{from: a/*, to: {a/*: 80}}]}\nh2UpgradePolicy: DEFAULT'),
      ).join('\n'),
      /all weights together must be 100, not 80[\s\S]*h2UpgradePolicy: one of DO_NOT_UPGRADE, UPGRADE/,
    );
  });

  const settings = (text: string) => meshSettings(loadDocuments([{ file: 'x.yaml', text }]).resources);

  test("nothing is Istio's default", () => {
    const { trustDomain, rootNamespace, connectTimeoutMs, autoMtls, outboundTrafficPolicy } = settings('');
    assert.deepEqual(
      { trustDomain, rootNamespace, connectTimeoutMs, autoMtls, outboundTrafficPolicy },
      {
        trustDomain: 'cluster.local',
        rootNamespace: 'istio-system',
        connectTimeoutMs: 10_000,
        autoMtls: true,
        outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
      },
    );
  });

  test('a policy without a mode is the strict one', () => {
    assert.equal(settings(mesh('outboundTrafficPolicy: {}')).outboundTrafficPolicy.mode, 'REGISTRY_ONLY');
  });

  test('what the LocalMesh says wins, and only that', () => {
    const both = settings(`${mesh('trustDomain: theirs.example\nprotocolDetectionTimeout: 0s')}${localMesh}`);
    assert.equal(both.trustDomain, 'mine.example');
    assert.equal(both.protocolDetectionTimeoutMs, 0);
  });
});

describe('ProxyConfig', () => {
  const configs = loadDocuments([
    {
      file: 'x.yaml',
      text: [
        ['mesh', 'istio-system', '{concurrency: 1, environmentVariables: {A: mesh, B: mesh, C: mesh}}'],
        ['space', 'shop', '{concurrency: 2, environmentVariables: {B: space, C: space}}'],
        ['own', 'shop', '{selector: {matchLabels: {app: x}}, environmentVariables: {C: own}}'],
      ]
        .map(
          ([name, namespace, spec]) =>
            `{apiVersion: networking.istio.io/v1beta1, kind: ProxyConfig, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}`,
        )
        .join('\n---\n'),
    },
  ]).resources as readonly ProxyConfig[];

  test('the nearer wins, variable by variable', () => {
    const of = (namespace: string, app: string) =>
      configuredOptions(configs, { namespace, labels: { app } }, 'istio-system');
    assert.deepEqual(of('shop', 'x'), { concurrency: 2, proxyMetadata: { A: 'mesh', B: 'space', C: 'own' } });
    assert.deepEqual(of('shop', 'y'), {
      concurrency: 2,
      proxyMetadata: { A: 'mesh', B: 'space', C: 'space' },
    });
    assert.deepEqual(of('other', 'x'), {
      concurrency: 1,
      proxyMetadata: { A: 'mesh', B: 'mesh', C: 'mesh' },
    });
  });
});
