/** The filters rbac: who may send a request, who may use a connection, and what is told of it. */
import { http1 as http1Backend } from './backend/http1.ts';
import { connectionRbac } from './cases/connection-rbac.ts';
import { permission, policy, principal, rules } from './cases/rbac-rules.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1, request, type Step } from './wire/http1.ts';

const row = (name: string, steps: readonly Step[], expect: Expectation, on = 'routes'): Case => ({
  ...{ name: `rbac: ${name}`, covers: 'rbac', on, expect },
  play: http1(steps, { methods: ['GET'], noProbe: true }),
});
const LET_IN: Expectation = { status: 200 };
const KEPT_OUT: Expectation = { status: 403, upstream: 'nothing' };

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3';
const ofRoute = (rbac: Message | undefined): Message => ({
  typed_per_filter_config: {
    rbac: { '@type': `${TYPE}.RBACPerRoute`, ...(rbac === undefined ? {} : { rbac }) },
  },
});
const guarded = (path: string, rbac: Message | undefined, more: Message = {}): Message =>
  route(path, {}, { ...ofRoute(rbac), ...more });
/** Lets in whom one permission, or one principal, matches. */
const may = (path: string, one: Message, more: Message = {}): Message =>
  guarded(path, rules('ALLOW', { p: policy([one], [principal.any]) }), more);
const is = (path: string, one: Message, more: Message = {}): Message =>
  guarded(path, rules('ALLOW', { p: policy([permission.any], [one]) }), more);

const ip = (address: string, length: number): Message => ({ address_prefix: address, prefix_len: length });
const metadata = (path: readonly string[], value: Message, more: Message = {}): Message => ({
  filter: 'test',
  path: path.map((key) => ({ key })),
  value,
  ...more,
});
const template = (text: string): Message => ({
  name: 'envoy.path.match.uri_template.uri_template_matcher',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
    path_template: text,
  },
});
const routeMetadata: Message = { metadata: { filter_metadata: { test: { team: 'red' } } } };

/** Rows of a table: a path, its rules, requests that are let in and others that are not. */
interface Judged {
  readonly name: string;
  readonly of: (path: string) => Message;
  readonly yes?: readonly (readonly string[])[];
  readonly no?: readonly (readonly string[])[];
  /** Behind the prefix of the route. */
  readonly paths?: { readonly yes?: readonly string[]; readonly no?: readonly string[] };
}
const one = (name: string, of: (path: string) => Message, more: Partial<Judged>): Judged => ({
  name,
  of,
  ...more,
});
const always: Partial<Judged> = { yes: [[]] };
const neverOnes: Partial<Judged> = { no: [[]] };
const value = (name: string, path: readonly string[], matcher: Message, more: Partial<Judged>): Judged =>
  one(`metadata ${name}`, (at) => may(at, { metadata: metadata(path, matcher) }), more);

