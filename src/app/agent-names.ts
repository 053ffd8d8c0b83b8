/**
 * The DNS of `heddle agent --dns-address`. No proxy of another make asks for names: the agent does, over ADS, and for
 * nothing else.
 */
import { CliError } from '#cli/exit.ts';
import type { Problem } from '#core/problem.ts';
import { inSlices, type Steps } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import { prometheusContentType } from '#observe/prometheus.ts';
import { textReply } from '#proxy/admin/contract.ts';
import { type RunningServer, servePages } from '#proxy/admin/server.ts';
import { createXdsStream, type Outcome, type XdsStream } from '#proxy/apply/stream.ts';
import type { AnyUpdate } from '#xds/client/contract.ts';
import type { Transport } from '#xds/transport.ts';
import { controlTransport } from './control-channel.ts';
import { ownNode } from './introduce.ts';
import { WorkloadDns, type WorkloadDnsOptions } from './workload-dns.ts';
import type { WorkloadIdentity } from './workload-identity.ts';
import type { WorkloadPlace } from './workload-node.ts';

/** Of the address of the instance, as of Istio's agent. */
const METRICS_PORT = 15_020;
/** An older control plane has no names. */
const FIRST_TABLE_TIMEOUT_MS = 15_000;

export interface AgentNamesOptions extends WorkloadDnsOptions {
  /** `HOST:PORT` of the control plane's TLS port. */
  readonly control: string;
}

export class AgentNames {
  readonly #log: Logger;
  readonly #address: string;
  readonly #dns: WorkloadDns;
  readonly #metrics = new Metrics();
  readonly #transport: Transport;
  readonly #stream: XdsStream;
  readonly #told = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #figures: RunningServer | undefined;

  constructor(options: AgentNamesOptions, place: WorkloadPlace, identity: WorkloadIdentity, log: Logger) {
    const scope = this.#metrics.scope({ path: 'control_plane', family: 'control_plane', labels: {} });
    this.#log = log;
    this.#address = place.address;
    this.#dns = new WorkloadDns(options, log);
    this.#transport = controlTransport(options.control, identity);
    this.#stream = createXdsStream({
      name: 'ads',
      scope: 'ads',
      protocol: 'delta',
      node: ownNode('agent', place),
      servers: [{ transport: this.#transport, metadata: {} }],
      log,
      connectedState: scope.gauge('connected_state'),
      random: Math.random,
      apply: (update) => this.#apply(update),
    });
  }

  /** Resolves when the first names have come, or did not in time. */
  get told(): Promise<void> {
    return this.#told.promise;
  }

  /** Resolves when it listens; rejects with a {@link CliError} where it cannot. */
  async start(): Promise<void> {
    await this.#dns.start(this.#metrics);
    await this.#serveFigures();
    this.#stream.want('nameTable', ['*']);
    this.#stream.start();
    this.#timer = setTimeout(() => {
      this.#log.warn('xds.no-configuration-yet', { missing: ['nameTable'] });
      this.#told.resolve();
    }, FIRST_TABLE_TIMEOUT_MS);
  }

  /** Also where it has not started, or not wholly. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stream.close();
    this.#transport.close();
    await this.#figures?.close();
    await this.#dns.close();
  }

  async #serveFigures(): Promise<void> {
    const where = { kind: 'tcp', host: this.#address, port: METRICS_PORT } as const;
    try {
      this.#figures = await servePages(where, async (_, target) =>
        target === '/stats/prometheus' || target === '/metrics'
          ? { status: 200, contentType: prometheusContentType, body: this.#metrics.prometheusPieces() }
          : textReply('not found\n', 404),
      );
    } catch (error) {
      throw new CliError(`cannot listen: ${(error as Error).message}`);
    }
  }

  async #apply(update: AnyUpdate): Promise<Outcome> {
    const outcome = await inSlices(this.#adopt(update));
    const refused = [...update.problems, ...outcome.problems].some(({ level }) => level === 'error');
    const scope = this.#metrics.scope({ path: 'nds', family: 'nds', labels: {} });
    scope.counter('update_attempt').inc();
    scope.counter(refused ? 'update_rejected' : 'update_success').inc();
    clearTimeout(this.#timer);
    this.#told.resolve();
    return outcome;
  }

  *#adopt(update: AnyUpdate): Steps<Outcome> {
    const problems: Problem[] = [];
    const applied: string[] = [];
    if (update.kind !== 'nameTable') return { problems, applied };
    for (const resource of update.changed) {
      const decoded = yield* resource.decoded();
      if (!decoded.ok) {
        problems.push({ level: 'error', message: decoded.detail });
        continue;
      }
      problems.push(...(yield* this.#dns.adopt(decoded.message)));
      applied.push(resource.name);
    }
    return { problems, applied };
  }
}
