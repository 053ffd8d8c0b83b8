/** `heddle gateway`. Started by `heddle up`; by hand where there is no runner. */
import type { CliCommand } from '../catalogue.ts';
import {
  addWorkloadProxyOptions,
  checkWorkloadProxyOptions,
  type WorkloadProxyOptions,
} from '../option/workload-proxy.ts';

export type GatewayOptions = WorkloadProxyOptions;

export const command: CliCommand = {
  name: 'gateway',
  register(program, { planes, run }): void {
    const gateway = program
      .command('gateway')
      .summary('Run an ingress gateway')
      .description('Run a gateway: its certificate and configuration come from the control plane.');
    addWorkloadProxyOptions(gateway)
      .addHelpText(
        'after',
        `
Example:
  heddle gateway --control 127.1.0.1:15012 --root-ca root.pem --token-file token \\
    --name ingress-0 --namespace istio-system --service-account istio-ingressgateway --address 127.1.0.2`,
      )
      .action((options: GatewayOptions) => {
        checkWorkloadProxyOptions(options);
        run(() => planes.gateway(options));
      });
  },
};
