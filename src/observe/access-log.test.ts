import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AccessLogFormat, compileAccessLog, envoyTextFormat, istioTextFormat } from './access-log.ts';
import type { AccessRecord } from './access-record.ts';

const record: AccessRecord = {
  startTimeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  startMs: 1000,
  requestEndMs: 1001.5,
  firstUpstreamByteMs: 1004.9,
  endMs: 1010,
  protocol: 'HTTP/1.1',
  method: 'GET',
  path: '/b?q',
  originalPath: '/a?q',
  authority: 'reviews:9080',
  requestHeaders: ['user-agent', 'curl/8', 'x-request-id', 'id-1', 'x-two', 'first', 'x-two', 'second'],
  responseHeaders: ['x-envoy-upstream-service-time', '3'],
  responseTrailers: ['grpc-status', '0'],
  responseCode: 200,
  responseCodeDetails: 'via_upstream',
  responseFlags: '',
  bytesReceived: 0,
  bytesSent: 12,
  localReplyBody: '',
  routeName: 'default',
  virtualClusterName: '',
  upstreamHost: '127.0.0.2:9080',
  upstreamCluster: 'outbound|9080||reviews',
  upstreamRemoteAddress: '127.0.0.2:9080',
  upstreamLocalAddress: '127.0.0.1:40000',
  upstreamTransportFailureReason: '',
  upstreamAttempts: 1,
  downstreamLocalAddress: '127.0.0.1:8080',
  downstreamRemoteAddress: '127.0.0.1:50000',
  downstreamDirectLocalAddress: '[::1]:8080',
  downstreamDirectRemoteAddress: '127.0.0.1:50000',
  filterChainName: 'main',
  metadata: { found: { by: 'a filter' } },
  requestedServerName: '',
  connectionTerminationDetails: '',
  downstreamLocalCloseReason: '',
  upstreamLocalCloseReason: '',
  accessLogType: 'DownstreamEnd',
  downstreamPeerUri: 'spiffe://cluster.local/ns/default/sa/a',
  downstreamLocalUri: '',
  upstreamLocalUri: '',
  upstreamPeerUri: '',
  downstreamTlsVersion: '',
  connectionId: 7,
  isHealthCheck: false,
};

function lineOf(format: AccessLogFormat): string {
  const compiled = compileAccessLog(format);
  assert.ok(compiled.ok, JSON.stringify(compiled.problems));
  return compiled.value(record);
}

describe('text formats', () => {
  const cases: [format: string, line: string, why: string][] = [
    [
      envoyTextFormat,
      '[2026-01-02T03:04:05.678Z] "GET /a?q HTTP/1.1" 200 - 0 12 10 3 "-" "curl/8" "id-1" "reviews:9080" "127.0.0.2:9080"\n',
      "Envoy's default",
    ],
    [
      istioTextFormat,
      '[2026-01-02T03:04:05.678Z] "GET /a?q HTTP/1.1" 200 - via_upstream - "-" 0 12 10 3 "-" "curl/8" "id-1" ' +
        '"reviews:9080" "127.0.0.2:9080" outbound|9080||reviews 127.0.0.1:40000 127.0.0.1:8080 127.0.0.1:50000 - default\n',
      "Istio's default",
    ],
    ['%REQ(:PATH)%', '/b?q', 'the path after rewriting'],
    ['%REQ(X-NONE?USER-AGENT):4%', 'curl', 'alternative and length'],
    ['%DYNAMIC_METADATA(found:by)% %DYNAMIC_METADATA(found:no)%', 'a filter -', 'what a filter found'],
    ['%DYNAMIC_METADATA(found)% %DYNAMIC_METADATA(none)%', '{"by":"a filter"} -', 'all that it found'],
    ['%FILTER_CHAIN_NAME% %DOWNSTREAM_DIRECT_REMOTE_PORT%', 'main 50000', 'chain, and peer of the socket'],
    [
      '%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_LOCAL_PORT%',
      '::1 8080',
      'IPv6 without a port has no brackets',
    ],
    ['%REQ(X-Two)%', 'first', 'the first of several values'],
    ['%TRAILER(GRPC-STATUS)%', '0', 'trailer'],
    ['%START_TIME(%s.%3f)%', '1767323045.678', 'time format'],
    ['100%% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%', '100% 4 5', 'percent sign and durations'],
    [
      '%DOWNSTREAM_LOCAL_PORT% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
      '8080 127.0.0.2',
      'parts of addresses',
    ],
    ['é', 'Ã©', 'texts of the format are bytes'],
  ];
  for (const [text, line, why] of cases) {
    test(why, () => assert.equal(lineOf({ kind: 'text', text }), line));
  }

  test('omitting empty values leaves nothing in their place', () => {
    assert.equal(lineOf({ kind: 'text', text: '[%REQUESTED_SERVER_NAME%]', omitEmptyValues: true }), '[]');
  });
});

describe('json formats', () => {
  test('members come by name, and a single operator keeps its type', () => {
    const template = {
      code: '%RESPONSE_CODE%',
      sni: '%REQUESTED_SERVER_NAME%',
      both: '%PROTOCOL% %RESPONSE_FLAGS%',
      n: 1,
      in: { a: ['%REQ(:METHOD)%'] },
    };
    assert.equal(
      lineOf({ kind: 'json', template }),
      '{"both":"HTTP/1.1 -","code":200,"in":{"a":["GET"]},"n":1,"sni":null}\n',
    );
  });

  test('omitting empty values leaves their keys out', () => {
    const template = { sni: '%REQUESTED_SERVER_NAME%', id: '%CONNECTION_ID%', in: { a: '%RESPONSE_FLAGS%' } };
    assert.equal(lineOf({ kind: 'json', template, omitEmptyValues: true }), '{"id":7}\n');
  });
});

describe('problems', () => {
  const cases: [text: string, message: RegExp][] = [
    ['%NO_SUCH_THING%', /%NO_SUCH_THING% is not supported/],
    ['%REQ%', /needs an argument/],
    ['%PROTOCOL(X)%', /takes no argument/],
    ['50% done', /incorrect format at "% done"/],
    ['%START_TIME(%Q)%', /"%Q"/],
    ['%constructor%', /incorrect format/],
  ];
  for (const [text, message] of cases) {
    test(text, () => {
      const compiled = compileAccessLog({ kind: 'text', text });
      assert.equal(compiled.ok, false);
      assert.match(compiled.problems[0]!.message, message);
    });
  }

  test('in a JSON template they name the key', () => {
    const compiled = compileAccessLog({ kind: 'json', template: { a: { b: '%NO%' } } });
    assert.equal(compiled.problems[0]?.path, 'a.b');
  });
});
