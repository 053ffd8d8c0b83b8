import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type Any, DurationSchema } from '@bufbuild/protobuf/wkt';
import { atOnce } from '#core/time-slice.ts';
import { NodeSchema } from '../gen/envoy/config/core/v3/base_pb.js';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  ResourceSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import { packAny } from '../registry.ts';
import { letterOf, resource, typeUrlOfLetter } from '../server/fixture.ts';
import { createDeltaClientStream } from './delta.ts';
import { createSotwClientStream } from './sotw.ts';

const node = create(NodeSchema, { id: 'me' });
const problem = { level: 'error', message: 'the port is taken', path: 'address' } as const;

function deltaResponse(
  letter: string,
  texts: string[],
  removedResources: string[] = [],
): DeltaDiscoveryResponse {
  const resources = texts.map(resource).map(({ name, version, any }) => ({ name, version, resource: any }));
  const typeUrl = typeUrlOfLetter(letter);
  return create(DeltaDiscoveryResponseSchema, { typeUrl, nonce: 'n', resources, removedResources });
}

function wholeResponse(letter: string, versionInfo: string, texts: string[]): DiscoveryResponse {
  const resources = texts.map((text) => resource(text).any);
  return create(DiscoveryResponseSchema, {
    typeUrl: typeUrlOfLetter(letter),
    nonce: `n${versionInfo}`,
    versionInfo,
    resources,
  });
}

/** `c+a,b` with what is held in brackets. */
function shown(requests: readonly DeltaDiscoveryRequest[]): string {
  const one = (request: DeltaDiscoveryRequest): string => {
    const { resourceNamesSubscribe: more, resourceNamesUnsubscribe: less, initialResourceVersions } = request;
    const held = Object.keys(initialResourceVersions).join();
    const names = (more.length > 0 ? `+${more}` : '') + (less.length > 0 ? `-${less}` : '');
    return letterOf(request.typeUrl) + names + (held && `[${held}]`);
  };
  return requests.map(one).join(' ');
}

describe('delta client', () => {
  test('asks for clusters before listeners, says who it is once, and all by no names', () => {
    const client = createDeltaClientStream(node);
    client.subscribe('listener', ['*']);
    client.subscribe('cluster', ['*']);
    const requests = client.connected();
    assert.equal(shown(requests), 'c l');
    assert.deepEqual(
      requests.map((request) => request.node?.id),
      ['me', undefined],
    );
  });

  test('asks for names as they come up, and not twice', () => {
    const client = createDeltaClientStream(node);
    client.connected();
    assert.equal(shown(client.subscribe('endpoint', ['a'])), 'e+a');
    assert.equal(shown(client.subscribe('endpoint', ['a', 'b'])), 'e+b');
    assert.equal(shown(client.unsubscribe('endpoint', ['a', 'z'])), 'e-a');
    assert.equal(shown(client.subscribe('endpoint', ['b'])), '');
  });

  test('brings what it holds to the next connection', () => {
    const client = createDeltaClientStream(node);
    client.subscribe('endpoint', ['a', 'b']);
    client.connected();
    client.ack(atOnce(client.receive(deltaResponse('e', ['e:a', 'e:b'])))!);
    client.ack(atOnce(client.receive(deltaResponse('e', [], ['b'])))!);
    client.disconnected();
    assert.equal(shown(client.subscribe('endpoint', ['d'])), '');
    const [again] = client.connected();
    assert.equal(shown([again!]), 'e+a,b,d[a]');
    assert.equal(again!.node?.id, 'me');
    assert.equal(again!.initialResourceVersions.a, resource('e:a').version);
  });

  test('refuses with all problems, and holds only what is in force', () => {
    const client = createDeltaClientStream(node);
    client.subscribe('listener', ['*']);
    client.connected();
    const update = atOnce(client.receive(deltaResponse('l', ['l:x', 'l:y'])))!;
    assert.deepEqual(
      update.changed.map(({ name }) => name),
      ['x', 'y'],
    );
    const refusal = client.nack(update, [problem], ['y']);
    assert.equal(refusal.responseNonce, 'n');
    assert.deepEqual(refusal.errorDetail?.message, 'error: address: the port is taken');
    assert.deepEqual([...client.held('listener').keys()], ['y']);
  });

  test('what does not decode is a problem of the update, which can only be refused', () => {
    const client = createDeltaClientStream(node);
    client.subscribe('listener', ['*']);
    client.connected();
    const response = deltaResponse('l', ['l:x']);
    response.resources.push(...deltaResponse('c', ['c:a']).resources);
    response.resources[0]!.name = 'other';
    const update = atOnce(client.receive(response))!;
    assert.deepEqual(
      update.problems.map(({ resource, message }) => `${resource}: ${message}`),
      [
        'LDS other: the resource calls itself "x"',
        'LDS a: type "type.googleapis.com/envoy.config.cluster.v3.Cluster" came where type.googleapis.com/envoy.config.listener.v3.Listener was expected',
      ],
    );
    assert.throws(() => client.ack(update), /was acknowledged/);
    assert.match(client.nack(update, []).errorDetail!.message, /calls itself/);
  });

  test('hands on what the server cannot give', () => {
    const client = createDeltaClientStream(node);
    client.subscribe('endpoint', ['a']);
    const response = create(DeltaDiscoveryResponseSchema, {
      typeUrl: typeUrlOfLetter('e'),
      resourceErrors: [{ resourceName: { name: 'a' }, errorDetail: { message: 'not yours' } }],
    });
    assert.deepEqual(atOnce(client.receive(response))?.unavailable, [{ name: 'a', detail: 'not yours' }]);
  });

  test('does not answer for kinds it has not asked for', () => {
    assert.equal(atOnce(createDeltaClientStream(node).receive(deltaResponse('l', ['l:x']))), undefined);
  });
});

