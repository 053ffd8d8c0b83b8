/** `heddle validate`: everything that is wrong with YAML files, without running anything. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { hasErrors, type Problem } from '#core/problem.ts';
import type { SourceText } from '#model/load.ts';
import type { CliCommand, CliContext } from '../catalogue.ts';
import { CliError, EXIT_DATA, EXIT_USAGE } from '../exit.ts';
import { lookIntoTexts } from '../look-into.ts';
import { lineDiff } from '../render/diff.ts';
import { addOutputOption, type OutputFormat, printData } from '../render/output.ts';
import { problemCount, problemLines } from '../render/problem.ts';
import { readTexts, STANDARD_INPUT } from '../yaml-files.ts';

interface ValidateOptions {
  readonly output: OutputFormat;
  readonly allowUnsupported: readonly string[];
  readonly fix?: boolean;
  readonly dryRun?: boolean;
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
      .option('--fix', 'repair in the files what is certain, and print what was changed')
      .option('--dry-run', 'with --fix: only print it')
      .addHelpText(
        'after',
        `
Examples:
  heddle validate reviews.yaml
  heddle validate manifests/ heddle.yaml
  heddle validate --fix --dry-run manifests/
  kubectl get virtualservices -o yaml | heddle validate -
  heddle validate -o json manifests/ | jq '.problems[].message'

Ends with 0 when there are no errors (warnings are fine), ${EXIT_DATA} when there are.`,
      )
      .action((files: readonly string[], options: ValidateOptions) => validate(files, options, context));
  },
};

async function validate(
  files: readonly string[],
  { output, allowUnsupported, fix = false, dryRun = false }: ValidateOptions,
  { planes, terminal, exit }: CliContext,
): Promise<void> {
  const { loadDocuments } = await import('#model/load.ts');
  const { isKnownKind } = await import('#model/document.ts');
  const unknown = allowUnsupported.find((kind) => !isKnownKind(kind));
  if (unknown !== undefined) {
    const advice = 'It takes names of kinds, such as AuthorizationPolicy.';
    throw new CliError(`There is no kind ${JSON.stringify(unknown)}`, { advice, exitCode: EXIT_USAGE });
  }
  if (dryRun && !fix) throw new CliError('--dry-run goes with --fix', { exitCode: EXIT_USAGE });
  const read = files.flatMap((file) => readTexts(file));
  const repairs = fix ? await repair(read, dryRun) : [];
  const texts = fix ? repairs.map(({ file, after }) => ({ file, text: after })) : read;
  const lookInto = await lookIntoTexts(texts, planes);
  const { problems, resources } = loadDocuments(texts, { allowUnsupported, ...lookInto });
  const valid = !hasErrors(problems);
  const repaired = repairs.flatMap(({ problems: mended }) => mended);
  const data = { valid, documents: resources.length, problems, ...(fix && { repaired }) };
  await printData(terminal, output, data, () => {
    const textOf = new Map(texts.map(({ file, text }) => [file, text]));
    const lines = problems.flatMap((problem) =>
      problemLines(problem, terminal.outColour, (file) => textOf.get(file)),
    );
    const documents = `${resources.length} good document${resources.length === 1 ? '' : 's'}`;
    const mark = valid ? terminal.outColour.good('✔') : terminal.outColour.bad('✘');
    const diffs = repairs.flatMap(({ file, before, after }) =>
      lineDiff(file, before, after, terminal.outColour),
    );
    return [...diffs, ...lines, `${mark} ${[documents, problemCount(problems) ?? 'no problems'].join(', ')}`];
  });
  if (!valid) exit(EXIT_DATA);
}

interface FileRepair {
  readonly file: string;
  readonly before: string;
  readonly after: string;
  /** What was wrong. */
  readonly problems: readonly Problem[];
}

async function repair(texts: readonly SourceText[], dryRun: boolean): Promise<FileRepair[]> {
  const { repairText } = await import('#model/fix/repair.ts');
  if (!dryRun && texts.some(({ file }) => file === STANDARD_INPUT)) {
    const advice = 'Name files, or see what would change: --dry-run';
    throw new CliError('--fix cannot change the standard input', { advice, exitCode: EXIT_USAGE });
  }
  const repairs = texts.map((source) => {
    const { text, problems } = repairText(source);
    return { file: source.file, before: source.text, after: text, problems };
  });
  for (const { file, before, after } of repairs) {
    if (dryRun || before === after) continue;
    // What is no UTF-8 was not read as it is, and would not be written so.
    if (before.includes('\uFFFD')) throw new CliError(`${file} is not UTF-8, so it is left as it is`);
    writeFileSync(file, after);
  }
  return repairs;
}
