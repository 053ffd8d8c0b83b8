/** The access log that a mesh asks its proxies for (`accessLogFile` and its format in Istio's MeshConfig). */
import type { JsonObject } from '@bufbuild/protobuf';
import { jsonObject } from '#model/mesh-config.ts';
import type { AccessLogSettings, MeshSettings } from '#model/mesh-settings.ts';
import { istioTextFormat } from '#observe/access-log.ts';
import type { AccessLogSchema } from '#xds/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { FileAccessLogSchema } from '#xds/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { type Init, pack } from './message.ts';

type AccessLogInit = Init<typeof AccessLogSchema>;

/** Of connection managers and of connections without HTTP alike; nothing where none is asked for. */
export function accessLogs({ accessLog }: Pick<MeshSettings, 'accessLog'>): {
  readonly accessLog?: AccessLogInit[];
} {
  if (accessLog === undefined) return {};
  const made = madeOf.get(accessLog) ?? [fileLog(accessLog)];
  madeOf.set(accessLog, made);
  return { accessLog: made };
}

const madeOf = new WeakMap<AccessLogSettings, AccessLogInit[]>();

function fileLog({ file, format, encoding }: AccessLogSettings): AccessLogInit {
  const logFormat =
    encoding === 'JSON'
      ? {
          case: 'jsonFormat' as const,
          value: format === '' ? usualFields : (jsonObject(format) as JsonObject),
        }
      : { case: 'textFormatSource' as const, value: textSource(format) };
  return {
    name: 'envoy.access_loggers.file',
    configType: {
      case: 'typedConfig',
      value: pack(FileAccessLogSchema, {
        path: file,
        accessLogFormat: { case: 'logFormat', value: { format: logFormat } },
      }),
    },
  };
}

function textSource(format: string): { specifier: { case: 'inlineString'; value: string } } {
  const text = format === '' ? istioTextFormat : format;
  return { specifier: { case: 'inlineString', value: text.endsWith('\n') ? text : `${text}\n` } };
}

/** Istio's, where the encoding is JSON and no format is written. */
const usualFields: JsonObject = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};
