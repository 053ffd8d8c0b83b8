/**
 * Resolves the host a request names, before it is forwarded to a `dynamic_forward_proxy` cluster
 * (Envoy, "Dynamic forward proxy").
 */
import { errorKinds } from '#core/error.ts';
import type { Parsed } from '#core/problem.ts';
import { FilterConfigSchema } from '#xds/gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.js';
import { Findings } from '../../findings.ts';
import { withoutPort } from '../../route/table.ts';
import type { CataloguedFilter, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';

export const dynamicForwardProxy: CataloguedFilter = defineFilter({
  kind: 'dynamic-forward-proxy',
  schema: FilterConfigSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    findings.refuse(`${path}.save_upstream_address`, config.saveUpstreamAddress);
    findings.refuse(`${path}.allow_dynamic_host_from_filter_state`, config.allowDynamicHostFromFilterState);
    return findings.result<HttpFilter>({
      onRequestHead(exchange): Verdict {
        if (exchange.cluster?.isDynamic !== true) return undefined;
        deps.resolve(withoutPort(exchange.authority)).then(
          () => exchange.resume(),
          () => {
            const { httpStatus, flag, details, body } = errorKinds.DNS_FAILED;
            exchange.resume({ status: httpStatus, flag, details, body });
          },
        );
        return 'wait';
      },
    });
  },
});
