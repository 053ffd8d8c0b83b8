/**
 * An application that runs programs as it is asked: `POST /` with a command, what it is to read and variables, answered
 * with its end and what it printed. A program has nothing else in its environment but where programs are.
 */
import { spawn } from 'node:child_process';
import http from 'node:http';
import { json, text } from 'node:stream/consumers';

interface Order {
  readonly command: readonly string[];
  readonly input: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Rather than to wait for ever for a program that waits for ever. */
const TIMEOUT_MS = 30_000;
const { PATH, HOME } = process.env;

http
  .createServer(async (request, response) => {
    const { command, input, env } = (await json(request)) as Order;
    const child = spawn(command[0]!, command.slice(1), { timeout: TIMEOUT_MS, env: { PATH, HOME, ...env } });
    const failed = new Promise<string>((resolve) => child.on('error', ({ message }) => resolve(message)));
    const ended = new Promise<number | string>((resolve) =>
      child.on('close', (code, signal) => resolve(code ?? signal!)),
    );
    child.stdin.on('error', () => {}).end(input);
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    response.end(JSON.stringify({ end: await Promise.race([ended, failed]), stdout, stderr }));
  })
  .listen(9080);
process.on('SIGTERM', () => process.exit(0));
