import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Metrics } from '#observe/metrics.ts';
import {
  OnDemandSchema,
  PerRouteConfigSchema,
} from '#xds/gen/envoy/extensions/filters/http/on_demand/v3/on_demand_pb.js';
import { packAny } from '#xds/registry.ts';
import { filterDeps, makeFilter, testExchange } from '../../../../test/support/filter-rig.ts';
import { onDemand } from './filter.ts';

test('a request waits where there is something to wait for, and is forgotten at its end', () => {
  const filter = makeFilter(onDemand, OnDemandSchema, create(OnDemandSchema), { slot: 0 });
  const slots: unknown[] = [];
  assert.equal(filter.onRequestHead!(testExchange({ slots, awaitHost: () => undefined }), true), undefined);
  const forgotten: string[] = [];
  const forget = (): void => void forgotten.push('it');
  const waiting = testExchange({ slots, awaitHost: () => forget });
  assert.equal(filter.onRequestHead!(waiting, true), 'wait');
  filter.onEnd!(waiting);
  assert.deepEqual(forgotten, ['it']);
});

test('clusters on demand are refused with their place', () => {
  const odcds = { timeout: { seconds: 1n } };
  assert.throws(() => makeFilter(onDemand, OnDemandSchema, create(OnDemandSchema, { odcds })), {
    message: /typed_config\.odcds: is not supported/,
  });
  const ofRoute = (config: Parameters<typeof create<typeof PerRouteConfigSchema>>[1]): boolean =>
    onDemand.loadForRoute!(
      packAny(PerRouteConfigSchema, create(PerRouteConfigSchema, config)),
      'typed_per_filter_config',
      filterDeps(new Metrics()),
    ).ok;
  assert.ok(ofRoute({}));
  assert.ok(!ofRoute({ odcds }));
});
