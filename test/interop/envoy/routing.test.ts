/** Which route a request takes, and what the route makes of it. */

import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { mainGroup } from './harness/main-group.ts';
import { get, head, http1, request } from './wire/http1.ts';

/** One GET over one connection. */
const simple = (name: string, path: string, expect: Expectation, ...headers: readonly string[]): Case => ({
  name,
  covers: 'routing',
  play: http1([get(path, ...headers)]),
  expect: { connection: 'open', ...expect },
});

/** A GET with just this host. */
const toHost = (name: string, host: string, path: string, expect: Expectation): Case => ({
  name,
  covers: 'routing',
  play: http1([head(`GET ${path} HTTP/1.1`, `host: ${host}`, 'x-test: @ID@')]),
  expect: { connection: 'open', ...expect },
});

const choice: readonly Case[] = [
  simple('plain GET', '/echo', { status: 200, upstream: /^a\| GET \/echo HTTP\/1\.1$/ }),
  simple('path and query reach the upstream', '/echo/a/b?c=d&e', {
    status: 200,
    upstream: /GET \/echo\/a\/b\?c=d&e HTTP/,
  }),
  toHost('no route: unknown host', 'other.example', '/', {
    status: 404,
    upstream: 'nothing',
    log: / 404 NR route_not_found /,
    stats: { 'http.main.no_route': 1 },
  }),
  toHost('host with a port', 'test.example:8080', '/echo', {
    status: 200,
    upstream: /host: test\.example:8080/,
  }),
  toHost('host in capitals', 'TEST.example', '/echo', { status: 200, upstream: /host: TEST\.example/ }),
  toHost('wildcard host', 'a.b.wild.example', '/x', { status: 200, client: /: "wild"$/ }),
  toHost('wildcard does not match its own suffix', 'wild.example', '/x', { status: 404 }),
  toHost('require_tls redirects', 'secure.example', '/a?b', {
    status: 301,
    client: /^location: https:\/\/secure\.example\/a\?b$/,
    log: / 301 - direct_response /,
  }),
  toHost('require_tls redirects where there is no route', 'bare.secure.example', '/a', { status: 301 }),
  simple('weighted clusters', '/weighted', {
    status: 200,
    client: /"b x-weighted: b"/,
    upstream: /^b\| x-weighted: b/,
  }),
  simple('cluster that does not exist', '/nowhere', {
    status: 503,
    log: / 503 NC cluster_not_found /,
    stats: { 'http.main.no_cluster': 1 },
  }),
  simple('query parameter matches', '/query?x=1', {
    status: 200,
    upstream: /GET \/echo\/query-matched\?x=1/,
  }),
  simple('query parameter does not match', '/query?x=2', { status: 200, upstream: /GET \/query\?x=2 / }),
  simple('header matches', '/match', { status: 200, upstream: /^b\| GET \/name/ }, 'x-tier: gold-plus'),
  simple(
    'inverted header match',
    '/match',
    { status: 200, upstream: /^a\| GET \/match/ },
    'x-tier: gold',
    'x-not: here',
  ),
  simple('path separated prefix', '/separated/x', { status: 200, upstream: /GET \/echo\/separated\/x / }),
  simple('path separated prefix needs its separator', '/separatedx', {
    status: 200,
    upstream: /GET \/separatedx /,
  }),
  simple('case-insensitive path', '/cAsE', { status: 200, upstream: /x-envoy-original-path: \/cAsE/ }),
];

const answered: readonly Case[] = [
  simple('direct response', '/direct', {
    status: 418,
    client: [/"short and stout"/, /x-direct: yes/],
    log: / 418 - direct_response /,
    stats: { 'http.main.rq_direct_response': 1 },
  }),
  {
    name: 'direct response to HEAD',
    covers: 'routing',
    play: http1([request('HEAD', '/direct')], { methods: ['HEAD'] }),
    expect: { status: 418, client: /content-length: 15/, connection: 'open', never: /body by/ },
  },
  simple('redirect of the path', '/redirect/path/x?q=1', {
    status: 302,
    client: /location: http:\/\/test\.example\/elsewhere\?q=1$/,
  }),
  simple('redirect of a prefix without the query', '/redirect/prefix/x?q=1', {
    status: 301,
    client: /location: http:\/\/test\.example\/new\/x$/,
  }),
  simple('redirect to https, host and port', '/redirect/host/x?q=1', {
    status: 301,
    client: /location: https:\/\/other\.example:8443\/redirect\/host\/x\?q=1/,
  }),
];

const rewritten: readonly Case[] = [
  simple('prefix rewrite', '/rewrite/prefix/rest?q=1', {
    upstream: [/GET \/echo\/rest\?q=1 /, /x-envoy-original-path: \/rewrite\/prefix\/rest\?q=1/],
  }),
  simple('regex rewrite', '/rewrite/regex/42', { upstream: /GET \/echo\/42 / }),
  simple('regex matches the whole path only', '/rewrite/regex/42/more', {
    upstream: /GET \/rewrite\/regex\/42\/more /,
  }),
  simple(
    'headers added, replaced, kept and removed',
    '/headers',
    {
      client: /x-out: HTTP\/1\.1/,
      upstream: [/x-added: zero\na\| x-added: one/, /x-replaced: new/, /x-kept: mine/],
      never: [/x-secret/, /^x-upstream:/, /x-replaced: old/],
    },
    'x-added: zero',
    'x-replaced: old',
    'x-kept: mine',
    'x-secret: s',
  ),
  simple('host rewrite', '/host-rewrite', {
    upstream: [/host: upstream\.example/, /x-envoy-original-host: test\.example/],
  }),
  simple('dot segments are removed', '/a/../echo/./x', { upstream: /GET \/echo\/x / }),
  simple('slashes are merged', '/echo//x///y', { upstream: /GET \/echo\/x\/y / }),
  simple('escaped slashes stay', '/echo/a%2Fb%2e', { upstream: /GET \/echo\/a%2Fb\. / }),
];

export const groups: readonly Group[] = [mainGroup('routing', [...choice, ...answered, ...rewritten])];

if (import.meta.main) compare(groups);
