/**
 * What DestinationRules and ResiliencePolicies say happens to requests, with our sidecar beside the caller, and the same with
 * an Envoy in its place.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { assertShares } from '../support/share.ts';
import { ingressTo, workload } from '../support/small-mesh.ts';

/** Says who it is. Fails while there is a file `NAME.sick`, is unwell for checks while there is `NAME.ill`. */
const echo = `
import { existsSync } from 'node:fs';
import http from 'node:http';
const { HOSTNAME, HOST, PORT } = process.env;
const name = HOSTNAME.replace(/-\\d+$/, '');
http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  const broken = pathname === '/healthz' ? existsSync(name + '.ill') : existsSync(name + '.sick') && pathname !== '/';
  if (searchParams.get('slow') === name) await new Promise((done) => setTimeout(done, 2000));
  response.writeHead(broken ? 503 : 200);
  response.end(name);
}).listen(Number(PORT), HOST);
process.on('SIGTERM', () => process.exit(0));
`;

/** Asks what it is asked to: the answer is who answered, with its status and the cookie that came with it. */
const caller = `
import http from 'node:http';
const { HOST, PORT } = process.env;
const agent = new http.Agent({ proxyEnv: process.env });
http.createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://x');
  const to = searchParams.get('to');
  if (to === null) return void response.end('here');
  const { method, headers: { cookie, 'x-user': user } } = request;
  const headers = { ...(cookie && { cookie }), ...(user && { 'x-user': user }) };
  http.request(to, { method, headers, agent }, (answer) => {
    let text = '';
    answer.setEncoding('utf8').on('data', (more) => (text += more));
    answer.on('end', () => response.end(JSON.stringify({ status: answer.statusCode, text, cookie: answer.headers['set-cookie']?.[0] })));
  }).on('error', ({ message }) => response.end(JSON.stringify({ status: 0, text: message }))).end();
}).listen(Number(PORT), HOST);
process.on('SIGTERM', () => process.exit(0));
`;

/** Without sidecar: answers with the first line of the connection, which is not of HTTP where PROXY was spoken. */
const plain = `
import net from 'node:net';
const { HOST, PORT } = process.env;
net.createServer((socket) => {
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (more) => {
    text += more;
    if (!text.includes('\\r\\n\\r\\n')) return;
    const line = text.split('\\r\\n')[0].split(' ').slice(0, 2).join(' ');
    socket.end('HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: ' + line.length + '\\r\\n\\r\\n' + line);
  });
}).listen(Number(PORT), HOST);
process.on('SIGTERM', () => process.exit(0));
`;

const callers = ['heddle', 'envoy'] as const;

const places = { 'echo-a': 'us.a', 'echo-b': 'us.b', 'echo-c': 'eu.c' } as const;

function echoes(): string {
  return Object.entries(places)
    .map(
      ([name, place]) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: echo, place: ${place}}}
  template:
    metadata: {labels: {app: echo, place: ${place}, version: ${name}, istio-locality: ${place}}}
    spec: {containers: [{name: echo, image: example.com/echo:1, ports: [{containerPort: 9080}]}]}
---`,
    )
    .join('');
}

/** A service of its own, before all the same instances, for each rule. */
const rules: Readonly<Record<string, string>> = {
  failover: `{trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1, interval: 0.2s, baseEjectionTime: 1s, maxEjectionPercent: 100}}}`,
  preferred: `{trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: ["version=echo-b"]}}}}`,
  shares: `{trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: "us/a", to: {us/a: 70, us/b: 30}}]}}}}`,
  sticky: `{trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 1h}}}}}`,
  hashed: `{trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user, maglev: {}}}}}`,
  asked: `{trafficPolicy: {loadBalancer: {consistentHash: {httpQueryParameterName: user}}}}`,
  checked: '',
  hedged: '',
  canary: `{trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}, subsets: [{name: a, labels: {version: echo-a}}, {name: b, labels: {version: echo-b}}]}`,
};

function services(): string {
  return Object.entries(rules)
    .map(([name, rule]) => {
      const service = `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: echo}, ports: [{name: http, port: 9080}]}
