/** Documents of Istio's own tests and samples: what it accepts we accept, and what it refuses we refuse. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { formatProblem, hasErrors, type Problem } from '#core/problem.ts';
import { parseYaml } from '#core/yaml.ts';
import { loadDocuments } from '#model/load.ts';
import { testData } from '../support/peer.ts';

/** Kinds of Istio's API tests that are read. */
const kinds = [
  'destinationrule',
  'envoyfilter',
  'peerauth',
  'proxyconfig',
  'serviceentry',
  'workloadentry',
  'workloadgroup',
];

/** Valid by the schema alone, by name: what Istio's webhook refuses, and what is not the YAML it was meant to be. */
const refusedHere: Readonly<Record<string, RegExp>> = {
  // `[…, 001:db8::]` is a mapping in YAML 1.2.
  'serviceentry full': /spec\.addresses\[1\]/,
  'serviceentry partial-wildcard': /"\*x" is not a host name/,
};

/** Each document of a file alone; several have the same name. `_err` is the reason why it must be refused. */
function problemsByDocument(file: string): { reason: string; name: string; problems: readonly Problem[] }[] {
  return parseYaml(readFileSync(file, 'utf8'), file).documents.map(({ value }) => {
    const { _err: reason = '', ...document } = value as {
      readonly _err?: string;
      readonly metadata: { readonly name: string };
    };
    const { name } = document.metadata;
    return { reason, name, problems: loadDocuments([{ file, text: JSON.stringify(document) }]).problems };
  });
}

describe('istio/api tests', () => {
  for (const kind of kinds) {
    test(`${kind}: what is valid is accepted`, (t) => {
      const file = testData(t, 'istio-api', `${kind}-valid.yaml`);
      if (file === undefined) return;
      for (const { name, problems } of problemsByDocument(file)) {
        const refused = refusedHere[`${kind} ${name}`];
        if (refused === undefined) assert.deepEqual(errors(problems), []);
        else assert.match(errors(problems).join('\n'), refused);
      }
    });
    test(`${kind}: what is not is refused`, (t) => {
      const file = testData(t, 'istio-api', `${kind}-invalid.yaml`);
      if (file === undefined) return;
      for (const { reason, problems } of problemsByDocument(file)) {
        assert.ok(hasErrors(problems), reason);
      }
    });
  }
});

test('the bookinfo sample has no errors', (t) => {
  const folder = testData(t, 'bookinfo');
  if (folder === undefined) return;
  const files = [
    'platform/kube/bookinfo.yaml',
    'networking/bookinfo-gateway.yaml',
    'networking/destination-rule-all.yaml',
  ];
  const common = files.map((file) => path.join(folder, file));
  const rules = globSync(path.join(folder, 'networking/virtual-service-reviews-*.yaml'));
  assert.ok(rules.length > 5, `${rules.length} rules`);
  for (const rule of rules) {
    const { problems, resources, rejected } = loadDocuments(
      [...common, rule].map((file) => ({ file, text: readFileSync(file, 'utf8') })),
    );
    assert.deepEqual(errors(problems), []);
    assert.deepEqual(rejected, []);
    assert.ok(
      resources.some(({ kind, metadata }) => kind === 'VirtualService' && metadata.name === 'reviews'),
    );
  }
});

test('the sample with TLS to the outside has no errors', (t) => {
  const file = testData(t, 'bookinfo', 'networking/egress-rule-google-apis.yaml');
  if (file === undefined) return;
  const { problems, resources } = loadDocuments([{ file, text: readFileSync(file, 'utf8') }]);
  assert.deepEqual(errors(problems), []);
  const rule = resources.find((resource) => resource.kind === 'DestinationRule');
  assert.equal(rule?.spec.trafficPolicy?.portLevelSettings?.[0]?.tls?.mode, 'SIMPLE');
});

function errors(problems: readonly Problem[]): readonly string[] {
  return problems.filter(({ level }) => level === 'error').map(formatProblem);
}
