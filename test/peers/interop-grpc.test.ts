/**
 * gRPC's own interoperability cases with the proxy between the two ends: its client, grpc-js and grpcio, each
 * with the servers of all three.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { startChild } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { findPeer } from '../support/peer.ts';
import { protoFile, runNodeCases, startNodeService } from './interop/grpc/node-service.ts';
import type { Upstream } from './interop/proxy.ts';
import { type Case, interop, type Rig } from './interop/rig.ts';
import { startServer } from './interop/upstreams.ts';

const run = promisify(execFile);
const timeout = 60_000;
const pythonService = join(import.meta.dirname, 'interop/grpc/service.py');

/** Of `-test_case`: those that need no credentials, no other transport and no second server. */
const cases = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'unimplemented_method',
  'unimplemented_service',
  'custom_metadata',
  'rpc_soak',
  'channel_soak',
];

async function runGoCase(testCase: string, { proxy, upstreams, certificates }: Rig): Promise<void> {
  for (const { name } of upstreams) {
    for (const secured of [false, true]) {
      const args = [
        ...['-server_host', '127.0.0.1', '-server_port', String(proxy.port(name, secured))],
        ...['-test_case', testCase, '-soak_iterations', '20', '-soak_num_threads', '4'],
        ...(secured ? ['-use_tls', '-use_test_ca', '-ca_file', certificates.root] : []),
      ];
      const stderr = await failureOf(testCase, args);
      if (stderr !== '') throw new Error(`${testCase} with ${name}${secured ? ' over TLS' : ''}: ${stderr}`);
    }
  }
}

/** The same deadline runs at both ends. Where the server's is over first, it resets, which a proxy answers with another status. */
const lostRace = /timeout_on_sleeping_server .*reset reason: remote reset/s;
const attempts = 5;

/** What the client says of its failure; '' for none. */
async function failureOf(testCase: string, args: readonly string[]): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const stderr = await run(findPeer('grpc-interop-client')!, args, { timeout }).then(
      () => '',
      (error: Error & { stderr?: string }) => error.stderr || error.message,
    );
    if (attempt === attempts || !lostRace.test(`${testCase} ${stderr}`)) return stderr;
  }
}

async function runGhz({ proxy, upstreams }: Rig): Promise<void> {
  for (const { name } of upstreams) {
    const { stdout } = await run(
      findPeer('ghz')!,
      [
        ...['--insecure', '--proto', protoFile, '--call', 'grpc.testing.TestService.UnaryCall'],
        ...['-d', '{"response_size": 1000}', '-n', '500', '-c', '20', '--connections', '2', '-O', 'json'],
        `127.0.0.1:${proxy.port(name, false)}`,
      ],
      { timeout },
    );
    const found = JSON.parse(stdout) as { statusCodeDistribution: Record<string, number> };
    assert.deepEqual(found.statusCodeDistribution, { OK: 500 }, name);
  }
}

const otherClients: readonly Case<Upstream, object>[] = [
  {
    name: 'grpc-js as client',
    peers: [],
    async run({ proxy, upstreams, certificates }) {
      for (const { name } of upstreams) {
        await runNodeCases(`localhost:${proxy.port(name, false)}`);
        await runNodeCases(`localhost:${proxy.port(name, true)}`, readFileSync(certificates.root));
      }
    },
  },
  {
    name: 'grpcio as client',
    peers: [],
    async run({ proxy, upstreams, certificates }) {
      for (const { name } of upstreams) {
        for (const secured of [false, true]) {
          const words = [
            'ask',
            `localhost:${proxy.port(name, secured)}`,
            ...(secured ? [certificates.root] : []),
          ];
          const { stdout } = await run(findPeer('python-clients')!, [pythonService, ...words], { timeout });
          assert.equal(stdout.trim().split('\n').length, 7, stdout);
        }
      }
    },
  },
  { name: 'ghz as client, 500 calls on 2 connections', peers: ['ghz'], run: runGhz },
];

/** Its port cannot be left to the system. */
async function startGoService(t: Pick<TestContext, 'after'>): Promise<number> {
  const port = await new Promise<number>((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as { port: number };
      server.close(() => done(free));
    });
  });
  startChild(t, findPeer('grpc-interop-server')!, ['-port', String(port)]);
  await eventually(() => runNodeProbe(port));
  return port;
}

const runNodeProbe = (port: number): Promise<unknown> =>
  run(findPeer('grpc-interop-client')!, [
    ...['-server_host', '127.0.0.1', '-server_port', String(port), '-test_case', 'empty_unary'],
  ]);

interop<Upstream, object>({
  name: 'gRPC',
  peers: ['grpc-interop-client', 'grpc-interop-server', 'python-clients'],
  async start(t) {
    const protocol = 'HTTP/2';
    return {
      upstreams: [
        { name: 'go', protocol, port: await startGoService(t) },
        { name: 'grpc-js', protocol, port: await startNodeService(t) },
        {
          name: 'grpcio',
          protocol,
          port: await startServer(t, findPeer('python-clients')!, [pythonService, 'serve']),
        },
      ],
    };
  },
  cases: [
    ...cases.map((name) => ({ name, peers: [], run: (rig: Rig) => runGoCase(name, rig) })),
    ...otherClients,
  ],
});
