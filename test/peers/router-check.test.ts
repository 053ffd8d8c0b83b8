/** Envoy's own tables for its route table check tool: requests, and what the route table makes of them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { fakeClock } from '#core/clock.ts';
import { seededRandom } from '#core/random.ts';
import { parseYaml } from '#core/yaml.ts';
import type { MetadataValue } from '#observe/access-record.ts';
import { Metrics } from '#observe/metrics.ts';
import { BucketMemory } from '#proxy/filter/bucket-memory.ts';
import { Findings } from '#proxy/findings.ts';
import { TrafficRecord } from '#proxy/hcm/record.ts';
import { isGrpcType, mustRedirectToTls } from '#proxy/hcm/request-head.ts';
import { noTimeouts, rewriteRequest } from '#proxy/hcm/rewrite.ts';
import type { DownstreamFacts } from '#proxy/hcm/runtime.ts';
import { headersOfReply } from '#proxy/reply.ts';
import { clusterNameOf } from '#proxy/route/destinations.ts';
import type { HashSource } from '#proxy/route/hash-policy.ts';
import { compileHeaderMatch } from '#proxy/route/header-match.ts';
import { mutate } from '#proxy/route/header-mutation.ts';
import type { RouteRequest } from '#proxy/route/match.ts';
import { type CompiledRoute, compileRoutes, type RouteTable } from '#proxy/route/table.ts';
import { noRuntime, partsOf, type RuntimeValues } from '#proxy/runtime/values.ts';
import { messageFromDocument } from '#xds/document.ts';
import { HeaderMatcherSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';

const folder = join(process.env.HEDDLE_TESTDATA ?? '', 'envoy-router-check');
const TABLE = '.golden.proto.json';
const PAIRS = 15;
const CASES = 104;

interface Header {
  readonly key: string;
  readonly value: string;
}

interface Input {
  readonly authority: string;
  readonly path: string;
  readonly method?: string;
  readonly ssl?: boolean;
  readonly internal?: boolean;
  readonly random_value?: number;
  readonly runtime?: string;
  readonly additional_request_headers?: readonly Header[];
  readonly dynamic_metadata?: readonly {
    readonly metadata_namespace: string;
    readonly value: Record<string, MetadataValue>;
    readonly allow_overwrite?: boolean;
  }[];
}

interface Case {
  readonly test_name: string;
  readonly input: Input;
  readonly validate: Readonly<Record<string, JsonValue>>;
}

/** What the table makes of a request, under the tables' names. */
interface Outcome {
  readonly cluster_name: string;
  readonly virtual_cluster_name: string;
  readonly virtual_host_name: string;
  readonly path_rewrite: string;
  readonly host_rewrite: string;
  readonly path_redirect: string;
  readonly code_redirect: number;
  readonly timeout: string;
  readonly request: readonly string[];
  readonly response: readonly string[];
}

const facts = {
  peer: { uri: '' },
  remoteAddress: '127.0.0.1:50000',
  localAddress: '127.0.0.1:80',
} as DownstreamFacts;

/** The one key is enabled, and a numerator of 0 counts as 1 (Envoy, "Route table check tool"). */
const runtimeOf = (enabled: string | undefined): RuntimeValues => ({
  ...noRuntime,
  isEnabled: (key, percent, randomValue) =>
    key === enabled && randomValue % partsOf(percent) < Math.max(1, percent.numerator),
});

class CheckedRequest extends TrafficRecord implements RouteRequest {
  readonly isGrpc: boolean;
  readonly peerPresented = false;
  readonly peerValidated = false;
  readonly randomValue: number;
  route: CompiledRoute | undefined = undefined;

  constructor(input: Input) {
    super(facts, fakeClock());
    const { additional_request_headers: more = [], dynamic_metadata: metadata = [] } = input;
    this.method = input.method ?? '';
    this.path = input.path;
    this.authority = input.authority;
    this.scheme = input.ssl === true ? 'https' : 'http';
    this.requestHeaders = [
      ...['x-forwarded-proto', this.scheme],
      ...(input.internal === true ? ['x-envoy-internal', 'true'] : []),
      ...more.flatMap(({ key, value }) => [key.toLowerCase(), value]),
    ];
    this.isGrpc = more.some(({ key, value }) => key.toLowerCase() === 'content-type' && isGrpcType(value));
    this.randomValue = input.random_value ?? 0;
    for (const { metadata_namespace: name, value, allow_overwrite: overwrites } of metadata) {
      if (this.metadata?.[name] === undefined || overwrites === true)
        this.metadata = { ...this.metadata, [name]: value };
    }
  }

  hashSource(): HashSource {
    throw new Error('no table hashes');
  }
}

function readFile(name: string): unknown {
  const { documents, problems } = parseYaml(readFileSync(join(folder, name), 'utf8'), name);
  assert.deepEqual(problems, []);
  return documents[0]!.value;
}

function readTable(name: string, enabled: string | undefined): RouteTable {
  const read = messageFromDocument(RouteConfigurationSchema, { value: readFile(`${name}.yaml`) });
  assert.ok(read.ok, JSON.stringify(read.problems));
  const compiled = compileRoutes(read.value, {
    filters: [],
    deps: {
      metrics: new Metrics(),
      clock: fakeClock(),
      random: seededRandom(1),
      buckets: new BucketMemory(() => new ArrayBuffer(0), 0),
      readFile: () => assert.fail('no table names a file'),
      environment: () => undefined,
      runtime: runtimeOf(enabled),
    },
  });
  assert.ok(compiled.ok, JSON.stringify(compiled.problems));
  return compiled.value;
}

const nothing: Outcome = {
  ...{
    cluster_name: '',
    virtual_cluster_name: '',
    virtual_host_name: '',
    path_rewrite: '',
    host_rewrite: '',
  },
  ...{ path_redirect: '', code_redirect: 0, timeout: '', request: [], response: [] },
};

function outcomeOf(table: RouteTable, request: CheckedRequest): Outcome {
  const { authority, path, requestHeaders } = request;
  if (mustRedirectToTls(table.findHost(request), requestHeaders))
    return { ...nothing, path_redirect: `https://${authority}${path}`, code_redirect: 301 };
  const route = table.find(request);
  request.route = route;
  if (route === undefined) return nothing;
  const { action, host } = route;
  if (action.kind === 'redirect') {
    const location = action.location(request, request.scheme === 'https');
    return { ...nothing, path_redirect: location, code_redirect: action.status };
  }
  if (action.kind === 'direct') {
    const { status } = action;
    const body = action.bodyOf(request);
    const response = headersOfReply({ status, body, flag: '', details: '' }, false);
    mutate(response, route.response, request);
    return { ...nothing, path_redirect: `${request.scheme}://${authority}${path}`, response };
  }
  assert.equal(action.kind, 'forward');
  const destination = action.choose(request);
  const cluster_name = clusterNameOf(destination, request);
  const virtual_cluster_name = host.virtualCluster?.(request).name ?? '';
  const chosen = { action, destination } as Parameters<typeof rewriteRequest>[1];
  const router = { suppressEnvoyHeaders: true } as Parameters<typeof rewriteRequest>[4];
  const exchange = request as unknown as Parameters<typeof rewriteRequest>[0];
  rewriteRequest(exchange, chosen, noTimeouts, false, router);
  return {
    ...{ cluster_name, virtual_cluster_name, virtual_host_name: host.name },
    ...{ path_rewrite: request.path, host_rewrite: request.authority, path_redirect: '', code_redirect: 0 },
    ...{ timeout: `${action.timeouts.routeMs / 1000}s`, request: request.requestHeaders, response: [] },
  };
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