---`;
      if (rule === '') return service;
      return `${service}
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}}
spec: ${rule.replace('{', `{host: ${name}, `)}
---`;
    })
    .join('');
}

const policies = `
apiVersion: heddle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: checked}
spec:
  host: checked
  healthCheck: {interval: 100ms, timeout: 5s, unhealthyThreshold: 1, healthyThreshold: 1, http: {path: /healthz}}
---
apiVersion: heddle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: hedged}
spec: {host: hedged, hedging: {delay: 50ms, maxAttempts: 3}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: plain}
spec: {host: plain, trafficPolicy: {proxyProtocol: {version: V1}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: canary}
spec:
  hosts: [canary]
  http: [{route: [{destination: {host: canary, subset: a}, weight: 50}, {destination: {host: canary, subset: b}, weight: 50}]}]
---
`;

function manifest(): string {
  const local = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: rules}
images:
  example.com/echo:1: {command: [node, echo.mjs]}
  example.com/caller:1: {command: [node, caller.mjs]}
  example.com/plain:1: {command: [node, plain.mjs]}
workloads:
  plain: {sidecar: none}
${findPeer('envoy') === undefined ? '' : '  envoy: {sidecar: envoy}'}
---`;
  const callersAndOthers = [...callers, 'plain'].map((name) =>
    workload({
      name,
      container: `image: example.com/${name === 'plain' ? name : 'caller'}:1\nports: [{containerPort: 9080}]`,
    }).replace('version: v1}', 'version: v1, istio-locality: us.a}'),
  );
  const routes = callers.map(
    (name) => `  - match: [{headers: {x-caller: {exact: ${name}}}}]
    route: [{destination: {host: ${name}}}]
    retries: {attempts: 0}
`,
  );
  const ingress = ingressTo('heddle').replace(/ {2}- route: [\s\S]*$/, routes.join(''));
  return [local, echoes(), services(), policies, ...callersAndOthers, ingress].join('\n');
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly cookie?: string;
}

const patient = { timeoutMs: 30_000 };

