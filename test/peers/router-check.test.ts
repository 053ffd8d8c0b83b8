/** Envoy's own tables for its route table check tool: requests, and what the route table makes of them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { parseYaml } from '#core/yaml.ts';
import { Findings } from '#proxy/findings.ts';
import { compileHeaderMatch } from '#proxy/route/header-match.ts';
import type { RouteTable } from '#proxy/route/table.ts';
import { noRuntime, partsOf, type RuntimeValues } from '#proxy/runtime/values.ts';
import { messageFromDocument } from '#xds/document.ts';
import { HeaderMatcherSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import {
  CheckedRequest,
  compileTable,
  type Outcome,
  outcomeOf,
  type RequestInput,
} from '../support/checked-request.ts';

const folder = join(process.env.HEDDLE_TESTDATA ?? '', 'envoy-router-check');
const TABLE = '.golden.proto.json';
const PAIRS = 15;
const CASES = 104;

interface Case {
  readonly test_name: string;
  readonly input: RequestInput;
  readonly validate: Readonly<Record<string, JsonValue>>;
}

/** The one key is enabled, and a numerator of 0 counts as 1 (Envoy, "Route table check tool"). */
const runtimeOf = (enabled: string | undefined): RuntimeValues => ({
  ...noRuntime,
  isEnabled: (key, percent, randomValue) =>
    key === enabled && randomValue % partsOf(percent) < Math.max(1, percent.numerator),
});

function readFile(name: string): unknown {
  const { documents, problems } = parseYaml(readFileSync(join(folder, name), 'utf8'), name);
  assert.deepEqual(problems, []);
  return documents[0]!.value;
}

function readTable(name: string, enabled: string | undefined): RouteTable {
  const read = messageFromDocument(RouteConfigurationSchema, { value: readFile(`${name}.yaml`) });
  assert.ok(read.ok, JSON.stringify(read.problems));
  return compileTable(read.value, runtimeOf(enabled));
}

/** A field that stands there more than once is compared as its values joined. */
function joined(headers: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (let i = 0; i < headers.length; i += 2) {
    const before = byName.get(headers[i]!);
    byName.set(headers[i]!, before === undefined ? headers[i + 1]! : `${before},${headers[i + 1]!}`);
  }
  return [...byName].flat();
}

function assertMatches(matchers: JsonValue, headers: readonly string[], request: CheckedRequest): void {
  const findings = new Findings();
  for (const [i, json] of (matchers as JsonObject[]).entries()) {
    const matches = compileHeaderMatch(fromJson(HeaderMatcherSchema, json), `[${i}]`, findings);
    assert.deepEqual(findings.problems, []);
    const { method, path, authority, scheme } = request;
    const source = { requestHeaders: joined(headers), method, path, authority, scheme };
    assert.ok(matches(source), `${JSON.stringify(json)} of ${headers.join(' ')}`);
  }
}

function check(name: string, { input, validate }: Case): void {
  const request = new CheckedRequest(input);
  const outcome = outcomeOf(readTable(name, input.runtime), request);
  for (const [field, wanted] of Object.entries(validate)) {
    if (field === 'request_header_matches') assertMatches(wanted, outcome.request, request);
    else if (field === 'response_header_matches') assertMatches(wanted, outcome.response, request);
    else {
      assert.ok(field in outcome, `no table asks for ${field}`);
      assert.deepEqual(outcome[field as keyof Outcome], wanted, field);
    }
  }
}

const isThere = process.env.HEDDLE_TESTDATA !== undefined;
const skip = isThere || process.env.HEDDLE_REQUIRE_PEERS === '1' ? false : 'HEDDLE_TESTDATA is not set';

describe('tables of Envoy’s route table check tool', { skip }, () => {
  const names = isThere
    ? readdirSync(folder)
        .filter((file) => file.endsWith(TABLE))
        .map((file) => file.slice(0, -TABLE.length))
    : [];
  let count = 0;
  for (const name of names) {
    // One of them has a comma too many, as only YAML may.
    const table = readFile(name + TABLE) as { tests: Case[] };
    for (const [i, one] of table.tests.entries()) {
      count++;
      test(`${name} ${i}: ${one.test_name}`, () => check(name, one));
    }
  }
  test('all of them were read', () => assert.deepEqual([names.length, count], [PAIRS, CASES]));
});
