import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Loaded, loadDocuments } from './load.ts';

const load = (text: string, allowUnsupported: readonly string[] = []): Loaded =>
  loadDocuments([{ file: 'x.yaml', text }], { allowUnsupported });

/** `level line:column path: message (fix)`. */
const problemsOf = ({ problems }: Loaded): string[] =>
  problems.map(({ level, at, path, message, fix }) =>
    [`${level} ${at?.line}:${at?.column}`, path, fix === undefined ? message : `${message} (${fix})`]
      .filter((part) => part !== undefined)
      .join(' '),
  );

const virtualService = (http: string, spec = ''): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\nspec:\n  hosts: [x]\n${spec}  http:\n  - ${http}\n`;
const guarded = `apiVersion: v1
kind: Service
metadata: {name: x}
spec: {ports: [{port: 80}], loadBalancerSourceRanges: [10.0.0.0/8]}
`;
const destinationRule = (policy: string): string =>
  `apiVersion: networking.istio.io/v1beta1\nkind: DestinationRule\nmetadata: {name: x}\nspec:\n  host: x\n  trafficPolicy: ${policy}\n`;
const gateway = (server: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: x}\nspec:\n  selector: {a: b}\n  servers:\n  - ${server}\n`;

const route = 'route: [{destination: {host: x}}]';
const lessStrict = (kind: string): string =>
  `is not supported yet, and without it the mesh would be less strict than written (to run without it: --allow-unsupported ${kind})`;
const noEffect = 'is not supported yet and has no effect';
const statefulSet = (spec: string): string =>
  `apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x}\nspec:\n  selector: {matchLabels: {a: b}}\n  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: x, image: x}]}}\n  ${spec}\n`;

