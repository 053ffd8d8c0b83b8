/** The process that makes sockets in the network of an application; another one takes its place where it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostPort } from '#core/ip-address.ts';
import { closeDescriptor } from '#host/bound-socket.ts';
import type { BoundAddress } from '#host/network/socket-giver.ts';
import { heddleCommand, pathWithNode } from '#host/self.ts';
import { cleanEnvironment } from '../up/environment.ts';
import { Pause } from '../up/pause.ts';
import { restartPauseMs } from '../up/supervised.ts';

/** Behind the standard streams. */
const CHANNEL_FD = 3;

// starting -> giving -> (pausing -> giving)* -> stopped
export class SocketGiver {
  readonly #enter: readonly string[];
  readonly #channel: number;
  readonly #tell: (message: string) => void;
  readonly #pause = new Pause();
  #process: ChildProcess | undefined;
  #failures = 0;

  /** @param channel to give by; closed in the end @param enter the words before a command that runs it there */
  constructor(enter: readonly string[], channel: number, tell: (message: string) => void) {
    this.#enter = enter;
    this.#channel = channel;
    this.#tell = tell;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Resolves when those to listen on are under way. @throws with what it says where they cannot be had */
  async start(bind: readonly BoundAddress[]): Promise<void> {
    const words = bind.flatMap(({ kind, host, port }) => [
      '--bind',
      `${kind === 'stream' ? 'tcp' : 'udp'}://${hostPort(host, port)}`,
    ]);
    const [program, ...rest] = [
      ...this.#enter,
      ...heddleCommand('socket-giver'),
      ...['--channel-fd', String(CHANNEL_FD)],
      ...words,
    ];
    const giver = spawn(program!, rest, {
      stdio: ['ignore', 'pipe', 'pipe', this.#channel],
      detached: true,
      env: cleanEnvironment(process.env, pathWithNode(process.env.PATH)),
    });
    this.#process = giver;
    let complaint = '';
    giver.stderr!.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    const said = await Promise.race([
      once(giver.stdout!, 'data').then(() => undefined),
      once(giver, 'close').then(
        () => complaint.trim(),
        (error: Error) => error.message,
      ),
    ]);
    if (said !== undefined) throw new Error(said);
    // Nothing more is said, and it is not to keep us.
    giver.stdout!.destroy();
    giver.once('exit', (code, signal) => void this.#again(signal ?? `exit code ${code}`));
  }

  async stop(): Promise<void> {
    this.#pause.end();
    closeDescriptor(this.#channel);
    const giver = this.#process;
    if (giver === undefined || giver.exitCode !== null || giver.signalCode !== null) return;
    const ended = once(giver, 'exit');
    giver.kill('SIGKILL');
    await ended;
  }

  async #again(how: string): Promise<void> {
    while (!this.#pause.ended) {
      this.#failures += 1;
      const pauseMs = restartPauseMs(this.#failures);
      this.#tell(`what makes sockets for the sidecar has ended (${how}), started again in ${pauseMs} ms`);
      await this.#pause.wait(pauseMs);
      if (this.#pause.ended) return;
      const failed = await this.start([]).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (failed === undefined) return;
      how = failed;
    }
  }
}
