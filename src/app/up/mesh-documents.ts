/** The documents of a mesh as they are now: what they ask for, or everything that is wrong with them. */
import { readFileSync } from 'node:fs';
import { problemCount, problemLines } from '#cli/render/problem.ts';
import type { Terminal } from '#cli/terminal.ts';
import type { TextFiles } from '#control/source/text-files.ts';
import { checkPatchValues } from '#control/translate/envoy-filter/value.ts';
import { hasErrors, type Problem } from '#core/problem.ts';
import { loadDocuments } from '#model/load.ts';
import { type PlanSettings, planMesh } from './plan.ts';
import type { MeshPlan } from './workload-plan.ts';

export interface MeshDocuments {
  /** Undefined when there are errors. */
  readonly plan: MeshPlan | undefined;
  readonly problems: readonly Problem[];
  /** What `--allow-unsupported` lets pass, such as `AuthorizationPolicy shop/deny-all`. */
  readonly notEnforced: readonly string[];
}

/** @param files as the control plane reads them: one rule for both what belongs to the mesh */
export function readMesh(
  files: TextFiles,
  allowUnsupported: readonly string[],
  settings: PlanSettings,
): MeshDocuments {
  const loaded = loadDocuments(files.texts, { allowUnsupported, lookInto: checkPatchValues });
  const problems = [...files.problems, ...loaded.problems];
  const notEnforced = [...new Set(loaded.allowed.map(({ resource, message }) => resource ?? message))];
  // Of half the documents half a mesh would be planned, and the rest of it stopped.
  if (hasErrors(problems)) return { plan: undefined, problems, notEnforced };
  const planned = planMesh(loaded.resources, settings);
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
