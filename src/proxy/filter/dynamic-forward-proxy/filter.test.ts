import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { fakeClock } from '#core/clock.ts';
import { seededRandom } from '#core/random.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { Metrics } from '#observe/metrics.ts';
import { DnsCacheConfigSchema } from '#xds/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js';
import { FilterConfigSchema } from '#xds/gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.js';
import { packAny } from '#xds/registry.ts';
import { filterDeps, testExchange } from '../../../../test/support/filter-rig.ts';
import { HostCache } from '../../dns/cache.ts';
import { dynamicForwardProxy } from './filter.ts';

test('a request that ends while its host is looked up gives its place back', () => {
  const metrics = new Metrics();
  const clock = fakeClock();
  const deps = {
    ...{ clock, metrics, random: seededRandom(1), wheel: new TimerWheel(clock) },
    lookUp: () => new Promise<never>(() => {}),
  };
  let cache: HostCache | undefined;
  const config = create(FilterConfigSchema, {
    implementationSpecifier: {
      case: 'dnsCacheConfig',
      value: create(DnsCacheConfigSchema, {
        name: 'names',
        dnsCacheCircuitBreaker: { maxPendingRequests: 1 },
      }),
    },
  });
  const loaded = dynamicForwardProxy.load(packAny(FilterConfigSchema, config), 'c', {
    ...filterDeps(metrics),
    hostCache: (settings) => (cache ??= new HostCache(settings, deps)),
  });
  assert.ok(loaded.ok);
  const ask = () => {
    const cluster = { name: 'c', metadata: undefined, isDynamic: true, defaultPort: 80 };
    const exchange = testExchange({ cluster, routeConfig: () => undefined });
    return { exchange, verdict: loaded.value.onRequestHead!(exchange, true) };
  };
  const first = ask();
  assert.equal(first.verdict, 'wait');
  assert.notEqual(ask().verdict, 'wait', 'there is one place');
  loaded.value.onEnd!(first.exchange);
  assert.equal(ask().verdict, 'wait');
});
