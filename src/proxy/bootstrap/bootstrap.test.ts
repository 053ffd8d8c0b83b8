import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '#core/problem.ts';
import { adsSource } from '../resource-source.ts';
import { type BootstrapText, loadBootstrap } from './load.ts';
import { bootstrapSettings } from './settings.ts';

const file = (text: string): BootstrapText => ({ name: 'envoy.yaml', text });
const overlay = (text: string): BootstrapText => ({ name: '--config-yaml', text });

function load(...texts: BootstrapText[]) {
  return loadBootstrap(texts, { allowUnknownFields: false });
}

function good(...texts: BootstrapText[]) {
  const loaded = load(...texts);
  assert.ok(loaded.ok, loaded.problems.map(formatProblem).join('\n'));
  return loaded.value;
}

describe('loadBootstrap', () => {
  test('YAML and JSON say the same', () => {
    const yaml = good(file('admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}'));
    const json = good(
      file('{"admin": {"address": {"socketAddress": {"address": "127.0.0.1", "portValue": 9901}}}}'),
    );
    assert.deepEqual(yaml.bootstrap, json.bootstrap);
  });

  test('a later text is merged over: fields replaced, lists appended', () => {
    const { bootstrap } = good(
      file('node: {id: a, cluster: c}\nstatic_resources: {clusters: [{name: one}]}'),
      overlay('node: {id: b}\nstatic_resources: {clusters: [{name: two}]}'),
    );
    assert.equal(bootstrap.node?.id, 'b');
    assert.equal(bootstrap.node?.cluster, 'c');
    assert.deepEqual(
      bootstrap.staticResources?.clusters.map(({ name }) => name),
      ['one', 'two'],
    );
  });

  test('every unknown field is an error with its place', () => {
    const loaded = load(
      file('static_resources:\n  clusters:\n    - name: a\n      nonsense: 1\nwatchdogs: {}\n'),
    );
    assert.equal(loaded.ok, false);
    const texts = loaded.problems.map(formatProblem);
    assert.equal(texts.length, 2);
    assert.match(texts[0]!, /^envoy\.yaml:4:7: error: static_resources\.clusters\[0\]\.nonsense: /);
    assert.match(texts[1]!, /^envoy\.yaml:5:1: error: watchdogs: /);
  });

  test('unknown fields can be allowed, and are warned of', () => {
    const loaded = loadBootstrap([file('watchdogs: {}')], { allowUnknownFields: true });
    assert.ok(loaded.ok);
    assert.equal(loaded.problems[0]?.level, 'warning');
  });

  for (const [text, why, message] of [
    ['', 'nothing', /no document/],
    ['a: 1\n---\nb: 2', 'two documents', /one document/],
    ['a: [', 'broken YAML', /not valid YAML/],
  ] as const) {
    test(`refuses ${why}`, () => {
      const loaded = load(file(text));
      assert.equal(loaded.ok, false);
      assert.match(loaded.problems.map(formatProblem).join('\n'), message);
    });
  }

  test('a problem of a static resource is found in the text it came from', () => {
    const loaded = good(
      file('static_resources:\n  clusters:\n    - name: one\n'),
      overlay('staticResources:\n  clusters:\n    - name: two\n      connectTimeout: 1s\n'),
    );
    const problem = { level: 'error', path: 'connect_timeout', message: 'too short' } as const;
    assert.equal(
      formatProblem(loaded.locate(problem, 'clusters', 1)),
      '--config-yaml:4:7: error: static_resources.clusters[0].connect_timeout: too short',
    );
    assert.match(formatProblem(loaded.locate(problem, 'clusters', 0)), /^envoy\.yaml:3:7: /);
  });
});

