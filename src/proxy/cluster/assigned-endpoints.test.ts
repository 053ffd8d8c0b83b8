import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atOnce } from '#core/time-slice.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import { AssignedEndpoints } from './assigned-endpoints.ts';
import { type Assignment, noEndpoints } from './assignment.ts';
import type { Balancer } from './balancer.ts';
import type { ClusterRuntime } from './cluster.ts';
import { type Endpoint, plainTraits } from './endpoint.ts';
import type { ClusterSettings } from './settings.ts';
import type { ZoneCounters } from './zone-counters.ts';

function assignment(...ports: number[]): Assignment {
  const endpoints = ports.map((port) => ({
    address: `127.0.0.1:${port}`,
    target: { kind: 'tcp', host: '127.0.0.1', port } as const,
    traits: plainTraits(''),
  }));
  return { ...noEndpoints, endpoints };
}

test('an assignment that begins while another is followed up knows the endpoints that are there', () => {
  const replaced: (readonly Endpoint[])[] = [];
  const hosts = {
    *replace(endpoints: readonly Endpoint[]) {
      replaced.push(endpoints);
      yield;
      return true;
    },
    // Flags have changed: to follow them takes a while.
    *refresh() {
      yield;
    },
  };
  const assigned = new AssignedEndpoints({} as ClusterRuntime, {
    settings: { kind: 'eds' } as ClusterSettings,
    transportFor: () => ({ key: 'plain' }) as UpstreamTransport,
    hosts: hosts as unknown as Balancer,
    zones: { to: () => undefined } as unknown as ZoneCounters,
    health: undefined,
    weights: undefined,
    onReplaced: () => {},
    onRefreshed: () => {},
  });
  atOnce(assigned.replace(assignment(1, 2)));
  const under = assigned.replace(assignment(2, 3));
  while (replaced.length < 2) under.next();
  // In force, and being followed up.
  under.next();
  atOnce(assigned.replace(assignment(3, 4)));
  atOnce(under);
  const [, second = [], third = []] = replaced;
  assert.equal(third[0], second[1], 'the endpoint that stays is the same');
  assert.deepEqual(
    [...assigned.all()].map(({ address, removed }) => [address, removed]),
    [
      ['127.0.0.1:3', false],
      ['127.0.0.1:4', false],
    ],
  );
  assert.ok(second[0]!.removed, 'the one that went was let go of');
  assert.ok(replaced[0]![0]!.removed);
});
