/** `envoy.service.discovery.v3.AggregatedDiscoveryService`, as one of the two doors serves it. */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Logger } from '#observe/log.ts';
import { AggregatedDiscoveryService } from '#xds/gen/envoy/service/discovery/v3/ads_pb.js';
import { createDeltaServerStream } from '#xds/server/delta.ts';
import { createSotwServerStream } from '#xds/server/sotw.ts';
import { type AdsProxy, type AdsRequest, type StreamRegistrar, serveAdsStream } from './ads-stream.ts';
import type { Authenticator, Caller } from './caller.ts';
import type { Discovery } from './discovery.ts';
import type { DiscoveryMetrics } from './discovery-metrics.ts';
import type { ResponseEncoder } from './encode-response.ts';
import { grpcMethodWithEncodedResponses } from './method.ts';
import type { GrpcService } from './ports.ts';

export interface AdsServiceParts {
  readonly discovery: Discovery<AdsProxy>;
  readonly encoder: ResponseEncoder;
  readonly metrics: DiscoveryMetrics;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** Absent: nobody can register. */
  readonly registrar?: StreamRegistrar | undefined;
  /** Absent: the plaintext door, where nobody is anybody. */
  readonly authenticator?: Authenticator;
}

type Call<Request> = ServerDuplexStream<Request, Buffer>;

export function adsService(parts: AdsServiceParts): GrpcService {
  const { discovery, encoder, metrics, log, nowMs, registrar } = parts;
  const { streamAggregatedResources, deltaAggregatedResources } = AggregatedDiscoveryService.method;
  const shared = { discovery, metrics, log, nowMs, registrar };
  return {
    definition: {
      streamAggregatedResources: grpcMethodWithEncodedResponses(streamAggregatedResources),
      deltaAggregatedResources: grpcMethodWithEncodedResponses(deltaAggregatedResources),
    },
    implementation: {
      streamAggregatedResources: admit(parts, (call, caller) =>
        serveAdsStream({
          ...shared,
          call,
          caller,
          protocol: 'sotw',
          machine: createSotwServerStream({ nowMs }),
          encode: encoder.sotw,
        }),
      ),
      deltaAggregatedResources: admit(parts, (call, caller) =>
        serveAdsStream({
          ...shared,
          call,
          caller,
          protocol: 'delta',
          machine: createDeltaServerStream({ nowMs }),
          encode: encoder.delta,
        }),
      ),
    },
  };
}

/** Finds out who calls before the first request is read. */
function admit<Request extends AdsRequest>(
  { authenticator, log, metrics }: AdsServiceParts,
  serve: (call: Call<Request>, caller: Caller | undefined) => void,
): (call: Call<Request>) => void {
  return (call): void => {
    if (authenticator === undefined) {
      serve(call, undefined);
      return;
    }
    const refuse = (code: status, details: string): void => {
      metrics.refused();
      log.warn('control.stream-refused', { peer: call.getPeer(), reason: details });
      call.emit('error', { code, details });
    };
    authenticator.authenticate(call).then(
      (result) => {
        if (call.cancelled) return;
        if (result.ok) serve(call, result.caller);
        else refuse(status.UNAUTHENTICATED, result.reason);
      },
      (error: unknown) => {
        log.error('control.authentication-failed', { error: String(error) });
        refuse(status.INTERNAL, 'the caller could not be authenticated');
      },
    );
  };
}
