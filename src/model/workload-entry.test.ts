import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '#core/problem.ts';
import { type Loaded, loadDocuments } from './load.ts';
import { isHealthy, labelsOfEntry, type WorkloadEntry } from './workload-entry.ts';
import type { WorkloadGroup } from './workload-group.ts';

const load = (kind: string, spec: string, metadata = 'name: vm-1', more = ''): Loaded =>
  loadDocuments([
    {
      file: 'x.yaml',
      text: `apiVersion: networking.istio.io/v1beta1\nkind: ${kind}\nmetadata: {${metadata}}\nspec: ${spec}\n${more}`,
    },
  ]);

function entry(spec: string, metadata?: string, more?: string): WorkloadEntry {
  const { resources, problems } = load('WorkloadEntry', spec, metadata, more);
  assert.deepEqual(problems, []);
  return resources[0] as WorkloadEntry;
}

const problemsOf = ({ problems }: Loaded): string[] => problems.map(formatProblem);

describe('WorkloadEntry', () => {
  test('every field', () => {
    const spec = `{address: "fd00::7", ports: {http: 19080}, labels: {app: a, version: v1}, network: office,
      locality: eu/eu-1/rack-2, weight: 3, serviceAccount: reviews}`;
    const read = entry(spec, 'name: vm-1, labels: {version: v2}');
    assert.deepEqual(read.spec, {
      address: 'fd00::7',
      ports: { http: 19_080 },
      labels: { app: 'a', version: 'v1' },
      network: 'office',
      locality: 'eu/eu-1/rack-2',
      weight: 3,
      serviceAccount: 'reviews',
    });
    assert.deepEqual(labelsOfEntry(read), { app: 'a', version: 'v2' });
  });

  test('a weight of 0 is none, as in Istio', () => {
    assert.equal(entry('{address: 10.0.0.7, weight: 0}').spec.weight, 1);
  });

  const healthChecked = 'name: vm-1, annotations: {proxy.istio.io/health-checks-enabled: "true"}';
  const says = (status: string): string => `status: {conditions: [{type: Healthy, status: "${status}"}]}`;
  const healths: [healthy: boolean, metadata: string | undefined, more: string, why: string][] = [
    [true, undefined, '', 'nobody looks'],
    [true, undefined, says('False'), 'nobody is to look'],
    [false, healthChecked, '', 'nobody has looked yet'],
    [true, healthChecked, says('True'), 'it passed'],
    [false, healthChecked, says('False'), 'it failed'],
    [false, 'name: vm-1, deletionTimestamp: "2026-01-01T00:00:00Z"', '', 'it goes away'],
  ];
  for (const [healthy, metadata, more, why] of healths) {
    test(`${healthy ? 'healthy' : 'not healthy'}: ${why}`, () => {
      assert.equal(isHealthy(entry('{address: 10.0.0.7}', metadata, more)), healthy);
    });
  }

  const wrong: [spec: string, problem: RegExp][] = [
    ['{}', /spec\.address: is needed/],
    ['{address: "10.0.0.7:80"}', /spec\.address: .*is not a name/],
    ['{address: "unix://a"}', /must be absolute/],
    ['{address: "unix:///a/"}', /not a folder/],
    ['{address: "unix:///a", ports: {http: 1}}', /spec\.ports: a Unix socket has no ports/],
    ['{address: 1.1.1.1, ports: {"@": 80}}', /"@" is not a name of a port/],
    ['{address: 1.1.1.1, ports: {http: 0}}', /spec\.ports\.http: must be from 1 to 65535/],
    ['{address: 1.1.1.1, locality: a/b/c/d}', /is not REGION, REGION\/ZONE/],
    ['{address: 1.1.1.1, weight: -1}', /spec\.weight: must be from 0/],
    ['{address: 1.1.1.1, adress: 1.1.1.1}', /spec\.adress: there is no such field .*did you mean "address"/],
  ];
  for (const [spec, problem] of wrong) {
    test(`refused, with its place: ${spec}`, () => {
      const problems = problemsOf(load('WorkloadEntry', spec));
      assert.match(problems.join('\n'), problem);
      assert.match(problems.join('\n'), /x\.yaml:4/);
    });
  }

  test('what would never be called is told where services select it', () => {
    const service = `---\napiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {selector: {app: db}, ports: [{name: tcp, port: 1}]}`;
    const problems = problemsOf(
      load('WorkloadEntry', '{address: db.example.com, labels: {app: db}}', undefined, service),
    );
    assert.match(
      problems.join('\n'),
      /db\.example\.com is no IP address, so it is no endpoint of the Service db/,
    );
    const tls = '{address: 10.0.0.7, labels: {security.istio.io/tlsMode: istio}}';
    assert.match(problemsOf(load('WorkloadEntry', tls)).join('\n'), /spec\.serviceAccount: is needed where/);
  });
});

describe('WorkloadGroup', () => {
  test('every field, and the defaults of a probe', () => {
    const { resources, problems } = load(
      'WorkloadGroup',
      `{metadata: {labels: {app: a}, annotations: {x: y}}, template: {serviceAccount: reviews, ports: {http: 80}},
        probe: {initialDelaySeconds: 5, timeoutSeconds: 0, httpGet: {port: 8080, httpHeaders: [{name: X-A, value: b}]}}}`,
    );
    assert.deepEqual(problems, []);
    const { metadata, template, probe } = (resources[0] as WorkloadGroup).spec;
    assert.deepEqual(metadata, { labels: { app: 'a' }, annotations: { x: 'y' } });
    assert.deepEqual(
      [template.serviceAccount, template.ports, template.weight],
      ['reviews', { http: 80 }, 1],
    );
    assert.deepEqual(probe, {
      action: {
        kind: 'httpGet',
        path: '/',
        port: 8080,
        scheme: 'HTTP',
        headers: [{ name: 'X-A', value: 'b' }],
      },
      initialDelaySeconds: 5,
      periodSeconds: 10,
      timeoutSeconds: 1,
      successThreshold: 1,
      failureThreshold: 3,
    });
  });

  test('the other ways to ask', () => {
    const kinds = ['tcpSocket: {port: 1}', 'exec: {command: [a]}', 'grpc: {port: 1}'].map((written) => {
      const { resources } = load('WorkloadGroup', `{template: {}, probe: {${written}}}`);
      return (resources[0] as WorkloadGroup).spec.probe?.action.kind;
    });
    assert.deepEqual(kinds, ['tcpSocket', 'exec', 'grpc']);
  });

  const wrong: [spec: string, problem: RegExp][] = [
    ['{}', /spec\.template: this field is required/],
    ['{template: {address: 10.0.0.7}}', /spec\.template\.address: has no effect/],
    ['{template: {}, probe: {}}', /spec\.probe: one of httpGet, tcpSocket, exec, grpc is needed/],
    ['{template: {}, probe: {tcpSocket: {port: http}}}', /spec\.probe\.tcpSocket\.port: a whole number/],
    ['{template: {}, probe: {httpGet: {port: 1, httpHeaders: [{name: "**"}]}}}', /is not a name of a header/],
    ['{template: {}, probe: {exec: {command: []}}}', /spec\.probe\.exec\.command: must not be empty/],
    ['{template: {}, probe: {tcpSocket: {port: 1}, grpc: {port: 1}}}', /only one of/],
  ];
  for (const [spec, problem] of wrong) {
    test(`complained about: ${spec}`, () =>
      assert.match(problemsOf(load('WorkloadGroup', spec)).join('\n'), problem));
  }
});