describe('problems of one document', () => {
  const cases: [why: string, text: string, problems: string[]][] = [
    [
      'unknown field',
      virtualService('rute: []'),
      ['error 7:5 spec.http[0].rute there is no such field (did you mean "route"?)'],
    ],
    [
      'a StatefulSet that is to be replaced in part, or by hand',
      statefulSet('updateStrategy: {type: OnDelete, rollingUpdate: {partition: 2, maxUnavailable: 1}}'),
      [
        `warning 7:20 spec.updateStrategy.type this field ${noEffect}`,
        `warning 7:52 spec.updateStrategy.rollingUpdate.partition this field ${noEffect}`,
      ],
    ],
    [
      'an annotation with another value',
      virtualService(`{${route}}`).replace(
        'name: x}',
        'name: x, annotations: {heddle.dev/fault-scope: try}}',
      ),
      [
        'error 3:35 metadata.annotations["heddle.dev/fault-scope"] one of request, attempt is expected, not the text "try"',
      ],
    ],
    [
      'a StatefulSet',
      statefulSet('updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}}'),
      [],
    ],
    [
      'all at once',
      virtualService('{timeout: 1, retries: {attempts: many}, route: [{destination: {hots: y}}]}'),
      [
        'error 7:6 spec.http[0].timeout a duration is expected, such as "1.5s", not the number 1',
        'error 7:28 spec.http[0].retries.attempts a whole number is expected, not the text "many"',
        'error 7:54 spec.http[0].route[0].destination.host this field is required',
        'error 7:68 spec.http[0].route[0].destination.hots there is no such field (did you mean "host"?)',
      ],
    ],
    [
      'no action',
      virtualService('name: a'),
      ['error 7:5 spec.http[0] one of route, redirect, directResponse is needed, and only one'],
    ],
    [
      'two actions',
      virtualService(`{${route}, redirect: {uri: /}}`),
      ['error 7:5 spec.http[0] one of route, redirect, directResponse is needed, and only one'],
    ],
    [
      'two ways to match',
      virtualService(`{match: [{uri: {exact: /a, prefix: /}}], ${route}}`),
      [
        'error 7:15 spec.http[0].match[0].uri only one of exact, prefix, regex may be set, not exact and prefix',
      ],
    ],
    [
      'an empty match of a path',
      virtualService(`{match: [{uri: {}}], ${route}}`),
      ['error 7:15 spec.http[0].match[0].uri one of exact, prefix, regex is needed'],
    ],
    ['a header that need only be there', virtualService(`{match: [{headers: {a: {}}}], ${route}}`), []],
    [
      'no weights',
      virtualService('route: [{destination: {host: a}}, {destination: {host: b}}]'),
      ['error 7:5 spec.http[0].route the weights sum up to 0 (give each destination its weight)'],
    ],
    [
      'retry condition',
      virtualService(`{${route}, retries: {retryOn: "5xx,conect-failure,503"}}`),
      [
        'error 7:51 spec.http[0].retries.retryOn "conect-failure" is no retry condition (did you mean "connect-failure"?)',
      ],
    ],
    [
      'timeout of nothing',
      virtualService(`{${route}, timeout: 0s}`),
      ['error 7:41 spec.http[0].timeout must be at least 1ms (leave the field out to switch it off)'],
    ],
    [
      'mirrors in both forms',
      virtualService(`{${route}, mirror: {host: y}, mirrors: [{destination: {host: z}}]}`),
      ['error 7:60 spec.http[0].mirrors stands beside mirror (write mirrors only)'],
    ],
    ['exportTo', virtualService(route, '  exportTo: [".", other]\n'), []],
    [
      'exportTo nobody',
      virtualService(route, '  exportTo: ["~"]\n'),
      ['error 6:14 spec.exportTo[0] "~" (nobody) has no meaning here (delete the resource, or write ".")'],
    ],
    [
      'exportTo everybody and somebody',
      virtualService(route, '  exportTo: ["*", other]\n'),
      ['error 6:14 spec.exportTo[0] "*" is every namespace: nothing else may stand beside it'],
    ],
    [
      'whom a load balancer lets in',
      guarded,
      [`error 4:29 spec.loadBalancerSourceRanges this field ${lessStrict('Service')}`],
    ],
    [
      'load balancer',
      destinationRule('{loadBalancer: {simple: ROUNDROBIN}}'),
      [
        'error 6:34 spec.trafficPolicy.loadBalancer.simple one of UNSPECIFIED, LEAST_CONN, RANDOM, PASSTHROUGH, ROUND_ROBIN, LEAST_REQUEST is expected, not the text "ROUNDROBIN" (did you mean "ROUND_ROBIN"?)',
      ],
    ],
    [
      'gateway with TLS and no certificate',
      gateway('{port: {number: 443, name: a, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE}}'),
      [
        'error 7:67 spec.servers[0].tls.serverCertificate SIMPLE needs a server certificate (or name a Secret: credentialName)',
      ],
    ],
    [
      'number for a text',
      'apiVersion: v1\nkind: Service\nmetadata: {name: x, labels: {version: 1.10}}\nspec: {}',
      [
        'error 3:30 metadata.labels.version a text is expected, not the number 1.1 (write it in quotes: "1.1")',
      ],
    ],
    [
      'kind without support that closes',
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: x}\nspec: {}',
      [
        `error 2:1 kind the kind AuthorizationPolicy of security.istio.io/v1 ${lessStrict('AuthorizationPolicy')}`,
      ],
    ],
    [
      'kind without support',
      'apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}',
      [`warning 2:1 kind the kind CronJob of batch/v1 ${noEffect}`],
    ],
    [
      'kind nobody knows',
      'apiVersion: networking.istio.io/v1\nkind: VirtualServise\nmetadata: {name: x}',
      ['error 2:1 kind there is no kind "VirtualServise" (did you mean "VirtualService"?)'],
    ],
    [
      'version nobody knows',
      'apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: x}',
      ['error 1:1 apiVersion there is no Deployment of "apps/v1beta1" (write apps/v1)'],
    ],
    [
      'a version that was mistyped, and a field',
      virtualService('rute: []').replace('/v1', '/v1apha3'),
      [
        'error 1:1 apiVersion there is no VirtualService of "networking.istio.io/v1apha3" (did you mean "networking.istio.io/v1alpha3"?)',
        'error 7:5 spec.http[0].rute there is no such field (did you mean "route"?)',
      ],
    ],
    [
      'no document',
      'just a text',
      ['error 1:1 a document is an object with apiVersion, kind and metadata, not the text "just a text"'],
    ],
    [
      'a Sidecar that says nothing',
      'apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: x}\nspec: {egress: []}',
      ['error 4:1 spec says nothing (write egress, ingress or outboundTrafficPolicy, or delete it)'],
    ],
  ];
  for (const [why, text, problems] of cases) {
    test(why, () => assert.deepEqual(problemsOf(load(text)), problems));
  }
});

