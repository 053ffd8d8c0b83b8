/** EnvoyFilters: what is taken, and what is complained about where. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '#core/problem.ts';
import { loadDocuments } from './load.ts';

const problemsOf = (spec: string): readonly string[] =>
  loadDocuments([
    {
      file: 'x.yaml',
      text: `{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: x}, spec: ${spec}}`,
    },
  ]).problems.map(formatProblem);

const patches = (patch: string): string => `{configPatches: [${patch}]}`;
const manager = 'envoy.filters.network.http_connection_manager';

describe('EnvoyFilter', () => {
  const good = [
    '{}',
    '{workloadSelector: {labels: {app: x}}, priority: -10}',
    '{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: x}]}',
    patches('{applyTo: CLUSTER, patch: {operation: REMOVE}}'),
    patches('{applyTo: CLUSTER, match: {}, patch: {operation: MERGE, value: {}}}'),
    patches(
      `{applyTo: HTTP_FILTER, match: {listener: {filterChain: {filter: {name: ${manager}, subFilter: {name: a}}}}}, patch: {operation: INSERT_FIRST, value: {}}}`,
    ),
    patches(
      '{applyTo: CLUSTER, match: {proxy: {proxyVersion: "^1\\\\.2[0-9]", metadata: {a: b}}}, patch: {operation: REMOVE}}',
    ),
  ];
  for (const spec of good) test(`good: ${spec}`, () => assert.deepEqual(problemsOf(spec), []));

  const bad: [spec: string, expected: RegExp][] = [
    ['{workloadSelector: {}, targetRefs: []}', /only one of targetRefs and workloadSelector/],
    ['{workloadSelector: {labels: {a: "b*"}}}', /labels\.a: /],
    ['{priority: 2147483648}', /priority: must be from/],
    ['{targetRefs: [{kind: Gateway, name: x, namespace: y}]}', /another namespace/],
    [patches('{applyTo: CLUSTERS, patch: {operation: REMOVE}}'), /did you mean "CLUSTER"/],
    [patches('{applyTo: CLUSTER}'), /patch: this field is required/],
    [patches('{applyTo: CLUSTER, patch: {value: {}}}'), /operation: this field is required/],
    [patches('{applyTo: CLUSTER, patch: {operation: ADD}}'), /value: this field is required for ADD/],
    [patches('{applyTo: CLUSTER, patch: {operation: ADD, value: []}}'), /value: an object is expected/],
    [
      patches('{applyTo: CLUSTER, match: {listener: {}}, patch: {operation: REMOVE}}'),
      /a CLUSTER is not found by listener \(write cluster\)/,
    ],
    [
      patches('{applyTo: HTTP_ROUTE, match: {cluster: {}}, patch: {operation: REMOVE}}'),
      /is not found by cluster \(write routeConfiguration\)/,
    ],
    [
      patches('{applyTo: LISTENER, match: {listener: {}, cluster: {}}, patch: {operation: REMOVE}}'),
      /only one of/,
    ],
    [
      patches('{applyTo: CLUSTER, match: {proxy: {proxyVersion: "("}}, patch: {operation: REMOVE}}'),
      /proxyVersion: not a regular expression/,
    ],
    [
      patches(
        '{applyTo: NETWORK_FILTER, match: {listener: {filterChain: {filter: {}}}}, patch: {operation: REMOVE}}',
      ),
      /there is no name to match/,
    ],
    [
      patches(
        '{applyTo: HTTP_FILTER, match: {listener: {filterChain: {filter: {name: x, subFilter: {name: y}}}}}, patch: {operation: REMOVE}}',
      ),
      /only a connection manager has filters within/,
    ],
    [patches('{applyTo: CLUSTER, patch: {operation: REPLACE, value: {}}}'), /REPLACE does nothing to a CLUS/],
    [patches('{applyTo: CLUSTER, match: {context: WAYPOINT}, patch: {operation: REMOVE}}'), /WAYPOINT/],
  ];
  for (const [spec, expected] of bad) {
    test(`bad: ${spec}`, () => {
      assert.match(problemsOf(spec).join('\n'), expected);
    });
  }
});
