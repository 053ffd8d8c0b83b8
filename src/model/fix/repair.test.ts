import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { repairText } from './repair.ts';

const repaired = (text: string): string => repairText({ file: 'a.yaml', text }).text;

const service = (spec: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n${spec}`;
const routes = (http: string, version = 'v1'): string =>
  `apiVersion: networking.istio.io/${version}\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a]\n${http}`;

describe('repairs', () => {
  const cases: readonly [why: string, before: string, after: string][] = [
    [
      'a field, with the comment behind it',
      service('  port:   # what it listens on\n  - {port: 80}\n'),
      service('  ports:   # what it listens on\n  - {port: 80}\n'),
    ],
    ['a version', routes('', 'v1apha3  # old'), routes('', 'v1alpha3  # old')],
    [
      'a group',
      'apiVersion: "networking.istio.oi/v1"\nkind: Sidecars\n---\napiVersion: networking.istio.oi/v1\nkind: Gateway\n',
      'apiVersion: "networking.istio.oi/v1"\nkind: Sidecars\n---\napiVersion: networking.istio.io/v1\nkind: Gateway\n',
    ],
    [
      'a kind',
      'apiVersion: v1\nkind: Servise\nmetadata: {name: a}\n',
      'apiVersion: v1\nkind: Service\nmetadata: {name: a}\n',
    ],
    [
      'what is wrong inside of what was wrong',
      routes('  htp:\n  - rout: []\n'),
      routes('  http:\n  - route: []\n'),
    ],
    [
      'a number where a text is needed, as it is written',
      service('  selector: {version: 1.10, "a": 010}\n'),
      service('  selector: {version: "1.10", "a": "010"}\n'),
    ],
    ['a number in quotes', service("  ports: [{port: '80'}]\n"), service('  ports: [{port: 80}]\n')],
    [
      'a word in another case',
      service('  ports: [{port: 80, protocol: "tcp"}]\n'),
      service('  ports: [{port: 80, protocol: "TCP"}]\n'),
    ],
    [
      'a field with a successor of another shape',
      routes('  http:\n  - fault: {delay: {percent: 5, fixedDelay: 1s}}\n'),
      routes('  http:\n  - fault: {delay: {percentage: {value: 5}, fixedDelay: 1s}}\n'),
    ],
    [
      'JSON',
      '{"kind": "Service", "apiVersion": "v1", "metadata": {"nam": 1}}',
      '{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "1"}}',
    ],
    [
      'line breaks of Windows',
      service('  port: []\r\n  type: clusterip\r\n'),
      service('  ports: []\r\n  type: ClusterIP\r\n'),
    ],
  ];
  for (const [why, before, after] of cases) test(why, () => assert.equal(repaired(before), after));
});

describe('what is left as it is', () => {
  const cases: readonly [why: string, text: string][] = [
    ['a name that two are as near to', routes('  tcs: []\n')],
    ['a field whose right name is there already', service('  ports: []\n  port: []\n')],
    ['a value with an anchor', service('  selector: {version: &v 1}\n')],
    ['a word that is none', service('  type: Cluster\n')],
    ['text that is no YAML', 'a: [\nb'],
    ['a good document', service('  ports: [{port: 80}] # fine\n')],
  ];
  for (const [why, text] of cases) test(why, () => assert.equal(repaired(text), text));
});

test('what was wrong is told', () => {
  const { problems } = repairText({ file: 'a.yaml', text: service('  port: [{port: "80"}]\n') });
  assert.deepEqual(
    problems.map(({ path }) => path),
    ['spec.port', 'spec.ports[0].port'],
  );
});
