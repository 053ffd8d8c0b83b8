/** How messages are merged. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clone, toJson } from '@bufbuild/protobuf';
import { messageFromDocument } from '#xds/document.ts';
import { type Cluster, ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { registry } from '#xds/registry.ts';
import { mergeMessage } from './merge.ts';

function cluster(value: object): Cluster {
  const parsed = messageFromDocument(ClusterSchema, { value });
  assert.ok(parsed.ok, JSON.stringify(parsed.problems));
  return parsed.value;
}

const raw = '@type';
const type = (name: string): string => `type.googleapis.com/envoy.extensions.${name}`;
const tls = (config: object): object => ({
  transport_socket: {
    name: 'tls',
    typed_config: { [raw]: type('transport_sockets.tls.v3.UpstreamTlsContext'), ...config },
  },
});

describe('merging', () => {
  const cases: [what: string, into: object, patch: object, merged: object, replaceLists?: boolean][] = [
    [
      'what is set holds',
      { name: 'a', alt_stat_name: 'b' },
      { name: 'c' },
      { name: 'c', alt_stat_name: 'b' },
    ],
    [
      'durations are replaced whole',
      { connect_timeout: '1.5s' },
      { connect_timeout: '2s' },
      { connect_timeout: '2s' },
    ],
    [
      'a wrapper may become zero',
      { per_connection_buffer_limit_bytes: 5 },
      { per_connection_buffer_limit_bytes: 0 },
      { per_connection_buffer_limit_bytes: 0 },
    ],
    [
      'messages within are merged',
      { outlier_detection: { consecutive_5xx: 3 } },
      { outlier_detection: { interval: '1s' } },
      { outlier_detection: { consecutive_5xx: 3, interval: '1s' } },
    ],
    [
      'lists are appended',
      { health_checks: [{ timeout: '1s' }] },
      { health_checks: [{ timeout: '2s' }] },
      { health_checks: [{ timeout: '1s' }, { timeout: '2s' }] },
    ],
    [
      'or replaced',
      { health_checks: [{ timeout: '1s' }] },
      { health_checks: [{ timeout: '2s' }] },
      { health_checks: [{ timeout: '2s' }] },
      true,
    ],
    [
      'another choice takes the place of one',
      { ring_hash_lb_config: { minimum_ring_size: 2 } },
      { maglev_lb_config: {} },
      { maglev_lb_config: {} },
    ],
    [
      'the same choice is merged',
      { ring_hash_lb_config: { minimum_ring_size: 2 } },
      { ring_hash_lb_config: { maximum_ring_size: 8 } },
      { ring_hash_lb_config: { minimum_ring_size: 2, maximum_ring_size: 8 } },
    ],
    [
      'a configuration of the same type is merged inside',
      tls({ sni: 'a' }),
      tls({ max_session_keys: 3 }),
      tls({ sni: 'a', max_session_keys: 3 }),
    ],
    [
      'one of another type is replaced',
      tls({ sni: 'a' }),
      { transport_socket: { typed_config: { [raw]: type('transport_sockets.raw_buffer.v3.RawBuffer') } } },
      {
        transport_socket: {
          name: 'tls',
          typed_config: { [raw]: type('transport_sockets.raw_buffer.v3.RawBuffer') },
        },
      },
    ],
    [
      'entries of maps are replaced',
      { metadata: { filter_metadata: { a: { x: 1 }, b: { y: 1 } } } },
      { metadata: { filter_metadata: { a: { z: 1 } } } },
      { metadata: { filter_metadata: { a: { z: 1 }, b: { y: 1 } } } },
    ],
  ];
  for (const [what, into, patch, merged, replaceLists = false] of cases) {
    test(what, () => {
      const target = cluster(into);
      const source = cluster(patch);
      const before = clone(ClusterSchema, source);
      mergeMessage(ClusterSchema, target, source, { replaceLists });
      const json = (message: Cluster): unknown => toJson(ClusterSchema, message, { registry });
      assert.deepEqual(json(target), json(cluster(merged)));
      assert.deepEqual(json(source), json(before), 'the patch is left alone');
    });
  }
});
