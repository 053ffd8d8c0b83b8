/** Requests and route tables without sockets: what a table makes of a request, as far as routes decide. */
import assert from 'node:assert/strict';
import { fakeClock } from '#core/clock.ts';
import { seededRandom } from '#core/random.ts';
import type { MetadataValue } from '#observe/access-record.ts';
import { Metrics } from '#observe/metrics.ts';
import { BucketMemory } from '#proxy/filter/bucket-memory.ts';
import { filters } from '#proxy/filter/catalogue.ts';
import { TrafficRecord } from '#proxy/hcm/record.ts';
import { hashSourceOf } from '#proxy/hcm/request-hash.ts';
import { isGrpcType, mustRedirectToTls } from '#proxy/hcm/request-head.ts';
import { noTimeouts, rewriteRequest } from '#proxy/hcm/rewrite.ts';
import type { DownstreamFacts } from '#proxy/hcm/runtime.ts';
import { headersOfReply } from '#proxy/reply.ts';
import { clusterNameOf } from '#proxy/route/destinations.ts';
import type { HashSource } from '#proxy/route/hash-policy.ts';
import { mutate } from '#proxy/route/header-mutation.ts';
import type { RouteRequest } from '#proxy/route/match.ts';
import { type CompiledRoute, compileRoutes, type RouteTable } from '#proxy/route/table.ts';
import { noRuntime, type RuntimeValues } from '#proxy/runtime/values.ts';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';

interface Header {
  readonly key: string;
  readonly value: string;
}

/** Under the names of Envoy's tables. */
export interface RequestInput {
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

/** What the table makes of a request, under the tables' names. */
export interface Outcome {
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

export class CheckedRequest extends TrafficRecord implements RouteRequest {
  readonly isGrpc: boolean;
  readonly peerPresented = false;
  readonly peerValidated = false;
  readonly randomValue: number;
  route: CompiledRoute | undefined = undefined;

  constructor(input: RequestInput) {
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
    return hashSourceOf(
      Object.assign(Object.create(this), {
        downstreamRemoteAddress: facts.remoteAddress,
        stream: { facts },
      }),
      () => {},
    );
  }
}

export function compileTable(
  configuration: RouteConfiguration,
  runtime: RuntimeValues = noRuntime,
): RouteTable {
  const compiled = compileRoutes(configuration, {
    filters,
    deps: {
      metrics: new Metrics(),
      clock: fakeClock(),
      random: seededRandom(1),
      buckets: new BucketMemory(() => new ArrayBuffer(0), 0),
      readFile: () => assert.fail('no table names a file'),
      environment: () => undefined,
      runtime,
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

export function outcomeOf(table: RouteTable, request: CheckedRequest): Outcome {
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
