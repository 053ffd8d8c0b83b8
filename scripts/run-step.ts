/** Runs one command of a check: quiet when it succeeds, its whole output when it fails. */
import { spawn } from 'node:child_process';
import path from 'node:path';

/** Tools are started by the Node that runs this, whatever the host's is. */
const searchPath = `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH ?? ''}`;

export interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Shows the output as it comes, instead of only on failure. */
  readonly live?: boolean;
}

export interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  /** What a step said that failed; empty where that was shown as it came. */
  readonly output: string;
}

export async function runStep(step: Step): Promise<Outcome> {
  const startedMs = performance.now();
  const output: Buffer[] = [];
  const ok = await new Promise<boolean>((resolve) => {
    const child = spawn(step.command, step.args, {
      stdio: step.live === true ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: searchPath, ...step.env },
    });
    child.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => output.push(chunk));
    child.on('error', (error) => {
      output.push(Buffer.from(`${String(error)}\n`));
      resolve(false);
    });
    child.on('close', (code) => resolve(code === 0));
  });
  const seconds = (performance.now() - startedMs) / 1000;
  const said = ok ? '' : Buffer.concat(output).toString();
  process.stdout.write(said);
  console.log(`${ok ? '✔' : '✘'} ${step.name} (${seconds.toFixed(1)} s)`);
  return { name: step.name, ok, seconds, output: said };
}

/** Runs `lanes` beside each other and the steps of a lane one after the other. */
export async function runLanes(lanes: readonly (readonly Step[])[]): Promise<Outcome[]> {
  const lane = async (steps: readonly Step[]): Promise<Outcome[]> => {
    const outcomes: Outcome[] = [];
    for (const step of steps) outcomes.push(await runStep(step));
    return outcomes;
  };
  return (await Promise.all(lanes.map(lane))).flat();
}
