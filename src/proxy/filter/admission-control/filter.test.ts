import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { AdmissionControlSchema } from '#xds/gen/envoy/extensions/filters/http/admission_control/v3/admission_control_pb.js';
import { makeFilter } from '../../../../test/support/filter-rig.ts';
import { admissionControl } from './filter.ts';
import { RequestHistory } from './history.ts';

test('what is older than the window counts no more', () => {
  let nowMs = 0;
  const history = new RequestHistory(3000, () => nowMs);
  history.record(false);
  nowMs = 1500;
  history.record(true);
  history.record(true);
  assert.deepEqual([history.requests, history.successes], [3, 2]);
  assert.equal(history.requestsPerSecond, 3);
  nowMs = 2500;
  assert.equal(history.requestsPerSecond, 1);
  nowMs = 3000;
  history.forget();
  assert.deepEqual([history.requests, history.successes], [2, 2]);
  nowMs = 60_000;
  history.forget();
  assert.deepEqual([history.requests, history.requestsPerSecond], [0, 0]);
});

test('what cannot be is refused with its place', () => {
  const make = (config: JsonObject) =>
    makeFilter(admissionControl, AdmissionControlSchema, fromJson(AdmissionControlSchema, config));
  const http = (start: number, end: number): JsonObject => ({
    successCriteria: { httpCriteria: { httpSuccessStatus: [{ start, end }] } },
  });
  const rows: readonly [JsonObject, RegExp][] = [
    [{}, /success_criteria: is missing/],
    [
      { successCriteria: {}, srThreshold: { defaultValue: { value: 0.5 } } },
      /sr_threshold.*must be at least 1/,
    ],
    [{ successCriteria: { httpCriteria: {} } }, /http_success_status: is missing/],
    [{ successCriteria: { grpcCriteria: {} } }, /grpc_success_status: is missing/],
    [{ successCriteria: { grpcCriteria: { grpcSuccessStatus: [17] } } }, /\[0\]: must be 0 to 16/],
    [http(99, 200), /\[0\]: must be a range from 100 to 600/],
    [http(300, 200), /\[0\]: must be a range from 100 to 600/],
  ];
  for (const [json, message] of rows) assert.throws(() => make(json), { message });
});
