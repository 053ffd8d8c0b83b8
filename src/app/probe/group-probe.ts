/**
 * The probe of a workload that is a member of a WorkloadGroup: what it is, the control plane says over ADS; it is done
 * here, where the application is, and what comes of it is told there.
 */
import { create, toJsonString } from '@bufbuild/protobuf';
import type { Logger } from '#observe/log.ts';
import type { Node } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { AggregatedDiscoveryService } from '#xds/gen/envoy/service/discovery/v3/ads_pb.js';
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import {
  type ReadinessProbe,
  ReadinessProbeSchema,
} from '#xds/gen/istio/networking/v1alpha3/workload_group_pb.js';
import { healthInformationType } from '#xds/health-information.ts';
import { decodeResource, resourceTypes } from '#xds/resource-type.ts';
import type { MessageStream, Transport } from '#xds/transport.ts';
import { ContainerHealth } from './container-health.ts';
import { type ProbedContainer, performProbe } from './perform-probe.ts';
import type { PlannedAction, ProbePlan } from './probe-plan.ts';

export interface GroupProbeSettings {
  /** Of the workload, with `AUTO_REGISTER_GROUP`; of the type `agent`, as the proxy has a stream of its own. */
  readonly node: Node;
  /** To the control plane, with the identity of the workload; its owner closes it. */
  readonly transport: Transport;
  /** The application. Without `commands` a probe that is one fails: it would run what the mesh's owner chose. */
  readonly target: ProbedContainer;
  readonly log: Logger;
  /** Gets what comes of it instead of the control plane, at each change. @param failure undefined: it is healthy */
  report?(failure: string | undefined): void;
}

export interface GroupProbeRun {
  /** Resolves when the control plane has told of the group, or has not for a while. */
  readonly told: Promise<void>;
  close(): void;
}

const FIRST_BACK_OFF_MS = 500;
const MAX_BACK_OFF_MS = 30_000;
const TOLD_TIMEOUT_MS = 15_000;
/** gRPC statuses. */
const INVALID_ARGUMENT = 3;
const INTERNAL = 13;

const groupType = resourceTypes.workloadGroup.typeUrl;
const UNKNOWN = 'what its group has to say is not known yet';
const NOT_YET = 'the probe of its group has not passed yet';

/**
 * Begins at once, and comes back to a control plane that was away. Where the group has no probe the workload is
 * healthy; where it is edited the new probe counts from then on.
 */
export function startGroupProbe(settings: GroupProbeSettings): GroupProbeRun {
  const probing = new Probing(settings);
  probing.connect();
  return probing;
}

class Probing implements GroupProbeRun {
  readonly told: Promise<void>;
  readonly #settings: GroupProbeSettings;
  readonly #heard = Promise.withResolvers<void>();
  readonly #patience: NodeJS.Timeout;
  #stream: MessageStream<DiscoveryRequest> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #backOffMs = FIRST_BACK_OFF_MS;
  #health: ContainerHealth | undefined;
  /** JSON of the probe that is done. */
  #probe: string | undefined;
  /** Undefined: it is healthy. */
  #failure: string | undefined = UNKNOWN;
  #closed = false;

