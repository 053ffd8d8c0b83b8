import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from './load.ts';

function problemsOf(text: string): readonly string[] {
  const { problems } = loadDocuments([{ file: 'mesh.yaml', text }]);
  return problems.map(
    ({ level, path = '', message, fix = '' }) =>
      `${level} ${path}: ${message}${fix === '' ? '' : ` (${fix})`}`,
  );
}

const claim = (spec: string): string => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: ${spec}`;

const set = (claims: string, more = '', volumes = '[]'): string => `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  selector: {}
  template:
    spec:
      volumes: ${volumes}
      containers: [{name: db, image: db, volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates: ${claims}
  ${more}`;

const size = 'resources: {requests: {storage: 1Gi}}';
const one = `{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], ${size}}}`;
const own =
  'this field is not supported yet (a claim has a folder of its own here, empty at first; remove it)';

describe('PersistentVolumeClaim', () => {
  for (const storage of ['10Gi', '1.5Ti', '500M', '1000', '"1e9"']) {
    test(`${storage} is an amount`, () => {
      const spec = `{accessModes: [ReadWriteOnce, ReadWriteMany], storageClassName: standard, volumeMode: Filesystem, resources: {requests: {storage: ${storage}}}}`;
      assert.deepEqual(problemsOf(claim(spec)), []);
    });
  }

  const wrong: readonly (readonly [spec: string, problems: readonly string[]])[] = [
    [
      '{}',
      ['error spec.accessModes: this field is required', 'error spec.resources: this field is required'],
    ],
    [
      `{accessModes: [], resources: {requests: {storage: 0}}}`,
      [
        'error spec.accessModes: must not be empty',
        'error spec.resources.requests.storage: an amount of storage is expected, not the number 0 (1Gi)',
      ],
    ],
    [
      `{accessModes: [ReadWriteOncePod, ReadWrite], resources: {requests: {storage: 1GB}}}`,
      [
        'error spec.accessModes[0]: ReadWriteOncePod is not supported: a second Pod would not be kept away (ReadWriteOnce)',
        'error spec.accessModes[1]: one of ReadWriteOnce, ReadOnlyMany, ReadWriteMany is expected, not the text "ReadWrite"',
        'error spec.resources.requests.storage: an amount of storage is expected, not the text "1GB" (1Gi)',
      ],
    ],
    [
      `{accessModes: [ReadWriteOnce], ${size}, volumeMode: Block, storageClassName: "", volumeName: pv, selector: {}, dataSource: {}, dataSourceRef: {}}`,
      [
        'error spec.storageClassName: asks for a PersistentVolume that somebody has made, and there are none here (leave it out: the claim then has a folder of its own)',
        'error spec.volumeMode: there are no block devices here: a claim is a folder (Filesystem)',
        ...['volumeName', 'selector', 'dataSource', 'dataSourceRef'].map(
          (name) => `error spec.${name}: ${own}`,
        ),
      ],
    ],
  ];
  for (const [spec, problems] of wrong) {
    test(spec, () => assert.deepEqual([...problemsOf(claim(spec))].sort(), [...problems].sort()));
  }
});

describe('volumeClaimTemplates', () => {
  test('are among the volumes, and take the place of one of their name', () => {
    for (const volumes of ['[]', '[{name: other}, {name: data, emptyDir: {}}]']) {
      const { resources, problems } = loadDocuments([
        { file: 'mesh.yaml', text: set(`[${one}]`, '', volumes) },
      ]);
      assert.deepEqual(problems, []);
      const [resource] = resources;
      assert.ok(resource?.kind === 'StatefulSet');
      const claimed = resource.spec.template.spec.volumes.filter(({ name }) => name === 'data');
      assert.deepEqual(claimed, [
        { name: 'data', claim: { name: 'data', of: 'the instance', readOnly: false } },
      ]);
      const { persistentVolumeClaimRetentionPolicy: kept } = resource.spec;
      assert.deepEqual(kept, { whenDeleted: 'Retain', whenScaled: 'Retain' });
    }
  });

  const wrong: readonly (readonly [claims: string, more: string, problem: string])[] = [
    [
      '[]',
      '',
      'error spec.template.spec.containers[0].volumeMounts[0].name: the Pod has no volume called data (add it under volumes: {name: data, emptyDir: {}})',
    ],
    [
      `[${one}, ${one}]`,
      '',
      'error spec.volumeClaimTemplates[1].metadata.name: there is another template called data',
    ],
    [
      `[${one.replace('storage: 1Gi', 'storage: -1')}]`,
      '',
      'error spec.volumeClaimTemplates[0].spec.resources.requests.storage: an amount of storage is expected, not the number -1 (1Gi)',
    ],
    [
      `[${one}]`,
      'persistentVolumeClaimRetentionPolicy: {whenScaled: delete}',
      'error spec.persistentVolumeClaimRetentionPolicy.whenScaled: one of Retain, Delete is expected, not the text "delete" (did you mean "Delete"?)',
    ],
  ];
  for (const [claims, more, problem] of wrong) {
    test(problem, () => assert.deepEqual(problemsOf(set(claims, more)), [problem]));
  }
});
