/** What only shows when resources are seen together: names that lead nowhere. Warnings, never errors. */
import type { Problem } from '#core/problem.ts';
import type { Resource } from '../kinds.ts';
import { analyzeDelegates } from './delegates.ts';
import { analyzeDestinationPolicies } from './destination-policies.ts';
import { analyzeDestinationRules } from './destination-rules.ts';
import { analyzeIngresses } from './ingresses.ts';
import { analyzeServiceEntries } from './service-entries.ts';
import { analyzeServices } from './services.ts';
import { Surroundings } from './surroundings.ts';
import { analyzeVirtualServices } from './virtual-services.ts';
import { analyzeWorkloadEntries } from './workload-entries.ts';

type Analyzer = (surroundings: Surroundings) => readonly Problem[];

const analyzers: readonly Analyzer[] = [
  analyzeServices,
  analyzeServiceEntries,
  analyzeVirtualServices,
  analyzeDelegates,
  analyzeDestinationRules,
  analyzeDestinationPolicies,
  analyzeWorkloadEntries,
  analyzeIngresses,
];

export function analyze(resources: readonly Resource[]): readonly Problem[] {
  const surroundings = new Surroundings(resources);
  return analyzers.flatMap((analyzer) => analyzer(surroundings));
}
