/** What VirtualServices say. */
import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import { assertAnswers, assertDivided, type GrpcCase, only, versions } from './case.ts';
import { routes, service, to, virtualService } from './documents.ts';

const fault = (text: string): string => `{${text}, percentage: {value: 100}}`;
const v2 = (host: string): string => `route: [${to(host, 'v2')}]`;
const ask = '/test.Names/Ask';
const tell = '/test.Names/Tell';

export const routeCases: readonly GrpcCase[] = [
  {
    name: 'both versions answer where nothing is said',
    documents: (rig) => service('plain.test', versions(rig)),
    check: (rig) => assertDivided(rig, 'plain.test', { v1: 50, v2: 50 }),
  },
  {
    name: 'weights of 90 and 10',
    documents: (rig) =>
      service('split.test', versions(rig)) +
      virtualService(
        'split.test',
        `http: [{route: [${to('split.test', 'v1', 90)}, ${to('split.test', 'v2', 10)}]}]`,
      ),
    check: (rig) => assertDivided(rig, 'split.test', { v1: 90, v2: 10 }),
  },
  {
    name: 'a version that stands there twice has both weights',
    documents: (rig) =>
      service('twice.test', versions(rig)) +
      virtualService(
        'twice.test',
        `http: [{route: [${to('twice.test', 'v1', 40)}, ${to('twice.test', 'v2', 20)}, ${to('twice.test', 'v1', 40)}]}]`,
      ),
    check: (rig) => assertDivided(rig, 'twice.test', { v1: 80, v2: 20 }),
  },
  {
    name: 'a header is matched as a whole by a regular expression',
    documents: (rig) =>
      service('headers.test', versions(rig)) +
      routes('headers.test', `{match: [{headers: {x-user: {regex: ann|bob}}}], ${v2('headers.test')}}`),
    check: (rig) =>
      assertAnswers(
        rig,
        'headers.test',
        (['ann', 'bob', 'anna', 'carl'] as const).map((user, i) => [
          { headers: { 'x-user': user } },
          i < 2 ? 'v2' : 'v1',
        ]),
      ),
  },
  {
    name: 'headers by value, prefix and presence, all of which must hold',
    documents: (rig) =>
      service('all.test', versions(rig)) +
      routes(
        'all.test',
        `{match: [{headers: {x-a: {exact: "1"}, x-b: {prefix: ab}, x-c: {}}}], ${v2('all.test')}}`,
      ),
    check: (rig) =>
      assertAnswers(rig, 'all.test', [
        [{ headers: { 'x-a': '1', 'x-b': 'abc', 'x-c': 'any' } }, 'v2'],
        [{ headers: { 'x-a': '1', 'x-b': 'abc' } }, 'v1'],
        [{ headers: { 'x-a': '2', 'x-b': 'abc', 'x-c': 'any' } }, 'v1'],
      ]),
  },
  {
    name: 'a header that is not there is without any value',
    documents: (rig) =>
      service('without.test', versions(rig)) +
      routes('without.test', `{match: [{withoutHeaders: {x-user: {exact: ann}}}], ${v2('without.test')}}`),
    check: (rig) =>
      assertAnswers(rig, 'without.test', [
        [{}, 'v2'],
        [{ headers: { 'x-user': 'bob' } }, 'v2'],
        [{ headers: { 'x-user': 'ann' } }, 'v1'],
      ]),
  },
  {
    name: 'a header that no client looks at widens no route, and refuses all whom it may be meant for',
    documents: (rig) =>
      service('unseen.test', versions(rig)) +
      routes(
        'unseen.test',
        `{match: [{headers: {x-token-bin: {exact: YWJj}}}], ${v2('unseen.test')}}`,
        `{match: [{withoutHeaders: {x-token-bin: {exact: YWJj}}}], ${v2('unseen.test')}}`,
        `{match: [{uri: {exact: ${tell}}, headers: {x-token-bin: {exact: YWJj}}}], directResponse: {status: 403}}`,
      ),
    check: async (rig) => {
      await assertAnswers(rig, 'unseen.test', [
        [{}, 'v1'],
        [{ headers: { 'x-token-bin': 'abc' } }, 'v1'],
      ]);
      assert.equal(await rig.code({ to: 'unseen.test:7070', method: tell }), status.PERMISSION_DENIED);
    },
  },
  {
    name: 'method, scheme, authority and query are known of every call',
    documents: (rig) =>
      service('pseudo.test', versions(rig)) +
      routes(
        'pseudo.test',
        `{match: [{method: {exact: GET}}], ${v2('pseudo.test')}}`,
        `{match: [{queryParams: {a: {exact: b}}}], ${v2('pseudo.test')}}`,
        `{match: [{method: {exact: POST}, scheme: {exact: http}, authority: {prefix: pseudo.}, uri: {prefix: /test.Names/T}}], ${v2('pseudo.test')}}`,
      ),
    check: (rig) =>
      assertAnswers(rig, 'pseudo.test', [
        [{ method: tell }, 'v2'],
        [{ method: ask }, 'v1'],
      ]),
  },
  {
    name: 'methods by prefix, regular expression, in any case, and by the header of the path',
    documents: (rig) =>
      ['exact: /TEST.Names/tell', 'regex: ".*/T[a-z]+"', 'prefix: /test.Names/T']
        .map((uri, i) => {
          const host = `uri-${i}.test`;
          const where = i === 0 ? `uri: {${uri}}, ignoreUriCase: true` : `uri: {${uri}}`;
          return service(host, versions(rig)) + routes(host, `{match: [{${where}}], ${v2(host)}}`);
        })
        .join('') +
      service('path.test', versions(rig)) +
      routes('path.test', `{match: [{headers: {":path": {prefix: /test.Names/T}}}], ${v2('path.test')}}`),
    check: async (rig) => {
      for (const host of ['uri-0.test', 'uri-1.test', 'uri-2.test', 'path.test'])
        await assertAnswers(rig, host, [
          [{ method: tell }, 'v2'],
          [{ method: ask }, 'v1'],
        ]);
    },
  },
  {
    name: 'retries as often as is said',
    documents: ({ v1 }) =>
      service('retry.test', only(v1)) +
      virtualService(
        'retry.test',
        `http: [{route: [${to('retry.test', 'v1')}], retries: {attempts: 3, retryOn: "5xx"}}]`,
      ),
    check: async ({ ask, backends: { v1 } }) => {
      await ask({ to: 'retry.test:7070' });
      const before = v1.count;
      v1.fail(status.UNAVAILABLE, 3);
      assert.equal(await ask({ to: 'retry.test:7070' }), 'v1');
      assert.equal(v1.count - before, 4);
    },
  },
  {
    name: 'retries of the statuses that are written, and of no others',
    documents: ({ v1 }) =>
      service('retried.test', only(v1)) +
      virtualService(
        'retried.test',
        `http: [{route: [${to('retried.test', 'v1')}], retries: {attempts: 2, retryOn: "resource-exhausted,internal"}}]`,
      ),
    check: async ({ ask, code, backends: { v1 } }) => {
      await ask({ to: 'retried.test:7070' });
      v1.fail(status.RESOURCE_EXHAUSTED, 2);
      assert.equal(await ask({ to: 'retried.test:7070' }), 'v1');
      v1.fail(status.UNAVAILABLE, 1);
      assert.equal(await code({ to: 'retried.test:7070' }), status.UNAVAILABLE);
    },
  },
  {
    name: 'no retries where there are to be none',
    documents: ({ v1 }) =>
      service('once.test', only(v1)) +
      virtualService('once.test', `http: [{route: [${to('once.test', 'v1')}], retries: {attempts: 0}}]`),
    check: async ({ ask, code, backends: { v1 } }) => {
      await ask({ to: 'once.test:7070' });
      const before = v1.count;
      v1.fail(status.UNAVAILABLE, 1);
      assert.equal(await code({ to: 'once.test:7070' }), status.UNAVAILABLE);
      assert.equal(v1.count - before, 1);
    },
  },
  {
    name: 'faults with a status of gRPC, with one of HTTP, and of some calls',
    documents: (rig) =>
      service('fault.test', versions(rig)) +
      routes(
        'fault.test',
        `{match: [{uri: {exact: ${tell}}}], fault: {abort: ${fault('httpStatus: 404')}}, ${v2('fault.test')}}`,
        `{match: [{headers: {x-half: {}}}], fault: {abort: {grpcStatus: ABORTED, percentage: {value: 50}}}, ${v2('fault.test')}}`,
        `{fault: {abort: ${fault('grpcStatus: RESOURCE_EXHAUSTED')}}, ${v2('fault.test')}}`,
      ),
    check: async ({ code }) => {
      const to = 'fault.test:7070';
      assert.equal(await code({ to }), status.RESOURCE_EXHAUSTED);
      assert.equal(await code({ to, method: tell }), status.UNIMPLEMENTED);
      const calls = Array.from({ length: 100 }, () => code({ to, headers: { 'x-half': '1' } }));
      assert.deepEqual(new Set(await Promise.all(calls)), new Set([status.OK, status.ABORTED]));
    },
  },
  {
    name: 'a delay that is longer than the caller waits',
    documents: (rig) =>
      service('delay.test', versions(rig)) +
      routes(
        'delay.test',
        `{match: [{uri: {exact: ${tell}}}], fault: {delay: ${fault('fixedDelay: 60s')}}, ${v2('delay.test')}}`,
      ),
    check: async ({ ask, code }) => {
      await ask({ to: 'delay.test:7070' });
      const late = await code({ to: 'delay.test:7070', method: tell, timeoutMs: 500 });
      assert.equal(late, status.DEADLINE_EXCEEDED);
    },
  },
  {
    name: 'time limits',
    documents: ({ slow }) =>
      service('slow.test', only(slow)) +
      virtualService('slow.test', `http: [{timeout: 0.2s, route: [${to('slow.test', 'v1')}]}]`),
    check: async ({ code }) => assert.equal(await code({ to: 'slow.test:7070' }), status.DEADLINE_EXCEEDED),
  },
  {
    name: 'a redirect or an answer is no call, and what matches it fails as behind a proxy',
    documents: (rig) =>
      service('moved.test', versions(rig)) +
      routes(
        'moved.test',
        `{match: [{uri: {exact: ${tell}}}], redirect: {authority: plain.test}}`,
        `{match: [{headers: {x-no: {}}}], directResponse: {status: 401}}`,
      ),
    check: async ({ ask, code }) => {
      const to = 'moved.test:7070';
      assert.equal(await code({ to, method: tell }), status.UNKNOWN);
      assert.equal(await code({ to, headers: { 'x-no': '1' } }), status.UNAUTHENTICATED);
      assert.equal(await ask({ to }), 'v1');
    },
  },
  {
    name: 'what no route is for is not implemented',
    documents: (rig) =>
      service('some.test', versions(rig)) +
      virtualService('some.test', `http: [{match: [{uri: {exact: ${ask}}}], ${v2('some.test')}}]`) +
      service('none.test', versions(rig)) +
      virtualService('none.test', `http: [{match: [{method: {exact: GET}}], ${v2('none.test')}}]`),
    check: async ({ ask: call, code }) => {
      assert.equal(await call({ to: 'some.test:7070' }), 'v2');
      assert.equal(await code({ to: 'some.test:7070', method: tell }), status.UNIMPLEMENTED);
      assert.equal(await code({ to: 'none.test:7070' }), status.UNIMPLEMENTED);
    },
  },
  {
    name: 'routes of a delegate',
    documents: (rig) =>
      service('root.test', versions(rig)) +
      virtualService(
        'root.test',
        `http: [{match: [{headers: {x-user: {exact: ann}}}], delegate: {name: delegate}}, {route: [${to('root.test', 'v1')}]}]`,
      ) +
      `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: delegate}
spec:
  http: [{match: [{uri: {exact: ${tell}}}], ${v2('root.test')}}]
---
`,
    check: (rig) =>
      assertAnswers(rig, 'root.test', [
        [{ method: tell, headers: { 'x-user': 'ann' } }, 'v2'],
        [{ method: ask, headers: { 'x-user': 'ann' } }, 'v1'],
        [{ method: tell }, 'v1'],
      ]),
  },
  {
    name: 'weights of tcp routes, where the port is one of TCP',
    documents: (rig) =>
      service('tcp.test', versions(rig), { protocol: 'TCP' }) +
      virtualService(
        'tcp.test',
        `tcp: [{route: [${to('tcp.test', 'v1', 20)}, ${to('tcp.test', 'v2', 80)}]}]`,
      ),
    check: (rig) => assertDivided(rig, 'tcp.test', { v1: 20, v2: 80 }),
  },
  {
    name: 'what stays with users elsewhere is drawn for each call',
    documents: (rig) =>
      service('sticky.test', versions(rig)) +
      virtualService(
        'sticky.test',
        `http: [{route: [${to('sticky.test', 'v1', 50)}, ${to('sticky.test', 'v2', 50)}]}]`,
        ', annotations: {heddle.dev/sticky-weights: "header:x-user"}',
      ),
    check: (rig) => assertDivided(rig, 'sticky.test', { v1: 50, v2: 50 }),
  },
  {
    name: 'what clients leave undone is left out',
    documents: (rig) =>
      service('undone.test', versions(rig)) +
      virtualService(
        'undone.test',
        `http: [{route: [{destination: {host: undone.test, subset: v2}, headers: {request: {set: {x-a: b}}}}], mirror: {host: plain.test}, rewrite: {uri: /other, authority: other.test}, headers: {response: {add: {x-c: d}}}, corsPolicy: {allowOrigins: [{exact: "*"}]}, retries: {attempts: 9, perTryTimeout: 2s, retryRemoteLocalities: true}}]`,
      ),
    check: (rig) => assertAnswers(rig, 'undone.test', [[{}, 'v2']]),
  },
  {
    name: 'what is for other namespaces alone',
    documents: (rig) =>
      service('scoped.test', versions(rig)) +
      virtualService('scoped.test', `exportTo: [elsewhere]\n  http: [{${v2('scoped.test')}}]`),
    check: (rig) => assertDivided(rig, 'scoped.test', { v1: 50, v2: 50 }),
  },
];
