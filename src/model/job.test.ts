import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from './load.ts';

function load(spec: string, pod = 'restartPolicy: Never, ') {
  const text = `
apiVersion: batch/v1
kind: Job
metadata: {name: move}
spec:
  ${spec}
  template: {spec: {${pod}containers: [{name: move, image: move}]}}`;
  const { resources, problems } = loadDocuments([{ file: 'mesh.yaml', text }]);
  return {
    job: resources[0]?.kind === 'Job' ? resources[0] : undefined,
    problems: problems.map(
      ({ level, path, at, message, fix }) =>
        `${level} ${at?.line} ${path}: ${message}${fix === undefined ? '' : ` (${fix})`}`,
    ),
  };
}

describe('a Job', () => {
  test('as it is by default', () => {
    const { job, problems } = load('');
    assert.deepEqual(problems, []);
    const { template, ...rest } = job!.spec;
    assert.deepEqual(rest, { parallelism: 1, backoffLimit: 6, completionMode: 'NonIndexed' });
    assert.equal(template.spec.restartPolicy, 'Never');
  });

  test('what has no meaning here', () => {
    const { problems } = load('ttlSecondsAfterFinished: 5\n  suspend: false\n  podReplacementPolicy: Failed');
    assert.deepEqual(problems, []);
  });

  const wrong: readonly (readonly [spec: string, pod: string | undefined, problems: readonly string[]])[] = [
    [
      '',
      '',
      [
        'error 7 spec.template.spec.restartPolicy: what runs to its end is not always started anew (OnFailure or Never)',
      ],
    ],
    [
      'completionMode: Indexed',
      undefined,
      ['error 6 spec.completionMode: needs completions: so many indexes there are'],
    ],
    [
      'suspend: true',
      undefined,
      ['error 6 spec.suspend: a Job that waits is not supported yet (remove the Job)'],
    ],
    [
      'podFailurePolicy: {rules: []}\n  successPolicy: {rules: []}\n  backoffLimit: -1',
      undefined,
      [
        'error 6 spec.podFailurePolicy: this field is not supported yet (backoffLimit counts failures of all kinds)',
        'error 7 spec.successPolicy: this field is not supported yet (completions says how many have to end well)',
        'error 8 spec.backoffLimit: must be from 0 to 2147483647, not -1',
      ],
    ],
  ];
  for (const [spec, pod, problems] of wrong) {
    test(`${spec} ${pod ?? ''}`, () => assert.deepEqual(load(spec, pod).problems, problems));
  }
});
