/** Keeps the requests of a session at one endpoint (Envoy, "Stateful session"). */
import type { Clock } from '#core/clock.ts';
import type { Parsed } from '#core/problem.ts';
import type { Counter } from '#observe/metrics-contract.ts';

import {
  type StatefulSession as Config,
  StatefulSessionPerRouteSchema,
  StatefulSessionSchema,
} from '#xds/gen/envoy/extensions/filters/http/stateful_session/v3/stateful_session_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { readSessionState, type SessionState } from './session-state.ts';

interface Settings {
  /** Undefined where requests have no sessions. */
  readonly state: SessionState | undefined;
  readonly isStrict: boolean;
  readonly missingStatus: number;
}

const off: Settings = { state: undefined, isStrict: false, missingStatus: 503 };

export const statefulSession: CataloguedFilter = defineFilter({
  kind: 'stateful-session',
  schema: StatefulSessionSchema,
  stability: 'alpha',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const settings = readSettings(config, path, deps.clock, findings);
    return findings.result<HttpFilter>(new StatefulSession(settings, config.statPrefix, deps));
  },
  route: {
    schema: StatefulSessionPerRouteSchema,
    create({ override }, path, { clock }): Parsed<unknown> {
      const findings = new Findings();
      let settings = off;
      if (override.case === 'statefulSession')
        settings = readSettings(override.value, `${path}.stateful_session`, clock, findings);
      else if (override.case === undefined) findings.error(path, 'has neither disabled nor stateful_session');
      else if (!override.value) findings.error(`${path}.disabled`, 'must be true');
      return findings.result<unknown>(settings);
    },
  },
});

function readSettings(config: Config, at: string, clock: Clock, findings: Findings): Settings {
  const { sessionState, strict, statusOnStrictDestinationNotFound: status } = config;
  if (status !== 0 && (status < 200 || status > 599))
    findings.error(`${at}.status_on_strict_destination_not_found`, 'must be from 200 to 599');
  const state = sessionState && readSessionState(sessionState, `${at}.session_state`, clock, findings);
  return { state, isStrict: strict, missingStatus: status === 0 ? 503 : status };
}

type SessionStats = Readonly<Record<'routed' | 'failed_open' | 'failed_closed' | 'no_session', Counter>>;

/** Nothing is counted without a prefix (Envoy). */
function createStats(prefix: string, { metrics, statPrefix }: FilterDeps): SessionStats | undefined {
  if (prefix === '') return undefined;
  const scope = metrics.scope({
    path: `http.${statPrefix}.stateful_session.${prefix}`,
    family: 'http_stateful_session',
    labels: { envoy_http_conn_manager_prefix: statPrefix, envoy_stateful_session_prefix: prefix },
  });
  return {
    routed: scope.counter('routed'),
    failed_open: scope.counter('failed_open'),
    failed_closed: scope.counter('failed_closed'),
    no_session: scope.counter('no_session'),
  };
}

/** What is kept of a request. */
interface Session {
  readonly settings: Settings;
  /** Undefined where it has no session. */
  readonly state: SessionState | undefined;
  readonly address: string | undefined;
}

class StatefulSession implements HttpFilter {
  readonly #own: Settings;
  readonly #name: string;
  readonly #slot: number;
  readonly #stats: SessionStats | undefined;

  constructor(own: Settings, statPrefix: string, deps: FilterDeps) {
    this.#own = own;
    this.#name = deps.name;
    this.#slot = deps.slot;
    this.#stats = createStats(statPrefix, deps);
  }

  onRequestHead(exchange: Exchange): undefined {
    const settings = (exchange.routeConfig(this.#name) as Settings | undefined) ?? this.#own;
    const { isStrict, missingStatus } = settings;
    const state = settings.state?.covers(exchange.path) === true ? settings.state : undefined;
    const address = state?.addressOf(exchange.requestHeaders);
    exchange.slots[this.#slot] = { settings, state, address } satisfies Session;
    if (address !== undefined) exchange.wantedEndpoint = { address, isStrict, missingStatus };
  }

  onResponseHead(exchange: Exchange): undefined {
    const session = exchange.slots[this.#slot] as Session | undefined;
    const { endpoint } = exchange;
    if (session === undefined) return;
    const { address, settings, state } = session;
    // What routes say is not counted (Envoy).
    const stats = settings === this.#own ? this.#stats : undefined;
    if (endpoint === undefined) {
      const failed = settings.isStrict && address !== undefined && exchange.responseFlags.includes('UH');
      if (failed) stats?.failed_closed.inc();
      return;
    }
    if (state === undefined) stats?.no_session.inc();
    else if (endpoint.address === address) stats?.routed.inc();
    else {
      state.tell(endpoint.address, exchange.responseHeaders);
      if (!settings.isStrict) stats?.failed_open.inc();
    }
  }
}
