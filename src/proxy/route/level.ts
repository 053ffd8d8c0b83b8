/** What the parts of a route table are compiled with. */
import type { Findings } from '../findings.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import type { DataReader } from '../tls/data-source.ts';
import type { RouteFilterDeps } from './filter-config.ts';
import type { MirrorPolicy } from './mirror-policy.ts';
import type { RouteStats } from './route-stats.ts';

/** What route tables are made with, those of filters too. */
export interface RouteDeps extends RouteFilterDeps, DataReader {
  /** Absent: nothing is set. */
  readonly runtime?: RuntimeValues;
}

/** Of one table. */
export interface TableContext {
  readonly deps: RouteDeps;
  readonly runtime: RuntimeValues;
  readonly findings: Findings;
  readonly maxBodyBytes: number;
  /** Takes those of its virtual clusters and routes. */
  readonly figures: RouteStats[];
  /** Of the plugins that the table names: those that may be left out. */
  readonly optionalPlugins: ReadonlySet<string>;
}

/** Of one virtual host. */
export interface HostContext extends TableContext {
  /** Of the host, or of the table where it has none. */
  readonly mirrors: readonly MirrorPolicy[];
}
