/** What of a request besides its path a route asks for, and which cluster a request names. */
import { http1 as http1Backend } from './backend/http1.ts';
import {
  bootstrap,
  cluster,
  extension,
  http,
  httpListener,
  inline,
  listener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Places } from './harness/case.ts';
import type { Leaf } from './harness/certificates.ts';
import { compare } from './harness/compare.ts';
import { get, http1, request } from './wire/http1.ts';
import { https } from './wire/tcp.ts';

/** A route that answers 299 where its conditions are met, and requests for it. */
interface Condition {
  readonly match: Message;
  readonly asked: readonly Asked[];
}

interface Asked {
  readonly name: string;
  readonly query?: string;
  readonly headers?: readonly string[];
  readonly met: boolean;
}

const asked = (name: string, query: string, met: boolean): Asked => ({ name, query, met });
const carrying = (name: string, met: boolean, ...headers: readonly string[]): Asked => ({
  name,
  headers,
  met,
});

const parameter = (name: string, more: Message): Message => ({ query_parameters: [{ name, ...more }] });
const queries: Readonly<Record<string, Condition>> = {
  exact: {
    match: parameter('x', { string_match: { exact: '1' } }),
    asked: [
      asked('of another case in its name', '?X=1', false),
      asked('named twice: the first counts', '?x=1&x=2', true),
      asked('named twice: the second does not', '?x=2&x=1', false),
      asked('with an escaped value', '?x=%31', false),
      asked('with an escaped name', '?%78=1', false),
      asked('after an empty one', '?&x=1', true),
    ],
  },
  prefix: {
    match: parameter('x', { string_match: { prefix: 'Ab', ignore_case: true } }),
    asked: [
      asked('whose value begins so', '?x=aBc', true),
      asked('whose value does not begin so', '?x=ba', false),
    ],
  },
  regex: {
    match: parameter('x', { string_match: { safe_regex: { regex: '[0-9]+' } } }),
    asked: [
      asked('whose whole value is of an expression', '?x=42', true),
      asked('of which a part is of an expression', '?x=42a', false),
    ],
  },
  present: {
    match: parameter('x', { present_match: true }),
    asked: [
      asked('that is there without a value', '?x', true),
      asked('that is there with an empty value', '?x=', true),
      asked('that is not there', '?y=x', false),
    ],
  },
  absent: {
    match: parameter('x', { present_match: false }),
    asked: [
      asked('that is there and should not be', '?x=1', false),
      asked('that should not be there', '', true),
    ],
  },
  both: {
    match: {
      query_parameters: [
        { name: 'x', string_match: { exact: '1' } },
        { name: 'y', string_match: { suffix: 'z' } },
      ],
    },
    asked: [asked('and another one', '?y=xyz&x=1', true), asked('without the other one', '?x=1', false)],
  },
};

const cookie = (more: Message): Message => ({ cookies: [{ name: 'tier', ...more }] });
const cookies: Readonly<Record<string, Condition>> = {
  exact: {
    match: cookie({ string_match: { exact: 'gold' } }),
    asked: [
      carrying('alone', true, 'cookie: tier=gold'),
      carrying('of another value', false, 'cookie: tier=golden'),
      carrying('among others', true, 'cookie: a=1; tier=gold; b=2'),
      carrying('of another case in its name', false, 'cookie: Tier=gold'),
      carrying('twice, the right one first', true, 'cookie: tier=gold; tier=lead'),
      carrying('twice, the right one last', false, 'cookie: tier=lead; tier=gold'),
      carrying('in the second header', true, 'cookie: a=1', 'cookie: tier=gold'),
      carrying('in quotes', true, 'cookie: tier="gold"'),
      carrying('without a space after the one before', true, 'cookie: a=1;tier=gold'),
      carrying('whose name is the end of another', false, 'cookie: xtier=gold'),
      carrying('that is missing', false),
    ],
  },
  inverted: {
    match: cookie({ string_match: { exact: 'gold' }, invert_match: true }),
    asked: [
      carrying('inverted, of another value', true, 'cookie: tier=lead'),
      carrying('inverted, of that value', false, 'cookie: tier=gold'),
      carrying('inverted, that is missing', true),
    ],
  },
  regex: {
    match: cookie({ string_match: { safe_regex: { regex: '[a-z]+' } } }),
    asked: [
      carrying('of an expression', true, 'cookie: tier=abc'),
      carrying('that is of an expression in part', false, 'cookie: tier=abc1'),
      carrying('without a value', false, 'cookie: tier='),
    ],
  },
  two: {
    match: {
      cookies: [
        { name: 'tier', string_match: { prefix: 'g' } },
        { name: 'plan', string_match: { suffix: 'x' } },
      ],
    },
    asked: [
      carrying('and another', true, 'cookie: plan=yx; tier=gold'),
      carrying('and another that is missing', false, 'cookie: tier=gold'),
    ],
  },
};

