/** `heddle proxy-status`, alias `ps`: istioctl's classic columns, always with the age of each state. */
import { ApiError, apiClient } from '#api/client.ts';
import { type ConfigReport, discoveryServices, type ProxyStatus, type TypeStatus } from '#api/contract.ts';
import type { CliCommand } from '../catalogue.ts';
import { CliError } from '../exit.ts';
import { findMesh, type MeshChoice } from '../mesh-state.ts';
import { addMeshOptions } from '../option/mesh-choice.ts';
import type { Colour } from '../render/colour.ts';
import { addOutputOption, type OutputFormat, printData } from '../render/output.ts';
import { humanDuration, table } from '../render/table.ts';

interface StatusOptions extends MeshChoice {
  readonly output: OutputFormat;
}

export const command: CliCommand = {
  name: 'proxy-status',
  register(program, { terminal }): void {
    const status = program
      .command('proxy-status')
      .alias('ps')
      .summary('Show which proxy has which configuration, how old, and who refused what')
      .description(
        `Show for every proxy how far it is with each type of configuration, and since when:
SYNCED    it runs the newest there is
STALE     there is something newer that it has not accepted yet
NACK      it refused the newest and runs what it had; the reason is below the table
NOT SENT  it asked, and there is nothing
IGNORED   it never asked`,
      )
      .argument('[proxy]', 'only this one, as NAME or NAME.NAMESPACE');
    addOutputOption(addMeshOptions(status))
      .addHelpText('after', '\nExamples:\n  heddle ps\n  heddle ps reviews-v1-1\n  heddle ps -o json')
      .action(async (proxy: string | undefined, options: StatusOptions) => {
        const { mesh } = findMesh(options);
        const api = apiClient(mesh.apiUrl);
        const [proxies, config] = await ask(() => Promise.all([api.proxies(), api.config()]));
        const shown = proxies.filter((one) => proxy === undefined || names(one, proxy));
        if (proxy !== undefined && shown.length === 0) {
          throw new CliError(`no proxy called ${proxy} is connected`, {
            advice: `Connected: ${proxies.map((one) => one.proxy).join(', ') || 'none'}`,
          });
        }
        await printData(terminal, options.output, shown, () => statusLines(shown, terminal.outColour));
        for (const line of configLines(config)) terminal.err(`${terminal.errColour.warn('‼')} ${line}`);
      });
  },
};

/** Calls of the API, with what to do when nobody answers. */
export async function ask<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new CliError(error.message, {
      advice: 'Is the mesh still up? Start it with: heddle up PATH\nWhat it says: heddle logs control',
      cause: error,
    });
  }
}

function names({ proxy }: ProxyStatus, word: string): boolean {
  return proxy === word || proxy.startsWith(`${word}.`);
}

/** The table, and below it the text of every refusal. */
export function statusLines(proxies: readonly ProxyStatus[], colour: Colour): string[] {
  const sorted = proxies.toSorted((a, b) => (a.proxy < b.proxy ? -1 : 1));
  const headers = ['NAME', 'CLUSTER', ...discoveryServices, 'CONTROL', 'VERSION'];
  const rows = sorted.map(({ proxy, clusterId, types, controlPlane, version }) => [
    proxy,
    clusterId,
    ...discoveryServices.map((service) => stateCell(types[service], colour)),
    controlPlane,
    version,
  ]);
  const refusals = sorted.flatMap(({ proxy, types }) =>
    discoveryServices
      .filter((service) => types[service].state === 'NACK')
      .map(
        (service) =>
          `${colour.bad('✘')} ${proxy} refuses ${service}: ${types[service].error ?? 'no reason given'}`,
      ),
  );
  const warnings = sorted.flatMap(({ proxy, registration }) =>
    registration?.warning === undefined ? [] : [`${colour.warn('‼')} ${proxy}: ${registration.warning}`],
  );
  const notes = [...refusals, ...warnings];
  return [...table(headers, rows), ...(notes.length > 0 ? ['', ...notes] : [])];
}

function stateCell({ state, ageSeconds }: TypeStatus, colour: Colour): string {
  if (state === 'NOT SENT' || state === 'IGNORED') return colour.dim(state);
  const text = `${state} (${humanDuration(ageSeconds * 1_000)})`;
  if (state === 'SYNCED') return colour.good(text);
  return state === 'STALE' ? colour.warn(text) : colour.bad(text);
}

function configLines({ problems, allowedUnsupported }: ConfigReport): string[] {
  const errors = problems.filter(({ level }) => level === 'error').length;
  return [
    ...(errors === 0
      ? []
      : [
          `the files have ${errors} error${errors === 1 ? '' : 's'}: the last good version of what is broken is in force (heddle validate PATH)`,
        ]),
    ...allowedUnsupported.map((kind) => `NOT ENFORCED (--allow-unsupported): ${kind}`),
  ];
}
