import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { headerOf } from '#http/header-list.ts';
import { Metrics } from '#observe/metrics.ts';
import { GrpcWebSchema } from '#xds/gen/envoy/extensions/filters/http/grpc_web/v3/grpc_web_pb.js';
import type { Exchange, FilterDeps, HttpFilter } from '../contract.ts';
import { grpcWeb } from './filter.ts';

const METHOD = '/test.Echo/Say';

interface Call {
  readonly exchange: Exchange;
  readonly filter: HttpFilter;
  /** Of the method. */
  count(name: string): number;
}

function call(type: string, more: readonly string[] = []): Call {
  const metrics = new Metrics();
  const loaded = grpcWeb.load(anyPack(GrpcWebSchema, create(GrpcWebSchema)), '', {
    metrics,
    slot: 0,
  } as unknown as FilterDeps);
  assert.ok(loaded.ok);
  const exchange = {
    ...{ path: METHOD, cluster: { name: 'a' }, slots: [], responseCode: 200 },
    requestHeaders: ['content-type', type, 'content-length', '9', ...more],
    responseHeaders: [],
  } as unknown as Exchange;
  loaded.value.onRequestHead!(exchange, false);
  return {
    exchange,
    filter: loaded.value,
    count(name) {
      const full = `cluster.a.grpc-web.test.Echo.Say.${name}`;
      const stat = metrics.stats().find((one) => one.name === full);
      return stat?.kind === 'counter' ? stat.value : 0;
    },
  };
}

test('a call goes on as one of gRPC, whatever form of the web it has', () => {
  for (const type of ['application/grpc-web', 'application/grpc-web+proto', 'application/grpc-web-text']) {
    const { requestHeaders } = call(type).exchange;
    assert.equal(headerOf(requestHeaders, 'content-type'), 'application/grpc');
    assert.equal(headerOf(requestHeaders, 'te'), 'trailers');
    assert.equal(headerOf(requestHeaders, 'content-length'), undefined);
  }
});

test('trailers come back in the body, and are counted', () => {
  const { exchange, filter, count } = call('application/grpc-web');
  exchange.responseHeaders = ['content-type', 'application/grpc'];
  assert.equal(filter.onResponseHead!(exchange, false), undefined);
  assert.equal(headerOf(exchange.responseHeaders, 'content-type'), 'application/grpc-web+proto');
  const trailers = ['grpc-status', '7'];
  const last = filter.onResponseTrailers!(exchange, trailers);
  assert.equal(last?.toString('latin1', 5), 'grpc-status:7\r\n');
  assert.deepEqual(trailers, []);
  assert.deepEqual(['7', 'failure', 'success', 'total'].map(count), [1, 1, 0, 1]);
});

test('an answer that is none of gRPC becomes a message', () => {
  const { exchange, filter, count } = call('application/grpc-web', ['accept', 'application/grpc-web-text']);
  Object.assign(exchange, { responseCode: 503 });
  exchange.responseHeaders = ['content-type', 'text/plain', 'content-length', '20005'];
  assert.equal(filter.onResponseHead!(exchange, false), 'hold');
  for (const piece of ['100%', 'x'.repeat(20_001)])
    assert.equal(filter.onResponseData!(exchange, Buffer.from(piece))?.length, 0);
  filter.onResponseComplete!(exchange, 0);
  const headers = exchange.responseHeaders;
  assert.equal(headerOf(headers, 'content-type'), 'application/grpc-web-text+proto');
  assert.equal(headerOf(headers, 'grpc-status'), '14');
  assert.equal(headerOf(headers, 'grpc-message'), `100%25${'x'.repeat(16_380)}`);
  assert.equal(headerOf(headers, 'content-length'), '0');
  assert.equal(count('total'), 0);
});
