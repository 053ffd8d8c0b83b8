/**
 * The network filters that keep connections out, whatever ends their chain: when a connection comes
 * (gates), or when its bytes do (guards).
 */
import type { Any } from '@bufbuild/protobuf/wkt';
import { ConnectionLimitSchema } from '#xds/gen/envoy/extensions/filters/network/connection_limit/v3/connection_limit_pb.js';
import { LocalRateLimitSchema } from '#xds/gen/envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit_pb.js';
import { RBACSchema } from '#xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import { readBucket } from '../filter/local-ratelimit/settings.ts';
import { readConnectionRbac } from '../filter/rbac/connection.ts';
import type { Findings } from '../findings.ts';
import { flagOf } from '../runtime/fields.ts';
import { ConnectionLimit, ConnectionRate, type GateSettings, type GuardSettings } from './connection-gate.ts';

/** Neither where it is off, or wrong. */
interface Keeper {
  readonly gate?: GateSettings;
  readonly guard?: GuardSettings;
}

interface KeeperContext {
  readonly path: string;
  /** Name of the listener. */
  readonly listener: string;
  readonly deps: DataPathDeps;
}

type ReadKeeper = (any: Any | undefined, context: KeeperContext, findings: Findings) => Keeper;

/** By the names of their types. */
export const keepers: Readonly<Record<string, ReadKeeper>> = {
  [ConnectionLimitSchema.typeName]: readConnectionLimit,
  [LocalRateLimitSchema.typeName]: readConnectionRate,
  [RBACSchema.typeName](any, { path }, findings) {
    const message = findings.unpack(path, any, RBACSchema);
    return message === undefined ? {} : { guard: readConnectionRbac(message, path, findings) };
  },
};

function readConnectionLimit(
  any: Any | undefined,
  { path, deps }: KeeperContext,
  findings: Findings,
): Keeper {
  const message = findings.unpack(path, any, ConnectionLimitSchema);
  if (message === undefined) return {};
  const { statPrefix, maxConnections, delay } = message;
  if (statPrefix === '') findings.error(`${path}.stat_prefix`, 'is missing');
  if (maxConnections === undefined) findings.error(`${path}.max_connections`, 'is missing');
  else if (maxConnections === 0n) findings.error(`${path}.max_connections`, 'must not be 0');
  const delayMs = findings.durationMs(`${path}.delay`, delay) ?? 0;
  const isOn = flagOf(message.runtimeEnabled, deps.runtime);
  const limit = Number(maxConnections ?? 0);
  return {
    gate: {
      create: (metrics, countTo) =>
        new ConnectionLimit({ statPrefix, delayMs, isOn }, metrics, countTo(limit)),
    },
  };
}

function readConnectionRate(
  any: Any | undefined,
  { path, listener, deps }: KeeperContext,
  findings: Findings,
): Keeper {
  const message = findings.unpack(path, any, LocalRateLimitSchema);
  if (message === undefined) return {};
  const { statPrefix, tokenBucket, shareKey } = message;
  if (statPrefix === '') findings.error(`${path}.stat_prefix`, 'is missing');
  if (tokenBucket === undefined) {
    findings.error(`${path}.token_bucket`, 'is missing');
    return {};
  }
  const owner = shareKey === '' ? `of ${listener} ${path}` : `shared by ${shareKey}`;
  const bucket = readBucket(tokenBucket, `${path}.token_bucket`, `connections ${owner}`, deps, findings);
  const isOn = flagOf(message.runtimeEnabled, deps.runtime);
  return { gate: { create: (metrics) => new ConnectionRate({ statPrefix, bucket, isOn }, metrics) } };
}
