/** `heddle sidecar`. Started by `heddle up`; by hand where there is no runner. */
import type { CliCommand } from '../catalogue.ts';
import { addDnsOptions, checkDnsOptions, type DnsOptions } from '../option/dns.ts';
import { addGroupOptions, checkGroupOptions, type GroupOptions } from '../option/group.ts';
import {
  addWorkloadProxyOptions,
  checkWorkloadProxyOptions,
  type WorkloadProxyOptions,
} from '../option/workload-proxy.ts';

export type SidecarOptions = WorkloadProxyOptions & DnsOptions & GroupOptions;

export const command: CliCommand = {
  name: 'sidecar',
  register(program, { planes, run }): void {
    const sidecar = program
      .command('sidecar')
      .summary('Run the proxy of one workload instance')
      .description(
        'Run the proxy of one workload instance: its certificate and configuration come from the control plane.',
      );
    addGroupOptions(addDnsOptions(addWorkloadProxyOptions(sidecar)))
      .addHelpText(
        'after',
        `
Example:
  heddle sidecar --control 127.1.0.1:15012 --root-ca root.pem --token-file token \\
    --name reviews-v1-0 --service-account reviews --address 127.1.1.1`,
      )
      .action((options: SidecarOptions) => {
        checkWorkloadProxyOptions(options);
        checkDnsOptions(options);
        checkGroupOptions(options);
        run(() => planes.sidecar(options));
      });
  },
};
