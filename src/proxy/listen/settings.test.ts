import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { Metrics } from '#observe/metrics.ts';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { registry } from '#xds/registry.ts';
import { Findings } from '../findings.ts';
import { ScopeHolders } from '../scope-holders.ts';
import type { ListenerReadDeps } from './chain-settings.ts';
import { type ListenerSettings, readListener } from './settings.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';
const echo = { name: 'echo', typedConfig: { '@type': `${TYPES}.filters.network.echo.v3.Echo` } };
const address = { socketAddress: { address: '127.0.0.1', portValue: 80 } };
const listenerFilter = (type: string, fields: JsonObject = {}): JsonObject => ({
  name: 'f',
  typedConfig: { '@type': `${TYPES}.filters.listener.${type}`, ...fields },
});
const inspector = listenerFilter('tls_inspector.v3.TlsInspector');

function read(fields: JsonObject, deps: Partial<ListenerReadDeps> = {}): [ListenerSettings, string[]] {
  const message = fromJson(
    ListenerSchema,
    { name: 'l', address, filterChains: [{ filters: [echo] }], ...fields },
    { registry },
  );
  const findings = new Findings();
  const scopes = new ScopeHolders(new Metrics());
  const known = { filters: [], scopes, ...deps } as unknown as ListenerReadDeps;
  const settings = readListener(message, known, findings);
  return [settings, findings.problems.map(({ path, message: text }) => `${path}: ${text}`)];
}

const router: JsonObject = {
  name: 'router',
  typedConfig: { '@type': `${TYPES}.filters.http.router.v3.Router` },
};
const rds = (configSource: JsonObject): JsonObject =>
  hcmWith({ rds: { routeConfigName: 'r', configSource } });
const hcmWith = (fields: JsonObject): JsonObject => ({
  filterChains: [{ filters: [manager(fields)] }],
});
const MANAGER = `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`;
const manager = (fields: JsonObject): JsonObject => ({
  name: 'http',
  typedConfig: { '@type': MANAGER, statPrefix: 's', httpFilters: [router], ...fields },
});
const socket = (fields: JsonObject): JsonObject => ({
  address: { socketAddress: { address: '127.0.0.1', portValue: 80, ...fields } },
});
const originalSrc = (fields: JsonObject = {}): JsonObject => ({
  listenerFilters: [listenerFilter('original_src.v3.OriginalSrc', fields)],
});
const proxyProtocol = (fields: JsonObject): JsonObject => ({
  listenerFilters: [listenerFilter('proxy_protocol.v3.ProxyProtocol', fields)],
});
const chains = (...matches: JsonObject[]): JsonObject => ({
  filterChains: matches.map((filterChainMatch) => ({ filters: [echo], filterChainMatch })),
});

const discovered = (fields: JsonObject): JsonObject => ({
  name: 'x',
  configDiscovery: {
    configSource: { ads: {} },
    typeUrls: ['type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault'],
    ...fields,
  },
});

