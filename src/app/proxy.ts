/** Composition root of `heddle proxy`: an Envoy bootstrap, run with Envoy's flags. */
import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import type { ProxyOptions } from '#cli/command/proxy.ts';
import { CliError, EXIT_DATA, EXIT_OK } from '#cli/exit.ts';
import { hasErrors, type Problem } from '#core/problem.ts';
import { type Logger, sharedLogLevels } from '#observe/log.ts';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import { type BootstrapText, type LoadedBootstrap, loadBootstrap } from '#proxy/bootstrap/load.ts';
import { bootstrapSettings } from '#proxy/bootstrap/settings.ts';
import {
  type CommandLineOptions,
  CommandLineOptions_Mode,
  CommandLineOptionsSchema,
} from '#xds/gen/envoy/admin/v3/server_info_pb.js';
import { LocalitySchema, NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { introduce } from './introduce.ts';
import { openLog } from './process-log.ts';
import {
  type ProxyProcess,
  type ProxyProcessOptions,
  problemTexts,
  startProxyProcess,
  stopInOrder,
  validateProxy,
} from './proxy-process.ts';
import { type ServingThreads, servingThreads } from './serving.ts';
import { type StopSignal, stopSignal } from './stop-signal.ts';
import { Succession } from './succession.ts';

/** Runs until SIGTERM or SIGINT, or only checks; resolves to the exit code. */
export async function runProxy(options: ProxyOptions): Promise<number> {
  const threads = servingThreads(options.concurrency);
  const log = openLog(options, threads && sharedLogLevels(threads.logLevel));
  const stopping = stopSignal(log);
  if (options.mode === 'validate')
    return validate(options, prepare({ ...options, threads }, { log, stopping, succession: undefined }));
  const succession = await Succession.begin(options, log);
  // What the bootstrap was read from goes with this call: it may be large, and nobody asks for it again.
  const running = await start({ ...options, threads }, { log, stopping, succession });
  await succession.serves(running);
  if (await succession.untilEnd(stopping)) await running.leave();
  await stopInOrder(running, stopping);
  return EXIT_OK;
}

async function start(options: Options, parts: Parts): Promise<ProxyProcess> {
  const { log } = parts;
  const { value, problems } = prepare(options, parts);
  for (const text of problemTexts(problems)) log.warn('proxy.bootstrap', { problem: text });
  warnOfFlags(options, log);
  const started = await startProxyProcess(value);
  for (const text of problemTexts(started.problems.filter(({ level }) => level !== 'error'))) {
    log.warn('proxy.bootstrap', { problem: text });
  }
  if (!started.ok) throw refused(started.problems);
  return started.process;
}

interface Prepared {
  readonly value: ProxyProcessOptions;
  /** Warnings so far. */
  readonly problems: readonly Problem[];
}

interface Parts {
  readonly log: Logger;
  readonly stopping: StopSignal;
  readonly succession: Succession | undefined;
}

type Options = ProxyOptions & { readonly threads: ServingThreads | undefined };

function prepare(options: Options, { log, stopping, succession }: Parts): Prepared {
  const loaded = loadBootstrap(readTexts(options), {
    allowUnknownFields: options.allowUnknownStaticFields === true,
  });
  if (!loaded.ok) throw refused(loaded.problems);
  applyNodeFlags(loaded.value, options);
  const settings = bootstrapSettings(loaded.value.bootstrap);
  const problems = [...loaded.problems, ...settings.problems.map(loaded.value.place)];
  if (!settings.ok) throw refused(problems);
  const value: ProxyProcessOptions = {
    loaded: loaded.value,
    settings: settings.value,
    commandLine: commandLine(options),
    secrets: createSecretStore(),
    ownSecrets: new Set(),
    unknownFields:
      options.rejectUnknownDynamicFields === true
        ? 'reject'
        : options.ignoreUnknownDynamicFields === true
          ? 'ignore'
          : 'warn',
    adminAddressPath: options.adminAddressPath,
    keptConfigurationPath: options.keptConfiguration,
    logFlushIntervalMs: options.fileFlushIntervalMsec,
    threads: options.threads,
    drainTimeMs: options.drainTimeS * 1000,
    log,
    stopping,
    succession,
  };
  return { value, problems };
}

async function validate(options: ProxyOptions, { value, problems: earlier }: Prepared): Promise<number> {
  const problems = [...earlier, ...(await validateProxy(value))];
  if (hasErrors(problems)) throw refused(problems);
  for (const text of problemTexts(problems)) console.error(text);
  console.log(`configuration '${options.configPath ?? '--config-yaml'}' OK`);
  return EXIT_OK;
}

function readTexts({ configPath, configYaml }: ProxyOptions): BootstrapText[] {
  const texts: BootstrapText[] = [];
  if (configPath !== undefined) {
    try {
      texts.push({ name: configPath, text: readFileSync(configPath, 'utf8') });
    } catch (error) {
      throw new CliError(`cannot read ${configPath}: ${(error as Error).message}`, { exitCode: EXIT_DATA });
    }
  }
  if (configYaml !== undefined) texts.push({ name: '--config-yaml', text: configYaml });
  return texts;
}

/** `--service-node`, `--service-cluster` and `--service-zone` win over the node of the bootstrap. */
function applyNodeFlags({ bootstrap }: LoadedBootstrap, options: ProxyOptions): void {
  const node = bootstrap.node ?? create(NodeSchema);
  bootstrap.node = node;
  if (options.serviceNode !== undefined) node.id = options.serviceNode;
  if (options.serviceCluster !== undefined) node.cluster = options.serviceCluster;
  if (options.serviceZone !== undefined) {
    node.locality ??= create(LocalitySchema);
    node.locality.zone = options.serviceZone;
  }
  introduce(node);
}

function commandLine(options: ProxyOptions): CommandLineOptions {
  const { Serve, Validate } = CommandLineOptions_Mode;
  return create(CommandLineOptionsSchema, {
    concurrency: Math.max(1, options.concurrency ?? 1),
    configPath: options.configPath ?? '',
    configYaml: options.configYaml ?? '',
    allowUnknownStaticFields: options.allowUnknownStaticFields === true,
    rejectUnknownDynamicFields: options.rejectUnknownDynamicFields === true,
    ignoreUnknownDynamicFields: options.ignoreUnknownDynamicFields === true,
    adminAddressPath: options.adminAddressPath ?? '',
    logLevel: options.logLevel,
    logFormat: options.logFormat,
    logPath: options.logPath ?? '',
    serviceCluster: options.serviceCluster ?? '',
    serviceNode: options.serviceNode ?? '',
    serviceZone: options.serviceZone ?? '',
    drainTime: create(DurationSchema, { seconds: BigInt(options.drainTimeS) }),
    mode: options.mode === 'validate' ? Validate : Serve,
    disableHotRestart: options.disableHotRestart === true,
  });
}

/** Flags of Envoy that command lines carry and that mean nothing here. */
function warnOfFlags(options: ProxyOptions, log: Logger): void {
  for (const [flag, given, why] of [
    ['--base-id', options.baseId, 'hot restarts need no number'],
    ['--parent-shutdown-time-s', options.parentShutdownTimeS, '--drain-time-s ends the old process'],
  ] as const) {
    if (given !== undefined) log.warn('proxy.flag-without-effect', { flag, why });
  }
}

function refused(problems: readonly Problem[]): CliError {
  return new CliError(`the bootstrap cannot be run:\n  ${problemTexts(problems).join('\n  ')}`, {
    exitCode: EXIT_DATA,
  });
}
