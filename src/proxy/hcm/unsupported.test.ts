import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  HttpConnectionManager_ForwardClientCertFormat as Format,
  HttpConnectionManagerSchema,
} from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { Findings } from '../findings.ts';
import { refuseUnsupported } from './unsupported.ts';

function refusals(fields: MessageInitShape<typeof HttpConnectionManagerSchema>): string[] {
  const findings = new Findings();
  refuseUnsupported(create(HttpConnectionManagerSchema, fields), 'hcm', findings);
  return findings.problems.map(({ path }) => path ?? '');
}

test('what is not done is refused by its path', () => {
  assert.deepEqual(
    refusals({
      proxyStatusConfig: {},
      forwardClientCertMatcher: {},
      addProxyProtocolConnectionState: false,
      recordRouteResolutionStats: true,
      accessLogOptions: { flushAccessLogOnNewRequest: true },
      httpProtocolOptions: { useBalsaParser: false },
      setCurrentClientCertDetails: { format: Format.JSON },
    }),
    [
      'hcm.proxy_status_config',
      'hcm.add_proxy_protocol_connection_state',
      'hcm.forward_client_cert_matcher',
      'hcm.record_route_resolution_stats',
      'hcm.access_log_options.flush_access_log_on_new_request',
      'hcm.http_protocol_options.use_balsa_parser',
      'hcm.set_current_client_cert_details.format',
    ],
  );
});

test('what changes nothing is taken', () => {
  assert.deepEqual(
    refusals({
      addProxyProtocolConnectionState: true,
      accessLogOptions: {},
      httpProtocolOptions: { useBalsaParser: true },
      setCurrentClientCertDetails: { issuer: true },
    }),
    [],
  );
});