describe('what is refused, and where', () => {
  const unbindable = 'is not supported: the runtime binds a socket as it makes it';
  const cases: [fields: JsonObject, problem: string][] = [
    [{ transparent: true }, 'transparent: needs a call that this system does not have'],
    [
      originalSrc(),
      'listener_filters[0].typed_config: needs calls that this system does not have: connections cannot leave from the addresses of clients',
    ],
    [{ freebind: true }, `freebind: ${unbindable}`],
    [{ socketOptions: [{ name: '1' }] }, `socket_options: ${unbindable}`],
    [{ tcpFastOpenQueueLength: 1 }, `tcp_fast_open_queue_length: ${unbindable}`],
    [{ enableMptcp: true }, `enable_mptcp: ${unbindable}`],
    [{ udpListenerConfig: {} }, 'udp_listener_config: is not supported: the runtime has no QUIC'],
    [
      socket({ protocol: 'UDP' }),
      'address.socket_address.protocol: UDP and HTTP/3 are not supported: the runtime has no QUIC',
    ],
    [
      { connectionBalanceConfig: { exactBalance: {} } },
      'connection_balance_config: is not supported: the kernel deals connections to threads',
    ],
    [
      rds({ apiConfigSource: { apiType: 'REST' } }),
      'filter_chains[0].filters[0].typed_config.rds.config_source.api_config_source.api_type: must be GRPC or DELTA_GRPC',
    ],
    [
      hcmWith({ routeConfig: {}, httpFilters: [discovered({ typeUrls: [] }), router] }),
      'filter_chains[0].filters[0].typed_config.http_filters[0].config_discovery.type_urls: names no type',
    ],
    [
      hcmWith({
        routeConfig: {},
        httpFilters: [
          discovered({ typeUrls: ['type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'] }),
          router,
        ],
      }),
      'filter_chains[0].filters[0].typed_config.http_filters[0].config_discovery.type_urls[0]: the router is not supported here: write typed_config',
    ],
    [
      { filterChains: [{ filters: [discovered({}), echo] }] },
      'filter_chains[0].filters[0].config_discovery.type_urls[0]: network filter type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault is not supported',
    ],
    [
      { filterChains: [{ filters: [discovered({ typeUrls: [MANAGER] })] }] },
      'filter_chains[0].filters[0].config_discovery.type_urls[0]: a connection manager is not supported here: write typed_config',
    ],
    [
      {
        filterChains: [
          {
            filters: [
              discovered({ typeUrls: [`${TYPES}.filters.network.sni_cluster.v3.SniCluster`] }),
              manager({ routeConfig: {} }),
            ],
          },
        ],
      },
      'filter_chains[0].filters[0].config_discovery.type_urls[0]: is only supported before tcp_proxy',
    ],
    [
      { listenerFilters: [discovered({})] },
      'listener_filters[0].config_discovery.type_urls[0]: listener filter type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault is not supported',
    ],
    [
      hcmWith({
        routeConfig: {
          name: 'r',
          vhds: { configSource: { ads: {} } },
        },
      }),
      'filter_chains[0].filters[0].typed_config.route_config.vhds: belongs to routes that come by rds',
    ],
    [{ filterChainMatcher: {} }, 'filter_chain_matcher: is not supported'],
    [{ fcdsConfig: { name: 'x' } }, 'fcds_config: is not supported'],
    [{ statsMatcher: { rejectAll: true } }, 'stats_matcher: is not supported'],
    [{ apiListener: {} }, 'api_listener: is not supported'],
    [{ deprecatedV1: { bindToPort: false } }, 'deprecated_v1: is not supported: use bind_to_port'],
    [
      { perConnectionBufferHighWatermarkTimeout: '1s' },
      'per_connection_buffer_high_watermark_timeout: is not supported',
    ],
    [
      { maxConnectionsToAcceptPerSocketEvent: 0 },
      'max_connections_to_accept_per_socket_event: must not be 0',
    ],
    [{ address: {} }, 'address: is missing'],
    [socket({ address: 'localhost' }), 'address.socket_address.address: "localhost" is not an IP address'],
    [socket({ portValue: 70_000 }), 'address.socket_address.port_value: 70000 is no port (0 to 65535)'],
    [socket({ resolverName: 'x' }), 'address.socket_address.resolver_name: is not supported'],
    [
      socket({ ipv4Compat: true }),
      'address.socket_address.ipv4_compat: needs the address "::" or one that is IPv4-mapped',
    ],
    [
      socket({ address: '::1', ipv4Compat: true }),
      'address.socket_address.ipv4_compat: needs the address "::" or one that is IPv4-mapped',
    ],
    [{ address: { pipe: { path: '' } } }, 'address.pipe.path: is missing'],
    [{ address: { pipe: { path: `/${'x'.repeat(107)}` } } }, 'address.pipe.path: is longer than 107 bytes'],
    [{ address: { pipe: { path: '/x', mode: 0o1000 } } }, 'address.pipe.mode: must not be above 0777'],
    [
      { address: { pipe: { path: '@x', mode: 0o600 } } },
      'address.pipe.mode: cannot be set of a name in the abstract namespace',
    ],
    [
      { additionalAddresses: [{ address, socketOptions: {} }] },
      'additional_addresses[0].socket_options: is not supported',
    ],
    [{ tcpKeepalive: { keepaliveProbes: 0 } }, 'tcp_keepalive.keepalive_probes: must not be 0'],
    [{ filterChains: [] }, 'filter_chains: is missing'],
    [
      { filterChains: [{ filters: [echo], useProxyProto: true }] },
      'filter_chains[0].use_proxy_proto: is not supported: use the listener filter proxy_protocol',
    ],
    [
      { filterChains: [{ filters: [echo, echo] }] },
      'filter_chains[0].filters[0]: must be the last filter of its chain',
    ],
    [
      chains({ sourcePorts: [1] }, { sourcePorts: [1] }),
      'filter_chains[1].filter_chain_match: has the same matching rules as filter_chains[0]',
    ],
    [
      chains({ sourcePorts: [1, 2] }, { sourcePorts: [2, 3] }),
      'filter_chains[1].filter_chain_match: overlaps with the matching rules of filter_chains[0]',
    ],
    [
      chains({ sourcePorts: [2, 2] }),
      'filter_chains[0].filter_chain_match: overlaps with the matching rules of filter_chains[0]',
    ],
    [
      chains({ serverNames: ['a'] }),
      'filter_chains[0].filter_chain_match.server_names: never holds: the listener filter tls_inspector is missing',
    ],
    [
      chains({ transportProtocol: 'tls' }),
      'filter_chains[0].filter_chain_match.transport_protocol: never holds: the listener filter tls_inspector is missing',
    ],
    [
      { listenerFilters: [{ name: 'x' }] },
      'listener_filters[0].typed_config: listener filter x is not supported',
    ],
    [
      { listenerFilters: [{ ...inspector, filterDisabled: {} }] },
      'listener_filters[0].filter_disabled: names no rule',
    ],
    [
      { listenerFilters: [{ ...inspector, filterDisabled: { orMatch: { rules: [{ anyMatch: true }] } } }] },
      'listener_filters[0].filter_disabled.or_match.rules: needs two rules or more',
    ],
    [
      {
        listenerFilters: [listenerFilter('tls_inspector.v3.TlsInspector', { enableJa3Fingerprinting: true })],
      },
      'listener_filters[0].typed_config.enable_ja3_fingerprinting: is not supported',
    ],
    [
      { listenerFilters: [listenerFilter('tls_inspector.v3.TlsInspector', { maxClientHelloSize: 0 })] },
      'listener_filters[0].typed_config.max_client_hello_size: must be between 1 and 65536',
    ],
    [
      { listenerFilters: [listenerFilter('original_dst.v3.OriginalDst')] },
      'listener_filters[0].typed_config: where a redirected connection was made to cannot be asked on this system',
    ],
    [
      { useOriginalDst: true },
      'use_original_dst: where a redirected connection was made to cannot be asked on this system',
    ],
    [
      proxyProtocol({ disallowedVersions: ['V1', 'V2'] }),
      'listener_filters[0].typed_config.disallowed_versions: leaves no version of the PROXY protocol',
    ],
    [
      proxyProtocol({ rules: [{ tlvType: 300, onTlvPresent: { key: 'a' } }] }),
      'listener_filters[0].typed_config.rules[0].tlv_type: must not be above 255',
    ],
    [
      proxyProtocol({ rules: [{ tlvType: 3 }] }),
      'listener_filters[0].typed_config.rules[0].on_tlv_present.key: is missing',
    ],
    [
      proxyProtocol({ tlvLocation: 'FILTER_STATE' }),
      'listener_filters[0].typed_config.tlv_location: is not supported',
    ],
    [
      proxyProtocol({ passThroughTlvs: { matchType: 'INCLUDE', tlvType: [256] } }),
      'listener_filters[0].typed_config.pass_through_tlvs.tlv_type[0]: must not be above 255',
    ],
  ];
  for (const [fields, problem] of cases) {
    test(problem, () => assert.deepEqual(read(fields)[1], [problem]));
  }
});

