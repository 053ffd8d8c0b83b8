import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from '#model/load.ts';
import { planMesh } from './plan.ts';
import { unmountedLines } from './volume-plan.ts';
import { sameProcesses, type WorkloadPlan } from './workload-plan.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function load(volumes: string, mounts = '[]', colour = 'red') {
  const text = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: shop}
images: {shop: {command: [node]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: paint}
data: {colour: ${colour}}
binaryData: {raw: /w==}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
data: {user: ${base64('plain')}, password: ${base64('s3cret')}}
stringData: {user: scott}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: data}
spec:
  replicas: 1
  selector: {}
  template: {spec: {containers: [{name: db, image: shop}]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      volumes: ${volumes}
      containers: [{name: shop, image: shop, volumeMounts: ${mounts}}]`;
  const { resources, problems } = loadDocuments([{ file: 'mesh.yaml', text }]);
  assert.deepEqual(problems, []);
  return planMesh(resources, { fallbackName: 'shop', lowestPort: 1024, capture: true });
}

function workload(...written: Parameters<typeof load>): WorkloadPlan {
  const planned = load(...written);
  assert.ok(planned.ok, JSON.stringify(planned));
  return planned.value.workloads.find(({ name }) => name === 'shop')!;
}

describe('planVolumes', () => {
  const cases: readonly (readonly [volume: string, files: readonly object[] | undefined, why: string])[] = [
    ['emptyDir: {}', undefined, 'the containers write'],
    ['persistentVolumeClaim: {claimName: kept}', undefined, 'the containers write, and find it again'],
    [
      'configMap: {name: paint}',
      [
        { path: 'raw', mode: 0o644, base64: '/w==' },
        { path: 'colour', mode: 0o644, base64: base64('red') },
      ],
      'all keys',
    ],
    [
      'secret: {secretName: login, defaultMode: 0400, items: [{key: user, path: a/user}, {key: password, path: b, mode: 0440}]}',
      [
        { path: 'a/user', mode: 0o400, base64: base64('scott') },
        { path: 'b', mode: 0o440, base64: base64('s3cret') },
      ],
      'keys that are named; stringData wins',
    ],
    ['configMap: {name: nowhere, optional: true}', [], 'one that may be missing'],
    [
      'configMap: {name: paint, optional: true, items: [{key: colour, path: c}, {key: size, path: s}]}',
      [{ path: 'c', mode: 0o644, base64: base64('red') }],
      'a key that may be missing',
    ],
    [
      'downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}',
      [{ path: 'labels', mode: 0o644, fieldPath: 'metadata.labels' }],
      'fields of the Pod, which the instance knows',
    ],
  ];
  for (const [volume, files, why] of cases) {
    test(`${volume}: ${why}`, () => {
      const [planned] = workload(`[{name: v, ${volume}}]`).volumes;
      assert.deepEqual(planned?.files, files);
    });
  }

  const wrong: readonly (readonly [volume: string, mounts: string, problem: string])[] = [
    [
      'configMap: {name: pain}',
      '[]',
      '41 spec.template.spec.volumes[0].configMap.name: there is no ConfigMap default/pain (did you mean "paint"?)',
    ],
    [
      'secret: {secretName: login, items: [{key: passwort, path: p}]}',
      '[]',
      '41 spec.template.spec.volumes[0].secret.items[0].key: the Secret default/login has no key "passwort" (did you mean "password"?)',
    ],
    [
      'projected: {sources: [{configMap: {name: paint}}, {secret: {name: login, items: [{key: user, path: colour/x}]}}]}',
      '[]',
      '41 spec.template.spec.volumes[0].projected.sources[1].secret: two files of the volume v cannot both be colour/x (items with other paths)',
    ],
    [
      'configMap: {name: paint}',
      '[{name: v, mountPath: /a, subPath: color}]',
      '42 spec.template.spec.containers[0].volumeMounts[0].subPath: the volume v has no file "color" (did you mean "colour"?)',
    ],
  ];
  const noClaim = (name: string): string =>
    `41 spec.template.spec.volumes[0].persistentVolumeClaim.claimName: there is no PersistentVolumeClaim default/${name}, and a Pod would wait for it`;
  for (const [volume, mounts, problem] of [
    ...wrong,
    ['persistentVolumeClaim: {claimName: kep}', '[]', `${noClaim('kep')} (did you mean "kept"?)`],
    [
      'persistentVolumeClaim: {claimName: data-db-0}',
      '[]',
      `${noClaim('data-db-0')} (the one at mesh.yaml:24 is in the namespace data)`,
    ],
    [
      'persistentVolumeClaim: {claimName: other}',
      '[]',
      `${noClaim('other')} (add a document of kind PersistentVolumeClaim to the files)`,
    ],
  ] as const) {
    test(problem, () => {
      const planned = load(`[{name: v, ${volume}}]`, mounts);
      assert.ok(!planned.ok);
      assert.deepEqual(
        planned.problems.map(({ at, path, message, fix }) => `${at?.line} ${path}: ${message} (${fix})`),
        [problem],
      );
    });
  }

  test('what is in files needs no other processes, and another volume does', () => {
    const written = '[{name: v, configMap: {name: paint}}]';
    const [red, blue] = [workload(written), workload(written, '[]', 'blue')];
    assert.notDeepEqual(red, blue);
    assert.ok(sameProcesses(red, blue));
    assert.ok(!sameProcesses(red, workload('[{name: v, configMap: {name: paint, defaultMode: 0400}}]')));
    assert.ok(!sameProcesses(red, workload(written, '[{name: v, mountPath: /v}]')));
  });

  test('what cannot be mounted is told with its variable', () => {
    const mounts =
      '[{name: my-config, mountPath: /etc/app}, {name: my-config, mountPath: /etc/x, subPath: raw}]';
    assert.deepEqual(
      unmountedLines([workload('[{name: my-config, configMap: {name: paint}}]', mounts), workload('[]')]),
      ['default/shop: /etc/app: $HEDDLE_VOLUME_MY_CONFIG, /etc/x: $HEDDLE_VOLUME_MY_CONFIG'],
    );
  });
});
