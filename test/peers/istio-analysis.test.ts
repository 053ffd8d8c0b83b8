/** The cases of Istio's own analysis: each analyzer gives on them exactly the messages that Istio's gives. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseYaml } from '#core/yaml.ts';
import { analysisCodes } from '#model/analyze/codes.ts';
import { analysisDocuments } from '#model/analyze/document.ts';
import { istioAnalyzers } from '#model/analyze/istio/catalogue.ts';
import type { Raw } from '#model/analyze/loose.ts';
import { World } from '#model/analyze/world.ts';
import { testData } from '../support/peer.ts';

interface Case {
  readonly name: string;
  /** As Istio calls it. */
  readonly analyzer: string;
  readonly files: readonly string[];
  readonly meshConfig: string | null;
  readonly expected: readonly {
    readonly code: string;
    readonly level: string;
    readonly message: string;
    readonly object: string;
  }[];
}

/** Cases that cannot give what they expect, each with its reason; one that does fails the test. */
const impossible: Readonly<Record<string, string>> = {
  'unknown service registry in mesh networks':
    'the meshNetworks that it is about are in a file that is not among the data',
};

const levels: Readonly<Record<string, string>> = { error: 'Error', warning: 'Warning', info: 'Info' };

test("istio's cases of analysis", async (t) => {
  const folder = testData(t, 'istio-analysis');
  if (folder === undefined) return;
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const cases = JSON.parse(read('expected.json')) as readonly Case[];
  assert.ok(cases.length > 40);
  for (const one of cases) {
    await t.test(one.name, () => {
      const expected = one.expected.map(({ code, level, message, object }) =>
        [code, level, message, withNamespace(object)].join(' '),
      );
      const found = analyzed(one, read);
      if (impossible[one.name] === undefined) assert.deepEqual(found, expected.sort());
      else assert.notDeepEqual(found, expected.sort(), `passes now, so it is possible`);
    });
  }
});

function analyzed({ analyzer: name, files, meshConfig }: Case, read: (file: string) => string): string[] {
  const documents = files.flatMap((file) => parseYaml(read(file), file).documents);
  const parse = (text: string): unknown => parseYaml(text, 'text').documents[0]?.value;
  const settings = meshConfig === null ? {} : { meshConfig: parse(read(meshConfig)) as Raw };
  const world = new World(analysisDocuments(documents), { parse, ...settings });
  const analyzer = istioAnalyzers.find((one) => one.name === name);
  assert.ok(analyzer !== undefined, `there is no analyzer ${name}`);
  return analyzer
    .analyze(world)
    .map(({ code, level, resource }) => [code, levels[level], analysisCodes[code].name, resource].join(' '))
    .sort();
}

const withoutNamespace: readonly string[] = [
  ...['Namespace', 'CustomResourceDefinition'],
  ...['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'],
];

/** What names no namespace is of `default`. */
function withNamespace(object: string): string {
  const [kind = '', name = ''] = object.split(' ');
  return name.includes('/') || withoutNamespace.includes(kind) ? object : `${kind} default/${name}`;
}
