/** What members of a WorkloadGroup are told of it: how they are probed. Nobody else can ask their applications. */
import { create } from '@bufbuild/protobuf';
import type { GroupProbe } from '#model/probe.ts';
import type { WorkloadGroup } from '#model/workload-group.ts';
import {
  type ReadinessProbeSchema,
  type WorkloadGroup as WorkloadGroupMessage,
  WorkloadGroupSchema,
} from '#xds/gen/istio/networking/v1alpha3/workload_group_pb.js';
import type { Init } from './message.ts';

/** A group without probe is a message without one. */
export function translateGroup({ spec: { probe } }: WorkloadGroup): WorkloadGroupMessage {
  return create(WorkloadGroupSchema, probe === undefined ? {} : { probe: translateProbe(probe) });
}

function translateProbe({ action, ...times }: GroupProbe): Init<typeof ReadinessProbeSchema> {
  return { ...times, healthCheckMethod: methodOf(action) };
}

function methodOf(
  action: GroupProbe['action'],
): NonNullable<Init<typeof ReadinessProbeSchema>['healthCheckMethod']> {
  switch (action.kind) {
    case 'httpGet': {
      const { host = '', port, path, scheme, headers } = action;
      return { case: 'httpGet', value: { host, port, path, scheme, httpHeaders: [...headers] } };
    }
    case 'tcpSocket':
      return { case: 'tcpSocket', value: { host: action.host ?? '', port: action.port } };
    case 'exec':
      return { case: 'exec', value: { command: [...action.command] } };
    case 'grpc':
      return { case: 'grpc', value: { port: action.port, service: action.service } };
  }
}
