/** What our decoders take is what Istio's published schemas say: fields, types, words, limits, and rules in CEL. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Problem } from '#core/problem.ts';
import { formatPath } from '#model/decode/decoder.ts';
import { schemaOf } from '#model/decode/schema.ts';
import { type Kind, kinds } from '#model/kinds.ts';
import { loadDocuments } from '#model/load.ts';
import { testData } from '../support/peer.ts';
import { schemaDifferences } from './istio/compare-schemas.ts';
import { type Crd, readCrds } from './istio/crd.ts';
import { knownDifferences, notRefusedYet } from './istio/known-differences.ts';
import { type Violation, violations } from './istio/violations.ts';

const ofIstio = (Object.keys(kinds) as Kind[]).filter((kind) => kinds[kind].group.endsWith('.istio.io'));

function crdsFor(t: TestContext): ReadonlyMap<string, Crd> | undefined {
  const file = testData(t, 'istio-api', 'customresourcedefinitions.gen.yaml');
  return file === undefined ? undefined : readCrds(file);
}

function differencesOf(kind: Kind, crd: Crd): readonly string[] {
  const { decode } = kinds[kind].fields.spec!;
  return schemaDifferences(crd.spec, schemaOf(decode!), 'spec');
}

describe('fields, types, words and limits', () => {
  for (const kind of ofIstio) {
    test(kind, (t) => {
      const crd = crdsFor(t)?.get(kind);
      if (crd === undefined) return;
      const known = knownDifferences.filter((one) => one.kind === undefined || one.kind === kind);
      const unknown = differencesOf(kind, crd).filter((line) => !known.some((one) => one.line.test(line)));
      assert.deepEqual(unknown, []);
    });
  }

  test('a known difference is one', (t) => {
    const crds = crdsFor(t);
    if (crds === undefined) return;
    const lines = ofIstio.flatMap((kind) =>
      differencesOf(kind, crds.get(kind)!).map((line) => ({ kind, line })),
    );
    const gone = knownDifferences.filter(
      (known) => !lines.some(({ kind, line }) => (known.kind ?? kind) === kind && known.line.test(line)),
    );
    assert.deepEqual(gone, []);
  });
});

describe('what breaks a rule is refused where it does', () => {
  for (const kind of ofIstio) {
    test(kind, (t) => {
      const crd = crdsFor(t)?.get(kind);
      if (crd === undefined) return;
      const all = [...violations(crd.spec)];
      assert.ok(all.length > 10, `${all.length} rules`);
      const taken = all
        .filter((violation) => !isRefused(crd, violation))
        .map(({ path, rule }) => `${formatPath(['spec', ...path])}: ${rule}`);
      const known = notRefusedYet.filter((one) => one.kind === kind);
      assert.deepEqual(
        taken.filter((line) => !known.some((one) => one.line.test(line))),
        [],
      );
      for (const { line } of known)
        assert.ok(
          taken.some((one) => line.test(one)),
          `${line} leaves the list`,
        );
    });
  }
});

/** Whether there is an error at its place that the sound value has not, or nobody looks there, which is told. */
function isRefused(crd: Crd, { value, sound, path }: Violation): boolean {
  const at = formatPath(['spec', ...path]);
  const problems = problemsOf(crd, value);
  const before = problemsOf(crd, sound).filter((problem) => problem.path !== at);
  const isNew = ({ path: where, message }: Problem): boolean =>
    JSON.stringify(value) === JSON.stringify(sound) ||
    !before.some((problem) => problem.path === where && problem.message === message);
  return problems.some(
    (problem) =>
      (problem.level === 'error' && problem.path?.startsWith(at) === true && isNew(problem)) ||
      (problem.path !== undefined &&
        at.startsWith(problem.path) &&
        /not supported yet/.test(problem.message)),
  );
}

function problemsOf({ apiVersion, kind }: Crd, spec: unknown): readonly Problem[] {
  const document = { apiVersion, kind, metadata: { name: 'x' }, spec };
  return loadDocuments([{ file: 'x', text: JSON.stringify(document) }]).problems;
}
