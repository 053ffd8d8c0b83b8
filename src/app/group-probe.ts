/** Probes of members of WorkloadGroups, by the process that speaks for the workload. */
import type { GroupOptions } from '#cli/option/group.ts';
import { Watchdog } from '#host/watchdog.ts';
import type { Logger } from '#observe/log.ts';
import { controlTransport } from './control-channel.ts';
import { ownNode } from './introduce.ts';
import { type GroupProbeRun, startGroupProbe } from './probe/group-probe.ts';
import type { CommandPlace } from './probe/perform-probe.ts';
import type { WorkloadIdentity } from './workload-identity.ts';
import type { WorkloadPlace } from './workload-node.ts';

export interface GroupProbeParts {
  readonly place: WorkloadPlace;
  /** More metadata of the node. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** `HOST:PORT` of the control plane's TLS port. */
  readonly control: string;
  readonly identity: WorkloadIdentity;
  readonly log: Logger;
  /** See {@link GroupProbeSettings.report}. */
  report?(failure: string | undefined): void;
}

/** With its identity's first certificate in hand. Undefined: the workload is of no group. */
export function probeOfGroup(
  options: Partial<GroupOptions>,
  { place, metadata, control, identity, log, report }: GroupProbeParts,
): GroupProbeRun | undefined {
  const node = ownNode('agent', place, metadata);
  if (node.metadata?.AUTO_REGISTER_GROUP === undefined) return undefined;
  const { probeAddress = '127.0.0.1', probeDoorway, allowExecProbe = false } = options;
  const transport = controlTransport(control, identity);
  const watchdog = allowExecProbe ? new Watchdog() : undefined;
  const probe = startGroupProbe({
    node,
    transport,
    target: {
      address: probeAddress,
      ...(probeDoorway !== undefined && { doorway: probeDoorway }),
      commands: watchdog && here(watchdog),
    },
    log,
    ...(report !== undefined && { report }),
  });
  return {
    told: probe.told,
    close(): void {
      probe.close();
      transport.close();
      watchdog?.close();
    },
  };
}

/** As this process is. */
function here(watchdog: Watchdog): CommandPlace {
  const env = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return {
    inPlace: (spec) => spec,
    env: Object.fromEntries(env),
    workingDirectory: process.cwd(),
    watchdog,
  };
}