const type = (value: string): string => `content-type: ${value}`;
const grpcs: Readonly<Record<string, Condition>> = {
  grpc: {
    match: { grpc: {} },
    asked: [
      carrying('application/grpc', true, type('application/grpc')),
      carrying('with the format of its messages', true, type('application/grpc+proto')),
      carrying('with parameters', false, type('application/grpc; charset=utf-8')),
      carrying('of browsers', false, type('application/grpc-web')),
      carrying('in capitals', false, type('Application/gRPC')),
      carrying('JSON', false, type('application/json')),
      carrying('no type', false),
    ],
  },
};

const templates: Readonly<
  Record<string, readonly [template: string, ...rows: readonly [string, string, boolean][]]>
> = {
  variable: [
    '/template/variable/{id}/end',
    ['a variable of one segment', '/template/variable/a.b/end', true],
    ['a variable of two segments', '/template/variable/a/b/end', false],
    ['a variable of nothing', '/template/variable//end', false],
    ['more after the end', '/template/variable/a/end/x', false],
    ['a query after the end', '/template/variable/a/end?x=/y', true],
  ],
  star: [
    '/template/star/*/x',
    ['one star, one segment', '/template/star/y/x', true],
    ['one star, an escape', '/template/star/%2F/x', true],
    ['one star, no segment', '/template/star/x', false],
  ],
  stars: [
    '/template/stars/**.js',
    ['two stars, many segments', '/template/stars/a/b/c.js', true],
    ['two stars, another end', '/template/stars/a/b/c.ts', false],
  ],
  pattern: [
    '/template/pattern/{what=v1/*}',
    ['a variable of a pattern', '/template/pattern/v1/x', true],
    ['a variable of another pattern', '/template/pattern/v2/x', false],
  ],
};

const uriTemplate = (path_template: string): Message => ({
  path_match_policy: extension('t', 'path.match.uri_template.v3.UriTemplateMatchConfig', { path_template }),
});

const tables = { query: queries, cookie: cookies, grpc: grpcs };
const words = { query: 'query parameter', cookie: 'cookie', grpc: 'grpc match' };
const yes: Message = { direct_response: { status: 299 } };
const outcome = (met: boolean): Expectation =>
  met
    ? { upstream: 'nothing', log: / direct_response / }
    : { status: 200, upstream: /^a\| /, log: / via_upstream / };

const conditionCases = Object.entries(tables).flatMap(([kind, table]) =>
  Object.entries(table).flatMap(([name, { asked: rows }]) =>
    rows.map(
      ({ name: what, query = '', headers = [], met }): Case => ({
        name: `${words[kind as keyof typeof words]} ${what}`,
        covers: 'routing',
        play: http1([get(`/${kind}/${name}${query}`, ...headers)]),
        expect: outcome(met),
      }),
    ),
  ),
);

const templateCases = Object.values(templates).flatMap(([, ...rows]) =>
  rows.map(
    ([what, path, met]): Case => ({
      name: `URI template: ${what}`,
      covers: 'routing',
      play: http1([get(path)]),
      expect: outcome(met),
    }),
  ),
);

// --- clusters that requests name

const named = (name: string, headers: readonly string[], expect: Expectation, path = 'plain'): Case => ({
  name: `cluster header: ${name}`,
  covers: 'routing',
  play: http1([get(`/to/${path}`, ...headers)]),
  expect,
});
const clusterCases: readonly Case[] = [
  named('one that is there', ['x-to: b'], { status: 200, upstream: /^b\| GET/, log: / to=b$/ }),
  named('none', [], { status: 503, log: / 503 NC cluster_not_found / }),
  named('an empty one', ['x-to:'], { status: 503, upstream: 'nothing' }),
  named('one that nobody knows', ['x-to: c'], { status: 503, log: / 503 NC cluster_not_found / }),
  named('one that nobody knows, which is 404', ['x-to: c'], { status: 404, log: / NC / }, 'not-found'),
  named('one that nobody knows, which is 500', ['x-to: c'], { status: 500, log: / NC / }, 'error'),
  named('of another case', ['x-to: B'], { status: 503, log: / NC / }),
  named('two', ['x-to: b', 'x-to: a'], { status: 200, upstream: /^b\| GET/ }),
  named('in a weighted cluster', ['x-to: b'], { status: 200, upstream: /^b\| GET/ }, 'weighted'),
  named('in a weighted cluster, and none', [], { status: 503 }, 'weighted'),
  named('that the route adds', [], { status: 503, upstream: 'nothing' }, 'added'),
];
const naming = (path: string, more: Message = {}, rest: Message = {}): Message =>
  route(`/to/${path}`, { cluster: undefined, cluster_header: 'X-To', ...more }, rest);