  constructor(settings: GroupProbeSettings) {
    this.#settings = settings;
    this.told = this.#heard.promise;
    this.#patience = setTimeout(() => {
      settings.log.warn('probe.group-not-told', { seconds: TOLD_TIMEOUT_MS / 1000 });
      this.#heard.resolve();
    }, TOLD_TIMEOUT_MS);
  }

  connect(): void {
    const { transport, node } = this.#settings;
    this.#stream = transport.stream(AggregatedDiscoveryService.method.streamAggregatedResources, {
      onMessage: (response) => this.#receive(response),
      onEnd: ({ code, detail }) => this.#ended(code, detail),
    });
    // Health before anything else: nobody is to call it because of what is not yet known.
    const health = this.#healthRequest();
    if (health !== undefined) health.node = node;
    const ask = create(DiscoveryRequestSchema, { typeUrl: groupType });
    if (health === undefined) ask.node = node;
    for (const request of [health, ask]) if (request !== undefined) this.#stream.send(request);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#patience);
    clearTimeout(this.#retry);
    this.#heard.resolve();
    this.#health?.ended();
    this.#stream?.cancel();
  }

  #ended(code: number, detail: string): void {
    this.#stream = undefined;
    if (this.#closed) return;
    const waitMs = Math.ceil(this.#backOffMs * (0.5 + Math.random() / 2));
    this.#backOffMs = Math.min(this.#backOffMs * 2, MAX_BACK_OFF_MS);
    this.#settings.log.warn('probe.disconnected', { code, detail, retryMs: waitMs });
    this.#retry = setTimeout(() => this.connect(), waitMs);
  }

  #receive({ typeUrl, nonce, versionInfo, resources }: DiscoveryResponse): void {
    if (this.#closed || typeUrl !== groupType) return;
    this.#backOffMs = FIRST_BACK_OFF_MS;
    const answer = { typeUrl, responseNonce: nonce, versionInfo };
    const [any] = resources;
    // A group that is gone takes nobody with it.
    const decoded = any && decodeResource('workloadGroup', any);
    const problem =
      decoded?.ok === false ? decoded.detail : this.#adopt(decoded?.message.probe, decoded !== undefined);
    const errorDetail =
      problem === undefined ? {} : { errorDetail: { code: INVALID_ARGUMENT, message: problem } };
    this.#stream?.send(create(DiscoveryRequestSchema, { ...answer, ...errorDetail }));
    clearTimeout(this.#patience);
    this.#heard.resolve();
  }

  /** @returns why it cannot be done */
  #adopt(probe: ReadinessProbe | undefined, known: boolean): string | undefined {
    if (!known) return undefined;
    const text = probe === undefined ? '' : toJsonString(ReadinessProbeSchema, probe);
    if (text === this.#probe) return undefined;
    const plan = probe && planOf(probe);
    if (probe !== undefined && plan === undefined)
      return 'the probe says neither httpGet, tcpSocket, exec nor grpc';
    this.#probe = text;
    this.#health?.ended();
    this.#health = undefined;
    if (plan === undefined) {
      this.#say(undefined);
      return undefined;
    }
    this.#settings.log.info('probe.started', { kind: plan.action.kind, periodMs: plan.periodMs });
    const health = new ContainerHealth(
      { readiness: plan },
      {
        perform: (action, limit) => performProbe(action, this.#settings.target, limit),
        onChange: () => this.#say(health.ready ? undefined : health.reason || NOT_YET),
        onFailed: () => {},
      },
    );
    this.#health = health;
    health.started();
    return undefined;
  }

  #say(failure: string | undefined): void {
    if (this.#closed || failure === this.#failure) return;
    this.#failure = failure;
    if (failure === undefined) this.#settings.log.info('probe.healthy');
    else this.#settings.log.warn('probe.unhealthy', { reason: failure });
    this.#settings.report?.(failure);
    const request = this.#healthRequest();
    if (request !== undefined) this.#stream?.send(request);
  }

  /** Undefined where somebody else tells. */
  #healthRequest(): DiscoveryRequest | undefined {
    if (this.#settings.report !== undefined) return undefined;
    const failure = this.#failure;
    return create(DiscoveryRequestSchema, {
      typeUrl: healthInformationType,
      ...(failure !== undefined && { errorDetail: { code: INTERNAL, message: failure } }),
    });
  }
}

/** Undefined where it does not say how. */
function planOf(probe: ReadinessProbe): ProbePlan | undefined {
  const action = actionOf(probe);
  if (action === undefined) return undefined;
  return {
    action,
    initialDelayMs: probe.initialDelaySeconds * 1000,
    periodMs: probe.periodSeconds * 1000,
    timeoutMs: probe.timeoutSeconds * 1000,
    successThreshold: probe.successThreshold,
    failureThreshold: probe.failureThreshold,
  };
}

function actionOf({ healthCheckMethod: method }: ReadinessProbe): PlannedAction | undefined {
  const at = (host: string): { host?: string } => (host === '' ? {} : { host });
  switch (method.case) {
    case 'httpGet': {
      const { path, port, host, scheme, httpHeaders } = method.value;
      const headers = httpHeaders.map(({ name, value }) => ({ name, value }));
      return {
        kind: 'httpGet',
        path,
        port,
        ...at(host),
        scheme: scheme === 'HTTPS' ? 'HTTPS' : 'HTTP',
        headers,
      };
    }
    case 'tcpSocket':
      return { kind: 'tcpSocket', port: method.value.port, ...at(method.value.host) };
    case 'exec':
      return { kind: 'exec', command: method.value.command };
    case 'grpc':
      return { kind: 'grpc', port: method.value.port, service: method.value.service };
    case undefined:
      return undefined;
  }
}