for (const [name, createClient] of [
  ['delta', createDeltaClientStream],
  ['state-of-the-world', createSotwClientStream],
] as const) {
  describe(`health of the application, ${name}`, () => {
    const health = 'type.googleapis.com/istio.v1.HealthInformation';

    test('is said first on each connection, and whenever it is told', () => {
      const client = createClient(node);
      client.subscribe('cluster', ['*']);
      assert.deepEqual(client.report('it does not listen'), []);
      for (let connection = 0; connection < 2; connection++) {
        const [first, second] = client.connected();
        assert.deepEqual([first!.typeUrl, first!.node?.id], [health, 'me']);
        assert.equal(first!.errorDetail?.message, 'it does not listen');
        assert.deepEqual([letterOf(second!.typeUrl), second!.node], ['c', undefined]);
        client.disconnected();
      }
      client.connected();
      const [well, ...more] = client.report(undefined);
      assert.deepEqual([well!.typeUrl, well!.errorDetail, more], [health, undefined, []]);
    });

    test('nothing is said by who was told nothing', () => {
      const client = createClient(node);
      client.subscribe('cluster', ['*']);
      assert.deepEqual(
        client.connected().map(({ typeUrl }) => letterOf(typeUrl)),
        ['c'],
      );
    });
  });
}

describe('state-of-the-world client', () => {
  test('repeats the last version and nonce, and all names, in every request', () => {
    const client = createSotwClientStream(node);
    client.connected();
    const [first] = client.subscribe('endpoint', ['a']);
    assert.equal(first!.node?.id, 'me');
    const ack = client.ack(atOnce(client.receive(wholeResponse('e', '1', ['e:a'])))!);
    assert.deepEqual([ack.versionInfo, ack.responseNonce, ack.resourceNames], ['1', 'n1', ['a']]);
    const [more] = client.subscribe('endpoint', ['b']);
    assert.deepEqual([more!.versionInfo, more!.responseNonce, more!.resourceNames], ['1', 'n1', ['a', 'b']]);
    const [less] = client.unsubscribe('endpoint', ['a']);
    assert.deepEqual(less!.resourceNames, ['b']);
  });

  test('a refusal repeats the version before', () => {
    const client = createSotwClientStream(node);
    client.subscribe('listener', ['*']);
    client.connected();
    client.ack(atOnce(client.receive(wholeResponse('l', '1', ['l:x'])))!);
    const refusal = client.nack(atOnce(client.receive(wholeResponse('l', '2', ['l:y'])))!, [problem]);
    assert.deepEqual([refusal.versionInfo, refusal.responseNonce], ['1', 'n2']);
    assert.match(refusal.errorDetail!.message, /the port is taken/);
    assert.deepEqual([...client.held('listener')], [['x', '1']]);
  });

  test('a listener left out is removed, an endpoint is not', () => {
    const client = createSotwClientStream(node);
    client.subscribe('listener', ['*']);
    client.subscribe('endpoint', ['a', 'b']);
    client.connected();
    client.ack(atOnce(client.receive(wholeResponse('l', '1', ['l:x', 'l:y'])))!);
    client.ack(atOnce(client.receive(wholeResponse('e', '1', ['e:a', 'e:b'])))!);
    assert.deepEqual(atOnce(client.receive(wholeResponse('l', '2', ['l:y'])))?.removed, ['x']);
    assert.deepEqual(atOnce(client.receive(wholeResponse('e', '2', ['e:a'])))?.removed, []);
  });

  test('a new connection begins with the version, without a nonce', () => {
    const client = createSotwClientStream(node);
    client.subscribe('listener', ['*']);
    client.connected();
    client.ack(atOnce(client.receive(wholeResponse('l', '1', ['l:x'])))!);
    client.disconnected();
    assert.deepEqual(client.subscribe('listener', ['y']), []);
    const [again] = client.connected();
    assert.deepEqual([again!.versionInfo, again!.responseNonce, again!.node?.id], ['1', '', 'me']);
    assert.deepEqual(again!.resourceNames, ['*', 'y']);
  });
});