describe('what is rejected and closes something', () => {
  const cases: [why: string, text: string, guards: boolean][] = [
    ['a slip in a route', virtualService('rute: []'), false],
    ['an unsupported part that closes', guarded, true],
    ['a slip in something that guards', destinationRule('{tls: {mode: OFF}}'), true],
    ['two routes of one name', `${virtualService(route)}---\n${virtualService(route)}`, false],
    ['two guards of one name', `${destinationRule('{}')}---\n${destinationRule('{}')}`, true],
    ['a feature that is missing', virtualService(`{${route}, mirror: {host: y}}`), false],
  ];
  for (const [why, text, guards] of cases) {
    test(why, () =>
      assert.equal(
        load(text).rejected.some((one) => one.guards),
        guards,
      ),
    );
  }

  test('of two of one name none is taken', () => {
    assert.deepEqual(load(`${virtualService(route)}---\n${virtualService(route)}`).resources, []);
  });
});

test('what somebody allowed is a warning and stays on the list', () => {
  const loaded = load(guarded, ['Service']);
  assert.deepEqual(loaded.rejected, []);
  assert.equal(loaded.resources.length, 1);
  assert.deepEqual(
    loaded.allowed.map(({ path, level }) => `${level} ${path}`),
    ['warning spec.loadBalancerSourceRanges'],
  );
});

test('a List is its items, each with its place', () => {
  const item = '- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {name: NAME, nam: x}\n';
  const loaded = load(
    `apiVersion: v1\nkind: List\nitems:\n${item.replace('NAME', 'a')}${item.replace('NAME', 'b')}`,
  );
  assert.deepEqual(
    problemsOf(loaded).map((text) => text.split(' ')[1]),
    ['6:23', '9:23'],
  );
});

describe('names that lead nowhere', () => {
  const service = (name: string, port = 'http'): string =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: 80, name: ${port}}]}\n---\n`;
  const to = (destination: string): string => virtualService(`route: [{destination: {${destination}}}]`);
  const cases: [why: string, text: string, problem: string | undefined][] = [
    ['a host that is there', service('reviews') + to('host: reviews'), undefined],
    [
      'a host by its full name',
      service('reviews') + to('host: reviews.default.svc.cluster.local'),
      undefined,
    ],
    [
      'a host that is not',
      service('reviews') + to('host: reveiws'),
      'warning 12:28 spec.http[0].route[0].destination.host the mesh has no service "reveiws" (did you mean "reviews"?)',
    ],
    ['no services at all: part of a set', to('host: reveiws'), undefined],
    [
      'a port that is not',
      service('reviews') + to('host: reviews, port: {number: 81}'),
      'warning 12:43 spec.http[0].route[0].destination.port the service "reviews" has no port 81 (it has 80)',
    ],
    [
      'a subset that is not',
      service('reviews') + to('host: reviews, subset: v1'),
      'warning 12:43 spec.http[0].route[0].destination.subset no DestinationRule for "reviews" has the subset "v1"',
    ],
    [
      'two for one host',
      `${virtualService(route)}---\n${virtualService(route).replace('name: x', 'name: y')}`,
      'warning 13:11 spec.hosts[0] requests for "x" that no route asks for go where VirtualService default/x says, which takes them all (leave a route without match to one of them)',
    ],
    [
      'a port without protocol',
      service('reviews', 'main'),
      'info 4:16 spec.ports[0] the port is named "main": the first bytes of each connection say whether it is HTTP (name it "http", "tcp-…", or set appProtocol)',
    ],
  ];
  for (const [why, text, problem] of cases) {
    test(why, () => assert.deepEqual(problemsOf(load(text)), problem === undefined ? [] : [problem]));
  }
});
