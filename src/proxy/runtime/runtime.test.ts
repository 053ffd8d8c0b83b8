import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { silentLogger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import { BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { eventually } from '../../../test/support/eventually.ts';
import { tempDir } from '../../../test/support/temp-dir.ts';
import { entryOf, entryOfYaml } from './entry.ts';
import { ProcessRuntime } from './runtime.ts';
import { readRuntimeLayers } from './settings.ts';
import { RuntimeSnapshot } from './snapshot.ts';

function read(layers: readonly JsonObject[], node: JsonObject = {}) {
  const bootstrap = fromJson(BootstrapSchema, { node, layeredRuntime: { layers: [...layers] } });
  const problems: string[] = [];
  const settings = readRuntimeLayers(bootstrap, (path, message, level = 'error') =>
    problems.push(`${level} ${path}: ${message}`),
  );
  return { settings, problems };
}

function runtime(...layers: readonly JsonObject[]) {
  const metrics = new Metrics();
  const { settings, problems } = read(layers, { cluster: 'us' });
  assert.deepEqual(problems, []);
  return Object.assign(new ProcessRuntime(settings, { metrics, log: silentLogger }), { metrics });
}

describe('an entry of the runtime', () => {
  const whole = { numerator: 100, parts: 100 };
  const fractionOf = (entry: ReturnType<typeof entryOf>) =>
    new RuntimeSnapshot(new Map([['k', entry]])).fraction('k', { numerator: 7, parts: 7 });
  const rows = [
    ['0', entryOf('0'), { numerator: 0, parts: 100 }],
    ['0.9', entryOf(0.9), { numerator: 0, parts: 100 }],
    ['101', entryOf(101), whole],
    ['-1', entryOf(-1), { numerator: 7, parts: 7 }],
    ['a struct', entryOf({ numerator: 3, denominator: 'MILLION' }), { numerator: 3, parts: 1e6 }],
    ['a struct without a number', entryOf({ numerator: 'x' }), { numerator: 0, parts: 100 }],
    ['a struct with more', entryOf({ numerator: 0, x: 1 }), { numerator: 7, parts: 7 }],
    ['a denominator that is none', entryOf({ denominator: 'FOO' }), { numerator: 7, parts: 7 }],
    ['YAML as a text', entryOf('numerator: 0'), { numerator: 7, parts: 7 }],
    ['YAML', entryOfYaml('numerator: 1\ndenominator: TEN_THOUSAND')!, { numerator: 1, parts: 1e4 }],
  ] as const;
  for (const [name, entry, fraction] of rows) {
    test(`is a fraction: ${name}`, () => assert.deepEqual(fractionOf(entry), fraction));
  }

  test('is written as Envoy writes it', () => {
    const texts = [1, 0.5, -3, 1e10, 1234567, 0.00001, 0.0001].map((value) => entryOf(value).text);
    assert.deepEqual(texts, ['1', '0.5', '-3', '1e+10', '1.23457e+06', '1e-05', '0.0001']);
    assert.equal(
      entryOf({ numerator: 5 }).text,
      'fields {\n  key: "numerator"\n  value {\n    number_value: 5\n  }\n}\n',
    );
  });

  test('is true or false as YAML says', () => {
    assert.deepEqual(
      ['yes', 'off', 'TRUE', 'maybe'].map((text) => entryOfYaml(text)?.boolean),
      [true, false, true, undefined],
    );
    assert.equal(entryOfYaml('{a: ['), undefined);
  });
});

describe('layers', () => {
  test('are shown by key, and later ones win', () => {
    const of = runtime(
      { name: 'one', staticLayer: { a: { b: 1 }, c: 2 } },
      { name: 'two', staticLayer: { 'a.b': 'x' } },
    );
    assert.deepEqual(of.dump(), {
      layers: ['one', 'two'],
      entries: {
        'a.b': { layer_values: ['1', 'x'], final_value: 'x' },
        c: { layer_values: ['2', ''], final_value: '2' },
      },
    });
  });

  test('are changed by hand, and put back by nothing', () => {
    const of = runtime({ name: 'one', staticLayer: { a: 1 } }, { name: 'admin', adminLayer: {} });
    const { version } = of.values;
    assert.equal(
      of.modify([
        ['a', '2'],
        ['b', '3'],
      ]),
      undefined,
    );
    assert.ok(of.values.version > version);
    assert.equal(of.values.integer('a', 9), 2);
    assert.match(
      of.modify([
        ['a', '5'],
        ['b', '['],
      ])!,
      /b: .*YAML/,
    );
    assert.equal(of.values.integer('a', 9), 2, 'all or nothing');
    of.modify([
      ['a', ''],
      ['b', ''],
    ]);
    assert.deepEqual([of.values.integer('a', 9), of.values.integer('b', 9)], [1, 9]);
    assert.ok(of.metrics.lines().includes('runtime.admin_overrides_active: 0'));
    assert.equal(runtime().modify([['a', '1']]), undefined, 'no layers are one of the admin interface');
    assert.match(runtime({ name: 'one', staticLayer: {} }).modify([['a', '1']])!, /No admin layer/);
  });

  test('on disk follow the link that is swapped', async (t) => {
    const folder = tempDir(t);
    const write = (version: string, files: Readonly<Record<string, string>>): void => {
      for (const [name, text] of Object.entries(files)) {
        const path = join(folder, version, name);
        mkdirSync(join(path, '..'), { recursive: true });
        writeFileSync(path, text);
      }
      symlinkSync(version, join(folder, 'next'));
      renameSync(join(folder, 'next'), join(folder, 'current'));
    };
    write('v1', { 'envoy/a': '1\n', 'envoy/in/b': '# why\n2\n', 'over/us/a': '3' });
    const symlinkRoot = join(folder, 'current');
    const of = runtime(
      { name: 'disk', diskLayer: { symlinkRoot, subdirectory: 'envoy' } },
      { name: 'ours', diskLayer: { symlinkRoot, subdirectory: 'over', appendServiceCluster: true } },
    );
    of.watch();
    t.after(() => of.close());
    assert.deepEqual([of.values.integer('a', 9), of.values.integer('in.b', 9)], [3, 2]);
    assert.ok(of.metrics.lines().includes('runtime.override_dir_exists: 2'));
    write('v2', { 'envoy/a': '5' });
    await eventually(() =>
      assert.deepEqual(of.dump(), {
        layers: ['disk'],
        entries: { a: { layer_values: ['5'], final_value: '5' } },
      }),
    );
  });
});

test('what is wrong with layers is told with its place', () => {
  const { problems } = read([
    { name: 'a', staticLayer: { list: [1], 'x.y': null, upstream: { use_http2: 1 }, free: 1 } },
    { name: 'a', adminLayer: {} },
    { name: 'b', adminLayer: {} },
    { diskLayer: { appendServiceCluster: true } },
    { name: 'c' },
  ]);
  const at = 'layered_runtime.layers';
  assert.deepEqual(problems.sort(), [
    `error ${at}[0].static_layer.list: must be a number, a text, a boolean or a fraction`,
    `error ${at}[0].static_layer["x.y"]: must be a number, a text, a boolean or a fraction`,
    `error ${at}[1].name: another layer is named "a"`,
    `error ${at}[2].admin_layer: too many admin layers: one is all there may be`,
    `error ${at}[3].disk_layer.append_service_cluster: needs node.cluster: set it here or with --service-cluster`,
    `error ${at}[3].disk_layer.symlink_root: is missing`,
    `error ${at}[3].name: is missing`,
    `error ${at}[4]: must be a static_layer, a disk_layer, an admin_layer or an rtds_layer`,
    `warning ${at}[0].static_layer.upstream.use_http2: has no effect: this runtime key is not supported`,
  ]);
});
