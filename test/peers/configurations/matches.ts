/** Which requests a route takes: `HTTPMatchRequest`. */
import type { Configuration, Request } from './configuration.ts';

/** What goes to v1 by the one condition, and what is left for v2. */
const condition = (
  name: string,
  match: string,
  takes: readonly Request[],
  leaves: readonly Request[],
  through: Configuration['through'] = 'both',
): Configuration => ({
  name,
  http: `{match: [${match}], route: [@v1]}, {route: [@v2]}`,
  ports: match.includes('port:') ? ['http', 'http2'] : ['http'],
  through,
  asked: [
    ...takes.map((ask) => ({ ask, see: { by: 'v1' } })),
    ...leaves.map((ask) => ({ ask, see: { by: 'v2' } })),
  ],
});

export const matches: readonly Configuration[] = [
  condition(
    'uri exact',
    '{uri: {exact: /a}}',
    [{ get: '/a' }, { get: '/a?x=1' }],
    [{ get: '/a/' }, { get: '/A' }, { get: '/' }],
  ),
  condition(
    'uri prefix, of letters and not of segments',
    '{uri: {prefix: /a}}',
    [{ get: '/a' }, { get: '/ab' }, { get: '/a/b' }],
    [{ get: '/b/a' }, { get: '/A' }],
  ),
  condition(
    'uri regex, for the whole path without the query',
    '{uri: {regex: "/[a-z]+"}}',
    [{ get: '/abc' }, { get: '/abc?x=1' }],
    [{ get: '/abc/d' }, { get: '/ABC' }],
  ),
  condition(
    'uri in any case',
    '{uri: {prefix: /Api}, ignoreUriCase: true}',
    [{ get: '/api/x' }, { get: '/API' }],
    [{ get: '/ap' }],
  ),
  condition(
    'uri exact in any case',
    '{uri: {exact: /Api}, ignoreUriCase: true}',
    [{ get: '/api' }],
    [{ get: '/api/' }],
  ),
  condition('method exact', '{method: {exact: POST}}', [{ get: 'POST /' }], [{ get: '/' }, { get: 'PUT /' }]),
  condition(
    'method regex',
    '{method: {regex: "P.+"}}',
    [{ get: 'POST /' }, { get: 'PATCH /' }],
    [{ get: '/' }],
  ),
  condition('scheme', '{scheme: {exact: https}}', [], [{ get: '/' }]),
  condition(
    'authority prefix',
    '{authority: {prefix: authority-prefix.}}',
    [{ host: 'authority-prefix.default' }],
    [{ get: '/' }],
    'sidecar',
  ),
  condition(
    'authority exact at a gateway',
    '{authority: {exact: authority-exact-at-a-gateway.example.com}}',
    [{}],
    [],
    'gateway',
  ),
  condition(
    'header exact, its name in any case',
    '{headers: {X-User: {exact: ann}}}',
    [{ headers: { 'x-user': 'ann' } }],
    [{ headers: { 'x-user': 'Ann' } }, {}],
  ),
  condition(
    'header prefix',
    '{headers: {x-user: {prefix: an}}}',
    [{ headers: { 'x-user': 'anna' } }],
    [{ headers: { 'x-user': 'xan' } }],
  ),
  condition(
    'header regex, for the whole value',
    '{headers: {x-user: {regex: "[a-c]+"}}}',
    [{ headers: { 'x-user': 'abc' } }],
    [{ headers: { 'x-user': 'abcd' } }],
  ),
  condition('header present', '{headers: {x-user: {}}}', [{ headers: { 'x-user': 'who' } }], [{}]),
  condition(
    'cookie by regex',
    '{headers: {cookie: {regex: "^(.*?;)?(user=jason)(;.*)?$"}}}',
    [{ headers: { cookie: 'a=b;user=jason' } }],
    [{ headers: { cookie: 'user=json' } }],
  ),
  condition(
    'without a header of a value',
    '{withoutHeaders: {x-user: {exact: bob}}}',
    [{}, { headers: { 'x-user': 'ann' } }],
    [{ headers: { 'x-user': 'bob' } }],
  ),
  condition(
    'without a header at all',
    '{withoutHeaders: {x-user: {}}}',
    [{}],
    [{ headers: { 'x-user': 'x' } }],
  ),
  condition(
    'query parameter exact',
    '{queryParams: {beta: {exact: "1"}}}',
    [{ get: '/?beta=1' }, { get: '/?a=b&beta=1' }],
    [{ get: '/?beta=11' }, { get: '/' }],
  ),
  condition(
    'query parameter regex',
    '{queryParams: {n: {regex: "\\\\d+"}}}',
    [{ get: '/?n=12' }],
    [{ get: '/?n=1x' }],
  ),
  condition(
    'query parameter prefix',
    '{queryParams: {n: {prefix: ab}}}',
    [{ get: '/?n=abc' }],
    [{ get: '/?n=cab' }],
  ),
  condition('the port that was called', '{port: 81}', [{ port: 81 }], [{ get: '/' }], 'sidecar'),
  condition('labels of the caller', '{sourceLabels: {app: caller}}', [{}], [], 'sidecar'),
  condition('labels the caller has not', '{sourceLabels: {app: somebody}}', [], [{}], 'sidecar'),
  condition('namespace of the caller', '{sourceNamespace: default}', [{}], [], 'sidecar'),
  condition('another namespace', '{sourceNamespace: other}', [], [{}], 'sidecar'),
  condition(
    'all conditions of one match',
    '{uri: {prefix: /a}, headers: {x-user: {exact: ann}}, method: {exact: GET}}',
    [{ get: '/a', headers: { 'x-user': 'ann' } }],
    [{ get: '/a' }, { headers: { 'x-user': 'ann' } }, { get: 'POST /a', headers: { 'x-user': 'ann' } }],
  ),
  condition(
    'any of several matches',
    '{uri: {exact: /a}}, {headers: {x-user: {exact: ann}}}',
    [{ get: '/a' }, { get: '/b', headers: { 'x-user': 'ann' } }],
    [{ get: '/b' }],
  ),
  {
    name: 'the first route that matches',
    http: '{match: [{uri: {prefix: /}}], route: [@v1]}, {match: [{uri: {exact: /a}}], route: [@v2]}',
    through: 'both',
    asked: [{ ask: { get: '/a' }, see: { by: 'v1' } }],
  },
  {
    name: 'no route',
    http: '{match: [{uri: {exact: /a}}], route: [@v1]}',
    through: 'both',
    asked: [
      { ask: { get: '/a' }, see: { by: 'v1' } },
      { ask: { get: '/b' }, see: { status: 404, body: '' } },
    ],
  },
  {
    name: 'routes of gateways and of the mesh',
    http: '{match: [{gateways: [edge]}], route: [@v1]}, {match: [{gateways: [mesh]}], route: [@v2]}',
    through: 'sidecar',
    asked: [{ ask: {}, see: { by: 'v2' } }],
    spec: 'hosts: [routes-of-gateways-and-of-the-mesh], gateways: [mesh, edge]',
  },
  {
    name: 'routes for gateways alone',
    http: '{match: [{gateways: [mesh]}], route: [@v1]}, {match: [{gateways: [edge]}], route: [@v2]}',
    through: 'gateway',
    spec: 'hosts: [routes-for-gateways-alone.example.com], gateways: [mesh, edge]',
    asked: [{ ask: {}, see: { by: 'v2' } }],
  },
];
