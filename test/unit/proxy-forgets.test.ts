/** What the proxy lets go of: secrets that nothing names, and names that were only ever refused. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create, type Message } from '@bufbuild/protobuf';
import { fromAds } from '#proxy/resource-source.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  type DiscoveryRequest,
  DiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { createMemoryTransport, type ServedStream } from '#xds/memory-transport.ts';
import { packAny } from '#xds/registry.ts';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import { TestRoot } from '../support/certificates.ts';
import { type ConfiguredProxy, configuredProxy } from '../support/configured-proxy.ts';
import { eventually } from '../support/eventually.ts';

interface Rig extends ConfiguredProxy {
  /** What the proxy asked for last, of that kind. */
  asked(kind: ResourceKind): readonly string[] | undefined;
  /** Sends the state of the world of one kind. */
  push(kind: ResourceKind, ...resources: Message[]): void;
}

function rig(t: TestContext): Rig {
  let stream: ServedStream | undefined;
  let sent = 0;
  const requests: DiscoveryRequest[] = [];
  const transport = createMemoryTransport({
    onStream(opened) {
      stream = opened;
      return {
        onMessage: (message) => void requests.push(message as DiscoveryRequest),
        onEnd: () => {},
      };
    },
  });
  const proxy = configuredProxy(t, { transport, protocol: 'sotw' });
  return {
    ...proxy,
    asked: (kind) =>
      requests.findLast(({ typeUrl }) => typeUrl === resourceTypes[kind].typeUrl)?.resourceNames,
    push(kind, ...resources): void {
      const { schema, typeUrl } = resourceTypes[kind];
      sent += 1;
      stream?.send(
        create(DiscoveryResponseSchema, {
          typeUrl,
          nonce: String(sent),
          versionInfo: `v${sent}`,
          resources: resources.map((message) => packAny(schema, message as never)),
        }),
      );
    },
  };
}

const cluster = (name: string): Message => create(ClusterSchema, { name });
const listener = (name: string): Message => create(ListenerSchema, { name });

test('a secret goes with the last that names it, and is waited for anew', async (t) => {
  const { push, asked, dataPath, secrets, configuration } = rig(t);
  const inlineString = (await TestRoot.create('any')).pem;
  const secret = create(SecretSchema, {
    name: 's',
    type: {
      case: 'validationContext',
      value: { trustedCa: { specifier: { case: 'inlineString', value: inlineString } } },
    },
  });
  dataPath.needs.set('web', { secrets: [fromAds('s')] });
  push('cluster');
  push('listener', listener('web'));
  await eventually(() => assert.deepEqual(asked('secret'), ['s']));
  push('secret', secret);
  await eventually(() => assert.deepEqual(dataPath.events, ['install listener web']));
  push('listener');
  await eventually(() => assert.equal(secrets.get('s'), undefined));
  assert.deepEqual(configuration.table.entries('secret'), []);
  push('listener', listener('web'));
  await eventually(() => assert.deepEqual(configuration.warming(), ['listener web']));
  await eventually(() => assert.deepEqual(asked('secret'), ['s']));
  push('secret', secret);
  await eventually(() => assert.ok(configuration.isInstalled('listener', 'web')));
});

test('secrets of this process stay', async (t) => {
  const { push, secrets, configuration } = rig(t);
  const material = { kind: 'certificate', certificateChainPem: 'c', privateKeyPem: 'k' } as never;
  secrets.set('own', material);
  push('cluster', cluster('a'));
  await eventually(() => assert.ok(configuration.isInstalled('cluster', 'a')));
  assert.equal(secrets.get('own'), material);
});

test('what was only ever refused goes with the state of the world that has it no more', async (t) => {
  const { push, dataPath, configuration } = rig(t);
  const names = (): string[] => configuration.table.entries('cluster').map(({ name }) => name);
  dataPath.refused.add('wrong');
  push('cluster', cluster('a'), cluster('wrong'));
  await eventually(() => assert.deepEqual(names(), ['a', 'wrong']));
  push('cluster', cluster('a'));
  await eventually(() => assert.deepEqual(names(), ['a']));
});
