/** Clients that know nothing of the mesh, in a Pod whose connections are captured: HTTP, WebSocket and gRPC by name. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import {
  type CapturedPrograms,
  type Images,
  ownApplication,
  startCapturedPrograms,
} from '../support/captured-programs.ts';
import { eventually } from '../support/eventually.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { findPeer, type PeerName, requirePeer } from '../support/peer.ts';
import { sumOf } from '../support/prometheus-text.ts';
import { workload } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';
import { pythonProgram as pythonSocket } from './interop/websocket.ts';

const build = promisify(execFile);
const source = (file: string): string => join(import.meta.dirname, 'captured', file);
const interop = (file: string): string => join(import.meta.dirname, 'interop', file);
const pythonService = interop('grpc/service.py');

const caller = 'spiffe://cluster.local/ns/default/sa/front';
/** Each service has them all: the search list's, those of Kubernetes in between, and the whole one. */
const full = 'back.default.svc.cluster.local';
const names = ['back', 'back.default', 'back.default.svc', full];
const body = 'much ado about nothing, '.repeat(20_000);

/** What `test/apps/witness.ts` answers. */
interface Seen {
  readonly method: string;
  readonly url: string;
  readonly host: string;
  readonly caller: string;
  readonly bytes: number;
  readonly sha256: string;
}

const seen = (host: string, text: string, more: Partial<Seen> = {}): Seen => ({
  method: 'POST',
  url: '/',
  host,
  caller,
  bytes: Buffer.byteLength(text),
  sha256: createHash('sha256').update(text).digest('hex'),
  ...more,
});

interface Client {
  readonly name: string;
  readonly peer?: PeerName;
  /** The command of which a URL is the last word; it posts what it reads and prints the answer. */
  command(t: TestContext, program: string): Promise<string[]> | string[];
  readonly env?: Readonly<Record<string, string>>;
}

const go = async (t: TestContext, program: string): Promise<string[]> => {
  const built = join(tempDir(t), 'ask');
  await build(program, ['build', '-o', built, source('ask.go')], {
    env: { ...process.env, GO111MODULE: 'off' },
  });
  return [built];
};

const clients: readonly Client[] = [
  { name: 'curl', peer: 'curl', command: (_, program) => [program, '-sS', '--data-binary', '@-'] },
  {
    name: 'requests',
    peer: 'python-clients',
    command: (_, program) => [
      ...[program, '-c'],
      'import requests, sys; print(requests.post(sys.argv[1], sys.stdin.buffer.read()).text)',
    ],
  },
  { name: "net/http with Go's own resolver", peer: 'go', env: { GODEBUG: 'netdns=go' }, command: go },
  { name: "net/http with the C library's", peer: 'go', env: { GODEBUG: 'netdns=cgo' }, command: go },
  {
    name: "Java's HttpClient",
    peer: 'javac',
    async command(t, program) {
      const folder = tempDir(t);
      await build(program, ['-d', folder, source('Ask.java')]);
      return [join(dirname(program), 'java'), '-cp', folder, 'Ask'];
    },
  },
  {
    name: 'fetch',
    command: () => [
      ...[process.execPath, '--input-type=module', '-e'],
      `import { text } from 'node:stream/consumers';
       const answer = await fetch(process.argv[1], { method: 'POST', body: await text(process.stdin) });
       console.log(await answer.text());`,
    ],
  },
];

