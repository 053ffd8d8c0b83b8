import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { WorkloadSchema } from '#xds/gen/heddle/workload/v1/workload_pb.js';
import { decodeWorkload, encodeWorkload, parseEndpointWorkload } from './workload-struct.ts';

const reviews = create(WorkloadSchema, {
  name: 'reviews-v1',
  namespace: 'default',
  canonicalName: 'reviews',
  canonicalRevision: 'v1',
  cluster: 'Kubernetes',
  app: 'reviews',
  version: 'v1',
  instance: 'reviews-v1-0',
});

describe('a workload in a header', () => {
  test('is read back as it was written', () => {
    assert.deepEqual(decodeWorkload(encodeWorkload(reviews)), reviews);
  });

  test('without canonical labels, app and version stand for them', () => {
    const bare = create(WorkloadSchema, { ...reviews, canonicalName: '', canonicalRevision: '' });
    assert.deepEqual(decodeWorkload(encodeWorkload(bare)), reviews);
  });

  const bad: [text: string, why: string][] = [
    ['!!!', 'no base64'],
    ['AAAA', 'no Struct'],
    ['A'.repeat(9000), 'too long'],
  ];
  for (const [text, why] of bad) {
    test(`is undefined: ${why}`, () => assert.equal(decodeWorkload(text), undefined));
  }
});

describe('a workload in the metadata of an endpoint', () => {
  test('five parts', () => {
    const rest = reviews;
    assert.deepEqual(
      parseEndpointWorkload('reviews-v1;default;reviews;v1;Kubernetes'),
      create(WorkloadSchema, { ...rest, instance: '' }),
    );
  });
  test('anything else is undefined', () => assert.equal(parseEndpointWorkload('reviews-v1'), undefined));
});