const judged: readonly Judged[] = [
  one('any', (at) => may(at, permission.any), always),
  one('header', (at) => may(at, { header: { name: 'x-who', string_match: { exact: 'me' } } }), {
    yes: [['x-who: me'], ['x-who: you', 'x-who: me']],
    no: [[], ['x-who: you']],
  }),
  one(
    'header inverted',
    (at) => may(at, { header: { name: 'x-who', string_match: { exact: 'me' }, invert_match: true } }),
    { yes: [['x-who: you']], no: [['x-who: me'], ['x-who: me', 'x-who: you'], []] },
  ),
  one('header present', (at) => may(at, { header: { name: 'x-who', present_match: true } }), {
    yes: [['x-who: me']],
    no: [[]],
  }),
  one(
    'header of the method',
    (at) => may(at, { header: { name: ':method', string_match: { exact: 'GET' } } }),
    always,
  ),
  one('not', (at) => may(at, { not_rule: { header: { name: 'x-who', present_match: true } } }), {
    yes: [[]],
    no: [['x-who: me']],
  }),
  one(
    'and',
    (at) =>
      may(at, {
        and_rules: {
          rules: [
            { header: { name: 'x-a', present_match: true } },
            { header: { name: 'x-b', present_match: true } },
          ],
        },
      }),
    { yes: [['x-a: 1', 'x-b: 1']], no: [['x-a: 1'], ['x-b: 1']] },
  ),
  one(
    'or',
    (at) =>
      may(at, {
        or_rules: {
          rules: [
            { header: { name: 'x-a', present_match: true } },
            { header: { name: 'x-b', present_match: true } },
          ],
        },
      }),
    { yes: [['x-a: 1'], ['x-b: 1']], no: [[]] },
  ),
  one('url_path', (at) => may(at, { url_path: { path: { suffix: '/good' } } }), {
    paths: { yes: ['/good', '/good?x=1', '/good?/bad'], no: ['/bad', '/goods', '/bad?/good'] },
  }),
  one(
    'url_path in any case',
    (at) => may(at, { url_path: { path: { suffix: '/GOOD', ignore_case: true } } }),
    {
      paths: { yes: ['/good'], no: ['/bad'] },
    },
  ),
  one('uri_template', (at) => may(at, { uri_template: template(`${at}/*/end`) }), {
    paths: { yes: ['/x/end', '/x/end?q=1'], no: ['/x/y/end', '/end'] },
  }),
  one('destination_ip', (at) => may(at, { destination_ip: ip('127.0.0.0', 8) }), always),
  one('destination_ip of others', (at) => may(at, { destination_ip: ip('10.0.0.0', 8) }), neverOnes),
  one('destination_port', (at) => may(at, { destination_port: 1 }), neverOnes),
  one(
    'destination_port_range',
    (at) => may(at, { destination_port_range: { start: 1024, end: 65536 } }),
    always,
  ),
  one(
    'destination_port_range below',
    (at) => may(at, { destination_port_range: { start: 1, end: 1024 } }),
    neverOnes,
  ),
  one(
    'requested_server_name without TLS',
    (at) => may(at, { requested_server_name: { exact: 'a' } }),
    neverOnes,
  ),
  one('an empty requested_server_name', (at) => may(at, { requested_server_name: { exact: '' } }), always),
  value(
    'string',
    ['who'],
    { string_match: { exact: 'me' } },
    { yes: [['x-meta: me']], no: [[], ['x-meta: you']] },
  ),
  value('present', ['who'], { present_match: true }, { yes: [['x-meta: me']], no: [[]] }),
  value('present false', ['who'], { present_match: false }, { no: [['x-meta: me'], []] }),
  value('present object', ['deep'], { present_match: true }, { yes: [[]] }),
  value('deep', ['deep', 'flag'], { bool_match: true }, always),
  value('too deep', ['deep', 'flag', 'more'], { present_match: true }, neverOnes),
  value('null', ['nothing'], { null_match: {} }, always),
  value('null of nothing', ['absent'], { null_match: {} }, neverOnes),
  value('number', ['number'], { double_match: { exact: 3 } }, always),
  value('range', ['number'], { double_match: { range: { start: 3, end: 4 } } }, always),
  value('range beyond', ['number'], { double_match: { range: { start: 2, end: 3 } } }, neverOnes),
  value('list', ['list'], { list_match: { one_of: { string_match: { exact: 'b' } } } }, always),
  value('list without', ['list'], { list_match: { one_of: { string_match: { exact: 'z' } } } }, neverOnes),
  value(
    'or',
    ['number'],
    { or_match: { value_matchers: [{ string_match: { exact: 'x' } }, { double_match: { exact: 3 } }] } },
    always,
  ),
  one(
    'metadata inverted',
    (at) => may(at, { metadata: metadata(['who'], { string_match: { exact: 'me' } }, { invert: true }) }),
    { yes: [[], ['x-meta: you']], no: [['x-meta: me']] },
  ),
  one(
    'metadata of the route',
    (at) =>
      may(
        at,
        {
          sourced_metadata: {
            metadata_matcher: metadata(['team'], { string_match: { exact: 'red' } }),
            metadata_source: 'ROUTE',
          },
        },
        routeMetadata,
      ),
    always,
  ),
  one(
    'metadata of the request by its source',
    (at) =>
      may(
        at,
        { sourced_metadata: { metadata_matcher: metadata(['team'], { string_match: { exact: 'red' } }) } },
        routeMetadata,
      ),
    neverOnes,
  ),
  one('principal: source_ip', (at) => is(at, { source_ip: ip('127.0.0.1', 32) }), {
    yes: [[], ['x-forwarded-for: 10.1.1.1']],
  }),
  one('principal: direct_remote_ip', (at) => is(at, { direct_remote_ip: ip('127.0.0.1', 32) }), {
    yes: [[], ['x-forwarded-for: 10.1.1.1']],
  }),
  one('principal: remote_ip', (at) => is(at, { remote_ip: ip('10.1.0.0', 16) }), {
    yes: [['x-forwarded-for: 10.1.1.1'], ['x-forwarded-for: 8.8.8.8, 10.1.1.1']],
    no: [[], ['x-forwarded-for: 10.2.1.1'], ['x-forwarded-for: 10.1.1.1, 8.8.8.8']],
  }),
  one('principal: remote_ip of IPv6', (at) => is(at, { remote_ip: ip('2001:db8::', 32) }), {
    yes: [['x-forwarded-for: 2001:db8::1']],
    no: [[], ['x-forwarded-for: 2001:db9::1']],
  }),
  one('principal: authenticated without TLS', (at) => is(at, { authenticated: {} }), neverOnes),
  one('principal: not', (at) => is(at, { not_id: { authenticated: {} } }), always),
  one(
    'principal: and',
    (at) => is(at, { and_ids: { ids: [principal.any, { source_ip: ip('127.0.0.1', 32) }] } }),
    always,
  ),
  one('principal: or', (at) => is(at, { or_ids: { ids: [{ authenticated: {} }, principal.any] } }), always),
  one('principal: header', (at) => is(at, { header: { name: 'x-who', string_match: { prefix: 'm' } } }), {
    yes: [['x-who: me']],
    no: [[], ['x-who: you']],
  }),
  one('principal: url_path', (at) => is(at, { url_path: { path: { prefix: `${at}/good` } } }), {
    paths: { yes: ['/good'], no: ['/bad'] },
  }),
  one(
    'principal: metadata',
    (at) => is(at, { metadata: metadata(['who'], { string_match: { exact: 'me' } }) }),
    {
      yes: [['x-meta: me']],
      no: [[]],
    },
  ),
  one(
    'principal: filter_state that nobody left',
    (at) => is(at, { filter_state: { key: 'test.key', string_match: { exact: '' } } }),
    neverOnes,
  ),
  one('no policies', (at) => guarded(at, rules('ALLOW', {})), neverOnes),
  one('no policies, DENY', (at) => guarded(at, rules('DENY', {})), always),
  one('no rules', (at) => guarded(at, {}), always),
  one('off', (at) => guarded(at, undefined), always),
  one(
    'DENY',
    (at) =>
      guarded(
        at,
        rules('DENY', { p: policy([{ header: { name: 'x-bad', present_match: true } }], [principal.any]) }),
      ),
    {
      yes: [[]],
      no: [['x-bad: 1']],
    },
  ),
  one(
    'LOG',
    (at) =>
      guarded(
        at,
        rules('LOG', { p: policy([{ header: { name: 'x-log', present_match: true } }], [principal.any]) }),
      ),
    {
      yes: [[], ['x-log: 1']],
    },
  ),
  one(
    'the first policy by its name',
    (at) =>
      guarded(
        at,
        rules('ALLOW', {
          zeta: policy([permission.any], [principal.any]),
          'al pha': policy([{ header: { name: 'x-a', present_match: true } }], [principal.any]),
        }),
      ),
    { yes: [[], ['x-a: 1']] },
  ),
  one(
    'both permission and principal',
    (at) =>
      guarded(
        at,
        rules('ALLOW', {
          p: policy(
            [{ header: { name: 'x-a', present_match: true } }],
            [{ header: { name: 'x-b', present_match: true } }],
          ),
        }),
      ),
    { yes: [['x-a: 1', 'x-b: 1']], no: [['x-a: 1'], ['x-b: 1']] },
  ),
];