describeInNamespaces('a client in a captured Pod', () => {
  let programs: CapturedPrograms;
  before(async () => {
    const images: Record<string, readonly string[]> = { 'back:1': ownApplication('witness.ts') };
    const documents = [
      workload({
        name: 'back',
        ports: '[{name: http, port: 80, targetPort: 8080}]',
        container: 'image: back:1\nports: [{containerPort: 8080}]',
      }),
    ];
    const serve = (name: string, protocol: string, port: number, command: Images[string]): void => {
      images[`${name}:1`] = command;
      const ports = `[{name: ${protocol}, port: 80, targetPort: ${port}}]`;
      documents.push(
        workload({ name, ports, container: `image: ${name}:1\nports: [{containerPort: ${port}}]` }),
      );
    };
    const python = findPeer('python-clients');
    if (python !== undefined) serve('sockets', 'http', 8765, [python, pythonSocket, 'serve', '8765']);
    const grpc = findPeer('grpc-interop-server');
    if (grpc !== undefined) serve('calls', 'grpc', 10_000, [grpc, '-port', '10000']);
    programs = await startCapturedPrograms(images, documents.join(''));
  });
  after(() => programs?.stop());

  for (const { name, peer, command, env = {} } of clients) {
    test(`${name}: by every name, and the server is told who asks`, async (t) => {
      const program = peer === undefined ? '' : requirePeer(t, peer);
      if (program === undefined) return;
      const words = await command(t, program);
      for (const host of names) {
        const said = await programs.run([...words, `http://${host}/`], { input: body, env });
        assert.deepEqual(JSON.parse(said), seen(host, body), host);
      }
    });
  }

  const curls: readonly [what: string, words: string, answer: Seen][] = [
    ['a port that is said', '-H host:back:80 http://back:80/', seen('back:80', '', { method: 'GET' })],
    ['HTTP/1.0', '-0 http://back/', seen('back', '', { method: 'GET' })],
    ['HTTP/2 by prior knowledge', '--http2-prior-knowledge -d @- http://back/', seen('back', body)],
    ['an offer of HTTP/2', '--http2 http://back/', seen('back', '', { method: 'GET' })],
    ['chunks', '-T - http://back/', seen('back', body, { method: 'PUT' })],
    ['Expect: 100-continue', '-H expect:100-continue -d @- http://back/', seen('back', body)],
    ['a query', '-G -d a=b%20c http://back/x', seen('back', '', { method: 'GET', url: '/x?a=b%20c' })],
    ['a name that ends with a dot', '-H host:back http://back./', seen('back', '', { method: 'GET' })],
    ['a full name that ends with a dot', `http://${full}.`, seen(`${full}.`, '', { method: 'GET' })],
  ];
  for (const [what, words, answer] of curls) {
    test(`curl: ${what}`, async (t) => {
      const program = requirePeer(t, 'curl');
      if (program === undefined) return;
      const said = await programs.run([program, '-sS', '--fail', ...words.split(' ')], { input: body });
      assert.deepEqual(JSON.parse(said), answer);
    });
  }

  test('curl: one connection for several requests, and its end', async (t) => {
    const program = requirePeer(t, 'curl');
    if (program === undefined) return;
    const words = ['-sS', '-w', ' %{num_connects}\n', 'http://back/1', 'http://back/2'];
    const [first, second] = (await programs.run([program, ...words])).split('\n');
    assert.match(first!, /"\/1".* 1$/);
    assert.match(second!, /"\/2".* 0$/);
    const head = await programs.run([program, '-sS', '-I', 'http://back/']);
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    // Nobody of that name: as a machine without the mesh says it.
    const { end, stderr } = await programs.attempt([program, '-sS', 'http://nobody/']);
    assert.deepEqual([end, stderr.trim()], [6, 'curl: (6) Could not resolve host: nobody']);
  });

  const module = (file: string, call: string): string[] => [
    ...[
      process.execPath,
      '--input-type=module',
      '-e',
      `import * as cases from '${file}'; await cases.${call};`,
    ],
  ];
  const socketClients: readonly [name: string, command: (python: string) => string[]][] = [
    ["Python's websockets", (python) => [python, pythonSocket, 'ask', 'ws://sockets/']],
    ['ws', () => module(interop('websocket.ts'), "runWsCases({ host: 'sockets', port: 80 })")],
  ];
  for (const [name, command] of socketClients) {
    test(`WebSocket: ${name}, to the server of Python's`, async (t) => {
      const python = requirePeer(t, 'python-clients');
      if (python === undefined || requirePeer(t, 'node-clients') === undefined) return;
      await programs.run(command(python));
    });
  }

  const calls = 'calls.default.svc.cluster.local';
  const grpcClients: readonly [
    name: string,
    peer: PeerName | undefined,
    commands: (program: string) => string[][],
  ][] = [
    [
      'grpc-go',
      'grpc-interop-client',
      (program) =>
        ['large_unary', 'ping_pong', 'custom_metadata', 'status_code_and_message', 'cancel_after_begin'].map(
          (name) => [program, '-server_host', 'calls', '-server_port', '80', '-test_case', name],
        ),
    ],
    ['grpc-js', undefined, () => [module(interop('grpc/node-service.ts'), `runNodeCases('${calls}:80')`)]],
    ['grpcio', 'python-clients', (program) => [[program, pythonService, 'ask', 'calls.default:80']]],
  ];
  for (const [name, peer, commands] of grpcClients) {
    test(`gRPC: ${name}, to the server of grpc-go`, async (t) => {
      if (requirePeer(t, 'grpc-interop-server') === undefined) return;
      const program = peer === undefined ? '' : requirePeer(t, peer);
      if (program === undefined) return;
      for (const command of commands(program)) await programs.run(command);
    });
  }

  test('all of it was mutual TLS', async () => {
    await programs.run(module('node:assert', "ok((await fetch('http://back/')).ok)"));
    await eventually(async () => {
      const workloads = new Set(programs.mesh.state().instances.map(({ workload }) => workload));
      workloads.delete('front');
      for (const workload of workloads) {
        const metrics = await programs.mesh.metricsOf(programs.mesh.instancesOf(workload)[0]!);
        const requests = (policy: object): number =>
          sumOf(metrics, 'istio_requests_total', { reporter: 'destination', ...policy });
        const secured = requests({ connection_security_policy: 'mutual_tls', source_principal: caller });
        assert.equal(requests({}), secured, workload);
        if (workload === 'back') assert.ok(secured > 0);
      }
    });
  });
});
