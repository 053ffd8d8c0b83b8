/** How the proxy of a workload runs: what Istio's MeshConfig, its ProxyConfigs and an annotation say. */

import type { Problem } from '#core/problem.ts';
import { type Path, Report } from '#model/decode/decoder.ts';
import { keyOf, type Resource } from '#model/kinds.ts';
import type { MeshSettings } from '#model/mesh-settings.ts';
import type { Labels } from '#model/metadata.ts';
import { configuredOptions, type ProxyConfig } from '#model/proxy-config.ts';
import {
  annotatedOptions,
  mergedOptions,
  type ProxyOptions,
  proxyConfigAnnotation,
} from '#model/proxy-options.ts';
import type { Workload } from '#model/workload.ts';

/** What a proxy is started with. */
export interface ProxyPlan {
  /** 0: one for each processor; absent: one. */
  readonly threads?: number;
  /** What connections get to finish when it stops. */
  readonly drainSeconds: number;
  readonly env: Readonly<Record<string, string>>;
  /** Absent: what an annotation says, or REDIRECT. */
  readonly interceptionMode?: NonNullable<ProxyOptions['interceptionMode']>;
}

/** Istio's `terminationDrainDuration`. */
const DRAIN_SECONDS = 5;

/** Where nobody says anything. */
export const usualProxy: ProxyPlan = { drainSeconds: DRAIN_SECONDS, env: {} };

export class ProxyTable {
  readonly #settings: MeshSettings;
  readonly #configs: readonly ProxyConfig[];

  constructor(settings: MeshSettings, resources: readonly Resource[]) {
    this.#settings = settings;
    this.#configs = resources.filter((one): one is ProxyConfig => one.kind === 'ProxyConfig');
  }

  /** @param path of the annotations of its Pods */
  plan(
    workload: Workload,
    { annotations, labels }: { readonly annotations: Labels; readonly labels: Labels },
    path: Path,
    problems: Problem[],
  ): ProxyPlan {
    const { namespace = 'default' } = workload.metadata;
    const { proxyOptions, rootNamespace } = this.#settings;
    const options = mergedOptions([
      proxyOptions,
      configuredOptions(this.#configs, { namespace, labels }, rootNamespace),
      annotated(workload, annotations[proxyConfigAnnotation], [...path, proxyConfigAnnotation], problems),
    ]);
    const { concurrency, terminationDrainDuration: drainMs, proxyMetadata = {}, interceptionMode } = options;
    return {
      ...(concurrency !== undefined && { threads: concurrency }),
      drainSeconds: drainMs === undefined ? usualProxy.drainSeconds : Math.ceil(drainMs / 1_000),
      env: proxyMetadata,
      ...(interceptionMode !== undefined && { interceptionMode }),
    };
  }
}

function annotated(
  workload: Workload,
  written: string | undefined,
  path: Path,
  problems: Problem[],
): ProxyOptions | undefined {
  if (written === undefined) return undefined;
  const report = new Report({
    resource: keyOf(workload),
    positionOf: (place) => workload.origin.positionOf(place) ?? workload.origin.start,
    allowUnsupported: false,
  });
  const options = annotatedOptions(written, path, report);
  problems.push(...report.problems);
  return options;
}
