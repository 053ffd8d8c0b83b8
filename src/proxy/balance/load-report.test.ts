import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLoadReport, weightOfReport } from './load-report.ts';

const rules = { metrics: [], errorPenalty: 0 };
const read = (value: string): number | undefined => {
  const report = readLoadReport(['endpoint-load-metrics', value]);
  return report && weightOfReport(report, rules);
};

test('text, with either sign', () => {
  assert.equal(read('TEXT rps_fractional=1000,cpu_utilization=0.5'), 2000);
  assert.equal(read('TEXT rps_fractional:1000, cpu_utilization: 0.25'), 4000);
});

test('what cannot be read is not there', () => {
  for (const value of [
    'TEXT rps=1',
    'TEXT eps=-1',
    'TEXT eps=1,eps=1',
    'text eps=1',
    'BIN !',
    'JSON {',
    'TEXT named_metrics.=1',
  ]) {
    assert.equal(readLoadReport(['endpoint-load-metrics', value]), undefined, value);
  }
  assert.equal(readLoadReport(['content-type', 'text/plain']), undefined);
});

test('errors add to the load, as far as is said', () => {
  const report = readLoadReport([
    'endpoint-load-metrics',
    'TEXT rps_fractional=100,cpu_utilization=0.5,eps=50',
  ])!;
  assert.equal(weightOfReport(report, { metrics: [], errorPenalty: 1 }), 100);
});
