/** The part of an `HttpConnectionManager` that says who the client is and what is put into heads. */
import { type IpRange, parseRange } from '#core/ip-address.ts';
import type { CidrRange } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { HttpConnectionManager } from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { CustomHeaderConfigSchema } from '#xds/gen/envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header_pb.js';
import {
  type XffConfig,
  XffConfigSchema,
} from '#xds/gen/envoy/extensions/http/original_ip_detection/xff/v3/xff_pb.js';
import { UuidRequestIdConfigSchema } from '#xds/gen/envoy/extensions/request_id/uuid/v3/uuid_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { LocalReply } from '../filter/contract.ts';
import { byteString, type Findings, typeNameOf } from '../findings.ts';
import {
  type AddressDetection,
  detectByHeader,
  detectByHops,
  detectByRanges,
  InternalAddresses,
} from './client-address.ts';
import type { RequestIdRules } from './request-id.ts';

export interface HeadRules {
  readonly useRemoteAddress: boolean;
  readonly trustedHops: number;
  readonly skipForwardedFor: boolean;
  readonly appendForwardedPort: boolean;
  readonly internal: InternalAddresses;
  /** Where the address of the connection is not used: in order, the first that finds one. */
  readonly detections: readonly AddressDetection[];
  /** `http` or `https`, whatever the client says; '' for what it says. */
  readonly scheme: string;
  /** Whether the upstream is told the scheme it is spoken to with. */
  readonly matchUpstreamScheme: boolean;
  /** Name of our own cluster of services, where it is told. */
  readonly userAgent: string | undefined;
  readonly nodeId: string;
  readonly requestId: RequestIdRules;
}

export function readHeadRules(
  hcm: HttpConnectionManager,
  at: string,
  deps: DataPathDeps,
  findings: Findings,
): HeadRules {
  const useRemoteAddress = hcm.useRemoteAddress ?? false;
  const internal = hcm.internalAddressConfig;
  const ranges = readRanges(
    internal?.cidrRanges ?? [],
    `${at}.internal_address_config.cidr_ranges`,
    findings,
  );
  const transformation = hcm.schemeHeaderTransformation;
  const scheme = transformation?.transformation.value ?? '';
  if (transformation !== undefined && scheme !== '' && scheme !== 'http' && scheme !== 'https') {
    findings.error(`${at}.scheme_header_transformation.scheme_to_overwrite`, 'must be "http" or "https"');
  }
  return {
    useRemoteAddress,
    trustedHops: hcm.xffNumTrustedHops,
    skipForwardedFor: hcm.skipXffAppend,
    appendForwardedPort: hcm.appendXForwardedPort,
    internal: new InternalAddresses(ranges, internal?.unixSockets ?? false),
    detections: readDetections(hcm, at, findings),
    scheme,
    matchUpstreamScheme: transformation?.matchUpstream ?? false,
    userAgent: hcm.addUserAgent === true ? byteString(deps.nodeCluster) : undefined,
    nodeId: byteString(deps.nodeId),
    requestId: readRequestId(hcm, at, findings),
  };
}

function readDetections(hcm: HttpConnectionManager, at: string, findings: Findings): AddressDetection[] {
  const path = `${at}.original_ip_detection_extensions`;
  if (hcm.originalIpDetectionExtensions.length === 0) return [detectByHops(hcm.xffNumTrustedHops, false)];
  if (hcm.useRemoteAddress === true || hcm.xffNumTrustedHops > 0) {
    findings.error(path, 'cannot be beside use_remote_address and xff_num_trusted_hops');
  }
  return hcm.originalIpDetectionExtensions.flatMap((extension, i) => {
    const here = `${path}[${i}].typed_config`;
    const any = extension.typedConfig;
    switch (typeNameOf(any)) {
      case XffConfigSchema.typeName: {
        const config = findings.unpack(here, any, XffConfigSchema);
        return config === undefined ? [] : [readXff(config, here, findings)];
      }
      case CustomHeaderConfigSchema.typeName: {
        const config = findings.unpack(here, any, CustomHeaderConfigSchema);
        if (config === undefined) return [];
        if (config.headerName === '') findings.error(`${here}.header_name`, 'is missing');
        return [
          detectByHeader(
            config.headerName.toLowerCase(),
            config.allowExtensionToSetAddressAsTrusted,
            config.rejectWithStatus && refusalOf(config.rejectWithStatus.code),
          ),
        ];
      }
      default:
        findings.error(here, `type ${any?.typeUrl ?? ''} is not supported`);
        return [];
    }
  });
}

function readXff(config: XffConfig, at: string, findings: Findings): AddressDetection {
  const appends = config.skipXffAppend === false;
  if (config.xffTrustedCidrs === undefined) return detectByHops(config.xffNumTrustedHops, appends);
  if (config.xffNumTrustedHops > 0) {
    findings.error(`${at}.xff_num_trusted_hops`, 'cannot be beside xff_trusted_cidrs');
  }
  return detectByRanges(
    readRanges(config.xffTrustedCidrs.cidrs, `${at}.xff_trusted_cidrs.cidrs`, findings),
    appends,
  );
}

const FORBIDDEN = 403;

function refusalOf(status: number): LocalReply {
  return {
    status: status < 400 ? FORBIDDEN : status,
    body: '',
    flag: '',
    details: 'rejecting_because_detection_failed',
  };
}

function readRanges(ranges: readonly CidrRange[], path: string, findings: Findings): IpRange[] {
  return ranges.flatMap(({ addressPrefix, prefixLen }, i) => {
    const range = parseRange(addressPrefix, prefixLen ?? 0);
    if (range !== undefined) return [range];
    findings.error(`${path}[${i}].address_prefix`, `"${addressPrefix}" is not an IP address`);
    return [];
  });
}

function readRequestId(hcm: HttpConnectionManager, at: string, findings: Findings): RequestIdRules {
  const path = `${at}.request_id_extension.typed_config`;
  const any = hcm.requestIdExtension?.typedConfig;
  const config =
    hcm.requestIdExtension === undefined ? undefined : findings.unpack(path, any, UuidRequestIdConfigSchema);
  findings.refuse(
    `${path}.use_request_id_for_trace_sampling`,
    config?.useRequestIdForTraceSampling !== undefined,
  );
  return {
    generates: hcm.generateRequestId ?? true,
    keepsExternal: hcm.preserveExternalRequestId,
    inResponse: hcm.alwaysSetRequestIdInResponse,
    packsTraceReason: config?.packTraceReason ?? true,
  };
}
