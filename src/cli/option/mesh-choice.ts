/** `--mesh NAME` and `--state DIR`: which running mesh a command asks. */
import type { Command } from 'commander';

/** The action finds them as `mesh` and `state`, as `findMesh` takes them. */
export function addMeshOptions(command: Command): Command {
  return command
    .option('--mesh <name>', 'name of the mesh (default: the only one that runs)')
    .option('--state <dir>', 'state folder of the mesh, where it was started with --state');
}
