/** `heddle validate`: everything that is wrong with YAML files, without running anything. */
import type { Command } from 'commander';
import { hasErrors } from '#core/problem.ts';
import type { CliCommand, CliContext } from '../catalogue.ts';
import { CliError, EXIT_DATA, EXIT_USAGE } from '../exit.ts';
import { addOutputOption, type OutputFormat, printData } from '../render/output.ts';
import { problemCount, problemLines } from '../render/problem.ts';
import { readTexts } from '../yaml-files.ts';

interface ValidateOptions {
  readonly output: OutputFormat;
  readonly allowUnsupported: readonly string[];
}

export const command: CliCommand = {
  name: 'validate',
  register(program: Command, context: CliContext): void {
    addOutputOption(program.command('validate').summary('Check YAML files without running anything'))
      .description(
        'Check Kubernetes, Istio and LocalMesh documents: syntax, fields, names that lead nowhere.',
      )
      .argument('<files...>', 'files, folders of .yaml files, or - for standard input')
      .option('--allow-unsupported <kinds...>', 'kinds whose unsupported parts are let pass', [])
      .addHelpText(
        'after',
        `
Examples:
  heddle validate reviews.yaml
  heddle validate manifests/ heddle.yaml
  kubectl get virtualservices -o yaml | heddle validate -
  heddle validate -o json manifests/ | jq '.problems[].message'

Ends with 0 when there are no errors (warnings are fine), ${EXIT_DATA} when there are.`,
      )
      .action((files: readonly string[], options: ValidateOptions) => validate(files, options, context));
  },
};

async function validate(
  files: readonly string[],
  { output, allowUnsupported }: ValidateOptions,
  { terminal, exit }: CliContext,
): Promise<void> {
  const { loadDocuments } = await import('#model/load.ts');
  const { isKnownKind } = await import('#model/document.ts');
  const unknown = allowUnsupported.find((kind) => !isKnownKind(kind));
  if (unknown !== undefined) {
    const advice = 'It takes names of kinds, such as AuthorizationPolicy.';
    throw new CliError(`There is no kind ${JSON.stringify(unknown)}`, { advice, exitCode: EXIT_USAGE });
  }
  const texts = files.flatMap((file) => readTexts(file));
  const { problems, resources } = loadDocuments(texts, { allowUnsupported });
  const valid = !hasErrors(problems);
  await printData(terminal, output, { valid, documents: resources.length, problems }, () => {
    const textOf = new Map(texts.map(({ file, text }) => [file, text]));
    const lines = problems.flatMap((problem) =>
      problemLines(problem, terminal.outColour, (file) => textOf.get(file)),
    );
    const documents = `${resources.length} good document${resources.length === 1 ? '' : 's'}`;
    const mark = valid ? terminal.outColour.good('✔') : terminal.outColour.bad('✘');
    return [...lines, `${mark} ${[documents, problemCount(problems) ?? 'no problems'].join(', ')}`];
  });
  if (!valid) exit(EXIT_DATA);
}
