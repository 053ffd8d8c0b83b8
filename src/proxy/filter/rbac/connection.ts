/** Lets connections in by rules of who may do what, when their first bytes have come (Envoy, the network filter `rbac`). */
import { Timer, type TimerOwner, type TimerWheel } from '#core/timer-wheel.ts';
import type { AccessRecord, MetadataValue } from '#observe/access-record.ts';
import {
  RBAC_EnforcementType as Enforcement,
  type RBAC,
} from '#xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type { Findings } from '../../findings.ts';
import type { DataGuard } from '../../hcm/runtime.ts';
import type { AcceptedConnection } from '../../listen/accepted.ts';
import type { GuardSettings } from '../../listen/connection-gate.ts';
import { detailsOf, factsOf, LOG_KEY, LOG_NAMESPACE, type RbacRules, readRules } from './rules.ts';
import { joined, RbacStats } from './stats.ts';
import type { RbacSubject } from './subject.ts';

interface ConnectionRbac {
  readonly rules: RbacRules | undefined;
  readonly shadowRules: RbacRules | undefined;
  readonly shadowStatPrefix: string;
  /** Whether it decides anew whenever something comes. */
  readonly isContinuous: boolean;
  /** How long somebody who may not is held. */
  readonly delayMs: number;
}

/** Of the dynamic metadata, whatever the filter is called. */
const NAMESPACE = 'envoy.filters.network.rbac';
/** Envoy's, in `%DOWNSTREAM_LOCAL_CLOSE_REASON%`. */
const CLOSE_REASON = 'rbac_deny_close';

export function readConnectionRbac(config: RBAC, at: string, findings: Findings): GuardSettings {
  const { rules, shadowRules, statPrefix, shadowRulesStatPrefix: shadowStatPrefix } = config;
  const context = { http: false, findings };
  if (statPrefix === '') findings.error(`${at}.stat_prefix`, 'is missing');
  findings.refuse(`${at}.matcher`, config.matcher !== undefined);
  findings.refuse(`${at}.shadow_matcher`, config.shadowMatcher !== undefined);
  const settings: ConnectionRbac = {
    rules: rules && readRules(rules, `${at}.rules`, context),
    shadowRules: shadowRules && readRules(shadowRules, `${at}.shadow_rules`, context),
    shadowStatPrefix,
    isContinuous: config.enforcementType === Enforcement.CONTINUOUS,
    delayMs: findings.durationMs(`${at}.delay_deny`, config.delayDeny) ?? 0,
  };
  return {
    create(metrics, wheel) {
      const name = {
        path: `${joined(statPrefix)}rbac`,
        family: 'rbac',
        labels: { envoy_rbac_prefix: statPrefix.replace(/\.$/, '') },
      };
      const stats = new RbacStats(metrics, name, '', shadowStatPrefix);
      return (connection) => new RbacGuard(connection, settings, stats, wheel);
    },
  };
}

/** Of one connection. */
class RbacGuard implements DataGuard, TimerOwner {
  readonly #connection: AcceptedConnection;
  readonly #settings: ConnectionRbac;
  readonly #stats: RbacStats;
  readonly #wheel: TimerWheel;
  #timer: Timer | undefined = undefined;
  #judged = false;
  #denied = false;

  constructor(connection: AcceptedConnection, settings: ConnectionRbac, stats: RbacStats, wheel: TimerWheel) {
    this.#connection = connection;
    this.#settings = settings;
    this.#stats = stats;
    this.#wheel = wheel;
  }

  passes(record?: AccessRecord): boolean {
    if (this.#denied) return false;
    const { rules, shadowRules, isContinuous, shadowStatPrefix } = this.#settings;
    if (this.#judged && !isContinuous) return true;
    this.#judged = true;
    if (shadowRules !== undefined) {
      const judgement = shadowRules.judge(this.#subject(record));
      this.#stats.count(judgement.allowed, true);
      const prefix = `${shadowStatPrefix}shadow_`;
      const facts = factsOf(judgement, `${prefix}effective_policy_id`, `${prefix}engine_result`);
      this.#note(NAMESPACE, facts, record);
    }
    const judgement = rules?.judge(this.#subject(record));
    if (judgement === undefined) return true;
    const { allowed, policy, logs } = judgement;
    if (logs !== undefined) this.#note(LOG_NAMESPACE, { [LOG_KEY]: logs }, record);
    this.#stats.count(allowed, false);
    if (!allowed) this.#deny(policy, record);
    return allowed;
  }

  #subject(record: AccessRecord | undefined): RbacSubject {
    const facts = this.#connection;
    const { metadata, remoteAddress: downstreamRemoteAddress } = facts;
    return {
      ...{ facts, request: undefined, routeMetadata: undefined },
      record: record ?? { metadata, downstreamRemoteAddress },
    };
  }

  /** Requests are told nothing of what is known of their connection. */
  #note(namespace: string, fields: Record<string, MetadataValue>, record: AccessRecord | undefined): void {
    if (record === undefined) return;
    const { metadata } = record;
    record.metadata = { ...metadata, [namespace]: { ...metadata?.[namespace], ...fields } };
  }

  #deny(policy: string, record: AccessRecord | undefined): void {
    this.#denied = true;
    if (record !== undefined) {
      record.connectionTerminationDetails = detailsOf(policy);
      record.downstreamLocalCloseReason = CLOSE_REASON;
    }
    const { delayMs } = this.#settings;
    if (delayMs === 0) {
      this.onTimer();
      return;
    }
    this.#timer = new Timer(this, 0);
    this.#wheel.arm(this.#timer, delayMs);
  }

  onTimer(): void {
    this.#connection.served?.destroy();
    this.#connection.socket.destroy();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#wheel.disarm(this.#timer);
  }
}
