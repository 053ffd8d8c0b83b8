/** `heddle bootstrap`. */
import { Option } from 'commander';
import type { CliCommand } from '../catalogue.ts';
import type { MeshChoice } from '../mesh-state.ts';
import { addMeshOptions } from '../option/mesh-choice.ts';
import type { Terminal } from '../terminal.ts';

export interface BootstrapOptions extends MeshChoice {
  readonly for: 'envoy' | 'grpc';
  /** Name of an instance, or of a workload: its first instance. */
  readonly workload: string;
  readonly terminal: Terminal;
}

export const command: CliCommand = {
  name: 'bootstrap',
  register(program, { planes, terminal, exit }): void {
    const bootstrap = program
      .command('bootstrap')
      .summary('Write the bootstrap file for an Envoy or a gRPC client of the mesh')
      .description(
        `Print the bootstrap with which an Envoy, or an application that speaks gRPC's xDS, takes the place of
an instance of a running mesh. Certificates come from the agent beside it (\`sidecar: envoy\` in the
LocalMesh, or the annotation inject.istio.io/templates: grpc-agent).`,
      )
      .argument('<workload>', 'such as storefront, storefront-1 or storefront-1.default')
      .addOption(
        new Option('--for <client>', 'what is to read it').choices(['envoy', 'grpc']).makeOptionMandatory(),
      );
    addMeshOptions(bootstrap)
      .addHelpText(
        'after',
        `
Examples:
  heddle bootstrap --for envoy storefront > envoy.json && envoy -c envoy.json
  GRPC_XDS_BOOTSTRAP_CONFIG="$(heddle bootstrap --for grpc storefront)" node client.js`,
      )
      .action(async (workload: string, options: Omit<BootstrapOptions, 'workload' | 'terminal'>) => {
        exit(await planes.bootstrap({ ...options, workload, terminal }));
      });
  },
};
