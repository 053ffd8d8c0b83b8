import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CliError } from './exit.ts';
import type { MeshInstance, MeshState } from './mesh-state.ts';
import { findInstances, findProxy } from './workload-name.ts';

const instance = (name: string, more: Partial<MeshInstance> = {}): MeshInstance => ({
  name,
  namespace: 'default',
  workload: name.replace(/-\d+$/, ''),
  meshAddress: '127.7.1.1',
  applicationAddress: '127.7.128.1',
  ports: [9080],
  sidecar: 'heddle',
  agent: false,
  adminUrl: `http://${name}:15000`,
  version: 'v1',
  state: 'ready',
  ready: true,
  ...more,
});
const { adminUrl: _, ...withoutProxy } = instance('grpc-v1-1', { sidecar: 'none', agent: true });
const mesh = {
  gateways: [
    instance('istio-ingressgateway', { workload: 'istio-ingressgateway', namespace: 'istio-system' }),
  ],
  instances: [
    instance('reviews-v1-1', { ready: false }),
    instance('reviews-v1-2'),
    instance('reviews-v2-1'),
    instance('reviews-v1-1', { namespace: 'other' }),
    withoutProxy,
  ],
} as unknown as MeshState;

describe('findInstances', () => {
  const cases: readonly (readonly [word: string, names: readonly string[], why: string])[] = [
    ['reviews-v1-2', ['reviews-v1-2.default'], 'an instance'],
    ['reviews-v2', ['reviews-v2-1.default'], 'a workload'],
    ['reviews-v1.other', ['reviews-v1-1.other'], 'of a namespace'],
    ['deploy/reviews-v2', ['reviews-v2-1.default'], "kubectl's form"],
    ['pod/reviews-v2-1', ['reviews-v2-1.default'], "kubectl's form"],
    ['grpc', ['grpc-v1-1.default'], 'the application, whatever its version'],
    ['istio-ingressgateway', ['istio-ingressgateway.istio-system'], 'a gateway'],
  ];
  for (const [word, names, why] of cases) {
    test(`${word}: ${why}`, () => {
      assert.deepEqual(
        findInstances(mesh, word).map(({ name, namespace }) => `${name}.${namespace}`),
        names,
      );
    });
  }

  test('none: the nearest name is the advice', () => {
    assert.throws(
      () => findInstances(mesh, 'reveiws-v2'),
      (error) => error instanceof CliError && error.advice === 'did you mean "reviews-v2"?',
    );
  });
});

describe('findProxy', () => {
  test('of several instances one that is ready', () => {
    assert.equal(findProxy(mesh, 'reviews-v1.default').name, 'reviews-v1-2');
  });

  test('a proxyless instance has none', () => {
    assert.throws(() => findProxy(mesh, 'grpc'), /grpc-v1-1 has no proxy/);
  });
});