describe('policies of callers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: RunningMesh;
  before(async () => {
    mkdirSync(folder, { recursive: true });
    for (const [name, text] of Object.entries({ echo, caller, plain }))
      writeFileSync(join(folder, `${name}.mjs`), text);
    writeFileSync(join(folder, 'mesh.yaml'), manifest());
    const envoy = findPeer('envoy');
    mesh = await startMesh(
      [join(folder, 'mesh.yaml')],
      envoy === undefined ? {} : { env: { HEDDLE_ENVOY: envoy } },
    );
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const turn = (name: string, on: boolean): void => {
    const file = join(folder, name);
    if (on) writeFileSync(file, '');
    else if (existsSync(file)) rmSync(file);
  };

  for (const by of callers) {
    describe(`by ${by}`, () => {
      const ask = async (
        to: string,
        headers: Record<string, string> = {},
        method = 'GET',
      ): Promise<Answer> => {
        const url = `${mesh.ingressUrl}/?to=${encodeURIComponent(`http://${to}`)}`;
        const response = await fetch(url, { method, headers: { 'x-caller': by, ...headers } });
        const text = await response.text();
        assert.equal(response.status, 200, text);
        return JSON.parse(text) as Answer;
      };
      const whoAnswers = async (to: string, count = 20, headers = {}): Promise<string[]> => {
        const names = new Set<string>();
        for (let i = 0; i < count; i++) names.add((await ask(to, headers)).text);
        return [...names].sort();
      };
      const rule = (name: string, run: () => Promise<void>): void => {
        test(name, async (t) => {
          if (by === 'envoy' && requirePeer(t, 'envoy') === undefined) return;
          await run();
        });
      };

      rule(
        'the nearest instance answers, the next one when it fails, and it again when it is well',
        async () => {
          await eventually(
            async () => assert.deepEqual(await whoAnswers('failover:9080/x'), ['echo-a']),
            patient,
          );
          turn('echo-a.sick', true);
          try {
            await eventually(
              async () => assert.deepEqual(await whoAnswers('failover:9080/x'), ['echo-b']),
              patient,
            );
          } finally {
            turn('echo-a.sick', false);
          }
          await eventually(
            async () => assert.deepEqual(await whoAnswers('failover:9080/x'), ['echo-a']),
            patient,
          );
        },
      );

      rule('labels say who comes first', async () => {
        assert.deepEqual(await whoAnswers('preferred:9080/x'), ['echo-b']);
      });

      rule('places get their shares', async () => {
        const settings = { requests: 400, tolerancePoints: 8 };
        await assertShares(
          async () => (await ask('shares:9080/x')).text,
          { 'echo-a': 70, 'echo-b': 30 },
          settings,
        );
      });

      rule('who has no cookie is given one, and stays where it leads', async () => {
        const first = await ask('sticky:9080/x');
        assert.match(first.cookie ?? '', /^user="?[0-9a-f]+"?; Max-Age=3600; HttpOnly/);
        const [cookie = ''] = first.cookie?.split(';') ?? [];
        assert.deepEqual(await whoAnswers('sticky:9080/x', 20, { cookie }), [first.text]);
        assert.equal((await ask('sticky:9080/x', { cookie })).cookie, undefined);
      });

      rule('a header and a parameter of the query choose the instance', async () => {
        for (const user of ['ada', 'bob', 'cy']) {
          assert.equal((await whoAnswers('hashed:9080/x', 10, { 'x-user': user })).length, 1);
          assert.equal((await whoAnswers(`asked:9080/x?user=${user}`, 10)).length, 1);
        }
        const all = new Set<string>();
        for (let i = 0; i < 40; i++) all.add((await ask('hashed:9080/x', { 'x-user': `user-${i}` })).text);
        assert.equal(all.size, 3);
      });

      rule('a user of a canary stays on its version', async () => {
        const versions = new Set<string>();
        for (let i = 0; i < 30; i++) {
          const [version = '', ...others] = await whoAnswers('canary:9080/x', 5, { 'x-user': `user-${i}` });
          assert.deepEqual(others, []);
          versions.add(version);
        }
        assert.deepEqual([...versions].sort(), ['echo-a', 'echo-b']);
      });

      rule(
        'an instance that does not answer checks gets no requests, and gets them again when it does',
        async () => {
          // The nearest comes first, as there is a way to find out that it is ill.
          await eventually(
            async () => assert.deepEqual(await whoAnswers('checked:9080/x'), ['echo-a']),
            patient,
          );
          turn('echo-a.ill', true);
          try {
            await eventually(
              async () => assert.deepEqual(await whoAnswers('checked:9080/x'), ['echo-b']),
              patient,
            );
          } finally {
            turn('echo-a.ill', false);
          }
          await eventually(
            async () => assert.deepEqual(await whoAnswers('checked:9080/x'), ['echo-a']),
            patient,
          );
        },
      );

      rule('another instance answers where the first takes long, but for POST', async () => {
        assert.deepEqual(await whoAnswers('hedged:9080/x?slow=echo-b', 15), ['echo-a', 'echo-c']);
        const posts = new Set<string>();
        for (let i = 0; i < 40 && !posts.has('echo-b'); i++)
          posts.add((await ask('hedged:9080/x?slow=echo-b', {}, 'POST')).text);
        assert.ok(posts.has('echo-b'));
      });

      rule('the PROXY protocol tells first who calls', async () => {
        assert.deepEqual(await whoAnswers('plain:9080/x', 1), ['PROXY TCP4']);
      });
    });
  }

  test('every proxy has taken all of it', () => {
    assert.doesNotMatch(mesh.output(), /NACK|refuse/);
  });
});
