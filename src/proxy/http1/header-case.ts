/** `header_key_format` of a connection manager or a cluster. */
import type { Http1ProtocolOptions } from '#xds/gen/envoy/config/core/v3/protocol_pb.js';
import { PreserveCaseFormatterConfigSchema } from '#xds/gen/envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case_pb.js';
import type { Findings } from '../findings.ts';

/** `preserve`: the names of messages that come in are kept, and written where they go out by HTTP/1. */
export type HeaderCase = 'lower' | 'proper' | 'preserve';

export function readHeaderCase(
  options: Http1ProtocolOptions | undefined,
  path: string,
  findings: Findings,
): HeaderCase {
  const format = options?.headerKeyFormat?.headerFormat;
  const at = `${path}.header_key_format`;
  switch (format?.case) {
    case 'properCaseWords':
      return 'proper';
    case 'statefulFormatter': {
      const here = `${at}.stateful_formatter.typed_config`;
      const config = findings.unpack(here, format.value.typedConfig, PreserveCaseFormatterConfigSchema);
      findings.refuse(`${here}.forward_reason_phrase`, config?.forwardReasonPhrase === true);
      findings.refuse(
        `${here}.formatter_type_on_envoy_headers`,
        (config?.formatterTypeOnEnvoyHeaders ?? 0) !== 0,
      );
      return 'preserve';
    }
    default:
      if (options?.headerKeyFormat !== undefined) findings.error(at, 'says no format');
      return 'lower';
  }
}
