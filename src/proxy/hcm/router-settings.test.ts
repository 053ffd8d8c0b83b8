import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { RouterSchema } from '#xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { Findings } from '../findings.ts';
import { readRouter } from './router-settings.ts';

function problems(fields: MessageInitShape<typeof RouterSchema>): string[] {
  const findings = new Findings();
  readRouter(create(RouterSchema, fields), 'router', findings);
  return findings.problems.map(({ level, path }) => `${level} ${path}`);
}

test('what the router cannot do is refused, what nobody would see is warned of', () => {
  assert.deepEqual(problems({ suppressEnvoyHeaders: true, respectExpectedRqTimeout: true }), []);
  assert.deepEqual(
    problems({
      strictCheckHeaders: ['x-envoy-max-retries'],
      upstreamHttpFilters: [{}],
      startChildSpan: true,
    }),
    [
      'error router.strict_check_headers',
      'error router.upstream_http_filters',
      'warning router.start_child_span',
    ],
  );
  assert.deepEqual(problems({ rejectConnectRequestEarlyData: false, dynamicStats: true }), []);
});

test('what it is told', () => {
  const settings = readRouter(create(RouterSchema, { suppressEnvoyHeaders: true }), 'router', new Findings());
  assert.deepEqual(settings, { suppressEnvoyHeaders: true, respectExpectedTimeout: false });
});
