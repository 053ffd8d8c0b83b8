/** Requests without a route wait for the virtual host that serves them, which is asked for (Envoy, "On-demand"). */
import type { Parsed } from '#core/problem.ts';
import {
  type OnDemandCds,
  OnDemandSchema,
  PerRouteConfigSchema,
} from '#xds/gen/envoy/extensions/filters/http/on_demand/v3/on_demand_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';

export const onDemand: CataloguedFilter = defineFilter({
  kind: 'on-demand',
  schema: OnDemandSchema,
  stability: 'stable',
  trust: 'hostile-downstream',
  create({ odcds }, path, { slot }): Parsed<HttpFilter> {
    const findings = new Findings();
    refuseClusters(odcds, path, findings);
    return findings.result<HttpFilter>(new OnDemandFilter(slot));
  },
  route: {
    schema: PerRouteConfigSchema,
    create({ odcds }, path): Parsed<unknown> {
      const findings = new Findings();
      refuseClusters(odcds, path, findings);
      return findings.result<unknown>({});
    },
  },
});

function refuseClusters(odcds: OnDemandCds | undefined, path: string, findings: Findings): void {
  if (odcds !== undefined)
    findings.error(
      `${path}.odcds`,
      'is not supported: virtual hosts are asked for on demand, clusters are not',
    );
}

class OnDemandFilter implements HttpFilter {
  readonly #slot: number;

  constructor(slot: number) {
    this.#slot = slot;
  }

  onRequestHead(exchange: Exchange): Verdict {
    const forget = exchange.awaitHost();
    if (forget === undefined) return undefined;
    exchange.slots[this.#slot] = forget;
    return 'wait';
  }

  onEnd(exchange: Exchange): void {
    (exchange.slots[this.#slot] as (() => void) | undefined)?.();
  }
}