describe('how long resources are good for', () => {
  const ttl = create(DurationSchema, { seconds: 2n, nanos: 500_000_000 });

  test('delta: a resource says it, and a heartbeat says it again', () => {
    const client = createDeltaClientStream(node);
    client.subscribe('cluster', ['*']);
    client.connected();
    const [first] = deltaResponse('c', ['c:a']).resources;
    const given = create(DeltaDiscoveryResponseSchema, {
      typeUrl: typeUrlOfLetter('c'),
      nonce: 'n',
      resources: [{ ...first!, ttl }],
    });
    const update = atOnce(client.receive(given))!;
    assert.deepEqual([...update.lifetimes], [['a', 2500]]);
    client.ack(update);
    const beat = create(DeltaDiscoveryResponseSchema, {
      typeUrl: typeUrlOfLetter('c'),
      nonce: 'n2',
      resources: [{ name: 'a', version: first!.version }],
    });
    const kept = atOnce(client.receive(beat))!;
    assert.deepEqual([kept.changed, kept.problems, [...kept.lifetimes]], [[], [], [['a', undefined]]]);
  });

  test('delta: without a message and of another version it is refused', () => {
    const client = createDeltaClientStream(node);
    client.subscribe('cluster', ['*']);
    client.connected();
    const resources = [{ name: 'a', version: 'never', ttl }];
    const update = atOnce(
      client.receive(create(DeltaDiscoveryResponseSchema, { typeUrl: typeUrlOfLetter('c'), resources })),
    )!;
    assert.match(update.problems[0]?.message ?? '', /the resource is empty/);
  });

  test('state of the world: inside a Resource, and a heartbeat takes nothing away', () => {
    const client = createSotwClientStream(node);
    client.subscribe('cluster', ['*']);
    client.connected();
    const wrap = (name: string, any?: Any): Any =>
      packAny(ResourceSchema, create(ResourceSchema, { name, ttl, ...(any && { resource: any }) }));
    const response = (nonce: string, ...resources: Any[]): DiscoveryResponse =>
      create(DiscoveryResponseSchema, { typeUrl: typeUrlOfLetter('c'), nonce, versionInfo: '1', resources });
    const update = atOnce(client.receive(response('n', wrap('a', resource('c:a').any))))!;
    assert.deepEqual([...update.lifetimes], [['a', 2500]]);
    client.ack(update);
    const kept = atOnce(client.receive(response('n2', wrap('a'))))!;
    assert.deepEqual([kept.changed, kept.removed, kept.problems], [[], [], []]);
  });

  test('what has expired is not said to be held', () => {
    const client = createDeltaClientStream(node);
    client.subscribe('cluster', ['*']);
    client.connected();
    client.ack(atOnce(client.receive(deltaResponse('c', ['c:a', 'c:b'])))!);
    assert.deepEqual(client.expire('cluster', ['a']).removed, ['a']);
    client.disconnected();
    assert.equal(shown(client.connected()), 'c[b]');
  });

  test('another server is told of nothing that is held', () => {
    const client = createDeltaClientStream(node);
    client.subscribe('cluster', ['*']);
    client.adopt('cluster', 'a', 'v1');
    assert.equal(shown(client.connected()), 'c[a]');
    client.disconnected();
    assert.equal(shown(client.connected(true)), 'c');
  });
});
