/** `heddle analyze`: what does not fit together in YAML files, or in a running mesh. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Level } from '#core/problem.ts';
import type { AnalysisOptions, AnalysisReport, Finding } from '#model/analyze/report.ts';
import type { Suppression } from '#model/analyze/suppression.ts';
import type { SourceText } from '#model/load.ts';
import type { CliCommand, CliContext } from '../catalogue.ts';
import { CliError, EXIT_DATA, EXIT_USAGE } from '../exit.ts';
import { lookIntoTexts } from '../look-into.ts';
import type { MeshChoice } from '../mesh-state.ts';
import { meshTexts } from '../mesh-texts.ts';
import { addMeshOptions } from '../option/mesh-choice.ts';
import { printData } from '../render/output.ts';
import { problemCount, problemLines } from '../render/problem.ts';
import { table } from '../render/table.ts';
import type { Terminal } from '../terminal.ts';
import { readTexts } from '../yaml-files.ts';

const formats = ['text', 'log', 'json', 'yaml', 'junit', 'sarif'] as const;

interface AnalyzeOptions extends MeshChoice {
  readonly output: (typeof formats)[number];
  readonly failureThreshold: Level;
  readonly outputThreshold: Level;
  readonly suppress: readonly string[];
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly listAnalyzers?: boolean;
  readonly recursive?: boolean;
  readonly meshConfigFile?: string;
}

export const command: CliCommand = {
  name: 'analyze',
  register(program: Command, context: CliContext): void {
    const analyze = program
      .command('analyze')
      .summary('Find what does not fit together, in YAML files or in a running mesh')
      .description(
        "Look at documents together and say what does not fit, by Istio's codes and Heddle's own\n" +
          '(docs/reference/analysis.md). Without files, those that a running mesh has loaded; with files and\n' +
          '--mesh, the mesh as it would be with them.',
      )
      .argument('[files...]', 'files, folders of .yaml files, or - for standard input')
      .addOption(new Option('-o, --output <format>', 'how to print').choices(formats).default('text'))
      .option(
        '--failure-threshold <level>',
        'the least level at which it ends with a failure',
        level,
        'error',
      )
      .option('--output-threshold <level>', 'the least level that is printed', level, 'info')
      .option('-S, --suppress <what>', 'such as "IST0101=VirtualService reviews.default"', collect, [])
      .option('-n, --namespace <namespace>', 'only what is about this namespace')
      .option('-A, --all-namespaces', 'what is about any namespace (the default)')
      .option('-R, --recursive', 'read folders in folders too')
      .option('-L, --list-analyzers', 'list the analyzers and end')
      .option('--mesh-config-file <file>', "Istio's MeshConfig; else that of the ConfigMap istio");
    addMeshOptions(analyze)
      .addHelpText(
        'after',
        `
Examples:
  heddle analyze manifests/
  heddle analyze --failure-threshold Warning -o sarif manifests/ > analysis.sarif
  heddle analyze -S "IST0101=VirtualService *.staging" manifests/
  heddle analyze --mesh bookstore new-route.yaml

Ends with 0 when nothing reaches the threshold, ${EXIT_DATA} when something does, in every format.`,
      )
      .action((files: readonly string[], options: AnalyzeOptions) => run(files, options, context));
  },
};

async function run(files: readonly string[], options: AnalyzeOptions, context: CliContext): Promise<void> {
  const { terminal, exit } = context;
  if (options.listAnalyzers === true) return listAnalyzers(terminal);
  if (options.namespace !== undefined && options.allNamespaces === true)
    throw new CliError('--namespace and --all-namespaces exclude each other', { exitCode: EXIT_USAGE });
  const { analyzeTexts } = await import('#model/analyze/report.ts');
  const { parseText } = await import('#model/load.ts');
  const given = files.flatMap((file) => readTexts(file, options.recursive));
  const online = files.length === 0 || options.mesh !== undefined || options.state !== undefined;
  const texts = online ? await meshTexts(options, given) : given;
  const lookInto = await lookIntoTexts(texts, context.planes);
  const analysis = { ...(await analysisOptions(options, online)), ...lookInto };
  const report = analyzeTexts(texts.map(parseText), analysis);
  const shown = report.findings.filter(({ level: one }) => reaches(one, options.outputThreshold));
  const fails = ({ level: one }: Finding): boolean => reaches(one, options.failureThreshold);
  await print({ report: { ...report, findings: shown }, texts, fails, terminal, format: options.output });
  if (report.findings.some(fails)) exit(EXIT_DATA);
}

/** Heddle gives every workload a sidecar itself, which is not in its Pod. */
const ofIstiosInjector = ['injection.Analyzer', 'injection.ImageAnalyzer', 'injection.ImageAutoAnalyzer'];