const table: readonly Case[] = judged.flatMap(({ name, yes = [], no = [], paths }, i) => {
  const at = `/t${i}`;
  const ask = (verdict: Expectation, headers: readonly string[], path = ''): Case =>
    row(
      `${name}, ${[path, ...headers].join(' ') || 'nothing said'}`,
      [get(`${at}${path}`, ...headers)],
      verdict,
    );
  return [
    ...yes.map((headers) => ask(LET_IN, headers)),
    ...no.map((headers) => ask(KEPT_OUT, headers)),
    ...(paths?.yes ?? []).map((path) => ask(LET_IN, [], path)),
    ...(paths?.no ?? []).map((path) => ask(KEPT_OUT, [], path)),
  ];
});

const toMetadata = extension('h2m', 'filters.http.header_to_metadata.v3.Config', {
  request_rules: [
    { header: 'x-meta', on_header_present: { metadata_namespace: 'test', key: 'who', type: 'STRING' } },
  ],
});
const setMetadata = extension('set', 'filters.http.set_metadata.v3.Config', {
  metadata: [
    {
      metadata_namespace: 'test',
      value: { deep: { zeta: 1, flag: true }, nothing: null, number: 3, list: ['a', 'b'] },
    },
  ],
});
const rbac = (fields: Message): Message => extension('rbac', 'filters.http.rbac.v3.RBAC', fields);
const log = [
  'own=%DYNAMIC_METADATA(test)%',
  'meta=%DYNAMIC_METADATA(envoy.filters.http.rbac)%',
  'hint=%DYNAMIC_METADATA(envoy.common)%',
];
const onlyA = { p: policy([{ header: { name: 'x-a', present_match: true } }], [principal.any]) };
const onlyB = { 's one': policy([{ header: { name: 'x-b', present_match: true } }], [principal.any]) };

