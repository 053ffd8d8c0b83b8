/** `heddle version`. */
import { HEDDLE_VERSION } from '#core/version.ts';
import type { CliCommand } from '../catalogue.ts';
import { addOutputOption, type OutputFormat, printData } from '../render/output.ts';

export const command: CliCommand = {
  name: 'version',
  register(program, { terminal }): void {
    addOutputOption(program.command('version').summary('Print the version'))
      .description('Print the version of heddle and of the Node that runs it.')
      .addHelpText('after', '\nExamples:\n  heddle version\n  heddle version -o json')
      .action(async ({ output }: { output: OutputFormat }) => {
        const version = { heddle: HEDDLE_VERSION, node: process.versions.node };
        await printData(terminal, output, version, () => [
          `heddle ${version.heddle} (node ${version.node}, ${process.platform}-${process.arch})`,
        ]);
      });
  },
};
