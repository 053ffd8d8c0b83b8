/** The sidecar of an application of this host: in the network of the host, kept running, restarted where it ends. */
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import type { RunOptions } from '#cli/command/run.ts';
import { CliError } from '#cli/exit.ts';
import { hostPort } from '#core/ip-address.ts';
import type { HandedSocket } from '#host/inherited-sockets.ts';
import { capturePorts } from '#host/network/capture-rules.ts';
import { type ChildEnd, type ChildSpec, describeEnd, SECRET_FD } from '#host/process.ts';
import { heddleCommand, pathWithNode, proxyEnvironment } from '#host/self.ts';
import type { Watchdog } from '#host/watchdog.ts';
import { logEnd, tellingLines } from '../up/end-report.ts';
import { cleanEnvironment } from '../up/environment.ts';
import { inboundQuiet } from '../up/inbound-quiet.ts';
import type { Pause } from '../up/pause.ts';
import { Pulse } from '../up/pulse.ts';
import { saysReady } from '../up/readiness.ts';
import { Supervised } from '../up/supervised.ts';
import { registrationMetadata } from '../workload-node.ts';
import type { Place } from './place.ts';

export interface ApplicationSidecarSettings {
  readonly options: RunOptions;
  readonly place: Place;
  /** `HOST:PORT` of its admin interface. */
  readonly adminAddress: string;
  /** All that it listens on. */
  readonly sockets: readonly HandedSocket[];
  /** For its files. */
  readonly folder: string;
  readonly token: string | undefined;
  /** Of a process in the network of the application. */
  readonly pid: number;
  /** Path of a doorway into that network. */
  readonly doorway: string;
  readonly watchdog: Watchdog;
  tell(message: string, more?: readonly string[]): void;
}

const FAST_MS = 50;
const SLOW_MS = 1_000;
/** Others hear of its leave by a push of the control plane, and come until then. */
const HEARD_MS = 500;
const QUIET_WITHIN_MS = 5_000;
const ASK_TIMEOUT_MS = 2_000;
/** A port of the system's choice, which nobody is told of. */
const ANYWHERE = '127.0.0.1:0';

export class ApplicationSidecar {
  readonly #settings: ApplicationSidecarSettings;
  readonly #supervised: Supervised;
  readonly #pulse: Pulse;
  readonly #ready = Promise.withResolvers<void>();
  readonly #logPath: string;
  #wasReady = false;