const told: readonly Case[] = [
  row(
    'a refusal',
    [get('/x')],
    {
      status: 403,
      client: /RBAC: access denied/,
      log: /rbac_access_denied_matched_policy\[none\]/,
      stats: { 'http.plain.rbac.denied': 1 },
    },
    'plain',
  ),
  row(
    'an admission',
    [get('/x', 'x-a: 1')],
    { status: 200, stats: { 'http.plain.rbac.allowed': 1 } },
    'plain',
  ),
  row(
    'a refusal to gRPC',
    [request('POST', '/x', ['content-type: application/grpc', 'content-length: 0'])],
    { status: 200, client: /grpc-status: 7/ },
    'plain',
  ),
  row(
    'a policy of a name with spaces',
    [get('/x', 'x-b: 1')],
    { status: 403, log: /rbac_access_denied_matched_policy\[s_one\]/ },
    'deny',
  ),
  row(
    'shadow rules alone',
    [get('/x')],
    { status: 200, log: /shadow_engine_result/, stats: { 'http.shadow.rbac.shadow_denied': 1 } },
    'shadow',
  ),
  row(
    'shadow rules that match',
    [get('/x', 'x-b: 1')],
    { status: 200, log: /s one/, stats: { 'http.shadow.rbac.shadow_allowed': 1 } },
    'shadow',
  ),
  row(
    'prefixes',
    [get('/x', 'x-a: 1', 'x-b: 1')],
    { status: 200, log: /shade_shadow_engine_result/ },
    'prefixed',
  ),
  row('prefixes, refused', [get('/x')], { status: 403, log: /force_enforced_engine_result/ }, 'prefixed'),
  row('prefixes of a route', [get('/own', 'x-a: 1', 'x-b: 1')], { status: 200, log: /meta=/ }, 'prefixed'),
  row('policies counted, refused', [get('/x', 'x-a: 1')], { status: 403 }, 'counted'),
  row('policies counted, let in', [get('/x', 'x-b: 1')], { status: 200 }, 'counted'),
  row('policies counted, refused by nobody', [get('/x')], { status: 200 }, 'counted'),
  row('rules logged', [get('/log', 'x-a: 1')], { status: 200, log: /access_log_hint":true/ }, 'logged'),
  row(
    'rules logged, and none matches',
    [get('/log')],
    { status: 200, log: /access_log_hint":false/ },
    'logged',
  ),
  row('no route', [get('/x')], { status: 403, upstream: 'nothing' }, 'routeless'),
];

const httpGroup: Group = {
  name: 'rbac',
  backends: { a: http1Backend() },
  bootstrap: ({ ports }) =>
    bootstrap(
      [
        httpListener('routes', {
          routes: judged.map(({ of }, i) => of(`/t${i}`)).reverse(),
          filters: [setMetadata, toMetadata, rbac({})],
          hcm: { use_remote_address: false },
          log,
        }),
        httpListener('plain', { filters: [rbac(rules('ALLOW', onlyA))], log }),
        httpListener('deny', { filters: [rbac(rules('DENY', onlyB))], log }),
        httpListener('shadow', {
          filters: [rbac({ shadow_rules: { action: 'ALLOW', policies: onlyB } })],
          log,
        }),
        httpListener('prefixed', {
          routes: [
            guarded('/own', {
              ...rules('ALLOW', onlyA),
              shadow_rules: { action: 'DENY', policies: onlyB },
              rules_stat_prefix: 'routes_own_',
              shadow_rules_stat_prefix: 'routes_shade_',
              track_per_rule_stats: true,
            }),
            route('/'),
          ],
          filters: [
            rbac({
              ...rules('ALLOW', onlyA),
              shadow_rules: { action: 'DENY', policies: onlyB },
              rules_stat_prefix: 'force_',
              shadow_rules_stat_prefix: 'shade_',
            }),
          ],
          log,
        }),
        httpListener('counted', {
          filters: [
            rbac({
              ...rules('DENY', onlyA),
              shadow_rules: { action: 'ALLOW', policies: onlyB },
              track_per_rule_stats: true,
            }),
          ],
          log,
        }),
        httpListener('logged', { filters: [rbac(rules('LOG', onlyA))], log }),
        httpListener('routeless', { routes: [route('/none')], filters: [rbac(rules('ALLOW', onlyA))], log }),
      ],
      [cluster('a', [ports.a!])],
    ),
  cases: [...table, ...told],
};

export const groups: readonly Group[] = [httpGroup, ...connectionRbac];

if (import.meta.main) compare(groups);