async function analysisOptions(options: AnalyzeOptions, online: boolean): Promise<AnalysisOptions> {
  const { parseSuppression } = await import('#model/analyze/suppression.ts');
  const suppressions = options.suppress.map((written): Suppression => {
    const parsed = parseSuppression(written);
    if (parsed !== undefined) return parsed;
    throw new CliError(`--suppress ${JSON.stringify(written)} is not of the form CODE=KIND NAME.NAMESPACE`, {
      advice: 'Such as: --suppress "IST0101=VirtualService reviews.default"',
      exitCode: EXIT_USAGE,
    });
  });
  const meshConfig =
    options.meshConfigFile === undefined ? undefined : await readMeshConfig(options.meshConfigFile);
  return {
    suppressions,
    ...(meshConfig !== undefined && { meshConfig }),
    ...(options.namespace !== undefined && { namespace: options.namespace }),
    ...(online && { without: ofIstiosInjector }),
  };
}

async function readMeshConfig(file: string): Promise<NonNullable<AnalysisOptions['meshConfig']>> {
  const { parseText } = await import('#model/load.ts');
  const { documents, problems } = parseText(readTexts(file)[0] ?? { file, text: '' }).yaml;
  const value = documents[0]?.value;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (problems.length === 0 && documents.length === 1 && isObject) return value as Record<string, unknown>;
  throw new CliError(`${file} is no MeshConfig: ${problems[0]?.message ?? 'one object is expected'}`, {
    exitCode: EXIT_DATA,
  });
}

interface Printed {
  readonly report: AnalysisReport;
  readonly texts: readonly SourceText[];
  readonly fails: (finding: Finding) => boolean;
  readonly terminal: Terminal;
  readonly format: AnalyzeOptions['output'];
}

async function print({ report, texts, fails, terminal, format }: Printed): Promise<void> {
  const { findings } = report;
  if (format === 'junit') {
    const { junitXml } = await import('../render/analysis/junit.ts');
    const files = texts.map(({ file }) => file);
    terminal.out(junitXml(findings, files, fails));
  } else if (format === 'sarif') {
    const { sarifLog } = await import('../render/analysis/sarif.ts');
    terminal.out(JSON.stringify(sarifLog(findings), undefined, 2));
  } else if (format === 'json' || format === 'yaml') {
    const { plainFinding } = await import('../render/analysis/plain.ts');
    await printData(terminal, format, findings.map(plainFinding), () => []);
  } else for (const line of textLines(report, texts, terminal)) terminal.out(line);
}

function textLines(
  { findings, documents }: AnalysisReport,
  texts: readonly SourceText[],
  { outColour }: Terminal,
): string[] {
  const textOf = new Map(texts.map(({ file, text }) => [file, text]));
  const lines = findings.flatMap((finding) => [
    ...problemLines(finding, outColour, (file) => textOf.get(file)),
    outColour.dim(`  see ${finding.documentation}`),
  ]);
  const errors = findings.some((finding) => finding.level === 'error');
  const infos = findings.filter((finding) => finding.level === 'info').length;
  const counts = [problemCount(findings), infos === 0 ? undefined : `${infos} info`];
  const what = counts.filter((count) => count !== undefined).join(', ');
  const mark = errors ? outColour.bad('✘') : outColour.good('✔');
  const looked = `${documents} document${documents === 1 ? '' : 's'}`;
  return [...lines, `${mark} ${looked}, ${what === '' ? 'nothing found' : what}`];
}

async function listAnalyzers(terminal: Terminal): Promise<void> {
  const { istioAnalyzers } = await import('#model/analyze/istio/catalogue.ts');
  const rows = istioAnalyzers.map(({ name, codes, description }) => [name, codes.join(' '), description]);
  for (const line of table(['ANALYZER', 'CODES', 'FINDS'], rows)) terminal.out(line);
}

const order: readonly Level[] = ['info', 'warning', 'error'];

function reaches(one: Level, threshold: Level): boolean {
  return order.indexOf(one) >= order.indexOf(threshold);
}

function level(written: string): Level {
  const found = order.find((one) => one === written.toLowerCase());
  if (found === undefined) throw new InvalidArgumentError('It takes Error, Warning or Info.');
  return found;
}

function collect(written: string, before: readonly string[]): readonly string[] {
  return [...before, written];
}