const clusterRoutes: readonly Message[] = [
  naming('not-found', { cluster_not_found_response_code: 'NOT_FOUND' }),
  naming('error', { cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' }),
  naming('added', {}, { request_headers_to_add: [{ header: { key: 'x-to', value: 'b' } }] }),
  route('/to/weighted', {
    cluster: undefined,
    weighted_clusters: { clusters: [{ cluster_header: 'x-to', weight: 100 }] },
  }),
  naming('plain'),
];

// --- certificates of clients

const TLS_CONTEXTS: Readonly<Record<string, Message>> = {
  presented: { presented: true },
  'not-presented': { presented: false },
  validated: { validated: true },
  'not-validated': { validated: false },
  both: { presented: true, validated: true },
  neither: { presented: false, validated: false },
  either: {},
};
type Client = 'no certificate' | 'a trusted one' | 'one that nobody trusts' | 'no TLS';
const met: Readonly<Record<Client, readonly string[]>> = {
  'a trusted one': ['presented', 'validated', 'both', 'either'],
  'no certificate': ['not-presented', 'not-validated', 'neither', 'either'],
  'one that nobody trusts': ['presented', 'not-validated', 'either'],
  'no TLS': ['not-presented', 'not-validated', 'neither', 'either'],
};
const leaves = { 'a trusted one': 'client', 'one that nobody trusts': 'rogue' } as const;

const tlsCases = (Object.keys(met) as Client[]).flatMap((client) =>
  Object.keys(TLS_CONTEXTS).map((name): Case => {
    const steps = [get(`/tls/${name}`)];
    const leaf = client in leaves ? leaves[client as keyof typeof leaves] : undefined;
    const secure = https(steps, {
      tls: ({ certificates }) => ({
        ...{ ca: certificates.ca, servername: 'server.example', checkServerIdentity: () => undefined },
        ...(leaf !== undefined && { cert: certificates[leaf].cert, key: certificates[leaf].key }),
      }),
    });
    return {
      name: `TLS context ${name}: ${client}`,
      covers: 'routing',
      on: client === 'no TLS' ? 'main' : 'secure',
      play: client === 'no TLS' ? http1(steps) : secure,
      expect: outcome(met[client].includes(name)),
      table: `TLS context ${name}`,
    };
  }),
);

const pem = ({ cert, key }: Leaf): Message => ({ certificate_chain: inline(cert), private_key: inline(key) });

const routes: readonly Message[] = [
  ...Object.entries(tables).flatMap(([kind, table]) =>
    Object.entries(table).map(([name, { match }]) => ({
      match: { path: `/${kind}/${name}`, ...match },
      ...yes,
    })),
  ),
  ...Object.values(templates).map(([template]) => ({ match: uriTemplate(template), ...yes })),
  ...Object.entries(TLS_CONTEXTS).map(([name, tls_context]) => ({
    match: { path: `/tls/${name}`, tls_context },
    ...yes,
  })),
  ...clusterRoutes,
  route('/'),
];

const secureListener = ({ certificates: { server, ca } }: Places): Message => ({
  ...listener('secure', {}),
  filter_chains: [
    {
      filters: [http('secure', { routes })],
      transport_socket: extension('tls', 'transport_sockets.tls.v3.DownstreamTlsContext', {
        common_tls_context: {
          tls_certificates: [pem(server)],
          validation_context: { trusted_ca: inline(ca), trust_chain_verification: 'ACCEPT_UNTRUSTED' },
        },
      }),
    },
  ],
});

const over: readonly Case[] = [
  {
    name: 'grpc match of a POST with a body',
    covers: 'routing',
    play: http1(
      [request('POST', '/grpc/grpc', [type('application/grpc'), 'content-length: 5'], '\0\0\0\0\0')],
      {
        methods: ['POST'],
      },
    ),
    // The answer is one of gRPC.
    expect: { client: /grpc-status/, upstream: 'nothing' },
  },
];

export const groups: readonly Group[] = [
  {
    name: 'conditions of routes',
    backends: { a: http1Backend(), b: http1Backend() },
    bootstrap: (places) =>
      bootstrap(
        [httpListener('main', { routes }), secureListener(places)],
        [cluster('a', [places.ports.a!]), cluster('b', [places.ports.b!])],
      ),
    cases: [...conditionCases, ...templateCases, ...clusterCases, ...tlsCases, ...over],
  },
];

if (import.meta.main) compare(groups);
