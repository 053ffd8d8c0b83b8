/** What an `HttpConnectionManager` may ask for and is not done: refused by its path. */
import {
  HttpConnectionManager_CodecType as Codec,
  type HttpConnectionManager,
} from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { Findings } from '../findings.ts';

export function refuseUnsupported(hcm: HttpConnectionManager, at: string, findings: Findings): void {
  if (hcm.codecType === Codec.HTTP3) {
    findings.error(`${at}.codec_type`, 'HTTP3 is not supported: the runtime has no QUIC');
  }
  for (const [field, isSet] of Object.entries(unsupported(hcm))) findings.refuse(`${at}.${field}`, isSet);
}

/** Whether fields are set, by their paths. */
function unsupported(hcm: HttpConnectionManager): Readonly<Record<string, boolean>> {
  const common = hcm.commonHttpProtocolOptions;
  const h1 = hcm.httpProtocolOptions;
  const log = hcm.accessLogOptions;
  return {
    http3_protocol_options: hcm.http3ProtocolOptions !== undefined,
    represent_ipv4_remote_address_as_ipv4_mapped_ipv6: hcm.representIpv4RemoteAddressAsIpv4MappedIpv6,
    early_header_mutation_extensions: hcm.earlyHeaderMutationExtensions.length > 0,
    proxy_status_config: hcm.proxyStatusConfig !== undefined,
    path_normalization_options: hcm.pathNormalizationOptions !== undefined,
    typed_header_validation_config: hcm.typedHeaderValidationConfig !== undefined,
    // Without them there is less that filters could be told; those here ask for none of it.
    add_proxy_protocol_connection_state: hcm.addProxyProtocolConnectionState === false,
    forward_client_cert_matcher: hcm.forwardClientCertMatcher !== undefined,
    forward_proto_config: hcm.forwardProtoConfig !== undefined,
    record_route_resolution_stats: hcm.recordRouteResolutionStats,
    access_log_flush_interval: hcm.accessLogFlushInterval !== undefined,
    flush_access_log_on_new_request: hcm.flushAccessLogOnNewRequest,
    'access_log_options.access_log_flush_interval': log?.accessLogFlushInterval !== undefined,
    'access_log_options.flush_access_log_on_new_request': log?.flushAccessLogOnNewRequest === true,
    'access_log_options.flush_log_on_tunnel_successfully_established':
      log?.flushLogOnTunnelSuccessfullyEstablished === true,
    'common_http_protocol_options.max_response_headers_kb': common?.maxResponseHeadersKb !== undefined,
    'http_protocol_options.send_fully_qualified_url': h1?.sendFullyQualifiedUrl === true,
    'http_protocol_options.use_balsa_parser': h1?.useBalsaParser === false,
    'set_current_client_cert_details.format': (hcm.setCurrentClientCertDetails?.format ?? 0) !== 0,
  };
}
