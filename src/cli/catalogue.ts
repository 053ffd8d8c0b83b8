/**
 * Every command of the program. A command's file is loaded only when it is asked for, so that
 * `heddle version` pays for nothing else; name and summary here are what the full help shows.
 */
import type { Command } from 'commander';
import type { Planes } from './planes.ts';
import type { Terminal } from './terminal.ts';

/** What a command may use. */
export interface CliContext {
  readonly planes: Planes;
  readonly terminal: Terminal;
  /** Runs a plane once the command line is read; resolves to the code the process ends with. */
  run(plane: () => Promise<number>): void;
  /** Sets the code the process ends with; the first one that is not 0 stays. */
  exit(code: number): void;
}

/** One command: its file exports it as `command`. */
export interface CliCommand {
  /** As typed, equal to the name in the catalogue. */
  readonly name: string;
  /** Adds the command, its options, examples and action to `program`. */
  register(program: Command, context: CliContext): void;
}

/** Adds to `program` what the words may need. */
export type Register = (
  program: Command,
  words: readonly string[],
  context: CliContext,
) => void | Promise<void>;

/** A command that may not have been loaded. */
export interface CataloguedCommand {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  /** Started by other commands alone: the full help does not show it. */
  readonly hidden?: boolean;
  load(): Promise<{ readonly command: CliCommand }>;
}

/** In the order the help shows them: what a newcomer types first stands first. */
export const commands: readonly CataloguedCommand[] = [
  {
    name: 'up',
    aliases: [],
    summary: 'Run a whole mesh on this machine from YAML files',
    load: () => import('./command/up.ts'),
  },
  {
    name: 'run',
    aliases: [],
    summary: 'Run one program of this host in a mesh',
    load: () => import('./command/run.ts'),
  },
  {
    name: 'validate',
    aliases: [],
    summary: 'Check YAML files without running anything',
    load: () => import('./command/validate.ts'),
  },
  {
    name: 'analyze',
    aliases: [],
    summary: 'Find what does not fit together, in YAML files or in a running mesh',
    load: () => import('./command/analyze.ts'),
  },
  {
    name: 'proxy-status',
    aliases: ['ps'],
    summary: 'Show which proxy has which configuration, how old, and who refused what',
    load: () => import('./command/proxy-status.ts'),
  },
  {
    name: 'proxy-config',
    aliases: ['pc'],
    summary: 'Show the listeners, routes, clusters, endpoints or secrets of one proxy',
    load: () => import('./command/proxy-config.ts'),
  },
  {
    name: 'get',
    aliases: [],
    summary: 'Show services, instances and configuration as the control plane loaded them',
    load: () => import('./command/get.ts'),
  },
  {
    name: 'logs',
    aliases: [],
    summary: 'Show what an application, a sidecar or the control plane wrote',
    load: () => import('./command/logs.ts'),
  },
  {
    name: 'bootstrap',
    aliases: [],
    summary: 'Write the bootstrap file for an Envoy or a gRPC client of the mesh',
    load: () => import('./command/bootstrap.ts'),
  },
  {
    name: 'control',
    aliases: [],
    summary: 'Run the control plane',
    load: () => import('./command/control.ts'),
  },
  {
    name: 'sidecar',
    aliases: [],
    summary: 'Run the proxy of one workload instance',
    load: () => import('./command/sidecar.ts'),
  },
  {
    name: 'gateway',
    aliases: [],
    summary: 'Run an ingress gateway',
    load: () => import('./command/gateway.ts'),
  },
  {
    name: 'agent',
    aliases: [],
    summary: 'Keep certificates for a proxy or client that is not ours',
    load: () => import('./command/agent.ts'),
  },
  {
    name: 'token',
    aliases: [],
    summary: 'Make join tokens for workloads of other hosts',
    load: () => import('./command/token.ts'),
  },
  {
    name: 'capture',
    aliases: [],
    summary: "Lead one user's connections on this host through a sidecar",
    load: () => import('./command/capture.ts'),
  },
  {
    name: 'doorway',
    aliases: [],
    summary: 'Lead connections into and out of the network of a mesh',
    load: () => import('./command/doorway.ts'),
  },
  {
    name: 'socket-giver',
    aliases: [],
    summary: 'Make sockets in the network of an application, for its sidecar',
    hidden: true,
    load: () => import('./command/socket-giver.ts'),
  },
  {
    name: 'proxy',
    aliases: [],
    summary: "Run an Envoy bootstrap file, with Envoy's flags",
    load: () => import('./command/proxy.ts'),
  },
  {
    name: 'version',
    aliases: [],
    summary: 'Print the version',
    load: () => import('./command/version.ts'),
  },
];

/** The command called `word`, by name or alias. */
export function findCommand(word: string): CataloguedCommand | undefined {
  return commands.find((command) => command.name === word || command.aliases.includes(word));
}

/** Adds the command that is asked for; without one, the name and summary of each. */
export const registerAsked: Register = async (program, words, context) => {
  const asked = words[0] === 'help' ? words[1] : words[0];
  const entry = asked === undefined ? undefined : findCommand(asked);
  if (entry !== undefined) {
    const { command } = await entry.load();
    command.register(program, context);
    return;
  }
  for (const { name, aliases, summary, hidden = false } of commands) {
    program.command(name, { hidden }).aliases(aliases).summary(summary).description(summary);
  }
};