  constructor(settings: ApplicationSidecarSettings) {
    this.#settings = settings;
    this.#logPath = settings.options.logPath ?? join(settings.folder, 'sidecar.log');
    this.#pulse = new Pulse({
      check: () => saysReady(`${this.#adminUrl}/ready`),
      onChange: (answers) => {
        if (answers) this.#becameReady();
      },
      fastMs: FAST_MS,
      slowMs: SLOW_MS,
    });
    this.#supervised = new Supervised('sidecar', async () => this.#spec(), settings.watchdog, {
      onStart: () => this.#pulse.start(),
      isLast: (end) => !this.#wasReady && end.signal === undefined,
      onEnd: (end, restartInMs) => this.#hasEnded(end, restartInMs),
    });
    this.#ready.promise.catch(() => {});
  }

  /** Resolves when it is ready for the first time; rejects with a {@link CliError} where it ends by itself before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  start(): void {
    this.#supervised.start();
  }

  /** Why it is not ready, in the words it or the control plane had last; '' where it has said nothing. */
  get reason(): string {
    const line = logEnd(this.#logPath, 0).findLast((one) => / (?:warn|error) /.test(one)) ?? '';
    const [, quoted, plain] = / (?:detail|error|reason)=(?:("(?:[^"\\]|\\.)*")|(\S+))/.exec(line) ?? [];
    return quoted === undefined ? (plain ?? '') : (JSON.parse(quoted) as string);
  }

  /** Resolves when nobody is sent here any more, and what was sent is answered; earlier where `pause` is ended. */
  async leave(pause: Pause): Promise<void> {
    const { ports } = this.#settings.place;
    await this.#failHealth();
    await pause.wait(HEARD_MS);
    const inbound = { adminUrl: this.#adminUrl, ports: ports.map(({ hostPort: port }) => port) };
    await inboundQuiet(inbound, QUIET_WITHIN_MS, pause);
  }

  /** Its connections may finish. */
  async stop(): Promise<void> {
    this.#pulse.stop();
    await this.#supervised.stop((this.#settings.options.drainTimeS + 1) * 1_000);
  }

  get #adminUrl(): string {
    return `http://${this.#settings.adminAddress}`;
  }

  #becameReady(): void {
    this.#wasReady = true;
    this.#ready.resolve();
  }

  #hasEnded(end: ChildEnd, restartInMs: number | undefined): void {
    this.#pulse.lost();
    const { tell, options } = this.#settings;
    const lines = tellingLines(logEnd(this.#logPath, end.logStart));
    if (restartInMs === undefined) {
      const why = lines.length === 0 ? describeEnd(end) : lines.join('\n').replace(/^✘ /, '');
      this.#ready.reject(new CliError(`the sidecar cannot start: ${why}`));
      return;
    }
    const where = options.logPath === undefined ? [] : [`log: ${options.logPath}`];
    const failed = end.signal === undefined && end.code !== 0;
    tell(
      `the sidecar has ended (${describeEnd(end)}), started again in ${restartInMs} ms`,
      failed ? [...lines, ...where] : where,
    );
  }

  #spec(): ChildSpec {
    const { options, folder, sockets, token } = this.#settings;
    return {
      command: [
        ...heddleCommand('sidecar'),
        ...this.#words(),
        ...(token === undefined ? [] : ['--token-fd', String(SECRET_FD)]),
        ...['--certificate-folder', join(options.state ?? folder, 'certificate')],
        ...['--kept-configuration', join(options.state ?? folder, 'configuration')],
        ...['--pid-file', join(folder, 'sidecar.pid')],
      ],
      env: { ...cleanEnvironment(process.env, pathWithNode(process.env.PATH)), ...proxyEnvironment },
      workingDirectory: process.cwd(),
      logPath: this.#logPath,
      pidFile: join(folder, 'sidecar.pid'),
      sockets,
      ...(token !== undefined && { secret: token }),
    };
  }

  #words(): string[] {
    const { options, place, adminAddress, pid, doorway } = this.#settings;
    const { service, group } = options;
    const metadata = registrationMetadata({
      instanceIps: [place.address],
      ...(service !== undefined && { registration: { service, ports: place.ports } }),
      ...(group !== undefined && { group }),
      ...((service ?? group) !== undefined && { inbound: 'BIND', health: 'REPORTED' }),
    });
    return [
      ...['--control', options.controlPlane, '--root-ca', options.rootCert],
      ...['--name', place.name, '--workload', place.workload, '--address', place.address],
      ...['--namespace', options.namespace, '--service-account', options.serviceAccount],
      ...['--trust-domain', options.trustDomain, '--labels', JSON.stringify(options.label)],
      ...['--metadata', JSON.stringify(metadata)],
      ...((service ?? group) === undefined ? [] : ['--application-pid', String(pid)]),
      ...(group === undefined ? [] : ['--probe-doorway', doorway]),
      ...['--interception-mode', 'REDIRECT'],
      ...['--dns-address', hostPort('127.0.0.1', capturePorts.dns)],
      ...['--dns-address', hostPort('::1', capturePorts.dns)],
      ...['--admin-address', adminAddress, '--readiness-address', ANYWHERE],
      ...['--metrics-address', options.metricsAddress ?? ANYWHERE],
      ...['--drain-time-s', String(options.drainTimeS), '--log-level', options.logLevel],
    ];
  }

  /** One that does not answer has ended, and is no endpoint any more. */
  async #failHealth(): Promise<void> {
    const asked = request(`${this.#adminUrl}/healthcheck/fail`, {
      method: 'POST',
      agent: false,
      timeout: ASK_TIMEOUT_MS,
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('response', (response) => response.resume());
    asked.end();
    await once(asked, 'close').catch(() => {});
  }
}
