/** EndpointSlices: what is taken, and what is complained about where. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '#core/problem.ts';
import { loadDocuments } from './load.ts';

const slice = (type: string, address: string, labels = '{kubernetes.io/service-name: db}'): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, labels: ${labels}}
addressType: ${type}
endpoints: [{addresses: ["${address}"], conditions: {ready: true}, targetRef: {kind: Pod}}]
ports: [{name: tcp, port: 5432, protocol: TCP}]
`;

const problemsOf = (text: string): readonly string[] =>
  loadDocuments([{ file: 'x.yaml', text }]).problems.map((problem) =>
    formatProblem(problem).replace(/^.*?: (\w+): \S+ \S+: /, '$1 '),
  );

describe('EndpointSlice', () => {
  const cases: readonly [what: string, text: string, ...expected: readonly string[]][] = [
    ['addresses', slice('IPv4', '192.0.2.1')],
    ['addresses of IPv6', slice('IPv6', '2001:db8::1')],
    [
      'of the other version',
      slice('IPv4', '2001:db8::1'),
      'error endpoints[0].addresses[0]: "2001:db8::1" is no address of IPv4',
    ],
    [
      'names',
      slice('FQDN', 'db.example.com'),
      'warning addressType: names have no effect, in Istio neither (write a ServiceEntry)',
    ],
    [
      'of no Service',
      slice('IPv4', '192.0.2.1', '{}'),
      'warning metadata.labels: it is of no Service, and has no effect (add the label kubernetes.io/service-name: NAME)',
    ],
  ];
  for (const [what, text, ...expected] of cases)
    test(what, () => assert.deepEqual(problemsOf(text), expected));
});
