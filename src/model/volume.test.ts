import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from './load.ts';
import type { Volume, VolumeMount } from './volume.ts';

function load(volumes: string, mounts = '[]', more = '') {
  const text = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  ${more}
  template:
    metadata: {labels: {app: shop}}
    spec:
      volumes: ${volumes}
      containers: [{name: shop, image: shop, volumeMounts: ${mounts}}]`;
  const { resources, problems } = loadDocuments([{ file: 'mesh.yaml', text }]);
  const [deployment] = resources;
  const spec = deployment?.kind === 'Deployment' ? deployment.spec.template.spec : undefined;
  return {
    volumes: spec?.volumes ?? ([] as readonly Volume[]),
    mounts: spec?.containers[0]?.volumeMounts ?? ([] as readonly VolumeMount[]),
    problems: problems.map(
      ({ level, path = '', message, fix = '' }) =>
        `${level} ${path.replace(/^spec\.template\.spec\./, '')}: ${message}${fix === '' ? '' : ` (${fix})`}`,
    ),
  };
}

const keys = (kind: 'ConfigMap' | 'Secret', at: readonly (string | number)[], nameField: string) => ({
  kind,
  name: 'x',
  optional: false,
  at,
  nameAt: [...at, nameField],
});

describe('volumes', () => {
  const read: readonly (readonly [written: string, volume: Volume, why: string])[] = [
    [
      '{emptyDir: {medium: Memory, sizeLimit: 1Gi}}',
      { name: 'v' },
      'where its files are is the matter of the machine',
    ],
    ['{}', { name: 'v' }, 'an emptyDir, as on Kubernetes'],
    [
      '{configMap: {name: x, defaultMode: 0400}}',
      { name: 'v', files: { defaultMode: 0o400, sources: [keys('ConfigMap', ['configMap'], 'name')] } },
      'a mode with a zero before it is octal',
    ],
    [
      '{secret: {secretName: x}}',
      { name: 'v', files: { defaultMode: 0o644, sources: [keys('Secret', ['secret'], 'secretName')] } },
      'a Secret calls its name otherwise',
    ],
    [
      '{projected: {defaultMode: 256, sources: [{}, {secret: {name: x}}, {downwardAPI: {items: [{path: a, mode: 292, fieldRef: {fieldPath: metadata.labels}}]}}]}}',
      {
        name: 'v',
        files: {
          defaultMode: 0o400,
          sources: [
            keys('Secret', ['projected', 'sources', 1, 'secret'], 'name'),
            {
              kind: 'Pod',
              items: [{ path: 'a', mode: 0o444, fieldPath: 'metadata.labels' }],
              at: ['projected', 'sources', 2, 'downwardAPI'],
            },
          ],
        },
      },
      'one after the other',
    ],
    [
      '{persistentVolumeClaim: {claimName: x.y, readOnly: true}}',
      { name: 'v', claim: { name: 'x.y', of: 'everybody', readOnly: true } },
      'files that stay',
    ],
  ];
  for (const [written, volume, why] of read) {
    test(`${written}: ${why}`, () => {
      const { volumes, problems } = load(`[${written.replace('{', '{name: v, ').replace(', }', '}')}]`);
      assert.deepEqual(problems, []);
      assert.deepEqual(volumes, [volume]);
    });
  }

  test('mounts', () => {
    const { mounts, problems } = load(
      '[{name: a}]',
      '[{name: a, mountPath: /data//x/}, {name: a, mountPath: /b, subPath: c/d, readOnly: true, mountPropagation: None}]',
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(mounts, [
      { name: 'a', mountPath: '/data/x', subPath: '', readOnly: false },
      { name: 'a', mountPath: '/b', subPath: 'c/d', readOnly: true },
    ]);
  });

  const disk =
    'emptyDir: {} has files as long as the Pod lives, persistentVolumeClaim for longer; configMap and secret have given ones';
  const wrong: readonly (readonly [volumes: string, mounts: string, problems: readonly string[]])[] = [
    [
      '[{name: a, hostPath: {path: /}}, {name: b, ephemeral: {}}]',
      '[]',
      [
        `error volumes[0].hostPath: this field is not supported yet (${disk})`,
        `error volumes[1].ephemeral: this field is not supported yet (${disk})`,
      ],
    ],
    [
      '[{name: a, configMap: {name: x}, emptyDir: {}}]',
      '[]',
      [
        'error volumes[0]: only one of configMap, secret, downwardAPI, projected, emptyDir, persistentVolumeClaim may be set, not configMap and emptyDir',
      ],
    ],
    [
      '[{name: a, secret: {secretName: x, defaultMode: 0888, items: [{key: k, path: /k}, {key: k, path: a/../k}, {key: k, path: ..k}]}}]',
      '[]',
      [
        'error volumes[0].secret.defaultMode: a file mode from 0 to 0777 is expected, not 888 (0644)',
        'error volumes[0].secret.items[0].path: "/k" must be relative to the volume',
        'error volumes[0].secret.items[1].path: "a/../k" must not lead out of the volume by ".."',
        'error volumes[0].secret.items[2].path: "..k" must not begin with ".."',
      ],
    ],
    [
      '[{name: a, downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.label}}, {path: b, resourceFieldRef: {resource: limits.cpu}}]}}]',
      '[]',
      [
        'error volumes[0].downwardAPI.items[0].fieldRef.fieldPath: a file cannot hold the field "metadata.label" (did you mean "metadata.labels"?)',
        'error volumes[0].downwardAPI.items[1].fieldRef: this field is required',
        'error volumes[0].downwardAPI.items[1].resourceFieldRef: this field is not supported yet (there are no limits of resources here)',
      ],
    ],
    [
      '[{name: data}, {name: data}]',
      '[{name: date, mountPath: /a}, {name: data, mountPath: /a/}]',
      [
        'error volumes[1].name: there is another volume called data',
        'error containers[0].volumeMounts[0].name: the Pod has no volume called date (did you mean "data"?)',
        'error containers[0].volumeMounts[1].mountPath: another volume is mounted at /a',
      ],
    ],
    [
      '[{name: a}]',
      '[{name: a, mountPath: data}, {name: a, mountPath: /}, {name: a, mountPath: /proc/x}, {name: a, mountPath: /a/../b}, {name: a, mountPath: /c, subPath: ../d, subPathExpr: $(A), mountPropagation: Bidirectional}]',
      [
        'error containers[0].volumeMounts[0].mountPath: "data" is not absolute (/data)',
        'error containers[0].volumeMounts[1].mountPath: a volume cannot take the place of all there is',
        "error containers[0].volumeMounts[2].mountPath: /proc is the kernel's: nothing can be put there",
        'error containers[0].volumeMounts[3].mountPath: "/a/../b" must have no ".." and no ":" in it',
        'error containers[0].volumeMounts[4].subPath: "../d" must not lead out of the volume by ".."',
        'error containers[0].volumeMounts[4].subPathExpr: this field is not supported yet (subPath, without variables)',
        'error containers[0].volumeMounts[4].mountPropagation: Bidirectional is not supported: what a container mounts is its own (None)',
      ],
    ],
  ];
  for (const [volumes, mounts, problems] of wrong) {
    test(`${volumes} ${mounts}`, () => assert.deepEqual(load(volumes, mounts).problems, problems));
  }
});
