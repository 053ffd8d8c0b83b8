/** What is said of small sets of documents: at least one for each code. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterFindings } from '../../../test/support/analysis/cluster-findings.ts';
import { istio, reviews, route, set } from '../../../test/support/analysis/documents.ts';
import { routingFindings } from '../../../test/support/analysis/routing-findings.ts';
import { parseText } from '../load.ts';
import { analysisCodes, type Code } from './codes.ts';
import { type AnalysisOptions, analyzeTexts } from './report.ts';
import { parseSuppression } from './suppression.ts';

/** `code resource path` of what is found of `codes`. */
function found(text: string, codes: readonly Code[], options: AnalysisOptions = {}): string[] {
  return analyzeTexts([parseText({ file: 'a.yaml', text })], options)
    .findings.filter(({ code }) => codes.includes(code))
    .map(({ code, resource, path }) => [code, resource, path].filter((part) => part !== undefined).join(' '));
}

const cases = [...routingFindings, ...clusterFindings];

describe('findings', () => {
  for (const [why, codes, text, expected] of cases) {
    test(`${codes.join(' ')}: ${why}`, () => assert.deepEqual(found(text, codes), expected));
  }

  test('every code is found somewhere', () => {
    // Nothing that decodes well is remarked on but as a warning so far.
    const told = new Set(cases.flatMap(([, , , all]) => all.map((line) => line.split(' ')[0])));
    const missing = Object.keys(analysisCodes).filter((code) => !told.has(code) && code !== 'HED0002');
    assert.deepEqual(missing, []);
  });
});

describe('suppression', () => {
  const bad = (annotation = ''): string =>
    set(reviews, istio('VirtualService', 'a', route('{host: revews}'), annotation));
  const cases: readonly [why: string, text: string, suppressions: readonly string[], count: number][] = [
    ['nothing', bad(), [], 1],
    ['by name', bad(), ['IST0101=VirtualService a.default'], 0],
    ['by pattern', bad(), ['IST0101=VirtualService *.default'], 0],
    ['of every kind and code', bad(), ['*=* *'], 0],
    ['another code', bad(), ['IST0102=VirtualService a.default'], 1],
    ['another namespace', bad(), ['IST0101=VirtualService a.other'], 1],
    ['by annotation', bad(', annotations: {galley.istio.io/analyze-suppress: "IST0109, IST0101"}'), [], 0],
    ['by annotation of all', bad(', annotations: {galley.istio.io/analyze-suppress: "*"}'), [], 0],
    ['by annotation of another', bad(', annotations: {galley.istio.io/analyze-suppress: IST0109}'), [], 1],
  ];
  for (const [why, text, written, count] of cases) {
    test(why, () => {
      const suppressions = written.map((one) => parseSuppression(one)!);
      assert.equal(found(text, ['IST0101'], { suppressions }).length, count);
    });
  }

  test('what is no suppression', () => {
    for (const written of ['IST0101', 'IST0101=Service', 'x=Service a.b', 'IST0101=Service a b'])
      assert.equal(parseSuppression(written), undefined, written);
  });
});

test('only of a namespace', () => {
  const text = set(
    istio('VirtualService', 'a', '{hosts: [a], http: [{}, {}]}'),
    istio('VirtualService', 'b', '{hosts: [b], http: [{}, {}]}', ', namespace: other'),
  );
  assert.deepEqual(found(text, ['IST0130'], { namespace: 'other' }), [
    'IST0130 VirtualService other/b spec.http[1]',
  ]);
});
