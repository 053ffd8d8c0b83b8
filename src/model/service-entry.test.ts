import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '#core/problem.ts';
import { loadDocuments } from './load.ts';

const ports = 'ports: [{number: 80, name: http, protocol: HTTP}]';

/** Each as `PATH: MESSAGE`. */
function errorsOf(spec: string): string[] {
  const text = `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: x}\nspec: ${spec}\n`;
  const { problems } = loadDocuments([{ file: 'x.yaml', text }]);
  return problems.filter(({ level }) => level === 'error').map(({ path, message }) => `${path}: ${message}`);
}

describe('ServiceEntry', () => {
  const good: [why: string, spec: string][] = [
    ['the least', '{hosts: [a.example]}'],
    [
      'the protocol in any case, or none',
      '{hosts: [a.example], ports: [{number: 1, name: x, protocol: grpc-Web}, {number: 2, name: y}]}',
    ],
    [
      'a wildcard with endpoints that are looked up',
      `{hosts: ["*.a.example"], resolution: DNS, endpoints: [{address: a.example}], ${ports}}`,
    ],
    ['a range', `{hosts: [a.example], addresses: [10.0.0.0/8, "fd00::/64"], ${ports}}`],
    [
      'a socket',
      `{hosts: [a.example], resolution: STATIC, endpoints: [{address: "unix:///run/x"}], ${ports}}`,
    ],
    [
      'selected workloads',
      `{hosts: [a.example], location: MESH_INTERNAL, resolution: STATIC, workloadSelector: {labels: {app: x}}, ${ports}}`,
    ],
    ['an empty selector that nothing asks for', '{hosts: [a.example], workloadSelector: {}}'],
    ['names as they come', `{hosts: ["*.a.example"], resolution: DYNAMIC_DNS, ${ports}}`],
    ['to everybody', '{hosts: [a.example], exportTo: ["*"]}'],
  ];
  for (const [why, spec] of good) test(why, () => assert.deepEqual(errorsOf(spec), []));

  const bad: [why: string, spec: string, errors: readonly RegExp[]][] = [
    ['every host there is', '{hosts: ["*"]}', [/^spec\.hosts\[0\]: the host \* would be every host/]],
    ['no host', '{hosts: []}', [/^spec\.hosts: must not be empty/]],
    ['a host twice', '{hosts: [a.example, A.example]}', [/^spec\.hosts\[1\]: .*twice/]],
    ['an address as host', '{hosts: [10.0.0.1]}', [/^spec\.hosts\[0\]: .*is an address/]],
    [
      'no address',
      '{hosts: [a.example], addresses: [10.0.0.256, 10.0.0.0/40]}',
      [/addresses\[0\]: .*neither/, /addresses\[1\]/],
    ],
    [
      'an unknown protocol',
      '{hosts: [a.example], ports: [{number: 1, name: x, protocol: HTTPX}]}',
      [/ports\[0\]\.protocol: one of/],
    ],
    [
      'datagrams',
      '{hosts: [a.example], ports: [{number: 1, name: x, protocol: UDP}]}',
      [/UDP is not carried/],
    ],
    [
      'ports twice',
      '{hosts: [a.example], ports: [{number: 1, name: x}, {number: 1, name: y}, {number: 2, name: x}]}',
      [/ports\[1\]\.number: the port 1 is there twice/, /ports\[2\]\.name: the name "x" is there twice/],
    ],
    ['nobody behind it', `{hosts: [a.example], resolution: STATIC, ${ports}}`, [/STATIC needs endpoints/]],
    [
      'a name where addresses are needed',
      `{hosts: [a.example], resolution: STATIC, endpoints: [{address: b.example}], ${ports}}`,
      [/endpoints\[0\]\.address: .*is a name/],
    ],
    [
      'endpoints that nothing asks for',
      '{hosts: [a.example], endpoints: [{address: 10.0.0.1}]}',
      [/no endpoints go with resolution NONE/],
    ],
    [
      'a wildcard that is looked up',
      `{hosts: ["*.a.example"], resolution: DNS, ${ports}}`,
      [/a wildcard cannot be looked up/],
    ],
    [
      'a range that is looked up',
      `{hosts: [a.example], addresses: [10.0.0.0/8], resolution: DNS, ${ports}}`,
      [/addresses\[0\]: a range/],
    ],
    [
      'a socket that is looked up',
      `{hosts: [a.example], resolution: DNS, endpoints: [{address: "unix:///x"}], ${ports}}`,
      [/a Unix socket goes with/],
    ],
    [
      'two, one by one',
      `{hosts: [a.example], resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.example}, {address: b.example}], ${ports}}`,
      [/endpoints\[1\]: .*one endpoint at most/],
    ],
    [
      'two ways to endpoints',
      `{hosts: [a.example], resolution: STATIC, workloadSelector: {labels: {a: b}}, endpoints: [{address: 10.0.0.1}], ${ports}}`,
      [/workloadSelector: only one/],
    ],
    [
      'selected names',
      `{hosts: [a.example], resolution: DNS, workloadSelector: {labels: {a: b}}, ${ports}}`,
      [/workloadSelector: .*have addresses/],
    ],
    [
      'selected for nothing',
      '{hosts: [a.example], workloadSelector: {labels: {a: b}}}',
      [/has no effect with resolution NONE/],
    ],
    [
      'all workloads',
      `{hosts: [a.example], resolution: STATIC, workloadSelector: {}, ${ports}}`,
      [/every workload/],
    ],
    [
      'a wildcard in a selector',
      `{hosts: [a.example], resolution: STATIC, workloadSelector: {labels: {a: "*"}}, ${ports}}`,
      [/wildcards are not allowed/],
    ],
    [
      'a port nobody has',
      `{hosts: [a.example], resolution: STATIC, endpoints: [{address: 10.0.0.1, ports: {htpt: 1}}], ${ports}}`,
      [/no port of this name; it has http/],
    ],
    [
      'a network only',
      `{hosts: [a.example], resolution: STATIC, endpoints: [{network: n}], ${ports}}`,
      [/gateways between networks/],
    ],
    [
      'what nobody and somebody sees',
      '{hosts: [a.example], exportTo: ["~", a]}',
      [/exportTo\[0\]: "~" is nobody/],
    ],
    [
      'what says no host',
      '{hosts: ["*.a.example", b.example], resolution: DYNAMIC_DNS, ports: [{number: 1, name: x, protocol: TCP}]}',
      [/hosts\[1\]: .*hosts with a wildcard/, /ports\[0\]\.protocol: nothing says the host/],
    ],
    [
      'all at once',
      '{hosts: ["*"], addresses: [x], ports: [{number: 0, name: ""}], resolution: DSN, endpionts: []}',
      [/hosts/, /addresses/, /number/, /name/, /resolution: one of/, /endpionts: there is no such field/],
    ],
  ];
  for (const [why, spec, expected] of bad) {
    test(why, () => {
      const errors = errorsOf(spec);
      assert.equal(errors.length, expected.length, errors.join('\n'));
      for (const pattern of expected)
        assert.ok(
          errors.some((error) => pattern.test(error)),
          `${pattern}: ${errors.join('\n')}`,
        );
    });
  }

  test('with the place and what to write', () => {
    const text = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: x}
spec:
  hosts: [a.example]
  resolution: STATIC
  endpoints:
  - address: b.example
`;
    const { problems } = loadDocuments([{ file: 'x.yaml', text }]);
    const [error] = problems.filter(({ level }) => level === 'error').map(formatProblem);
    assert.match(error ?? '', /x\.yaml:8.*resolution: DNS/);
  });
});

describe('ServiceEntries among others', () => {
  const entry = (name: string, spec: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}}\nspec: ${spec}\n---\n`;
  const findings = (text: string): string[] =>
    loadDocuments([{ file: 'x.yaml', text }]).problems.map(
      ({ resource, message }) => `${resource}: ${message}`,
    );

  const rows: [why: string, text: string, expected: readonly RegExp[]][] = [
    [
      'two of one host',
      entry('b', `{hosts: [A.example], ${ports}}`) + entry('a', `{hosts: [a.example], ${ports}}`),
      [/default\/b: "A.example" is what ServiceEntry default\/a says/],
    ],
    [
      'a host of a Service',
      `apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{name: http, port: 80}]}\n---\n${entry('a', `{hosts: [s.default.svc.cluster.local], ${ports}}`)}`,
      [/is what Service default\/s says/],
    ],
    ['no ports', entry('a', '{hosts: [a.example]}'), [/there are no ports/]],
    [
      'no protocol',
      entry('a', '{hosts: [a.example], ports: [{number: 80, name: http}]}'),
      [/has no protocol: the first bytes/],
    ],
    [
      'names of a certificate nobody looks at',
      entry('a', `{hosts: [a.example], subjectAltNames: [a.example], ${ports}}`),
      [/no certificate is looked at/],
    ],
    [
      'a host that a VirtualService and a DestinationRule may name',
      `${entry('a', `{hosts: [a.example], ${ports}}`)}apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec: {hosts: [a.example], http: [{route: [{destination: {host: a.example}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: d}
spec: {host: a.example}
`,
      [],
    ],
  ];
  for (const [why, text, expected] of rows) {
    test(why, () => {
      const found = findings(text);
      assert.equal(found.length, expected.length, found.join('\n'));
      for (const [i, pattern] of expected.entries()) assert.match(found[i]!, pattern);
    });
  }
});
