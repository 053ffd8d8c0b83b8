/** The reader of metrics that whole-mesh tests count with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSamples, sumOf } from '../support/prometheus-text.ts';

const text = `# HELP istio_requests_total Requests.
# TYPE istio_requests_total counter
istio_requests_total{reporter="source",path="a\\"b,c}",response_code="200"} 3
istio_requests_total{reporter="source",response_code="503"} 2
up 1
`;

test('labels may hold quotes, commas and braces', () => {
  const [first] = parseSamples(text);
  assert.deepEqual(first?.labels, { reporter: 'source', path: 'a\\"b,c}', response_code: '200' });
});

test('a sum is over all samples that have the labels', () => {
  const samples = parseSamples(text);
  assert.equal(samples.length, 3);
  assert.equal(sumOf(samples, 'istio_requests_total', { reporter: 'source' }), 5);
  assert.equal(sumOf(samples, 'istio_requests_total', { response_code: '503' }), 2);
  assert.equal(sumOf(samples, 'up', {}), 1);
});
