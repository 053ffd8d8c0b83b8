/** The documents of a mesh as they are now: what they ask for, or everything that is wrong with them. */
import { readFileSync } from 'node:fs';
import { problemCount, problemLines } from '#cli/render/problem.ts';
import type { Terminal } from '#cli/terminal.ts';
import { hasErrors, type Problem } from '#core/problem.ts';
import { loadDocuments } from '#model/load.ts';
import { readDocuments } from './documents.ts';
import { type PlanSettings, planMesh } from './plan.ts';
import type { MeshPlan } from './workload-plan.ts';

export interface MeshDocuments {
  /** Undefined when there are errors. */
  readonly plan: MeshPlan | undefined;
  readonly problems: readonly Problem[];
  /** What `--allow-unsupported` lets pass, such as `AuthorizationPolicy shop/deny-all`. */
  readonly notEnforced: readonly string[];
}

/** Throws a `CliError` for a path that is not there. */
export function loadMesh(
  paths: readonly string[],
  allowUnsupported: readonly string[],
  settings: PlanSettings,
): MeshDocuments {
  const { resources, problems, allowed } = loadDocuments(readDocuments(paths), { allowUnsupported });
  const notEnforced = [...new Set(allowed.map(({ resource, message }) => resource ?? message))];
  if (hasErrors(problems)) return { plan: undefined, problems, notEnforced };
  const planned = planMesh(resources, settings);
  return {
    plan: planned.ok ? planned.value : undefined,
    problems: [...problems, ...planned.problems],
    notEnforced,
  };
}

/** Shows problems with their lines, and how many there are. */
export function reportProblems(problems: readonly Problem[], terminal: Terminal): void {
  const shown = problems.filter(({ level }) => level !== 'info');
  for (const problem of shown) {
    for (const line of problemLines(problem, terminal.errColour, readSource)) terminal.err(line);
  }
  const count = problemCount(shown);
  if (count !== undefined) terminal.err(count);
}

function readSource(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