describe('bootstrapSettings', () => {
  const ads = `
node: {id: n, cluster: c}
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services:
      - envoy_grpc: {cluster_name: xds}
  cds_config: {resource_api_version: V3, ads: {}}
  lds_config: {resource_api_version: V3, ads: {}}
static_resources:
  clusters: [{name: xds}]
`;

  test('reads where dynamic resources come from', () => {
    const settings = bootstrapSettings(good(file(ads)).bootstrap);
    assert.ok(settings.ok, settings.problems.map(formatProblem).join('\n'));
    assert.deepEqual(settings.value.ads, {
      protocol: 'delta',
      services: [{ cluster: 'xds', initialMetadata: [] }],
    });
    assert.deepEqual(settings.value.listeners, adsSource);
    assert.equal(settings.value.initialFetchTimeoutMs, 15_000);
  });

  test('no end of waiting for one is none for both', () => {
    const text = ads
      .replace('cds_config: {', 'cds_config: {initial_fetch_timeout: 0s, ')
      .replace('lds_config: {', 'lds_config: {initial_fetch_timeout: 5s, ');
    const settings = bootstrapSettings(good(file(text)).bootstrap);
    assert.ok(settings.ok);
    assert.equal(settings.value.initialFetchTimeoutMs, 0);
  });

  const third = '\n      - envoy_grpc: {cluster_name: xds}';
  const refused: [text: string, message: RegExp][] = [
    [ads.replace('DELTA_GRPC', 'REST'), /ads_config\.api_type: must be GRPC or DELTA_GRPC/],
    [ads.replace('clusters: [{name: xds}]', 'clusters: []'), /no static cluster is named "xds"/],
    [ads.replace('[{name: xds}]', '[{name: xds, type: EDS}]'), /named "xds", or it is of type EDS/],
    [
      ads.replace('{cluster_name: xds}', `{cluster_name: xds}${third}${third}`),
      /grpc_services\[2\]: is one too many/,
    ],
    ['dynamic_resources: {lds_config: {path_config_source: {}}}', /path_config_source\.path: is missing/],
    ['dynamic_resources: {lds_config: {}}', /names no source: write ads, path_config_source or/],
    [ads.replace('node: {id: n, cluster: c}', ''), /node\.id: is needed/],
    ['dynamic_resources: {lds_config: {ads: {}}}', /ads_config is missing/],
    [
      'stats_config: {stats_tags: [{tag_name: a, regex: b}]}',
      /stats_tags\[0\]\.tag_name: only the default tags/,
    ],
    [
      'stats_config: {stats_matcher: {inclusion_list: {}}}',
      /stats_matcher\.inclusion_list\.patterns: needs at least one/,
    ],
    [
      'stats_config: {histogram_bucket_settings: [{buckets: [0], bins: 5}]}',
      /buckets: must be greater than 0/,
    ],
    ['admin: {address: {socket_address: {address: a, named_port: http}}}', /named_port: is not supported/],
    ['cluster_manager: {local_cluster_name: me}', /no static cluster is named "me"/],
    [
      'cluster_manager: {upstream_bind_config: {source_address: {address: here, port_value: 0}}}',
      /cluster_manager.upstream_bind_config.source_address.address: must be an IP address/,
    ],
  ];
  for (const [text, message] of refused) {
    test(`refuses: ${message.source}`, () => {
      const settings = bootstrapSettings(good(file(text)).bootstrap);
      assert.equal(settings.ok, false);
      assert.match(settings.problems.map(formatProblem).join('\n'), message);
    });
  }

  test('problems are placed in the text that wins', () => {
    const loaded = good(file('admin: {profile_path: /a}'), overlay('admin:\n  profile_path: /b\n'));
    const settings = bootstrapSettings(loaded.bootstrap);
    assert.match(
      formatProblem(loaded.place(settings.problems[0]!)),
      /^--config-yaml:2:3: warning: admin\.profile_path/,
    );
  });

  test('what has no effect is said', () => {
    const { bootstrap } = good(file('layered_runtime: {layers: [{name: s, static_layer: {re2.max: 1}}]}'));
    const settings = bootstrapSettings(bootstrap);
    assert.ok(settings.ok);
    assert.match(formatProblem(settings.problems[0]!), /static_layer\["re2\.max"\]: has no effect/);
  });
});
