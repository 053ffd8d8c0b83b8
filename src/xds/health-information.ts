/**
 * What a workload that is not a Pod says of its application: a request of this type over its ADS stream, which is
 * answered by nothing. Its `error_detail` says why the application is not healthy; without one it is (Istio).
 */
export const healthInformationType = 'type.googleapis.com/istio.v1.HealthInformation';
