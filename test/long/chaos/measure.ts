/** Rounds of scenarios with both proxies, interleaved so that what disturbs the host disturbs both. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Figures, figuresOf } from './figures.ts';
import type { Sample } from './load.ts';
import { type Command, type ProxyName, proxyNames } from './proxy.ts';
import { runScenario } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';

/** What the rounds of a scenario gave. */
export interface Measured {
  readonly scenario: Scenario;
  readonly figures: Readonly<Record<ProxyName, readonly Figures[]>>;
}

export interface Asked {
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly commands: Readonly<Record<ProxyName, Command>>;
  progress(text: string): void;
}

export async function measure({ scenarios, rounds, commands, progress }: Asked): Promise<Measured[]> {
  const measured = scenarios.map((scenario) => ({
    scenario,
    figures: { envoy: [] as Figures[], heddle: [] as Figures[] },
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { scenario, figures } of measured) {
      const order = round % 2 === 0 ? proxyNames : proxyNames.toReversed();
      for (const name of order) {
        const samples = await runOnce(scenario, commands[name]);
        const found = figuresOf(scenario, samples);
        figures[name].push(found);
        progress(`${round + 1}/${rounds} ${scenario.name} ${name}: ${told(found)} ${failuresOf(samples)}`);
      }
    }
  }
  return measured;
}

/** In a folder that is gone afterwards. */
export async function runOnce(scenario: Scenario, command: Command): Promise<Sample[]> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-chaos-'));
  try {
    return await runScenario(scenario, command, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

const told = ({ success, duringP99Ms, afterP99Ms, recoveryMs, lateP99Ms }: Figures): string =>
  `${(success * 100).toFixed(2)} %, p99 ${duringP99Ms.toFixed(1)} and ${afterP99Ms.toFixed(1)} ms, recovery ${recoveryMs} ms, load late by ${lateP99Ms.toFixed(1)} ms`;

/** Such as `3 × status 503`; empty where every request was answered. */
export function failuresOf(samples: readonly Sample[]): string {
  const failed = samples.filter(({ failure }) => failure !== undefined);
  return [...Map.groupBy(failed, ({ failure }) => failure)]
    .map(([kind, of]) => {
      const times = of.map(({ dueMs }) => dueMs);
      const span = `${(Math.min(...times) / 1000).toFixed(1)}–${(Math.max(...times) / 1000).toFixed(1)} s`;
      return `${of.length} × ${kind} (${span})`;
    })
    .join(', ');
}
