import assert from 'node:assert/strict';
import { test } from 'node:test';
import { methodOf } from './grpc-method-stats.ts';

test('a method is what a path of gRPC names', () => {
  assert.equal(methodOf('/test.Echo/Say', false), 'test.Echo.Say');
  assert.equal(methodOf('/test.Echo/Say?a=/b', false), 'test.Echo.Say');
  assert.equal(methodOf('/test.Echo/Say', true), 'test_Echo.Say');
  for (const path of ['', '/', '/test.Echo', '/test.Echo/', '/a/b/c', 'a/b']) {
    assert.equal(methodOf(path, false), '', path);
  }
});
