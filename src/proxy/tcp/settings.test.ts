import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { TcpProxySchema } from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { Findings } from '../findings.ts';
import { readTcpProxy, type TcpSettings } from './settings.ts';

function read(fields: JsonObject): { readonly settings: TcpSettings; readonly findings: Findings } {
  const findings = new Findings();
  const to: JsonObject = 'weightedClusters' in fields ? {} : { cluster: 'app' };
  const proxy = fromJson(TcpProxySchema, { statPrefix: 'tcp', ...to, ...fields });
  const context = { path: 'tcp', filters: [], direction: 'unspecified', bufferLimitBytes: 1000 } as const;
  return { settings: readTcpProxy(proxy, context, findings), findings };
}

interface Row {
  readonly why: string;
  readonly fields: JsonObject;
  /** Places of errors. */
  readonly at: readonly string[];
}

// Each is refused by Envoy too, but for the first two.
const refused: readonly Row[] = [
  { why: 'clusters on demand', fields: { onDemand: {} }, at: ['tcp.on_demand'] },
  {
    why: 'values in the PROXY header of a tunnel',
    fields: { proxyProtocolTlvs: [{ type: 1 }], tunnelingConfig: { hostname: 'a:1' } },
    at: ['tcp.proxy_protocol_tlvs'],
  },
  {
    why: 'a value of a type there cannot be, and one said twice',
    fields: {
      proxyProtocolTlvs: [{ type: 256 }, { type: 1, value: 'YQ==', formatString: { textFormat: 'a' } }],
    },
    at: ['tcp.proxy_protocol_tlvs[0].type', 'tcp.proxy_protocol_tlvs[1]'],
  },
  {
    why: 'an operator there is not',
    fields: { tunnelingConfig: { hostname: '%NONSENSE%' } },
    at: ['tcp.tunneling_config.hostname'],
  },
  { why: 'no attempts', fields: { maxConnectAttempts: 0 }, at: ['tcp.max_connect_attempts'] },
  {
    why: 'waiting for data without room for it',
    fields: { upstreamConnectMode: 'ON_DOWNSTREAM_DATA' },
    at: ['tcp.max_early_data_bytes'],
  },
  {
    why: 'no time at all',
    fields: { maxDownstreamConnectionDuration: '0s' },
    at: ['tcp.max_downstream_connection_duration'],
  },
  {
    why: 'more jitter than there is',
    fields: {
      maxDownstreamConnectionDuration: '1s',
      maxDownstreamConnectionDurationJitterPercentage: { value: 101 },
    },
    at: ['tcp.max_downstream_connection_duration_jitter_percentage.value'],
  },
  {
    why: 'a back-off without a base',
    fields: { backoffOptions: {} },
    at: ['tcp.backoff_options.base_interval'],
  },
  {
    why: 'a back-off that ends below its base',
    fields: { backoffOptions: { baseInterval: '2s', maxInterval: '1s' } },
    at: ['tcp.backoff_options.max_interval'],
  },
  {
    why: 'two hash policies',
    fields: { hashPolicy: [{ sourceIp: {} }, { sourceIp: {} }] },
    at: ['tcp.hash_policy'],
  },
  { why: 'a hash of nothing', fields: { hashPolicy: [{}] }, at: ['tcp.hash_policy[0]'] },
  {
    why: 'lines all the time',
    fields: { accessLogOptions: { accessLogFlushInterval: '0s' } },
    at: ['tcp.access_log_options.access_log_flush_interval'],
  },
  {
    why: 'a cluster of no weight, and one of no name',
    fields: { weightedClusters: { clusters: [{ name: 'a' }, { weight: 1 }] } },
    at: ['tcp.weighted_clusters.clusters[0].weight', 'tcp.weighted_clusters.clusters[1].name'],
  },
  { why: 'a tunnel to nowhere', fields: { tunnelingConfig: {} }, at: ['tcp.tunneling_config.hostname'] },
  {
    why: 'a path for CONNECT',
    fields: { tunnelingConfig: { hostname: 'a:1', postPath: '/x' } },
    at: ['tcp.tunneling_config.post_path'],
  },
  {
    why: 'headers that are part of the request line',
    fields: {
      tunnelingConfig: {
        hostname: 'a:1',
        headersToAdd: [{ header: { key: 'host', value: 'b' } }, { header: { key: ':path', value: '/' } }],
      },
    },
    at: [
      'tcp.tunneling_config.headers_to_add[0].header.key',
      'tcp.tunneling_config.headers_to_add[1].header.key',
    ],
  },
];

describe('what is refused, with its place', () => {
  for (const { why, fields, at } of refused) {
    test(why, () => {
      const { findings } = read(fields);
      assert.deepEqual(
        findings.problems.filter(({ level }) => level === 'error').map(({ path }) => path),
        at,
      );
    });
  }
});

describe('what is not said', () => {
  test("is Envoy's default", () => {
    const { settings, findings } = read({});
    assert.deepEqual(findings.problems, []);
    const { idleTimeoutMs, maxDurationMs, maxConnectAttempts, backOff, connectOn, maxEarlyBytes } = settings;
    assert.deepEqual(
      { idleTimeoutMs, maxDurationMs, maxConnectAttempts, backOff, connectOn, maxEarlyBytes },
      {
        idleTimeoutMs: 3_600_000,
        maxDurationMs: 0,
        maxConnectAttempts: 1,
        backOff: undefined,
        connectOn: 'accept',
        maxEarlyBytes: -1,
      },
    );
  });

  test('a back-off grows tenfold at most', () => {
    const { settings } = read({ backoffOptions: { baseInterval: '0.1s' } });
    assert.deepEqual(settings.backOff, { baseMs: 100, maxMs: 1000 });
  });

  test('the old fields of the access log hold where the new ones are absent', () => {
    const { settings } = read({ accessLogFlushInterval: '2s', flushAccessLogOnConnected: true });
    assert.deepEqual([settings.logIntervalMs, settings.logOnConnected], [2000, true]);
    const both = read({ accessLogFlushInterval: '2s', accessLogOptions: {} }).settings;
    assert.equal(both.logIntervalMs, 0);
  });
});
