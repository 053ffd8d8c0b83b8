/** One sitting at the terminal: start, table, edits as they come, and the end in order. */
import type { UpOptions } from '#cli/command/up.ts';
import { humanDuration } from '#cli/render/table.ts';
import type { Terminal } from '#cli/terminal.ts';
import { type TextFiles, yamlEndings } from '#control/source/text-files.ts';
import { type FileWatch, watchFiles } from '#control/source/watch.ts';
import type { ClaimFolders } from './claim-folders.ts';
import { type MeshDocuments, reportProblems } from './mesh-documents.ts';
import type { MeshLogs } from './mesh-logs.ts';
import type { Progress } from './progress.ts';
import type { MeshRunner } from './runner.ts';
import { startTable, tryLine } from './start-table.ts';
import type { StateFolder } from './state-folder.ts';
import { unmountedLines } from './volume-plan.ts';
import type { MeshPlan } from './workload-plan.ts';

export interface SessionParts {
  readonly runner: MeshRunner;
  readonly progress: Progress;
  readonly logs: MeshLogs;
  readonly terminal: Terminal;
  readonly documents: MeshDocuments;
  readonly read: (files: TextFiles) => MeshDocuments;
  readonly options: UpOptions;
  readonly stateFolder: StateFolder;
  readonly claims: ClaimFolders;
}