describe('what is read', () => {
  test('of a listener that says little', () => {
    const [settings, problems] = read({});
    assert.deepEqual(problems, []);
    assert.equal(settings.filterTimeoutMs, 15_000);
    assert.equal(settings.statAddress, '127.0.0.1_80');
    assert.equal(settings.binds, true);
    assert.equal(settings.reusePort, false);
    assert.equal(settings.drainsWhenUnhealthy, true);
  });

  test('the name is the address where there is none; addresses have one form', () => {
    const [settings] = read({ name: '', ...socket({ address: '2001:DB8:0:0::1' }) });
    assert.equal(settings.name, '[2001:db8::1]:80');
    assert.equal(settings.statAddress, '[2001_db8__1]_80');
  });

  test('both fields of reuse_port', () => {
    assert.equal(read({ reusePort: true })[0].reusePort, true);
    assert.equal(read({ enableReusePort: false, reusePort: true })[0].reusePort, false);
  });

  test('filters are disabled by port', () => {
    const rule = (filterDisabled: JsonObject): boolean[] => {
      const [{ filters }] = read({ listenerFilters: [{ ...inspector, filterDisabled }] });
      return [80, 81, 82].map((port) => filters[0]!.skips(port));
    };
    const range = (start: number, end: number): JsonObject => ({ destinationPortRange: { start, end } });
    assert.deepEqual(rule({ anyMatch: true }), [true, true, true]);
    assert.deepEqual(rule(range(80, 82)), [true, true, false]);
    assert.deepEqual(rule({ notMatch: range(80, 82) }), [false, false, true]);
    assert.deepEqual(rule({ orMatch: { rules: [range(80, 81), range(82, 83)] } }), [true, false, true]);
    assert.deepEqual(rule({ andMatch: { rules: [range(80, 82), range(81, 83)] } }), [false, true, false]);
  });

  test('the frame is the same while only chains change', () => {
    const frame = (fields: JsonObject): string => read(fields)[0].frame();
    const same = frame({});
    assert.equal(frame(chains({ destinationPort: 1 })), same);
    assert.equal(frame({ defaultFilterChain: { filters: [echo] } }), same);
    assert.notEqual(frame({ listenerFiltersTimeout: '1s' }), same);
    assert.notEqual(frame({ listenerFilters: [inspector] }), same);
    assert.notEqual(frame(socket({ portValue: 81 })), same);
  });

  test('use_original_dst brings its filter, unless it is there', () => {
    const deps = { originalDestination: () => undefined };
    assert.equal(read({ useOriginalDst: true }, deps)[0].filters.length, 1);
    const listenerFilters = [listenerFilter('original_dst.v3.OriginalDst')];
    assert.equal(read({ useOriginalDst: true, listenerFilters }, deps)[0].filters.length, 1);
  });
});

test('original_src binds no ports', () => {
  const [, problems] = read(originalSrc({ bindPort: true }), { openSocket: () => -1 });
  assert.deepEqual(problems, ['listener_filters[0].typed_config.bind_port: is not supported']);
});
