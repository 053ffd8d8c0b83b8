/** What all connections of one `tcp_proxy` share while it is in force. */
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import type { TimerWheel } from '#core/timer-wheel.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { LimitedCount } from '../cluster/limited-count.ts';
import type { WriteLog } from '../hcm/access-log-settings.ts';
import type { DuplicateDescriptor } from './inlet.ts';
import type { RelayDeps } from './relay.ts';
import type { TcpSettings } from './settings.ts';
import type { TcpStats } from './stats.ts';

export interface TcpRuntime {
  readonly settings: TcpSettings;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly connecting: RelayDeps;
  readonly writeLog: WriteLog;
  readonly stats: TcpStats;
  readonly duplicateDescriptor: DuplicateDescriptor | undefined;
  readonly secondDescriptors: LimitedCount | undefined;
  /** Whether connections that look at it are to be closed. */
  draining: boolean;
  cluster(name: string): ClusterRuntime | undefined;
}
