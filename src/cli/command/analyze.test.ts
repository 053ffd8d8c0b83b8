import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { registerAsked } from '../catalogue.ts';
import { EXIT_DATA, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '../exit.ts';
import type { Planes } from '../planes.ts';
import { colours } from '../render/colour.ts';
import { runCommandLine } from '../run.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-analyze-'));
after(() => rmSync(folder, { recursive: true }));

/** A warning, and a host that is not there unless it is suppressed. */
const text = `apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{port: 80, name: http}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: shop}
spec:
  hosts: [a]
  http:
  - {route: [{destination: {host: revews}}]}
  - {route: [{destination: {host: reviews.default}}]}
`;
const file = join(folder, 'a.yaml');
writeFileSync(file, text);
mkdirSync(join(folder, 'inner'));
writeFileSync(join(folder, 'inner', 'b.yml'), 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n');

async function analyze(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCommandLine(['analyze', ...words], {
    planes: {} as Planes,
    register: registerAsked,
    terminal: {
      out: (line) => void out.push(line),
      err: (line) => void err.push(line),
      outColour: colours(false),
      errColour: colours(false),
    },
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('heddle analyze', () => {
  test('for people: code, place, line, what to write and where to read on', async () => {
    const { code, out } = await analyze(file);
    assert.equal(code, EXIT_DATA);
    assert.match(out, /^✘ error \[IST0101\]: .*a\.yaml:12:29: VirtualService shop\/a: spec\.http\[0\]/m);
    assert.match(out, /^ {2}see docs\/reference\/analysis\.md#ist0101$/m);
    assert.match(out, /✘ 2 documents, 1 error, 1 warning$/);
  });

  test('JSON is a list with the names of istioctl', async () => {
    const { code, out } = await analyze('-o', 'json', file);
    const [first, second] = JSON.parse(out);
    assert.deepEqual(
      [code, first.code, first.level, first.origin, first.reference, second.code],
      [EXIT_DATA, 'IST0101', 'Error', 'VirtualService shop/a', `${file}:12`, 'IST0130'],
    );
    assert.equal(first.documentationUrl, 'docs/reference/analysis.md#ist0101');
  });

  for (const format of ['text', 'json', 'yaml', 'junit', 'sarif']) {
    test(`the threshold holds with -o ${format}`, async () => {
      const suppressed = ['-o', format, '-S', 'IST0101=VirtualService a.shop', file];
      assert.equal((await analyze(...suppressed)).code, EXIT_OK);
      assert.equal((await analyze('--failure-threshold', 'Warning', ...suppressed)).code, EXIT_DATA);
      assert.equal((await analyze('-o', format, file)).code, EXIT_DATA);
    });
  }

  test('what is below the threshold of output is not shown, and counts', async () => {
    const { code, out } = await analyze(
      '--output-threshold',
      'error',
      '--failure-threshold',
      'warning',
      '-o',
      'json',
      file,
    );
    assert.deepEqual([code, JSON.parse(out).length], [EXIT_DATA, 1]);
  });

  test('only of a namespace', async () => {
    assert.equal((await analyze('-n', 'other', file)).code, EXIT_OK);
    assert.equal((await analyze('-n', 'shop', file)).code, EXIT_DATA);
    assert.equal((await analyze('-n', 'shop', '-A', file)).code, EXIT_USAGE);
  });

  test('folders in folders are read where it is asked for', async () => {
    assert.match((await analyze(folder)).out, /2 documents/);
    assert.match((await analyze('-R', folder)).out, /3 documents/);
  });

  test('a MeshConfig by its file', async () => {
    const bad = join(folder, 'mesh.txt');
    writeFileSync(bad, '[]');
    const { code, err } = await analyze('--mesh-config-file', bad, file);
    assert.deepEqual([code, /is no MeshConfig/.test(err)], [EXIT_DATA, true]);
  });

  test('analyzers with their codes', async () => {
    assert.match((await analyze('-L')).out, /^virtualservice\.GatewayAnalyzer +IST0101 IST0132 IST0165 /m);
  });

  test('mistakes on the command line', async () => {
    assert.equal((await analyze('--failure-threshold', 'Fatal', file)).code, EXIT_USAGE);
    assert.equal((await analyze('-S', 'IST0101', file)).code, EXIT_USAGE);
    assert.equal((await analyze(join(folder, 'nothing.yaml'))).code, EXIT_FAILURE);
    assert.equal((await analyze('--state', folder, file)).code, EXIT_FAILURE);
  });
});

describe('JUnit', () => {
  test('numbers add up and each finding is a case; what counts fails', async () => {
    const { out } = await analyze('-o', 'junit', '-R', folder);
    assert.match(out, /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites /);
    assert.match(out, /<testsuites name="heddle analyze" tests="3" failures="1" errors="0">/);
    assert.equal(out.match(/<testcase /g)?.length, 3);
    assert.match(
      out,
      /<testcase name="IST0101 VirtualService shop\/a [^"]*" classname="[^"]*" file="[^"]*" line="12">/,
    );
    assert.match(out, /<failure type="Error" message="[^"<>]*&quot;revews&quot;[^"<>]*">/);
    assert.match(out, /<system-out>[^<>]*<\/system-out>/);
    assert.match(out, /<testcase name="no findings" classname="[^"]*b\.yml"\/>/);
    assert.ok(isWellFormed(out));
  });
});

/** Whether tags are closed in the order they were opened, and nothing stands bare. */
function isWellFormed(xml: string): boolean {
  const open: string[] = [];
  for (const [, close, name, empty] of xml.matchAll(/<(\/?)([a-z-]+)(?: [a-z]+="[^"<]*")*(\/?)>/g)) {
    if (close === '/' && open.pop() !== name) return false;
    if (close === '' && empty === '') open.push(name!);
  }
  const texts = xml.replace(/<[^>]*>/g, '').replace(/&(?:amp|lt|gt|quot|apos);/g, '');
  return open.length === 0 && !/[<>&]/.test(texts);
}

describe('SARIF', () => {
  test('what the schema of 2.1.0 requires is there', async () => {
    const { out } = await analyze('-o', 'sarif', file);
    const log = JSON.parse(out);
    assert.deepEqual([log.version, log.runs.length], ['2.1.0', 1]);
    assert.ok(URL.canParse(log.$schema));
    const [{ tool, results, columnKind }] = log.runs;
    assert.equal(columnKind, 'utf16CodeUnits');
    const { name, rules } = tool.driver;
    assert.equal(name, 'heddle');
    for (const rule of rules) {
      assert.match(rule.id, /^(?:IST|HED)\d{4}$/);
      assert.ok(['error', 'warning', 'note'].includes(rule.defaultConfiguration.level));
      assert.ok(rule.shortDescription.text.length > 0);
      assert.ok(rule.helpUri === undefined || URL.canParse(rule.helpUri));
    }
    assert.equal(results.length, 2);
    for (const result of results) {
      assert.equal(rules[result.ruleIndex].id, result.ruleId);
      assert.ok(result.message.text.length > 0);
      const [{ physicalLocation, logicalLocations }] = result.locations;
      assert.equal(physicalLocation.artifactLocation.uri, `file://${file}`);
      assert.ok(physicalLocation.region.startLine >= 1 && physicalLocation.region.startColumn >= 1);
      assert.equal(logicalLocations[0].fullyQualifiedName, 'VirtualService shop/a');
    }
  });
});