/** Somebody who waits this long for the start is told what is missing. */
const PATIENCE_MS = 20_000;
/** 128 and the number of SIGINT: what a shell expects of a program that was interrupted. */
const INTERRUPTED = 130;
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class MeshSession {
  readonly #parts: SessionParts;
  /** Resolves when somebody wants the mesh to stop. */
  readonly #stopAsked: Promise<void>;
  #askStop: () => void = () => {};
  #stopping = false;
  /** Its state folder is. */
  #isLost = false;
  #lastTexts: string | undefined;
  /** What was said of volumes last. */
  #unmounted = '';
  readonly #announced = new Set<string>();
  /** Edits are taken in one after the other. */
  #edits: Promise<void> = Promise.resolve();

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#stopAsked = new Promise((resolve) => {
      this.#askStop = resolve;
    });
  }

  /** @returns whether it came up and was told to end; resolves when everything has stopped */
  async run(): Promise<boolean> {
    const { runner, progress, logs, terminal, options, stateFolder } = this.#parts;
    const onSignal = (): void => this.#signalled();
    for (const signal of stopSignals) process.on(signal, onSignal);
    logs.start();
    if (options.logs) {
      logs.show((name, line) => progress.plain(`${terminal.errColour.dim(`${name} |`)} ${line}`));
    }
    this.#tellUnmounted(runner.plan);
    void stateFolder.lost.then((why) => this.#lose(why));
    let watch: FileWatch | undefined;
    try {
      const startedAt = performance.now();
      runner.startControl();
      await this.#until(() => runner.control.ready || runner.control.hopeless);
      if (runner.control.hopeless) {
        progress.fail('the control plane cannot start: its log is shown above');
        return false;
      }
      if (!this.#stopping) {
        progress.done(`control plane ready at ${runner.state().apiUrl}`);
        await runner.startWorkloads();
        watch = await watchFiles({ paths: options.paths, endings: yamlEndings }, (files) =>
          this.#edited(files),
        );
        const settled = await this.#until(() => runner.settled);
        // Whoever tries the line that is shown must find the last instance among the endpoints.
        if (settled) await runner.control.endpointsHeard();
        if (settled && !this.#stopping) this.#showMesh(performance.now() - startedAt);
      }
      await this.#stopAsked;
    } finally {
      watch?.close();
      await this.#end();
      logs.stop();
      for (const signal of stopSignals) process.off(signal, onSignal);
    }
    return !this.#isLost;
  }

  /** Waits for `reached` and shows for what; false when somebody wants to stop before. */
  async #until(reached: () => boolean): Promise<boolean> {
    const { runner, progress } = this.#parts;
    const patience = setTimeout(() => {
      const names = runner.awaited();
      progress.warn(`still waiting for ${names.join(', ')}`, [
        `what they say: ${names.map((name) => `heddle logs ${logName(name)}`).join(', ')}`,
      ]);
    }, PATIENCE_MS);
    let check = (): void => {};
    const done = new Promise<boolean>((resolve) => {
      check = (): void => {
        this.#announce();
        progress.waitFor(runner.awaited().length === 0 ? '' : `waiting for ${runner.awaited().join(', ')}`);
        if (reached()) resolve(true);
      };
      void this.#stopAsked.then(() => resolve(false));
    });
    runner.on('change', check);
    check();
    const result = await done;
    runner.off('change', check);
    clearTimeout(patience);
    progress.waitFor('');
    return result;
  }

  /** One line for what has become ready since the last look. */
  #announce(): void {
    const { runner, progress } = this.#parts;
    const { instances, gateways, ingressUrls } = runner.state();
    for (const { name, namespace, workload, ready } of [...gateways, ...instances]) {
      if (!ready || this.#announced.has(`${namespace}/${name}`)) continue;
      this.#announced.add(`${namespace}/${name}`);
      progress.done(
        workload === name ? `ingress gateway ready at ${ingressUrls.join(', ')}` : `${name} ready`,
      );
    }
  }

  #showMesh(tookMs: number): void {
    const { runner, terminal, documents, stateFolder } = this.#parts;
    // Whoever reads that it is up may look at the file at once.
    runner.writeState();
    const { instances, gateways, jobs, ingressUrls, name } = runner.state();
    terminal.out('');
    for (const line of startTable(instances, gateways, jobs)) terminal.out(line);
    terminal.out('');
    const { outColour: colour } = terminal;
    for (const kind of documents.notEnforced) {
      terminal.out(`${colour.warn('‼')} NOT ENFORCED (--allow-unsupported): ${kind}`);
    }
    terminal.out(
      `${colour.good('✔')} mesh ${name} is up (${humanDuration(tookMs)}), logs in ${stateFolder.path}/logs`,
    );
    const [url] = ingressUrls;
    if (url !== undefined) {
      terminal.out(`  Ingress: ${colour.strong(url)}`);
      terminal.out(`  Try:     ${tryLine(url, runner.plan)}`);
    }
    terminal.out('  Ctrl-C stops everything.');
  }

  #edited(files: TextFiles): void {
    const texts = JSON.stringify(files);
    // A watch begins by telling what is there: that is not an edit, unless it came in between.
    const before = this.#lastTexts;
    this.#lastTexts = texts;
    if (texts === before || (before === undefined && this.#isAsPlanned(files))) return;
    this.#edits = this.#edits
      .then(() => this.#takeIn(files))
      .catch((error: unknown) =>
        this.#parts.progress.fail(error instanceof Error ? error.message : String(error)),
      );
  }

  #isAsPlanned(files: TextFiles): boolean {
    const { read, documents } = this.#parts;
    return JSON.stringify(read(files).plan) === JSON.stringify(documents.plan);
  }

  async #takeIn(files: TextFiles): Promise<void> {
    if (this.#stopping) return;
    const { read, progress, terminal, runner } = this.#parts;
    const { plan, problems } = read(files);
    progress.waitFor('');
    reportProblems(problems, terminal);
    if (plan === undefined) {
      progress.fail('the files have errors: the last good version of what is broken stays in force');
      return;
    }
    const before = JSON.stringify(runner.plan.settings);
    const changed = await runner.setPlan(plan);
    const lists = { processes: changed.processes, 'files of volumes': changed.files };
    const what = Object.entries(lists).filter(([, keys]) => keys.length > 0);
    const told = what.map(([name, keys]) => `; ${name} change: ${keys.join(', ')}`);
    progress.done(`configuration taken in${told.join('')}`);
    this.#tellUnmounted(plan);
    if (JSON.stringify(plan.settings) !== before) {
      progress.warn('trustDomain and ingress take effect when heddle up is started again');
    }
  }

  /** Without a namespace of its own an application finds a volume where a variable says, and nowhere else. */
  #tellUnmounted(plan: MeshPlan): void {
    const { runner, progress } = this.#parts;
    const lines = runner.state().captured ? [] : unmountedLines(plan.workloads);
    const text = lines.join('\n');
    if (text !== '' && text !== this.#unmounted) {
      progress.warn(
        'volumes are not mounted where traffic is not captured: a variable names the folder of each',
        [...lines, 'to have them mounted: --capture always (Linux)'],
      );
    }
    this.#unmounted = text;
  }

  /** The first signal stops in order, the second at once. */
  #signalled(): void {
    const { runner, progress } = this.#parts;
    if (this.#stopping) {
      progress.warn('ended at once');
      runner.kill();
      process.exit(INTERRUPTED);
    }
    this.#stopping = true;
    progress.plain('');
    progress.waitFor('stopping (Ctrl-C again ends it at once)');
    this.#askStop();
  }

  /** Nobody asked for it, but nothing can go on. */
  #lose(why: string): void {
    this.#isLost = true;
    if (this.#stopping) return;
    const { progress } = this.#parts;
    progress.waitFor('');
    progress.fail(`${why}: the mesh cannot go on without it, and ends`);
    this.#askStop();
  }

  async #end(): Promise<void> {
    const { runner, progress } = this.#parts;
    this.#stopping = true;
    await this.#edits;
    await runner.stop();
    progress.waitFor('');
    progress.done('stopped, no process is left');
    if (this.#parts.claims.areThere) progress.plain(`  Claims keep their files: ${this.#parts.claims.path}`);
  }
}

/** What `heddle logs` calls a thing of `awaited`. */
function logName(awaited: string): string {
  if (awaited === 'control plane') return 'control';
  return awaited === 'ingress gateway' ? 'istio-ingressgateway' : awaited;
}
