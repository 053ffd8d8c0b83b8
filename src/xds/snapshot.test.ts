import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { ListenerSchema } from './gen/envoy/config/listener/v3/listener_pb.js';
import { resource, snapshot } from './server/fixture.ts';
import {
  createResourceEncoder,
  diffResources,
  emptySnapshot,
  encodeResource,
  snapshotOf,
  versionOfSet,
} from './snapshot.ts';

describe('encodeResource', () => {
  test('equal contents have equal versions, other contents others', () => {
    assert.equal(resource('l:x@1').version, resource('l:x@1').version);
    assert.notEqual(resource('l:x@1').version, resource('l:x@2').version);
    assert.match(resource('l:x').version, /^[0-9a-f]{16}$/);
  });

  test('a cluster names the endpoints it waits for', () => {
    assert.deepEqual(resource('c:a').endpoints, ['a']);
    assert.deepEqual(resource('l:a').endpoints, []);
  });
});

describe('createResourceEncoder', () => {
  test('the same bytes are the same object, whichever message they came from', () => {
    const encode = createResourceEncoder();
    const message = create(ListenerSchema, { name: 'x' });
    const first = encode('listener', message);
    assert.equal(encode('listener', message), first);
    assert.equal(encode('listener', create(ListenerSchema, { name: 'x' })), first);
    assert.notEqual(encode('listener', create(ListenerSchema, { name: 'y' })), first);
    assert.deepEqual(first, encodeResource('listener', message));
  });
});

describe('snapshotOf', () => {
  test('takes over the maps of kinds that are still equal', () => {
    const before = snapshot('c:a c:b l:x');
    const after = snapshot('c:b c:a l:x@2', before);
    assert.equal(after.cluster, before.cluster);
    assert.notEqual(after.listener, before.listener);
    assert.equal(snapshotOf([]).route, emptySnapshot.route);
  });
});

test('diffResources tells added, changed and removed', () => {
  const { cluster: before } = snapshot('c:a c:b c:d');
  const { cluster: after } = snapshot('c:a c:b@2 c:e');
  assert.deepEqual(diffResources(before, after), { added: ['e'], changed: ['b'], removed: ['d'] });
});

test('versionOfSet heeds names and versions, not their order', () => {
  const version = versionOfSet([
    ['a', '1'],
    ['b', '2'],
  ]);
  assert.equal(
    versionOfSet([
      ['b', '2'],
      ['a', '1'],
    ]),
    version,
  );
  assert.notEqual(
    versionOfSet([
      ['a', '2'],
      ['b', '1'],
    ]),
    version,
  );
  assert.notEqual(versionOfSet([['a', '1']]), version);
});
