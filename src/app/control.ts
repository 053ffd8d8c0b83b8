/** Composition root of `heddle control`: files -> store -> translation -> proxies. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ControlOptions } from '#cli/command/control.ts';
import { CliError, EXIT_OK } from '#cli/exit.ts';
import { problemCount, problemLines } from '#cli/render/problem.ts';
import type { Terminal } from '#cli/terminal.ts';
import { MAX_LIFE_MS } from '#control/ca/authority.ts';
import type { Registrar } from '#control/register/registrar.ts';
import { openRegistry } from '#control/register/registry.ts';
import { MeshConfiguration } from '#control/serve/mesh-configuration.ts';
import { followMesh } from '#control/source/mesh-source.ts';
import { MeshStore } from '#control/store/mesh-store.ts';
import { formatProblem, hasErrors, type Problem } from '#core/problem.ts';
import type { Logger } from '#observe/log.ts';
import { type ControlPlane, type ControlPlaneSettings, startControlPlane } from './control-plane.ts';
import { exposeCollection, trimHeap } from './heap-trim.ts';
import { openLog } from './process-log.ts';
import { stopSignal } from './stop-signal.ts';

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export async function runControl(options: ControlOptions): Promise<number> {
  const log = openLog(options);
  const stopping = stopSignal(log);
  const stateFolder = resolve(options.state);
  const podsFolder = options.pods ?? join(stateFolder, 'pods');
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  mkdirSync(podsFolder, { recursive: true, mode: 0o700 });

  const store = new MeshStore();
  const { paths, allowUnsupported } = options;
  const files = await followMesh(store, { paths, podsFolder, allowUnsupported });
  // What many proxies that connect at once have needed is given back when they rest.
  exposeCollection();
  const endTrim = trimHeap();
  try {
    const { trustDomain } = store.index.settings;
    const configuration = new MeshConfiguration({
      store,
      trustDomain,
      log,
      nowMs: Date.now,
    });
    const report = problemReport(options.terminal, log);
    const registry = await openRegistry({ ...options, stateFolder, store, log });
    const { registrar } = registry;
    configuration.refresh();
    report(configuration.problems());
    if (!configuration.ready()) log.error('control.waits', { for: 'documents without errors' });
    const readPods = (): Promise<void> => files.refreshPods();
    const parts = { stateFolder, trustDomain, configuration, readPods, registrar, log };
    const plane = await start(options, parts);
    store.on('change', ({ keys }) => {
      registrar.refresh(keys);
      const fresh = configuration.refresh();
      report(configuration.problems());
      if (fresh) plane.changed();
    });
    tellPorts(options, plane, log);
    await stopping.asked;
    const closing = registry.close().then(() => plane.close());
    await Promise.race([closing, stopping.askedAgain]);
    return EXIT_OK;
  } finally {
    endTrim();
    files.close();
  }
}

interface Parts {
  readonly stateFolder: string;
  readonly trustDomain: string;
  readonly configuration: MeshConfiguration;
  readPods(): Promise<void>;
  readonly registrar: Registrar;
  readonly log: Logger;
}

/** Whatever keeps it from starting is for a person to mend: a port, the state folder. */
async function start(
  {
    name,
    address,
    plaintextAddress,
    apiAddress,
    xdsPort,
    secureXdsPort,
    apiPort,
    certificateTtlS,
  }: ControlOptions,
  { stateFolder, trustDomain, configuration, readPods, registrar, log }: Parts,
): Promise<ControlPlane> {
  const settings: ControlPlaneSettings = {
    stateFolder,
    trustDomain,
    host: address,
    ...(plaintextAddress !== undefined && { plaintextHost: plaintextAddress }),
    ...(apiAddress !== undefined && { apiHost: apiAddress }),
    ports: { plaintext: xdsPort, tls: secureXdsPort, api: apiPort },
    name: `${name}-control`,
    ...(certificateTtlS !== undefined && {
      certificateLifeMs: Math.min(certificateTtlS * 1000, MAX_LIFE_MS),
    }),
    source: configuration,
    readPods,
    registrar,
    report: () => configuration.report(),
    log,
  };
  try {
    return await startControlPlane(settings);
  } catch (error) {
    throw new CliError(`the control plane cannot start: ${(error as Error).message}`, { cause: error });
  }
}

function tellPorts({ address, terminal }: ControlOptions, { ports }: ControlPlane, log: Logger): void {
  log.info('control.started', { address, ...ports });
  terminal.out(`xDS ${address}:${ports.plaintext} · xDS and certificates over TLS ${address}:${ports.tls}`);
  terminal.out(`API and metrics http://${address}:${ports.api}`);
}

/** Tells what is new among the problems, with the lines of the files, and when the last error is gone. */
function problemReport(terminal: Terminal, log: Logger): (problems: readonly Problem[]) => void {
  let told = new Set<string>();
  let hadErrors = false;
  return (problems): void => {
    const shown = problems.filter(({ level }) => level !== 'info');
    const fresh = shown.filter((problem) => !told.has(formatProblem(problem)));
    told = new Set(shown.map(formatProblem));
    for (const problem of fresh) {
      for (const line of problemLines(problem, terminal.errColour, sourceOf)) terminal.err(line);
    }
    const count = problemCount(fresh);
    if (count !== undefined) terminal.err(count);
    const errors = hasErrors(problems);
    if (errors && !hadErrors) log.warn('control.last-good', { reason: 'the documents have errors' });
    if (!errors && hadErrors) log.info('control.documents-good');
    hadErrors = errors;
  };
}

function sourceOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
