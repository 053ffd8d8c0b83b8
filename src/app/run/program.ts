/** The program that a person asks for, before anything is made for it. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CliError } from '#cli/exit.ts';

/** As shells, env(1) and nohup(1) end. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** @throws a {@link CliError} where there is none, or none that may be run */
export function checkProgram(program: string, path: string | undefined): void {
  const folders = (path ?? '').split(delimiter).map((folder) => (folder === '' ? '.' : folder));
  const files = program.includes('/') ? [program] : folders.map((folder) => join(folder, program));
  const there = files.filter(isFile);
  if (there.some(isExecutable)) return;
  if (there.length === 0) {
    throw new CliError(`there is no program ${program}`, {
      advice: program.includes('/')
        ? 'Write the path as it is from this folder, or from the root.'
        : 'Write its path, or put its folder into PATH.',
      exitCode: NOT_FOUND,
    });
  }
  throw new CliError(`${there[0]!} may not be run`, {
    advice: `Make it executable: chmod +x ${there[0]!}`,
    exitCode: NOT_EXECUTABLE,
  });
}

function isFile(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
