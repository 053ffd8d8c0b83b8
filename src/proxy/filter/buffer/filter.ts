/** Holds requests until they are complete (Envoy, "Buffer"). */
import type { Parsed } from '#core/problem.ts';
import { hasHeader } from '#http/header-list.ts';
import {
  type Buffer as BufferConfig,
  BufferPerRouteSchema,
  BufferSchema,
} from '#xds/gen/envoy/extensions/filters/http/buffer/v3/buffer_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';

/** Bytes of a request; 0 where requests are not held. */
interface Limit {
  readonly maxBytes: number;
}

export const buffer: CataloguedFilter = defineFilter({
  kind: 'buffer',
  schema: BufferSchema,
  stability: 'stable',
  trust: 'hostile-downstream',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const limit = readLimit(config, path, findings);
    return findings.result<HttpFilter>(new BufferFilter(limit, deps));
  },
  route: {
    schema: BufferPerRouteSchema,
    create({ override }, path): Parsed<unknown> {
      const findings = new Findings();
      let limit: Limit = { maxBytes: 0 };
      if (override.case === 'buffer') limit = readLimit(override.value, `${path}.buffer`, findings);
      else if (override.case === undefined) findings.error(path, 'has neither disabled nor buffer');
      else if (!override.value) findings.error(`${path}.disabled`, 'must be true');
      return findings.result<unknown>(limit);
    },
  },
});

function readLimit({ maxRequestBytes }: BufferConfig, path: string, findings: Findings): Limit {
  if (maxRequestBytes === undefined) findings.error(`${path}.max_request_bytes`, 'is missing');
  else if (maxRequestBytes === 0) findings.error(`${path}.max_request_bytes`, 'must be at least 1');
  return { maxBytes: maxRequestBytes ?? 0 };
}

class BufferFilter implements HttpFilter {
  readonly #limit: Limit;
  readonly #name: string;

  constructor(limit: Limit, { name }: FilterDeps) {
    this.#limit = limit;
    this.#name = name;
  }

  onRequestHead(exchange: Exchange, endStream: boolean): Verdict {
    if (endStream) return undefined;
    const { maxBytes } = (exchange.routeConfig(this.#name) as Limit | undefined) ?? this.#limit;
    if (maxBytes === 0) return undefined;
    exchange.bufferLimitBytes = maxBytes;
    return 'hold';
  }

  onRequestComplete(exchange: Exchange, bodyBytes: number): Verdict {
    const headers = exchange.requestHeaders;
    if (!hasHeader(headers, 'content-length')) headers.push('content-length', String(bodyBytes));
    return undefined;
  }
}
