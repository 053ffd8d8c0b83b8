/**
 * A network namespace with a mount namespace of its own, kept by a process that does nothing but wait. It ends with
 * the runner, whose end it hears by end-of-file; namespaces go with their last process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type NamespaceMeans, unshareCommand, unshareMountsCommand } from './means.ts';
import { loadingOf } from './packet-filter.ts';
import type { Ruleset } from './packet-rules.ts';
import { complaintOf, run } from './run.ts';

/** Says that it is there, and waits. */
const WAIT = 'echo there; exec cat >/dev/null';

export class Namespace {
  readonly #means: NamespaceMeans;
  readonly #holder: ChildProcess;

  private constructor(means: NamespaceMeans, holder: ChildProcess) {
    this.#means = means;
    this.#holder = holder;
  }

  /**
   * @param within the namespace whose user namespace the new one belongs to; its own where there is none
   * @throws where the system does not allow it
   */
  static async open(means: NamespaceMeans, within?: Namespace): Promise<Namespace> {
    const unshare =
      within === undefined
        ? unshareCommand(means)
        : [...within.enter(), ...unshareCommand({ ...means, kind: 'root' })];
    return Namespace.#hold(means, unshare);
  }

  /** One with the network of another and mounts of its own, which are at first those of the other. */
  static async openMounts(means: NamespaceMeans, within: Namespace): Promise<Namespace> {
    return Namespace.#hold(means, [...within.enter(), ...unshareMountsCommand(means)]);
  }

  static async #hold(means: NamespaceMeans, unshare: readonly string[]): Promise<Namespace> {
    const [program, ...words] = [...unshare, 'sh', '-c', WAIT];
    const holder = spawn(program!, words, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    holder.stdin.on('error', () => {});
    let complaint = '';
    holder.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    const said = await Promise.race([
      once(holder.stdout, 'data').then(() => 'there' as const),
      once(holder, 'close').then(
        () => 'gone' as const,
        (error: Error) => error,
      ),
    ]);
    if (said === 'there') {
      holder.stdout.resume();
      return new Namespace(means, holder);
    }
    throw new Error(`no namespace: ${said === 'gone' ? complaint.trim() : said.message}`);
  }

  /** Of the process that keeps it. */
  get pid(): number {
    return this.#holder.pid!;
  }

  /**
   * The words before a command that runs it here, as root of the user namespace.
   *
   * @param workingDirectory as this machine has it; absent: the root that there is here
   */
  enter(workingDirectory?: string): string[] {
    const { kind, programs } = this.#means;
    return [
      programs.nsenter,
      ...['--target', String(this.pid), '--net', '--mount'],
      ...(workingDirectory === undefined ? [] : [`--wd=${workingDirectory}`]),
      ...(kind === 'user' ? ['--user', '--preserve-credentials'] : []),
      '--',
    ];
  }

  /**
   * The words before a command that runs it here in a folder: as who runs us, and without a right over the network.
   * A user other than root is that user again, in a user namespace below.
   */
  enterPlainly(workingDirectory: string): string[] {
    const { kind, programs } = this.#means;
    const [uid, gid] = [process.getuid!(), process.getgid!()];
    // Its own mounts decide what folder that is. (A shell would leave out variables that it has no names for.)
    const go = [programs.unshare, `--wd=${workingDirectory}`];
    const lessRights =
      kind === 'user'
        ? ['--user', `--map-user=${uid}`, `--map-group=${gid}`, '--']
        : ['--', programs.setpriv, `--inh-caps=${withoutRights}`, `--bounding-set=${withoutRights}`, '--'];
    return [...this.enter(), ...go, ...lessRights];
  }

  /** Runs a short command as root of the namespace. @throws with what it says, where it fails */
  async do(command: readonly string[], input = ''): Promise<string> {
    const result = await run([...this.enter(), ...command], { input });
    if (result.code === 0) return result.stdout;
    throw new Error(`${command.slice(0, 4).join(' ')}: ${complaintOf(result)}`);
  }

  /** These rules for packets, in the place of those before. @throws with what the tool says where it cannot be done */
  async setRules(rules: Ruleset): Promise<void> {
    for (const { command, input } of loadingOf(this.#means.filter, rules)) await this.do(command, input);
  }

  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const ended = once(this.#holder, 'exit');
    this.#holder.stdin!.end();
    this.#holder.kill('SIGKILL');
    await ended;
  }
}

/** With these an application could mark its packets as the sidecar does, or change the rules. */
const withoutRights = '-net_admin,-net_raw,-sys_admin';
