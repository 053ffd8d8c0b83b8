import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { create, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import { silentLogger } from '#observe/log.ts';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type DiscoveryRequest,
  DiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { WorkloadGroupSchema } from '#xds/gen/istio/networking/v1alpha3/workload_group_pb.js';
import { healthInformationType } from '#xds/health-information.ts';
import { createMemoryTransport, type ServedStream } from '#xds/memory-transport.ts';
import { packAny } from '#xds/registry.ts';
import { resourceTypes } from '#xds/resource-type.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { type GroupProbeRun, startGroupProbe } from './group-probe.ts';

const { typeUrl } = resourceTypes.workloadGroup;
const times = { periodSeconds: 1, timeoutSeconds: 5, successThreshold: 1, failureThreshold: 1 };

interface Bench {
  readonly run: GroupProbeRun;
  /** What was said of health, '' for good; and answers to groups, `ACK` or `NACK` and why. */
  readonly said: string[];
  /** Nodes by which streams began. */
  readonly nodes: string[];
  tell(group: MessageInitShape<typeof WorkloadGroupSchema>): void;
  cut(): void;
}

function bench(t: TestContext, report?: (failure: string | undefined) => void): Bench {
  const said: string[] = [];
  const nodes: string[] = [];
  let stream: ServedStream | undefined;
  let nonces = 0;
  const transport = createMemoryTransport({
    onStream(opened) {
      stream = opened;
      return {
        onMessage(message: Message): void {
          const asked = message as DiscoveryRequest;
          if (asked.node !== undefined) nodes.push(asked.node.id);
          if (asked.typeUrl === healthInformationType) said.push(asked.errorDetail?.message ?? '');
          else if (asked.responseNonce !== '')
            said.push(asked.errorDetail === undefined ? 'ACK' : `NACK ${asked.errorDetail.message}`);
        },
        onEnd(): void {},
      };
    },
  });
  const run = startGroupProbe({
    node: create(NodeSchema, { id: 'agent~x' }),
    transport,
    target: { address: '127.0.0.1' },
    log: silentLogger,
    ...(report !== undefined && { report }),
  });
  t.after(() => run.close());
  return {
    run,
    said,
    nodes,
    tell(group): void {
      const any = packAny(WorkloadGroupSchema, create(WorkloadGroupSchema, group));
      const response = { typeUrl, nonce: String(++nonces), versionInfo: 'v', resources: [any] };
      stream?.send(create(DiscoveryResponseSchema, response));
    },
    cut: () => stream?.end({ code: 14, detail: 'gone' }),
  };
}

/** A port where somebody listens, until `stop`. */
async function listening(t: TestContext): Promise<{ port: number; stop(): void }> {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = (): void => void server.close();
  t.after(stop);
  return { port: (server.address() as AddressInfo).port, stop };
}

const tcp = (port: number) => ({
  probe: { ...times, healthCheckMethod: { case: 'tcpSocket' as const, value: { port } } },
});

describe('the probe of a group', () => {
  test('is not well before it passes, and not when it fails', async (t) => {
    const { run, said, nodes, tell } = bench(t);
    await eventually(() => assert.deepEqual(said, ['what its group has to say is not known yet']));
    assert.deepEqual(nodes, ['agent~x']);
    const { port, stop } = await listening(t);
    tell(tcp(port));
    await run.told;
    await eventually(() => assert.equal(said.at(-1), ''));
    assert.deepEqual(said.slice(1), ['the probe of its group has not passed yet', 'ACK', '']);
    stop();
    await eventually(() => assert.match(said.at(-1) ?? '', /ECONNREFUSED/));
  });

  test('is well where there is none, and goes with the group', async (t) => {
    const { said, tell } = bench(t);
    tell({});
    await eventually(() => assert.equal(said.at(-1), 'ACK'));
    assert.equal(said.at(-2), '');
    const { port } = await listening(t);
    tell({
      probe: { ...tcp(port).probe, healthCheckMethod: { case: 'exec', value: { command: ['true'] } } },
    });
    await eventually(() => assert.equal(said.at(-2), 'the probe of its group has not passed yet'));
    tell(tcp(port));
    await eventually(() => assert.equal(said.at(-1), ''));
  });

  test('that says nothing is refused, and what was in force stays', async (t) => {
    const { said, tell } = bench(t);
    tell({});
    await eventually(() => assert.equal(said.at(-1), 'ACK'));
    tell({ probe: times });
    await eventually(() => assert.match(said.at(-1) ?? '', /^NACK the probe says neither/));
    assert.equal(said.at(-3), '');
  });

  test('is told again to a control plane that was away', async (t) => {
    const { said, nodes, tell, cut } = bench(t);
    tell({});
    await eventually(() => assert.equal(said.at(-1), 'ACK'));
    cut();
    await eventually(() => assert.equal(nodes.length, 2));
    assert.equal(said.at(-1), '', 'well, as before');
  });

  test('is told to somebody else, who asked for it', async (t) => {
    const reports: (string | undefined)[] = [];
    const { said, tell } = bench(t, (failure) => reports.push(failure));
    const { port } = await listening(t);
    tell(tcp(port));
    await eventually(() => assert.equal(reports.at(-1), undefined));
    await eventually(() => assert.ok(reports.length > 1));
    assert.deepEqual(said, ['ACK']);
  });
});
