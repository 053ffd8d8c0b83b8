/** What Istio takes of a VirtualService is taken, and what it refuses is refused, with the place. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from './load.ts';
import type { VirtualService } from './virtual-service.ts';

function read(spec: string, annotations = '{}') {
  const { problems, resources } = loadDocuments([
    {
      file: 'x',
      text: `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: x, annotations: ${annotations}}, spec: {${spec}}}`,
    },
  ]);
  return {
    spec: (resources[0] as VirtualService | undefined)?.spec,
    errors: problems
      .filter(({ level }) => level === 'error')
      .map(({ path, message }) => `${path}: ${message}`),
    told: problems
      .filter(({ level, path }) => level !== 'error' && path !== 'spec.hosts[0]')
      .map(({ path, message }) => `${path}: ${message}`),
  };
}

const to = 'route: [{destination: {host: a}}]';

describe('taken', () => {
  const rows: [why: string, spec: string][] = [
    ['a host that is an address', `hosts: [10.0.0.1, "fd00::1"], http: [{${to}}]`],
    ['a delegate: no hosts', `http: [{${to}}]`],
    ['a delegate: empty hosts', `hosts: [], http: [{match: [{uri: {prefix: /}}], ${to}}]`],
    [
      'a route that delegates',
      'hosts: [a], http: [{match: [{uri: {prefix: /a}}], delegate: {name: b, namespace: c}}]',
    ],
    ['* for gateways', `hosts: ["*"], gateways: [edge], http: [{${to}}]`],
    [
      'all of TLS',
      `hosts: ["*.a.example"], tls: [{match: [{sniHosts: [b.a.example, "*.c.a.example"], destinationSubnets: [10.0.0.0/8, "::1"], port: 443, sourceLabels: {a: b}, sourceNamespace: c, gateways: [mesh]}], route: [{destination: {host: a, subset: b, port: {number: 1}}, weight: 100}]}]`,
    ],
    [
      'all of TCP',
      'hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/8], port: 1, sourceLabels: {a: b}, sourceNamespace: c, gateways: [mesh]}], route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 0}]}]',
    ],
    ['retries that are off', `hosts: [a], http: [{${to}, retries: {attempts: 0}}]`],
    ['an empty policy of retries', `hosts: [a], http: [{${to}, retries: {}}]`],
    [
      'all of retries',
      `hosts: [a], http: [{${to}, retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,503", retryRemoteLocalities: true, retryIgnorePreviousHosts: false, backoff: 5ms}}]`,
    ],
    ['a prefix of statistics', `hosts: [a], http: [{match: [{statPrefix: a, port: 80}], ${to}}]`],
    [
      'a condition on a pseudo-header',
      `hosts: [a], http: [{match: [{headers: {":path": {regex: /a}}}], ${to}}]`,
    ],
    ['0 as a code of a redirect', 'hosts: [a], http: [{redirect: {uri: /a, redirectCode: 0}}]'],
    [
      'a mirror of no request',
      `hosts: [a], http: [{${to}, mirror: {host: b}, mirrorPercentage: {value: 0}}]`,
    ],
    [
      'parts of a percent',
      `hosts: [a], http: [{${to}, mirrors: [{destination: {host: b}, percentage: {value: 0.01}}]}]`,
    ],
  ];
  for (const [why, spec] of rows) test(why, () => assert.deepEqual(read(spec).errors, []));

  test('attempts that are not written are none (Istio)', () =>
    assert.equal(read(`hosts: [a], http: [{${to}, retries: {}}]`).spec?.http[0]?.retries?.attempts, 0));

  for (const value of ['off', 'source-ip', 'header:x-user', 'cookie:session', 'query:user']) {
    test(`sticky weights by ${value}`, () =>
      assert.deepEqual(
        read(`hosts: [a], http: [{${to}}]`, `{heddle.dev/sticky-weights: "${value}"}`).errors,
        [],
      ));
  }
});

describe('refused', () => {
  const rows: [why: string, spec: string, errors: readonly RegExp[]][] = [
    ['no routes', 'hosts: [a]', [/^spec: has no routes/]],
    ['* in the mesh', `hosts: ["*"], http: [{${to}}]`, [/^spec.hosts\[0\]: the host \* would take/]],
    [
      'a host twice',
      `hosts: [a, b, A], http: [{${to}}]`,
      [/^spec.hosts\[2\]: "a" and "a" are the same hosts/],
    ],
    ['a host within another', `hosts: ["*.b.example", a.b.example], http: [{${to}}]`, [/^spec.hosts\[1\]: /]],
    ['no host', `hosts: ["a b"], http: [{${to}}]`, [/^spec.hosts\[0\]: "a b" is not a host name/]],
    [
      'a delegate with gateways, TLS and TCP routes',
      `gateways: [mesh], http: [{${to}}], tcp: [{${to}}], tls: [{match: [{sniHosts: [a]}], ${to}}]`,
      [
        /^spec.gateways: goes with hosts only/,
        /^spec.tcp: goes with hosts only/,
        /^spec.tls: goes with hosts only/,
      ],
    ],
    [
      'a delegate that delegates',
      'http: [{delegate: {name: b}}]',
      [/^spec.http\[0\].delegate: without hosts this is a delegate/],
    ],
    [
      'delegate and route',
      `hosts: [a], http: [{delegate: {name: b}, ${to}}]`,
      [/^spec.http\[0\].route: stands beside delegate/],
    ],
    [
      'delegate and redirect',
      'hosts: [a], http: [{delegate: {name: b}, redirect: {uri: /a}}]',
      [/^spec.http\[0\].redirect: stands beside delegate/],
    ],
    [
      'nothing to do',
      'hosts: [a], http: [{match: [{uri: {prefix: /}}]}]',
      [/^spec.http\[0\]: one of route, redirect, directResponse is needed/],
    ],
    [
      'two things to do',
      `hosts: [a], http: [{${to}, redirect: {uri: /a}}]`,
      [/^spec.http\[0\]: one of route, redirect, directResponse/],
    ],
    [
      'a rewrite of a redirect',
      'hosts: [a], http: [{redirect: {uri: /a}, rewrite: {uri: /b}}]',
      [/^spec.http\[0\].rewrite: goes with a route only/],
    ],
    [
      'weights that are none',
      'hosts: [a], http: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]',
      [/^spec.http\[0\].route: the weights sum up to 0/],
    ],
    [
      'weights of TCP that are none',
      'hosts: [a], tcp: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]',
      [/^spec.tcp\[0\].route: the weights sum up to 0/],
    ],
    [
      'a negative weight',
      'hosts: [a], http: [{route: [{destination: {host: a}, weight: -1}]}]',
      [/weight: must be from 0/],
    ],
    [
      'a time limit of nothing',
      `hosts: [a], http: [{${to}, timeout: 0s}]`,
      [/^spec.http\[0\].timeout: must be at least 1ms/],
    ],
    [
      'negative attempts',
      `hosts: [a], http: [{${to}, retries: {attempts: -1}}]`,
      [/^spec.http\[0\].retries.attempts: must be from 0/],
    ],
    [
      'how to retry without attempts',
      `hosts: [a], http: [{${to}, retries: {attempts: 0, retryOn: 5xx}}]`,
      [/^spec.http\[0\].retries.retryOn: says how to retry/],
    ],
    [
      'a condition that is none',
      `hosts: [a], http: [{${to}, retries: {attempts: 1, retryOn: 5xxx}}]`,
      [/"5xxx" is no retry condition/],
    ],
    [
      'an exponential delay',
      `hosts: [a], http: [{${to}, fault: {delay: {exponentialDelay: 1s}}}]`,
      [/fixedDelay: this field is required/, /exponentialDelay: this field is not supported/],
    ],
    [
      'an error of HTTP/2',
      `hosts: [a], http: [{${to}, fault: {abort: {http2Error: NO_ERROR, percentage: {value: 1}}}}]`,
      [/one of httpStatus, grpcStatus is needed/, /http2Error: this field is not supported/],
    ],
    [
      'an empty fault',
      `hosts: [a], http: [{${to}, fault: {}}]`,
      [/^spec.http\[0\].fault: delay, abort or both/],
    ],
    [
      'more than all',
      `hosts: [a], http: [{${to}, mirror: {host: b}, mirrorPercentage: {value: 101}}]`,
      [/mirrorPercentage.value: /],
    ],
    [
      'mirror and mirrors',
      `hosts: [a], http: [{${to}, mirror: {host: b}, mirrors: [{destination: {host: b}}]}]`,
      [/^spec.http\[0\].mirrors: stands beside mirror/],
    ],
    [
      'a code that is none of a redirect',
      'hosts: [a], http: [{redirect: {uri: /a, redirectCode: 200}}]',
      [/redirectCode: must be 301/],
    ],
    [
      'port and derived port',
      'hosts: [a], http: [{redirect: {port: 1, derivePort: FROM_REQUEST_PORT}}]',
      [/only one of port, derivePort/],
    ],
    ['a redirect to nowhere', 'hosts: [a], http: [{redirect: {}}]', [/must say where to redirect to/]],
    [
      'a status that is none',
      'hosts: [a], http: [{directResponse: {status: 199}}]',
      [/status: must be from 200 to 599/],
    ],
    [
      'two bodies',
      'hosts: [a], http: [{directResponse: {status: 200, body: {string: a, bytes: YQ==}}}]',
      [/only one of string, bytes/],
    ],
    [
      'a body of more than 1 MiB',
      `hosts: [a], http: [{directResponse: {status: 200, body: {string: ${'x'.repeat(1024 * 1024 + 1)}}}}]`,
      [/body: is longer than 1 MiB/],
    ],
    [
      'two rewrites of the path',
      `hosts: [a], http: [{${to}, rewrite: {uri: /a, uriRegexRewrite: {match: a, rewrite: b}}}]`,
      [/only one of uri, uriRegexRewrite/],
    ],
    [
      'a regex that is none',
      `hosts: [a], http: [{match: [{uri: {regex: "("}}], ${to}}]`,
      [/not a regular expression of RE2/],
    ],
    [
      'two ways to match',
      `hosts: [a], http: [{match: [{uri: {exact: a, prefix: b}}], ${to}}]`,
      [/only one of exact, prefix, regex/],
    ],
    [
      'a condition on claims',
      `hosts: [a], http: [{match: [{headers: {"@request.auth.claims.group": {exact: a}}}], ${to}}]`,
      [/a condition on claims of a token is not supported yet/],
    ],
    [
      'a method that CORS knows not',
      `hosts: [a], http: [{${to}, corsPolicy: {allowMethods: [FOO]}}]`,
      [/allowMethods\[0\]: one of CONNECT/],
    ],
    [
      'an age of nothing',
      `hosts: [a], http: [{${to}, corsPolicy: {maxAge: 0s}}]`,
      [/maxAge: must be at least 1ms/],
    ],
    [
      'parts of a second',
      `hosts: [a], http: [{${to}, corsPolicy: {maxAge: 1500ms}}]`,
      [/maxAge: whole seconds/],
    ],
    [
      'TLS without conditions',
      `hosts: [a], tls: [{${to}}]`,
      [/^spec.tls\[0\].match: this field is required/],
    ],
    [
      'TLS without names',
      `hosts: [a], tls: [{match: [{port: 1}], ${to}}]`,
      [/sniHosts: this field is required/],
    ],
    [
      'a name that is none of the hosts',
      `hosts: ["*.a.example"], tls: [{match: [{sniHosts: [a.example]}], ${to}}]`,
      [/sniHosts\[0\]: "a.example" is none of the hosts/],
    ],
    [
      'TLS to nowhere',
      'hosts: [a], tls: [{match: [{sniHosts: [a]}]}]',
      [/^spec.tls\[0\].route: this field is required/],
    ],
    [
      'TCP to nowhere',
      'hosts: [a], tcp: [{match: [{port: 1}]}]',
      [/^spec.tcp\[0\].route: this field is required/],
    ],
    [
      'addresses that are none',
      `hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/33]}], ${to}}]`,
      [/"10.0.0.0\/33" is neither an IP address nor a range/],
    ],
    [
      'addresses of callers',
      `hosts: [a], tcp: [{match: [{sourceSubnet: 10.0.0.0/8}], ${to}}]`,
      [/sourceSubnet: this field is not supported/],
    ],
    [
      'a destination that is a wildcard',
      'hosts: [a], tcp: [{route: [{destination: {host: "*.a"}}]}]',
      [/a destination has no wildcard/],
    ],
  ];
  for (const [why, spec, expected] of rows) {
    test(why, () => {
      const { errors } = read(spec);
      assert.equal(errors.length, expected.length, errors.join('\n'));
      for (const [i, pattern] of expected.entries()) assert.match(errors[i] ?? '', pattern);
    });
  }

  for (const value of ['header', 'header:', 'header:a b', 'cookie:a:1h', 'hedaer:x']) {
    test(`sticky weights by ${value}`, () => {
      const { errors } = read(`hosts: [a], http: [{${to}}]`, `{heddle.dev/sticky-weights: "${value}"}`);
      assert.match(errors.join(), /does not say by what requests belong together/);
    });
  }
});

describe('told of', () => {
  const rows: [why: string, spec: string, told: readonly RegExp[]][] = [
    [
      'the host of a request that is removed',
      `hosts: [a], http: [{${to}, headers: {request: {remove: [Host]}}}]`,
      [/remove\[0\]: a request keeps its host/],
    ],
    [
      'the host of a response',
      `hosts: [a], http: [{${to}, headers: {response: {set: {":authority": a}, add: {host: b}}}}]`,
      [/set.*: has no effect/, /add.host: has no effect/],
    ],
    [
      'a missing delegate',
      'hosts: [a], http: [{delegate: {name: b}}]',
      [/^spec.http\[0\].delegate: there is no VirtualService without hosts named "b"/],
    ],
    ['an idle delegate', `http: [{${to}}]`, [/^spec: has no hosts, and nobody delegates to it/]],
  ];
  for (const [why, spec, expected] of rows) {
    test(why, () => {
      const { told } = read(spec);
      assert.equal(told.length, expected.length, told.join('\n'));
      for (const [i, pattern] of expected.entries()) assert.match(told[i] ?? '', pattern);
    });
  }
});
