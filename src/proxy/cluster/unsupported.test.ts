import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { Findings } from '../findings.ts';
import { refuseUnsupported } from './unsupported.ts';

function problems(fields: MessageInitShape<typeof ClusterSchema>): string[] {
  const findings = new Findings();
  refuseUnsupported(create(ClusterSchema, fields), findings);
  return findings.problems.map(({ level, path }) => `${level} ${path}`);
}

test('what is not done is refused, or warned of where it harms nobody', () => {
  assert.deepEqual(problems({ name: 'a' }), []);
  assert.deepEqual(problems({ waitForWarmOnInit: false }), ['warning wait_for_warm_on_init']);
  assert.deepEqual(problems({ commonLbConfig: { updateMergeWindow: { seconds: 1n } } }), [
    'warning common_lb_config.update_merge_window',
  ]);
});
