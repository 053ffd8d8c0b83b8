/** `-o table|json|yaml`: the same data for people and for scripts. */
import { type Command, Option } from 'commander';
import type { Terminal } from '../terminal.ts';

/** The forms every command that shows data knows. */
export const outputFormats = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** Adds `-o, --output`; the action finds it as `output`. */
export function addOutputOption(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'how to print').choices(outputFormats).default('table'),
  );
}

/**
 * Prints `data` as JSON or YAML, or the lines `forPeople` makes.
 *
 * @param data a plain value; what it holds is what scripts may rely on
 */
export async function printData(
  terminal: Terminal,
  format: OutputFormat,
  data: unknown,
  forPeople: () => readonly string[],
): Promise<void> {
  if (format === 'json') terminal.out(JSON.stringify(data, undefined, 2));
  else if (format === 'yaml') terminal.out(await yamlText(data));
  else for (const line of forPeople()) terminal.out(line);
}

async function yamlText(data: unknown): Promise<string> {
  const { dump } = await import('js-yaml');
  // By way of JSON, so that both forms hold the same (no undefined, no class instances).
  return dump(JSON.parse(JSON.stringify(data)), { lineWidth: -1, noRefs: true }).trimEnd();
}
