/** Sidecars and Telemetries: of each, a workload takes one (IST0101, 0110, 0111, 0159, 0160). */
import type { Analyzer } from '../analyzer.ts';
import type { Code } from '../codes.ts';
import type { AnalysisDocument } from '../document.ts';
import { type Message, message } from '../message.ts';
import { selectorOf, type Workload, type World } from '../world.ts';

interface Selecting {
  readonly group: string;
  readonly kind: string;
  readonly path: readonly string[];
  readonly conflict: Code;
  readonly several: Code;
}

const sidecar: Selecting = {
  group: 'networking.istio.io',
  kind: 'Sidecar',
  path: ['spec', 'workloadSelector'],
  conflict: 'IST0110',
  several: 'IST0111',
};

const telemetry: Selecting = {
  group: 'telemetry.istio.io',
  kind: 'Telemetry',
  path: ['spec', 'selector'],
  conflict: 'IST0159',
  several: 'IST0160',
};

export const sidecarSelectorAnalyzer: Analyzer = {
  name: 'sidecar.SelectorAnalyzer',
  description: 'Sidecars that select no workload, or one that another selects',
  codes: ['IST0101', 'IST0110'],
  analyze: (world) => selectorMessages(sidecar, world),
};

export const sidecarDefaultAnalyzer: Analyzer = {
  name: 'sidecar.DefaultSelectorAnalyzer',
  description: 'Several Sidecars for all workloads of a namespace',
  codes: ['IST0111'],
  analyze: (world) => defaultMessages(sidecar, world),
};

export const telemetrySelectorAnalyzer: Analyzer = {
  name: 'telemetry.SelectorAnalyzer',
  description: 'Telemetries that select no workload, or one that another selects',
  codes: ['IST0101', 'IST0159'],
  analyze: (world) => selectorMessages(telemetry, world),
};

export const telemetryDefaultAnalyzer: Analyzer = {
  name: 'telemetry.DefaultSelectorAnalyzer',
  description: 'Several Telemetries for all workloads of a namespace',
  codes: ['IST0160'],
  analyze: (world) => defaultMessages(telemetry, world),
};

function selectorMessages({ group, kind, path, conflict }: Selecting, world: World): Message[] {
  const messages: Message[] = [];
  const takers = new Map<Workload, AnalysisDocument[]>();
  for (const document of world.of(group, kind)) {
    const selector = selectorOf(document);
    if (selector === undefined) continue;
    const everywhere = kind === 'Telemetry' && document.namespace === world.rootNamespace;
    const workloads = world.selected(selector, everywhere ? undefined : document.namespace);
    if (workloads.length === 0)
      messages.push(message('IST0101', document, path, `selects no workload of ${document.namespace}`));
    for (const workload of workloads) takers.set(workload, [...(takers.get(workload) ?? []), document]);
  }
  const told = new Set<AnalysisDocument>();
  for (const [workload, documents] of takers) {
    if (documents.length < 2) continue;
    for (const document of documents.filter((one) => !told.has(one))) {
      told.add(document);
      const others = documents.filter((one) => one !== document).map(({ key }) => key);
      const text = `${workload.document.key} is selected by ${others.join(', ')} too: one of them has no effect`;
      messages.push(message(conflict, document, path, text));
    }
  }
  return messages;
}

function defaultMessages({ group, kind, several }: Selecting, world: World): Message[] {
  const unselecting = world
    .of(group, kind)
    .filter((one) => selectorOf(one) === undefined && one.spec.targetRefs === undefined);
  return [...Map.groupBy(unselecting, ({ namespace }) => namespace).values()].flatMap((same) =>
    same.length < 2
      ? []
      : same.map((document) => {
          const others = same.filter((one) => one !== document).map(({ key }) => key);
          const text = `${others.join(', ')} is for all workloads of the namespace too: one of them has no effect`;
          return message(several, document, ['metadata', 'name'], text);
        }),
  );
}
