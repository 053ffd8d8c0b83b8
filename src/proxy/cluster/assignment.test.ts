import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { atOnce } from '#core/time-slice.ts';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { Findings } from '../findings.ts';
import { readAssignment } from './assignment.ts';

const endpoint = { endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: 80 } } } };

/** Of one locality. */
function found(locality: JsonObject): string[] {
  const findings = new Findings();
  const message = fromJson(ClusterLoadAssignmentSchema, { clusterName: 'c', endpoints: [locality] });
  atOnce(readAssignment(message, '', findings));
  return findings.problems.map(({ level, path, message: text }) => `${level}: ${path}: ${text}`);
}

describe('what is said of a load assignment', () => {
  const cases: [locality: JsonObject, problems: string[]][] = [
    [{ lbEndpoints: [endpoint], priority: 128, loadBalancingWeight: 1 }, []],
    // A list has as many places as there are priorities.
    [{ lbEndpoints: [endpoint], priority: 129 }, ['error: endpoints[0].priority: must be at most 128']],
    [{ priority: 4_294_967_295 }, ['error: endpoints[0].priority: must be at most 128']],
    [{ loadBalancingWeight: 0 }, ['error: endpoints[0].load_balancing_weight: must be greater than 0']],
    [
      { lbEndpoints: [endpoint, { ...endpoint, loadBalancingWeight: 0 }] },
      ['error: endpoints[0].lb_endpoints[1].load_balancing_weight: must be greater than 0'],
    ],
  ];
  for (const [locality, problems] of cases) {
    test(JSON.stringify(locality).slice(0, 80), () => assert.deepEqual(found(locality), problems));
  }
});
