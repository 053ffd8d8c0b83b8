/** Envoy's reasons in `%DOWNSTREAM_LOCAL_CLOSE_REASON%` of connections that got no upstream, with its spelling. */
export const NOT_CONNECTED = 'tcp_initializion_failure:';
export const CONNECT_FAILED = 0;
export const NO_ENDPOINT = 1;
export const OVER_LIMIT = 2;
export const NO_CLUSTER = 3;
