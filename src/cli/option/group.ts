/** The options of an instance that is no Pod and becomes known by a WorkloadGroup. */
import { isIP } from 'node:net';
import { type Command, InvalidArgumentError } from 'commander';
import { CliError, EXIT_USAGE } from '../exit.ts';

export interface GroupOptions {
  /** WorkloadGroup in the namespace of the instance; absent: none, or what the metadata of the node says. */
  readonly group?: string;
  /** Where others reach it; absent: the mesh address. */
  readonly instanceIp?: readonly string[];
  /** Where the probe of the group finds the application. */
  readonly probeAddress: string;
  /** Unix socket of a doorway into the network of the application; absent: it is in that of this process. */
  readonly probeDoorway?: string;
  /** A probe of the group may be a command, which runs here. */
  readonly allowExecProbe: boolean;
}

export function addGroupOptions(command: Command): Command {
  return command
    .option('--group <name>', 'register as a member of this WorkloadGroup of the namespace')
    .option(
      '--instance-ip <ip>',
      'where others reach it (default: the address); several: repeated, the first is registered',
      (text: string, before?: readonly string[]) => [...(before ?? []), ipAddress(text)],
    )
    .option('--probe-address <ip>', "where the group's probe finds the application", ipAddress, '127.0.0.1')
    .option('--probe-doorway <socket>', "doorway into the application's network, where it has its own")
    .option('--allow-exec-probe', "run commands that the group's probe names", false);
}

/** What options cannot check one by one. */
export function checkGroupOptions({ group, instanceIp }: GroupOptions): void {
  if (instanceIp === undefined || group !== undefined) return;
  throw new CliError('--instance-ip is for what registers itself', {
    advice: 'say with --group NAME as what',
    exitCode: EXIT_USAGE,
  });
}

function ipAddress(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('An IP address is needed.');
  return text;
}
