/** What VirtualServices mean that delegate: requests, and where they go by the routes of two documents. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { resolveDelegates } from '#model/delegate.ts';
import { loadDocuments } from '#model/load.ts';
import type { VirtualService } from '#model/virtual-service.ts';
import { checkRouting, type RoutingCase } from '../support/routing-case.ts';

const root = (http: string, name = 'root') => ({ name, spec: `http: [${http}]` });
const delegate = (http: string, namespace = 'default') => ({
  name: 'child',
  namespace,
  spec: `hosts: [], http: [${http}]`,
});
const all = 'delegate: {name: child}';

const cases: readonly RoutingCase[] = [
  {
    why: 'its routes take the place of the one that delegates',
    written: [root(`{${all}}`), delegate('{match: [{uri: {exact: /a}}], route: [@v1]}, {route: [@v2]}')],
    rows: [
      ['/a', '@v1'],
      ['/', '@v2'],
    ],
  },
  {
    why: 'a delegate takes nothing by itself',
    written: [delegate('{route: [@v1]}')],
    rows: [['/', '@']],
  },
  {
    why: 'conditions of both must hold',
    written: [
      root(`{match: [{uri: {prefix: /a}, headers: {x: {exact: "1"}}}], ${all}}, {route: [@v3]}`),
      delegate('{match: [{uri: {prefix: /a/b}, headers: {y: {exact: "2"}}}], route: [@v1]}, {route: [@v2]}'),
    ],
    rows: [
      [{ url: '/a/b', headers: { x: '1', y: '2' } }, '@v1'],
      [{ url: '/a/b', headers: { x: '1' } }, '@v2'],
      [{ url: '/a/b', headers: { y: '2' } }, '@v3'],
      [{ url: '/b', headers: { x: '1' } }, '@v3'],
    ],
  },
  {
    why: 'each of several conditions with each',
    written: [
      root(`{match: [{headers: {x: {exact: "1"}}}, {headers: {x: {exact: "2"}}}], ${all}}`),
      delegate('{match: [{uri: {prefix: /a}}, {uri: {prefix: /b}}], route: [@v1]}'),
    ],
    rows: [
      [{ url: '/a', headers: { x: '1' } }, '@v1'],
      [{ url: '/b', headers: { x: '2' } }, '@v1'],
      [{ url: '/b', headers: { x: '3' } }, '404'],
      [{ url: '/c', headers: { x: '2' } }, '404'],
    ],
  },
  {
    why: 'a route that is wider than what was delegated is left out',
    written: [
      root(`{match: [{uri: {prefix: /a/b}}], ${all}}, {route: [@v3]}`),
      delegate(
        '{match: [{uri: {prefix: /a}}], route: [@v1]}, {match: [{uri: {exact: /a/b/c}}], route: [@v2]}',
      ),
    ],
    rows: [
      ['/a/b', '@v3'],
      ['/a/b/c', '@v2'],
    ],
  },
  {
    why: 'of two regular expressions nothing is known',
    written: [
      root(`{match: [{uri: {regex: "/a.*"}}], ${all}}, {route: [@v3]}`),
      delegate('{match: [{uri: {regex: "/ab"}}], route: [@v1]}, {route: [@v2]}'),
    ],
    rows: [['/ab', '@v2']],
  },
  {
    why: 'what it does not say the route says that delegates',
    written: [
      root(
        `{match: [{uri: {prefix: /a}}], rewrite: {uri: /x}, headers: {request: {set: {h: root}}}, ${all}}`,
      ),
      delegate(
        '{match: [{uri: {prefix: /a/b}}], route: [@v1], rewrite: {uri: /y}}, {route: [@v2], headers: {request: {set: {g: child}}}}',
      ),
    ],
    rows: [
      ['/a/b', '@v1 path=/y h: root'],
      ['/a', '@v2 path=/x g: child'],
    ],
  },
  {
    why: 'short names are those of its own namespace',
    written: [
      root('{delegate: {name: child, namespace: other}}'),
      delegate('{route: [{destination: {host: ratings}}]}', 'other'),
    ],
    rows: [['/', 'ratings.other:80']],
  },
  {
    why: 'of an empty name of a namespace it is the own',
    written: [root('{delegate: {name: child, namespace: ""}}'), delegate('{route: [@v1]}')],
    rows: [['/', '@v1']],
  },
  {
    why: 'without it the route is left out, and no other',
    written: [root(`{match: [{uri: {prefix: /a}}], ${all}}, {route: [@v3]}`)],
    rows: [['/a', '@v3']],
  },
  {
    why: 'two may delegate to one',
    written: [
      root(
        `{match: [{uri: {prefix: /a}}], ${all}}, {match: [{uri: {prefix: /b}}], rewrite: {uri: /r}, ${all}}`,
      ),
      delegate('{route: [@v1]}'),
    ],
    rows: [
      ['/a', '@v1'],
      ['/b', '@v1 path=/r'],
    ],
  },
  {
    why: 'a condition without a header is not widened',
    written: [
      root(`{match: [{withoutHeaders: {x: {prefix: a}}}], ${all}}, {route: [@v3]}`),
      delegate('{match: [{withoutHeaders: {x: {exact: ab}}}], route: [@v1]}'),
    ],
    rows: [['/', '@v3']],
  },
  {
    why: 'labels of callers add up, and a port stays one',
    written: [
      root(`{match: [{sourceLabels: {app: caller}, port: 9080}], ${all}}, {route: [@v3]}`),
      delegate(
        '{match: [{sourceLabels: {tier: gold}}], route: [@v1]}, {match: [{port: 9081}], route: [@v2]}, {match: [{port: 9080}], route: [@v4]}',
      ),
    ],
    rows: [
      ['/', '@v4'],
      ['http://reviews:9081/', '@v3'],
    ],
  },
];

describe('delegates', () => {
  for (const one of cases) test(one.why, () => checkRouting(one));
});

describe('what is not delegated', () => {
  const read = (http: string, child: string): readonly VirtualService[] =>
    loadDocuments([
      {
        file: 'x',
        text: `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec: {hosts: [a], http: [${http}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: child}
spec: {http: [${child}]}
`,
      },
    ]).resources.filter((one) => one.kind === 'VirtualService');
  const to = 'route: [{destination: {host: a}}]';
  const rows: [why: string, root: string, child: string, told: readonly string[]][] = [
    ['a missing one', '{delegate: {name: gone}}', `{${to}}`, ['absent']],
    [
      'a method',
      '{match: [{method: {exact: GET}}], delegate: {name: child}}',
      `{match: [{method: {exact: PUT}}], ${to}}`,
      ['method'],
    ],
    [
      'a header',
      '{match: [{headers: {a: {exact: b}}}], delegate: {name: child}}',
      `{match: [{headers: {a: {exact: c}}}], ${to}}`,
      ['headers'],
    ],
    [
      'a parameter',
      '{match: [{queryParams: {a: {prefix: b}}}], delegate: {name: child}}',
      `{match: [{queryParams: {a: {exact: c}}}], ${to}}`,
      ['queryParams'],
    ],
    [
      'case',
      '{match: [{uri: {prefix: /a}, ignoreUriCase: true}], delegate: {name: child}}',
      `{match: [{uri: {prefix: /a/b}}], ${to}}`,
      ['ignoreUriCase'],
    ],
    [
      'a gateway',
      '{match: [{gateways: [g]}], delegate: {name: child}}',
      `{match: [{gateways: [g, h]}], ${to}}`,
      ['gateways'],
    ],
    [
      'a namespace',
      '{match: [{sourceNamespace: x}], delegate: {name: child}}',
      `{match: [{sourceNamespace: y}], ${to}}`,
      ['sourceNamespace'],
    ],
    [
      'labels',
      '{match: [{sourceLabels: {x: y}}], delegate: {name: child}}',
      `{match: [{sourceLabels: {x: z}}], ${to}}`,
      ['sourceLabels'],
    ],
    [
      'nothing',
      '{match: [{uri: {prefix: /a}}], delegate: {name: child}}',
      `{match: [{uri: {exact: /ab}}], ${to}}`,
      [],
    ],
  ];
  for (const [why, http, child, told] of rows) {
    test(why, () => {
      const { undelegated } = resolveDelegates(read(http, child), () => true);
      assert.deepEqual(
        undelegated.map((one) => one.why),
        told,
      );
    });
  }

  test('one that is not exported to the namespace', () => {
    const { undelegated, virtualServices } = resolveDelegates(
      read('{delegate: {name: child}}', `{${to}}`),
      () => false,
    );
    assert.deepEqual(
      undelegated.map(({ why }) => why),
      ['hidden'],
    );
    assert.deepEqual(virtualServices[0]?.spec.http, []);
  });
});
