import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { OutlierDetectionSchema } from '#xds/gen/envoy/config/cluster/v3/outlier_detection_pb.js';
import { Findings } from '../../findings.ts';
import { readOutlierDetection } from './settings.ts';
import { judgeRates, noRates } from './success-rate.ts';

const settings = readOutlierDetection(
  create(OutlierDetectionSchema, {
    successRateMinimumHosts: 3,
    successRateRequestVolume: 10,
    successRateStdevFactor: 1000,
    failurePercentageMinimumHosts: 2,
    failurePercentageRequestVolume: 5,
    failurePercentageThreshold: 50,
  }),
  new Findings(),
)!;

const asked = (good: number, all: number, isEjected = false) => ({ good, all, isEjected });

test('too few endpoints', () => {
  assert.deepEqual(judgeRates([asked(0, 100)], settings), {
    rates: noRates,
    shown: [-1],
    below: [],
    failing: [],
  });
});

test('one that is further from the average than one standard deviation', () => {
  const { rates, shown, below, failing } = judgeRates([asked(10, 10), asked(9, 10), asked(1, 10)], settings);
  assert.equal(Math.round(rates.average), 67);
  assert.equal(Math.round(rates.ejectionThreshold), 26);
  assert.deepEqual([shown, below, failing], [[100, 90, 10], [2], [2]]);
});

test('those with few requests, and those that are out, are not judged', () => {
  const { rates, shown, below, failing } = judgeRates(
    [asked(10, 10), asked(4, 4), asked(0, 10, true), asked(0, 6)],
    settings,
  );
  assert.equal(rates, noRates);
  assert.deepEqual([shown, below, failing], [[100, -1, -1, 0], [], [3]]);
});
